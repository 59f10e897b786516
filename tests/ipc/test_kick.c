/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * tests/ipc/test_kick.c — transports without a descriptor: readiness comes from a function call
 * on another thread.
 *
 * "kicked" is the Unix transport with its descriptor hidden. A thread kicks all its links, again
 * and again, whether or not there is a reason: nobody polls, and nobody is told too little.
 */
#include <pthread.h>
#include <sched.h>
#include <string.h>

#include "core/lock.h"
#include "ipc/port.h"
#include "tests/ipc/kit.h"

enum { LINKS = 64 };

static struct {
    struct kci_lock lock;
    struct {
        kc_link_t *link;
        void (*kick)(void *arg, unsigned ev);
        void *arg;
    } known[LINKS];
    _Atomic(int) stop;
    pthread_t thread;
} kicked;

static void *kick_all(void *unused)
{
    (void)unused;
    while (!ka_load(&kicked.stop, acquire)) { // E-OVER
        kci_lock(&kicked.lock);
        for (int i = 0; i < LINKS; i++)
            if (kicked.known[i].link)
                kicked.known[i].kick(kicked.known[i].arg, KC_RD | KC_WR);
        kci_unlock(&kicked.lock);
        sched_yield();
    }
    return NULL;
}

static int slot_of(const kc_link_t *l)
{
    int i = 0;

    while (kicked.known[i].link != l)
        must(++i < LINKS);
    return i;
}

static void set_kick(kc_link_t *l, void (*kick)(void *arg, unsigned ev), void *arg)
{
    kci_lock(&kicked.lock);
    int i = slot_of(NULL);
    kicked.known[i].link = l;
    kicked.known[i].kick = kick;
    kicked.known[i].arg = arg;
    kci_unlock(&kicked.lock);
}

static void kicked_close(kc_link_t *l)
{
    kci_lock(&kicked.lock);
    kicked.known[slot_of(l)].link = NULL;
    kci_unlock(&kicked.lock);
    kci_transport_unix.close(l);
}

static kc_transport_ops_t ops;

static void begin(void)
{
    ops = kci_transport_unix;
    ops.scheme = "kicked";
    ops.poll_handle = NULL;
    ops.set_kick = set_kick;
    ops.close = kicked_close;
    must_eq(pthread_create(&kicked.thread, NULL, kick_all, NULL), 0);
}

static void end(void)
{
    ka_store(&kicked.stop, 1, release); // E-OVER
    must_eq(pthread_join(kicked.thread, NULL), 0);
}

/* ---- everything works ---- */

static int send_all(void *arg)
{
    kc_chan_t *ch = *(kc_chan_t **)arg;

    for (int i = 0; i < 2000; i++)
        must_eq(kc_send(ch, &i), 0);
    return 0;
}

static void both_ways(struct rig *r)
{
    kc_chan_t *in = export_chan(r, "in", 4, 4, KC_PEER_SEND);
    kc_chan_t *out = export_chan(r, "out", 4, 4, KC_PEER_RECV);
    kc_chan_t *to = open_chan(r, "in", 4, 8), *from = open_chan(r, "out", 4, 8);
    kc_scope_t s;

    must_eq(kc_scope_open(&s, NULL), 0);
    must_eq(kc_scope_spawn(&s, NULL, send_all, &to, sizeof to, NULL), 0);
    must_eq(kc_scope_spawn(&s, NULL, send_all, &out, sizeof out, NULL), 0);
    for (int i = 0; i < 2000; i++) {
        must_eq(take(in), i);
        must_eq(take(from), i);
    }
    must_eq(kc_scope_close(&s), 0);
    must_eq(kc_ipc_close(r->c, KC_FOREVER), 0);
    r->c = NULL;
}

START_TEST(n1_a_connection_works_without_a_descriptor)
{
    begin();
    kc_ipc_opts_t opts = { .transport = &ops };
    try_rig_with(_i, &opts, &opts, both_ways);
    end();
}
END_TEST

/* ---- who is outside holds the clock, and is no deadlock ---- */

static kc_chan_t *from_outside;

static int answer(void *arg)
{
    int v, rc = kc_recv(from_outside, &v, kc_in(KC_S(3600))); // of a virtual clock

    (void)arg;
    return rc ? rc : v;
}

static int meet(void *arg)
{
    struct rig *r = arg;

    rig_listen(r);
    rig_connect(r);
    kc_chan_t *home = export_chan(r, "x", 4, 4, KC_PEER_RECV);
    kc_scope_t s;
    kc_co_t *co;
    int ret = 0, v = 7;

    from_outside = open_chan(r, "x", 4, 0);
    must_eq(kc_scope_open(&s, NULL), 0);
    must_eq(kc_scope_spawn(&s, &co, answer, NULL, 0, NULL), 0);
    until(receivers_on(from_outside) == 1);
    must_eq(kc_send(home, &v), 0);
    must_eq(kc_join(co, &ret, KC_FOREVER), 0); // all wait: for the kicks
    kc_co_unref(co);
    must_eq(kc_scope_close(&s), 0);
    must_eq(ret, 7);
    must_eq(kc_ipc_close(r->c, KC_TRY), 0);
    kc_ipc_unref(r->served);
    for (int i = 0; i < r->nchans; i++)
        kc_chan_unref(r->chans[i]);
    return kc_ipc_listener_close(r->l);
}

START_TEST(n1_a_virtual_clock_waits_for_who_kicks_from_outside)
{
    static struct rig r;
    kc_opts_t opts = { .flags = KC_RT_VIRTUAL_TIME | KC_RT_DEADLOCK_CHECK };

    begin();
    place_prepare(&r, &opts);
    r.server.transport = r.client.transport = &ops;
    ck_assert_int_eq(kc_run(meet, &r, &opts), 0);
    place_leave(&r);
    end();
    check_nothing_left();
}
END_TEST

static void incomplete(struct rig *r)
{
    kc_transport_ops_t none = kci_transport_unix;

    (void)r;
    none.scheme = "none";
    none.poll_handle = NULL;
    must_eq(kc_transport_register(&none, NULL), -EINVAL);
}

START_TEST(a_transport_must_have_one_way_to_wait)
{
    try_plain(0, incomplete);
}
END_TEST

SUITE("ipc/kick", CASE_LOOP(n1_a_connection_works_without_a_descriptor, WORKERS),
      CASE(n1_a_virtual_clock_waits_for_who_kicks_from_outside),
      CASE(a_transport_must_have_one_way_to_wait))
