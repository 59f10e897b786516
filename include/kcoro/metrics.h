/* SPDX-License-Identifier: BSD-3-Clause */
/* kcoro/metrics.h — snapshots of what happened. Safe at any time, from any thread; a channel's
 * takes its lock and counts its waiters. */
#ifndef KCORO_METRICS_H
#define KCORO_METRICS_H

#include <kcoro/base.h>
#include <kcoro/chan.h>
#include <kcoro/runtime.h>

KCI_BEGIN

/* Counters of one channel since it was made. Waiters include parked select clauses. */
struct kc_chan_stats {
    uint64_t sends;       /* sends that returned 0 */
    uint64_t recvs;       /* receives that returned 0 */
    uint64_t dropped;     /* elements dropped by an overflow policy */
    uint64_t undelivered; /* elements no receiver got, whatever the reason */
    uint64_t len;         /* elements buffered now */
    uint64_t send_waiters;
    uint64_t recv_waiters;
};

/* kc_chan_stats — Returns 0 and *out; -EINVAL. sends = recvs + undelivered + len at rest. */
KC_EXPORT int kc_chan_stats(kc_chan_t *ch, struct kc_chan_stats *out);

/* Counters of one runtime since it started. */
struct kc_rt_stats {
    uint64_t workers;
    uint64_t spawned;   /* coroutines started */
    uint64_t completed; /* coroutines ended */
    uint64_t switches;  /* times a worker entered a coroutine from its loop */
    uint64_t steals;    /* batches taken from another worker */
    uint64_t injects;   /* wake-ups from outside a worker */
    uint64_t parks;     /* times a worker went to sleep */
    uint64_t wakes;     /* times a sleeping worker was woken */
    uint64_t stacks;    /* stack slots mapped */
    uint64_t unguarded; /* of these, without a guard page */
};

/* kc_rt_stats — Returns 0 and *out; -EINVAL. rt NULL: the caller's runtime. */
KC_EXPORT int kc_rt_stats(kc_rt_t *rt, struct kc_rt_stats *out);

KCI_END
#endif
