/* SPDX-License-Identifier: BSD-3-Clause */
/* kcoro/time.h — sleeping, timers, ticking. Times are kc_now's nanoseconds. */
#ifndef KCORO_TIME_H
#define KCORO_TIME_H

#include <kcoro/base.h>
#include <kcoro/chan.h>

KCI_BEGIN

/*
 * kc_sleep_until — wait until `dl`. Never returns early with 0.
 *
 * Returns  0 the moment has come; -ECANCELED
 * Runs on  coroutine, plain thread
 * Cancel   yes
 */
KC_EXPORT int kc_sleep_until(kc_deadline_t dl);

/* kc_sleep(dur_ns) — Returns as kc_sleep_until(kc_in(dur_ns)). */
#define kc_sleep(dur_ns) kc_sleep_until(kc_in(dur_ns))

/* A timer in the caller's memory. All zeros: stopped. */
typedef struct {
    uint64_t kci_reserved[24];
} kc_timer_t;

/*
 * kc_timer_start — call fn(arg) at `first`, and then each period_ns (0: only once). On a timer
 * that runs this is a reset. Moments that were missed are left out, not made up for; KC_FOREVER
 * as first is never.
 *
 * fn runs on a worker and keeps it busy: it should be short, and may do all but wait (-EPERM).
 * It may start and stop its own timer. The timer's memory stays in place until it was stopped,
 * has fired for the last time (and fn returned), or its runtime has ended, which stops it.
 *
 * Returns  0; -EINVAL no fn or a negative period; -EPERM on a plain thread: timers belong to
 *          the runtime of whoever starts them
 * Runs on  coroutine, callback inside a runtime
 * Threads  any may stop it; only one at a time may start it
 * Cost     no allocation; one lock and O(log n) in the runtime's timers
 */
KC_EXPORT int kc_timer_start(kc_timer_t *t, kc_deadline_t first, int64_t period_ns,
                             void (*fn)(void *), void *arg);

/*
 * kc_timer_stop — take a timer back. Waits for fn if it runs elsewhere; inside fn it returns at
 * once and the timer's memory may go. Once fn has stopped it so, nobody else waits for fn.
 *
 * Returns  1 stopped: fn will not run (again); 0 it had fired, or was never started; a periodic
 *          timer says 1 until stopped; -EINVAL
 * Runs on  coroutine, plain thread, callback; not while the timer's runtime is ending
 */
KC_EXPORT int kc_timer_stop(kc_timer_t *t);

/*
 * kc_tick — a conflated channel of uint64_t that receives the number of ticks so far, one each
 * period. Missed ticks are merged into the next. Owned by the current scope.
 *
 * Returns  the channel (borrowed); NULL: -ENOMEM or -EINVAL (period <= 0)
 *          cancelled the scope; NULL outside a coroutine
 * Runs on  coroutine
 * Cost     one timer and one channel per ticker
 */
KC_EXPORT kc_chan_t *kc_tick(int64_t period_ns);

KCI_END
#endif
