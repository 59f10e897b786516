/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * sched/barrier.c — n meet, then all go on.
 *
 * Whoever leaves early takes itself out of the count, under the lock; if the others were let go
 * before that, it was one of the n, and its wait has succeeded whatever ended it.
 */
#include <kcoro/sync.h>

#include "sched/waitq.h"

struct barrier {
    struct kci_waitq wq;
    unsigned round; /* lock; changes each time that all go on */
    int here;       /* lock; of n, those that wait in this round */
    long n;         /* fixed */
};

_Static_assert(sizeof(struct barrier) <= sizeof(kc_barrier_t), "the public type is too small");

struct turn {
    struct kci_list won; /* whom the last one lets go */
    unsigned round;
    bool last, over;
};

static int barrier_try(struct kci_clause *c)
{
    struct barrier *b = c->obj;
    struct turn *t = c->arg;

    if (b->here + 1 < b->n)
        return -EAGAIN;
    b->here = 0;
    b->round++;
    t->last = true;
    kci_queue_claim_all(kci_waitq_list(&b->wq), &t->won);
    return 0;
}

static int barrier_arm(struct kci_clause *c)
{
    struct barrier *b = c->obj;

    b->here++;
    ((struct turn *)c->arg)->round = b->round;
    return kci_waitq_arm(c);
}

static int barrier_disarm(struct kci_clause *c)
{
    struct barrier *b = c->obj;
    struct turn *t = c->arg;

    t->over = t->round != b->round;
    b->here -= !t->over;
    return kci_clause_dequeue(c);
}

static const struct kci_source barrier_source = {
    .why = KCI_WHY_BARRIER,
    .lock = kci_waitq_lock,
    .try = barrier_try,
    .arm = barrier_arm,
    .disarm = barrier_disarm,
};

int kc_barrier_init(kc_barrier_t *handle, long n)
{
    if (!handle || n < 1 || n > INT32_MAX)
        return -EINVAL;
    *handle = (kc_barrier_t){ { 0 } };
    ((struct barrier *)(void *)handle)->n = n;
    return 0;
}

int kc_barrier_wait(kc_barrier_t *handle, kc_deadline_t dl)
{
    struct barrier *b = (struct barrier *)(void *)handle;
    struct turn t = { .last = false };

    if (!b || !b->n)
        return -EINVAL;
    kci_list_init(&t.won);
    int rc = kci_source_wait(&barrier_source, b, &t, dl);
    kci_waiters_finish(&t.won, 0);
    return t.over ? 0 : rc ? rc : t.last;
}
