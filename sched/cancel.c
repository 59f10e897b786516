/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * sched/cancel.c — triggering a tree of tokens without recursion and without missing anybody.
 *
 * Trigger: win the flag (CAS), then lock the token, wake its members through their own words,
 * its KC_DONE waiters, and win its children one by one onto a work list. Linking a child locks
 * the parent and looks at the flag: either the trigger's walk sees the child, or the child sees
 * the flag.
 *
 * A deadline is a timer of the runtime that set it. The token keeps that runtime's heap, not
 * the runtime, alive: a token may be the last to go.
 *
 * Edges   E-CANCEL  flag set before the walk reads tickets; see wait.c
 * Locks   one token at a time; a child's flag is won under its parent's lock, its own lock is
 *         taken after that one is released. References keep tokens alive while they are on the
 *         list. Timers' lock inside a token's, never a running callback awaited there.
 */
#include "core/assert.h"
#include "core/mem.h"
#include "sched/sched.h"
#include "sched/source.h"

static int64_t deadline_passed(struct kci_timer *t);

void kci_cancel_init(struct kc_cancel *tk, struct kc_cancel *parent,
                     void (*destroy)(struct kc_cancel *))
{
    // relaxed: not shared yet
    ka_store(&tk->refs, 1, relaxed);
    ka_store(&tk->triggered, 0, relaxed);
    ka_store(&tk->why, 0, relaxed);
    tk->lock = (struct kci_lock){ 0 };
    tk->parent = parent;
    tk->inherited = false;
    tk->destroy = destroy;
    tk->timers = NULL;
    tk->deadline = (struct kci_timer){ .fn = deadline_passed };
    kci_list_init(&tk->children);
    kci_list_init(&tk->sibling);
    kci_list_init(&tk->members);
    kci_list_init(&tk->waiters);
    if (!parent)
        return;
    kc_cancel_ref(parent);
    kci_lock(&parent->lock);
    if (ka_load(&parent->triggered, acquire)) { // E-CANCEL link
        ka_store(&tk->why, ka_load(&parent->why, relaxed), relaxed); // relaxed: both under lock
        tk->inherited = true;
        ka_store(&tk->triggered, 1, release); // E-CANCEL out
    } else {
        kci_list_push(&parent->children, &tk->sibling);
    }
    kci_unlock(&parent->lock);
}

/* Leave the parent's list. Returns the parent (or NULL): the reference is now the caller's. */
static struct kc_cancel *detach(struct kc_cancel *tk)
{
    struct kc_cancel *parent = tk->parent;

    if (!parent)
        return NULL;
    kci_lock(&parent->lock);
    kci_list_remove(&tk->sibling);
    kci_unlock(&parent->lock);
    tk->parent = NULL;
    return parent;
}

void kci_cancel_unlink(struct kc_cancel *tk)
{
    kc_cancel_unref(detach(tk));
}

void kc_cancel_ref(kc_cancel_t *tk)
{
    ka_add(&tk->refs, 1, relaxed); // relaxed: the caller holds one already
}

static bool was_last_ref(struct kc_cancel *tk)
{
    return tk && ka_sub(&tk->refs, 1, acq_rel) == 1; // E-REF
}

void kc_cancel_unref(kc_cancel_t *tk)
{
    if (was_last_ref(tk))
        tk->destroy(tk);
}

static void plain_destroy(struct kc_cancel *tk)
{
    // In a loop: a long chain may live by its leaf alone, and stacks are small.
    for (;;) {
        struct kc_cancel *parent = detach(tk);
        kci_cancel_fini(tk);
        kci_free(tk);
        if (!was_last_ref(parent))
            return;
        tk = parent;
        if (tk->destroy != plain_destroy) {
            tk->destroy(tk); // a scope's: it has left its parent long ago
            return;
        }
    }
}

int kc_cancel_create(kc_cancel_t **out, kc_cancel_t *parent)
{
    struct kc_cancel *tk = out ? kci_alloc(sizeof *tk) : NULL;

    if (!tk)
        return out ? -ENOMEM : -EINVAL;
    kci_cancel_init(tk, parent, plain_destroy);
    *out = tk;
    return 0;
}

/* Win the right to walk tk. */
static bool win(struct kc_cancel *tk, int why, bool inherited)
{
    int zero = 0;

    if (!ka_cas(&tk->why, &zero, why ? why : -ECANCELED, acq_rel, relaxed)) // E-CANCEL
        return false;
    tk->inherited = inherited;
    ka_store(&tk->triggered, 1, seq_cst); // E-CANCEL out
    return true;
}

static void wake_member(struct kci_member *m)
{
    struct kci_claim c;

    if (kci_ticket_claim_any(m->tk, &c))
        kci_claim_finish(c, -ECANCELED);
}

/* A reference, unless the last one is gone and destroy waits for the parent's lock. */
static bool try_ref(struct kc_cancel *tk)
{
    unsigned refs = ka_load(&tk->refs, relaxed); // relaxed: the exchange decides

    while (refs)
        if (ka_cas(&tk->refs, &refs, refs + 1, relaxed, relaxed)) // relaxed: as kc_cancel_ref
            return true;
    return false;
}

/* Push the children that we won onto the work list, with a reference each. Under tk->lock. */
static void queue_children(struct kc_cancel *tk, struct kc_cancel **work)
{
    KCI_EACH(it, &tk->children) {
        struct kc_cancel *child = KCI_OF(it, struct kc_cancel, sibling);
        // relaxed: why was set before triggered
        if (win(child, ka_load(&tk->why, relaxed), true) && try_ref(child)) {
            child->next = *work;
            *work = child;
        }
    }
}

/* One at a time: a callback may take another one back, which must still be there then. */
static void wake_waiters(struct kc_cancel *tk)
{
    struct kci_claim c;

    do {
        kci_lock(&tk->lock);
        kci_queue_claim(&tk->waiters, &c);
        kci_unlock(&tk->lock);
        kci_claim_finish(c, 0);
    } while (c.tk);
}

static void walk(struct kc_cancel *tk, struct kc_cancel **work)
{
    kci_lock(&tk->lock);
    KCI_EACH(it, &tk->members)
        wake_member(KCI_OF(it, struct kci_member, node));
    queue_children(tk, work);
    kci_unlock(&tk->lock);
    wake_waiters(tk);
}

int kc_cancel_trigger(kc_cancel_t *tk, int why)
{
    struct kc_cancel *work = NULL;

    if (!tk)
        return -EINVAL;
    kci_self_point();
    if (!win(tk, why, false)) {
        while (!kc_cancel_check(tk)) // about to be: "already" must not come too early
            kci_os_yield_thread();
        return -EALREADY;
    }
    kc_cancel_ref(tk);
    tk->next = NULL;
    for (work = tk; work;) {
        struct kc_cancel *t = work;
        work = t->next;
        walk(t, &work);
        kc_cancel_unref(t);
    }
    return 0;
}

int kc_cancel_check(const kc_cancel_t *tk)
{
    return ka_load(&tk->triggered, acquire) ? -ECANCELED : 0; // E-CANCEL in
}

int kc_cancel_why(const kc_cancel_t *tk)
{
    if (!ka_load(&tk->triggered, acquire)) // E-CANCEL in
        return 0;
    return ka_load(&tk->why, relaxed); // relaxed: set before triggered
}

/* ---- deadlines ---- */

static int64_t deadline_passed(struct kci_timer *t)
{
    struct kc_cancel *tk = KCI_OF(t, struct kc_cancel, deadline);

    if (try_ref(tk)) { // else whoever destroys it waits for us
        kc_cancel_trigger(tk, -ETIME);
        kc_cancel_unref(tk);
    }
    return 0;
}

/* The earlier of two deadlines wins, wherever it was set. */
static void expire_at(struct kc_cancel *tk, struct kci_timers *ts, int64_t when_ns)
{
    struct kci_timers *old = NULL;

    kci_lock(&tk->lock);
    if (!tk->timers || kci_timer_pull(tk->timers, &tk->deadline, when_ns)) {
        if (tk->timers != ts) {
            kci_timers_ref(ts);
            old = tk->timers;
            tk->timers = ts;
        }
        kci_timer_arm(ts, &tk->deadline, when_ns);
    }
    kci_unlock(&tk->lock);
    kci_timers_unref(old);
}

int kc_cancel_deadline(kc_cancel_t *tk, kc_deadline_t dl)
{
    struct kc_rt *rt = kc_rt_current();

    if (!tk)
        return -EINVAL;
    if (kc_cancel_check(tk))
        return -EALREADY;
    if (dl.ns == INT64_MAX)
        return 0;
    if (dl.ns <= kc_now())
        return kc_cancel_trigger(tk, -ETIME);
    if (!rt)
        return -EPERM;
    expire_at(tk, rt->timers, dl.ns);
    return 0;
}

void kci_cancel_calm(struct kc_cancel *tk)
{
    kci_lock(&tk->lock);
    struct kci_timers *ts = tk->timers;
    kci_unlock(&tk->lock);
    if (ts)
        kci_timer_disarm(ts, &tk->deadline);
}

void kci_cancel_fini(struct kc_cancel *tk)
{
    kci_cancel_calm(tk);
    kci_timers_unref(tk->timers);
}

/* ---- a token as something to select on ---- */

static struct kci_lock *token_lock(void *obj)
{
    return &((struct kc_cancel *)obj)->lock;
}

static int token_try(struct kci_clause *c)
{
    return kc_cancel_check(c->obj) ? 0 : -EAGAIN;
}

static int token_arm(struct kci_clause *c)
{
    kci_list_push(&((struct kc_cancel *)c->obj)->waiters, &c->wt.node);
    return 0;
}

static void token_hold(void *obj)
{
    kc_cancel_ref(obj);
}

static void token_release(struct kci_clause *c)
{
    kc_cancel_unref(c->obj);
}

const struct kci_source kci_token_source = {
    .why = KCI_WHY_SELECT,
    .lock = token_lock,
    .try = token_try,
    .arm = token_arm,
    .disarm = kci_clause_dequeue,
    .hold = token_hold,
    .release = token_release,
};
