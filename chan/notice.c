/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * chan/notice.c — telling monitors that an actor has ended.
 *
 * A notice is made when the monitor is set up, so that the end needs no memory for it. If its
 * channel has no room it becomes a send without a caller that waits (kci_clause_start), and
 * belongs to the sender's scope, which takes it back when it closes. Two then have to let go of
 * it, the scope and the verdict; the second one frees it.
 */
#include <kcoro/scope.h>

#include "chan/actor.h"
#include "core/mem.h"

struct notice {
    struct kci_list node; /* actor's lock */
    kc_chan_t *exits;     /* a reference */
    kc_actor_exit_t exit;
    struct kci_clause clause;
    struct kci_ticket tk;
    bool waits;           /* the clause was armed: the verdict will come */
    _Atomic(unsigned) users;
};

static void discard(struct notice *n)
{
    kc_chan_unref(n->exits);
    kci_free(n);
}

static void let_go(struct notice *n)
{
    if (ka_sub(&n->users, 1, acq_rel) == 1) // E-REF
        discard(n);
}

static void verdict(struct kci_ticket *tk)
{
    struct notice *n = KCI_OF(tk, struct notice, tk);

    kci_clause_settle(&n->clause, tk);
    let_go(n);
}

/* The scope closes. */
static void take_back(void *arg)
{
    struct notice *n = arg;

    if (n->waits && kci_clause_stop(&n->clause, &n->tk))
        discard(n);
    else
        let_go(n);
}

/* There is no room: wait for it, in nobody's turn. */
static void send_later(struct notice *n)
{
    kc_scope_t *scope = kc_scope_current();

    if (!scope || kc_scope_own(scope, n, take_back)) {
        int rc = kc_chan_send(n->exits, &n->exit, KC_FOREVER);
        (void)rc; // closed, or we are cancelled: nobody is told
        discard(n);
        return;
    }
    ka_store(&n->users, 2, relaxed); // relaxed: arming publishes it
    n->waits = true;
    kci_clause_init(&n->clause, &kci_send_source, n->exits, &n->exit);
    kci_ticket_init(&n->tk, verdict);
    if (kci_clause_start(&n->clause, &n->tk) != -EINPROGRESS) {
        kc_scope_disown(scope, n);
        discard(n);
    }
}

static void send(struct notice *n, kc_actor_t *a, int why)
{
    n->exit = (kc_actor_exit_t){ .actor = a, .why = why };
    kc_shield(true);
    int rc = kc_chan_send(n->exits, &n->exit, KC_TRY);
    kc_shield(false);
    if (rc == -EAGAIN)
        send_later(n);
    else
        discard(n);
}

void kci_notices_send(struct kci_list *notices, kc_actor_t *a, int why)
{
    while (!kci_list_empty(notices))
        send(KCI_OF(kci_list_pop(notices), struct notice, node), a, why);
}

int kc_actor_monitor(kc_actor_t *a, kc_chan_t *exits)
{
    if (!a || !exits || exits->elem_size != sizeof(kc_actor_exit_t))
        return -EINVAL;
    struct notice *n = kci_zalloc(sizeof *n);
    if (!n)
        return -ENOMEM;
    n->exits = kc_chan_ref(exits);
    kci_lock(&a->lock);
    bool late = a->ended;
    if (!late)
        kci_list_push(&a->notices, &n->node);
    kci_unlock(&a->lock);
    if (late)
        send(n, a, a->why); // final once ended
    return 0;
}
