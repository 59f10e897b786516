/* SPDX-License-Identifier: BSD-3-Clause */
/* tests/sync/test_await.c — futures in a select, beside channels. */
#include <kcoro/metrics.h>

#include "tests/sync/kit.h"

#define check_sel(sel, index, code)                                                            \
    do {                                                                                       \
        kc_sel_t sel_ = (sel);                                                                 \
        ck_assert_int_eq(sel_.i, (index));                                                     \
        ck_assert_int_eq(sel_.rc, (code));                                                     \
    } while (0)

struct table {
    kc_chan_t *ch;
    kc_future_t *f, *other;
    int v, w, x;
};

static uint64_t receivers_on(kc_chan_t *ch)
{
    struct kc_chan_stats st;

    must_eq(kc_chan_stats(ch, &st), 0);
    return st.recv_waiters;
}

static int with_table(int (*body)(struct table *t))
{
    struct table t = { .v = -1, .w = -1, .x = -1 };

    must_eq(kc_chan_make(&t.ch, sizeof(int), 1), 0);
    must_eq(kc_future_create(&t.f, sizeof(int)), 0);
    must_eq(kc_future_create(&t.other, sizeof(int)), 0);
    int rc = body(&t);
    ck_assert_uint_eq(receivers_on(t.ch), 0); // losers are withdrawn, winners too
    ck_assert_int_eq(queued(t.other), 0);
    kc_chan_unref(t.ch);
    kc_future_unref(t.f);
    kc_future_unref(t.other);
    return rc;
}

static kc_sel_t choose(struct table *t, kc_deadline_t dl)
{
    return kc_select(dl, KC_RECV(t->ch, &t->v), KC_AWAIT(t->f, &t->w), KC_AWAIT(t->other, &t->x));
}

/* ---- without waiting ---- */

static int ready(struct table *t)
{
    check_sel(choose(t, KC_TRY), -1, -EAGAIN);
    check_sel(choose(t, kc_in(KC_US(50))), -1, -ETIME);
    ck_assert_int_eq(queued(t->f), 0);
    ck_assert_int_eq(kc_future_set(t->other, 4, &(int){ 44 }), 0);
    check_sel(choose(t, KC_TRY), 2, 4);
    ck_assert_int_eq(t->x, 44);
    ck_assert_int_eq(kc_future_set(t->f, -EAGAIN, &(int){ 33 }), 0);
    check_sel(choose(t, KC_FOREVER), 1, -EAGAIN); // its result, not the select's
    ck_assert_int_eq(t->w, 33);
    ck_assert_int_eq(kc_put(t->ch, int, 22), 0);
    check_sel(choose(t, KC_TRY), 0, 0);
    ck_assert_int_eq(t->v, 22);
    check_sel(kc_select(KC_TRY, KC_AWAIT(t->f, NULL)), 0, -EAGAIN);
    check_sel(kc_select(KC_TRY, KC_AWAIT((kc_future_t *)NULL, NULL)), -1, -EAGAIN);
    return 0;
}

static int ready_root(void *arg)
{
    (void)arg;
    return with_table(ready);
}

START_TEST(s19_a_future_fires_with_its_own_result)
{
    ck_assert_int_eq(kt_run(kt_workers(_i), ready_root, NULL), 0);
}
END_TEST

START_TEST(s19_a_future_fires_for_a_thread)
{
    ck_assert_int_eq(ready_root(NULL), 0);
}
END_TEST

/* ---- waiting ---- */

static const int results[] = { 0, 6, -EIO, -EAGAIN, -ETIME, -ECANCELED, -EPIPE, -EPERM };
enum { RESULTS = sizeof results / sizeof *results };

struct ringer {
    struct table *t;
    int i;
};

/* Makes the thing that is waited for come true: the channel, or the future with result i. */
static int ring(void *arg)
{
    struct ringer *r = arg;

    until_queued(r->t->f, 1);
    if (r->i < 0)
        return kc_put(r->t->ch, int, 17);
    return kc_future_set(r->t->f, results[r->i], &(int){ 18 });
}

static int wait_for_one(struct table *t)
{
    for (int i = -1; i < RESULTS; i++) {
        struct ringer r = { t, i };
        struct guest g;
        guest_start(&g, i % 2 == 0, ring, &r);
        if (i < 0) {
            check_sel(choose(t, KC_FOREVER), 0, 0);
            ck_assert_int_eq(t->v, 17);
        } else {
            check_sel(choose(t, kc_in(KC_S(1000))), 1, results[i]);
            ck_assert_int_eq(t->w, 18);
        }
        ck_assert_int_eq(guest_join(&g), 0);
        ck_assert_int_eq(queued(t->f), 0);
        ck_assert_int_eq(t->x, -1);
        kc_future_unref(t->f);
        t->w = -1;
        ck_assert_int_eq(kc_future_create(&t->f, sizeof(int)), 0);
    }
    return 0;
}

static int wait_root(void *arg)
{
    (void)arg;
    return with_table(wait_for_one);
}

START_TEST(s19_a_future_wins_a_waiting_select_with_any_result)
{
    ck_assert_int_eq(kt_run(kt_workers(_i), wait_root, NULL), 0);
}
END_TEST

START_TEST(s19_a_future_wins_the_select_of_a_thread)
{
    static struct table t;
    struct ringer r = { &t, 1 };
    struct guest g;

    ck_assert_int_eq(kc_future_create(&t.f, sizeof(int)), 0);
    guest_start(&g, true, ring, &r);
    check_sel(kc_select(KC_FOREVER, KC_AWAIT(t.f, &t.w), KC_NEVER), 0, 6);
    ck_assert_int_eq(t.w, 18);
    ck_assert_int_eq(guest_join(&g), 0);
    kc_future_unref(t.f);
}
END_TEST

/* ---- ends of the future ---- */

static int let_go(void *arg)
{
    struct table *t = arg;

    until_queued(t->f, 1);
    kc_future_unref(t->f);
    return 0;
}

static int drop_it(struct table *t)
{
    struct guest g;

    guest_start(&g, false, let_go, t);
    check_sel(choose(t, KC_FOREVER), 1, -EPIPE);
    ck_assert_int_eq(t->w, -1);
    ck_assert_int_eq(guest_join(&g), 0);
    ck_assert_int_eq(kc_future_create(&t->f, sizeof(int)), 0);
    return 0;
}

static int drop_root(void *arg)
{
    (void)arg;
    return with_table(drop_it);
}

START_TEST(s19_a_dropped_future_fires_with_epipe)
{
    ck_assert_int_eq(kt_run(kt_workers(_i), drop_root, NULL), 0);
}
END_TEST

/* ---- both at once: one wins, and the other is still there ---- */

static int send_it(void *arg)
{
    struct table *t = arg;
    return kc_put(t->ch, int, 1);
}

static int set_it(void *arg)
{
    struct table *t = arg;
    return kc_future_set(t->f, 0, &(int){ 2 });
}

static int race(struct table *t)
{
    for (int i = 0; i < 300; i++) {
        struct guest sender, setter;
        guest_start(&sender, i % 32 == 0, send_it, t);
        guest_start(&setter, i % 32 == 16, set_it, t);
        kc_sel_t s = choose(t, KC_FOREVER);
        must(s.rc == 0 && (s.i == 0 || s.i == 1));
        must_eq(guest_join(&sender), 0);
        must_eq(guest_join(&setter), 0);
        must_eq(kc_chan_len(t->ch), s.i == 0 ? 0 : 1);
        must_eq(t->w, s.i == 1 ? 2 : -1); // a loser's memory is left alone
        if (s.i == 1)
            must_eq(kc_recv(t->ch, &t->v, KC_TRY), 0);
        must_eq(kc_future_await(t->f, &t->w, KC_TRY), 0);
        kc_future_unref(t->f);
        t->w = -1;
        must_eq(kc_future_create(&t->f, sizeof(int)), 0);
    }
    return 0;
}

static int race_root(void *arg)
{
    (void)arg;
    return with_table(race);
}

START_TEST(s7_of_a_channel_and_a_future_exactly_one_wins)
{
    ck_assert_int_eq(kt_run(kt_workers(_i), race_root, NULL), 0);
}
END_TEST

SUITE("sync/await", CASE_WORKERS(s19_a_future_fires_with_its_own_result),
      CASE(s19_a_future_fires_for_a_thread),
      CASE_WORKERS(s19_a_future_wins_a_waiting_select_with_any_result),
      CASE(s19_a_future_wins_the_select_of_a_thread),
      CASE_WORKERS(s19_a_dropped_future_fires_with_epipe),
      CASE_WORKERS(s7_of_a_channel_and_a_future_exactly_one_wins))
