/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * sched/ambient.c — what the running coroutine's calls observe: its scope's token, the tokens
 * that it entered, its shields.
 *
 * An entered token has the coroutine as a member, as its scope's token has: triggering wakes it
 * through its own word (E-CANCEL). What has no token of its own pays one test of a pointer.
 *
 * Rejected  a token with two parents: the tree would be a graph, and a trigger could meet
 *           itself.
 */
#include "core/assert.h"
#include "core/mem.h"
#include "sched/sched.h"

bool kci_entered_triggered(const struct kci_entered *e)
{
    for (; e; e = e->next)
        if (ka_load(&e->tk->triggered, seq_cst)) // E-CANCEL open
            return true;
    return false;
}

static void leave(struct kci_entered *e)
{
    kci_lock(&e->tk->lock);
    kci_list_remove(&e->member.node);
    kci_unlock(&e->tk->lock);
    kc_cancel_unref(e->tk);
    kci_free(e);
}

void kci_entered_leave_all(struct kci_entered **first)
{
    while (*first) {
        struct kci_entered *e = *first;
        *first = e->next;
        leave(e);
    }
}

void kc_cancel_enter(kc_cancel_t *tk)
{
    struct kc_co *self = tk ? kci_co_self() : NULL;
    struct kci_entered *e = self ? kci_alloc(sizeof *e) : NULL;

    if (!self)
        return;
    if (!e) { // as kc_go: nobody would look at a code
        kc_cancel_trigger(&self->scope->token, -ENOMEM);
        return;
    }
    kc_cancel_ref(tk);
    *e = (struct kci_entered){ .next = self->entered, .tk = tk, .member.tk = &self->tk };
    kci_lock(&tk->lock);
    kci_list_push(&tk->members, &e->member.node);
    kci_unlock(&tk->lock);
    self->entered = e;
}

void kc_cancel_leave(kc_cancel_t *tk)
{
    struct kc_co *self = kci_co_self();

    for (struct kci_entered **p = self ? &self->entered : NULL; p && *p; p = &(*p)->next)
        if ((*p)->tk == tk) {
            struct kci_entered *e = *p;
            *p = e->next;
            leave(e);
            return;
        }
}

int kc_canceled(void)
{
    struct kc_co *self = kci_co_self();
    return self && kci_co_cancelled(self) ? -ECANCELED : 0;
}

void kc_shield(bool on)
{
    struct kc_co *self = kci_co_self();

    if (!self)
        return;
    if (!on && !self->shield)
        KCI_MISUSE("kc_shield(false) without a matching kc_shield(true)");
    self->shield += on ? 1 : -1u;
}
