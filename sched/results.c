/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * sched/results.c — see results.h.
 *
 * Picture     head → [full] → [full] → in → [..    ] → [      ] ← tail
 * Invariants  reserved <= room, so a child that ends finds its place
 *             room counts the free places of `in` and of all behind it
 *             a block that is filled and emptied is given back; the one being filled starts
 *             again at 0 once emptied: spawning and collecting in turns asks for nothing
 * Rejected    a growing array: the copy would be made under the scope's lock
 *             a record for each child: an allocation for each child
 */
#include "sched/results.h"

#include "core/assert.h"
#include "core/mem.h"

enum { FIRST = 8, MORE = 62 }; // a small scope, and a kilobyte

bool kci_results_reserve(struct kci_results *q)
{
    if (q->reserved == q->room)
        return false;
    q->reserved++;
    return true;
}

void kci_results_unreserve(struct kci_results *q)
{
    KCI_ASSERT(q->reserved > 0);
    q->reserved--;
}

struct kci_results_block *kci_results_block(bool first)
{
    unsigned cap = first ? FIRST : MORE;
    struct kci_results_block *b = kci_zalloc(sizeof *b + cap * sizeof *b->at);

    if (b)
        b->cap = cap;
    return b;
}

void kci_results_add(struct kci_results *q, struct kci_results_block *b)
{
    if (q->tail)
        q->tail->next = b;
    else
        q->head = q->in = b;
    q->tail = b;
    q->room += b->cap;
}

void kci_results_put(struct kci_results *q, uint64_t id, int ret)
{
    KCI_ASSERT(q->reserved > 0);
    if (q->in->put == q->in->cap)
        q->in = q->in->next; // there, because a place is
    q->in->at[q->in->put++] = (struct kci_result){ id, ret };
    q->room--;
    q->reserved--;
}

bool kci_results_take(struct kci_results *q, struct kci_result *out,
                      struct kci_results_block **spent)
{
    struct kci_results_block *b = q->head;

    *spent = NULL;
    if (!b || b->taken == b->put)
        return false;
    *out = b->at[b->taken++];
    if (b->taken < b->put)
        return true;
    if (b == q->in) {
        q->room += b->put;
        b->put = b->taken = 0;
    } else {
        q->head = b->next;
        *spent = b;
    }
    return true;
}

void kci_results_free(struct kci_results *q)
{
    while (q->head) {
        struct kci_results_block *b = q->head;
        q->head = b->next;
        kci_free(b);
    }
}
