/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * sched/source.c — waiting for one source: enter, prepare, try, arm, park, disarm, settle.
 * Select is the same steps over several.
 */
#include "sched/source.h"

#include <kcoro/scope.h>

#include "arch/cpu.h"

static int settle(struct kci_clause *c, int rc)
{
    return c->src->settle ? c->src->settle(c, rc) : rc;
}

static void cleanup(struct kci_clause *c)
{
    if (c->src->cleanup)
        c->src->cleanup(c);
}

static int arm(struct kci_clause *c, struct kci_ticket *tk, uint64_t gen)
{
    kci_waiter_init(&c->wt, tk, gen, c->arg);
    int rc = c->src->arm(c);
    if (!rc && c->src->hold)
        c->src->hold(c->obj);
    return rc;
}

static void let_go(struct kci_clause *c)
{
    if (c->src->release)
        c->src->release(c);
}

/* The wait ended by deadline or cancel: take the waiter back, or wait for what is on its
 * way. */
static int disarm(struct kci_clause *c, struct kci_ticket *tk, int rc)
{
    struct kci_lock *lock = c->src->lock(c->obj);

    kci_lock(lock);
    bool late = c->src->disarm(c) == -EBUSY;
    if (late)
        c->wt.gen = kci_ticket_open(tk, true);
    kci_unlock(lock);
    if (!late)
        return rc;
    kc_shield(true); // the cancellation that ended the wait must not end this one too
    rc = kci_self_park(tk, KC_FOREVER, c->src->why, c->obj);
    kc_shield(false);
    return rc;
}

static int park_armed(struct kci_clause *c, struct kci_ticket *tk, kc_deadline_t dl)
{
    if (c->src->armed)
        c->src->armed(c);
    int rc = kci_self_park(tk, dl, c->src->why, c->obj);
    if (tk->index < 0)
        rc = disarm(c, tk, rc);
    if (tk->index >= 0)
        rc = settle(c, rc);
    let_go(c);
    return rc;
}

int kci_clause_wait_locked(struct kci_clause *c, kc_deadline_t dl)
{
    struct kci_lock *lock = c->src->lock(c->obj);
    struct kci_ticket *tk = NULL;
    int rc = kci_deadline_check(dl);

    if (!rc)
        rc = (tk = kci_self_ticket()) ? arm(c, tk, kci_self_open(tk)) : -EPERM;
    kci_unlock(lock);
    if (rc && tk)
        kci_self_abandon(tk);
    return rc ? rc : park_armed(c, tk, dl);
}

int kci_clause_dequeue(struct kci_clause *c)
{
    kci_list_remove(&c->wt.node);
    return 0;
}

int kci_clause_start(struct kci_clause *c, struct kci_ticket *tk)
{
    struct kci_lock *lock = c->src->lock(c->obj);
    int rc = c->src->prepare ? c->src->prepare(c) : 0;

    if (rc)
        return rc;
    c->woken.tk = NULL;
    kci_lock(lock);
    rc = c->src->try(c);
    bool armed = rc == -EAGAIN;
    if (armed)
        rc = arm(c, tk, kci_ticket_open(tk, true));
    kci_unlock(lock);
    if (armed && !rc)
        return kci_ticket_park(tk) ? kci_clause_settle(c, tk) : -EINPROGRESS;
    if (!armed) {
        kci_claim_finish(c->woken, 0);
        rc = settle(c, rc);
    } else {
        kci_self_abandon(tk);
    }
    cleanup(c);
    return rc;
}

int kci_clause_settle(struct kci_clause *c, struct kci_ticket *tk)
{
    int rc = settle(c, tk->rc);

    let_go(c);
    cleanup(c);
    return rc;
}

bool kci_clause_stop(struct kci_clause *c, struct kci_ticket *tk)
{
    struct kci_lock *lock = c->src->lock(c->obj);
    struct kci_claim mine;

    if (!kci_ticket_claim(tk, c->wt.gen, &mine))
        return false;
    kci_lock(lock);
    bool late = c->src->disarm(c) == -EBUSY;
    // Nobody waits on this ticket: close it without waking.
    ka_store(&tk->word, mine.word | KCI_TK_CLAIMED | KCI_TK_DONE, release); // E-WAKE self
    if (late)
        c->wt.gen = kci_ticket_open(tk, true);
    kci_unlock(lock);
    if (late) {
        if (kci_ticket_park(tk)) // the verdict came in between, and nobody was told
            tk->wake(tk);
        return false;
    }
    let_go(c);
    cleanup(c);
    return true;
}
