/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * sched/reg.c — kc_cancel_on: a function that is called when a token is triggered.
 *
 * A registration is a clause on the token, like KC_DONE, that nobody waits for: its ticket's
 * wake function is the callback's caller. So "exactly once or never" is the ticket's one CAS,
 * and a trigger knows no difference between a waiter and a callback.
 *
 * Locks   none while the callback runs; it may not park, and may do all else
 */
#include <string.h>

#include "sched/call.h"
#include "sched/sched.h"
#include "sched/source.h"

/* What lies in a kc_cancel_reg_t. */
struct reg {
    struct kci_clause clause;
    struct kci_ticket tk;
    struct kci_call call;
    void (*fn)(void *); /* NULL: never registered, or taken back */
    void *arg;
};
_Static_assert(sizeof(struct reg) <= sizeof(kc_cancel_reg_t), "a registration fits its handle");

static void run(struct reg *r)
{
    bool left = false;

    kci_call_begin(&r->call, &left);
    kci_self_nopark(1);
    r->fn(r->arg);
    kci_self_nopark(-1);
    if (!left)
        kci_call_end(&r->call);
}

/* The wake function. */
static void triggered(struct kci_ticket *tk)
{
    struct reg *r = KCI_OF(tk, struct reg, tk);

    (void)kci_clause_settle(&r->clause, tk); // always 0
    run(r);
}

int kc_cancel_on(kc_cancel_t *tk, kc_cancel_reg_t *handle, void (*fn)(void *), void *arg)
{
    struct reg *r = (struct reg *)(void *)handle;

    if (!tk || !r || !fn)
        return -EINVAL;
    memset(r, 0, sizeof *r);
    r->fn = fn;
    r->arg = arg;
    kci_ticket_init(&r->tk, triggered);
    kci_clause_init(&r->clause, &kci_token_source, tk, NULL);
    kci_call_expect(&r->call);
    if (kci_clause_start(&r->clause, &r->tk) == 0)
        run(r); // triggered before, or just now and then nobody else was told
    return 0;
}

int kc_cancel_off(kc_cancel_reg_t *handle)
{
    struct reg *r = (struct reg *)(void *)handle;

    if (!r)
        return -EINVAL;
    if (!r->fn)
        return 0;
    if (kci_clause_stop(&r->clause, &r->tk)) {
        r->fn = NULL;
        return 1;
    }
    if (kci_call_is_mine(&r->call))
        r->fn = NULL; // so that whoever takes it back once more finds nothing
    kci_call_wait(&r->call);
    return 0;
}
