/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * core/list.h — an intrusive doubly linked ring; the head is a node too.
 *
 *     struct job { struct kci_list node; … };
 *     struct kci_list jobs;  kci_list_init(&jobs);
 *     kci_list_push(&jobs, &job->node);
 *     struct job *j = KCI_OF(kci_list_pop(&jobs), struct job, node);
 *
 * O(1) removal from the middle; nothing is ever allocated.
 */
#ifndef CORE_LIST_H
#define CORE_LIST_H

#include <stdbool.h>
#include <stddef.h>

struct kci_list {
    struct kci_list *next, *prev;
};

/* The object that `member` is embedded in. */
#define KCI_OF(ptr, type, member) ((type *)(void *)((char *)(ptr) - offsetof(type, member)))
#define KCI_EACH(it, head)                                                                     \
    for (struct kci_list *it = (head)->next, *it##_next = it->next; it != (head);              \
         it = it##_next, it##_next = it->next)

static inline void kci_list_init(struct kci_list *head)
{
    head->next = head->prev = head;
}

static inline bool kci_list_empty(const struct kci_list *head)
{
    return head->next == head;
}

/* At the tail. */
static inline void kci_list_push(struct kci_list *head, struct kci_list *node)
{
    node->prev = head->prev;
    node->next = head;
    head->prev->next = node;
    head->prev = node;
}

static inline void kci_list_push_front(struct kci_list *head, struct kci_list *node)
{
    kci_list_push(head->next, node);
}

static inline void kci_list_remove(struct kci_list *node)
{
    node->prev->next = node->next;
    node->next->prev = node->prev;
    node->next = node->prev = node; // removing twice is harmless
}

/* From the front. The list must not be empty. */
static inline struct kci_list *kci_list_pop(struct kci_list *head)
{
    struct kci_list *node = head->next;
    kci_list_remove(node);
    return node;
}

/* Append all of `from`, which is empty afterwards. */
static inline void kci_list_splice(struct kci_list *to, struct kci_list *from)
{
    if (kci_list_empty(from))
        return;
    from->next->prev = to->prev;
    to->prev->next = from->next;
    from->prev->next = to;
    to->prev = from->prev;
    kci_list_init(from);
}

#endif
