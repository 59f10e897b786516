/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * core/coro.h — a context that can be left and continued; knows neither threads nor scheduling.
 *
 * One belongs to each coroutine and one to each worker thread (its own stack).
 */
#ifndef CORE_CORO_H
#define CORE_CORO_H

#include <stddef.h>

#include "arch/ctx.h"
#include "arch/fiber_notes.h"

struct kci_coro {
    void *sp; /* valid while suspended */
#if KCI_NOTES
    struct kci_note note;
#endif
};

/* The calling thread's own stack becomes a context. */
void kci_coro_thread(struct kci_coro *c);
/* A context that will call entry(arg) on the stack [lo, top). */
void kci_coro_init(struct kci_coro *c, void *lo, void *top, void (*entry)(void *), void *arg);
/* Its stack will not be continued again. */
void kci_coro_fini(struct kci_coro *c);

/*
 * Leave `from`, continue `to`, and there call post(arg) first: from then on `from` may be
 * continued by anybody. `ending`: from will never be continued. Returns when somebody switches
 * back.
 */
void kci_coro_switch(struct kci_coro *from, struct kci_coro *to, void (*post)(void *),
                     void *arg);
void kci_coro_end(struct kci_coro *from, struct kci_coro *to, void (*post)(void *), void *arg);

#endif
