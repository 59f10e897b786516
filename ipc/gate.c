/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * ipc/gate.c — see gate.h. Waiting is kci_source_wait's; here is only what to wait for.
 *
 * Whoever changes the object checks its gates before unlocking. A waiter that was woken looks
 * again, so waking one too many is harmless and waking is the checker's only duty.
 */
#include "ipc/gate.h"

static struct kci_lock *gate_lock(void *obj)
{
    return ((struct kci_gate *)obj)->lock;
}

static int gate_try(struct kci_clause *c)
{
    struct kci_gate *g = c->obj;
    return g->ready(g);
}

static int gate_arm(struct kci_clause *c)
{
    kci_list_push(&((struct kci_gate *)c->obj)->waiters, &c->wt.node);
    return 0;
}

static const struct kci_source gate_source = {
    .why = KCI_WHY_IPC,
    .lock = gate_lock,
    .try = gate_try,
    .arm = gate_arm,
    .disarm = kci_clause_dequeue,
};

void kci_gate_init(struct kci_gate *g, struct kci_lock *lock, int (*ready)(struct kci_gate *))
{
    g->lock = lock;
    g->ready = ready;
    kci_list_init(&g->waiters);
}

static int look(struct kci_gate *g)
{
    kci_lock(g->lock);
    int rc = g->ready(g);
    kci_unlock(g->lock);
    return rc;
}

int kci_gate_wait(struct kci_gate *g, kc_deadline_t dl)
{
    int rc;

    do {
        rc = kci_source_wait(&gate_source, g, NULL, dl);
        if (rc)
            return rc;
        rc = look(g);
    } while (rc == -EAGAIN);
    return rc;
}

void kci_gate_check(struct kci_gate *g, struct kci_list *won)
{
    if (!kci_list_empty(&g->waiters) && g->ready(g) != -EAGAIN)
        kci_queue_claim_all(&g->waiters, won);
}
