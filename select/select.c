/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * select/select.c — poll → arm → park → disarm losers → report.
 *
 * A glance (glance.c) deals with most selects that have something ready. Here is the reference
 * method: all distinct locks are held, in address order, while the clauses are tried and, if
 * none was ready, armed: an atomic snapshot, and nobody can act between the look and the wait.
 * All waiters share the caller's ticket; the first partner to claim it decides, with one CAS. A
 * select that is not parked has nothing queued anywhere, so two selects never claim each other
 * at once and a select never matches itself.
 *
 * Moments (KC_AFTER) are not armed: the earliest is merged with the deadline.
 *
 * Rejected  locking one channel at a time (Kotlin): cheaper for many clauses, but a try-receive
 *           can then fail although one of two channels was ready at every moment.
 */
#include <kcoro/select.h>

#include "chan/chan.h"
#include "core/mem.h"
#include "io/reactor.h"
#include "sched/sched.h"
#include "select/glance.h"
#include "select/order.h"

enum { SMALL = 8 };

/* One call's working memory; lists of n. */
struct selection {
    struct kci_clause *clauses;
    struct kci_lock **locks;
    uint16_t *order;
    size_t n, nlocks;
    int after;        /* earliest moment clause, or -1 */
    int refused;      /* clause that could not be armed, or -1 */
    kc_deadline_t dl; /* the caller's, or that moment if earlier */
};

/* ---- building ---- */

const struct kci_source *kci_case_source(int op)
{
    switch (op) {
    case KCI_CASE_SEND:
        return &kci_send_source;
    case KCI_CASE_RECV:
    case KCI_CASE_RECV_DESC:
        return &kci_recv_source;
    case KCI_CASE_SEND_DESC:
        return &kci_send_desc_source;
    case KCI_CASE_DONE:
        return &kci_token_source;
    case KCI_CASE_JOIN:
        return &kci_join_source;
    case KCI_CASE_AWAIT:
        return &kci_future_source;
    case KCI_CASE_FD:
        return &kci_fd_source;
    default:
        return NULL; // disabled, or a moment
    }
}

/* Is the element there, and of the channel's mode? */
static int check_elem(const kc_case_t *c, bool desc)
{
    const kc_chan_t *ch = c->kci_obj;
    bool needed = desc || (c->kci_op == KCI_CASE_SEND && ch->elem_size);

    if (needed && !c->kci_arg)
        return -EINVAL;
    return kci_chan_is_zref(ch) == desc ? 0 : -ENOTSUP;
}

static int check_case(const kc_case_t *c)
{
    switch (c->kci_op) {
    case KCI_CASE_SEND:
    case KCI_CASE_RECV:
        return check_elem(c, false);
    case KCI_CASE_SEND_DESC:
    case KCI_CASE_RECV_DESC:
        return check_elem(c, true);
    case KCI_CASE_FD:
        return (uintptr_t)c->kci_arg - 1 < (KC_RD | KC_WR) ? 0 : -EINVAL; // not 0, not more
    default:
        return c->kci_op < 0 || c->kci_op >= KCI_CASE_COUNT ? -EINVAL : 0;
    }
}

static int check(const kc_case_t *cases, size_t n, unsigned flags)
{
    int rc = cases && n && n <= KC_SEL_MAX && flags <= KC_SEL_ROTATE ? 0 : -EINVAL;

    for (size_t i = 0; i < n && !rc; i++)
        rc = check_case(&cases[i]);
    return rc;
}

static void note_moment(struct selection *s, const kc_case_t *c, int i)
{
    // At the same moment as the deadline the clause is ready, and what is ready wins.
    bool earlier = c->kci_ns < s->dl.ns || (c->kci_ns == s->dl.ns && s->after < 0);

    if (c->kci_op == KCI_CASE_AFTER && earlier) {
        s->after = i;
        s->dl = kc_at(c->kci_ns == INT64_MIN ? 1 : c->kci_ns);
    }
}

static void cleanup(struct selection *s, size_t prepared)
{
    for (size_t i = 0; i < prepared; i++) {
        struct kci_clause *c = &s->clauses[i];
        if (c->src && c->src->cleanup)
            c->src->cleanup(c);
    }
}

static int build(struct selection *s, const kc_case_t *cases)
{
    size_t nlocks = 0;

    for (size_t i = 0; i < s->n; i++) {
        struct kci_clause *c = &s->clauses[i];
        const struct kci_source *src = kci_case_source(cases[i].kci_op);
        kci_clause_init(c, src, cases[i].kci_obj, cases[i].kci_arg);
        c->ns = cases[i].kci_op == KCI_CASE_AFTER ? cases[i].kci_ns : INT64_MAX;
        c->shared = true;
        int rc = c->src && c->src->prepare ? c->src->prepare(c) : 0;
        if (rc) {
            cleanup(s, i);
            return rc;
        }
        if (c->src)
            s->locks[nlocks++] = c->src->lock(c->obj);
    }
    s->nlocks = kci_order_locks(s->locks, nlocks);
    return 0;
}

unsigned kci_select_draw(unsigned n)
{
    struct kc_co *co = kci_co_self();
    // The high half times n: no modulo bias worth speaking of for n <= 512.
    unsigned i = (unsigned)((kci_random() >> 32) * n >> 32);

    return co ? kci_decide(&co->rt->env, KCI_CHOICE_SELECT, n, i) : i;
}

/* Where a rotating select begins. */
static size_t rotation(size_t n, unsigned flags)
{
    struct kc_co *co = flags == KC_SEL_ROTATE ? kci_co_self() : NULL;
    return co ? co->rotate % n : 0;
}

static void put_in_order(struct selection *s, unsigned flags)
{
    if (flags == KC_SEL_FAIR)
        kci_order_shuffle(s->order, s->n, kci_select_draw);
    else
        kci_order_from(s->order, s->n, rotation(s->n, flags));
}

/* ---- the snapshot ---- */

static void lock_all(struct selection *s)
{
    for (size_t i = 0; i < s->nlocks; i++)
        kci_lock(s->locks[i]);
}

static void unlock_all(struct selection *s)
{
    for (size_t i = s->nlocks; i-- > 0;)
        kci_unlock(s->locks[i]);
}

/* The first clause, in polling order, that can be completed now; -1: none. Locked. */
static int try_all(struct selection *s, int *rc)
{
    for (size_t i = 0; i < s->n; i++) {
        struct kci_clause *c = &s->clauses[s->order[i]];
        if (c->src)
            *rc = c->src->try(c);
        else
            *rc = c->ns != INT64_MAX && kc_now() >= c->ns ? 0 : -EAGAIN;
        if (*rc != -EAGAIN)
            return s->order[i];
    }
    return -1;
}

static int arm(struct kci_clause *c, struct kci_ticket *tk, uint64_t gen, int index)
{
    kci_waiter_init(&c->wt, tk, gen, c->arg);
    c->wt.index = index;
    if (c->src->hold)
        c->src->hold(c->obj);
    return c->src->arm(c);
}

static void release_first(struct selection *s, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        struct kci_clause *c = &s->clauses[i];
        if (c->src && c->src->release)
            c->src->release(c);
    }
}

/* Queue a waiter on every object, or on none. Then the clause that failed is s->refused, and
 * all up to it are to be released once unlocked. Locked. */
static int arm_all(struct selection *s, struct kci_ticket *tk, uint64_t gen)
{
    for (size_t i = 0; i < s->n; i++) {
        int rc = s->clauses[i].src ? arm(&s->clauses[i], tk, gen, (int)i) : 0;
        if (!rc)
            continue;
        s->refused = (int)i;
        while (i-- > 0) // no clause of a select is asynchronous, so this cannot come too late
            if (s->clauses[i].src)
                (void)s->clauses[i].src->disarm(&s->clauses[i]);
        return rc;
    }
    return 0;
}

/* ---- the wait ---- */

static void withdraw_losers(struct selection *s, int winner)
{
    for (size_t i = 0; i < s->n; i++) {
        struct kci_clause *c = &s->clauses[i];
        if (!c->src)
            continue;
        if ((int)i == winner) { // its partner dequeued it
            if (c->src->release)
                c->src->release(c);
            continue;
        }
        struct kci_lock *lock = c->src->lock(c->obj);
        kci_lock(lock);
        (void)c->src->disarm(c); // see arm_all
        kci_unlock(lock);
        if (c->src->release)
            c->src->release(c);
    }
}

/* The clause fired, or could not be: then the whole select fails. A source that fired may have
 * any result. */
static kc_sel_t settled(struct selection *s, int i, int rc)
{
    struct kci_clause *c = &s->clauses[i];
    bool fired = rc >= 0 || rc == -EPIPE || c->src->any_rc;

    if (c->src && c->src->settle)
        rc = c->src->settle(c, rc);
    return (kc_sel_t){ fired ? i : -1, rc };
}

static kc_sel_t park(struct selection *s, struct kci_ticket *tk)
{
    int rc = kci_self_park(tk, s->dl, KCI_WHY_SELECT, s->clauses[0].obj);
    int winner = tk->index;
    kc_sel_t result = { -1, rc };

    if (winner >= 0)
        result = settled(s, winner, rc);
    else if (rc == -ETIME && s->after >= 0)
        result = (kc_sel_t){ s->after, 0 };
    withdraw_losers(s, winner);
    return result;
}

/* Nothing was ready. Locked; unlocks. */
static kc_sel_t wait_locked(struct selection *s)
{
    struct kci_ticket *tk = NULL;
    int rc = kci_deadline_check(s->dl);

    if (!rc && !(tk = kci_self_ticket()))
        rc = -EPERM;
    if (!rc)
        rc = arm_all(s, tk, kci_self_open(tk));
    unlock_all(s);
    if (!rc)
        return park(s, tk);
    if (tk)
        kci_self_abandon(tk);
    release_first(s, (size_t)(s->refused + 1));
    if (s->refused >= 0 && s->clauses[s->refused].src->any_rc)
        return (kc_sel_t){ s->refused, rc };
    return rc == -ETIME && s->after >= 0 ? (kc_sel_t){ s->after, 0 } : (kc_sel_t){ -1, rc };
}

static kc_sel_t run(struct selection *s, unsigned flags)
{
    int rc = 0;

    put_in_order(s, flags);
    lock_all(s);
    int i = try_all(s, &rc);
    kc_sel_t result;
    if (i < 0) {
        result = wait_locked(s);
    } else {
        unlock_all(s);
        kci_claim_finish(s->clauses[i].woken, 0);
        result = settled(s, i, rc);
    }
    cleanup(s, s->n);
    return result;
}

static kc_sel_t start(struct selection *s, const kc_case_t *cases, unsigned flags)
{
    // With KC_TRY nothing is earlier: a moment that has passed is found by try_all.
    for (size_t i = 0; i < s->n; i++)
        note_moment(s, &cases[i], (int)i);
    int rc = build(s, cases);
    return rc ? (kc_sel_t){ -1, rc } : run(s, flags);
}

static kc_sel_t start_small(struct selection *s, const kc_case_t *cases, unsigned flags)
{
    struct kci_clause clauses[SMALL];
    struct kci_lock *locks[SMALL];
    uint16_t order[SMALL];

    s->clauses = clauses;
    s->locks = locks;
    s->order = order;
    return start(s, cases, flags);
}

static kc_sel_t start_large(struct selection *s, const kc_case_t *cases, unsigned flags)
{
    char *block = kci_alloc(s->n * (sizeof *s->clauses + sizeof *s->locks + sizeof *s->order));

    if (!block)
        return (kc_sel_t){ -1, -ENOMEM };
    s->clauses = (struct kci_clause *)(void *)block;
    s->locks = (struct kci_lock **)(void *)(s->clauses + s->n);
    s->order = (uint16_t *)(void *)(s->locks + s->n);
    kc_sel_t result = start(s, cases, flags);
    kci_free(block);
    return result;
}

static kc_sel_t select_any(const kc_case_t *cases, size_t n, kc_deadline_t dl, unsigned flags)
{
    struct kci_glance g = { cases, n, rotation(n, flags), flags == KC_SEL_FAIR };
    struct selection s = { .n = n, .after = -1, .refused = -1, .dl = dl };
    kc_sel_t result;

    if (kci_glance(&g, &result))
        return result;
    return n <= SMALL ? start_small(&s, cases, flags) : start_large(&s, cases, flags);
}

kc_sel_t kc_selectv(kc_case_t *cases, size_t n, kc_deadline_t dl, unsigned flags)
{
    int rc = check(cases, n, flags);

    if (rc || (rc = kci_self_enter()))
        return (kc_sel_t){ -1, rc };
    kc_sel_t result = select_any(cases, n, dl, flags);
    struct kc_co *co = flags == KC_SEL_ROTATE ? kci_co_self() : NULL;
    if (co && result.i >= 0)
        co->rotate = (unsigned)result.i + 1;
    return result;
}
