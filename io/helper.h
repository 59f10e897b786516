/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * io/helper.h — a reactor for threads outside of any runtime.
 */
#ifndef IO_HELPER_H
#define IO_HELPER_H

struct kci_reactor;

/* Lend one, started for the first user: 0; -ENOMEM -EMFILE -ENFILE -EAGAIN (no thread). */
int kci_helper_get(struct kci_reactor **out);
/* Give it back; the last user stops it. NULL is fine. */
void kci_helper_put(struct kci_reactor *r);

#endif
