/* SPDX-License-Identifier: BSD-3-Clause */
/* sched/waitq.c — see waitq.h. */
#include "sched/waitq.h"

struct kci_lock *kci_waitq_lock(void *obj)
{
    return &((struct kci_waitq *)obj)->lock;
}

int kci_waitq_arm(struct kci_clause *c)
{
    kci_list_push(kci_waitq_list(c->obj), &c->wt.node);
    return 0;
}

void kci_waitq_serve_locked(struct kci_waitq *wq, kci_take_fn *take, struct kci_list *won)
{
    struct kci_list *queue = kci_waitq_list(wq);
    struct kci_claim claim;

    while (!kci_list_empty(queue)) {
        struct kci_waiter *first = KCI_OF(queue->next, struct kci_waiter, node);
        if (!take(wq, first->elem, false))
            return;
        if (!kci_waiter_claim(first, &claim))
            continue; // it left for another reason, and is out of the queue now
        take(wq, first->elem, true);
        kci_list_push(won, &first->node);
    }
}

void kci_waitq_serve(struct kci_waitq *wq, kci_take_fn *take)
{
    struct kci_list won;

    kci_list_init(&won);
    kci_lock(&wq->lock);
    kci_waitq_serve_locked(wq, take, &won);
    kci_unlock(&wq->lock);
    kci_waiters_finish(&won, 0);
}
