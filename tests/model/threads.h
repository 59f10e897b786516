/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * tests/model/threads.h — who the threads of a model are to the library: plain threads, or
 * coroutines that have a worker of their own each.
 *
 * So everything from sched/self.c on is the library's; instead of the run queue, waking a
 * coroutine is waking its worker.
 */
#ifndef TESTS_MODEL_THREADS_H
#define TESTS_MODEL_THREADS_H

#include "lab/kcmc/kcmc.h"
#include "sched/sched.h"

/* From setup: thread t is a coroutine that observes the scope's token. */
struct kc_co *model_coroutine(unsigned t, struct kci_scope *scope);
/* A scope, which is not cancelled yet. */
void model_scope(struct kci_scope *scope);

#endif
