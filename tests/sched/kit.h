/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * tests/sched/kit.h — what tests of a running library share: run on 1, 2 and 4 workers, leave
 * no memory behind, wait for what others do instead of for time to pass.
 */
#ifndef TESTS_SCHED_KIT_H
#define TESTS_SCHED_KIT_H

#include <kcoro/kcoro.h>

#include "arch/atomic.h"
#include "sched/wait.h"
#include "tests/support/suite.h"

/* A case that runs on 1, 2 and 4 workers: kt_run(kt_workers(_i), …). */
#define CASE_WORKERS(test) CASE_LOOP(test, KT_WORKERS)

/* kc_run; fails the test when the library still has memory afterwards. Returns kc_run's result. */
int kt_run(int workers, kc_fn fn, void *arg);
int kt_run_with(const kc_opts_t *opts, kc_fn fn, void *arg);
/* The same on one worker with a virtual clock. */
int kt_run_virtual(kc_fn fn, void *arg);

/* Does it wait for this, with its stack saved? */
bool kt_is_parked(kc_co_t *co, enum kci_why why);
/* Let others run until it does. */
void kt_until_parked(kc_co_t *co, enum kci_why why);
/* Let others run until *n has reached `least`. */
void kt_until(_Atomic(int) *n, int least);
/* Let others run once: a coroutine yields, a plain thread gives its processor away. */
void kt_pass(void);
/* As kc_spawn, which must succeed; returns the handle. */
kc_co_t *kt_spawn(kc_fn fn, void *arg);
/* The same, keeping no handle. */
void kt_go(kc_fn fn, void *arg);
/* Wait for its end, give the handle back, return its result. */
int kt_join(kc_co_t *co);

/* Coroutines for everyday use. */
int kt_return(void *result); /* ends at once: kt_spawn(kt_return, KT_RESULT(-5)) */
#define KT_RESULT(n) ((void *)(intptr_t)(n))
int kt_wait_for_ever(void *unused); /* until it is cancelled; returns -ECANCELED */
int kt_count(void *counter);        /* adds 1 to an _Atomic(int) */

#endif
