/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * ipc/lane.h — one open channel on one connection: what both ends have in common.
 *
 * The opener's end is a handle (ipc/remote.h), the home's an endpoint (ipc/endpoint.h). Each
 * has two directions, seen from here: `in` (items arrive; we grant) and `out` (items leave;
 * we have credit). Items live in slots that the windows pay for, item n in slot n mod window,
 * from the moment they are accepted until the other side has taken them: nothing is allocated
 * when one arrives, and what the peer has not taken can be reported or put back.
 *
 * Locks   conn->lock for everything that is not fixed. References: the connection's table, the
 *         handle or the home coroutine, and whoever looks one up.
 */
#ifndef IPC_LANE_H
#define IPC_LANE_H

#include "arch/atomic.h"
#include "core/list.h"
#include "ipc/credit.h"

struct kc_ipc_conn;
struct kci_lane;

enum kci_lane_state {
    KCI_LANE_OPENING, /* OPEN, or our answer to it, is on its way */
    KCI_LANE_OPEN,
    KCI_LANE_CLOSING, /* opener: CLOSE was sent; what arrives is dropped until CLOSE_ACK */
    KCI_LANE_GONE     /* not in the table: its number may be used again */
};

/* Control frames that want to be sent. Bits, so that no flood can make them many. */
enum {
    KCI_WANT_OPEN = 1,
    KCI_WANT_CREDIT = 2,
    KCI_WANT_RESET = 4,
    KCI_WANT_ACK = 8, /* CLOSE_ACK */
    KCI_WANT_END = 16 /* FIN or CLOSE, with no items before it */
};

/* Called by the receiving coroutine, unlocked. */
struct kci_lane_ops {
    /* Items or limits arrived, perhaps many. */
    void (*news)(struct kci_lane *l);
    /* The peer will send no more items. */
    void (*fin)(struct kci_lane *l, int why);
    /* The peer takes no more; credit.taken is exact. */
    void (*reset)(struct kci_lane *l, int why);
    /* The connection is over. */
    void (*lost)(struct kci_lane *l, int why);
    /* Locked. Where item `seq`, not yet taken by the peer, lies. */
    const void *(*out_elem)(struct kci_lane *l, uint64_t seq);
    /* The last reference is gone. */
    void (*destroy)(struct kci_lane *l);
};

struct kci_lane {
    _Atomic(unsigned) refs;
    struct kc_ipc_conn *conn;       /* a reference; fixed */
    const struct kci_lane_ops *ops; /* fixed */
    uint32_t id;                    /* fixed */
    uint32_t elem_bytes;            /* fixed */
    unsigned char *in_slots;        /* in.items of them; fixed once open */

    enum kci_lane_state state;
    struct kci_list control; /* conn->control: want != 0 */
    struct kci_list ready;   /* conn->ready: has items to send */
    struct kci_list fresh;   /* rx: has news in this batch, with a reference */
    unsigned want;
    int64_t deficit; /* bytes it may send in this round */

    struct kci_grant in;
    uint32_t in_bytes; /* that arrived of the current item */
    bool in_ended;     /* FIN came */
    int in_why;        /* and said this */
    bool in_closed;    /* we want no more: no further credit */
    bool in_refused;   /* we take no more: what still comes is dropped */
    int refuse_why;

    struct kci_credit out;
    struct kci_limits limits; /* came in, to be applied with the news */
    bool has_limits;
    uint64_t out_sent;        /* items that left as a whole */
    uint32_t out_bytes;       /* that left of the next one */
    bool out_refused;         /* RESET came */
    bool fin_wanted, fin_sent;
    int fin_why;
    bool close_wanted;
};

void kci_lane_init(struct kci_lane *l, struct kc_ipc_conn *c, const struct kci_lane_ops *ops,
                   uint32_t elem_bytes);
struct kci_lane *kci_lane_ref(struct kci_lane *l);
void kci_lane_unref(struct kci_lane *l);

/* All locked. */

static inline unsigned char *kci_lane_in_slot(const struct kci_lane *l, uint64_t seq)
{
    return l->in_slots + seq % l->in.items * l->elem_bytes;
}
/* To send in order: items, then FIN, then CLOSE. */
bool kci_lane_has_items(const struct kci_lane *l);
bool kci_lane_has_end(const struct kci_lane *l);
/* Stand in the connection's queues if there is something to send. An end without items counts
 * as control, so that it goes before the OPENs that are asked for after it. */
void kci_lane_wake(struct kci_lane *l);
void kci_lane_want(struct kci_lane *l, unsigned want);
/* The application took an item: announce credit when it is time to. */
void kci_lane_taken(struct kci_lane *l);
/* If the peer ended its direction, and all it sent was taken, say so: it may wait for that. */
void kci_lane_tell_last(struct kci_lane *l);
/* Apply limits that arrived. */
void kci_lane_apply(struct kci_lane *l);
/* Nothing more leaves but CLOSE, as the peer takes no more. */
void kci_lane_stop_output(struct kci_lane *l);
/* Leave the connection's queues. */
void kci_lane_unlist(struct kci_lane *l);

#endif
