/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * tests/explore/test_bugs.c — each planted bug is found within its number of schedules, is not
 * there on the plain schedule (or it would not need an explorer), and comes again from its
 * string.
 */
#include <string.h>

#include "tests/explore/bugs.h"
#include "tests/support/suite.h"

/* Some of the bugs are leaks. */
const char *__asan_default_options(void);
const char *__asan_default_options(void)
{
    return "detect_leaks=0";
}

static const kc_explore_opts_t quiet = {
    .strategy = "portfolio", .seed = 1, .steps = 20000,
    .flags = KC_EXPLORE_QUIET | KC_EXPLORE_FIRST,
};

static void must_be_found(const struct bug *b)
{
    kc_explore_opts_t opts = quiet;
    kc_explore_result_t res, again;

    opts.schedules = 20 * b->within;
    int rc = kc_test_explore(b->program, NULL, &opts, &res);
    ck_assert_msg(rc == -EFAULT, "%s: %s", b->name, kc_strerror(rc));
    ck_assert_msg(strstr(res.why, b->why) != NULL, "%s: said '%s'", b->name, res.why);
    ck_assert_msg(res.first <= b->within, "%s: schedule %d", b->name, (int)res.first);
    ck_assert_msg(strncmp(res.replay, "kc1:", 4) == 0, "%s: '%s'", b->name, res.replay);

    opts.replay = res.replay;
    ck_assert_int_eq(kc_test_explore(b->program, NULL, &opts, &again), -EFAULT);
    ck_assert_str_eq(again.why, res.why);
    ck_assert_str_eq(again.replay, res.replay);
}

START_TEST(each_planted_bug_of_locks_and_counters_is_found_and_comes_again)
{
    for (unsigned i = 0; i < bugs_sync_count; i++)
        must_be_found(&bugs_sync[i]);
}
END_TEST

START_TEST(each_planted_bug_of_channels_is_found_and_comes_again)
{
    for (unsigned i = 0; i < bugs_chan_count; i++)
        must_be_found(&bugs_chan[i]);
}
END_TEST

START_TEST(each_planted_bug_of_lifetimes_is_found_and_comes_again)
{
    for (unsigned i = 0; i < bugs_memory_count; i++)
        must_be_found(&bugs_memory[i]);
}
END_TEST

/* With two preemptions at most, and every schedule of that kind. */
static void must_be_found_by_dfs(const struct bug *b)
{
    kc_explore_opts_t opts = quiet;
    kc_explore_result_t res;

    opts.strategy = "dfs";
    opts.schedules = 20000;
    int rc = kc_test_explore(b->program, NULL, &opts, &res);
    ck_assert_msg(rc == -EFAULT, "%s: %s after %d schedules", b->name, kc_strerror(rc),
                  (int)res.schedules);
}

START_TEST(two_preemptions_are_enough_for_each_planted_bug)
{
    for (unsigned i = 0; i < bugs_sync_count; i++)
        must_be_found_by_dfs(&bugs_sync[i]);
    for (unsigned i = 0; i < bugs_chan_count; i++)
        must_be_found_by_dfs(&bugs_chan[i]);
    for (unsigned i = 0; i < bugs_memory_count; i++)
        must_be_found_by_dfs(&bugs_memory[i]);
}
END_TEST

SUITE("explore/bugs",
      CASE(each_planted_bug_of_locks_and_counters_is_found_and_comes_again),
      CASE(each_planted_bug_of_channels_is_found_and_comes_again),
      CASE(each_planted_bug_of_lifetimes_is_found_and_comes_again),
      CASE(two_preemptions_are_enough_for_each_planted_bug))
