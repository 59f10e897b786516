/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * sched/permit.c — kc_park and kc_unpark: a semaphore of one token in each coroutine.
 *
 * Parking is waiting for one's own token, a source like any other. A coroutine that is spawned
 * parked (KC_CO_PARKED) stands in the same list before it has run, on a ticket that is parked
 * from birth: so unpark starts it, and so does cancelling its scope, which would otherwise wait
 * for it for ever.
 */
#include "sched/sched.h"
#include "sched/source.h"

static struct kci_lock *permit_lock(void *obj)
{
    return &((struct kc_co *)obj)->lock;
}

static int permit_try(struct kci_clause *c)
{
    struct kc_co *co = c->obj;

    if (!co->permit)
        return -EAGAIN;
    co->permit = false;
    return 0;
}

static int permit_arm(struct kci_clause *c)
{
    kci_list_push(&((struct kc_co *)c->obj)->parkers, &c->wt.node);
    return 0;
}

static const struct kci_source permit_source = {
    .why = KCI_WHY_PARK,
    .lock = permit_lock,
    .try = permit_try,
    .arm = permit_arm,
    .disarm = kci_clause_dequeue,
};

void kci_permit_await_start(struct kc_co *co)
{
    kci_waiter_init(co->start, &co->tk, kci_ticket_open(&co->tk, false), NULL);
    kci_list_push(&co->parkers, &co->start->node);
    (void)kci_ticket_park(&co->tk);           // nobody else knows it yet
    ka_store(&co->why, KCI_WHY_PARK, relaxed); // relaxed: dumps only
}

void kci_permit_started(struct kc_co *co)
{
    ka_store(&co->why, KCI_WHY_NONE, relaxed); // relaxed: dumps only
    kci_lock(&co->lock);
    kci_list_remove(&co->start->node); // cancellation has left it there
    kci_unlock(&co->lock);
}

int kc_park(kc_deadline_t dl)
{
    struct kc_co *self = kci_co_self();
    return self ? kci_source_wait(&permit_source, self, NULL, dl) : -EPERM;
}

int kc_unpark(kc_co_t *co)
{
    struct kci_claim woken;

    if (!co)
        return -EINVAL;
    kci_self_point();
    kci_lock(&co->lock);
    if (!kci_queue_claim(&co->parkers, &woken))
        co->permit = true;
    kci_unlock(&co->lock);
    kci_claim_finish(woken, 0);
    return 0;
}
