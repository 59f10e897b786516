/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * ipc/credit.c — see credit.h.
 *
 * Invariants  grant   taken <= next - 1;  told <= taken;  next - 1 - told <= items
 *             credit  taken <= next - 1;  next <= item_limit
 *             a receiver that takes what it has always frees a sender that waits: C3
 *             announces when half a window was taken, and also when nothing is staged and
 *             what the sender has left would not pay for the biggest item. Half-window
 *             thresholds alone deadlock.
 */
#include "ipc/credit.h"

#include <errno.h>

uint64_t kci_seq_widen(uint64_t near, uint32_t wire)
{
    return near + (uint64_t)(int64_t)(int32_t)(wire - (uint32_t)near);
}

uint64_t kci_window_bytes(bool asked, uint64_t elem_bytes)
{
    uint64_t most = asked ? 8 << 20 : 256 << 10, two = 2 * kci_item_cost(elem_bytes);
    return most < two ? two : most;
}

uint32_t kci_window_fit(uint32_t wish, uint64_t elem_bytes, uint64_t most_bytes)
{
    uint64_t n = most_bytes / kci_item_cost(elem_bytes);

    if (n > KCI_WINDOW_MOST)
        n = KCI_WINDOW_MOST;

    if (n > wish)
        n = wish;
    return n ? (uint32_t)n : 1;
}

/* ---- receiver ---- */

void kci_grant_init(struct kci_grant *g, uint64_t items, uint64_t bytes)
{
    *g = (struct kci_grant){ .items = items, .bytes = bytes, .next = 1 };
}

/* What the sender may still send by what it was told. */
static uint64_t items_left(const struct kci_grant *g)
{
    return g->told + g->items - (g->next - 1);
}

static uint64_t bytes_left(const struct kci_grant *g)
{
    return g->cost_told + g->bytes - g->cost_next;
}

int kci_grant_check(const struct kci_grant *g, uint32_t seq, uint64_t elem_bytes)
{
    bool paid = items_left(g) && kci_item_cost(elem_bytes) <= bytes_left(g);
    return seq == (uint32_t)g->next && paid ? 0 : -EPROTO;
}

void kci_grant_arrived(struct kci_grant *g, uint64_t elem_bytes)
{
    g->next++;
    g->cost_next += kci_item_cost(elem_bytes);
}

void kci_grant_take(struct kci_grant *g, uint64_t elem_bytes)
{
    g->taken++;
    g->cost_taken += kci_item_cost(elem_bytes);
}

static bool is_share(const struct kci_grant *g, unsigned share)
{
    uint64_t items = g->taken - g->told, bytes = g->cost_taken - g->cost_told;
    return items && (items >= g->items / share || bytes >= g->bytes / share);
}

bool kci_grant_due(const struct kci_grant *g, uint64_t elem_bytes)
{
    if (is_share(g, 2))
        return true;
    bool starved = !items_left(g) || bytes_left(g) < kci_item_cost(elem_bytes);
    return kci_grant_untold(g) && !kci_grant_staged(g) && starved;
}

bool kci_grant_worth(const struct kci_grant *g)
{
    return is_share(g, 8);
}

void kci_grant_tell(struct kci_grant *g, struct kci_limits *out)
{
    g->told = g->taken;
    g->cost_told = g->cost_taken;
    out->rx_next = (uint32_t)g->next;
    out->item_limit = (uint32_t)(g->taken + g->items + 1);
    out->byte_limit = g->cost_taken + g->bytes;
}

/* ---- sender ---- */

void kci_credit_init(struct kci_credit *c, uint64_t items, uint64_t bytes)
{
    *c = (struct kci_credit){
        .items = items, .next = 1, .item_limit = items + 1, .byte_limit = bytes
    };
}

bool kci_credit_allows(const struct kci_credit *c, uint64_t elem_bytes)
{
    return c->next < c->item_limit && c->cost <= c->byte_limit &&
           kci_item_cost(elem_bytes) <= c->byte_limit - c->cost;
}

uint64_t kci_credit_spend(struct kci_credit *c, uint64_t elem_bytes)
{
    c->cost += kci_item_cost(elem_bytes);
    return c->next++;
}

int kci_credit_update(struct kci_credit *c, const struct kci_limits *l, uint64_t sent)
{
    uint64_t rx_next = kci_seq_widen(c->next, l->rx_next);
    uint64_t limit = kci_seq_widen(c->item_limit, l->item_limit);

    if (limit <= c->item_limit)
        return 0; // old news
    // The limit is taken + items + 1, and nothing can be taken before it arrived, nor arrive
    // before it was sent.
    uint64_t taken = limit - c->items - 1;
    if (rx_next > sent + 1 || taken >= rx_next)
        return -EPROTO;
    c->item_limit = limit;
    c->taken = taken;
    if (l->byte_limit > c->byte_limit)
        c->byte_limit = l->byte_limit;
    return 0;
}

int kci_credit_settle(struct kci_credit *c, uint32_t seq, uint64_t sent)
{
    uint64_t taken = kci_seq_widen(c->taken, seq);

    if (taken < c->taken || taken > sent)
        return -EPROTO;
    c->taken = taken;
    return 0;
}
