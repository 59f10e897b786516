/* SPDX-License-Identifier: BSD-3-Clause */
/* lab/explore/property.h — the places of kc_always, kc_never and kc_sometimes, and how often
 * each held. One mapping, which children share. */
#ifndef LAB_EXPLORE_PROPERTY_H
#define LAB_EXPLORE_PROPERTY_H

#include <kcoro/test.h>

#include "lab/explore/run.h"

enum { KCI_SITES = 256 };

struct kci_sites {
    unsigned n;
    struct kci_property_site {
        enum kci_property kind;
        const char *text, *file;
        int line;
        uint64_t held;
    } site[KCI_SITES];
};

/* What runs of this process are part of; NULLs: nothing. */
void kci_lab_enter(struct kci_run *run, struct kci_sites *sites);
struct kci_run *kci_lab_run(void);
/* How many sites are kc_sometimes, and how many of them were ever true. */
void kci_sites_count(const struct kci_sites *s, unsigned *there, unsigned *held);

#endif
