/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * sched/pool.h — threads for code that blocks (kc_block).
 */
#ifndef SCHED_POOL_H
#define SCHED_POOL_H

#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>

#include "arch/atomic.h"
#include "core/list.h"

enum { KCI_POOL_THREADS = 64 };

struct kci_pool {
    pthread_mutex_t mutex;
    pthread_cond_t more;
    struct kci_list jobs;  /* mutex */
    unsigned threads, idle; /* mutex */
    bool stopping;         /* mutex */
    pthread_t thread[KCI_POOL_THREADS];
    _Atomic(uint32_t) pending; /* jobs queued or running */
};

int kci_pool_init(struct kci_pool *pool);
/* Runs what is queued, joins the threads. */
void kci_pool_fini(struct kci_pool *pool);

#endif
