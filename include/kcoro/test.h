/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * kcoro/test.h — the laboratory: run a program under every schedule that matters.
 *
 * A *schedule* says, at each point of a program, which coroutine goes on. The laboratory runs a
 * function on one worker with a virtual clock, chooses at each point, and when a schedule makes
 * it fail tells the story and gives a string that repeats it. The same works without a line of
 * code: KCORO_SCHED=explore ./program.
 *
 * Points are before each operation that may wait, after a spawn, and where the program says
 * kc_point. A schedule fails when the function's result is negative, a property is broken, all
 * wait for each other, something of the library's is not given back, or the run does not end.
 */
#ifndef KCORO_TEST_H
#define KCORO_TEST_H

#include <kcoro/base.h>
#include <kcoro/runtime.h>

KCI_BEGIN

/* Zero means the default everywhere. */
typedef struct {
    /* NULL: KCORO_STRATEGY, else "portfolio" (the next four in turn). "random"; "pct:D" (random
     * priorities, D of them changed on the way; without D drawn from 1 to 3); "pos" (a random
     * priority for each step); "sticky:P" (leave a running coroutine with probability P, 0.1);
     * "dfs" (all schedules, one by one). Borrowed. */
    const char *strategy;
    uint64_t seed;      /* 0: KCORO_SEED, else 1 */
    uint64_t schedules; /* how many; 0: KCORO_SCHEDULES, else 1000; dfs ends when it has all */
    int workers;        /* reserved: any interleaving of coroutines is tried as it is */
    int preemptions;    /* dfs: how often one is left that could go on; 0: 2, -1: never */
    const char *replay; /* borrowed; NULL: KCORO_REPLAY; else this schedule only, told */
    uint64_t steps;     /* a run with more points than this does not end; 0: 1,000,000 */
    unsigned flags;     /* KC_EXPLORE_* */
    uintptr_t reserved[4];
} kc_explore_opts_t;

/* KC_EXPLORE_QUIET: print nothing, the result says it all. KC_EXPLORE_KEEPS: the function may
 * leave things of the library's behind; for a program that keeps a cache between runs.
 * KC_EXPLORE_FIRST: stop at the first schedule that fails. */
#define KC_EXPLORE_QUIET 0x1u
#define KC_EXPLORE_KEEPS 0x2u
#define KC_EXPLORE_FIRST 0x4u

typedef struct {
    uint64_t schedules;  /* that were run */
    uint64_t failures;   /* of them */
    uint64_t first;      /* the number of the first one that failed, from 1; 0: none */
    int exhausted;       /* dfs: there are no others within the bound */
    uint64_t trace_hash; /* over all runs: equal when all went the same way */
    char replay[1024];   /* repeats the first failure, made as short as could be; "" if none */
    char why[256];       /* what went wrong in it; "" if nothing */
} kc_explore_result_t;

/*
 * kc_test_run — run fn(arg) once, deterministically: one worker, virtual time, and a schedule
 * drawn from opts->seed.
 *
 * Returns  as kc_run, -EDEADLK when all wait, -EFAULT a property is broken; *trace_hash (may be
 *          NULL): equal for equal runs, on any compiler
 * Runs on  plain thread
 */
KC_EXPORT int kc_test_run(kc_fn fn, void *arg, const kc_opts_t *opts, uint64_t *trace_hash);

/*
 * kc_test_explore — run fn(arg) once for each of many schedules, in this process: fn must
 * undo what it does to the world. `opts` and `result` may be NULL.
 *
 * On a failure prints the story to standard error, unless KC_EXPLORE_QUIET. A crash ends the
 * process, after a line with the string that repeats it (but for a stack that overflowed).
 *
 * Returns  0 none failed; -EFAULT one did, or a kc_sometimes was never true: result says why;
 *          -EINVAL NULL function; strategy, seed, number or replay string not understood;
 *          -ENOMEM; -EPERM in a coroutine, or inside another exploration
 * Runs on  plain thread
 */
KC_EXPORT int kc_test_explore(kc_fn fn, void *arg, const kc_explore_opts_t *opts,
                              kc_explore_result_t *result);

/*
 * kc_test_fuzz — run fn(arg) once with the schedule that `bytes` spell: a fuzzer searches. What
 * went wrong is printed to standard error.
 *
 * Returns  as kc_test_explore
 * Runs on  plain thread
 */
KC_EXPORT int kc_test_fuzz(kc_fn fn, void *arg, const void *bytes, size_t n);

/*
 * kc_test_wait_idle — wait until every other coroutine waits for something that only a
 * coroutine or the clock can end. A virtual clock does not move meanwhile.
 *
 * Returns  0; -ETIME -EAGAIN -ECANCELED; -ENOTSUP the clock is real; -EPERM no coroutine
 * Runs on  coroutine
 */
KC_EXPORT KC_MUST_CHECK int kc_test_wait_idle(kc_deadline_t dl);

/*
 * kc_test_advance — let dur_ns of virtual time pass, and everything happen that is due by then.
 *
 * Returns  0; -EINVAL negative; -ECANCELED; -ENOTSUP the clock is real; -EPERM no coroutine
 * Runs on  coroutine
 */
KC_EXPORT KC_MUST_CHECK int kc_test_advance(int64_t dur_ns);

/* kc_point — a further point, between two accesses of the program's own for example. Outside
 * the laboratory it does nothing.
 * Returns  nothing
 * Runs on  coroutine, plain thread */
KC_EXPORT void kc_point(void);

/* ---- properties over all schedules ---- */

/* kc_always(x): x holds whenever one comes here. kc_never(x): it never does. kc_sometimes(x):
 * in one of the schedules at least it does; asked at the end of an exploration, of each place
 * that some schedule passed: write it where one always comes. x is not evaluated outside the
 * laboratory. */
#define kc_always(x) KCI_PROPERTY(KCI_ALWAYS, x)
#define kc_never(x) KCI_PROPERTY(KCI_NEVER, x)
#define kc_sometimes(x) KCI_PROPERTY(KCI_SOMETIMES, x)

enum kci_property { KCI_ALWAYS, KCI_NEVER, KCI_SOMETIMES };
KC_EXPORT extern int kci_lab_on;
KC_EXPORT void kci_property(enum kci_property kind, bool holds, const char *text,
                            const char *file, int line);
#define KCI_PROPERTY(kind, x)                                                                  \
    (kci_lab_on ? kci_property((kind), (x) ? 1 : 0, #x, __FILE__, __LINE__) : (void)0)

KCI_END
#endif
