/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * sched/wait.h — the only way anything in kcoro blocks: a waiter and its one-shot ticket.
 *
 * A ticket belongs to whoever can wait: each coroutine and each plain thread has one, an IPC
 * endpoint has several. It serves one wait at a time; a wait is a *generation* of the ticket.
 * Delivery, close, cancel and deadline race for it with one CAS: the winner may write the
 * result, everybody else learns that the wait is over. The word:
 *
 *     generation << 4 | SHIELDED | PARKED | DONE | CLAIMED
 *
 *     idle    CLAIMED|DONE              no wait: nobody can claim
 *     open    0                         kci_ticket_open
 *     parked  PARKED                    the owner's stack is saved (post-switch callback)
 *     claimed CLAIMED [|PARKED]         one claimer is delivering
 *     done    CLAIMED|DONE [|PARKED]    the result is there; if PARKED, the owner was woken
 *
 * A waiter ties one generation to one source (a channel's queue, a join list, …). It lives on
 * the waiter's stack and is linked under the source's lock. A claimer dequeues it; an owner
 * that woke for another reason dequeues it itself, under the same lock.
 *
 * Why the ticket is not on the stack: cancel finds coroutines through their scope and must be
 * able to look at the word at any time. Why generations: a late claim must not hit the next
 * wait.
 */
#ifndef SCHED_WAIT_H
#define SCHED_WAIT_H

#include <kcoro/base.h>

#include "arch/atomic.h"
#include "core/list.h"

#define KCI_TK_CLAIMED 1u
#define KCI_TK_DONE 2u
#define KCI_TK_PARKED 4u
#define KCI_TK_SHIELDED 8u
#define KCI_TK_GEN_SHIFT 4

/* One value per park site, for dumps and tests. */
enum kci_why {
    KCI_WHY_NONE,
    KCI_WHY_CHAN_SEND,
    KCI_WHY_CHAN_RECV,
    KCI_WHY_SELECT,
    KCI_WHY_SLEEP,
    KCI_WHY_JOIN,
    KCI_WHY_SCOPE,
    KCI_WHY_FD,
    KCI_WHY_BLOCK,
    KCI_WHY_PARK,
    KCI_WHY_IPC,
    KCI_WHY_LINK,
    KCI_WHY_MUTEX,
    KCI_WHY_COND,
    KCI_WHY_SEM,
    KCI_WHY_WG,
    KCI_WHY_ONCE,
    KCI_WHY_RWLOCK,
    KCI_WHY_EVENT,
    KCI_WHY_BARRIER,
    KCI_WHY_FUTURE,
    KCI_WHY_REGION,
    KCI_WHY_ACTOR,
    KCI_WHY_SHUTDOWN,
    KCI_WHY_SETTLE,
    KCI_WHY_ENDED,
    KCI_WHY_COUNT
};

struct kci_ticket {
    _Atomic(uint64_t) word;
    int rc;    /* claimer, before done */
    int index; /* claimer, before done: which waiter won */
    /* How the owner goes on once done. Called by the claimer. */
    void (*wake)(struct kci_ticket *tk);
};

struct kci_waiter {
    struct kci_list node; /* source's lock; self-linked when not queued */
    struct kci_ticket *tk;
    uint64_t gen;
    void *elem; /* where the value goes to or comes from */
    int index;  /* reported as tk->index by the winner */
    bool is_send; /* which of a channel's queues it stands in */
};

/* A claim in hand: the right, and the duty, to finish. */
struct kci_claim {
    struct kci_ticket *tk; /* NULL: none */
    uint64_t word;         /* as seen when claimed */
    int index;             /* what the owner will find in tk->index; -1: no waiter of its own */
};

/* ---- owner ---- */

void kci_ticket_init(struct kci_ticket *tk, void (*wake)(struct kci_ticket *));
/* Start a new wait; returns its generation. No wait may be open. */
uint64_t kci_ticket_open(struct kci_ticket *tk, bool shielded);
/* The owner's stack is saved (or it sleeps on its parker). True: done already, go on at
 * once. */
bool kci_ticket_park(struct kci_ticket *tk);
/* Has the current wait been finished? Then everything its claimer wrote is visible. */
bool kci_ticket_is_done(struct kci_ticket *tk);

static inline void kci_waiter_init(struct kci_waiter *wt, struct kci_ticket *tk, uint64_t gen,
                                   void *elem)
{
    wt->node.next = wt->node.prev = &wt->node;
    wt->tk = tk;
    wt->gen = gen;
    wt->elem = elem;
    wt->index = 0;
    wt->is_send = false;
}

/* ---- claimer ---- */

/* Try to win generation gen. */
bool kci_ticket_claim(struct kci_ticket *tk, uint64_t gen, struct kci_claim *out);
/* Try to win whatever wait is open and not shielded (cancellation). */
bool kci_ticket_claim_any(struct kci_ticket *tk, struct kci_claim *out);
/* Publish the result, let the owner go on. No-op for an empty claim. Not under the lock of a
 * channel or descriptor: the wake function of an endpoint's ticket may take those. */
void kci_claim_finish(struct kci_claim c, int rc);

/* Dequeue wt; win it if that is still possible. Under the queue's lock. */
bool kci_waiter_claim(struct kci_waiter *wt, struct kci_claim *out);
/* First waiter of the queue that can still be won; dequeued and claimed. NULL: none. Losers
 * that it passes are dequeued too: their owners are on their way. Under the queue's lock. */
struct kci_waiter *kci_queue_claim(struct kci_list *queue, struct kci_claim *out);
/* Claim and dequeue all, moving the winners to `won`, linked through their nodes. */
void kci_queue_claim_all(struct kci_list *queue, struct kci_list *won);
/* Finish all of `won` with rc. Locks as kci_claim_finish. */
void kci_waiters_finish(struct kci_list *won, int rc);

/* ---- the calling coroutine or thread ---- */

/* The caller's ticket. NULL: it must not wait here (hook, timer callback): -EPERM. */
struct kci_ticket *kci_self_ticket(void);
/* Open the caller's ticket, honouring its shield. */
uint64_t kci_self_open(struct kci_ticket *tk);
/* Close it again: nothing was armed with it. */
void kci_self_abandon(struct kci_ticket *tk);
/*
 * Wait until the caller's open ticket is done. `dl` ends it with -ETIME, the ambient token with
 * -ECANCELED. Returns tk->rc; tk->index says which waiter won, -1 for deadline and cancel.
 * `what` is for dumps.
 */
int kci_self_park(struct kci_ticket *tk, kc_deadline_t dl, enum kci_why why, const void *what);
/* Every potentially parking call begins with this: 0 or -ECANCELED; spends budget, may
 * yield. */
int kci_self_enter(void);
/* The same, and say who the caller is. */
int kci_self_enter_as(const void **self);
/* An operation that spends no budget begins: in a laboratory others may go first. The caller
 * holds no lock; it may be a plain thread, or a callback. */
void kci_self_point(void);
/* The calling coroutine or thread, as an address that no other one has while this one lives. */
const void *kci_self_id(void);
/* While nonzero nesting, kci_self_ticket says NULL. */
void kci_self_nopark(int delta);
/* A pseudo-random number: the worker's generator, or the thread's. */
uint64_t kci_random(void);
/* -EAGAIN for KC_TRY, -ETIME for a deadline that passed, else 0: an operation may wait. */
int kci_deadline_check(kc_deadline_t dl);

#endif
