/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * lab/explore/replay.h — a plan as a string, and back.
 *
 *     kc1:SEED:random | pct=DEPTH.LENGTH | pos | sticky=LEAVE | xAT.TOOK,AT.TOOK,…  [:HASH]
 *
 * The listed form says all by itself; the others have their choices drawn again. HASH is that
 * of the run, so that a program which went another way is noticed.
 */
#ifndef LAB_EXPLORE_REPLAY_H
#define LAB_EXPLORE_REPLAY_H

#include "lab/explore/run.h"

/* Returns the length, or -EOVERFLOW if it does not fit. */
int kci_replay_write(const struct kci_plan *plan, uint32_t hash, char *out, size_t bytes);
/* 0, *hash 0 if it names none; -EINVAL. Deviations go into dev, `most` at most. */
int kci_replay_read(const char *text, struct kci_plan *out, uint32_t *hash,
                    struct kci_deviation *dev, uint32_t most);
/* What the choices of r deviate in; returns how many. */
uint32_t kci_deviations(const struct kci_run *r, struct kci_deviation *out);

#endif
