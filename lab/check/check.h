/* SPDX-License-Identifier: BSD-3-Clause */
/* lab/check/check.h — what the calls of a compiler (hooks.c) tell the checker (check.c). */
#ifndef LAB_CHECK_CHECK_H
#define LAB_CHECK_CHECK_H

#include <stdbool.h>
#include <stddef.h>

/* A point, then an access of n bytes at p, made by the code at `site`. */
void kci_check_touch(const void *p, size_t n, bool writes, void *site);
void kci_check_point(void);
/* An atomic operation on p, with an order of stdatomic.h's: before, after, or as it says. */
void kci_check_acquire(const void *p);
void kci_check_release(const void *p);
void kci_check_ordered(const void *p, int order);
/* After a switch's callback: from now on the context that was switched to is who acts. */
void kci_check_landed(void);

#endif
