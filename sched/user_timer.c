/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * sched/user_timer.c — kc_timer_start and kc_timer_stop, in the caller's memory.
 *
 * The callback runs on a worker, in its own loop, where nobody can wait (-EPERM). Its fields
 * are written only while the timer is idle, or from inside the callback, so it reads them
 * without a lock.
 *
 * The end of a runtime disarms what is armed (kci_timers_drain). A timer holds no reference to
 * its runtime: once idle it does not look at it any more.
 */
#include <kcoro/time.h>
#include <string.h>

#include "sched/sched.h"

/* What lies in a kc_timer_t. */
struct user_timer {
    struct kci_timer timer;
    struct kc_rt *rt; /* where it was started last; NULL: never */
    void (*fn)(void *);
    void *arg;
    int64_t next, period;
};
_Static_assert(sizeof(struct user_timer) <= sizeof(kc_timer_t), "a timer fits its handle");

/* The first moment of the series after now: what was missed is left out. */
static int64_t following(const struct user_timer *u, int64_t now)
{
    if (u->period > INT64_MAX - now)
        return INT64_MAX;
    return u->next + ((now - u->next) / u->period + 1) * u->period;
}

static int64_t fire(struct kci_timer *t)
{
    struct user_timer *u = KCI_OF(t, struct user_timer, timer);
    int64_t next = 0;

    if (u->period)
        next = u->next = following(u, kci_rt_now(u->rt));
    u->fn(u->arg); // which may have stopped it and freed u
    return next;
}

int kc_timer_start(kc_timer_t *handle, kc_deadline_t first, int64_t period_ns,
                   void (*fn)(void *), void *arg)
{
    struct user_timer *u = (struct user_timer *)(void *)handle;
    struct kc_rt *rt = kc_rt_current();

    if (!u || !fn || period_ns < 0)
        return -EINVAL;
    if (!rt)
        return -EPERM;
    int64_t when = first.ns < 1 ? 1 : first.ns, now = kci_rt_now(rt);
    bool inside = u->rt == rt && kci_timer_again(rt->timers, &u->timer, when);
    if (!inside)
        (void)kc_timer_stop(handle);
    u->rt = rt;
    u->fn = fn;
    u->arg = arg;
    u->next = when > 1 ? when : now; // 1 is what kc_in(0) says: no moment of a series
    u->period = period_ns;
    if (!inside) {
        u->timer.fn = fire;
        kci_timer_arm(rt->timers, &u->timer, when);
    }
    return 0;
}

int kc_timer_stop(kc_timer_t *handle)
{
    struct user_timer *u = (struct user_timer *)(void *)handle;

    if (!u)
        return -EINVAL;
    if (!u->rt || kci_timer_is_idle(&u->timer))
        return 0;
    bool goes_on = u->period != 0; // read now: from inside, u may be gone afterwards
    switch (kci_timer_disarm(u->rt->timers, &u->timer)) {
    case KCI_TIMER_ARMED:
        return 1;
    case KCI_TIMER_RUNNING:
        return goes_on;
    default:
        return 0;
    }
}
