/* SPDX-License-Identifier: BSD-3-Clause */
/* tests/model/timers.c — no coroutine of these models has a deadline: there are no timers. */
#include "lab/kcmc/kcmc.h"
#include "sched/timer.h"

void kci_timer_arm(struct kci_timers *ts, struct kci_timer *t, int64_t when_ns)
{
    (void)ts, (void)t, (void)when_ns;
    kcmc_assert(!"no model arms a timer");
}

enum kci_timer_state kci_timer_disarm(struct kci_timers *ts, struct kci_timer *t)
{
    (void)ts, (void)t;
    return KCI_TIMER_IDLE;
}

bool kci_timer_pull(struct kci_timers *ts, struct kci_timer *t, int64_t when_ns)
{
    (void)ts, (void)t, (void)when_ns;
    return true;
}

void kci_timers_ref(struct kci_timers *ts)
{
    (void)ts;
}

void kci_timers_unref(struct kci_timers *ts)
{
    (void)ts;
}
