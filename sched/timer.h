/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * sched/timer.h — deadlines of one runtime: who is due when.
 *
 * A timer is embedded in what it belongs to; nothing is allocated. Two kinds: a *ticket* timer
 * ends one generation of a ticket with -ETIME; a *callback* timer calls fn, outside every lock,
 * on whichever worker noticed.
 */
#ifndef SCHED_TIMER_H
#define SCHED_TIMER_H

#include "core/heap.h"
#include "core/lock.h"
#include "sched/call.h"
#include "sched/wait.h"

enum kci_timer_state { KCI_TIMER_IDLE, KCI_TIMER_ARMED, KCI_TIMER_RUNNING };

struct kci_timer {
    struct kci_heap_node node; /* timers' lock; key = when, ns */
    _Atomic(int) state;        /* enum kci_timer_state; written under timers' lock */
    struct kci_ticket *tk;     /* ticket kind */
    uint64_t gen;
    int index;                 /* reported by the ticket; -1 for an operation's own deadline */
    int rc;
    int64_t (*fn)(struct kci_timer *t); /* callback kind: when to run again, 0: no more */
    int64_t again;             /* timers' lock: kci_timer_again, 0: not said */
    struct kci_call call;      /* timers' lock: the callback, while running */
};

struct kci_timers {
    _Atomic(unsigned) refs; /* of an allocated one: the runtime, and tokens with a deadline */
    struct kci_lock lock;
    struct kci_heap heap;
    _Atomic(int64_t) next_ns; /* the root's key, INT64_MAX: none; outside the lock a hint */
};

void kci_timers_init(struct kci_timers *ts);
/* Allocated, with one reference; NULL: no memory. */
struct kci_timers *kci_timers_create(void);
void kci_timers_ref(struct kci_timers *ts);
void kci_timers_unref(struct kci_timers *ts);
/* The runtime ends: what is armed will never fire, and is idle. */
void kci_timers_drain(struct kci_timers *ts);
/* The timer must be idle and its kind filled in. */
void kci_timer_arm(struct kci_timers *ts, struct kci_timer *t, int64_t when_ns);
/* Idle afterwards; waits for a running callback, from inside it leaves it. Returns how it was
 * found: idle is 0, running only from inside. */
enum kci_timer_state kci_timer_disarm(struct kci_timers *ts, struct kci_timer *t);
/* From inside its callback: once that is over, arm it again, whatever it returns. False: the
 * caller is not inside. */
bool kci_timer_again(struct kci_timers *ts, struct kci_timer *t, int64_t when_ns);
/* Disarm, if it is armed for later than when_ns; waits for nothing. Returns whether it is idle
 * now. */
bool kci_timer_pull(struct kci_timers *ts, struct kci_timer *t, int64_t when_ns);
/* Fire what is due at now_ns. Returns the number fired. Any worker. */
unsigned kci_timers_expire(struct kci_timers *ts, int64_t now_ns);

/* Without the lock: idle for good, unless somebody arms it; a callback is over (E-TIMER). */
static inline bool kci_timer_is_idle(struct kci_timer *t)
{
    return ka_load(&t->state, acquire) == KCI_TIMER_IDLE; // E-TIMER in
}

static inline int64_t kci_timers_next(struct kci_timers *ts)
{
    return ka_load(&ts->next_ns, relaxed); // relaxed: a hint; firing takes the lock
}

#endif
