/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * select/glance.c — most selects find something ready: then one lock is enough.
 *
 * A channel that selects have looked at keeps a *hint*: a version and two bits, "a receive may
 * be ready" and "a send may be ready" (kci_chan_publish). A glance reads hints in polling
 * order, locks the first channel that looks ready, and reads the hints before it once more. If
 * none changed there was a moment, with the lock held and before the second read, at which none
 * of them was ready and this one was: the double collect of Afek et al. (1993). Whoever makes
 * an earlier clause ready and then this one, in this order, is seen by the second read, because
 * taking the lock acquires what he released with it.
 *
 * Anything else (a change, a source without a hint, a moment that has come) is left to
 * select.c, which locks everything. A hint that is late costs this way out, never a wake-up:
 * nobody parks on the word of a hint.
 *
 * A fair select needs no second read: whichever ready clause it takes was ready at that moment.
 *
 * Edges  E-HINT  a hint is stored under the channel's lock; see above
 */
#include "select/glance.h"

#include "chan/chan.h"
#include "sched/sched.h"

enum { MOST = 64 }; // above it the hints take too much stack

enum look { NOT_READY, LOOKS_READY, UNKNOWN };

static uint64_t bit_of(const kc_case_t *c)
{
    return c->kci_op == KCI_CASE_SEND ? KCI_HINT_SEND : KCI_HINT_RECV;
}

static enum look look_at_chan(const kc_case_t *c, uint64_t *seen)
{
    kc_chan_t *ch = c->kci_obj;

    *seen = ka_load(&ch->hint, acquire); // E-HINT
    if (!(*seen & bit_of(c)))
        return NOT_READY;
    return ch->fl->direct ? LOOKS_READY : UNKNOWN;
}

static enum look look_at(const kc_case_t *c, uint64_t *seen)
{
    *seen = 0;
    switch (c->kci_op) {
    case KCI_CASE_SEND:
    case KCI_CASE_RECV:
        return look_at_chan(c, seen);
    case KCI_CASE_NEVER:
        return NOT_READY;
    case KCI_CASE_DONE:
        return kc_cancel_check(c->kci_obj) ? UNKNOWN : NOT_READY;
    case KCI_CASE_AFTER:
        return kc_now() >= c->kci_ns ? UNKNOWN : NOT_READY;
    default:
        return UNKNOWN;
    }
}

static const kc_case_t *nth(const struct kci_glance *g, size_t k)
{
    size_t i = g->first + k;
    return &g->cases[i < g->n ? i : i - g->n];
}

/* Are the first k clauses, in polling order, as they were seen? */
static bool unchanged(const struct kci_glance *g, const uint64_t *seen, size_t k)
{
    while (k-- > 0) {
        uint64_t now;
        if (look_at(nth(g, k), &now) != NOT_READY || now != seen[k])
            return false;
    }
    return true;
}

/* Try clause k, if those before it have not changed. -EAGAIN: not done, for whatever reason. */
static int attempt(const struct kci_glance *g, uint64_t *seen, size_t k, size_t before)
{
    const kc_case_t *cs = nth(g, k);
    kc_chan_t *ch = cs->kci_obj;
    struct kci_clause c;

    kci_clause_init(&c, kci_case_source(cs->kci_op), ch, cs->kci_arg);
    int rc = c.src->prepare(&c);
    if (rc)
        return rc;
    kci_lock(&ch->lock);
    rc = unchanged(g, seen, before) ? c.src->try(&c) : -EAGAIN;
    if (rc == -EAGAIN) {
        ch->watched = true;
        kci_chan_publish(ch);
        seen[k] = ka_load(&ch->hint, relaxed); // relaxed: under the lock
    }
    kci_unlock(&ch->lock);
    kci_claim_finish(c.woken, 0);
    if (rc != -EAGAIN && c.src->settle)
        rc = c.src->settle(&c, rc);
    c.src->cleanup(&c);
    return rc;
}

static bool fired(const struct kci_glance *g, size_t k, int rc, kc_sel_t *result)
{
    if (rc == -EAGAIN)
        return false;
    result->i = rc == 0 || rc == -EPIPE ? (int)(nth(g, k) - g->cases) : -1;
    result->rc = rc;
    return true;
}

static bool in_order(const struct kci_glance *g, kc_sel_t *result)
{
    uint64_t seen[MOST];

    for (size_t k = 0; k < g->n; k++) {
        enum look look = look_at(nth(g, k), &seen[k]);
        if (look == UNKNOWN)
            return false;
        if (look == NOT_READY)
            continue;
        if (fired(g, k, attempt(g, seen, k, k), result))
            return true;
        if (seen[k] & bit_of(nth(g, k))) // still: something changed before it
            return false;
    }
    return false;
}

static bool by_chance(const struct kci_glance *g, kc_sel_t *result)
{
    uint64_t seen[MOST];
    unsigned char ready[MOST];
    unsigned count = 0;

    for (size_t k = 0; k < g->n; k++) {
        enum look look = look_at(nth(g, k), &seen[k]);
        if (look == UNKNOWN)
            return false;
        if (look == LOOKS_READY)
            ready[count++] = (unsigned char)k;
    }
    if (!count)
        return false;
    size_t k = ready[kci_select_draw(count)];
    return fired(g, k, attempt(g, seen, k, 0), result);
}

bool kci_glance(const struct kci_glance *g, kc_sel_t *result)
{
    if (g->n > MOST)
        return false;
    return g->fair ? by_chance(g, result) : in_order(g, result);
}
