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

/*
 * Strict order: serve from the front while `take` can. It says whether obj has what a waiter
 * (whose elem is wish) wants, and takes it away if `now`. Locked; who was served is moved to
 * `won`.
 */
typedef bool kci_take_fn(void *obj, void *wish, bool now);
void kci_waitq_serve_locked(struct kci_waitq *wq, kci_take_fn *take, struct kci_list *won);
/* Whoever left unserved may have been what the others stood behind: look again. Unlocked. */
void kci_waitq_serve(struct kci_waitq *wq, kci_take_fn *take);

#endif
