/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * ipc/credit.h — who may send how much: pure arithmetic, one pair for each direction of a
 * channel.
 *
 * The receiver holds a struct kci_grant, the sender a struct kci_credit. Limits are absolute
 * ("you may send items numbered below n, up to b bytes in all"), so repeating or losing one
 * is harmless and nothing can overflow. Numbers count from 1 and are 64 bits wide here; the
 * wire carries the low 32.
 *
 * Rules (docs/wire.md): C1 limit = taken + window + 1 · C2 whole items only · C3 when to
 * announce · C4 taken means taken by the application · C7 a violation is -EPROTO.
 */
#ifndef IPC_CREDIT_H
#define IPC_CREDIT_H

#include "ipc/wire.h"

enum { KCI_ITEM_OVERHEAD = 64 }; /* charged for each item, so that empty ones are not free */

/* Receiver. */
struct kci_grant {
    uint64_t items, bytes;    /* the window; fixed */
    uint64_t next, cost_next; /* number of the next item; cost of all that arrived */
    uint64_t taken, cost_taken;
    uint64_t told, cost_told; /* `taken` when the limits were last announced */
};

/* Sender. */
struct kci_credit {
    uint64_t items;           /* the peer's window; fixed */
    uint64_t next, cost;      /* number of the next item; cost of all before it */
    uint64_t item_limit, byte_limit;
    uint64_t taken;           /* items the peer's application has taken */
};

enum { KCI_WINDOW_MOST = 65536 /* items, whatever is asked for */ };

/* Bytes that a channel's window may take: more if the program asked for a number of its own,
 * and always two of the biggest: one travels while the other is consumed. */
uint64_t kci_window_bytes(bool asked, uint64_t elem_bytes);
/* How many elements of elem_bytes a window of `wish` items may hold in flight: at least 1,
 * and no more than `most_bytes` in all unless one item alone takes more. */
uint32_t kci_window_fit(uint32_t wish, uint64_t elem_bytes, uint64_t most_bytes);

static inline uint64_t kci_item_cost(uint64_t elem_bytes)
{
    return elem_bytes + KCI_ITEM_OVERHEAD;
}

void kci_grant_init(struct kci_grant *g, uint64_t items, uint64_t bytes);
/* Item number `seq` of elem_bytes begins to arrive: 0, or -EPROTO (a gap, or over the limit).
 * */
int kci_grant_check(const struct kci_grant *g, uint32_t seq, uint64_t elem_bytes);
/* It is here as a whole. */
void kci_grant_arrived(struct kci_grant *g, uint64_t elem_bytes);
/* The application took the oldest. */
void kci_grant_take(struct kci_grant *g, uint64_t elem_bytes);
static inline uint64_t kci_grant_staged(const struct kci_grant *g)
{
    return g->next - 1 - g->taken;
}
/* C3: must limits go out now? elem_bytes: the biggest item. */
bool kci_grant_due(const struct kci_grant *g, uint64_t elem_bytes);
/* Worth taking along when something goes out anyway? */
bool kci_grant_worth(const struct kci_grant *g);
/* Anything to say at all? */
static inline bool kci_grant_untold(const struct kci_grant *g)
{
    return g->taken != g->told;
}
/* The limits to announce; they count from now on. */
void kci_grant_tell(struct kci_grant *g, struct kci_limits *out);

void kci_credit_init(struct kci_credit *c, uint64_t items, uint64_t bytes);
bool kci_credit_allows(const struct kci_credit *c, uint64_t elem_bytes);
/* Returns the item's number. */
uint64_t kci_credit_spend(struct kci_credit *c, uint64_t elem_bytes);
/* Limits arrived; `sent` items went out as a whole. 0, or -EPROTO; older limits are ignored. */
int kci_credit_update(struct kci_credit *c, const struct kci_limits *l, uint64_t sent);
/* The peer says that it took exactly the items up to `seq`: 0, or -EPROTO. */
int kci_credit_settle(struct kci_credit *c, uint32_t seq, uint64_t sent);

/* The number near `near` whose low 32 bits are `wire` (RFC 1982). */
uint64_t kci_seq_widen(uint64_t near, uint32_t wire);

#endif
