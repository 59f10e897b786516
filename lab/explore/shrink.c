/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * lab/explore/shrink.c — the shortest list of deviations that still fails in the same way.
 *
 * First the shortest beginning that does (what came after the failure is of no interest), then
 * Zeller and Hildebrandt's ddmin without its complements: leave out pieces, smaller and smaller
 * ones. Each try is a run; after so many what there is has to do.
 */
#include <string.h>

#include "lab/explore/explore.h"

enum { TRIES = 400 };

struct shrinker {
    struct kci_exploration *x;
    struct kci_plan plan; /* listed, in x->found_dev */
    unsigned tries;
};

static bool fails(struct shrinker *s, const struct kci_deviation *dev, uint32_t ndev)
{
    struct kci_plan plan = s->plan;

    plan.dev = dev;
    plan.ndev = ndev;
    s->tries++;
    kci_explore_once(s->x, &plan);
    return s->x->run->failure == s->x->failure;
}

static void shorten(struct shrinker *s, struct kci_deviation *dev)
{
    uint32_t lo = 0, hi = s->plan.ndev; // hi fails

    while (lo < hi) {
        uint32_t mid = lo + (hi - lo) / 2;
        if (fails(s, dev, mid))
            hi = mid;
        else
            lo = mid + 1;
    }
    s->plan.ndev = hi;
}

static bool without(struct shrinker *s, struct kci_deviation *dev, uint32_t from, uint32_t n)
{
    struct kci_deviation *tried = s->x->dev;
    uint32_t left = s->plan.ndev - n;

    memcpy(tried, dev, from * sizeof *dev);
    memcpy(tried + from, dev + from + n, (left - from) * sizeof *dev);
    if (!fails(s, tried, left))
        return false;
    memcpy(dev, tried, left * sizeof *dev);
    s->plan.ndev = left;
    return true;
}

static void leave_out(struct shrinker *s, struct kci_deviation *dev)
{
    for (uint32_t piece = s->plan.ndev / 2 + 1; piece && s->tries < TRIES; piece /= 2)
        for (uint32_t from = 0; from < s->plan.ndev && s->tries < TRIES;) {
            uint32_t rest = s->plan.ndev - from;
            if (!without(s, dev, from, piece < rest ? piece : rest))
                from += piece;
        }
}

void kci_shrink(struct kci_exploration *x)
{
    struct shrinker s = { .x = x, .plan = x->found };
    struct kci_deviation *dev = x->found_dev;

    kci_explore_once(x, &x->found); // its choices
    s.plan.strategy = KCI_LISTED;
    s.plan.seed = x->seed; // nothing is drawn any more
    s.plan.ndev = kci_deviations(x->run, dev);
    if (x->run->failure == x->failure && fails(&s, dev, s.plan.ndev)) {
        shorten(&s, dev);
        leave_out(&s, dev);
        x->found = s.plan;
        x->found.dev = dev;
    }
}
