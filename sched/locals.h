/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * sched/locals.h — a coroutine's table of values; NULL is an empty one.
 */
#ifndef SCHED_LOCALS_H
#define SCHED_LOCALS_H

struct kci_locals;

/* One more holder; returns t. */
struct kci_locals *kci_locals_ref(struct kci_locals *t);
void kci_locals_unref(struct kci_locals *t);

#endif
