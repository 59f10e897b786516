/* SPDX-License-Identifier: BSD-3-Clause */
/* tests/sync/test_sem.c — permits: n at a time, nobody passes, none is lost. */
#include <limits.h>

#include "tests/sync/kit.h"

struct wish {
    struct guest guest;
    kc_sem_t *sem;
    long n;
    kc_deadline_t dl;
};

static int acquire(void *arg)
{
    struct wish *w = arg;
    return kc_sem_acquire(w->sem, w->n, w->dl);
}

/* Starts somebody who will wait, and waits until that is so. */
static void ask_until(struct wish *w, kc_sem_t *s, long n, bool thread, kc_deadline_t dl)
{
    int before = queued(s);

    *w = (struct wish){ .sem = s, .n = n, .dl = dl };
    guest_start(&w->guest, thread, acquire, w);
    until_queued(s, before + 1);
}

static void ask(struct wish *w, kc_sem_t *s, long n, bool thread)
{
    ask_until(w, s, n, thread, KC_FOREVER);
}

/* ---- what it says ---- */

static int codes(void *arg)
{
    kc_sem_t s = { { 0 } };

    (void)arg;
    ck_assert_int_eq(kc_sem_init(NULL, 1), -EINVAL);
    ck_assert_int_eq(kc_sem_init(&s, -1), -EINVAL);
    ck_assert_int_eq(kc_sem_acquire(NULL, 1, KC_TRY), -EINVAL);
    ck_assert_int_eq(kc_sem_acquire(&s, 0, KC_TRY), -EINVAL);
    ck_assert_int_eq(kc_sem_release(NULL, 1), -EINVAL);
    ck_assert_int_eq(kc_sem_release(&s, 0), -EINVAL);
    ck_assert_int_eq(kc_sem_release(&s, LONG_MIN), -EINVAL);
    ck_assert_int_eq(kc_sem_acquire(&s, 1, KC_TRY), -EAGAIN); // zeroed memory has none
    ck_assert_int_eq(kc_sem_acquire(&s, 1, kc_in(-1)), -ETIME);
    ck_assert_int_eq(kc_sem_acquire(&s, 1, kc_in(KC_US(100))), -ETIME);
    ck_assert_int_eq(kc_sem_init(&s, 3), 0);
    ck_assert_int_eq(kc_sem_acquire(&s, 4, KC_TRY), -EAGAIN);
    ck_assert_int_eq(kc_sem_acquire(&s, 2, kc_in(-1)), 0);
    ck_assert_int_eq(kc_sem_release(&s, LONG_MAX - 1), 0);
    ck_assert_int_eq(kc_sem_release(&s, 1), -EOVERFLOW);
    ck_assert_int_eq(kc_sem_acquire(&s, LONG_MAX, KC_TRY), 0); // nothing was added
    ck_assert_int_eq(kc_sem_acquire(&s, 1, KC_TRY), -EAGAIN);
    ck_assert_int_eq(queued(&s), 0);
    return 0;
}

START_TEST(l2_permits_have_bounds)
{
    ck_assert_int_eq(kt_run(kt_workers(_i), codes, NULL), 0);
}
END_TEST

START_TEST(l2_permits_have_bounds_for_threads_too)
{
    ck_assert_int_eq(codes(NULL), 0);
}
END_TEST

/* ---- order ---- */

static int no_barging(void *arg)
{
    kc_sem_t s = { { 0 } };
    struct wish big, small, smaller;

    (void)arg;
    ask(&big, &s, 5, false);
    ask(&small, &s, 2, true);
    ask(&smaller, &s, 1, false);
    ck_assert_int_eq(kc_sem_release(&s, 4), 0);
    ck_assert_int_eq(queued(&s), 3); // enough for both others, but the big one was first
    ck_assert_int_eq(kc_sem_acquire(&s, 1, KC_TRY), -EAGAIN);
    ck_assert_int_eq(kc_sem_release(&s, 1), 0);
    ck_assert_int_eq(guest_join(&big.guest), 0);
    ck_assert_int_eq(queued(&s), 2);
    ck_assert_int_eq(kc_sem_release(&s, 3), 0); // both at once
    ck_assert_int_eq(guest_join(&small.guest), 0);
    ck_assert_int_eq(guest_join(&smaller.guest), 0);
    ck_assert_int_eq(kc_sem_acquire(&s, 1, KC_TRY), -EAGAIN); // all eight are taken
    return 0;
}

START_TEST(l2_a_large_wish_is_not_passed_by_small_ones)
{
    ck_assert_int_eq(kt_run(kt_workers(_i), no_barging, NULL), 0);
}
END_TEST

/* ---- leaving ---- */

static int leave_late(void *arg)
{
    kc_sem_t s = { { 0 } };
    struct wish big, small[2];

    (void)arg;
    ck_assert_int_eq(kc_sem_init(&s, 3), 0);
    ask_until(&big, &s, 5, false, kc_in(KC_S(1)));
    ask(&small[0], &s, 1, false);
    ask(&small[1], &s, 2, false);
    ck_assert_int_eq(kc_sleep(KC_S(2)), 0);
    ck_assert_int_eq(guest_join(&big.guest), -ETIME);
    ck_assert_int_eq(guest_join(&small[0].guest), 0); // it stood in their way
    ck_assert_int_eq(guest_join(&small[1].guest), 0);
    ck_assert_int_eq(kc_sem_acquire(&s, 1, KC_TRY), -EAGAIN);
    return 0;
}

START_TEST(t16_a_large_wish_that_expires_lets_small_ones_through)
{
    ck_assert_int_eq(kt_run_virtual(leave_late, NULL), 0);
}
END_TEST

static int leave_cancelled(void *arg)
{
    kc_sem_t s = { { 0 } };
    struct wish big, small;
    kc_scope_t scope;

    (void)arg;
    ck_assert_int_eq(kc_sem_init(&s, 3), 0);
    ck_assert_int_eq(kc_scope_open(&scope, NULL), 0);
    ask(&big, &s, 5, false);
    ask(&small, &s, 3, true);
    kc_scope_cancel(&scope, 0);
    kc_shield(true);
    ck_assert_int_eq(guest_join(&big.guest), -ECANCELED);
    ck_assert_int_eq(guest_join(&small.guest), 0);
    kc_shield(false);
    ck_assert_int_eq(kc_scope_close(&scope), -ECANCELED);
    ck_assert_int_eq(kc_sem_release(&s, 3), 0);
    ck_assert_int_eq(kc_sem_acquire(&s, 3, KC_TRY), 0); // none was lost on the way
    ck_assert_int_eq(kc_sem_acquire(&s, 1, KC_TRY), -EAGAIN);
    return 0;
}

START_TEST(t16_a_large_wish_that_is_cancelled_lets_small_ones_through)
{
    ck_assert_int_eq(kt_run(kt_workers(_i), leave_cancelled, NULL), 0);
}
END_TEST

/* ---- none is lost, and never more are out than there are ---- */

enum { PERMITS = 5, GUESTS = 6, ROUNDS = 400 };

struct pool {
    kc_sem_t sem;
    _Atomic(long) out;
    _Atomic(int) late;
};

static int borrow(void *arg)
{
    struct pool *p = arg;

    for (int i = 0; i < ROUNDS; i++) {
        long n = 1 + i % PERMITS;
        kc_deadline_t dl = i % 3 ? KC_FOREVER : kc_in(KC_US(i % 40));
        int rc = kc_sem_acquire(&p->sem, n, dl);
        must(rc == 0 || (rc == -ETIME && i % 3 == 0));
        if (rc) {
            ka_add(&p->late, 1, relaxed);
            continue;
        }
        must(ka_add(&p->out, n, relaxed) + n <= PERMITS);
        if (i % 16 == 0)
            kt_pass();
        ka_sub(&p->out, n, relaxed);
        must_eq(kc_sem_release(&p->sem, n), 0);
    }
    return 0;
}

static int conservation(void *arg)
{
    struct pool p = { .late = 0 };
    struct guest g[GUESTS];

    (void)arg;
    ck_assert_int_eq(kc_sem_init(&p.sem, PERMITS), 0);
    for (int i = 0; i < GUESTS; i++)
        guest_start(&g[i], i == 5, borrow, &p);
    for (int i = 0; i < GUESTS; i++)
        ck_assert_int_eq(guest_join(&g[i]), 0);
    ck_assert_int_eq(kc_sem_acquire(&p.sem, PERMITS, KC_TRY), 0);
    ck_assert_int_eq(kc_sem_acquire(&p.sem, 1, KC_TRY), -EAGAIN);
    return 0;
}

START_TEST(l2_permits_are_neither_lost_nor_made)
{
    ck_assert_int_eq(kt_run(kt_workers(_i), conservation, NULL), 0);
}
END_TEST

SUITE("sync/sem", CASE_WORKERS(l2_permits_have_bounds),
      CASE(l2_permits_have_bounds_for_threads_too),
      CASE_WORKERS(l2_a_large_wish_is_not_passed_by_small_ones),
      CASE(t16_a_large_wish_that_expires_lets_small_ones_through),
      CASE_WORKERS(t16_a_large_wish_that_is_cancelled_lets_small_ones_through),
      CASE_WORKERS(l2_permits_are_neither_lost_nor_made))
