/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * lab/explore/run.h — one run of a program under control: the plan it follows, the choices it
 * made, how it ended.
 *
 * A *choice* is a place where more than one thing could happen next; choices are numbered from
 * 0. The candidates of a turn are the coroutine that could simply go on, then the others by id,
 * so candidate 0 is always the dull one; a *deviation* is a choice of another one. A list of
 * deviations is a whole schedule.
 *
 * Memory  one mapping, without pointers to anything that moves: a forked child fills it, its
 *         parent reads it.
 */
#ifndef LAB_EXPLORE_RUN_H
#define LAB_EXPLORE_RUN_H

#include <kcoro/co.h>

#include "core/env.h"

enum { KCI_ACTORS = 1 << 16, KCI_CHOICES = 1 << 20, KCI_PCT_DEPTH = 8 };

enum kci_strategy {
    KCI_RANDOM,
    KCI_PCT,
    KCI_POS,
    KCI_STICKY,
    KCI_STRATEGIES, /* those above are the portfolio */
    KCI_PORTFOLIO = KCI_STRATEGIES,
    KCI_DFS,
    KCI_LISTED, /* the dull choice, but for the deviations */
    KCI_FUZZ
};

struct kci_deviation {
    uint32_t at;   /* the number of the choice */
    uint32_t took; /* candidate, not 0 */
};

struct kci_plan {
    enum kci_strategy strategy; /* not portfolio, not dfs */
    uint64_t seed;
    unsigned depth;  /* pct: changes of priority */
    unsigned length; /* pct: choices expected */
    unsigned leave;  /* sticky: of 1000 */
    const struct kci_deviation *dev;
    uint32_t ndev;
    const unsigned char *bytes; /* fuzz */
    size_t nbytes;
};

enum kci_failure {
    KCI_FINE,
    KCI_FAIL_RESULT,
    KCI_FAIL_PROPERTY,
    KCI_FAIL_DEADLOCK,
    KCI_FAIL_LOST_WAKEUP,
    KCI_FAIL_ENDLESS,
    KCI_FAIL_LEAK,
    KCI_FAIL_CRASH,
    KCI_FAIL_HANG,
    KCI_FAIL_LIMIT,
    KCI_FAIL_RACE
};

struct kci_taken {
    uint16_t n, took;
    bool stays; /* candidate 0 was running: another one is a preemption */
};

struct kci_actor {
    struct kc_co *co; /* NULL: it has ended */
    const char *name;
    kc_fn fn;
    uint64_t priority;
};

struct kci_run {
    struct kci_plan plan;
    uint64_t rng;
    uint64_t hash, steps, most_steps;
    uint32_t nchoices, nactors, next_dev;
    unsigned stretch; /* points in a row of the one that runs */
    uint32_t change[KCI_PCT_DEPTH];
    bool told_to_end; /* it did not end, so it was cancelled */
    enum kci_failure failure;
    char why[256];
    struct kci_story *story; /* NULL: nobody asked */
    struct kci_actor actor[KCI_ACTORS]; /* by id */
    struct kci_taken taken[KCI_CHOICES];
};

/* `shared`: with children forked later. NULL: no memory. */
struct kci_run *kci_run_create(bool shared);
void kci_run_destroy(struct kci_run *r);
void kci_run_prepare(struct kci_run *r, const struct kci_plan *plan, uint64_t most_steps);
/* Another runtime begins in the same run. */
void kci_run_forget_actors(struct kci_run *r);
/* The library has more memory than `before`. */
void kci_lab_check_leaks(struct kci_run *r, uint64_t before);
/* What is known of co. */
struct kci_actor *kci_actor_of(struct kci_run *r, const struct kc_co *co);
/* The first one counts. */
KCI_PRINTF(3, 4)
void kci_run_fail(struct kci_run *r, enum kci_failure what, const char *fmt, ...);
/* The table that makes a runtime follow r, its context. */
extern const struct kci_lab kci_run_lab;

/* ---- strategy.c ---- */
uint64_t kci_mix(uint64_t a, uint64_t b);
void kci_strategy_begin(struct kci_run *r);
void kci_strategy_born(struct kci_run *r, struct kci_actor *a);
/* Which candidate: `self`, if it can stay, and the set. More than one there are. */
unsigned kci_strategy_turn(struct kci_run *r, const struct kci_runnable *set,
                           const struct kc_co *self);
/* One of n alternatives of another kind. */
unsigned kci_strategy_pick(struct kci_run *r, unsigned n);

#endif
