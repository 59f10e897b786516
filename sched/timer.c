/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * sched/timer.c — one heap of deadlines per runtime.
 *
 * Invariants  armed timers, and only they, are in the heap; next_ns is the root's key
 * Locks       timers.lock. A ticket is claimed under it, so that a disarm that follows knows
 *             the claim is over; it is finished (woken) outside, where its claim keeps the
 *             owner alive.
 * Edges       E-TIMER  a timer's end, and its callback's deeds → who finds it idle without the
 *             lock
 * Rejected    a timing wheel: O(1), but its ticks blur the order of close deadlines, which a
 *             virtual clock must keep; worth it only with one wheel per worker.
 */
#include "sched/timer.h"

#include "arch/os.h"
#include "core/mem.h"

enum { BATCH = 32 };

static void note_next(struct kci_timers *ts)
{
    int64_t next = ts->heap.root ? ts->heap.root->key : INT64_MAX;
    ka_store(&ts->next_ns, next, relaxed); // relaxed: a hint
}

void kci_timers_init(struct kci_timers *ts)
{
    ts->lock = (struct kci_lock){ 0 };
    ts->heap = (struct kci_heap){ 0 };
    note_next(ts);
}

struct kci_timers *kci_timers_create(void)
{
    struct kci_timers *ts = kci_alloc(sizeof *ts);

    if (!ts)
        return NULL;
    ka_store(&ts->refs, 1, relaxed); // relaxed: not shared yet
    kci_timers_init(ts);
    return ts;
}

void kci_timers_ref(struct kci_timers *ts)
{
    ka_add(&ts->refs, 1, relaxed); // relaxed: the caller holds one already
}

void kci_timers_unref(struct kci_timers *ts)
{
    if (ts && ka_sub(&ts->refs, 1, acq_rel) == 1) // E-REF
        kci_free(ts);
}

/* ---- the moves; under the lock ---- */

static int state_of(struct kci_timer *t)
{
    return ka_load(&t->state, relaxed); // relaxed: under the lock
}

static void set_state(struct kci_timer *t, enum kci_timer_state state)
{
    ka_store(&t->state, state, release); // E-TIMER out
}

static void put_in(struct kci_timers *ts, struct kci_timer *t, int64_t when_ns)
{
    t->node.key = when_ns;
    set_state(t, KCI_TIMER_ARMED);
    kci_heap_push(&ts->heap, &t->node);
    note_next(ts);
}

static bool take_out(struct kci_timers *ts, struct kci_timer *t)
{
    if (state_of(t) != KCI_TIMER_ARMED)
        return false;
    kci_heap_remove(&ts->heap, &t->node);
    set_state(t, KCI_TIMER_IDLE);
    note_next(ts);
    return true;
}

/* Wait for a callback that another thread runs: it is short and never parks. Returns whether
 * the caller is inside it. */
static bool settle(struct kci_timers *ts, struct kci_timer *t)
{
    while (state_of(t) == KCI_TIMER_RUNNING) {
        if (kci_call_is_mine(&t->call))
            return true;
        kci_unlock(&ts->lock);
        kci_os_yield_thread();
        kci_lock(&ts->lock);
    }
    return false;
}

/* ---- arming and disarming ---- */

void kci_timer_arm(struct kci_timers *ts, struct kci_timer *t, int64_t when_ns)
{
    kci_lock(&ts->lock);
    put_in(ts, t, when_ns);
    kci_unlock(&ts->lock);
}

enum kci_timer_state kci_timer_disarm(struct kci_timers *ts, struct kci_timer *t)
{
    enum kci_timer_state was = KCI_TIMER_RUNNING;

    kci_lock(&ts->lock);
    if (settle(ts, t)) {
        kci_call_leave(&t->call);
        set_state(t, KCI_TIMER_IDLE);
    } else {
        was = take_out(ts, t) ? KCI_TIMER_ARMED : KCI_TIMER_IDLE;
    }
    kci_unlock(&ts->lock);
    return was;
}

bool kci_timer_again(struct kci_timers *ts, struct kci_timer *t, int64_t when_ns)
{
    kci_lock(&ts->lock);
    bool inside = state_of(t) == KCI_TIMER_RUNNING && kci_call_is_mine(&t->call);
    if (inside)
        t->again = when_ns;
    kci_unlock(&ts->lock);
    return inside;
}

bool kci_timer_pull(struct kci_timers *ts, struct kci_timer *t, int64_t when_ns)
{
    kci_lock(&ts->lock);
    if (state_of(t) == KCI_TIMER_ARMED && t->node.key > when_ns)
        take_out(ts, t);
    bool idle = state_of(t) == KCI_TIMER_IDLE;
    kci_unlock(&ts->lock);
    return idle;
}

void kci_timers_drain(struct kci_timers *ts)
{
    kci_lock(&ts->lock);
    while (ts->heap.root)
        take_out(ts, KCI_OF(ts->heap.root, struct kci_timer, node));
    kci_unlock(&ts->lock);
}

/* ---- firing ---- */

/* Unlocks around the callback. */
static void run_callback(struct kci_timers *ts, struct kci_timer *t)
{
    bool left = false;

    set_state(t, KCI_TIMER_RUNNING);
    t->again = 0;
    kci_call_begin(&t->call, &left);
    note_next(ts);
    kci_unlock(&ts->lock);
    int64_t again = t->fn(t);
    kci_lock(&ts->lock);
    if (left)
        return;
    kci_call_end(&t->call);
    again = t->again ? t->again : again;
    if (again)
        put_in(ts, t, again);
    else
        set_state(t, KCI_TIMER_IDLE);
}

struct fired {
    struct kci_claim claim;
    int rc;
};

/* Up to BATCH tickets into out. Under the lock, which callbacks leave for a moment. */
static unsigned collect_due(struct kci_timers *ts, int64_t now_ns, struct fired *out,
                            unsigned *total)
{
    unsigned n = 0;

    while (ts->heap.root && ts->heap.root->key <= now_ns && n < BATCH) {
        struct kci_timer *t = KCI_OF(ts->heap.root, struct kci_timer, node);
        kci_heap_remove(&ts->heap, &t->node);
        (*total)++;
        if (t->fn) {
            run_callback(ts, t);
            continue;
        }
        set_state(t, KCI_TIMER_IDLE);
        if (kci_ticket_claim(t->tk, t->gen, &out[n].claim)) {
            out[n].claim.index = t->index;
            out[n++].rc = t->rc;
        }
    }
    note_next(ts);
    return n;
}

unsigned kci_timers_expire(struct kci_timers *ts, int64_t now_ns)
{
    struct fired due[BATCH];
    unsigned n, total = 0;

    do {
        kci_lock(&ts->lock);
        n = collect_due(ts, now_ns, due, &total);
        kci_unlock(&ts->lock);
        for (unsigned i = 0; i < n; i++)
            kci_claim_finish(due[i].claim, due[i].rc);
    } while (n == BATCH);
    return total;
}
