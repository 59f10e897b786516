/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * lab/explore/dfs.c — all schedules, one after the other, without keeping any.
 *
 * A run's own choices are the place in the tree: the next schedule makes the same choices up to
 * the last one that has an untried alternative, takes that, and goes on dully. Leaving a
 * coroutine that could go on is a preemption; with a bound on them the tree stays small, and
 * what is found needs few (Musuvathi and Qadeer, PLDI 2007).
 */
#include "lab/explore/explore.h"

static bool is_preemption(const struct kci_taken *t)
{
    return t->stays && t->took;
}

bool kci_dfs_next(const struct kci_run *r, unsigned preemptions, struct kci_deviation *dev,
                  uint32_t *ndev)
{
    unsigned used = 0;
    int64_t last = -1;

    for (uint32_t i = 0; i < r->nchoices; i++) {
        const struct kci_taken *t = &r->taken[i];
        bool affords = !t->stays || t->took || used < preemptions;
        if (t->took + 1 < t->n && affords)
            last = i;
        used += is_preemption(t);
    }
    if (last < 0)
        return false;
    *ndev = 0;
    for (uint32_t i = 0; i < last; i++)
        if (r->taken[i].took)
            dev[(*ndev)++] = (struct kci_deviation){ i, r->taken[i].took };
    dev[(*ndev)++] = (struct kci_deviation){ (uint32_t)last, r->taken[last].took + 1u };
    return true;
}
