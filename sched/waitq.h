/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * sched/waitq.h — a small lock and the waiters behind it, first come, first served.
 *
 * What sync.h declares begins with one: so obj is also a struct kci_waitq *, and all of them
 * share the functions below as members of their sources. All zero is ready for use, which is
 * why the list is reached through kci_waitq_list only.
 */
#ifndef SCHED_WAITQ_H
#define SCHED_WAITQ_H

#include "sched/source.h"

struct kci_waitq {
    struct kci_lock lock;
    struct kci_list waiters; /* lock: kci_waiter */
};

/* The waiters. Under the lock. */
static inline struct kci_list *kci_waitq_list(struct kci_waitq *wq)
{
    if (!wq->waiters.next)
        kci_list_init(&wq->waiters);
    return &wq->waiters;
}

/* For sources whose obj begins with a waitq: lock, arm. */
struct kci_lock *kci_waitq_lock(void *obj);
int kci_waitq_arm(struct kci_clause *c);

#endif
