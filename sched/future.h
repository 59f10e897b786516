/* SPDX-License-Identifier: BSD-3-Clause */
/* sched/future.h — what the layers above may do with a future beside its public functions. */
#ifndef SCHED_FUTURE_H
#define SCHED_FUTURE_H

#include <kcoro/sync.h>

/* As kc_future_set with a value of n bytes; the rest of what an awaiter passes is left alone.
 * 0; -EALREADY; -EMSGSIZE: it has room for fewer. */
int kci_future_set_bytes(kc_future_t *f, int rc, const void *value, size_t n);

#endif
