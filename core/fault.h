/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * core/fault.h — which allocations, mappings, threads and system calls are to fail.
 *
 * A plan is a few rules; each counts the calls of its sites and makes some of them fail. There
 * is one plan for the whole process, because memory and descriptors are the process's. It comes
 * from KCORO_FAULT (docs/faults.md) or from a test.
 */
#ifndef CORE_FAULT_H
#define CORE_FAULT_H

#include <stdint.h>

#include "arch/fault.h"

enum { KCI_FAULT_RULES = 8, KCI_FAULT_ALWAYS = 1000000000 };

struct kci_fault_rule {
    uint32_t sites;    /* bits 1 << enum kci_fault_site */
    int answer;        /* negative errno or KCI_FAULT_SHORT */
    uint64_t from, to; /* which of the calls, counted from 1 */
    uint32_t chance;   /* of these, this many in 10^9 */
    uint64_t seen;     /* calls until now */
};

struct kci_fault_plan {
    unsigned rules;
    struct kci_fault_rule rule[KCI_FAULT_RULES];
};

/* From now on, counting from zero; NULL: nothing fails any more. Chance draws from `seed`. */
void kci_fault_install(const struct kci_fault_plan *plan, uint64_t seed);
/* Faults made since the plan was installed. */
uint64_t kci_fault_made(void);

/* Read a plan as docs/faults.md describes it. NULL, or what was expected instead. */
const char *kci_fault_parse(const char *text, struct kci_fault_plan *out);

#endif
