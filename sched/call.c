/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * sched/call.c — see call.h.
 *
 * Edge    E-CALL  the end of a callback, and all it did → whoever waited for it
 * Rejected  parking instead of giving the processor away: a callback never waits, so its end is
 *           near, and its runner must not touch the object once it is over.
 */
#include "sched/call.h"

#include "arch/os.h"

static const char nobody_yet;

void kci_call_expect(struct kci_call *c)
{
    ka_store(&c->runner, &nobody_yet, relaxed); // relaxed: not shared yet
}

void kci_call_begin(struct kci_call *c, bool *left)
{
    c->left = left;
    ka_store(&c->runner, kci_self_thread(), relaxed); // relaxed: only compared with oneself
}

void kci_call_end(struct kci_call *c)
{
    ka_store(&c->runner, NULL, release); // E-CALL out
}

bool kci_call_is_mine(struct kci_call *c)
{
    return ka_load(&c->runner, relaxed) == kci_self_thread(); // relaxed: then we wrote it
}

void kci_call_leave(struct kci_call *c)
{
    *c->left = true;
}

void kci_call_wait(struct kci_call *c)
{
    if (kci_call_is_mine(c))
        kci_call_leave(c);
    else
        while (ka_load(&c->runner, acquire)) // E-CALL in
            kci_os_yield_thread();
}
