/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * sched/mutex.c — a lock that is handed over, and whose waiters park.
 *
 * The word      0               free; nobody waits
 *               owner           held: the address of a coroutine, or of a thread's variable
 *               owner | WAITED  held, and somebody waits or did: to let go takes the queue's
 *                               lock
 * Invariants
 *   hand-off   a mutex with a waiter never becomes free: its word goes from owner to owner, so
 *              nobody who comes later can pass
 *   one touch  whoever lets go of a mutex does not touch it after the instruction that lets the
 *              next owner run; that one may free it
 * Locks      the waitq's, for the queue and for setting or clearing WAITED
 * Edges      E-MUTEX  what the last owner did → the next one; a hand-over adds E-WAKE
 * Rejected   unlocking by a plain store: it needs store before load against a waiter that
 *            announces itself, a fence as dear as the swap. Barging (Go, glibc): faster when
 *            contended, but a waiter may starve.
 */
#include "sched/mutex.h"

#include "sched/waitq.h"

#define WAITED ((uintptr_t)1)

struct mutex {
    struct kci_waitq wq;
    _Atomic(uintptr_t) word;
};

_Static_assert(sizeof(struct mutex) <= sizeof(kc_mutex_t), "the public type is too small");

static struct mutex *body(kc_mutex_t *handle)
{
    return (struct mutex *)(void *)handle;
}

/* Take it if it is free, else ask its owner to look at the queue. */
static int mutex_try(struct kci_clause *c)
{
    struct mutex *m = c->obj;
    uintptr_t word = ka_load(&m->word, relaxed), next; // relaxed: the swap decides

    do
        next = word ? word | WAITED : (uintptr_t)c->arg;
    while (!ka_cas(&m->word, &word, next, acquire, relaxed)); // E-MUTEX in
    return word ? -EAGAIN : 0;
}

static const struct kci_source mutex_source = {
    .why = KCI_WHY_MUTEX,
    .lock = kci_waitq_lock,
    .try = mutex_try,
    .arm = kci_waitq_arm,
    .disarm = kci_clause_dequeue,
};

static uintptr_t owner(struct mutex *m)
{
    return ka_load(&m->word, relaxed) & ~WAITED; // relaxed: compared with ourselves only
}

int kc_mutex_lock(kc_mutex_t *handle, kc_deadline_t dl)
{
    struct mutex *m = body(handle);
    const void *self;
    uintptr_t word = 0;

    if (!m)
        return -EINVAL;
    int rc = kci_self_enter_as(&self);
    if (!rc && ka_cas(&m->word, &word, (uintptr_t)self, acquire, relaxed)) // E-MUTEX in
        return 0;
    if (owner(m) == (uintptr_t)self)
        return -EDEADLK;
    return rc ? rc : kci_source_wait_entered(&mutex_source, m, (void *)(uintptr_t)self, dl);
}

/* Make the first waiter the owner. False: nobody waits, and WAITED is cleared. */
static bool hand_over(struct mutex *m, uintptr_t self)
{
    struct kci_claim claim;

    kci_lock(&m->wq.lock);
    struct kci_list *queue = kci_waitq_list(&m->wq);
    struct kci_waiter *wt = kci_queue_claim(queue, &claim);
    uintptr_t word = wt ? (uintptr_t)wt->elem : self;
    // Only under this lock does a word that says WAITED change.
    ka_store(&m->word, word | (kci_list_empty(queue) ? 0 : WAITED), release); // E-MUTEX out
    kci_unlock(&m->wq.lock);
    kci_claim_finish(claim, 0);
    return wt;
}

/* Apart, so that the fast path saves no registers for it. */
static KCI_NOINLINE int unlock_slow(struct mutex *m, uintptr_t self, uintptr_t word)
{
    while (word == (self | WAITED)) {
        if (hand_over(m, self))
            return 0;
        word = self;
        if (ka_cas(&m->word, &word, 0, release, relaxed)) // E-MUTEX out
            return 0;
    }
    return -EPERM;
}

int kc_mutex_unlock(kc_mutex_t *handle)
{
    struct mutex *m = body(handle);

    if (!m)
        return -EINVAL;
    uintptr_t self = (uintptr_t)kci_self_id(), word = self;
    if (ka_cas(&m->word, &word, 0, release, relaxed)) // E-MUTEX out
        return 0;
    return unlock_slow(m, self, word);
}

bool kci_mutex_is_mine(kc_mutex_t *handle)
{
    return owner(body(handle)) == (uintptr_t)kci_self_id();
}
