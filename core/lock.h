/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * core/lock.h — the small lock. Held for tens of instructions: never while parking, allocating
 * or calling user code.
 *
 * Zero is unlocked. Order, outer first: token, coroutine (join), channel and descriptor, which
 * are one rank, taken by address where several are held (select); IPC connection; timers;
 * shared run queue; idle list; plan of faults. Cancelling wakes coroutines under a token's
 * lock.
 */
#ifndef CORE_LOCK_H
#define CORE_LOCK_H

#include "arch/atomic.h"
#include "arch/cpu.h"

struct kci_lock {
    _Atomic(unsigned) held;
};

void kci_lock_slow(struct kci_lock *l);

static inline void kci_lock(struct kci_lock *l)
{
    if (KCI_UNLIKELY(ka_xchg(&l->held, 1, acquire))) // E-LOCK in
        kci_lock_slow(l);
}

static inline void kci_unlock(struct kci_lock *l)
{
    ka_store(&l->held, 0, release); // E-LOCK out
}

#endif
