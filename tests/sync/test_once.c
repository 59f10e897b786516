/* SPDX-License-Identifier: BSD-3-Clause */
/* tests/sync/test_once.c — the first one does it, the others have it done. */
#include "tests/sync/kit.h"

enum { RACERS = 64 };

struct start {
    kc_once_t once;
    _Atomic(int) calls;   /* of fn */
    _Atomic(int) running; /* at the same time */
    int failures;         /* how many calls fail first */
    int made;             /* by fn, read by everybody */
    kc_mutex_t lock;      /* lets fn park */
};

static int make(void *arg)
{
    struct start *s = arg;
    int call = ka_add(&s->calls, 1, relaxed);

    must_eq(ka_add(&s->running, 1, relaxed), 0);
    int rc = kc_mutex_lock(&s->lock, KC_FOREVER);
    if (!rc)
        rc = kc_mutex_unlock(&s->lock);
    if (!rc && call < s->failures)
        rc = -EIO;
    if (!rc)
        s->made += 42;
    ka_sub(&s->running, 1, relaxed);
    return rc ? rc : 5;
}

static int race(void *arg)
{
    struct start *s = arg;
    int rc = kc_once(&s->once, make, s);

    if (rc >= 0)
        must_eq(s->made, 42);
    return rc;
}

/* All racers at once; `failures` of them fail, nobody waits for ever. */
static void run_race(int failures, bool threads)
{
    struct start s = { .failures = failures };
    struct guest g[RACERS];
    int failed = 0;

    ck_assert_int_eq(kc_mutex_lock(&s.lock, KC_FOREVER), 0);
    for (int i = 0; i < RACERS; i++)
        guest_start(&g[i], threads && i % 8 == 0, race, &s);
    until_queued(&s.once, RACERS - 1);
    ck_assert_int_eq(s.calls, 1);
    ck_assert_int_eq(kc_mutex_unlock(&s.lock), 0);
    for (int i = 0; i < RACERS; i++) {
        int rc = guest_join(&g[i]);
        must(rc == 5 || rc == -EIO);
        failed += rc == -EIO;
    }
    ck_assert_int_eq(failed, failures);
    ck_assert_int_eq(s.calls, failures < RACERS ? failures + 1 : RACERS);
    ck_assert_int_eq(kc_once(&s.once, make, &s), 5); // also for who comes later
    ck_assert_int_eq(s.made, 42);
    ck_assert_int_eq(s.calls, failures + 1);
}

static int races(void *arg)
{
    static const int failures[] = { 0, 1, 7, RACERS };

    (void)arg;
    for (int i = 0; i < 4; i++)
        run_race(failures[i], i % 2);
    return 0;
}

START_TEST(l4_of_64_racers_one_at_a_time_tries_until_one_succeeds)
{
    ck_assert_int_eq(kt_run(kt_workers(_i), races, NULL), 0);
}
END_TEST

static int race_unseen(void *arg)
{
    (void)arg;
    for (int i = 0; i < 20; i++) {
        struct start s = { .failures = i % 3 };
        struct guest g[RACERS];
        for (int k = 0; k < RACERS; k++)
            guest_start(&g[k], k == 63, race, &s);
        for (int k = 0; k < RACERS; k++)
            guest_join(&g[k]);
        must_eq(s.made, 42);
        must_eq(s.calls, s.failures + 1);
    }
    return 0;
}

START_TEST(l4_whoever_comes_when_sees_it_done)
{
    ck_assert_int_eq(kt_run(kt_workers(_i), race_unseen, NULL), 0);
}
END_TEST

/* ---- what it says ---- */

static int return_it(void *n)
{
    return (int)(intptr_t)n;
}

static int call_again(void *arg)
{
    struct start *s = arg;
    return kc_once(&s->once, make, s);
}

static int codes(void *arg)
{
    struct start s = { .failures = 0 };
    kc_once_t once = { { 0 } };

    (void)arg;
    ck_assert_int_eq(kc_once(NULL, return_it, NULL), -EINVAL);
    ck_assert_int_eq(kc_once(&once, NULL, NULL), -EINVAL);
    ck_assert_int_eq(kc_once(&once, return_it, KT_RESULT(-ENOENT)), -ENOENT);
    ck_assert_int_eq(kc_once(&once, return_it, KT_RESULT(-EAGAIN)), -EAGAIN);
    ck_assert_int_eq(kc_once(&once, return_it, KT_RESULT(0)), 0);
    ck_assert_int_eq(kc_once(&once, return_it, KT_RESULT(-ENOENT)), 0);
    ck_assert_int_eq(kc_once(&s.once, call_again, &s), -EDEADLK); // by itself: a failure
    ck_assert_int_eq(kc_once(&s.once, make, &s), 5);
    return 0;
}

START_TEST(l4_a_failure_may_be_retried_and_success_stays)
{
    ck_assert_int_eq(kt_run(kt_workers(_i), codes, NULL), 0);
}
END_TEST

START_TEST(l4_a_thread_may_retry_too)
{
    ck_assert_int_eq(codes(NULL), 0);
}
END_TEST

/* ---- cancellation ---- */

static int cancel_runner_and_waiter(void *arg)
{
    struct start s = { .failures = 0 };
    struct guest runner, waiter, stays;
    kc_scope_t scope;

    (void)arg;
    ck_assert_int_eq(kc_mutex_lock(&s.lock, KC_FOREVER), 0);
    ck_assert_int_eq(kc_scope_open(&scope, NULL), 0);
    guest_start(&runner, false, call_again, &s);
    kt_until(&s.calls, 1);
    guest_start(&waiter, false, call_again, &s);
    until_queued(&s.once, 1);
    guest_start(&stays, true, call_again, &s);
    until_queued(&s.once, 2);
    kc_scope_cancel(&scope, 0);
    kc_shield(true);
    ck_assert_int_eq(guest_join(&waiter), -ECANCELED);
    ck_assert_int_eq(guest_join(&runner), -ECANCELED);
    until_queued(&s.lock, 1); // the thread's turn, or first that of one that is cancelled in it
    ck_assert(s.calls == 2 || s.calls == 3);
    ck_assert_int_eq(kc_mutex_unlock(&s.lock), 0);
    ck_assert_int_eq(guest_join(&stays), 5);
    kc_shield(false);
    ck_assert_int_eq(kc_once(&s.once, make, &s), -ECANCELED); // as any call of a cancelled one
    ck_assert_int_eq(kc_scope_close(&scope), -ECANCELED);
    return 0;
}

START_TEST(t16_when_the_one_whose_turn_it_is_gets_cancelled_the_next_one_tries)
{
    ck_assert_int_eq(kt_run(kt_workers(_i), cancel_runner_and_waiter, NULL), 0);
}
END_TEST

SUITE("sync/once", CASE_WORKERS(l4_of_64_racers_one_at_a_time_tries_until_one_succeeds),
      CASE_WORKERS(l4_whoever_comes_when_sees_it_done),
      CASE_WORKERS(l4_a_failure_may_be_retried_and_success_stays),
      CASE(l4_a_thread_may_retry_too),
      CASE_WORKERS(t16_when_the_one_whose_turn_it_is_gets_cancelled_the_next_one_tries))
