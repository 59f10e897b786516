/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * tests/explore/test_explore.c — the explorer's own promises: it finds nothing where there is
 * nothing, enumerates what it says it enumerates, repeats what it prints, keeps time.
 */
#include <string.h>

#include "arch/atomic.h"
#include "tests/explore/bugs.h"
#include "tests/support/suite.h"

static kc_explore_opts_t with(const char *strategy, uint64_t schedules)
{
    return (kc_explore_opts_t){ .strategy = strategy, .seed = 1, .schedules = schedules,
                                .flags = KC_EXPLORE_QUIET };
}

/* ---- programs ---- */

static int produce(void *ch)
{
    for (int i = 0; i < 3; i++)
        bugs_must(kc_send((kc_chan_t *)ch, &i));
    return kc_chan_close(ch);
}

static int consume(void *ch)
{
    int v, rc, want = 0;

    while ((rc = kc_recv((kc_chan_t *)ch, &v)) == 0)
        kc_always(v == want++);
    return rc == -EPIPE && want == 3 ? 0 : -EBADMSG;
}

static int right(void *arg)
{
    kc_chan_t *ch = kc_chan(int, 1);
    (void)arg;
    return ch ? bugs_together((kc_fn[]){ produce, consume }, 2, ch) : -ENOMEM;
}

static int point_twice(void *arg)
{
    kc_point();
    *(int *)arg = *(int *)arg * 2 + 1;
    kc_point();
    return 0;
}

static int crosses(void *arg)
{
    (void)arg;
    int n = 0;
    return bugs_together((kc_fn[]){ point_twice, point_twice }, 2, &n);
}

/* ---- nothing is found where there is nothing ---- */

START_TEST(a_right_program_has_no_failing_schedule_by_any_strategy)
{
    static const char *const all[] = { "portfolio", "random", "pct",     "pct:2", "pos",
                                       "sticky",    "sticky:0.5", "dfs", "dfs:1" };

    for (size_t i = 0; i < sizeof all / sizeof *all; i++) {
        kc_explore_opts_t opts = with(all[i], 300);
        kc_explore_result_t res;
        ck_assert_msg(kc_test_explore(right, NULL, &opts, &res) == 0, "%s: %s", all[i], res.why);
        ck_assert_int_eq(res.failures, 0);
        ck_assert_int_gt(res.schedules, 0);
        ck_assert_str_eq(res.replay, "");
        ck_assert_str_eq(res.why, "");
    }
}
END_TEST

START_TEST(dfs_ends_when_it_has_every_schedule_within_its_bound)
{
    uint64_t before = 0;

    for (int bound = -1; bound <= 4; bound++) {
        kc_explore_opts_t opts = with("dfs", 100000);
        kc_explore_result_t res;
        opts.preemptions = bound ? bound : 1;
        ck_assert_int_eq(kc_test_explore(crosses, NULL, &opts, &res), 0);
        ck_assert_int_eq(res.exhausted, 1);
        ck_assert_uint_ge(res.schedules, before); // more preemptions, more schedules
        before = res.schedules;
    }
    ck_assert_uint_gt(before, 50);
}
END_TEST

START_TEST(dfs_runs_no_schedule_twice)
{
    enum { MOST = 4096 };
    static uint64_t hash[MOST];
    kc_explore_opts_t opts = with("dfs", 1);
    kc_explore_result_t res;
    uint64_t n = 0, folded = 0;

    // The hash over the first n runs tells the nth run's own apart.
    do {
        opts.schedules = n + 1;
        ck_assert_int_eq(kc_test_explore(crosses, NULL, &opts, &res), 0);
        if (res.exhausted)
            break;
        for (uint64_t i = 0; i < n; i++)
            ck_assert_uint_ne(hash[i], res.trace_hash);
        hash[n++] = folded = res.trace_hash;
    } while (n < 60);
    ck_assert_uint_gt(n, 20);
    ck_assert_uint_ne(folded, 0);
}
END_TEST

/* ---- what is said, and repeated ---- */

START_TEST(the_same_seed_makes_the_same_runs_and_another_one_others)
{
    kc_explore_opts_t opts = with("portfolio", 50);
    kc_explore_result_t a, b;

    ck_assert_int_eq(kc_test_explore(right, NULL, &opts, &a), 0);
    ck_assert_int_eq(kc_test_explore(right, NULL, &opts, &b), 0);
    ck_assert_uint_eq(a.trace_hash, b.trace_hash);
    opts.seed = 2;
    ck_assert_int_eq(kc_test_explore(right, NULL, &opts, &b), 0);
    ck_assert_uint_ne(a.trace_hash, b.trace_hash);
}
END_TEST

START_TEST(a_deterministic_run_has_one_hash_and_a_seed_chooses_it)
{
    kc_opts_t opts = { .seed = 7 };
    uint64_t first, second;

    ck_assert_int_eq(kc_test_run(right, NULL, &opts, &first), 0);
    for (int i = 0; i < 20; i++) {
        ck_assert_int_eq(kc_test_run(right, NULL, &opts, &second), 0);
        ck_assert_uint_eq(first, second);
    }
    opts.seed = 8;
    ck_assert_int_eq(kc_test_run(right, NULL, &opts, &second), 0);
    ck_assert_uint_ne(first, second);
}
END_TEST

START_TEST(what_is_told_is_a_short_schedule)
{
    kc_explore_opts_t opts = with("random", 200);
    kc_explore_result_t res;

    ck_assert_int_eq(kc_test_explore(bugs_sync[0].program, NULL, &opts, &res), -EFAULT);
    ck_assert_str_eq(bugs_sync[0].name, "lock_order");
    ck_assert_int_gt(res.failures, 1);
    // One coroutine has to be left at the right moment, and another one to be the first.
    const char *comma = strchr(res.replay, ',');
    ck_assert_msg(!comma || !strchr(comma + 1, ','), "%s", res.replay);
}
END_TEST

START_TEST(a_string_that_was_not_printed_is_refused)
{
    static const char *const bad[] = { "",        "kc1",           "kc1:",        "kc2:1:x",
                                       "kc1:1",   "kc1:1:walk",    "kc1:1:x3",    "kc1:1:x3.0",
                                       "kc1:1:x3.1,3.1", "kc1:1:x3.1,", "kc1:-1:x", "kc1:1:x3.1:g",
                                       "kc1:1:pct=3", "kc1:1:x:0 " };

    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        kc_explore_opts_t opts = with("random", 1);
        opts.replay = bad[i];
        ck_assert_msg(kc_test_explore(right, NULL, &opts, NULL) == -EINVAL, "'%s'", bad[i]);
    }
    static const char *const strategies[] = { "walk", "pct:9", "pct:x", "sticky:0", "sticky:2",
                                              "random:1", "dfs:", "" };
    for (size_t i = 0; i < sizeof strategies / sizeof *strategies; i++) {
        kc_explore_opts_t opts = with(strategies[i], 1);
        ck_assert_msg(kc_test_explore(right, NULL, &opts, NULL) == -EINVAL, "'%s'",
                      strategies[i]);
    }
    ck_assert_int_eq(kc_test_explore(NULL, NULL, NULL, NULL), -EINVAL);
}
END_TEST

/* ---- a program that cannot be ended ---- */

static int deaf(void *arg)
{
    (void)arg;
    for (;;)
        (void)kc_checkpoint();
    return 0;
}

START_TEST(a_run_that_does_not_end_is_abandoned)
{
    kc_explore_opts_t opts = with("portfolio", 8);
    kc_explore_result_t res;

    opts.steps = 1000;
    ck_assert_int_eq(kc_test_explore(deaf, NULL, &opts, &res), -EFAULT);
    ck_assert_int_eq(res.failures, 8);
    ck_assert_msg(strstr(res.why, "no end after") != NULL, "%s", res.why);
}
END_TEST

/* ---- properties ---- */

static int hopes_in_vain(void *arg)
{
    (void)arg;
    kc_sometimes(1 + 1 == 3);
    return 0;
}

START_TEST(a_sometimes_that_never_was_fails_the_exploration)
{
    kc_explore_opts_t opts = with("random", 10);
    kc_explore_result_t res;

    ck_assert_int_eq(kc_test_explore(hopes_in_vain, NULL, &opts, &res), -EFAULT);
    ck_assert_int_eq(res.failures, 0);
    ck_assert_msg(strstr(res.why, "kc_sometimes(1 + 1 == 3)") != NULL, "%s", res.why);
}
END_TEST

static int evaluations;

START_TEST(outside_the_laboratory_a_property_is_not_even_evaluated)
{
    kc_always(++evaluations < 0);
    kc_never(++evaluations > 0);
    kc_sometimes(++evaluations < 0);
    ck_assert_int_eq(evaluations, 0);
    kc_point();
}
END_TEST

/* ---- time ---- */

static int sleep_long(void *arg)
{
    int64_t before = kc_now();

    bugs_must(kc_sleep(KC_S(3600)));
    kc_always(kc_now() - before >= KC_S(3600));
    ++*(int *)arg;
    return 0;
}

static int watch_the_clock(void *arg)
{
    int woken = 0;
    kc_scope_t s;

    (void)arg;
    bugs_must(kc_scope_open(&s, NULL));
    bugs_must(kc_scope_spawn(&s, NULL, sleep_long, &woken, 0, NULL));
    int64_t before = kc_now();
    bugs_must(kc_test_wait_idle(KC_FOREVER));
    kc_always(kc_now() == before && woken == 0);
    bugs_must(kc_test_advance(KC_S(3599)));
    kc_always(kc_now() == before + KC_S(3599) && woken == 0);
    bugs_must(kc_test_advance(KC_S(1)));
    kc_always(woken == 1);
    kc_always(kc_test_wait_idle(KC_TRY) == -EAGAIN);
    return kc_scope_close(&s);
}

START_TEST(time_moves_only_when_all_wait_and_as_far_as_it_is_told)
{
    kc_explore_opts_t opts = with("portfolio", 100);
    kc_explore_result_t res;

    ck_assert_msg(kc_test_explore(watch_the_clock, NULL, &opts, &res) == 0, "%s", res.why);
    ck_assert_int_eq(kc_test_wait_idle(KC_FOREVER), -EPERM);
    ck_assert_int_eq(kc_test_advance(1), -EPERM);
}
END_TEST

/* ---- blocking calls, and a fuzzer's bytes ---- */

static int set_it(void *arg)
{
    *(int *)arg = 1;
    return 5;
}

static int block_it(void *arg)
{
    int done = 0, ret = 0;

    (void)arg;
    bugs_must(kc_block(set_it, &done, &ret, kc_in(KC_MS(1))));
    kc_always(done == 1 && ret == 5);
    return 0;
}

START_TEST(a_blocking_call_takes_no_time_and_is_over_at_once)
{
    kc_explore_opts_t opts = with("portfolio", 20);
    kc_explore_result_t res;

    ck_assert_msg(kc_test_explore(block_it, NULL, &opts, &res) == 0, "%s", res.why);
}
END_TEST

START_TEST(the_bytes_of_a_fuzzer_choose_the_schedule)
{
    unsigned char bytes[8];
    int found = 0;

    for (int i = 0; i < 256 && !found; i++) {
        for (int k = 0; k < 8; k++)
            bytes[k] = (unsigned char)(i >> k & 1);
        found = kc_test_fuzz(bugs_sync[0].program, NULL, bytes, sizeof bytes) == -EFAULT;
    }
    ck_assert_int_eq(found, 1);
    ck_assert_int_eq(kc_test_fuzz(right, NULL, NULL, 0), 0);
}
END_TEST

SUITE("explore/explore", CASE(a_right_program_has_no_failing_schedule_by_any_strategy),
      CASE(dfs_ends_when_it_has_every_schedule_within_its_bound),
      CASE(dfs_runs_no_schedule_twice),
      CASE(the_same_seed_makes_the_same_runs_and_another_one_others),
      CASE(a_deterministic_run_has_one_hash_and_a_seed_chooses_it),
      CASE(what_is_told_is_a_short_schedule), CASE(a_string_that_was_not_printed_is_refused),
      CASE(a_run_that_does_not_end_is_abandoned),
      CASE(a_sometimes_that_never_was_fails_the_exploration),
      CASE(outside_the_laboratory_a_property_is_not_even_evaluated),
      CASE(time_moves_only_when_all_wait_and_as_far_as_it_is_told),
      CASE(a_blocking_call_takes_no_time_and_is_over_at_once),
      CASE(the_bytes_of_a_fuzzer_choose_the_schedule))
