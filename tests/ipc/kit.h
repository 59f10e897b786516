/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * tests/ipc/kit.h — a server and a client, in one runtime or in two processes, and a peer that
 * speaks raw bytes.
 *
 *     static void body(struct rig *r)
 *     {
 *         kc_chan_t *home = export_chan(r, "in", 4, 8, KC_PEER_SEND);
 *         kc_chan_t *ch = open_chan(r, "in", 4, 0);
 *         …
 *     }
 *     START_TEST(a_sentence) { try_rig(_i, body); } END_TEST      … CASE_LOOP(a_sentence,
 *     WORKERS)
 *
 * The place, where server and client meet, is Unix sockets (place.c), or a simulated network with
 * a virtual clock (tests/sim/place.c): the same cases are linked with either.
 *
 * What export_chan and open_chan return is released when the rig closes. Nothing here waits a
 * while: until() lets others run until what should be seen is seen. Every run ends with the
 * check that nothing is allocated any more and no file is left.
 */
#ifndef TESTS_IPC_KIT_H
#define TESTS_IPC_KIT_H

#include <kcoro/kcoro.h>
#include <kcoro/metrics.h>

#include "arch/atomic.h"
#include "tests/support/suite.h"

enum { WORKERS = KT_WORKERS, RIG_CHANS = 2100 };

struct rig {
    char dir[40], addr[64];
    kc_ipc_listener_t *l;
    kc_ipc_conn_t *c;      /* the client's */
    kc_ipc_conn_t *served; /* the server's */
    kc_ipc_opts_t server, client;
    kc_chan_t *chans[RIG_CHANS];
    int nchans;
};

/* ---- the place ---- */

/* Outside of the runtime: an address, and what the runtime should be like. */
void place_prepare(struct rig *r, kc_opts_t *opts);
/* This variant would find nothing that the others do not. */
bool place_skips(int variant);
/* As the root coroutine, before anything else; variant 0 … WORKERS − 1. */
void place_enter(struct rig *r, int variant);
/* The runtime is over. */
void place_leave(struct rig *r);
/* Let others go on for a moment. */
void let_run(void);

/* Loop index → 1, 2, 4 workers. */
int workers_of(int i);
/* Run body as the root coroutine, without and with a connected rig around it. */
void try_plain(int i, void (*body)(struct rig *r));
void try_rig(int i, void (*body)(struct rig *r));
/* As try_rig, with options. */
void try_rig_with(int i, const kc_ipc_opts_t *server, const kc_ipc_opts_t *client,
                  void (*body)(struct rig *r));
/* As try_rig, for a body that leaves references; check_nothing_left when they are dropped. */
void try_rig_leaky(int i, void (*body)(struct rig *r));
void check_nothing_left(void);

/* For try_plain: listen; connect (the client's end, and wait for the server's). */
void rig_listen(struct rig *r);
void rig_connect(struct rig *r);
kc_chan_t *export_chan(struct rig *r, const char *name, size_t elem_size, long cap,
                       unsigned rights);
kc_chan_t *open_chan(struct rig *r, const char *name, size_t elem_size, uint32_t window);
kc_chan_t *open_spec(struct rig *r, const char *name, const kc_ipc_chan_spec_t *spec);
/* Drop it now instead of when the rig closes. */
void drop_chan(struct rig *r, kc_chan_t *ch);

#define until(seen)                                                                            \
    do                                                                                         \
        let_run();                                                                             \
    while (!(seen))

/* Silent when it holds: Check's own macros write to a pipe each time. */
#define must(cond)                                                                             \
    do {                                                                                       \
        if (!(cond))                                                                           \
            ck_abort_msg("not true: %s", #cond);                                               \
    } while (0)
#define must_eq(a, b)                                                                          \
    do {                                                                                       \
        long long a_ = (long long)(a), b_ = (long long)(b);                                    \
        if (a_ != b_)                                                                          \
            ck_abort_msg("%s is %lld, %s is %lld", #a, a_, #b, b_);                            \
    } while (0)

/* Without waiting; int channels. */
int put(kc_chan_t *ch, int v);
int get(kc_chan_t *ch);
/* Waiting: the element, or the negative code. */
int take(kc_chan_t *ch);
uint64_t senders_on(kc_chan_t *ch);
uint64_t receivers_on(kc_chan_t *ch);

/* What an undelivered hook was told, in order; elements are ints. */
enum { TOLD_MOST = 1024 };
struct told {
    _Atomic(int) count;
    int elem[TOLD_MOST];
    unsigned reason[TOLD_MOST];
};
void tell(void *elem, unsigned reason, void *arg);

/* A call in a coroutine of its own. */
struct call {
    kc_chan_t *ch;
    int value, rc;
    kc_deadline_t dl;
    _Atomic(int) over;
};
void go_send(kc_scope_t *s, struct call *c);
void go_recv(kc_scope_t *s, struct call *c);

/* xorshift; KC_TEST_SEED, else drawn, and printed. */
uint64_t test_seed(void);
uint64_t roll(uint64_t *state, uint64_t n);

#endif
