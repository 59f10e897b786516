/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * core/mem.h — the only way the library allocates, so that every failure can be tried.
 *
 * Two counters make leaks visible: blocks in use must be 0 after the last runtime ended.
 */
#ifndef CORE_MEM_H
#define CORE_MEM_H

#include <stddef.h>
#include <stdint.h>

/* Uninitialised / zeroed memory, or NULL. */
void *kci_alloc(size_t bytes);
void *kci_zalloc(size_t bytes);
void kci_free(void *p);

/* The nth allocation from now on fails, once (0: none does): a plan of core/fault.h, for
 * tests. */
void kci_mem_fail_nth(uint64_t nth);
uint64_t kci_mem_blocks_in_use(void);

#endif
