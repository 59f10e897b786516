/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * lab/explore/lab.h — what the composition root needs: is this run the laboratory's?
 */
#ifndef LAB_EXPLORE_LAB_H
#define LAB_EXPLORE_LAB_H

#include "sched/sched.h"

/* A kc_run begins: make cfg an explored one, if an exploration is going on. */
void kci_lab_configure(struct kci_config *cfg);
/* KCORO_SCHED=explore or KCORO_REPLAY, and nobody explores yet: explores the rest of this
 * program. Returns in a child for each schedule; the parent ends here. 0; -EINVAL, -ENOMEM. */
int kci_lab_explore_program(void);
/* KCORO_SCHED=chaos: real threads, disturbed at each point. */
void kci_chaos_configure(struct kci_config *cfg);

#endif
