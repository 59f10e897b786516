/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * arch/fault.h — every place where the system may say no asks here first.
 *
 * Normally nobody answers and the call is made: one load and a predicted branch. With faults
 * asked for (core/fault.h) the answer may be that this call fails, or transfers one byte only.
 * Waking never asks (futex, the write that interrupts a poll): no program survives a lost
 * wake-up, and no system loses one.
 */
#ifndef ARCH_FAULT_H
#define ARCH_FAULT_H

#include <stdbool.h>
#include <stddef.h>

#include "arch/atomic.h"
#include "arch/cpu.h"

/* What can fail; core/fault_text.c has the names. Where there is no epoll, what stands in for
 * it asks under its name. */
enum kci_fault_site {
    KCI_FAULT_MALLOC,
    KCI_FAULT_MAP,
    KCI_FAULT_GUARD,
    KCI_FAULT_THREAD,
    KCI_FAULT_READ,
    KCI_FAULT_WRITE,
    KCI_FAULT_ACCEPT,
    KCI_FAULT_CONNECT,
    KCI_FAULT_SOCKET,
    KCI_FAULT_BIND,
    KCI_FAULT_LISTEN,
    KCI_FAULT_OPEN,
    KCI_FAULT_CLOSE,
    KCI_FAULT_FCNTL,
    KCI_FAULT_STAT,
    KCI_FAULT_UNLINK,
    KCI_FAULT_CHMOD,
    KCI_FAULT_GETSOCKOPT,
    KCI_FAULT_POLL,
    KCI_FAULT_EPOLL_CREATE,
    KCI_FAULT_EPOLL_CTL,
    KCI_FAULT_EPOLL_WAIT,
    KCI_FAULT_EVENTFD,
    KCI_FAULT_TIMERFD,
    KCI_FAULT_SITES
};

/* An answer: 0 make the call, a negative errno to fail with, or this. */
enum { KCI_FAULT_SHORT = 1 };

typedef int kci_fault_fn(enum kci_fault_site site);
/* Who answers; NULL: nobody. Any thread, under any lock. */
extern _Atomic(kci_fault_fn *) kci_fault_ask;

int kci_fault_slow(enum kci_fault_site site);

/* Must this call fail instead of being made? Then errno is set. */
static inline bool kci_fails(enum kci_fault_site site)
{
    kci_fault_fn *ask = ka_load(&kci_fault_ask, acquire); // E-FAULT in
    return KCI_UNLIKELY(ask != NULL) && kci_fault_slow(site) < 0;
}

/* The same for a call that transfers *n bytes, which may become fewer. */
static inline bool kci_fails_bytes(enum kci_fault_site site, size_t *n)
{
    kci_fault_fn *ask = ka_load(&kci_fault_ask, acquire); // E-FAULT in
    int answer = KCI_LIKELY(!ask) ? 0 : kci_fault_slow(site);

    if (answer == KCI_FAULT_SHORT && *n > 1)
        *n = 1;
    return answer < 0;
}

#endif
