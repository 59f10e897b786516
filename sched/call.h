/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * sched/call.h — a callback that runs now: others may wait for its end, it may not.
 *
 * Whoever takes a callback back while it runs must wait, else the memory that the callback uses
 * would go while it is used. From inside the callback waiting would never end; there the object
 * is *left*: the runner does not touch it any more, so that the callback may free it.
 */
#ifndef SCHED_CALL_H
#define SCHED_CALL_H

#include <stdbool.h>
#include <stddef.h>

#include "arch/atomic.h"

struct kci_call {
    _Atomic(const void *) runner; /* the thread inside; NULL: none */
    bool *left;                   /* runner: set from inside */
};

/* Identity of the calling thread; callbacks do not park, so it stays the same in one. */
const void *kci_self_thread(void);

/* On its way, nobody inside yet. */
void kci_call_expect(struct kci_call *c);
/* The caller is about to run it; *left tells afterwards whether c may still be touched. */
void kci_call_begin(struct kci_call *c, bool *left);
/* It has run. Hands off afterwards, unless a lock keeps the others away. */
void kci_call_end(struct kci_call *c);
/* Is the caller inside? */
bool kci_call_is_mine(struct kci_call *c);
/* From inside: the runner will not touch c. */
void kci_call_leave(struct kci_call *c);
/* Wait until it is over; from inside, leave it. */
void kci_call_wait(struct kci_call *c);

#endif
