/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * sched/cancel.h — tokens: a tree, triggered from above, seen by its members.
 */
#ifndef SCHED_CANCEL_H
#define SCHED_CANCEL_H

#include <kcoro/scope.h>

#include "core/list.h"
#include "core/lock.h"
#include "sched/timer.h"
#include "sched/wait.h"

/* A coroutine that observes a token: that of its innermost scope, so that nobody is woken for a
 * cancellation that its own scope has not heard of yet. */
struct kci_member {
    struct kci_list node; /* token's lock */
    struct kci_ticket *tk;
};

/* A token that a coroutine observes beside its scope's, in the coroutine's list. */
struct kci_entered {
    struct kci_entered *next; /* self: entered before */
    struct kc_cancel *tk;     /* a reference */
    struct kci_member member;
};

struct kc_cancel {
    _Atomic(unsigned) refs;
    _Atomic(int) triggered;  /* 0, 1: set once, before the walk below (E-CANCEL) */
    _Atomic(int) why;        /* valid once triggered */
    bool inherited;          /* valid once triggered: it began further up */
    struct kci_lock lock;
    struct kc_cancel *parent; /* a reference */
    struct kci_list children; /* lock: their `sibling` */
    struct kci_list sibling;  /* parent's lock */
    struct kci_list members;  /* lock: kci_member */
    struct kci_list waiters;  /* lock: KC_DONE clauses, callbacks */
    struct kc_cancel *next;   /* the triggering thread's work list */
    struct kci_timer deadline; /* armed under lock */
    struct kci_timers *timers; /* lock: where; a reference; NULL: never had a deadline */
    void (*destroy)(struct kc_cancel *tk);
};

/* refs = 1. Links below parent (may be NULL); born triggered if the parent is. */
void kci_cancel_init(struct kc_cancel *tk, struct kc_cancel *parent,
                     void (*destroy)(struct kc_cancel *));
/* Leave the parent's list and drop the reference to it. */
void kci_cancel_unlink(struct kc_cancel *tk);
/* No deadline any more; waits for one that fires. */
void kci_cancel_calm(struct kc_cancel *tk);
/* What destroy begins with. */
void kci_cancel_fini(struct kc_cancel *tk);

/* ---- ambient.c ---- */

/* Is any of them triggered? */
bool kci_entered_triggered(const struct kci_entered *e);
/* A coroutine ends: leave all that it entered and did not leave. */
void kci_entered_leave_all(struct kci_entered **first);

#endif
