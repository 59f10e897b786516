/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * sched/timer.c — one heap of deadlines per runtime.
 *
 * Invariants  armed timers, and only they, are in the heap; next_ns is the root's key
 * Locks       timers.lock. A ticket is claimed under it, so that a disarm that follows knows
 *             the claim is over; it is finished (woken) outside, where its claim keeps the
 *             owner alive.
 * Rejected    a timing wheel: O(1), but its ticks blur the order of close deadlines, which a
 *             virtual clock must keep; worth it only with one wheel per worker.
 */
#include "sched/timer.h"

#include "arch/os.h"

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

void kci_timer_arm(struct kci_timers *ts, struct kci_timer *t, int64_t when_ns)
{
    kci_lock(&ts->lock);
    t->node.key = when_ns;
    t->state = KCI_TIMER_ARMED;
    kci_heap_push(&ts->heap, &t->node);
    note_next(ts);
    kci_unlock(&ts->lock);
}

bool kci_timer_disarm(struct kci_timers *ts, struct kci_timer *t)
{
    kci_lock(&ts->lock);
    while (t->state == KCI_TIMER_RUNNING) { // its callback is short and never parks
        kci_unlock(&ts->lock);
        kci_os_yield_thread();
        kci_lock(&ts->lock);
    }
    bool armed = t->state == KCI_TIMER_ARMED;
    if (armed) {
        kci_heap_remove(&ts->heap, &t->node);
        t->state = KCI_TIMER_IDLE;
        note_next(ts);
    }
    kci_unlock(&ts->lock);
    return armed;
}

/* Unlocks around the callback. */
static void run_callback(struct kci_timers *ts, struct kci_timer *t)
{
    t->state = KCI_TIMER_RUNNING;
    note_next(ts);
    kci_unlock(&ts->lock);
    int64_t again = t->fn(t);
    kci_lock(&ts->lock);
    t->state = again ? KCI_TIMER_ARMED : KCI_TIMER_IDLE;
    if (again) {
        t->node.key = again;
        kci_heap_push(&ts->heap, &t->node);
    }
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
        t->state = KCI_TIMER_IDLE;
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
