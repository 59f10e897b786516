/* SPDX-License-Identifier: BSD-3-Clause */
/* core/mem.c — malloc behind a counter and a question whether this one must fail. */
#include "core/mem.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "arch/atomic.h"
#include "core/fault.h"

static _Atomic(uint64_t) blocks;

void *kci_alloc(size_t bytes)
{
    void *p = kci_fails(KCI_FAULT_MALLOC) ? NULL : malloc(bytes ? bytes : 1);
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
    const struct kci_fault_rule rule = { .sites = 1u << KCI_FAULT_MALLOC,
                                         .answer = -ENOMEM,
                                         .from = nth,
                                         .to = nth,
                                         .chance = KCI_FAULT_ALWAYS };

    kci_fault_install(nth ? &(struct kci_fault_plan){ 1, { rule } } : NULL, 0);
}

uint64_t kci_mem_blocks_in_use(void)
{
    return ka_load(&blocks, relaxed); // relaxed: read only at rest
}
