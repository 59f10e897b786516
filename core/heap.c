/* SPDX-License-Identifier: BSD-3-Clause */
/* core/heap.c — pairing heap; two-pass merge on removal, iterative so that any shape is
 * safe. */
#include "core/heap.h"

#include <stddef.h>

static bool before(const struct kci_heap_node *a, const struct kci_heap_node *b)
{
    return a->key != b->key ? a->key < b->key : a->seq < b->seq;
}

/* Both are roots of their own; the later one becomes the first child of the earlier one. */
static struct kci_heap_node *meld(struct kci_heap_node *a, struct kci_heap_node *b)
{
    if (!a || !b)
        return a ? a : b;
    if (before(b, a)) {
        struct kci_heap_node *t = a;
        a = b;
        b = t;
    }
    b->prev = a;
    b->next = a->child;
    if (b->next)
        b->next->prev = b;
    a->child = b;
    return a;
}

/* Pair the siblings left to right, then meld the pairs right to left. */
static struct kci_heap_node *merge_siblings(struct kci_heap_node *first)
{
    struct kci_heap_node *pairs = NULL, *root = NULL;

    while (first) {
        struct kci_heap_node *a = first, *b = a->next;
        first = b ? b->next : NULL;
        a->next = a->prev = NULL;
        if (b)
            b->next = b->prev = NULL;
        a = meld(a, b);
        a->next = pairs;
        pairs = a;
    }
    while (pairs) {
        struct kci_heap_node *a = pairs;
        pairs = a->next;
        a->next = NULL;
        root = meld(root, a);
    }
    return root;
}

void kci_heap_push(struct kci_heap *h, struct kci_heap_node *n)
{
    n->child = n->next = n->prev = NULL;
    n->seq = h->seq++;
    h->root = meld(h->root, n);
}

void kci_heap_remove(struct kci_heap *h, struct kci_heap_node *n)
{
    struct kci_heap_node *rest = merge_siblings(n->child);

    n->child = NULL;
    if (n == h->root) {
        h->root = rest;
        return;
    }
    if (n->prev->child == n)
        n->prev->child = n->next;
    else
        n->prev->next = n->next;
    if (n->next)
        n->next->prev = n->prev;
    n->next = n->prev = NULL;
    h->root = meld(h->root, rest);
}
