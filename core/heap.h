/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * core/heap.h — an intrusive pairing heap: the smallest key first.
 *
 *     struct kci_heap h = { 0 };
 *     kci_heap_push(&h, &timer->node);                 node.key set before
 *     struct kci_heap_node *first = h.root;            NULL when empty
 *     kci_heap_remove(&h, &timer->node);
 *
 * Push O(1), remove O(log n) amortised (Fredman, Sedgewick, Sleator, Tarjan 1986). Nothing is
 * allocated; equal keys leave in the order of `seq`, so that a virtual clock is deterministic.
 */
#ifndef CORE_HEAP_H
#define CORE_HEAP_H

#include <stdbool.h>
#include <stdint.h>

struct kci_heap_node {
    struct kci_heap_node *child; /* first child */
    struct kci_heap_node *next;  /* next sibling */
    struct kci_heap_node *prev;  /* previous sibling, or the parent of a first child */
    int64_t key;
    uint64_t seq;
};

struct kci_heap {
    struct kci_heap_node *root;
    uint64_t seq;
};

void kci_heap_push(struct kci_heap *h, struct kci_heap_node *n);
void kci_heap_remove(struct kci_heap *h, struct kci_heap_node *n);

#endif
