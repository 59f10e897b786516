/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * select/order.h — in which order to poll clauses and to lock objects. Pure functions.
 */
#ifndef SELECT_ORDER_H
#define SELECT_ORDER_H

#include <stddef.h>
#include <stdint.h>

struct kci_lock;

/* 0, 1, … n-1, starting at `first` (< n). */
void kci_order_from(uint16_t *order, size_t n, size_t first);
/* A permutation, uniform if draw(k), a number below k, is. */
void kci_order_shuffle(uint16_t *order, size_t n, unsigned (*draw)(unsigned k));
/* Sort by address and drop duplicates and NULLs: the order in which all selects lock, so
 * that two selects over the same channels cannot deadlock. Returns how many are left. */
size_t kci_order_locks(struct kci_lock **locks, size_t n);

#endif
