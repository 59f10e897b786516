/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * tests/runtime/test_deadlock.c — KC_RT_DEADLOCK_CHECK finds every deadlock, and nothing else.
 */
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "tests/core/child.h"
#include "tests/sched/kit.h"

static _Atomic(int) gate, cancelled;

static int run_checked(int workers, kc_fn fn, void *arg)
{
    kc_opts_t opts = { .workers = workers, .flags = KC_RT_DEADLOCK_CHECK };
    return kt_run_with(&opts, fn, arg);
}

/* ---- deadlocks ---- */

static int receive_for_ever(void *ch)
{
    int rc = kc_recv((kc_chan_t *)ch, NULL);

    if (rc == -ECANCELED)
        kt_count(&cancelled);
    return rc;
}

static int all_receive(void *arg)
{
    kc_chan_t *ch = kc_chan(char, 0);

    (void)arg;
    for (int i = 0; i < 10; i++)
        kt_go(receive_for_ever, ch);
    return receive_for_ever(ch);
}

START_TEST(g1_when_all_wait_for_each_other_they_are_cancelled)
{
    ck_assert_int_eq(run_checked(kt_workers(_i), all_receive, NULL), -EDEADLK);
    ck_assert_int_eq(cancelled, 11);
}
END_TEST

static int run_and_report(void *workers)
{
    return run_checked((int)(intptr_t)workers, all_receive, NULL) == -EDEADLK ? 0 : 1;
}

START_TEST(g1_a_deadlock_is_reported_on_standard_error)
{
    struct kt_end end = kt_child(run_and_report, KT_RESULT(kt_workers(_i)));

    ck_assert(kt_exited(&end, 0));
    ck_assert_ptr_nonnull(strstr(end.said, "kcoro: deadlock: "));
}
END_TEST

static _Atomic(int) joined;

/* The end of one that was cancelled may reach who joins it before the cancellation does. */
static int join_in_a_ring(void *other)
{
    kc_co_t *co;

    kt_until(&gate, 1);
    co = *(kc_co_t **)other;
    int rc = kc_join(co, NULL, KC_FOREVER);
    ck_assert(rc == 0 || rc == -ECANCELED);
    kt_count(rc ? &cancelled : &joined);
    return rc;
}

static int ring_of_joins(void *arg)
{
    enum { RING = 5 };
    static kc_co_t *co[RING];
    kc_scope_t s;

    (void)arg;
    ck_assert_int_eq(kc_scope_open(&s, NULL), 0);
    for (int i = 0; i < RING; i++)
        co[i] = kt_spawn(join_in_a_ring, &co[(i + 1) % RING]);
    ka_store(&gate, 1, release);
    int rc = kc_scope_close(&s);
    for (int i = 0; i < RING; i++)
        kc_co_unref(co[i]);
    return rc;
}

START_TEST(a_ring_of_joins_is_a_deadlock)
{
    ck_assert_int_eq(run_checked(kt_workers(_i), ring_of_joins, NULL), -EDEADLK);
    ck_assert_int_ge(cancelled, 1);
    ck_assert_int_eq(cancelled + joined, 5);
}
END_TEST

static int block_at_gate(void *arg)
{
    (void)arg;
    kt_until(&gate, 1);
    return 0;
}

/* Nobody looks again when a function that its caller has left comes to its end, except us. */
static int leave_then_receive(void *arg)
{
    (void)arg;
    if (kc_block(block_at_gate, NULL, NULL, kc_in(KC_US(500))) != -ETIME)
        return -EIO;
    ka_store(&gate, 1, release);
    return receive_for_ever(kc_chan(char, 0));
}

START_TEST(the_end_of_an_abandoned_function_may_leave_a_deadlock)
{
    for (int i = 0; i < 30; i++) {
        ka_store(&gate, 0, relaxed);
        ck_assert_int_eq(run_checked(kt_workers(_i), leave_then_receive, NULL), -EDEADLK);
    }
}
END_TEST

static int block_then_receive(void *arg)
{
    kc_chan_t *ch = kc_chan(char, 0);

    (void)arg;
    return kc_block(kt_return, NULL, NULL, KC_FOREVER) ? -EIO : receive_for_ever(ch);
}

START_TEST(a_deadlock_right_after_a_blocking_call_is_found)
{
    for (int i = 0; i < 300; i++)
        ck_assert_int_eq(run_checked(kt_workers(_i), block_then_receive, NULL), -EDEADLK);
}
END_TEST

/* ---- no deadlocks ---- */

static int block_many_times(void *rounds)
{
    for (int i = 0; i < (int)(intptr_t)rounds; i++)
        if (kc_block(kt_return, NULL, NULL, KC_FOREVER))
            return -EIO;
    return 0;
}

static int sleep_many_times(void *rounds)
{
    for (int i = 0; i < (int)(intptr_t)rounds; i++)
        if (kc_sleep(KC_US(i % 100)))
            return -EIO;
    return 0;
}

static int pair[2];

static int echo(void *rounds)
{
    char c;

    for (int i = 0; i < (int)(intptr_t)rounds; i++)
        if (kc_read(pair[1], &c, 1, KC_FOREVER) != 1 || kc_write(pair[1], &c, 1, KC_FOREVER) != 1)
            return -EIO;
    return 0;
}

static int ping(void *rounds)
{
    char c = 'x';

    kt_go(echo, rounds);
    for (int i = 0; i < (int)(intptr_t)rounds; i++)
        if (kc_write(pair[0], &c, 1, KC_FOREVER) != 1 || kc_read(pair[0], &c, 1, KC_FOREVER) != 1)
            return -EIO;
    return 0;
}

static int all_at_once(void *rounds)
{
    for (int i = 0; i < 3; i++) {
        kt_go(block_many_times, rounds);
        kt_go(sleep_many_times, rounds);
    }
    kt_go(ping, rounds);
    return 0;
}

START_TEST(who_waits_for_a_timer_a_descriptor_or_a_function_is_not_stuck)
{
    const kc_fn busy[] = { block_many_times, sleep_many_times, ping, all_at_once };

    for (int i = 0; i < 4; i++) {
        ck_assert_int_eq(socketpair(AF_UNIX, SOCK_STREAM, 0, pair), 0);
        ck_assert_int_eq(run_checked(kt_workers(_i), busy[i], KT_RESULT(2000)), 0);
        close(pair[0]);
        close(pair[1]);
    }
}
END_TEST

SUITE("runtime/deadlock", CASE_WORKERS(g1_when_all_wait_for_each_other_they_are_cancelled),
      CASE_WORKERS(g1_a_deadlock_is_reported_on_standard_error),
      CASE_WORKERS(a_ring_of_joins_is_a_deadlock),
      CASE_WORKERS(the_end_of_an_abandoned_function_may_leave_a_deadlock),
      CASE_WORKERS(a_deadlock_right_after_a_blocking_call_is_found),
      CASE_WORKERS(who_waits_for_a_timer_a_descriptor_or_a_function_is_not_stuck))
