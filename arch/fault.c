/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * arch/fault.c — asks whether a call must fail, and says so the way a system call does.
 *
 * Out of line because it touches errno: see arch/error.c.
 */
#include "arch/fault.h"

#include <errno.h>

_Atomic(kci_fault_fn *) kci_fault_ask;

KCI_NOINLINE int kci_fault_slow(enum kci_fault_site site)
{
    kci_fault_fn *ask = ka_load(&kci_fault_ask, acquire); // E-FAULT in
    int answer = ask ? ask(site) : 0;

    if (answer < 0)
        errno = -answer;
    return answer;
}
