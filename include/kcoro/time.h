/* SPDX-License-Identifier: BSD-3-Clause */
/* kcoro/time.h — sleeping and ticking. Times are kc_now's nanoseconds. */
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
