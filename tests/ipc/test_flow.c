/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * tests/ipc/test_flow.c — many channels, silence, threads, and no memory.
 */
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "core/mem.h"
#include "tests/ipc/raw.h"

/* ---- many channels on one connection ---- */

enum { LANES = 50, BULK = 32768 };

struct bulk {
    kc_chan_t *ch;
    _Atomic(int) sent;
};

static int send_bulk(void *arg)
{
    struct bulk *b = *(struct bulk **)arg;
    static const unsigned char elem[BULK];

    while (kc_chan_send(b->ch, elem, KC_FOREVER) == 0)
        ka_add(&b->sent, 1, relaxed); // relaxed: a counter
    return 0;
}

static int sink(void *arg)
{
    while (kc_chan_recv(*(kc_chan_t **)arg, NULL, KC_FOREVER) == 0)
        continue;
    return 0;
}

/* How far apart the channels may be. With several workers the system's scheduler stops one of
 * them now and then, and its senders with it; then only nobody may starve. */
static int apart;

static void fair(struct rig *r)
{
    static struct bulk bulk[LANES];
    kc_scope_t s;
    char name[8] = "bulk00";
    int least = 1 << 30, most = 0;

    memset(bulk, 0, sizeof bulk);
    must_eq(kc_scope_open(&s, &(kc_scope_opts_t){ .policy = KC_SUPERVISE }), 0);
    for (int i = 0; i < LANES; i++) {
        struct bulk *b = &bulk[i];
        name[4] = (char)('0' + i / 10);
        name[5] = (char)('0' + i % 10);
        kc_chan_t *home = export_chan(r, name, BULK, 1, KC_PEER_SEND);
        b->ch = open_chan(r, name, BULK, 2);
        must_eq(kc_scope_spawn(&s, NULL, sink, &home, sizeof home, NULL), 0);
        must_eq(kc_scope_spawn(&s, NULL, send_bulk, &b, sizeof b, NULL), 0);
    }
    export_chan(r, "echo", 4, 8, KC_PEER_SEND | KC_PEER_RECV);
    kc_chan_t *small = open_chan(r, "echo", 4, 0);
    for (int i = 0; i < 100; i++) { // beside 50 channels that never stop
        must_eq(kc_send(small, &i), 0);
        must_eq(take(small), i);
    }
    until(ka_load(&bulk[0].sent, relaxed) >= 100); // relaxed: a counter
    kc_scope_cancel(&s, 0);
    kc_scope_close(&s);
    for (int i = 0; i < LANES; i++) {
        int n = ka_load(&bulk[i].sent, relaxed); // relaxed: all is over
        least = n < least ? n : least;
        most = n > most ? n : most;
    }
    ck_assert_int_ge(least * apart, most);
}

START_TEST(channels_of_one_connection_are_served_in_turn)
{
    apart = workers_of(_i) == 1 ? 3 : 10;
    try_rig(_i, fair);
}
END_TEST

static void stopped_consumer(struct rig *r)
{
    kc_chan_t *stuck = (export_chan(r, "stuck", 1000, 0, KC_PEER_SEND),
                        open_chan(r, "stuck", 1000, 0));
    unsigned char elem[1000] = { 0 };

    while (kc_chan_send(stuck, elem, KC_TRY) == 0)
        continue;
    export_chan(r, "echo", 4, 8, KC_PEER_SEND | KC_PEER_RECV);
    kc_chan_t *ch = open_chan(r, "echo", 4, 0);
    for (int i = 0; i < 1000; i++) {
        must_eq(kc_send(ch, &i), 0);
        must_eq(take(ch), i);
    }
    must_eq(kc_chan_send(stuck, elem, KC_TRY), -EAGAIN);
}

START_TEST(a_stopped_consumer_stops_its_own_channel_only)
{
    try_rig(_i, stopped_consumer);
}
END_TEST

static void thousand(struct rig *r)
{
    static kc_chan_t *ch[1024];
    kc_ipc_chan_spec_t spec = { .elem_size = 4 };
    kc_chan_t *home = export_chan(r, "x", 4, KC_UNLIMITED, KC_PEER_SEND), *more;
    bool seen[1024] = { 0 };

    for (int i = 0; i < 1024; i++)
        ch[i] = open_chan(r, "x", 4, 0);
    must_eq(kc_ipc_chan_open(r->c, "x", &spec, &more, KC_FOREVER), -ENOBUFS);
    for (int i = 0; i < 1024; i++)
        must_eq(put(ch[i], i), 0);
    for (int i = 0; i < 1024; i++) {
        int v = take(home);
        must(v >= 0 && v < 1024 && !seen[v]);
        seen[v] = true;
    }
    drop_chan(r, ch[500]);
    int rc;
    until((rc = kc_ipc_chan_open(r->c, "x", &spec, &more, KC_FOREVER)) != -ENOBUFS);
    must_eq(rc, 0);
    kc_chan_unref(more);
}

START_TEST(a_connection_carries_1024_channels_and_no_more)
{
    try_rig(_i, thousand);
}
END_TEST

/* ---- many peers ---- */

static void three_peers(struct rig *r)
{
    kc_ipc_conn_t *c[3];

    for (int i = 0; i < 2; i++)
        must_eq(kc_ipc_connect(&c[i], r->addr, NULL, KC_FOREVER), 0);
    must_eq(kc_ipc_connect(&c[2], r->addr, NULL, KC_FOREVER), -ECONNRESET); // with the rig's
    must_eq(kc_ipc_close(c[0], KC_FOREVER), 0);
    int rc;
    until((rc = kc_ipc_connect(&c[0], r->addr, NULL, KC_FOREVER)) != -ECONNRESET);
    must_eq(rc, 0);
    must_eq(kc_ipc_close(c[0], KC_TRY), 0);
    must_eq(kc_ipc_close(c[1], KC_TRY), 0);
}

START_TEST(a_listener_serves_as_many_peers_as_it_is_told)
{
    try_rig_with(_i, &(kc_ipc_opts_t){ .max_peers = 3 }, NULL, three_peers);
}
END_TEST

/* ---- silence ---- */

static struct raw mute;

static void silent(struct rig *r)
{
    struct kci_frame f;
    int pings = 0;

    raw_connect(&mute, r);
    raw_greet(&mute);
    while (raw_recv(&mute, &f))
        pings += f.cmd == KCI_CMD_PING;
    must(pings >= 1 && pings <= 3);
    raw_close(&mute);
    must_eq(kc_ipc_why(r->c), 0); // the other one answers
}

START_TEST(a_peer_that_answers_no_ping_is_lost)
{
    try_rig_with(_i, &(kc_ipc_opts_t){ .keepalive_ns = KC_MS(300) }, NULL, silent);
}
END_TEST

/* ---- plain threads ---- */

struct party {
    struct rig *r;
    kc_chan_t *ch;
    _Atomic(int) over;
};

static void *thread_main(void *arg)
{
    struct party *p = arg;

    for (int i = 0; i < 200; i++) {
        must_eq(kc_send(p->ch, &i), 0);
        must_eq(take(p->ch), i);
    }
    kc_ipc_chan_spec_t spec = { .elem_size = 4 };
    kc_chan_t *mine;
    must_eq(kc_ipc_chan_open(p->r->c, "y", &spec, &mine, KC_FOREVER), 0);
    must_eq(put(mine, 7), 0);
    must_eq(take(mine), 7);
    kc_chan_unref(mine);
    ka_store(&p->over, 1, release); // E-OVER
    return NULL;
}

static void from_thread(struct rig *r)
{
    struct party p = { .r = r };
    pthread_t thread;

    export_chan(r, "x", 4, 4, KC_PEER_SEND | KC_PEER_RECV);
    export_chan(r, "y", 4, 4, KC_PEER_SEND | KC_PEER_RECV);
    p.ch = open_chan(r, "x", 4, 0);
    must_eq(pthread_create(&thread, NULL, thread_main, &p), 0);
    until(ka_load(&p.over, acquire)); // E-OVER
    must_eq(pthread_join(thread, NULL), 0);
}

START_TEST(plain_threads_use_remote_channels_too)
{
    try_rig(_i, from_thread);
}
END_TEST

/* ---- no memory ---- */

/* Everything once; any call may fail for want of memory, and then the next ones are skipped. */
static void one_session(struct rig *r, kc_chan_t *home)
{
    kc_ipc_listener_t *l = NULL;
    kc_ipc_conn_t *c = NULL;
    kc_ipc_chan_spec_t spec = { .elem_size = 4 };
    kc_chan_t *ch = NULL;
    kc_deadline_t dl = kc_in(KC_S(20));
    int v = 1;
    bool ok = kc_ipc_listen(&l, r->addr, NULL) == 0;

    ok = ok && kc_ipc_export(l, "x", home, KC_PEER_SEND | KC_PEER_RECV) == 0;
    ok = ok && kc_ipc_connect(&c, r->addr, NULL, dl) == 0;
    ok = ok && kc_ipc_chan_open(c, "x", &spec, &ch, dl) == 0;
    for (int i = 0; ok && i < 5; i++) {
        ok = kc_chan_send(ch, &i, dl) == 0 && kc_chan_recv(ch, &v, dl) == 0;
        must(!ok || v == i);
    }
    kci_mem_fail_nth(0);
    kc_chan_unref(ch);
    if (c)
        must(kc_ipc_close(c, dl) != -ETIME);
    if (l)
        must_eq(kc_ipc_listener_close(l), 0);
    while (kc_chan_recv(home, NULL, KC_TRY) == 0) // what a failing end left
        continue;
}

static void every_allocation_fails_once(struct rig *r)
{
    kc_chan_t *home;

    must_eq(kc_chan_make(&home, 4, 8), 0);
    for (uint64_t nth = 1; nth <= 80; nth++) {
        kci_mem_fail_nth(nth);
        one_session(r, home);
        until(receivers_on(home) == 0); // the endpoint is gone
        while (kc_chan_recv(home, NULL, KC_TRY) == 0)
            continue;
    }
    kc_chan_unref(home);
}

START_TEST(any_allocation_may_fail)
{
    try_plain(_i, every_allocation_fails_once);
}
END_TEST

SUITE("ipc/flow", CASE_LOOP(channels_of_one_connection_are_served_in_turn, WORKERS),
      CASE_LOOP(a_stopped_consumer_stops_its_own_channel_only, WORKERS),
      CASE_LOOP(a_connection_carries_1024_channels_and_no_more, WORKERS),
      CASE_LOOP(a_listener_serves_as_many_peers_as_it_is_told, WORKERS),
      CASE_LOOP(a_peer_that_answers_no_ping_is_lost, WORKERS),
      CASE_LOOP(plain_threads_use_remote_channels_too, WORKERS),
      CASE_LOOP(any_allocation_may_fail, WORKERS))
