/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * ipc/conn.h — one connection: its state, its coroutines, its tables.
 *
 * Coroutines   main (conn.c)  hands over to rx, then tears down
 *              rx (rx.c)      parses and dispatches; waits for nothing but bytes
 *              tx (tx.c)      control state first, then items, round robin
 *              home (home.c)  accepting side only: moves items between lanes and exported
 *              channels,
 *                             and outlives the connection until all that was accepted is
 *                             delivered
 * Locks        lock ranks below channels: a channel's lock may be held when taking it, never
 *              the other way round. It is never held while parking or calling a transport.
 * Monitor      kci_conn_unlock wakes whoever waits for what has become true.
 */
#ifndef IPC_CONN_H
#define IPC_CONN_H

#include <kcoro/ipc.h>

#include "core/lock.h"
#include "ipc/gate.h"
#include "ipc/lane.h"
#include "ipc/port.h"
#include "ipc/reqs.h"
#include "sched/sched.h"

enum {
    KCI_LANES_MOST = 1024,           /* open channels per opener */
    KCI_ITEM_MOST = 16 << 20,        /* bytes of an element */
    KCI_WINDOW_ITEMS = 256,          /* default, see also kci_window_bytes */
    KCI_BUDGET_BYTES = 64 << 20,     /* all windows of a peer's channels, both directions: */
    KCI_LENT_BYTES = KCI_BUDGET_BYTES / 2, /* half first come, first served, half evenly */
    KCI_SHARE_BYTES = KCI_BUDGET_BYTES / 2 / KCI_LANES_MOST / 2,
    KCI_FRAME_DEFAULT = 64 << 10,
    KCI_FRAGMENT = 16 << 10,         /* most payload per ITEM; the quantum of the round robin */
    KCI_OUT_BYTES = 128 << 10        /* most bytes per system call */
};

enum kci_conn_state {
    KCI_CONN_SHAKING, /* until both HELLOs are in order */
    KCI_CONN_UP,
    KCI_CONN_LEAVING, /* no new channels; ends when all lanes are settled */
    KCI_CONN_DOWN,    /* over: why says why; main is tearing down */
    KCI_CONN_GONE     /* torn down */
};

/* Connection frames that want to be sent. */
enum { KCI_SAY_PING = 1, KCI_SAY_PONG = 2, KCI_SAY_GOAWAY = 4 };

/* An OPEN of the peer, by the slot of its req_id: the answer waits here to be sent. */
struct kci_answer {
    struct kci_list node; /* conn->answers */
    uint32_t req_id;      /* 0: free */
    uint32_t chan_id;
    int rc;
    struct kci_endpoint *ep; /* rc 0 */
};

/* Bytes between the parser or the encoder and the port: [head, tail) is in use. */
struct kci_bytes {
    unsigned char *mem;
    size_t cap, head, tail;
};

struct kc_ipc_conn {
    _Atomic(unsigned) refs;
    struct kci_lock lock;
    struct kc_rt *rt;   /* fixed; valid until GONE */
    struct kci_port port; /* rx and tx */
    bool acceptor;      /* fixed */
    uint32_t window;    /* fixed, like the three below: kc_ipc_opts_t with defaults */
    uint32_t max_frame;
    int64_t keepalive_ns, grace_ns;
    struct kc_ipc_listener *listener; /* fixed; valid until GONE; NULL: connector */
    struct kci_list in_listener;      /* listener's lock */
    struct kci_list tracked;          /* see ipc/ipc.h */
    struct kci_hello peer;            /* fixed once UP */
    uint32_t fragment;                /* fixed once UP: most payload of one ITEM frame */

    /* lock */
    enum kci_conn_state state;
    int why;
    struct kc_cancel *token; /* of main's scope: ends rx and tx */
    bool peer_left;          /* GOAWAY(0) came */
    bool goaway_sent;
    bool unsettled;          /* ended before the peer confirmed all it was sent */
    int tx_error;            /* tx cannot write any more; rx reads what is left */
    struct kci_gate up, gone, tx_gate, home_gate;
    unsigned say;
    uint32_t goaway;         /* status to say */
    uint64_t pong;
    bool urgent;             /* control is worth a flush of its own */
    struct kci_list control, ready, answers; /* kci_lane, kci_lane, kci_answer */
    struct kci_lane *mine[KCI_LANES_MOST], *theirs[KCI_LANES_MOST];
    uint16_t generation[KCI_LANES_MOST]; /* of mine */
    unsigned nmine, ntheirs, cursor;
    struct kci_reqs reqs;
    struct kci_answer answer[KCI_REQS_MOST];
    struct kci_list endpoints; /* kci_endpoint: all, also those the peer closed */
    struct kci_list home_work; /* kci_endpoint */
    unsigned nendpoints;
    uint64_t budget;           /* left to lend for windows */

    /* rx */
    struct kci_bytes inbox;
    struct kci_list fresh; /* lanes with news in this batch */
    int64_t heard_ns;      /* last byte */
    int64_t next_expiry;   /* of an OPEN that waits for its name */
    int64_t allowance;     /* useless frames the peer may still send */
    int64_t allowance_ns;  /* when that was computed */
    unsigned rounds;       /* reads since the coroutine was told to end */
    /* tx */
    struct kci_bytes outbox;
};

/* ---- life: conn.c ---- */

/* Are the options in range? */
bool kci_conn_opts_ok(const kc_ipc_opts_t *o);
/* Takes the port's link, also on failure. refs = 1. 0; -ENOMEM. */
int kci_conn_create(struct kc_ipc_conn **out, struct kci_port port, const kc_ipc_opts_t *opts,
                    struct kc_ipc_listener *listener);
struct kc_ipc_conn *kci_conn_ref(struct kc_ipc_conn *c);
void kci_conn_unref(struct kc_ipc_conn *c);
/* The connection's coroutine; takes a reference. */
int kci_conn_main(void *conn);
/* End it, for the first reason given. Any thread, no locks held. */
void kci_conn_fail(struct kc_ipc_conn *c, int why);
/* End it once all is settled; `why` is what its handles say meanwhile. */
void kci_conn_leave(struct kc_ipc_conn *c, int why);

static inline void kci_conn_lock(struct kc_ipc_conn *c)
{
    kci_lock(&c->lock);
}
void kci_conn_unlock(struct kc_ipc_conn *c);

/* ---- tables: conn.c; all locked ---- */

/* A number for a lane of ours: 0; -ENOBUFS. Takes a reference to l. */
int kci_conn_add_mine(struct kc_ipc_conn *c, struct kci_lane *l);
/* The peer's number for one: 0; -ENOBUFS over the limit; -EPROTO malformed or in use. */
int kci_conn_add_theirs(struct kc_ipc_conn *c, struct kci_lane *l, uint32_t id);
/* By number, NULL if there is none. No reference is taken. */
struct kci_lane *kci_conn_find(struct kc_ipc_conn *c, uint32_t id);
/* The number is free again; the caller gets the table's reference. */
void kci_conn_remove(struct kc_ipc_conn *c, struct kci_lane *l);
/* Answer an OPEN. */
void kci_conn_answer(struct kc_ipc_conn *c, uint32_t req_id, int rc, struct kci_endpoint *ep);
/* Does everything that LEAVING waits for hold, but the peer's part? And that too? */
bool kci_conn_may_say_goodbye(const struct kc_ipc_conn *c);
bool kci_conn_is_finished(const struct kc_ipc_conn *c);

/* ---- coroutines ---- */

/* Receive until the connection ends. Returns why. */
int kci_rx_run(struct kc_ipc_conn *c);
int kci_tx_main(void *conn);
bool kci_tx_has_work(const struct kc_ipc_conn *c);
/* Takes a reference. */
int kci_home_main(void *conn);

#endif
