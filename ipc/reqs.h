/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * ipc/reqs.h — our open requests: a slab of slots, found by number, without hashing.
 *
 *     req_id = generation << 16 | slot          generation 1 to 65535, so 0 is never an id
 *
 * A slot is free again only after the answer, also when the caller has given up: a late
 * answer must find its own request and nobody else's. Pure; the connection's lock guards it.
 */
#ifndef IPC_REQS_H
#define IPC_REQS_H

#include <stdint.h>

enum { KCI_REQS_MOST = 256 };

struct kci_req {
    uint16_t gen;
    uint16_t next_free;
    void *owner; /* NULL: free */
};

struct kci_reqs {
    struct kci_req *slots;
    unsigned count, open;
    unsigned free; /* head of the free list; count: empty */
};

/* Allocates. count <= 65535. 0 or -ENOMEM. */
int kci_reqs_init(struct kci_reqs *r, unsigned count);
void kci_reqs_fini(struct kci_reqs *r);
/* 0 and *id; -ENOBUFS when all are open. owner is not NULL. */
int kci_reqs_open(struct kci_reqs *r, void *owner, uint32_t *id);
/* The owner of an open request; NULL: no such. */
void *kci_reqs_find(const struct kci_reqs *r, uint32_t id);
/* The answer came. id must be open. */
void kci_reqs_close(struct kci_reqs *r, uint32_t id);

#endif
