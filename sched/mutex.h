/* SPDX-License-Identifier: BSD-3-Clause */
/* sched/mutex.h — what a condition needs to know of a mutex beside its public functions. */
#ifndef SCHED_MUTEX_H
#define SCHED_MUTEX_H

#include <kcoro/sync.h>

/* Does the caller hold m? */
bool kci_mutex_is_mine(kc_mutex_t *m);

#endif
