/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * sched/idle.c — finding work elsewhere, sleeping without missing any, waking as few as
 * possible.
 *
 * At most one idle worker sleeps in the poller, until the next timer; the others on their
 * parkers. A waker picks one sleeper, which wakes *searching*; while somebody searches nobody
 * else is woken, and the last searcher that finds work wakes a successor.
 *
 * Edges   E-IDLE  the one store–load argument of the project. Producer: publish work, fence,
 *                 read nidle and nsearching. Sleeper: stop searching, count itself idle, fence,
 *                 look at all work once more. Sequential consistency lets at least one see the
 *                 other.
 *
 * Who needs the fence: only work that no running worker comes across by itself, that is what
 * other threads inject. A worker that pushes to its own ring will run it in the end; waking a
 * helper for it is a hint without a fence, and the monitor bounds the harm of a missed hint to
 * its tick.
 *
 * Locks   idle_lock: the idle list, poller_sleeper, poll_until, worker.idle.
 */
#include <unistd.h>

#include "core/assert.h"
#include "sched/sched.h"

enum { SPINS = KCI_UNLESS_MODELLED(40, 1), INJECT_BATCH = 32 };

/* ---- waking ---- */

/* Under idle_lock, no longer listed: it wakes searching. */
static void picked_locked(struct kci_worker *w)
{
    w->idle = false;
    ka_sub(&w->rt->nidle, 1, seq_cst);      // E-IDLE
    ka_add(&w->rt->nsearching, 1, seq_cst); // E-IDLE
}

/* Under idle_lock. Somebody asleep, now counted as searching; NULL: none. */
static struct kci_worker *pick_locked(struct kc_rt *rt, bool *kick)
{
    struct kci_worker *w = rt->idle_head;

    *kick = !w;
    if (w)
        rt->idle_head = w->idle_next;
    else if ((w = rt->poller_sleeper))
        rt->poller_sleeper = NULL;
    if (w)
        picked_locked(w);
    return w;
}

static void wake_picked(struct kc_rt *rt, struct kci_worker *w, bool kick)
{
    ka_add(&rt->stat_wakes, 1, relaxed); // relaxed: a counter
    if (kick)
        rt->poller.kick(rt->poller.ctx);
    else
        kci_parker_wake(&w->parker);
}

static void wake_one_slow(struct kc_rt *rt)
{
    bool kick = false;

    kci_lock(&rt->idle_lock);
    struct kci_worker *w = NULL;
    if (!ka_load(&rt->nsearching, seq_cst)) // E-IDLE
        w = pick_locked(rt, &kick);
    kci_unlock(&rt->idle_lock);
    if (w)
        wake_picked(rt, w, kick);
}

void kci_wake_one(struct kc_rt *rt)
{
    // relaxed: a hint, see the top
    if (ka_load(&rt->nidle, relaxed) && !ka_load(&rt->nsearching, relaxed))
        wake_one_slow(rt);
}

void kci_wake_one_fenced(struct kc_rt *rt)
{
    kci_fence_seq_cst();                 // E-IDLE out
    if (ka_load(&rt->nidle, seq_cst) && !ka_load(&rt->nsearching, seq_cst)) // E-IDLE out
        wake_one_slow(rt);
}

void kci_wake_all(struct kc_rt *rt)
{
    for (bool more = true; more;) {
        bool kick;
        kci_lock(&rt->idle_lock);
        struct kci_worker *w = pick_locked(rt, &kick);
        kci_unlock(&rt->idle_lock);
        more = w != NULL;
        if (w)
            wake_picked(rt, w, kick);
    }
}

static void unlist_locked(struct kci_worker *w)
{
    struct kc_rt *rt = w->rt;

    for (struct kci_worker **p = &rt->idle_head; *p; p = &(*p)->idle_next)
        if (*p == w) {
            *p = w->idle_next;
            return;
        }
    if (rt->poller_sleeper == w)
        rt->poller_sleeper = NULL;
}

void kci_wake_worker(struct kci_worker *w)
{
    struct kc_rt *rt = w->rt;

    kci_fence_seq_cst();                // E-IDLE out
    if (!ka_load(&rt->nidle, seq_cst)) // E-IDLE out
        return;
    kci_lock(&rt->idle_lock);
    bool asleep = w->idle, kick = rt->poller_sleeper == w;
    if (asleep) {
        unlist_locked(w);
        picked_locked(w);
    }
    kci_unlock(&rt->idle_lock);
    if (asleep)
        wake_picked(rt, w, kick);
}

/* ---- looking ---- */

void kci_poll_now(struct kc_rt *rt)
{
    if (!rt->poller.busy(rt->poller.ctx) || ka_xchg(&rt->polling, 1, acquire)) // E-POLL in
        return;
    rt->poller.wait(rt->poller.ctx, 0);
    ka_store(&rt->polling, 0, release); // E-POLL out
}

void kci_expire_due(struct kc_rt *rt)
{
    if (kci_timers_next(rt->timers) == INT64_MAX)
        return;
    int64_t now = kci_rt_now(rt);
    if (kci_timers_next(rt->timers) <= now)
        kci_timers_expire(rt->timers, now);
}

static struct kc_co *take_local(struct kci_worker *w)
{
    struct kc_co *co = kci_ring_pop(&w->ring);

    if (!co)
        co = ka_xchg(&w->lifo, NULL, acq_rel); // E-RING through the slot
    return co ? co : kci_inject_pop(&w->bound);
}

static bool has_bound(struct kci_worker *w)
{
    return ka_load(&w->bound.len, seq_cst); // E-IDLE in
}

/* One to run, and a fair share for the ring. */
static struct kc_co *take_injected(struct kci_worker *w)
{
    struct kc_rt *rt = w->rt;
    struct kc_co *first = kci_inject_pop(&rt->inject), *co;
    uint32_t share = ka_load(&rt->inject.len, relaxed) / rt->nworkers; // relaxed: a hint

    for (uint32_t i = 0; first && i < share && i < INJECT_BATCH; i++) {
        if (!(co = kci_inject_pop(&rt->inject)))
            break;
        if (!kci_ring_push(&w->ring, co)) {
            kci_inject_push(&rt->inject, co, co, 1);
            break;
        }
    }
    return first;
}

static struct kc_co *steal(struct kci_worker *w)
{
    struct kc_rt *rt = w->rt;
    unsigned start = (unsigned)(kci_worker_random(w) % rt->nworkers);

    for (unsigned i = 0; i < rt->nworkers; i++) {
        struct kci_worker *victim = &rt->workers[(start + i) % rt->nworkers];
        struct kc_co *co = victim == w ? NULL : kci_ring_steal(&w->ring, &victim->ring);
        if (co) {
            ka_add(&w->stat_steals, 1, relaxed); // relaxed: a counter
            return co;
        }
    }
    return NULL;
}

/* Something that would be a reason not to sleep. */
static bool work_elsewhere(struct kc_rt *rt)
{
    if (ka_load(&rt->stop, seq_cst) || ka_load(&rt->inject.len, seq_cst)) // E-IDLE in
        return true;
    for (unsigned i = 0; i < rt->nworkers; i++)
        if (kci_ring_len(&rt->workers[i].ring))
            return true;
    return false;
}

KCI_OWNER_ONLY static void stop_searching(struct kci_worker *w, bool found)
{
    if (!w->searching)
        return;
    w->searching = false;
    bool last = ka_sub(&w->rt->nsearching, 1, seq_cst) == 1; // E-IDLE
    if (found && last && work_elsewhere(w->rt))
        kci_wake_one_fenced(w->rt);
}

KCI_OWNER_ONLY static struct kc_co *search(struct kci_worker *w)
{
    struct kc_rt *rt = w->rt;
    struct kc_co *co = NULL;

    if (rt->nworkers == 1)
        return NULL;
    // relaxed: only limits how many look at the same time
    if (!w->searching && ka_load(&rt->nsearching, relaxed) * 2 < rt->nworkers) {
        w->searching = true;
        ka_add(&rt->nsearching, 1, seq_cst); // E-IDLE
    }
    for (int i = 0; w->searching && !co && i < SPINS; i++) {
        if (i)
            kci_cpu_pause();
        if (!(co = steal(w)))
            co = take_injected(w);
    }
    return co;
}

/* ---- sleeping ---- */

static void enter_idle(struct kci_worker *w, bool *polls)
{
    struct kc_rt *rt = w->rt;

    kci_lock(&rt->idle_lock);
    w->idle = true;
    ka_add(&rt->nidle, 1, seq_cst); // E-IDLE in
    *polls = !ka_xchg(&rt->polling, 1, acquire); // E-POLL in
    if (*polls) {
        rt->poller_sleeper = w;
        rt->poll_until = kci_timers_next(rt->timers);
    } else {
        w->idle_next = rt->idle_head;
        rt->idle_head = w;
    }
    // Whoever sleeps in the poller must not oversleep a timer that was armed since.
    bool late = !*polls && rt->poller_sleeper && kci_timers_next(rt->timers) < rt->poll_until;
    kci_unlock(&rt->idle_lock);
    if (late)
        rt->poller.kick(rt->poller.ctx);
}

/* Returns whether a waker had picked us; then we are searching, by its count. */
KCI_OWNER_ONLY static bool leave_idle(struct kci_worker *w)
{
    struct kc_rt *rt = w->rt;

    kci_lock(&rt->idle_lock);
    bool picked = !w->idle;
    if (!picked) {
        w->idle = false;
        unlist_locked(w);
        ka_sub(&rt->nidle, 1, seq_cst); // E-IDLE
    }
    kci_unlock(&rt->idle_lock);
    if (picked)
        w->searching = true;
    kci_monitor_wake(rt);
    return picked;
}

/* What is pending ends after what it made runnable was queued, so the queues are looked at
 * last. */
bool kci_is_quiet(struct kc_rt *rt)
{
    bool none = !rt->poller.busy(rt->poller.ctx) &&
                !ka_load(&rt->pool.pending, seq_cst) && // E-IDLE
                !ka_load(&rt->outside, seq_cst) && // E-IDLE
                !work_elsewhere(rt);

    for (unsigned i = 0; i < rt->nworkers; i++)
        none = none && !has_bound(&rt->workers[i]);
    return none;
}

/* Can nothing ever run again? Under idle_lock nobody gets out of bed while we count the
 * sleepers. A runtime of kc_rt_create waits for its owner, which is no deadlock. */
static bool stuck(struct kc_rt *rt)
{
    if (!(rt->flags & KC_RT_DEADLOCK_CHECK) || rt->shutdown)
        return false;
    kci_lock(&rt->idle_lock);
    bool none = ka_load(&rt->nidle, seq_cst) == rt->nworkers && // E-IDLE
                kci_timers_next(rt->timers) == INT64_MAX && kci_is_quiet(rt);
    kci_unlock(&rt->idle_lock);
    return none;
}

static void say_stuck(struct kc_rt *rt)
{
    static const char say[] = "kcoro: deadlock: every coroutine waits for another one; "
                              "cancelling the root scope\n";

    if (kci_is_explored(rt)) {
        rt->env.lab->stuck(rt->env.lab_ctx);
        return;
    }
    ssize_t unused = write(STDERR_FILENO, say, sizeof say - 1); // nobody to tell of a failure
    (void)unused;
}

/* Say so, and let everybody end. False: that was done before, and somebody still waits. In a
 * laboratory the run is abandoned then. */
static bool break_deadlock(struct kc_rt *rt)
{
    if (ka_xchg(&rt->deadlocked, 1, relaxed)) { // relaxed: once; read when all have ended
        if (kci_is_explored(rt)) // a laboratory has other runs to make
            kci_rt_stop(rt);
        return kci_is_explored(rt);
    }
    say_stuck(rt);
    if (rt->root)
        kc_cancel_trigger(&rt->root->token, -EDEADLK);
    return true;
}

/* kc_rt_advance: as far as it was asked for, timer by timer. Nothing can run now. */
static bool advance_clock(struct kc_rt *rt, int64_t next)
{
    bool more = next <= rt->advance_to;
    kci_rt_set_clock(rt, more ? next : rt->advance_to);
    if (!more) {
        ka_store(&rt->advancing, 0, relaxed); // relaxed: the parker publishes it
        kci_parker_wake(&rt->advanced);
    }
    return more;
}

/* With a virtual clock, waiting is jumping to the next timer. */
bool kci_jump_clock(struct kc_rt *rt)
{
    int64_t next = kci_timers_next(rt->timers);

    if (!(rt->flags & KC_RT_VIRTUAL_TIME))
        return false;
    if (ka_load(&rt->advancing, seq_cst)) // E-IDLE in
        return advance_clock(rt, next);
    // A runtime of kc_rt_create waits for kc_rt_advance, until it has to end.
    if (rt->shutdown && !kc_cancel_check(rt->shutdown))
        return false;
    if (next == INT64_MAX || !kci_is_quiet(rt))
        return false;
    kci_rt_set_clock(rt, next);
    return true;
}

static void sleep_until_needed(struct kci_worker *w, bool polls)
{
    struct kc_rt *rt = w->rt;

    ka_add(&w->stat_parks, 1, relaxed); // relaxed: a counter
    if (!polls)
        kci_parker_wait(&w->parker, INT64_MAX);
    else if (rt->flags & KC_RT_VIRTUAL_TIME)
        rt->poller.wait(rt->poller.ctx, INT64_MAX);
    else // not another look at the timers: others rely on what was announced
        rt->poller.wait(rt->poller.ctx, rt->poll_until);
}

/* The last look found something. Who published it may have relied on us, who were searching,
 * to wake another worker if one is needed: so we search again, and stop_searching will. */
KCI_OWNER_ONLY static void search_again(struct kci_worker *w)
{
    if (w->rt->nworkers == 1)
        return;
    w->searching = true;
    ka_add(&w->rt->nsearching, 1, seq_cst); // E-IDLE
}

static void idle(struct kci_worker *w)
{
    struct kc_rt *rt = w->rt;
    bool polls;

    stop_searching(w, false);
    enter_idle(w, &polls);
    kci_fence_seq_cst(); // E-IDLE in
    bool stay = work_elsewhere(rt) || has_bound(w) || kci_idle_settled(rt) ||
                kci_jump_clock(rt) || (stuck(rt) && break_deadlock(rt));
    if (!stay)
        sleep_until_needed(w, polls);
    if (polls)
        ka_store(&rt->polling, 0, release); // E-POLL out
    bool picked = leave_idle(w);
    if (stay && picked && !polls)
        kci_parker_wait(&w->parker, INT64_MAX); // consume the token that is on its way
    if (stay && !picked)
        search_again(w);
}

KCI_OWNER_ONLY static struct kc_co *look_around(struct kci_worker *w)
{
    struct kc_co *co;

    kci_expire_due(w->rt);
    if (KCI_UNLIKELY(kci_is_explored(w->rt))) {
        kci_poll_now(w->rt);
        return kci_explored_next(w);
    }
    if (w->tick % KCI_TICK == 0) { // fairness to those outside
        kci_poll_now(w->rt); // first: under load the shared list is never empty
        if ((co = take_injected(w)))
            return co;
    }
    if ((co = take_local(w)) || (co = take_injected(w)))
        return co;
    kci_poll_now(w->rt);
    if ((co = take_local(w)))
        return co;
    return search(w);
}

KCI_OWNER_ONLY struct kc_co *kci_find_now(struct kci_worker *w)
{
    struct kc_co *co = NULL;

    if (!ka_load(&w->rt->stop, acquire)) // E-STOP in
        co = look_around(w);
    stop_searching(w, co != NULL);
    return co;
}

KCI_OWNER_ONLY struct kc_co *kci_find(struct kci_worker *w)
{
    struct kc_co *co;

    while (!(co = kci_find_now(w))) {
        if (ka_load(&w->rt->stop, acquire)) // E-STOP in
            return NULL;
        idle(w);
    }
    return co;
}

/* ---- driven from outside: the only worker, which always finds the poller free ---- */

bool kci_idle_enter(struct kci_worker *w)
{
    bool polls;

    enter_idle(w, &polls);
    KCI_ASSERT(polls);
    kci_fence_seq_cst(); // E-IDLE in
    // Its turns may have ended with one in the slot. relaxed: the driver's own
    return work_elsewhere(w->rt) || has_bound(w) || ka_load(&w->lifo, relaxed);
}

void kci_idle_leave(struct kci_worker *w)
{
    ka_store(&w->rt->polling, 0, release); // E-POLL out
    (void)leave_idle(w);
}
