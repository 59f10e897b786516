/* SPDX-License-Identifier: BSD-3-Clause */
/* core/mem.c — malloc behind a counter and a switch that makes the nth call fail. */
#include "core/mem.h"

#include <stdlib.h>
#include <string.h>

#include "arch/atomic.h"

static _Atomic(uint64_t) blocks;
static _Atomic(uint64_t) fail_in; /* 0: never */

static int must_fail(void)
{
    uint64_t left = ka_load(&fail_in, relaxed); // relaxed: a counter, it orders nothing
    while (left && !ka_cas(&fail_in, &left, left - 1, relaxed, relaxed)) // relaxed: as above
        continue;
    return left == 1;
}

void *kci_alloc(size_t bytes)
{
    void *p = must_fail() ? NULL : malloc(bytes ? bytes : 1);
    if (p)
        ka_add(&blocks, 1, relaxed); // relaxed: read only at rest
    return p;
}

void *kci_zalloc(size_t bytes)
{
    void *p = kci_alloc(bytes);
    return p ? memset(p, 0, bytes) : NULL;
}

void kci_free(void *p)
{
    if (p)
        ka_sub(&blocks, 1, relaxed); // relaxed: read only at rest
    free(p);
}

void kci_mem_fail_nth(uint64_t nth)
{
    ka_store(&fail_in, nth, relaxed); // relaxed: set before the calls it is meant for
}

uint64_t kci_mem_blocks_in_use(void)
{
    return ka_load(&blocks, relaxed); // relaxed: read only at rest
}
