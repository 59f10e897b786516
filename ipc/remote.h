/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * ipc/remote.h — the opener's end of a lane: a kc_chan_t whose other end is in another process.
 */
#ifndef IPC_REMOTE_H
#define IPC_REMOTE_H

#include <kcoro/ipc.h>

#include "ipc/lane.h"

/* kc_ipc_chan_open after its arguments were checked. */
int kci_remote_open(struct kc_ipc_conn *c, const char *name, const kc_ipc_chan_spec_t *spec,
                    kc_chan_t **out, kc_deadline_t dl);
/* NULL unless ch is a handle. */
const struct kci_lane *kci_remote_lane(const kc_chan_t *ch);

/* tx, locked: the payload of its OPEN. Returns its size. */
size_t kci_remote_request(struct kci_lane *l, unsigned char *payload, uint32_t *req_id);
/* rx: the answer to OPEN; opened is NULL if rc. 0, or -EPROTO. */
int kci_remote_answered(struct kci_lane *l, int rc, const struct kci_opened *opened);
/* rx: CLOSE_ACK; the peer accepted our items up to `seq`. 0, or -EPROTO. */
int kci_remote_closed(struct kci_lane *l, uint32_t seq);
/* The connection is about to end: close the handle, send what it accepted, then CLOSE. */
void kci_remote_leave(struct kci_lane *l, int why);

#endif
