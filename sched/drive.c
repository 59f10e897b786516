/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * sched/drive.c — a runtime without threads of its own, run by whoever calls kc_rt_poll; and a
 * virtual clock moved from outside.
 *
 * Its one worker is whichever thread polls. Between two polls it *lies*: it counts as asleep in
 * the poller (idle.c), so that what other threads make runnable kicks the poller as ever, which
 * makes the descriptor of kc_rt_fd readable.
 *
 * Invariants  while nobody drives, the worker lies; what it left undone has kicked the poller
 *             each poll collects the kicks before it, so the descriptor calms down
 * Edges       E-DRIVE  one driver's deeds as the worker → the next driver, another thread maybe
 */
#include <kcoro/time.h>

#include "sched/sched.h"

enum { TURNS = 256 }; // then the foreign loop has its turn again

/* ---- lying and getting up; the driver's ---- */

static void get_up(struct kci_worker *w)
{
    struct kc_rt *rt = w->rt;

    if (rt->lies)
        kci_idle_leave(w);
    rt->lies = false;
    rt->poller.wait(rt->poller.ctx, 0); // events, and the kicks so far
}

/* What the descriptor announces by itself: the next timer, unless the clock is virtual. */
static int64_t next_wake(struct kc_rt *rt)
{
    return rt->flags & KC_RT_VIRTUAL_TIME ? INT64_MAX : kci_timers_next(rt->timers);
}

/* Returns whether there is nothing to do. */
static bool lie_down(struct kci_worker *w)
{
    struct kc_rt *rt = w->rt;
    bool work = kci_idle_enter(w);

    rt->lies = true;
    if (work)
        rt->poller.kick(rt->poller.ctx);
    if (rt->fd_wanted)
        (void)rt->poller.fd(rt->poller.ctx, next_wake(rt));
    return !work;
}

/* ---- turns ---- */

static int take_turns(struct kci_worker *w, int most)
{
    struct kc_co *co;
    int turns = 0;

    while (turns < most && (co = kci_find_now(w)))
        turns += kci_worker_run(w, co);
    return turns;
}

static int64_t earlier(int64_t a, int64_t b)
{
    return a < b ? a : b;
}

static int turn_until(struct kci_worker *w, kc_deadline_t dl)
{
    struct kc_rt *rt = w->rt;

    for (;;) {
        get_up(w);
        int turns = take_turns(w, TURNS);
        bool quiet = lie_down(w);
        if (!turns && quiet && (kci_idle_settled(rt) || kci_jump_clock(rt)))
            continue;
        // The caller's clock: the system's, also under a virtual one.
        if (turns || ka_load(&rt->stop, acquire) || dl.ns <= kci_os_now()) // E-STOP in
            return turns;
        if (quiet)
            rt->poller.wait(rt->poller.ctx, earlier(dl.ns, next_wake(rt)));
    }
}

/* ---- the driver's seat ---- */

static int take_seat(struct kc_rt *rt)
{
    if (!rt || !rt->driven)
        return -EINVAL;
    if (kci_worker_self())
        return -EPERM;
    if (ka_xchg(&rt->driving, 1, acquire)) // E-DRIVE in
        return -EBUSY;
    kci_worker_set_self(&rt->workers[0]);
    kci_coro_thread(&rt->workers[0].base);
    return 0;
}

static void leave_seat(struct kc_rt *rt)
{
    kci_worker_set_self(NULL);
    ka_store(&rt->driving, 0, release); // E-DRIVE out
}

int kc_rt_poll(kc_rt_t *rt, kc_deadline_t dl)
{
    int rc = take_seat(rt);

    if (rc)
        return rc;
    rc = turn_until(&rt->workers[0], dl);
    leave_seat(rt);
    return rc;
}

int kc_rt_fd(kc_rt_t *rt)
{
    int rc = take_seat(rt);

    if (rc)
        return rc;
    rc = rt->poller.fd(rt->poller.ctx, next_wake(rt));
    rt->fd_wanted = rc >= 0;
    leave_seat(rt);
    return rc;
}

/* ---- the clock ---- */

static void drive_clock(struct kc_rt *rt, int64_t until_ns)
{
    struct kci_worker *w = &rt->workers[0];

    get_up(w);
    for (;;) {
        while (take_turns(w, TURNS) || kci_idle_settled(rt)) {}
        int64_t next = kci_timers_next(rt->timers);
        if (next > until_ns || ka_load(&rt->stop, acquire)) // E-STOP in
            break;
        kci_rt_set_clock(rt, next);
    }
    kci_rt_set_clock(rt, until_ns);
    (void)lie_down(w);
}

/* The worker moves the clock when nothing can run, and says when it has arrived. */
static int ask_worker(struct kc_rt *rt, int64_t dur_ns)
{
    if (ka_xchg(&rt->driving, 1, acquire)) // E-DRIVE in
        return -EBUSY;
    rt->advance_to = kci_rt_now(rt) + dur_ns;
    ka_store(&rt->advancing, 1, seq_cst); // E-IDLE out
    kci_wake_one_fenced(rt);
    kci_parker_wait(&rt->advanced, INT64_MAX);
    ka_store(&rt->driving, 0, release); // E-DRIVE out
    return 0;
}

int kc_rt_advance(kc_rt_t *rt, int64_t dur_ns)
{
    if (!rt || dur_ns < 0)
        return -EINVAL;
    if (!(rt->flags & KC_RT_VIRTUAL_TIME))
        return -ENOTSUP;
    if (dur_ns > INT64_MAX - kci_rt_now(rt))
        return -EOVERFLOW;
    if (!rt->shutdown) // kc_run: the clock moves by itself while the caller sleeps
        return kc_rt_current() == rt ? kc_sleep_until(kc_in(dur_ns)) : -EPERM;
    if (kci_worker_self())
        return -EPERM;
    if (!rt->driven)
        return ask_worker(rt, dur_ns);
    int rc = take_seat(rt);
    if (rc)
        return rc;
    drive_clock(rt, kci_rt_now(rt) + dur_ns);
    leave_seat(rt);
    return 0;
}
