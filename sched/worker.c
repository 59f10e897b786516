/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * sched/worker.c — find, run, park: the scheduler on one screen.
 *
 * A parking coroutine jumps straight to the next one; only when its worker has nothing at hand,
 * or every 61st time, does it go through the worker's own loop, which looks at timers,
 * descriptors, the shared list and other workers, and sleeps (idle.c).
 *
 * Bound   a pinned coroutine never enters ring or slot, where others could take it: it waits in
 *         its worker's own list, which has each second turn.
 * Order   newest first (the lifo slot: partners of a rendezvous stay on one worker), at most 16
 *         times in a row, then oldest first (the ring).
 * Rule    the post-switch callback is the first moment at which others may run the coroutine
 *         that was left; nothing touches it after that.
 * TSan    fields that only the owning thread uses are touched by functions marked
 * KCI_OWNER_ONLY.
 * Rejected  a scheduler stack in between: two switches for each park (Go: 190 ns against 20).
 */
#include "core/assert.h"
#include "core/log.h"
#include "sched/sched.h"

static KCI_THREAD_LOCAL struct kci_worker *this_worker;

/* Not inlined: a coroutine may continue on another thread, so no caller may keep the
 * address. */
KCI_NOINLINE KCI_OWNER_ONLY struct kci_worker *kci_worker_self(void)
{
    return this_worker;
}

KCI_NOINLINE KCI_OWNER_ONLY void kci_worker_set_self(struct kci_worker *w)
{
    this_worker = w;
}

KCI_NOINLINE KCI_OWNER_ONLY struct kc_co *kci_co_self(void)
{
    return this_worker ? this_worker->cur : NULL;
}

/* A thread is known by the place of its own variable. */
KCI_NOINLINE KCI_OWNER_ONLY const void *kci_self_id(void)
{
    struct kc_co *co = this_worker ? this_worker->cur : NULL;
    return co ? (const void *)co : (const void *)&this_worker;
}

KCI_OWNER_ONLY struct kc_co *kci_worker_pretend(struct kc_co *cur)
{
    struct kci_worker *w = kci_worker_self();
    struct kc_co *before = w->cur;

    w->cur = cur;
    return before;
}

/* xorshift64*, Vigna 2016. */
KCI_OWNER_ONLY uint64_t kci_worker_random(struct kci_worker *w)
{
    w->rng ^= w->rng >> 12;
    w->rng ^= w->rng << 25;
    w->rng ^= w->rng >> 27;
    return w->rng * 0x2545F4914F6CDD1Du;
}

/* With one worker nobody else looks at the slot (the monitor runs beside several only). */
static struct kc_co *lifo_swap(struct kci_worker *w, struct kc_co *co)
{
    if (w->rt->nworkers > 1)
        return ka_xchg(&w->lifo, co, acq_rel); // E-RING through the slot
    struct kc_co *old = ka_load(&w->lifo, relaxed); // relaxed: single worker
    ka_store(&w->lifo, co, relaxed);                // relaxed: single worker
    return old;
}

static struct kc_co *lifo_take(struct kci_worker *w)
{
    // relaxed: a hint; the swap decides
    return ka_load(&w->lifo, relaxed) ? lifo_swap(w, NULL) : NULL;
}

KCI_OWNER_ONLY static void push_tail(struct kci_worker *w, struct kc_co *co)
{
    uint32_t n;

    while (!kci_ring_push(&w->ring, co)) {
        struct kc_co *first = kci_ring_spill(&w->ring, &n), *last = first;
        if (!first)
            continue; // thieves made room meanwhile
        while (last->next)
            last = last->next;
        kci_inject_push(&w->rt->inject, first, last, n);
    }
}

KCI_OWNER_ONLY static void ready_here(struct kci_worker *w, struct kc_co *co)
{
    struct kc_co *displaced = w->cur ? lifo_swap(w, co) : co; // callbacks queue in order

    if (!displaced)
        return;
    // From the worker's own loop the only runnable coroutine is run next, by this worker.
    bool alone = !w->cur && !kci_ring_len(&w->ring);
    push_tail(w, displaced);
    if (!alone)
        kci_wake_one(w->rt);
}

KCI_OWNER_ONLY void kci_ready_at(struct kci_worker *target, struct kc_co *co)
{
    struct kci_worker *w = kci_worker_self();
    struct kc_rt *rt = co->rt;
    bool foreign = !w || w->rt != rt;

    kci_note_out(co);
    if (foreign)
        ka_add(&rt->foreign, 1, relaxed); // relaxed: as in kci_ready
    kci_inject_push(&target->bound, co, co, 1);
    if (target != w) // else it is awake
        kci_wake_worker(target);
    if (foreign)
        ka_sub(&rt->foreign, 1, release); // E-FOREIGN out
}

KCI_OWNER_ONLY void kci_ready(struct kc_co *co)
{
    struct kci_worker *w = kci_worker_self();

    if (KCI_UNLIKELY(co->pin != NULL)) {
        kci_ready_at(co->pin, co);
        return;
    }
    kci_note_out(co);
    if (KCI_LIKELY(w && w->rt == co->rt)) {
        ready_here(w, co);
        return;
    }
    // Once injected, co may run to the program's end; the runtime waits for us to let go of it.
    struct kc_rt *rt = co->rt;
    ka_add(&rt->foreign, 1, relaxed); // relaxed: the injection publishes it
    ka_add(&rt->stat_injects, 1, relaxed); // relaxed: a counter
    kci_inject_push(&rt->inject, co, co, 1);
    kci_wake_one_fenced(rt);
    ka_sub(&rt->foreign, 1, release); // E-FOREIGN out
}

/* What to run next without leaving the fast path; NULL: ask the worker's loop. */
KCI_OWNER_ONLY static struct kc_co *next_at_hand(struct kci_worker *w)
{
    struct kc_co *co;

    if (KCI_UNLIKELY(w->rt->env.lab != NULL) && kci_is_explored(w->rt))
        return kci_explored_next(w);
    if (++w->tick % KCI_TICK == 0)
        return NULL;
    // What is bound to this worker gets each second turn; asking an empty list costs one load.
    if (w->tick % 2 && (co = kci_inject_pop(&w->bound)))
        return co;
    if (w->lifo_runs < KCI_LIFO_RUNS && (co = lifo_take(w))) {
        w->lifo_runs++;
        return co;
    }
    w->lifo_runs = 0;
    co = kci_ring_pop(&w->ring);
    if (!co)
        co = lifo_take(w);
    return co ? co : kci_inject_pop(&w->bound);
}

/* Leave `self` for `next`, or for the worker's loop; post(self) runs once self is saved. */
KCI_OWNER_ONLY static KCI_ALWAYS_INLINE void leave_for(struct kci_worker *w, struct kc_co *self,
                                                       struct kc_co *next, void (*post)(void *),
                                                       bool ending)
{
    struct kci_coro *to = next ? &next->coro : &w->base;

    w->cur = next;
    kci_note_out(self); // to the callback, which runs as `to`
    if (self->pin)
        kci_note_out(self->pin); // what is bound to one worker is ordered by it
    // relaxed: only its changing matters, to the monitor
    ka_store(&w->seq, ka_load(&w->seq, relaxed) + 1, relaxed);
    if (ending)
        kci_coro_end(&self->coro, to, post, self);
    else
        kci_coro_switch(&self->coro, to, post, self);
    kci_note_in(self); // on another worker perhaps: w is stale
    if (self->pin)
        kci_note_in(self->pin);
}

KCI_OWNER_ONLY static void switch_away(struct kc_co *self, void (*post)(void *), bool ending)
{
    struct kci_worker *w = kci_worker_self();
    leave_for(w, self, next_at_hand(w), post, ending);
}

static void parked(void *arg)
{
    struct kc_co *co = arg;

    kci_note_in(co);
    if (kci_ticket_park(&co->tk)) // done meanwhile; else a claimer may be running it by now
        kci_ready(co);
}

void kci_sched_park(struct kc_co *self)
{
    switch_away(self, parked, false);
}

KCI_OWNER_ONLY static void yielded(void *arg)
{
    struct kci_worker *w = kci_worker_self();
    struct kc_co *co = arg;

    kci_note_in(co);
    if (co->pin) {
        kci_ready(co);
        return;
    }
    kci_note_out(co);
    push_tail(w, co);
    kci_wake_one(w->rt);
}

KCI_OWNER_ONLY void kci_sched_yield(struct kc_co *self)
{
    struct kci_worker *w = kci_worker_self();

    // relaxed: both are our own; with nothing else to run, look outside each 61st time, which
    // is the one that next_at_hand, counting on, makes its own
    if (!ka_load(&w->lifo, relaxed) && !kci_ring_len(&w->ring) &&
        !ka_load(&w->bound.len, relaxed) && // relaxed: or at the next yield
        (w->tick + 1) % KCI_TICK != 0 && !w->rt->can.head) {
        w->tick++;
        return;
    }
    switch_away(self, yielded, false);
}

void kci_sched_yield_to(struct kc_co *self, struct kc_co *next)
{
    leave_for(kci_worker_self(), self, next, yielded, false);
}

static void moved(void *arg)
{
    kci_note_in(arg);
    kci_ready(arg);
}

void kci_sched_move(struct kc_co *self)
{
    switch_away(self, moved, false);
}

KCI_OWNER_ONLY void kci_sched_run_first(struct kc_co *self, struct kc_co *co)
{
    struct kci_worker *w = kci_worker_self();

    w->cur = co;
    kci_note_out(self);
    kci_note_out(co);
    ka_store(&w->seq, ka_load(&w->seq, relaxed) + 1, relaxed); // relaxed: as in switch_away
    kci_coro_switch(&self->coro, &co->coro, moved, self);
    kci_note_in(self);
}

static void ended(void *arg)
{
    struct kc_co *co = arg;

    kci_note_in(co);
    kci_co_left(co);
}

void kci_sched_exit(struct kc_co *self)
{
    ka_store(&self->why, KCI_WHY_ENDED, relaxed); // relaxed: dumps, and a laboratory
    switch_away(self, ended, true);
    KCI_ASSERT(!"an ended coroutine was continued");
    __builtin_unreachable();
}

static void landed(void *arg)
{
    (void)arg;
}

KCI_OWNER_ONLY int kci_worker_run(struct kci_worker *w, struct kc_co *co)
{
    uint32_t before = ka_load(&w->seq, relaxed); // relaxed: our own

    w->cur = co;
    // relaxed: a counter; the sequence matters to the monitor only by changing
    ka_add(&w->stat_switches, 1, relaxed);
    ka_store(&w->seq, before + 1, relaxed); // relaxed: as above
    kci_coro_switch(&w->base, &co->coro, landed, NULL);
    return (int)(ka_load(&w->seq, relaxed) - before) - 1; // relaxed: our own; leaves count
}

KCI_OWNER_ONLY void kci_worker_loop(struct kci_worker *w)
{
    struct kc_co *co;

    kci_worker_set_self(w);
    kci_coro_thread(&w->base);
    while ((co = kci_find(w)))
        kci_worker_run(w, co);
    kci_worker_set_self(NULL);
}

void kc_yield(void)
{
    struct kc_co *co = kci_co_self();

    if (co && !co->nopark)
        kci_sched_yield(co);
}

void kc_pin(bool on)
{
    struct kc_co *self = kci_co_self();

    if (!self)
        return;
    if (!on && !self->pins)
        KCI_MISUSE("kc_pin(false) without a matching kc_pin(true)");
    self->pins += on ? 1 : -1u;
    if (!self->pins)
        self->pin = self->confined;
    else if (!self->pin)
        self->pin = kci_worker_self();
}

kc_co_t *kc_self(void)
{
    return kci_co_self();
}

kc_rt_t *kc_rt_current(void)
{
    struct kci_worker *w = kci_worker_self();
    return w ? w->rt : NULL;
}
