/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * sched/once.c — a function that succeeds once, whoever calls first.
 *
 * The one whose turn it is runs fn outside every lock; the others wait. Success wakes them all
 * with its result, failure makes the first of them the next one to try: so each caller that
 * says a failure has run fn itself.
 *
 * Edges  E-ONCE  what fn did → whoever finds it done without the lock
 */
#include <kcoro/sync.h>

#include "sched/waitq.h"

enum { NEW, RUNNING, DONE };

struct once {
    struct kci_waitq wq;
    const void *runner; /* lock: whose turn it is while RUNNING */
    _Atomic(int) state; /* lock; DONE is final */
    int rc;             /* lock, before DONE: fn's, >= 0 */
};

_Static_assert(sizeof(struct once) <= sizeof(kc_once_t), "the public type is too small");

struct turn {
    const void *self;
    bool mine; /* run fn: set by ourselves, or by who made it our turn */
};

static int once_try(struct kci_clause *c)
{
    struct once *o = c->obj;
    struct turn *t = c->arg;

    switch (ka_load(&o->state, relaxed)) { // relaxed: under the lock
    case DONE:
        return 0;
    case RUNNING:
        return o->runner == t->self ? -EDEADLK : -EAGAIN;
    default:
        ka_store(&o->state, RUNNING, relaxed); // relaxed: only DONE is read without the lock
        o->runner = t->self;
        t->mine = true;
        return 0;
    }
}

static int once_settle(struct kci_clause *c, int rc)
{
    struct turn *t = c->arg;
    return rc || t->mine ? rc : ((struct once *)c->obj)->rc; // final once DONE
}

static const struct kci_source once_source = {
    .why = KCI_WHY_ONCE,
    .lock = kci_waitq_lock,
    .try = once_try,
    .arm = kci_waitq_arm,
    .disarm = kci_clause_dequeue,
    .settle = once_settle,
};

/* Locked; who is woken is moved to `won`. */
static void succeed(struct once *o, int rc, struct kci_list *won)
{
    o->runner = NULL;
    o->rc = rc;
    ka_store(&o->state, DONE, release); // E-ONCE out
    kci_queue_claim_all(kci_waitq_list(&o->wq), won);
}

/* Locked; the next one to try is moved to `won`. */
static void fail(struct once *o, struct kci_list *won)
{
    struct kci_claim claim;
    struct kci_waiter *wt = kci_queue_claim(kci_waitq_list(&o->wq), &claim);
    struct turn *next = wt ? wt->elem : NULL;

    o->runner = next ? next->self : NULL;
    if (!next) {
        ka_store(&o->state, NEW, relaxed); // relaxed: only DONE is read without the lock
        return;
    }
    next->mine = true;
    kci_list_push(won, &wt->node);
}

static int run(struct once *o, int (*fn)(void *), void *arg)
{
    struct kci_list won;
    int rc = fn(arg);

    kci_list_init(&won);
    kci_lock(&o->wq.lock);
    if (rc >= 0)
        succeed(o, rc, &won);
    else
        fail(o, &won);
    kci_unlock(&o->wq.lock);
    kci_waiters_finish(&won, 0);
    return rc;
}

int kc_once(kc_once_t *handle, int (*fn)(void *), void *arg)
{
    struct once *o = (struct once *)(void *)handle;
    struct turn t = { 0 };

    if (!o || !fn)
        return -EINVAL;
    int rc = kci_self_enter_as(&t.self);
    if (rc)
        return rc;
    if (ka_load(&o->state, acquire) == DONE) // E-ONCE in
        return o->rc;
    rc = kci_source_wait_entered(&once_source, o, &t, KC_FOREVER);
    return t.mine ? run(o, fn, arg) : rc;
}
