/* SPDX-License-Identifier: BSD-3-Clause */
/* tests/core/test_fault_plan.c — what a plan says, and which calls then fail. */
#include "core/fault.h"

#include <errno.h>

#include "core/mem.h"
#include "core/thread.h"
#include "tests/support/suite.h"

/* Install what `text` says. */
static void plan(const char *text, uint64_t seed)
{
    struct kci_fault_plan p;
    const char *wrong = kci_fault_parse(text, &p);

    ck_assert_msg(!wrong, "%s: expected %s", text, wrong ? wrong : "");
    kci_fault_install(&p, seed);
}

/* Which of the next 20 calls fail, as bits. */
static unsigned failing(enum kci_fault_site site)
{
    unsigned bits = 0;

    for (unsigned i = 0; i < 20; i++)
        bits |= (kci_fails(site) ? 1u : 0u) << i;
    return bits;
}

static const unsigned all = (1u << 20) - 1;

START_TEST(without_a_plan_nothing_fails)
{
    ck_assert_uint_eq(failing(KCI_FAULT_MALLOC), 0);
    plan("malloc", 0);
    ck_assert_uint_eq(failing(KCI_FAULT_MALLOC), all);
    kci_fault_install(NULL, 0);
    ck_assert_uint_eq(failing(KCI_FAULT_MALLOC), 0);
    ck_assert_uint_eq(kci_fault_made(), 0);
}
END_TEST

START_TEST(nth_is_one_call_and_from_it_and_all_later)
{
    plan("sys.read:EIO:nth=3,map:from=19", 0);
    ck_assert_uint_eq(failing(KCI_FAULT_READ), 1u << 2);
    ck_assert_int_eq(errno, EIO);
    ck_assert_uint_eq(failing(KCI_FAULT_WRITE), 0);
    ck_assert_uint_eq(failing(KCI_FAULT_MAP), 3u << 18);
    ck_assert_uint_eq(kci_fault_made(), 3);
    ck_assert_uint_eq(failing(KCI_FAULT_MAP), all);
}
END_TEST

START_TEST(every_rule_counts_and_the_first_that_fails_decides)
{
    plan("sys.read:EIO:nth=3,sys.*:ENOMEM:nth=3,sys.read:EBADF:nth=5", 0);
    ck_assert_uint_eq(failing(KCI_FAULT_READ), 1u << 2 | 1u << 4);
    ck_assert_int_eq(errno, EBADF);
    ck_assert_uint_eq(failing(KCI_FAULT_WRITE), 0); // the third of all was a read
}
END_TEST

START_TEST(chance_repeats_with_its_seed)
{
    plan("malloc:p=.5", 7);
    unsigned first = failing(KCI_FAULT_MALLOC);
    ck_assert(first != 0 && first != all);
    plan("malloc:p=0.50", 7);
    ck_assert_uint_eq(failing(KCI_FAULT_MALLOC), first);
    plan("malloc:p=.5", 8);
    ck_assert_uint_ne(failing(KCI_FAULT_MALLOC), first);
    plan("malloc:p=0", 7);
    ck_assert_uint_eq(failing(KCI_FAULT_MALLOC), 0);
    plan("malloc:p=1", 7);
    ck_assert_uint_eq(failing(KCI_FAULT_MALLOC), all);
}
END_TEST

START_TEST(a_chance_is_as_rare_as_it_says)
{
    int failed = 0;

    plan("malloc:p=.01", 1);
    for (int i = 0; i < 100000; i++)
        failed += kci_fails(KCI_FAULT_MALLOC);
    ck_assert_int_gt(failed, 900); // 1000 on average, 3 standard deviations are 94
    ck_assert_int_lt(failed, 1100);
    ck_assert_uint_eq(kci_fault_made(), (uint64_t)failed);
}
END_TEST

START_TEST(what_asks_to_try_again_lets_the_next_try_through)
{
    plan("sys.read:EINTR,sys.accept:EAGAIN", 0);
    ck_assert_uint_eq(failing(KCI_FAULT_READ), 0x55555);
    ck_assert_uint_eq(failing(KCI_FAULT_ACCEPT), 0x55555);
    plan("thread", 0); // which nobody tries again
    ck_assert_uint_eq(failing(KCI_FAULT_THREAD), all);
}
END_TEST

START_TEST(an_error_for_all_calls_stays_with_those_that_may_say_so)
{
    plan("sys.*:EMFILE", 0);
    ck_assert_uint_eq(failing(KCI_FAULT_READ), 0);
    ck_assert_uint_eq(failing(KCI_FAULT_ACCEPT), all);
    plan("fd", 0);
    ck_assert_uint_eq(failing(KCI_FAULT_EVENTFD), all);
    ck_assert_int_eq(errno, EMFILE);
    plan("fd:ENFILE", 0);
    ck_assert_uint_eq(failing(KCI_FAULT_SOCKET), all);
    ck_assert_int_eq(errno, ENFILE);
    plan("sys.read:EMFILE", 0); // asked for by name
    ck_assert_uint_eq(failing(KCI_FAULT_READ), all);
}
END_TEST

START_TEST(short_transfers_one_byte)
{
    size_t n = 100, none = 0;

    plan("sys.*:short:nth=2", 0);
    ck_assert_uint_eq(failing(KCI_FAULT_OPEN), 0);
    ck_assert(!kci_fails_bytes(KCI_FAULT_READ, &n));
    ck_assert_uint_eq(n, 100);
    ck_assert(!kci_fails_bytes(KCI_FAULT_WRITE, &n));
    ck_assert_uint_eq(n, 1);
    plan("sys.write:short", 0);
    ck_assert(!kci_fails_bytes(KCI_FAULT_WRITE, &none));
    ck_assert_uint_eq(none, 0);
}
END_TEST

static void *nothing(void *unused)
{
    return unused;
}

START_TEST(a_thread_that_cannot_be_had_says_so)
{
    pthread_t t;

    plan("thread:nth=1", 0);
    ck_assert_int_eq(kci_thread_start(&t, nothing, NULL), -EAGAIN);
    ck_assert_int_eq(kci_thread_start(&t, nothing, NULL), 0);
    pthread_join(t, NULL);
}
END_TEST

START_TEST(what_is_no_plan_is_refused)
{
    static const char *const bad[] = {
        "", ",", "malloc,", "malloc,,map", "mallo", "malloc2", "malloc:", "malloc:nth", "malloc:nth=",
        "malloc:nth=0", "malloc:nth=-1", "malloc:nth=1x", "malloc:nth=99999999999999999999999",
        "malloc:from=", "malloc:p=", "malloc:p=.", "malloc:p=1.1", "malloc:p=-1", "malloc:p=1e-3",
        "malloc:p=1.0.0", "malloc:EIO", "malloc:short", "thread:EPERM", "map:ENOMEM", "sys",
        "sys.", "sys.read", "sys.reads:EIO", "sys.read:EIO:p", "sys.read:eio", "sys.open:short",
        "sys.*", "fd:short", " malloc", "malloc ", "map,map,map,map,map,map,map,map,map",
    };
    struct kci_fault_plan p;

    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        ck_assert_msg(kci_fault_parse(bad[i], &p) != NULL, "'%s' was taken for a plan", bad[i]);
    ck_assert_ptr_null(kci_fault_parse("map,map,map,map,map,map,map,map", &p));
    ck_assert_uint_eq(p.rules, 8);
}
END_TEST

SUITE("core/fault_plan", CASE(without_a_plan_nothing_fails),
      CASE(nth_is_one_call_and_from_it_and_all_later),
      CASE(every_rule_counts_and_the_first_that_fails_decides),
      CASE(chance_repeats_with_its_seed), CASE(a_chance_is_as_rare_as_it_says),
      CASE(what_asks_to_try_again_lets_the_next_try_through),
      CASE(an_error_for_all_calls_stays_with_those_that_may_say_so),
      CASE(short_transfers_one_byte), CASE(a_thread_that_cannot_be_had_says_so),
      CASE(what_is_no_plan_is_refused))
