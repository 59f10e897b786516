/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * ipc/listener.h — a listening point, its exports and its connections.
 *
 * Locks   lock, outside conn->lock.
 */
#ifndef IPC_LISTENER_H
#define IPC_LISTENER_H

#include <kcoro/ipc.h>

#include "core/list.h"
#include "ipc/wire.h"

/* What a peer may open. */
struct kci_export {
    kc_chan_t *ch;
    unsigned rights;
};

/* An OPEN that waits for its name to be exported. */
struct kci_pending {
    struct kci_list node; /* listener's lock */
    struct kc_ipc_conn *conn; /* which takes its entries out before it goes */
    int64_t expires_ns;
    uint32_t req_id, chan_id;
    struct kci_open open; /* open.name is `name` */
    char name[KCI_WIRE_NAME + 1];
};

/* 0 and *out (ch with a reference); -ENOENT: p, which has the name, waits. */
int kci_listener_find(struct kc_ipc_listener *l, struct kci_pending *p, struct kci_export *out);
/* One of c's OPENs that expired by now_ns, taken out; NULL: none, and *next is when to look
 * again (INT64_MAX: never). */
struct kci_pending *kci_listener_expired(struct kc_ipc_listener *l, struct kc_ipc_conn *c,
                                         int64_t now_ns, int64_t *next);
/* The handshake is done: kc_ipc_accept may learn of it. */
int kci_listener_accepted(struct kc_ipc_listener *l, struct kc_ipc_conn *c);
/* It is ending. */
void kci_listener_forget(struct kc_ipc_listener *l, struct kc_ipc_conn *c);
/* After all coroutines ended; `registered` as given to kci_ipc_register. */
void kci_listener_free(struct kci_list *registered);

#endif
