/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * bench/crowd.h — many coroutines that start together.
 *
 * They are made and gather at a gate, a channel that closes; so what a row measures begins when
 * all of them exist.
 */
#ifndef BENCH_CROWD_H
#define BENCH_CROWD_H

#include <kcoro/kcoro.h>
#include <stdatomic.h>

struct crowd {
    kc_scope_t scope;
    kc_chan_t *full; /* closed by the last to enter */
    kc_chan_t *gate; /* closed to let them go */
    long n;
    atomic_long gathered;
};

/* n coroutines fn(arg), each of which soon calls crowd_enter. Returns when all have. */
int crowd_gather(struct crowd *c, kc_fn fn, void *arg, long n);
/* Wait for the gate to open. */
int crowd_enter(struct crowd *c);
/* Open the gate, wait until all have ended. */
int crowd_release(struct crowd *c);

#endif
