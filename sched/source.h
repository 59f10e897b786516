/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * sched/source.h — contract: a thing a select can wait for.
 *
 * Select locks the distinct locks of its sources in address order, tries each clause in its
 * polling order, and, if none was ready, arms a waiter on each before it unlocks: an atomic
 * snapshot. All waiters share one ticket, so that exactly one clause wins. Select knows nothing
 * of what is behind this table; a source knows nothing of select.
 */
#ifndef SCHED_SOURCE_H
#define SCHED_SOURCE_H

#include "core/lock.h"
#include "sched/wait.h"

/* One clause, in select's memory. */
struct kci_clause {
    const struct kci_source *src; /* NULL: disabled */
    void *obj;
    void *arg; /* what the operation reads or writes */
    int64_t ns;
    struct kci_waiter wt;
    struct kci_claim woken; /* `try` may have won somebody: finished after unlocking */
    void *scratch;          /* the source's own, from prepare to cleanup */
    unsigned extra;         /* the source's own, from try to settle */
    bool shared;            /* one of several clauses behind one ticket */
    bool held, last;        /* the source's own, from arm and disarm to release */
};

/* Only what is read before it is written: clearing all of it would cost more than a buffered
 * send. */
static inline void kci_clause_init(struct kci_clause *c, const struct kci_source *src,
                                   void *obj, void *arg)
{
    c->src = src;
    c->obj = obj;
    c->arg = arg;
    c->woken.tk = NULL;
    c->scratch = NULL;
    c->extra = 0;
    c->shared = false;
    c->held = c->last = false;
}

struct kci_source {
    enum kci_why why;
    /* Whatever code ends its wait, in a select the clause has fired with it. Else that is so
     * for results >= 0 and -EPIPE only, and other codes are the select's own. */
    bool any_rc;
    /* Unlocked, before anything else: get memory that `try` may need. 0 or -ENOMEM. May be
     * NULL. */
    int (*prepare)(struct kci_clause *c);
    /* Unlocked, after everything else, whether or not the clause won. May be NULL. */
    void (*cleanup)(struct kci_clause *c);
    /* The lock that guards obj; never NULL, stable while a reference is held. */
    struct kci_lock *(*lock)(void *obj);
    /* Locked. Complete the operation if it can be now: rc (0, -EPIPE …), else -EAGAIN. */
    int (*try)(struct kci_clause *c);
    /* Locked. Queue c->wt. 0, or a code that fails the whole select. */
    int (*arm)(struct kci_clause *c);
    /* Locked. Remove c->wt if it is still queued. 0; or -EBUSY: what `arm` began elsewhere
     * can no longer be taken back, its verdict will come through c->wt: wait for it. */
    int (*disarm)(struct kci_clause *c);
    /* Unlocked, once the clause is armed and before the caller sleeps: what others may see
     * only then. It may have been won already. Not called by select. May be NULL. */
    void (*armed)(struct kci_clause *c);
    /* Unlocked, after the clause was tried with a result or won while parked. Returns what the
     * caller is told: rc, or what the object has to say. NULL: rc. */
    int (*settle)(struct kci_clause *c, int rc);
    /* Keep obj alive across a park: before arm, locked; and unlocked after disarm, after c was
     * won, or after arm failed. May be NULL. */
    void (*hold)(void *obj);
    void (*release)(struct kci_clause *c);
};

/* Second half of kci_source_wait: c was tried, its lock is held (and is released here). */
int kci_clause_wait_locked(struct kci_clause *c, kc_deadline_t dl);

/*
 * One clause, from entry checks to result: what every blocking call that is not a select does.
 * Returns try's code or settle's, or -EAGAIN -ETIME -ECANCELED -EPERM, or arm's.
 * kci_source_wait_entered is for a caller that has been through kci_self_enter.
 *
 * Inlined, so that with a source that the compiler knows its members are direct calls, or no
 * calls at all: this halves what a channel operation costs.
 */
static KCI_ALWAYS_INLINE int kci_source_wait_entered(const struct kci_source *src, void *obj,
                                                     void *arg, kc_deadline_t dl)
{
    struct kci_clause c;
    int rc;

    kci_clause_init(&c, src, obj, arg);
    if (src->prepare && (rc = src->prepare(&c)))
        return rc;
    struct kci_lock *lock = src->lock(obj);
    kci_lock(lock);
    rc = src->try(&c);
    if (rc == -EAGAIN) {
        rc = kci_clause_wait_locked(&c, dl);
    } else {
        kci_unlock(lock);
        if (c.woken.tk)
            kci_claim_finish(c.woken, 0);
        if (src->settle)
            rc = src->settle(&c, rc);
    }
    if (src->cleanup)
        src->cleanup(&c);
    return rc;
}
static KCI_ALWAYS_INLINE int kci_source_wait(const struct kci_source *src, void *obj, void *arg,
                                             kc_deadline_t dl)
{
    int rc = kci_self_enter();
    return KCI_UNLIKELY(rc) ? rc : kci_source_wait_entered(src, obj, arg, dl);
}

/*
 * The same without a caller that waits: try, else arm with tk, whose wake function is called
 * when it is over. Returns try's code, or -EINPROGRESS: tk->wake comes. c must stay until then.
 */
int kci_clause_start(struct kci_clause *c, struct kci_ticket *tk);
/* In the wake function: give the clause its end. Returns the operation's code. */
int kci_clause_settle(struct kci_clause *c, struct kci_ticket *tk);
/* Take a started clause back. True: it is over, tk->wake will not come; false: it will. */
bool kci_clause_stop(struct kci_clause *c, struct kci_ticket *tk);

/* The `disarm` of a source whose waiters only stand in a queue. */
int kci_clause_dequeue(struct kci_clause *c);

extern const struct kci_source kci_join_source;   /* obj kc_co_t, arg int * */
extern const struct kci_source kci_token_source;  /* obj kc_cancel_t */
extern const struct kci_source kci_future_source; /* obj kc_future_t, arg the value or NULL */

#endif
