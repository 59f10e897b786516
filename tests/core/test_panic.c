/* SPDX-License-Identifier: BSD-3-Clause */
/* tests/core/test_panic.c — last words and log lines. */
#include <errno.h>
#include <signal.h>
#include <string.h>

#include "core/assert.h"
#include "core/log.h"
#include "tests/core/child.h"
#include "tests/support/suite.h"

static int break_an_invariant(void *arg)
{
    KCI_ASSERT(arg != NULL);
    return 0;
}

static int misuse(void *arg)
{
    (void)arg;
    KCI_MISUSE("somebody broke a rule");
}

START_TEST(a_broken_invariant_is_named_with_its_place_before_the_end)
{
    struct kt_end end = kt_child(break_an_invariant, NULL);

    ck_assert(kt_ended_by(&end, SIGABRT));
    ck_assert_ptr_nonnull(strstr(end.said, "kcoro: invariant broken: arg != NULL ("));
    ck_assert_ptr_nonnull(strstr(end.said, "tests/core/test_panic.c:"));
}
END_TEST

START_TEST(an_invariant_that_holds_says_nothing)
{
    struct kt_end end = kt_child(break_an_invariant, &end);

    ck_assert(kt_exited(&end, 0));
    ck_assert_str_eq(end.said, "");
}
END_TEST

START_TEST(misuse_is_named_before_the_end)
{
    struct kt_end end = kt_child(misuse, NULL);

    ck_assert(kt_ended_by(&end, SIGABRT));
    ck_assert_ptr_nonnull(strstr(end.said, "kcoro: misuse: somebody broke a rule ("));
}
END_TEST

static int say_in_every_area(void *areas)
{
    char big[2000];

    memset(big, 'x', sizeof big - 1);
    big[sizeof big - 1] = '\0';
    kci_log_init(areas);
    errno = 0;
    KCI_LOG(KCI_LOG_SCHED, "one %d", 1);
    KCI_LOG(KCI_LOG_CHAN, "two");
    KCI_LOG(KCI_LOG_IO, "%s", big);
    KCI_LOG(KCI_LOG_IPC, "four");
    return errno;
}

START_TEST(logging_is_silent_by_default)
{
    struct kt_end end = kt_child(say_in_every_area, NULL);

    ck_assert(kt_exited(&end, 0));
    ck_assert_str_eq(end.said, "");
}
END_TEST

START_TEST(the_named_areas_speak_and_the_others_do_not)
{
    char areas[] = "sched,ipc";
    struct kt_end end = kt_child(say_in_every_area, areas);

    ck_assert_str_eq(end.said, "kcoro sched: one 1\nkcoro ipc: four\n");
}
END_TEST

START_TEST(all_means_every_area_and_a_long_line_is_cut)
{
    char areas[] = "all";
    struct kt_end end = kt_child(say_in_every_area, areas);

    ck_assert_ptr_nonnull(strstr(end.said, "kcoro sched: one 1\nkcoro chan: two\nkcoro io: xx"));
    ck_assert_ptr_nonnull(strstr(end.said, "x\nkcoro ipc: four\n"));
    ck_assert_int_lt((int)strlen(end.said), 700);
}
END_TEST

START_TEST(an_unknown_area_is_reported_and_the_known_ones_work)
{
    char areas[] = "scheduler,,chan,";
    struct kt_end end = kt_child(say_in_every_area, areas);

    ck_assert_ptr_nonnull(strstr(end.said, "unknown area 'scheduler'"));
    ck_assert_ptr_nonnull(strstr(end.said, "kcoro chan: two\n"));
    ck_assert_ptr_null(strstr(end.said, "one"));
}
END_TEST

SUITE("core/panic", CASE(a_broken_invariant_is_named_with_its_place_before_the_end),
      CASE(an_invariant_that_holds_says_nothing), CASE(misuse_is_named_before_the_end),
      CASE(logging_is_silent_by_default), CASE(the_named_areas_speak_and_the_others_do_not),
      CASE(all_means_every_area_and_a_long_line_is_cut),
      CASE(an_unknown_area_is_reported_and_the_known_ones_work))
