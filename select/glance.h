/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * select/glance.h — the optimistic first look of a select.
 */
#ifndef SELECT_GLANCE_H
#define SELECT_GLANCE_H

#include <kcoro/select.h>

/* How the clauses are looked at. */
struct kci_glance {
    const kc_case_t *cases;
    size_t n;
    size_t first; /* where listed order begins */
    bool fair;    /* any that is ready, with equal chance, instead of listed order */
};

/* The source behind a clause; NULL: disabled, or a moment. */
const struct kci_source *kci_case_source(int op);
/* A number below n, for fair choices; the explorer may choose it. */
unsigned kci_select_draw(unsigned n);

/* Complete a clause that is ready, as if at one moment. False: nothing was done, and the
 * clauses have to be locked together to know. */
bool kci_glance(const struct kci_glance *g, kc_sel_t *result);

#endif
