/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * tests/ipc/test_chan.c — a remote channel is a channel: the same calls, the same codes.
 */
#include <stdlib.h>
#include <string.h>

#include "tests/ipc/kit.h"

/* ---- sending and receiving ---- */

static void square(struct rig *r)
{
    kc_chan_t *in = export_chan(r, "in", 4, 8, KC_PEER_SEND);
    kc_chan_t *out = export_chan(r, "out", 4, 8, KC_PEER_RECV);
    kc_chan_t *to = open_chan(r, "in", 4, 0), *from = open_chan(r, "out", 4, 0);

    for (int i = 0; i < 100; i++) {
        must_eq(kc_send(to, &i), 0);
        int v = take(in);
        must_eq(v, i);
        v *= v;
        must_eq(kc_send(out, &v), 0);
        must_eq(take(from), i * i);
    }
    ck_assert(kc_chan_caps(to) & KC_CHAN_REMOTE);
    ck_assert_uint_ne(kc_ipc_chan_id(to), kc_ipc_chan_id(from));
    ck_assert_uint_eq(kc_ipc_chan_id(in), 0);
    ck_assert_int_eq(kc_chan_cap(to), 8);
}

START_TEST(what_is_sent_arrives_and_the_answer_comes_back)
{
    try_rig(_i, square);
}
END_TEST

static void both_ways(struct rig *r)
{
    kc_chan_t *home = export_chan(r, "x", 4, 4, KC_PEER_SEND | KC_PEER_RECV);
    kc_chan_t *ch = open_chan(r, "x", 4, 0);

    for (int i = 0; i < 1000; i++) {
        must_eq(kc_send(ch, &i), 0);
        must_eq(take(ch), i); // through the exported channel and back
    }
    ck_assert_int_eq(get(home), -EAGAIN);
}

START_TEST(one_channel_serves_both_directions)
{
    try_rig(_i, both_ways);
}
END_TEST

/* The connection serves the handle that the call keeps. */
static void wait_without_handle(struct rig *r)
{
    kc_chan_t *home = export_chan(r, "x", 4, 8, KC_PEER_RECV);
    struct call waits = { .ch = open_chan(r, "x", 4, 0), .dl = KC_FOREVER };
    kc_scope_t s;

    must_eq(kc_scope_open(&s, NULL), 0);
    go_recv(&s, &waits);
    until(receivers_on(waits.ch) == 1);
    drop_chan(r, waits.ch);
    must_eq(put(home, 7), 0);
    must_eq(kc_scope_close(&s), 0);
    must_eq(waits.rc, 0);
    must_eq(waits.value, 7);
}

START_TEST(c10_a_waiting_call_keeps_a_remote_channel_in_reach)
{
    try_rig(_i, wait_without_handle);
}
END_TEST

static void descriptors_stay(struct rig *r)
{
    kc_chan_t *ch;

    must_eq(kc_chan_make_ex(&ch, &(kc_chan_opts_t){ .cap = 1, .flags = KC_CHAN_ZREF }), 0);
    ck_assert_int_eq(kc_ipc_export(r->l, "z", ch, KC_PEER_SEND), -ENOTSUP);
    kc_chan_unref(ch);
}

START_TEST(z3_a_channel_of_descriptors_cannot_be_exported)
{
    try_rig(_i, descriptors_stay);
}
END_TEST

static int produce(void *arg)
{
    kc_chan_t *ch = *(kc_chan_t **)arg;
    int i = 0;

    while (i < 20000 && kc_send(ch, &i) == 0)
        i++;
    return i == 20000 ? 0 : -1;
}

static void in_order(struct rig *r, long cap, uint32_t window)
{
    kc_chan_t *home = export_chan(r, "x", 4, cap, KC_PEER_SEND);
    kc_chan_t *ch = open_chan(r, "x", 4, window);
    kc_scope_t s;

    must_eq(kc_scope_open(&s, NULL), 0);
    must_eq(kc_scope_spawn(&s, NULL, produce, &ch, sizeof ch, NULL), 0);
    for (int i = 0; i < 20000; i++)
        must_eq(take(home), i);
    must_eq(kc_scope_close(&s), 0);
}

static void in_order_buffered(struct rig *r)
{
    in_order(r, 16, 0);
}

static void in_order_rendezvous(struct rig *r)
{
    in_order(r, 0, 0);
}

static void in_order_window_of_one(struct rig *r)
{
    in_order(r, 1, 1);
}

static void in_order_unlimited(struct rig *r)
{
    in_order(r, KC_UNLIMITED, 3);
}

START_TEST(items_keep_their_order_into_a_buffered_channel)
{
    try_rig(_i, in_order_buffered);
}
END_TEST

START_TEST(items_keep_their_order_into_a_rendezvous)
{
    try_rig(_i, in_order_rendezvous);
}
END_TEST

START_TEST(items_keep_their_order_through_a_window_of_one)
{
    try_rig(_i, in_order_window_of_one);
}
END_TEST

START_TEST(items_keep_their_order_into_an_unlimited_channel)
{
    try_rig(_i, in_order_unlimited);
}
END_TEST

static int produce_batches(void *arg)
{
    kc_chan_t *ch = *(kc_chan_t **)arg;
    int v[100], next = 0;

    for (int n = 1; next < 20000; n = n % 100 + 1) {
        n = n < 20000 - next ? n : 20000 - next;
        for (int i = 0; i < n; i++)
            v[i] = next++;
        must_eq(kc_chan_send_many(ch, v, (size_t)n, KC_FOREVER), n);
    }
    return 0;
}

static void batches_both_ways(struct rig *r)
{
    kc_chan_t *in = export_chan(r, "in", 4, 16, KC_PEER_SEND);
    kc_chan_t *out = export_chan(r, "out", 4, 16, KC_PEER_RECV);
    kc_chan_t *from[] = { open_chan(r, "in", 4, 0), out };
    kc_chan_t *to[] = { in, open_chan(r, "out", 4, 7) };
    int v[64];
    kc_scope_t s;

    must_eq(kc_scope_open(&s, NULL), 0);
    for (int way = 0; way < 2; way++) {
        must_eq(kc_scope_spawn(&s, NULL, produce_batches, &from[way], sizeof from[way], NULL), 0);
        for (int next = 0; next < 20000;) {
            ssize_t n = kc_chan_recv_many(to[way], v, 64, KC_FOREVER);
            must(n >= 1);
            for (ssize_t i = 0; i < n; i++)
                must_eq(v[i], next++);
        }
    }
    must_eq(kc_scope_close(&s), 0);
}

START_TEST(b1_batches_cross_in_both_directions)
{
    try_rig(_i, batches_both_ways);
}
END_TEST

static void out_in_order(struct rig *r)
{
    kc_chan_t *home = export_chan(r, "x", 4, 5, KC_PEER_RECV);
    kc_chan_t *ch = open_chan(r, "x", 4, 7);
    kc_scope_t s;

    must_eq(kc_scope_open(&s, NULL), 0);
    must_eq(kc_scope_spawn(&s, NULL, produce, &home, sizeof home, NULL), 0);
    for (int i = 0; i < 20000; i++)
        must_eq(take(ch), i);
    must_eq(kc_scope_close(&s), 0);
}

START_TEST(items_keep_their_order_towards_the_peer)
{
    try_rig(_i, out_in_order);
}
END_TEST

/* ---- sizes ---- */

static void fill(unsigned char *p, size_t n, unsigned seed)
{
    for (size_t i = 0; i < n; i++)
        p[i] = (unsigned char)(seed + i * 7 + (i >> 8) * 3);
}

static void round_trip(struct rig *r, size_t n)
{
    kc_chan_t *in = export_chan(r, "in", n, 2, KC_PEER_SEND);
    kc_chan_t *out = export_chan(r, "out", n, 2, KC_PEER_RECV);
    kc_chan_t *to = open_chan(r, "in", n, 0), *from = open_chan(r, "out", n, 0);
    unsigned char *a = malloc(n + 1), *b = malloc(n + 1);

    for (unsigned i = 0; i < 20; i++) {
        fill(a, n, i);
        must_eq(kc_chan_send(to, a, KC_FOREVER), 0);
        memset(b, 0, n + 1);
        must_eq(kc_chan_recv(in, b, KC_FOREVER), 0);
        must(!memcmp(a, b, n));
        must_eq(kc_chan_send(out, b, KC_FOREVER), 0);
        memset(b, 0, n + 1);
        must_eq(kc_chan_recv(from, b, KC_FOREVER), 0);
        must(!memcmp(a, b, n));
    }
    free(a);
    free(b);
}

static const size_t sizes[] = { 0,     1,     7,     8,     255,    4096,
                                16383, 16384, 16385, 65536, 100000, 1 << 20 };
enum { SIZES = sizeof sizes / sizeof *sizes };
static size_t chosen_size;

static void round_trip_chosen(struct rig *r)
{
    round_trip(r, chosen_size);
}

START_TEST(elements_of_every_size_arrive_whole)
{
    chosen_size = sizes[_i % SIZES];
    try_rig(_i / SIZES, round_trip_chosen);
}
END_TEST

static void small_frames(struct rig *r)
{
    (void)r;
    round_trip(r, 100000);
}

START_TEST(a_peer_that_wants_small_frames_gets_small_fragments)
{
    kc_ipc_opts_t small = { .max_frame = 4096 }, large = { .max_frame = 1 << 20 };

    try_rig_with(_i, &small, &large, small_frames);
}
END_TEST

/* ---- back-pressure ---- */

static int send_until_it_would_wait(kc_chan_t *ch)
{
    int n = 0;

    while (put(ch, n) == 0)
        n++;
    return n;
}

static void stops_at_window(struct rig *r)
{
    kc_chan_t *home = export_chan(r, "x", 4, 0, KC_PEER_SEND);
    kc_chan_t *ch = open_chan(r, "x", 4, 8);
    kc_scope_t s;
    struct call waits = { .ch = ch, .value = 8, .dl = KC_FOREVER };

    ck_assert_int_eq(send_until_it_would_wait(ch), 8);
    must_eq(kc_scope_open(&s, NULL), 0);
    go_send(&s, &waits);
    until(senders_on(ch) == 1 && senders_on(home) == 1);
    ck_assert_int_eq(put(ch, 9), -EAGAIN);
    ck_assert_int_eq(ka_load(&waits.over, acquire), 0); // E-OVER
    for (int i = 0; i < 8; i++)
        must_eq(take(home), i);
    must_eq(kc_scope_close(&s), 0);
    must_eq(waits.rc, 0);
    must_eq(take(home), 8);
}

START_TEST(a_sender_ahead_of_its_receiver_stops_at_the_window)
{
    try_rig(_i, stops_at_window);
}
END_TEST

static void prefetch_is_bounded(struct rig *r)
{
    kc_chan_t *home = export_chan(r, "x", 4, KC_UNLIMITED, KC_PEER_RECV);

    for (int i = 0; i < 100; i++)
        must_eq(put(home, i), 0);
    kc_chan_t *ch = open_chan(r, "x", 4, 10);
    until(kc_chan_len(ch) == 10);
    ck_assert_uint_eq(kc_chan_len(home), 90);
    for (int i = 0; i < 100; i++)
        must_eq(take(ch), i);
}

START_TEST(no_more_than_the_window_is_prefetched)
{
    try_rig(_i, prefetch_is_bounded);
}
END_TEST

static void server_limits(struct rig *r)
{
    export_chan(r, "x", 4, 0, KC_PEER_SEND);
    ck_assert_int_eq(send_until_it_would_wait(open_chan(r, "x", 4, 100)), 5);
}

START_TEST(the_smaller_wish_for_a_window_counts)
{
    try_rig_with(_i, &(kc_ipc_opts_t){ .window = 5 }, NULL, server_limits);
}
END_TEST

/* ---- select, deadlines, cancellation ---- */

static void select_mixed(struct rig *r)
{
    kc_chan_t *out = export_chan(r, "out", 4, 8, KC_PEER_RECV);
    kc_chan_t *in = export_chan(r, "in", 4, 8, KC_PEER_SEND);
    kc_chan_t *from = open_chan(r, "out", 4, 0), *to = open_chan(r, "in", 4, 0);
    kc_chan_t *local;
    int v = 0, w = 5;

    must_eq(kc_chan_make(&local, 4, 1), 0);
    kc_sel_t s = kc_select(kc_in(KC_MS(20)), KC_RECV(from, &v), KC_RECV(local, &v));
    must_eq(s.i, -1);
    must_eq(s.rc, -ETIME);
    must_eq(put(local, 1), 0);
    s = kc_select(KC_FOREVER, KC_RECV(from, &v), KC_RECV(local, &v));
    must_eq(s.i, 1);
    must_eq(put(out, 7), 0);
    s = kc_select(KC_FOREVER, KC_RECV(from, &v), KC_RECV(local, &v));
    must_eq(s.i, 0);
    must_eq(v, 7);
    s = kc_select(KC_FOREVER, KC_RECV(from, &v), KC_SEND(to, &w));
    must_eq(s.i, 1);
    must_eq(take(in), 5);
    ck_assert_uint_eq(receivers_on(from), 0);
    ck_assert_uint_eq(receivers_on(local), 0);
    kc_chan_unref(local);
}

START_TEST(select_mixes_remote_and_local_channels_and_a_deadline)
{
    try_rig(_i, select_mixed);
}
END_TEST

static void deadlines(struct rig *r)
{
    export_chan(r, "in", 4, 0, KC_PEER_SEND);
    export_chan(r, "out", 4, 0, KC_PEER_RECV);
    kc_chan_t *to = open_chan(r, "in", 4, 1), *from = open_chan(r, "out", 4, 0);
    int v = 1;

    must_eq(put(to, 1), 0);
    must_eq(put(to, 2), -EAGAIN);
    must_eq(kc_chan_send(to, &v, kc_in(KC_MS(10))), -ETIME);
    must_eq(kc_chan_recv(from, &v, kc_in(KC_MS(10))), -ETIME);
    must_eq(get(from), -EAGAIN);
    ck_assert_uint_eq(senders_on(to) + receivers_on(from), 0);
}

START_TEST(deadlines_end_parked_remote_operations)
{
    try_rig(_i, deadlines);
}
END_TEST

static void cancelled(struct rig *r)
{
    export_chan(r, "in", 4, 0, KC_PEER_SEND);
    kc_chan_t *out = export_chan(r, "out", 4, 0, KC_PEER_RECV);
    struct call snd = { .ch = open_chan(r, "in", 4, 1), .dl = KC_FOREVER };
    struct call rcv = { .ch = open_chan(r, "out", 4, 0), .dl = KC_FOREVER };
    kc_scope_t s;

    must_eq(put(snd.ch, 1), 0);
    must_eq(kc_scope_open(&s, NULL), 0);
    go_send(&s, &snd);
    go_recv(&s, &rcv);
    until(senders_on(snd.ch) == 1 && receivers_on(rcv.ch) == 1);
    must_eq(kc_scope_cancel(&s, -ECANCELED), 0);
    must_eq(kc_scope_close(&s), -ECANCELED);
    must_eq(snd.rc, -ECANCELED);
    must_eq(rcv.rc, -ECANCELED);
    must_eq(put(out, 9), 0); // the endpoint still waits for one
    must_eq(take(rcv.ch), 9);
}

START_TEST(cancelling_ends_parked_remote_operations_and_loses_nothing)
{
    try_rig(_i, cancelled);
}
END_TEST

/* ---- who may do what ---- */

static void rights(struct rig *r)
{
    export_chan(r, "in", 4, 8, KC_PEER_SEND);
    export_chan(r, "none", 4, 8, 0);
    kc_chan_t *ch, *to = open_chan(r, "in", 4, 0);
    kc_ipc_chan_spec_t recv = { .elem_size = 4, .dir = KC_PEER_RECV };
    kc_ipc_chan_spec_t both = { .elem_size = 4, .dir = KC_PEER_RECV | KC_PEER_SEND };
    int v;

    must_eq(kc_chan_recv(to, &v, KC_FOREVER), -EACCES);
    must_eq(kc_ipc_chan_open(r->c, "in", &recv, &ch, KC_FOREVER), -EACCES);
    must_eq(kc_ipc_chan_open(r->c, "none", &(kc_ipc_chan_spec_t){ .elem_size = 4 }, &ch,
                             KC_FOREVER), -EACCES);
    ch = open_spec(r, "in", &both);
    must_eq(put(ch, 1), 0);
    must_eq(get(ch), -EACCES);
}

START_TEST(a_missing_right_is_eacces_at_open_or_at_the_operation)
{
    try_rig(_i, rights);
}
END_TEST

static void wrong_size(struct rig *r)
{
    kc_ipc_chan_spec_t spec = { .elem_size = 8 }, huge = { .elem_size = (16 << 20) + 1 };
    kc_chan_t *ch;

    export_chan(r, "x", 4, 8, KC_PEER_SEND);
    must_eq(kc_ipc_chan_open(r->c, "x", &spec, &ch, KC_FOREVER), -EMSGSIZE);
    must_eq(kc_ipc_chan_open(r->c, "x", &huge, &ch, KC_FOREVER), -EMSGSIZE);
}

START_TEST(another_element_size_is_emsgsize)
{
    try_rig(_i, wrong_size);
}
END_TEST

/* ---- names ---- */

static void unknown(struct rig *r)
{
    kc_ipc_chan_spec_t spec = { .elem_size = 4 };
    kc_chan_t *ch;
    int64_t began = kc_now();

    must_eq(kc_ipc_chan_open(r->c, "x", &spec, &ch, KC_FOREVER), -ENOENT);
    ck_assert_int_ge(kc_now() - began, KC_MS(30));
    must_eq(kc_ipc_chan_open(r->c, "x", &spec, &ch, kc_in(KC_MS(5))), -ETIME);
}

static void nothing_exported(struct rig *r)
{
    kc_ipc_chan_spec_t spec = { .elem_size = 4 };
    kc_chan_t *ch;

    export_chan(r, "x", 4, 1, KC_PEER_SEND);
    must_eq(kc_ipc_chan_open(r->served, "x", &spec, &ch, KC_FOREVER), -ENOENT);
}

START_TEST(who_connected_exports_nothing)
{
    try_rig(_i, nothing_exported);
}
END_TEST

START_TEST(an_unknown_name_is_enoent_after_the_grace_time)
{
    try_rig_with(_i, &(kc_ipc_opts_t){ .grace_ns = KC_MS(30) }, NULL, unknown);
}
END_TEST

struct opening {
    struct rig *r;
    kc_chan_t *ch;
    int rc;
    _Atomic(int) over;
};

static int open_late(void *arg)
{
    struct opening *o = *(struct opening **)arg;
    kc_ipc_chan_spec_t spec = { .elem_size = 4 };

    o->rc = kc_ipc_chan_open(o->r->c, "late", &spec, &o->ch, KC_FOREVER);
    ka_store(&o->over, 1, release); // E-OVER
    return 0;
}

static void late_export(struct rig *r)
{
    struct opening o[3] = { { .r = r }, { .r = r }, { .r = r } };
    kc_ipc_chan_spec_t spec = { .elem_size = 4 };
    kc_chan_t *ch, *home;
    kc_scope_t s;

    must_eq(kc_scope_open(&s, NULL), 0);
    for (int i = 0; i < 3; i++) {
        struct opening *p = &o[i];
        must_eq(kc_scope_spawn(&s, NULL, open_late, &p, sizeof p, NULL), 0);
    }
    // A second connection's answer: the others' requests, sent before, have arrived too.
    must_eq(kc_ipc_chan_open(r->c, "other", &spec, &ch, kc_in(KC_MS(20))), -ETIME);
    for (int i = 0; i < 3; i++)
        must_eq(ka_load(&o[i].over, acquire), 0); // E-OVER
    home = export_chan(r, "late", 4, 8, KC_PEER_SEND);
    must_eq(kc_scope_close(&s), 0);
    for (int i = 0; i < 3; i++) {
        must_eq(o[i].rc, 0);
        must_eq(put(o[i].ch, i), 0);
        must_eq(take(home), i);
        kc_chan_unref(o[i].ch);
    }
    must_eq(kc_ipc_export(r->l, "late", home, KC_PEER_SEND), -EEXIST);
}

START_TEST(a_name_exported_within_the_grace_time_opens)
{
    try_rig_with(_i, &(kc_ipc_opts_t){ .grace_ns = KC_S(60) }, NULL, late_export);
}
END_TEST

SUITE("ipc/chan", CASE_LOOP(what_is_sent_arrives_and_the_answer_comes_back, WORKERS),
      CASE_LOOP(one_channel_serves_both_directions, WORKERS),
      CASE_LOOP(c10_a_waiting_call_keeps_a_remote_channel_in_reach, WORKERS),
      CASE_LOOP(items_keep_their_order_into_a_buffered_channel, WORKERS),
      CASE_LOOP(items_keep_their_order_into_a_rendezvous, WORKERS),
      CASE_LOOP(items_keep_their_order_through_a_window_of_one, WORKERS),
      CASE_LOOP(items_keep_their_order_into_an_unlimited_channel, WORKERS),
      CASE_LOOP(b1_batches_cross_in_both_directions, WORKERS),
      CASE_LOOP(z3_a_channel_of_descriptors_cannot_be_exported, WORKERS),
      CASE_LOOP(items_keep_their_order_towards_the_peer, WORKERS),
      CASE_LOOP(elements_of_every_size_arrive_whole, WORKERS * SIZES),
      CASE_LOOP(a_peer_that_wants_small_frames_gets_small_fragments, WORKERS),
      CASE_LOOP(a_sender_ahead_of_its_receiver_stops_at_the_window, WORKERS),
      CASE_LOOP(no_more_than_the_window_is_prefetched, WORKERS),
      CASE_LOOP(the_smaller_wish_for_a_window_counts, WORKERS),
      CASE_LOOP(select_mixes_remote_and_local_channels_and_a_deadline, WORKERS),
      CASE_LOOP(deadlines_end_parked_remote_operations, WORKERS),
      CASE_LOOP(cancelling_ends_parked_remote_operations_and_loses_nothing, WORKERS),
      CASE_LOOP(a_missing_right_is_eacces_at_open_or_at_the_operation, WORKERS),
      CASE_LOOP(another_element_size_is_emsgsize, WORKERS),
      CASE_LOOP(who_connected_exports_nothing, WORKERS),
      CASE_LOOP(an_unknown_name_is_enoent_after_the_grace_time, WORKERS),
      CASE_LOOP(a_name_exported_within_the_grace_time_opens, WORKERS))
