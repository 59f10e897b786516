/* SPDX-License-Identifier: BSD-3-Clause */
/* tests/sync/test_meet.c — events, and barriers where n meet. */
#include <string.h>

#include "tests/sync/kit.h"

enum { GUESTS = 6 };

/* ---- events ---- */

static int wait_for_event(void *e)
{
    return kc_event_wait(e, KC_FOREVER);
}

static int events(void *arg)
{
    struct guest g[GUESTS];
    kc_event_t e;

    (void)arg;
    memset(&e, 0x55, sizeof e);
    ck_assert_int_eq(kc_event_init(&e), 0);
    ck_assert_int_eq(kc_event_wait(&e, KC_TRY), -EAGAIN);
    ck_assert_int_eq(kc_event_wait(&e, kc_in(KC_US(50))), -ETIME);
    for (int round = 0; round < 2; round++) {
        for (int i = 0; i < GUESTS; i++)
            guest_start(&g[i], i % 2, wait_for_event, &e);
        until_queued(&e, GUESTS);
        ck_assert_int_eq(kc_event_set(&e), 0);
        ck_assert_int_eq(kc_event_wait(&e, KC_TRY), 0); // it stays so
        ck_assert_int_eq(kc_event_set(&e), 0);
        for (int i = 0; i < GUESTS; i++)
            ck_assert_int_eq(guest_join(&g[i]), 0);
        ck_assert_int_eq(kc_event_reset(&e), 0);
        ck_assert_int_eq(kc_event_wait(&e, KC_TRY), -EAGAIN);
    }
    ck_assert_int_eq(kc_event_init(NULL), -EINVAL);
    ck_assert_int_eq(kc_event_set(NULL), -EINVAL);
    ck_assert_int_eq(kc_event_reset(NULL), -EINVAL);
    ck_assert_int_eq(kc_event_wait(NULL, KC_TRY), -EINVAL);
    return 0;
}

START_TEST(l8_an_event_lets_all_through_until_it_is_reset)
{
    ck_assert_int_eq(kt_run(kt_workers(_i), events, NULL), 0);
}
END_TEST

/* ---- barriers ---- */

enum { ROUNDS = 40 };

struct hall {
    kc_barrier_t barrier;
    int arrived[GUESTS]; /* each its own; read by the others behind the barrier */
    _Atomic(int) lasts;
};

struct walker {
    struct guest guest;
    struct hall *hall;
    int number;
};

static int walk(void *arg)
{
    struct walker *w = arg;
    struct hall *h = w->hall;

    for (int round = 1; round <= ROUNDS; round++) {
        h->arrived[w->number] = round;
        int rc = kc_barrier_wait(&h->barrier, KC_FOREVER);
        must(rc == 0 || rc == 1);
        ka_add(&h->lasts, rc, relaxed);
        for (int i = 0; i < GUESTS; i++)
            must_eq(h->arrived[i], round);
        must(kc_barrier_wait(&h->barrier, KC_FOREVER) >= 0); // all have looked
    }
    return 0;
}

static int walkers(void *arg)
{
    struct hall h = { .lasts = 0 };
    struct walker w[GUESTS];

    (void)arg;
    ck_assert_int_eq(kc_barrier_init(&h.barrier, GUESTS), 0);
    for (int i = 0; i < GUESTS; i++) {
        w[i] = (struct walker){ .hall = &h, .number = i };
        guest_start(&w[i].guest, i == 5, walk, &w[i]);
    }
    for (int i = 0; i < GUESTS; i++)
        ck_assert_int_eq(guest_join(&w[i].guest), 0);
    ck_assert_int_eq(h.lasts, ROUNDS);
    return 0;
}

START_TEST(l8_nobody_passes_a_barrier_before_all_are_there)
{
    ck_assert_int_eq(kt_run(kt_workers(_i), walkers, NULL), 0);
}
END_TEST

static int meet(void *b)
{
    return kc_barrier_wait(b, KC_FOREVER);
}

static int leaving(void *arg)
{
    kc_barrier_t b;
    struct guest stays, leaves;
    kc_scope_t s;

    (void)arg;
    memset(&b, 0x55, sizeof b);
    ck_assert_int_eq(kc_barrier_init(&b, 3), 0);
    guest_start(&stays, true, meet, &b);
    until_queued(&b, 1);
    ck_assert_int_eq(kc_scope_open(&s, NULL), 0);
    guest_start(&leaves, false, meet, &b);
    until_queued(&b, 2);
    kc_scope_cancel(&s, 0);
    ck_assert_int_eq(kc_scope_close(&s), -ECANCELED);
    ck_assert_int_eq(guest_join(&leaves), -ECANCELED);
    ck_assert_int_eq(queued(&b), 1);
    ck_assert_int_eq(kc_barrier_wait(&b, KC_TRY), -EAGAIN); // it does not count any more
    ck_assert_int_eq(kc_barrier_wait(&b, kc_in(KC_US(50))), -ETIME);
    ck_assert_int_eq(kc_barrier_wait(&b, KC_TRY), -EAGAIN);
    guest_start(&leaves, false, meet, &b);
    until_queued(&b, 2);
    ck_assert_int_eq(kc_barrier_wait(&b, KC_TRY), 1);
    ck_assert_int_eq(guest_join(&leaves), 0);
    ck_assert_int_eq(guest_join(&stays), 0);
    return 0;
}

START_TEST(t16_who_leaves_a_barrier_is_not_counted)
{
    ck_assert_int_eq(kt_run(kt_workers(_i), leaving, NULL), 0);
}
END_TEST

/* Deadlines close to the moment at which all are there: each meeting has all of its members. */
static int meet_in_a_hurry(void *arg)
{
    kc_barrier_t *b = arg;
    int met = 0;

    for (int i = 0; i < 200; i++) {
        int rc = kc_barrier_wait(b, kc_in(KC_US(i % 40)));
        must(rc == 0 || rc == 1 || rc == -ETIME);
        met += rc >= 0;
    }
    return met;
}

static int hurry(void *arg)
{
    kc_barrier_t b;
    struct guest g[3];
    int met = 0;

    (void)arg;
    ck_assert_int_eq(kc_barrier_init(&b, 2), 0);
    for (int i = 0; i < 3; i++)
        guest_start(&g[i], i == 2, meet_in_a_hurry, &b);
    for (int i = 0; i < 3; i++)
        met += guest_join(&g[i]);
    ck_assert_int_eq(met % 2, 0);
    ck_assert_int_eq(queued(&b), 0);
    ck_assert_int_eq(kc_barrier_wait(&b, KC_TRY), -EAGAIN);
    return 0;
}

START_TEST(l8_a_meeting_has_all_of_its_members)
{
    ck_assert_int_eq(kt_run(kt_workers(_i), hurry, NULL), 0);
}
END_TEST

START_TEST(l8_a_barrier_says_what_is_wrong)
{
    kc_barrier_t b = { { 0 } };

    ck_assert_int_eq(kc_barrier_init(NULL, 1), -EINVAL);
    ck_assert_int_eq(kc_barrier_init(&b, 0), -EINVAL);
    ck_assert_int_eq(kc_barrier_wait(NULL, KC_TRY), -EINVAL);
    ck_assert_int_eq(kc_barrier_wait(&b, KC_TRY), -EINVAL); // for how many?
    ck_assert_int_eq(kc_barrier_init(&b, 1), 0);
    ck_assert_int_eq(kc_barrier_wait(&b, KC_TRY), 1);
    ck_assert_int_eq(kc_barrier_wait(&b, kc_in(-1)), 1);
}
END_TEST

SUITE("sync/meet", CASE_WORKERS(l8_an_event_lets_all_through_until_it_is_reset),
      CASE_WORKERS(l8_nobody_passes_a_barrier_before_all_are_there),
      CASE_WORKERS(t16_who_leaves_a_barrier_is_not_counted),
      CASE_WORKERS(l8_a_meeting_has_all_of_its_members), CASE(l8_a_barrier_says_what_is_wrong))
