/* SPDX-License-Identifier: BSD-3-Clause */
/* tests/sched/test_permit.c — kc_park, kc_unpark, and coroutines that are spawned parked. */
#include <pthread.h>

#include "tests/sched/kit.h"

static int park(void *arg)
{
    (void)arg;
    return kc_park(KC_FOREVER);
}

/* ---- one token ---- */

static int take_the_token(void *arg)
{
    kc_co_t *self = kc_self();

    (void)arg;
    ck_assert_int_eq(kc_park(KC_TRY), -EAGAIN);
    ck_assert_int_eq(kc_park(kc_in(KC_US(10))), -ETIME);
    ck_assert_int_eq(kc_park(kc_in(-1)), -ETIME);
    ck_assert_int_eq(kc_unpark(self), 0);
    ck_assert_int_eq(kc_unpark(self), 0); // two make one
    ck_assert_int_eq(kc_park(kc_in(-1)), 0);
    ck_assert_int_eq(kc_park(KC_TRY), -EAGAIN);
    return 0;
}

START_TEST(a_coroutine_has_one_token_at_most)
{
    ck_assert_int_eq(kc_park(KC_TRY), -EPERM);
    ck_assert_int_eq(kc_unpark(NULL), -EINVAL);
    ck_assert_int_eq(kt_run(kt_workers(_i), take_the_token, NULL), 0);
}
END_TEST

static int wake_others(void *arg)
{
    kc_co_t *co[50];

    (void)arg;
    for (int i = 0; i < 50; i++)
        co[i] = kt_spawn(park, NULL);
    for (int i = 0; i < 50; i++) {
        if (i % 2) // before it waits, or after
            kt_until_parked(co[i], KCI_WHY_PARK);
        ck_assert_int_eq(kc_unpark(co[i]), 0);
    }
    for (int i = 0; i < 50; i++)
        ck_assert_int_eq(kt_join(co[i]), 0);
    kc_co_t *ended = kt_spawn(kt_return, NULL);
    ck_assert_int_eq(kc_join(ended, NULL, KC_FOREVER), 0);
    ck_assert_int_eq(kc_unpark(ended), 0); // too late, and harmless
    kc_co_unref(ended);
    return 0;
}

START_TEST(unparking_wakes_whether_it_comes_before_or_after)
{
    ck_assert_int_eq(kt_run(kt_workers(_i), wake_others, NULL), 0);
}
END_TEST

static int cancelled_while_parked(void *arg)
{
    kc_scope_t s;

    (void)arg;
    ck_assert_int_eq(kc_scope_open(&s, NULL), 0);
    kc_co_t *co = kt_spawn(park, NULL);
    kt_until_parked(co, KCI_WHY_PARK);
    kc_scope_cancel(&s, 0);
    ck_assert_int_eq(kc_unpark(kc_self()), 0);
    ck_assert_int_eq(kc_park(KC_TRY), -ECANCELED);
    ck_assert_int_eq(kc_scope_close(&s), -ECANCELED);
    ck_assert_int_eq(kt_join(co), -ECANCELED);
    return kc_park(KC_TRY); // the token is still there
}

START_TEST(cancelling_ends_a_park_and_leaves_the_token)
{
    ck_assert_int_eq(kt_run(kt_workers(_i), cancelled_while_parked, NULL), 0);
}
END_TEST

/* ---- a hand-over by tokens alone, between coroutines and from a thread ---- */

enum { ROUNDS = 5000 };

static struct {
    kc_co_t *a, *b;
    _Atomic(int) ready;
    int sum;
} pass;

static int take_turns(void *me)
{
    int own = (int)(intptr_t)me;

    kt_until(&pass.ready, 1);
    for (int i = 0; i < ROUNDS; i++) {
        if ((own || i) && kc_park(KC_FOREVER)) // the first turn is free
            return -EIO;
        pass.sum++; // nothing but the tokens guards it
        kc_unpark(own ? pass.a : pass.b);
    }
    return 0;
}

static int two_take_turns(void *arg)
{
    (void)arg;
    pass.sum = 0;
    ka_store(&pass.ready, 0, relaxed);
    pass.a = kt_spawn(take_turns, KT_RESULT(0));
    pass.b = kt_spawn(take_turns, KT_RESULT(1));
    ka_store(&pass.ready, 1, release);
    kc_co_ref(pass.a);
    kc_co_ref(pass.b);
    ck_assert_int_eq(kt_join(pass.a), 0);
    ck_assert_int_eq(kt_join(pass.b), 0);
    kc_co_unref(pass.a);
    kc_co_unref(pass.b);
    ck_assert_int_eq(pass.sum, 2 * ROUNDS);
    return 0;
}

START_TEST(what_was_written_before_unparking_is_read_after_parking)
{
    ck_assert_int_eq(kt_run(kt_workers(_i), two_take_turns, NULL), 0);
}
END_TEST

static _Atomic(int) woken;

static int count_tokens(void *arg)
{
    (void)arg;
    for (int i = 0; i < 200; i++) {
        if (kc_park(KC_FOREVER))
            return -EIO;
        kt_count((void *)&woken);
    }
    return 0;
}

static void *unpark_from_a_thread(void *co)
{
    for (int i = 0; i < 200; i++) {
        kc_unpark(co);
        kt_until(&woken, i + 1);
    }
    return NULL;
}

static int woken_by_a_thread(void *arg)
{
    pthread_t thread;

    (void)arg;
    ka_store(&woken, 0, relaxed);
    kc_co_t *co = kt_spawn(count_tokens, NULL);
    ck_assert_int_eq(pthread_create(&thread, NULL, unpark_from_a_thread, co), 0);
    int rc = kc_join(co, NULL, KC_FOREVER);
    pthread_join(thread, NULL);
    kc_co_unref(co);
    return rc;
}

START_TEST(a_plain_thread_unparks_a_coroutine)
{
    ck_assert_int_eq(kt_run(kt_workers(_i), woken_by_a_thread, NULL), 0);
}
END_TEST

/* ---- spawned parked ---- */

static const kc_attr_t parked = { .flags = KC_CO_PARKED };
static _Atomic(int) ran;

static int run_once(void *arg)
{
    (void)arg;
    kt_count((void *)&ran);
    return kc_park(KC_TRY) == -EAGAIN ? 1 : 0;
}

static int start_by_unpark(void *arg)
{
    kc_co_t *co;

    (void)arg;
    ka_store(&ran, 0, relaxed);
    ck_assert_int_eq(kc_spawn(NULL, run_once, NULL, &parked), -EINVAL);
    ck_assert_int_eq(kc_spawn(&co, run_once, NULL, &parked), 0);
    ck_assert(kt_is_parked(co, KCI_WHY_PARK));
    for (int i = 0; i < 200; i++)
        kc_yield();
    ck_assert_int_eq(ran, 0);
    ck_assert_int_eq(kc_join(co, NULL, KC_TRY), -EAGAIN);
    ck_assert_int_eq(kc_unpark(co), 0);
    ck_assert_int_eq(kt_join(co), 1); // that token was for the start
    ck_assert_int_eq(ran, 1);
    return 0;
}

START_TEST(spawned_parked_a_coroutine_starts_at_the_first_unpark)
{
    ck_assert_int_eq(kt_run(kt_workers(_i), start_by_unpark, NULL), 0);
}
END_TEST

static int start_by_cancel(void *arg)
{
    kc_co_t *co[20];
    kc_scope_t s;

    (void)arg;
    ka_store(&ran, 0, relaxed);
    for (int round = 0; round < 50; round++) {
        ck_assert_int_eq(kc_scope_open(&s, NULL), 0);
        for (int i = 0; i < 20; i++)
            ck_assert_int_eq(kc_spawn(&co[i], run_once, NULL, &parked), 0);
        kc_unpark(co[round % 20]);
        ck_assert_int_eq(kc_scope_cancel(&s, 0), 0);
        kc_unpark(co[round % 7]);
        ck_assert_int_eq(kc_spawn(&co[0], run_once, NULL, &parked), -ECANCELED);
        ck_assert_int_eq(kc_scope_close(&s), -ECANCELED);
        for (int i = 0; i < 20; i++)
            kc_co_unref(co[i]);
    }
    ck_assert_int_eq(ran, 50 * 20);
    return 0;
}

START_TEST(cancelling_starts_what_was_spawned_parked)
{
    ck_assert_int_eq(kt_run(kt_workers(_i), start_by_cancel, NULL), 0);
}
END_TEST

SUITE("sched/permit", CASE_WORKERS(a_coroutine_has_one_token_at_most),
      CASE_WORKERS(unparking_wakes_whether_it_comes_before_or_after),
      CASE_WORKERS(cancelling_ends_a_park_and_leaves_the_token),
      CASE_WORKERS(what_was_written_before_unparking_is_read_after_parking),
      CASE_WORKERS(a_plain_thread_unparks_a_coroutine),
      CASE_WORKERS(spawned_parked_a_coroutine_starts_at_the_first_unpark),
      CASE_WORKERS(cancelling_starts_what_was_spawned_parked))
