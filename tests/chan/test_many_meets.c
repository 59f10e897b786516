/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * tests/chan/test_many_meets.c — batches that meet waiting partners, selects, drop policies, the
 * end of memory and threads.
 */
#include <pthread.h>

#include "chan/chan.h"
#include "core/mem.h"
#include "tests/chan/batch.h"

/* ---- meeting who waits ---- */

static void meets_waiters(struct trial *t)
{
    enum { WAITING = RUN + 8 };
    struct call c[WAITING] = { { 0 } };
    int v[WAITING];
    kc_scope_t s;

    for (int i = 0; i < WAITING; i++)
        v[i] = i;
    open_scope(&s);
    for (int i = 0; i < WAITING; i++) {
        c[i].ch = t->ch;
        park_recv(&s, &c[i], (uint64_t)i + 1);
    }
    ck_assert_int_eq(kc_chan_send_many(t->ch, v, WAITING, KC_TRY), WAITING);
    close_scope(&s, 0);
    for (int i = 0; i < WAITING; i++) {
        ck_assert_int_eq(c[i].rc, 0);
        ck_assert_int_eq(c[i].value, i); // first come, first served
    }
    ck_assert_uint_eq(stats_of(t->ch).dropped, 0);
    check_conserved(t->ch);
}

START_TEST(b10_a_batch_serves_waiting_receivers_in_their_order)
{
    try_kind(_i, meets_waiters);
}
END_TEST

static void meets_senders(struct trial *t)
{
    enum { WAITING = RUN + 8 };
    struct call c[WAITING] = { { 0 } };
    int v[MOST], had = fill(t->ch, 7), got = 0;
    kc_scope_t s;

    if (t->kind > SEVEN)
        return;
    open_scope(&s);
    for (int i = 0; i < WAITING; i++) {
        c[i].ch = t->ch;
        c[i].value = had + i;
        park_send(&s, &c[i], (uint64_t)i + 1);
    }
    ck_assert_int_eq(kc_chan_recv_many(t->ch, v, 1, KC_TRY), 1);
    ck_assert_uint_eq(senders_on(t->ch), WAITING - 1); // whoever was first moved in
    for (got = 1; got < had + WAITING;) {
        ssize_t n = kc_chan_recv_many(t->ch, v + got, MOST - (size_t)got, KC_TRY);
        ck_assert_int_gt(n, 0);
        got += (int)n;
    }
    ck_assert_int_eq(got, had + WAITING);
    for (int i = 0; i < got; i++)
        ck_assert_int_eq(v[i], i);
    close_scope(&s, 0);
    check_deserted(t->ch);
    check_conserved(t->ch);
}

START_TEST(b11_a_batch_takes_the_buffer_and_then_who_waits_behind_it)
{
    try_kind(_i, meets_senders);
}
END_TEST

static void put_back(kc_chan_t *ch, int v)
{
    struct kci_returned *r = kci_alloc(sizeof *r + sizeof v);

    must(r != NULL);
    memcpy(r->elem, &v, sizeof v);
    kci_chan_give_back(ch, r);
}

static void put_back_first(struct trial *t)
{
    int v[10], n = fill(t->ch, 7);

    if (t->kind > UNLIMITED || !n)
        return;
    for (int i = 0; i < (n < 2 ? n : 2); i++)
        ck_assert_int_eq(get(t->ch), i);
    if (n >= 2)
        put_back(t->ch, 1);
    put_back(t->ch, 0);
    ck_assert_int_eq(kc_chan_recv_many(t->ch, v, 10, KC_TRY), n);
    for (int i = 0; i < n; i++)
        ck_assert_int_eq(v[i], i);
    check_conserved(t->ch);
}

START_TEST(b9_what_was_put_back_comes_first_in_a_batch)
{
    try_kind(_i, put_back_first);
}
END_TEST

static void try_to_take(void *elem, unsigned reason, void *arg)
{
    int v[4];

    (void)elem, (void)reason;
    must_eq(kc_chan_recv_many(*(kc_chan_t **)arg, v, 4, KC_TRY), -EPIPE);
}

static void cancelled(void)
{
    kc_chan_t *ch;
    kc_chan_opts_t o = options_of(SEVEN, sizeof(int));

    o.on_undelivered = try_to_take;
    o.arg = &ch;
    ck_assert_int_eq(kc_chan_make_ex(&ch, &o), 0);
    ck_assert_int_eq(fill(ch, 5), 5);
    ck_assert_int_eq(kc_chan_cancel(ch, 0), 0); // while it discards, four more are still there
    ck_assert_uint_eq(stats_of(ch).undelivered, 5);
    kc_chan_unref(ch);
}

START_TEST(u6_a_batch_gets_nothing_of_a_cancelled_channel)
{
    try_workers(workers_of(_i), cancelled);
}
END_TEST

static void seen_by_selects(struct trial *t)
{
    kc_chan_t *ready = kc_chan(int, 2), *room = kc_chan(int, 2);
    int v[7] = { 0, 1, 2, 3, 4, 5, 6 }, w = -1, most = t->most < 7 ? (int)t->most : 7;

    if (t->kind == RENDEZVOUS)
        return;
    for (int i = 0; i < 20; i++) {
        // The second clause is always ready: the first wins exactly when the batch has moved.
        must_eq(put(ready, 9), 0);
        check_sel(kc_select(KC_TRY, KC_RECV(t->ch, &w), KC_RECV(ready, &w)), 1, 0);
        must_eq(put(ready, 9), 0);
        ck_assert_int_eq(kc_chan_send_many(t->ch, v, (size_t)most, KC_TRY), most);
        check_sel(kc_select(KC_TRY, KC_RECV(t->ch, &w), KC_RECV(ready, &w)), 0, 0);
        ck_assert_int_eq(w, 0);
        must_eq(put(t->ch, 7) | get(ready), 9);
        if (t->kind <= SEVEN)
            check_sel(kc_select(KC_TRY, KC_SEND(t->ch, &w), KC_SEND(room, &w)), 1, 0);
        ck_assert_int_eq(kc_chan_recv_many(t->ch, v, (size_t)most, KC_TRY), most);
        ck_assert_int_eq(v[most - 1], 7);
        if (t->kind <= SEVEN)
            must_eq(get(room), 0);
        check_sel(kc_select(KC_TRY, KC_SEND(t->ch, &w), KC_SEND(room, &w)), 0, 0);
        must_eq(get(t->ch), 0);
        for (int k = 0; k < most; k++)
            v[k] = k;
        for (int k = 0; k < i % 3 && most > 2; k++) // begin somewhere else in the buffer
            ck_assert(put(t->ch, k) == 0 && get(t->ch) == k);
    }
    check_conserved(t->ch);
}

START_TEST(s8_b11_selects_see_what_batches_leave_and_take)
{
    try_kind(_i, seen_by_selects);
}
END_TEST

/* ---- dropping ---- */

static void tells_all(enum kind kind, unsigned reason, const int *gone, const int *kept)
{
    struct told told = { 0 };
    kc_chan_opts_t o = options_of(kind, sizeof(int));
    struct batch b = numbered(NULL, 5);
    kc_chan_t *ch;
    int v[4], most = o.cap > 0 ? (int)o.cap : 1;

    o.on_undelivered = tell;
    o.arg = &told;
    ck_assert_int_eq(kc_chan_make_ex(&ch, &o), 0);
    ck_assert_int_eq(kc_chan_send_many(ch, b.v, b.n, KC_TRY), 5);
    check_told(&told, reason, 5 - most, gone);
    ck_assert_int_eq(kc_chan_recv_many(ch, v, 4, KC_TRY), most);
    ck_assert_int_eq(memcmp(v, kept, sizeof(int) * (size_t)most), 0);
    ck_assert_uint_eq(stats_of(ch).dropped, 5 - (uint64_t)most);
    check_conserved(ch);
    kc_chan_unref(ch);
}

static void dropping(void)
{
    tells_all(DROP_OLDEST, KC_UNDELIV_OLDEST, (int[]){ 0, 1, 2 }, (int[]){ 3, 4 });
    tells_all(DROP_LATEST, KC_UNDELIV_LATEST, (int[]){ 2, 3, 4 }, (int[]){ 0, 1 });
    tells_all(CONFLATED, KC_UNDELIV_CONFLATED, (int[]){ 0, 1, 2, 3 }, (int[]){ 4 });
}

START_TEST(o1_o2_u1_a_batch_reports_each_element_it_drops)
{
    try_workers(workers_of(_i), dropping);
}
END_TEST

static void send_both(void *elem, unsigned reason, void *arg)
{
    kc_chan_t *ch = arg;
    int v[2] = { *(int *)elem, (int)reason };

    must_eq(kc_chan_send_many(ch, v, 2, KC_FOREVER), 2); // there is room
    must_eq(kc_chan_send_many(ch, v, 2, KC_FOREVER), 1); // for one; it may not wait
    must_eq(kc_chan_send_many(ch, v, 2, KC_FOREVER), -EPERM);
}

static void in_a_hook(void)
{
    kc_chan_t *log = kc_chan(int, 3), *ch;
    int v[2] = { 4, 5 };

    ck_assert_int_eq(kc_chan_make_ex(&ch, &(kc_chan_opts_t){ .cap = 1,
                                                             .elem_size = sizeof(int),
                                                             .overflow = KC_DROP_LATEST,
                                                             .on_undelivered = send_both,
                                                             .arg = log }),
                     0);
    ck_assert_int_eq(kc_chan_send_many(ch, v, 2, KC_FOREVER), 2);
    ck_assert_int_eq(get(log), 5);
    ck_assert_int_eq(get(log), KC_UNDELIV_LATEST);
    ck_assert_int_eq(get(ch), 4);
    kc_chan_unref(ch);
}

START_TEST(u7_in_a_hook_a_batch_sends_what_has_room)
{
    try_workers(workers_of(_i), in_a_hook);
}
END_TEST

/* ---- elements of no size, discarding, memory ---- */

static void nothing_and_nowhere(void)
{
    kc_chan_t *events = kc_chan_owned(0, 50), *ints = kc_chan(int, 50);
    struct batch b = numbered(ints, 50);

    ck_assert_int_eq(kc_chan_send_many(events, NULL, 60, KC_TRY), 50);
    ck_assert_int_eq(kc_chan_recv_many(events, NULL, 40, KC_TRY), 40);
    ck_assert_int_eq(kc_chan_recv_many(events, NULL, 40, KC_TRY), 10);
    ck_assert_int_eq(kc_chan_send_many(ints, b.v, b.n, KC_TRY), 50);
    ck_assert_int_eq(kc_chan_recv_many(ints, NULL, 49, KC_TRY), 49);
    ck_assert_int_eq(get(ints), 49);
    check_conserved(events);
    check_conserved(ints);
}

START_TEST(b4_b7_events_are_counted_and_null_discards)
{
    try_workers(workers_of(_i), nothing_and_nowhere);
}
END_TEST

static void limited(void)
{
    struct batch b = numbered(NULL, MOST);
    kc_chan_t *ch;

    ck_assert_int_eq(kc_chan_make_ex(&ch, &(kc_chan_opts_t){ .cap = KC_UNLIMITED,
                                                             .elem_size = sizeof(int),
                                                             .max_bytes = 70 * sizeof(int) }),
                     0);
    ck_assert_int_eq(kc_chan_send_many(ch, b.v, b.n, KC_FOREVER), 70);
    ck_assert_int_eq(kc_chan_send_many(ch, b.v, b.n, KC_FOREVER), -ENOBUFS);
    kc_chan_unref(ch);
    // The first block of 64 is there, the second is refused.
    ck_assert_int_eq(kc_chan_make(&ch, sizeof(int), KC_UNLIMITED), 0);
    ck_assert_int_eq(put(ch, -1), 0);
    ck_assert_int_eq(get(ch), -1);
    kci_mem_fail_nth(1);
    ck_assert_int_eq(kc_chan_send_many(ch, b.v, b.n, KC_FOREVER), 64);
    kci_mem_fail_nth(1);
    ck_assert_int_eq(kc_chan_send_many(ch, b.v, b.n, KC_FOREVER), -ENOMEM);
    kci_mem_fail_nth(0);
    ck_assert_uint_eq(kc_chan_len(ch), 64);
    check_conserved(ch);
    kc_chan_unref(ch);
}

START_TEST(o9_g5_a_batch_stops_where_memory_ends)
{
    try_workers(1, limited);
}
END_TEST

/* ---- threads ---- */

static void *thread_sends(void *arg)
{
    struct batch *b = arg;

    b->got = kc_chan_send_many(b->ch, b->v, b->n, KC_FOREVER);
    return NULL;
}

static void threads(struct trial *t)
{
    struct batch b = numbered(t->ch, 50);
    pthread_t thread;
    int v[MOST], next = 0;

    if (t->kind > UNLIMITED)
        return;
    must_eq(pthread_create(&thread, NULL, thread_sends, &b), 0);
    while (next < 50) {
        ssize_t n = kc_chan_recv_many(t->ch, v, MOST, KC_FOREVER);
        for (ssize_t i = 0; i < n; i++)
            must_eq(v[i], next++);
    }
    pthread_join(thread, NULL);
    ck_assert_int_eq(b.got, 50);
    check_conserved(t->ch);
}

START_TEST(b15_a_thread_sends_a_batch_to_a_coroutine)
{
    try_kind(_i, threads);
}
END_TEST

SUITE("chan/many_meets", CASE_LOOP(b10_a_batch_serves_waiting_receivers_in_their_order, EVERY),
      CASE_LOOP(b11_a_batch_takes_the_buffer_and_then_who_waits_behind_it, LOSSLESS),
      CASE_LOOP(s8_b11_selects_see_what_batches_leave_and_take, LOSSLESS),
      CASE_LOOP(b9_what_was_put_back_comes_first_in_a_batch, LOSSLESS),
      CASE_LOOP(u6_a_batch_gets_nothing_of_a_cancelled_channel, WORKERS),
      CASE_LOOP(o1_o2_u1_a_batch_reports_each_element_it_drops, WORKERS),
      CASE_LOOP(u7_in_a_hook_a_batch_sends_what_has_room, WORKERS),
      CASE_LOOP(b4_b7_events_are_counted_and_null_discards, WORKERS),
      CASE(o9_g5_a_batch_stops_where_memory_ends),
      CASE_LOOP(b15_a_thread_sends_a_batch_to_a_coroutine, LOSSLESS))
