/* SPDX-License-Identifier: BSD-3-Clause */
/* sched/event.c — something that has happened, or has not. */
#include <kcoro/sync.h>

#include "sched/waitq.h"

struct event {
    struct kci_waitq wq;
    bool set; /* lock */
};

_Static_assert(sizeof(struct event) <= sizeof(kc_event_t), "the public type is too small");

static int event_try(struct kci_clause *c)
{
    return ((struct event *)c->obj)->set ? 0 : -EAGAIN;
}

static const struct kci_source event_source = {
    .why = KCI_WHY_EVENT,
    .lock = kci_waitq_lock,
    .try = event_try,
    .arm = kci_waitq_arm,
    .disarm = kci_clause_dequeue,
};

static int put(kc_event_t *handle, bool set)
{
    struct event *e = (struct event *)(void *)handle;
    struct kci_list won;

    if (!e)
        return -EINVAL;
    kci_list_init(&won);
    kci_lock(&e->wq.lock);
    e->set = set;
    if (set)
        kci_queue_claim_all(kci_waitq_list(&e->wq), &won);
    kci_unlock(&e->wq.lock);
    kci_waiters_finish(&won, 0);
    return 0;
}

int kc_event_init(kc_event_t *e)
{
    if (!e)
        return -EINVAL;
    *e = (kc_event_t){ { 0 } };
    return 0;
}

int kc_event_set(kc_event_t *e)
{
    kci_self_point();
    return put(e, true);
}

int kc_event_reset(kc_event_t *e)
{
    kci_self_point();
    return put(e, false);
}

int kc_event_wait(kc_event_t *e, kc_deadline_t dl)
{
    return e ? kci_source_wait(&event_source, e, NULL, dl) : -EINVAL;
}
