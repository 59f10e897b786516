/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * lab/explore/shrink.c — the shortest list of deviations that still fails in the same way.
 *
 * First the schedules with at most one preemption, as many as there is patience for: most bugs
 * need no more, and such a schedule is the best story. If none of them fails, the shortest
 * beginning that does (what came after the failure is of no interest), then Zeller and
 * Hildebrandt's ddmin without its complements: leave out pieces, smaller and smaller ones.
 */
#include <string.h>

#include "lab/explore/explore.h"

enum { TRIES = 400, SIMPLE = 300, SIMPLE_PREEMPTIONS = 1 };

struct shrinker {
    struct kci_exploration *x;
    struct kci_plan plan; /* listed, in x->found_dev */
    unsigned tries;
    char why[sizeof ((struct kci_run *)0)->why]; /* with other words it is another failure */
};

static bool fails(struct shrinker *s, const struct kci_deviation *dev, uint32_t ndev)
{
    struct kci_plan plan = s->plan;

    plan.dev = dev;
    plan.ndev = ndev;
    s->tries++;
    kci_explore_once(s->x, &plan);
    enum kci_failure f = s->x->run->failure;
    bool in_words = f == KCI_FAIL_PROPERTY || f == KCI_FAIL_RESULT; // others count something
    return f == s->x->failure && (!in_words || !strcmp(s->x->run->why, s->why));
}

/* Returns whether one was found; it is in dev then. */
static bool find_simple(struct shrinker *s, struct kci_deviation *dev)
{
    struct kci_deviation *tried = s->x->dev;
    uint32_t n = 0;

    for (int i = 0; i < SIMPLE; i++) {
        if (fails(s, tried, n)) {
            memcpy(dev, tried, n * sizeof *dev);
            s->plan.ndev = n;
            return true;
        }
        if (!kci_dfs_next(s->x->run, SIMPLE_PREEMPTIONS, tried, &n))
            return false;
    }
    return false;
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
    memcpy(s.why, x->run->why, sizeof s.why);
    s.plan.strategy = KCI_LISTED;
    s.plan.seed = x->seed; // nothing is drawn any more
    if (x->run->failure != x->failure)
        return;
    s.plan.ndev = kci_deviations(x->run, dev);
    if (fails(&s, dev, s.plan.ndev)) {
        if (!find_simple(&s, dev))
            shorten(&s, dev);
        s.tries = 0;
        leave_out(&s, dev);
        x->found = s.plan;
        x->found.dev = dev;
    }
}
