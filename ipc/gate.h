/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * ipc/gate.h — wait until a condition on a locked object holds: a condition variable over
 * tickets.
 *
 *     kci_gate_init(&c->up, &c->lock, is_up);
 *     rc = kci_gate_wait(&c->up, dl);                  is_up's code, or -ETIME -ECANCELED …
 *     …change the object…; kci_gate_check(&c->up, &won); unlock; kci_waiters_finish(&won, 0);
 */
#ifndef IPC_GATE_H
#define IPC_GATE_H

#include "sched/source.h"

struct kci_gate {
    struct kci_lock *lock;                /* fixed */
    int (*ready)(struct kci_gate *g);     /* fixed. Locked: the result, or -EAGAIN: not yet */
    struct kci_list waiters;              /* lock */
};

void kci_gate_init(struct kci_gate *g, struct kci_lock *lock, int (*ready)(struct kci_gate *));
/* Runs on coroutine, plain thread. */
int kci_gate_wait(struct kci_gate *g, kc_deadline_t dl);
/* Locked. If the condition holds, move who waits to `won`, to be finished after unlocking. */
void kci_gate_check(struct kci_gate *g, struct kci_list *won);

#endif
