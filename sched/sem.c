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

_Static_assert(sizeof(struct sem) <= sizeof(kc_sem_t), "the public type is too small");

static bool sem_take(void *obj, void *wish, bool now)
{
    struct sem *s = obj;
    long n = *(long *)wish; // alive while the waiter is queued

    if (n > s->permits)
        return false;
    s->permits -= now ? n : 0;
    return true;
}

static int sem_try(struct kci_clause *c)
{
    struct sem *s = c->obj;

    if (!kci_list_empty(kci_waitq_list(&s->wq)))
        return -EAGAIN;
    return sem_take(s, c->arg, true) ? 0 : -EAGAIN;
}

static int sem_disarm(struct kci_clause *c)
{
    c->extra = true;
    return kci_clause_dequeue(c);
}

static void sem_cleanup(struct kci_clause *c)
{
    if (c->extra) // left unserved
        kci_waitq_serve(c->obj, sem_take);
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

int kc_sem_release(kc_sem_t *handle, long n)
{
    struct sem *s = (struct sem *)(void *)handle;
    struct kci_list won;
    int rc = 0;

    if (!s || n < 1)
        return -EINVAL;
    kci_self_point();
    kci_list_init(&won);
    kci_lock(&s->wq.lock);
    if (n > LONG_MAX - s->permits)
        rc = -EOVERFLOW;
    else
        s->permits += n;
    kci_waitq_serve_locked(&s->wq, sem_take, &won);
    kci_unlock(&s->wq.lock);
    kci_waiters_finish(&won, 0);
    return rc;
}
