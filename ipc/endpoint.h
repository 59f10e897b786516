/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * ipc/endpoint.h — the home's end of a lane: stands in for the peer at an exported channel.
 */
#ifndef IPC_ENDPOINT_H
#define IPC_ENDPOINT_H

#include "chan/chan.h"
#include "ipc/lane.h"
#include "ipc/listener.h"

/* An operation at the exported channel, under way without a coroutine. */
struct kci_op {
    struct kci_ticket tk;
    struct kci_clause clause;
    struct kci_endpoint *ep; /* fixed */
    bool armed;              /* home coroutine: started and not settled */
    bool done;               /* conn->lock: its wake function was called */
};

struct kci_endpoint {
    struct kci_lane lane; /* first */
    kc_chan_t *home;      /* a reference; fixed */
    unsigned rights;      /* fixed */
    struct kci_list node; /* conn->endpoints; its reference is the home coroutine's */
    struct kci_list work; /* conn->home_work */
    /* home coroutine */
    struct kci_op send, recv, watch;
    bool started;
    bool home_closed;
    bool stopped;               /* the peer takes no more: what it did not take was put back */
    bool closes_home;           /* FIN was passed on */
    uint32_t nkept;             /* fixed: most items in flight to the peer */
    struct kci_returned **kept; /* item n in slot n mod nkept; home writes, tx reads: locked */
    /* conn->lock */
    bool lost;       /* the connection is over */
    bool closed;     /* CLOSE came */
    bool acked;      /* CLOSE_ACK was sent */
    bool answered;   /* RES_OK was sent */
    uint64_t charge; /* borrowed from the connection's budget */
};

/* rx: an OPEN. 0, or what the connection ends with. */
int kci_endpoint_request(struct kc_ipc_conn *c, const struct kci_frame *f);
/* The name that p waits for was exported: answer. Takes p. */
void kci_endpoint_late(struct kci_pending *p, const struct kci_export *ex);
/* rx: answer OPENs that have waited too long. Returns when to look again, INT64_MAX: never. */
int64_t kci_endpoint_expire(struct kc_ipc_conn *c, int64_t now_ns);
/* main: forget those that still wait. */
void kci_endpoint_drop_pending(struct kc_ipc_conn *c);

/* rx: CLOSE; the peer took our items up to `aux`, and sent `seq` of its own. 0, or -EPROTO. */
int kci_endpoint_close(struct kci_lane *l, uint32_t seq, uint32_t aux);
/* Locked: let the home coroutine look at it. */
void kci_endpoint_stir(struct kci_endpoint *ep);
/* tx, locked: the payload of its RES_OK; it may send now. */
void kci_endpoint_answered(struct kci_endpoint *ep, unsigned char *payload);
/* tx, locked: CLOSE_ACK was sent. */
void kci_endpoint_acked(struct kci_lane *l);

/* home.c: what an operation at the exported channel calls when it is over. */
void kci_home_wake(struct kci_ticket *tk);

#endif
