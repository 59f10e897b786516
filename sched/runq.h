/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * sched/runq.h — a worker's ring of runnable coroutines, and the list all workers share.
 *
 * Ring: the owner pushes at the tail and pops at the head; thieves take up to half from the
 * head. Head and tail only grow; entries are atomics because a thief reads them before it knows
 * whether its claim succeeds.
 */
#ifndef SCHED_RUNQ_H
#define SCHED_RUNQ_H

#include <stdbool.h>
#include <stdint.h>

#include "arch/atomic.h"
#include "arch/cpu.h"
#include "core/lock.h"

struct kc_co;

enum { KCI_RING = KCI_UNLESS_MODELLED(256, 4) };

struct kci_ring {
    KCI_ALIGNED(KCI_CACHE_LINE) _Atomic(uint32_t) head; /* owner and thieves, CAS */
    KCI_ALIGNED(KCI_CACHE_LINE) _Atomic(uint32_t) tail; /* owner writes */
    _Atomic(struct kc_co *) slot[KCI_RING];
};

/* Linked through kc_co.next. */
struct kci_inject {
    struct kci_lock lock;
    struct kc_co *head, *tail;
    _Atomic(uint32_t) len; /* written under the lock, read anywhere */
};

/* Owner. False: full. */
bool kci_ring_push(struct kci_ring *r, struct kc_co *co);
/* Owner. The oldest, or NULL. */
struct kc_co *kci_ring_pop(struct kci_ring *r);
/* Owner of `to`, which is empty: take up to half of `from`. Returns one to run at once, or
 * NULL. */
struct kc_co *kci_ring_steal(struct kci_ring *to, struct kci_ring *from);
/* Owner of a full ring: take the older half out, as a list of *n. */
struct kc_co *kci_ring_spill(struct kci_ring *r, uint32_t *n);
uint32_t kci_ring_len(struct kci_ring *r);

/* Any thread. Appends the list first … last. */
void kci_inject_push(struct kci_inject *q, struct kc_co *first, struct kc_co *last, uint32_t n);
/* Any thread. The oldest, or NULL. */
struct kc_co *kci_inject_pop(struct kci_inject *q);

#endif
