/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * tests/sync/kit.h — guests: whoever uses a mutex or a future may be a coroutine or a plain
 * thread; a test starts them, sees them wait, and asks what their calls came to.
 */
#ifndef TESTS_SYNC_KIT_H
#define TESTS_SYNC_KIT_H

#include <kcoro/kcoro.h>
#include <pthread.h>

#include "tests/sched/kit.h"

struct guest {
    kc_fn fn;
    void *arg;
    int ret;
    bool is_thread;
    kc_co_t *co;
    pthread_t thread;
    _Atomic(int) over;
};

/* Start fn(arg) as a coroutine of the current scope, or as a thread. */
void guest_start(struct guest *g, bool is_thread, kc_fn fn, void *arg);
/* Wait for its end; returns what fn returned. */
int guest_join(struct guest *g);

/* How many wait on a mutex, a condition, … a future. */
int queued(void *obj);
/* Let others run until so many do. */
void until_queued(void *obj, int n);

/* Silent when they pass: for long loops, and for threads. */
#define must(cond)                                                                             \
    do {                                                                                       \
        if (!(cond))                                                                           \
            ck_abort_msg("not true: %s", #cond);                                               \
    } while (0)
#define must_eq(a, b)                                                                          \
    do {                                                                                       \
        long long a_ = (long long)(a), b_ = (long long)(b);                                    \
        if (a_ != b_)                                                                          \
            ck_abort_msg("%s is %lld, %s is %lld", #a, a_, #b, b_);                            \
    } while (0)

#endif
