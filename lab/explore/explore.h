/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * lab/explore/explore.h — many runs: which plans, what was found, how to tell it.
 *
 * How a run is made is not known here: in this process (inside.c) or in a child (program.c).
 */
#ifndef LAB_EXPLORE_EXPLORE_H
#define LAB_EXPLORE_EXPLORE_H

#include <kcoro/test.h>

#include "lab/explore/property.h"
#include "lab/explore/replay.h"
#include "lab/explore/story.h"

struct kci_exploration {
    /* what was asked for */
    enum kci_strategy strategy;
    unsigned depth, leave; /* pct: 0 draws it */
    unsigned preemptions;
    uint64_t seed, schedules, most_steps;
    unsigned flags;
    bool replays;           /* `found` only, with its story */
    struct kci_plan found;  /* first failure, or what to replay */
    uint32_t found_hash;    /* 0: not known */
    /* one run of `run`, as prepared; the caller's */
    void (*execute)(struct kci_exploration *x);
    kc_fn fn;
    void *arg;
    /* what happened */
    struct kci_run *run;
    struct kci_sites *sites;
    struct kci_deviation *dev, *found_dev; /* KCI_CHOICES each */
    uint32_t longest;       /* choices in a run, so far */
    enum kci_failure failure;
    kc_explore_result_t *result;
};

/* Memory, and what opts and the environment say. 0, -EINVAL (said on standard error, unless
 * quiet), -ENOMEM. */
int kci_explore_init(struct kci_exploration *x, const kc_explore_opts_t *opts, bool shared);
void kci_explore_fini(struct kci_exploration *x);
/* 0, or -EFAULT: something failed. */
int kci_explore(struct kci_exploration *x);
/* The last line. */
void kci_explore_summary(const struct kci_exploration *x, FILE *out);

/* One run by a plan of which nothing is remembered. */
void kci_explore_once(struct kci_exploration *x, const struct kci_plan *plan);

/* ---- dfs.c ---- */
/* The plan behind the run just made; false: there is none. */
bool kci_dfs_next(const struct kci_run *r, unsigned preemptions, struct kci_deviation *dev,
                  uint32_t *ndev);

/* ---- shrink.c ---- */
/* Makes x->found as short as it can; x->run is some other run then. */
void kci_shrink(struct kci_exploration *x);

#endif
