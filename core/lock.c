/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * core/lock.c — waiting for a small lock: spin a little, then let the holder's thread run.
 *
 * Rejected: a futex lock. Its unlock is a second locked instruction, and a holder is away only
 * when the kernel preempted it, where yielding the processor is exactly what helps.
 */
#include "core/lock.h"

#include "arch/os.h"

void kci_lock_slow(struct kci_lock *l)
{
    for (unsigned round = 0;; round++) {
        // relaxed: only a hint that trying is worth a locked instruction
        for (unsigned spin = 0; ka_load(&l->held, relaxed) && spin < 100; spin++)
            kci_cpu_pause();
        if (!ka_xchg(&l->held, 1, acquire)) // E-LOCK in
            return;
        if (round > 1)
            kci_os_yield_thread();
    }
}
