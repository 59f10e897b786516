/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * sched/rwlock.c — many readers or one writer, in the order in which they came.
 *
 * Invariants  the first waiter does not fit (kci_waitq_serve): so behind a writer that waits
 *             every later reader waits too, and neither kind starves
 * Rejected    preferring readers, or writers: somebody starves. One word for the uncontended
 *             case, as in mutex.c: a reader would have to count itself in with a swap as dear
 *             as the small lock.
 */
#include <kcoro/sync.h>

#include "sched/waitq.h"

struct rwlock {
    struct kci_waitq wq;
    const void *writer; /* lock; NULL: none */
    long readers;       /* lock */
};

_Static_assert(sizeof(struct rwlock) <= sizeof(kc_rwlock_t), "the public type is too small");

struct wish {
    const void *self;
    bool write;
};

static bool rwlock_take(void *obj, void *arg, bool now)
{
    struct rwlock *l = obj;
    struct wish *w = arg;

    if (l->writer || (w->write && l->readers))
        return false;
    if (now && w->write)
        l->writer = w->self;
    else if (now)
        l->readers++;
    return true;
}

static int rwlock_try(struct kci_clause *c)
{
    struct rwlock *l = c->obj;
    struct wish *w = c->arg;

    if (l->writer == w->self)
        return -EDEADLK;
    if (!kci_list_empty(kci_waitq_list(&l->wq)))
        return -EAGAIN;
    return rwlock_take(l, w, true) ? 0 : -EAGAIN;
}

static int rwlock_disarm(struct kci_clause *c)
{
    c->extra = true;
    return kci_clause_dequeue(c);
}

static void rwlock_cleanup(struct kci_clause *c)
{
    if (c->extra) // left unserved
        kci_waitq_serve(c->obj, rwlock_take);
}

static const struct kci_source rwlock_source = {
    .why = KCI_WHY_RWLOCK,
    .cleanup = rwlock_cleanup,
    .lock = kci_waitq_lock,
    .try = rwlock_try,
    .arm = kci_waitq_arm,
    .disarm = rwlock_disarm,
};

static int lock(kc_rwlock_t *l, bool write, kc_deadline_t dl)
{
    struct wish w = { .self = kci_self_id(), .write = write };
    return l ? kci_source_wait(&rwlock_source, l, &w, dl) : -EINVAL;
}

int kc_rwlock_init(kc_rwlock_t *l)
{
    if (!l)
        return -EINVAL;
    *l = (kc_rwlock_t){ { 0 } };
    return 0;
}

int kc_rwlock_rdlock(kc_rwlock_t *l, kc_deadline_t dl)
{
    return lock(l, false, dl);
}

int kc_rwlock_wrlock(kc_rwlock_t *l, kc_deadline_t dl)
{
    return lock(l, true, dl);
}

/* Locked. */
static int give_up(struct rwlock *l)
{
    if (l->writer ? l->writer != kci_self_id() : !l->readers)
        return -EPERM;
    if (l->writer)
        l->writer = NULL;
    else
        l->readers--;
    return 0;
}

int kc_rwlock_unlock(kc_rwlock_t *handle)
{
    struct rwlock *l = (struct rwlock *)(void *)handle;
    struct kci_list won;

    if (!l)
        return -EINVAL;
    kci_list_init(&won);
    kci_lock(&l->wq.lock);
    int rc = give_up(l);
    if (!rc)
        kci_waitq_serve_locked(&l->wq, rwlock_take, &won);
    kci_unlock(&l->wq.lock);
    kci_waiters_finish(&won, 0);
    return rc;
}
