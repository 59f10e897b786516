/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * sched/sem.c — so many permits, taken n at a time, first come, first served.
 *
 * Invariants  the first waiter wants more than there is (no barging: nobody behind it is
 *             served, and nobody new, even if a smaller wish would fit)
 *             permits in use + permits here = permits released + the initial ones
 * A waiter that leaves unserved may have been what the others stood behind: having left the
 * queue it looks whether they fit now.
 */
#include <kcoro/sync.h>
#include <limits.h>

#include "sched/waitq.h"

struct sem {
    struct kci_waitq wq;
    long permits; /* lock */
};

_Static_assert(sizeof(struct sem) <= sizeof(kc_sem_t), "the public type is large enough");

/* A waiter's elem: how many it wants. Alive while the waiter is queued. */
static long wish(struct kci_list *node)
{
    return *(long *)KCI_OF(node, struct kci_waiter, node)->elem;
}

/* Serve from the front while the wishes fit. Locked; who was served is moved to `won`. */
static void serve_locked(struct sem *s, struct kci_list *won)
{
    struct kci_list *queue = kci_waitq_list(&s->wq), *first;
    struct kci_claim claim;

    while ((first = queue->next) != queue && wish(first) <= s->permits) {
        struct kci_waiter *wt = KCI_OF(first, struct kci_waiter, node);
        long n = wish(first);
        if (!kci_waiter_claim(wt, &claim))
            continue; // it left for another reason, and is out of the queue now
        s->permits -= n;
        kci_list_push(won, &wt->node);
    }
}

/* Add n permits. 0 or -EOVERFLOW. */
static int add(struct sem *s, long n)
{
    struct kci_list won;
    int rc = 0;

    kci_list_init(&won);
    kci_lock(&s->wq.lock);
    if (n > LONG_MAX - s->permits)
        rc = -EOVERFLOW;
    else
        s->permits += n;
    serve_locked(s, &won);
    kci_unlock(&s->wq.lock);
    kci_waiters_finish(&won, 0);
    return rc;
}

static int sem_try(struct kci_clause *c)
{
    struct sem *s = c->obj;
    long n = *(long *)c->arg;

    if (n > s->permits || !kci_list_empty(kci_waitq_list(&s->wq)))
        return -EAGAIN;
    s->permits -= n;
    return 0;
}

static int sem_disarm(struct kci_clause *c)
{
    c->extra = true;
    return kci_clause_dequeue(c);
}

static void sem_cleanup(struct kci_clause *c)
{
    if (c->extra) // left unserved
        add(c->obj, 0);
}

static const struct kci_source sem_source = {
    .why = KCI_WHY_SEM,
    .cleanup = sem_cleanup,
    .lock = kci_waitq_lock,
    .try = sem_try,
    .arm = kci_waitq_arm,
    .disarm = sem_disarm,
};

int kc_sem_init(kc_sem_t *handle, long permits)
{
    if (!handle || permits < 0)
        return -EINVAL;
    *handle = (kc_sem_t){ { 0 } };
    ((struct sem *)(void *)handle)->permits = permits;
    return 0;
}

int kc_sem_acquire(kc_sem_t *s, long n, kc_deadline_t dl)
{
    return s && n > 0 ? kci_source_wait(&sem_source, s, &n, dl) : -EINVAL;
}

int kc_sem_release(kc_sem_t *s, long n)
{
    return s && n > 0 ? add((struct sem *)(void *)s, n) : -EINVAL;
}
