/* SPDX-License-Identifier: BSD-3-Clause */
/* sched/waitq.c — see waitq.h. */
#include "sched/waitq.h"

struct kci_lock *kci_waitq_lock(void *obj)
{
    return &((struct kci_waitq *)obj)->lock;
}

int kci_waitq_arm(struct kci_clause *c)
{
    kci_list_push(kci_waitq_list(c->obj), &c->wt.node);
    return 0;
}
