/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * sched/scope.c — opening, filling, joining and closing scopes.
 *
 * Invariants  live counts the children between kci_scope_enter and kci_scope_leave
 *             a scope's body lives as long as its token; an open scope holds a reference to it
 *             once live is 0 and the joiner was woken, a leaving child does not touch the body
 *             a result is kept or somebody waits for one, never both
 *             closed is set in the section that sees live == 0, so nobody enters after it
 * Locks       token.lock. Triggering, waking and dropping what is owned happen outside.
 */
#include "core/assert.h"
#include "core/mem.h"
#include "sched/sched.h"
#include "sched/source.h"

static void scope_destroy(struct kc_cancel *tk)
{
    struct kci_scope *s = KCI_OF(tk, struct kci_scope, token);

    kci_cancel_fini(tk);
    kci_results_free(&s->results);
    kci_free(s);
}

struct kci_scope *kci_scope_create(struct kc_rt *rt, struct kc_cancel *parent)
{
    struct kci_scope *s = kci_zalloc(sizeof *s);

    if (!s)
        return NULL;
    s->rt = rt;
    kci_list_init(&s->joiners);
    kci_list_init(&s->askers);
    kci_cancel_init(&s->token, parent, scope_destroy);
    return s;
}

/* Under the lock. -ENOBUFS: a place for the result is missing. */
static int admit(struct kci_scope *s, struct kci_member *m)
{
    if (s->closed || ka_load(&s->token.triggered, acquire)) // E-CANCEL link
        return -ECANCELED;
    if (s->limit && s->live >= s->limit)
        return -EAGAIN;
    if (s->keeps && !kci_results_reserve(&s->results))
        return -ENOBUFS;
    s->live++;
    kci_list_push(&s->token.members, &m->node);
    return 0;
}

int kci_scope_enter(struct kci_scope *s, struct kci_member *m)
{
    struct kci_results_block *b = NULL;
    int rc = 0;

    for (;;) {
        kci_lock(&s->token.lock);
        bool first = !s->results.head;
        if (b)
            kci_results_add(&s->results, b);
        rc = admit(s, m);
        kci_unlock(&s->token.lock);
        if (rc != -ENOBUFS)
            return rc;
        if (!(b = kci_results_block(first)))
            return -ENOMEM;
    }
}

/* Should the others stop because of this result? Under the lock. */
static bool decides(struct kci_scope *s, const struct kc_co *co, int ret)
{
    bool cancelled = ka_load(&s->token.triggered, relaxed); // relaxed: under the walk's lock
    // What ends after the cancel ends because of it; who was told to stop and says so, obeys.
    bool failed = ret < 0 && !cancelled && !(ret == -ECANCELED && co->told);

    if (failed && !s->first_error)
        s->first_error = ret;
    if (ret >= 0)
        s->succeeded = true;
    return (s->policy == KC_FAILFAST && failed) || (s->policy == KC_RACE && ret >= 0);
}

/* Give the result to who asks for it, or keep it. Under the lock. */
static void report(struct kci_scope *s, const struct kc_co *co, int ret, struct kci_claim *told)
{
    struct kci_waiter *wt = kci_queue_claim(&s->askers, told);

    if (!s->keeps)
        return;
    if (wt) {
        *(struct kci_result *)wt->elem = (struct kci_result){ co->id, ret };
        kci_results_unreserve(&s->results);
    } else {
        kci_results_put(&s->results, co->id, ret);
    }
}

void kci_scope_leave(struct kci_scope *s, struct kc_co *co, int ret)
{
    struct kci_list woken, in_vain;
    struct kci_claim told;

    kci_list_init(&woken);
    kci_list_init(&in_vain);
    kci_lock(&s->token.lock);
    if (decides(s, co, ret)) { // before it counts as gone: the scope must not close meanwhile
        kci_unlock(&s->token.lock);
        kc_cancel_trigger(&s->token, ret < 0 ? ret : -ECANCELED);
        kci_lock(&s->token.lock);
    }
    kci_list_remove(&co->member.node);
    KCI_ASSERT(s->live > 0);
    s->live--;
    report(s, co, ret, &told);
    if (s->live <= s->rest)
        kci_queue_claim_all(&s->joiners, &woken);
    if (s->live == 0)
        kci_queue_claim_all(&s->askers, &in_vain);
    kci_unlock(&s->token.lock);
    kci_claim_finish(told, 0);
    kci_waiters_finish(&in_vain, -ECHILD);
    kci_waiters_finish(&woken, 0);
}

/* ---- waiting for the children ---- */

static struct kci_lock *scope_lock(void *obj)
{
    return &((struct kci_scope *)obj)->token.lock;
}

static void hold(void *obj)
{
    kc_cancel_ref(&((struct kci_scope *)obj)->token);
}

static void let_go(struct kci_clause *c)
{
    kc_cancel_unref(&((struct kci_scope *)c->obj)->token);
}

static int rest_try(struct kci_clause *c)
{
    return ((struct kci_scope *)c->obj)->live <= *(unsigned *)c->arg ? 0 : -EAGAIN;
}

static int rest_arm(struct kci_clause *c)
{
    struct kci_scope *s = c->obj;

    s->rest = *(unsigned *)c->arg;
    kci_list_push(&s->joiners, &c->wt.node);
    return 0;
}

/* Few enough are left: arg is how many (unsigned *). */
static const struct kci_source rest_source = {
    .why = KCI_WHY_SCOPE,
    .lock = scope_lock,
    .try = rest_try,
    .arm = rest_arm,
    .disarm = kci_clause_dequeue,
    .hold = hold,
    .release = let_go,
};

static int next_try(struct kci_clause *c)
{
    struct kci_scope *s = c->obj;
    struct kci_results_block *spent;

    if (kci_results_take(&s->results, c->arg, &spent)) {
        c->scratch = spent;
        return 0;
    }
    return s->live ? -EAGAIN : -ECHILD;
}

static int next_arm(struct kci_clause *c)
{
    kci_list_push(&((struct kci_scope *)c->obj)->askers, &c->wt.node);
    return 0;
}

static void next_cleanup(struct kci_clause *c)
{
    kci_free(c->scratch);
}

/* One more result: arg is where it goes (struct kci_result *). */
static const struct kci_source next_source = {
    .why = KCI_WHY_SCOPE,
    .cleanup = next_cleanup,
    .lock = scope_lock,
    .try = next_try,
    .arm = next_arm,
    .disarm = kci_clause_dequeue,
    .hold = hold,
    .release = let_go,
};

void kci_scope_join(struct kci_scope *s, unsigned rest)
{
    kc_shield(true);
    int rc = kci_source_wait(&rest_source, s, &rest, KC_FOREVER);
    kc_shield(false);
    KCI_ASSERT(rc == 0);
}

/* Does s wait for the caller, or for somebody who does? */
static bool waits_for_caller(const struct kci_scope *s)
{
    const struct kc_co *co = kci_co_self();

    for (; co; co = co->home->owner) // an open scope's owner is there
        if (co->home == s)
            return true;
    return false;
}

int kc_scope_wait(kc_scope_t *handle, kc_deadline_t dl)
{
    struct kci_scope *s = kci_scope_body(handle);
    unsigned none = 0;

    if (!s)
        return -EINVAL;
    return waits_for_caller(s) ? -EDEADLK : kci_source_wait(&rest_source, s, &none, dl);
}

int kc_scope_next(kc_scope_t *handle, uint64_t *id, int *ret, kc_deadline_t dl)
{
    struct kci_scope *s = kci_scope_body(handle);
    struct kci_result r;

    if (!s)
        return -EINVAL;
    if (waits_for_caller(s))
        return -EDEADLK;
    int rc = s->keeps ? kci_source_wait(&next_source, s, &r, dl) : -ENOTSUP;
    if (!rc && id)
        *id = r.id;
    if (!rc && ret)
        *ret = r.ret;
    return rc;
}

/* ---- open and close ---- */

static void move_member(struct kci_member *m, struct kc_cancel *from, struct kc_cancel *to)
{
    kci_lock(&from->lock);
    kci_list_remove(&m->node);
    kci_unlock(&from->lock);
    kci_lock(&to->lock);
    kci_list_push(&to->members, &m->node);
    kci_unlock(&to->lock);
}

static void observe(struct kci_scope *s, struct kc_co *owner)
{
    s->owner = owner;
    s->outer = owner->scope;
    move_member(&owner->member, &owner->scope->token, &s->token);
    owner->scope = s;
}

int kc_scope_open(kc_scope_t *handle, const kc_scope_opts_t *opts)
{
    static const kc_scope_opts_t none;
    struct kc_co *self = kci_co_self();

    opts = opts ? opts : &none;
    if (!handle || opts->policy < KC_FAILFAST || opts->policy > KC_RACE ||
        opts->flags & ~KC_SCOPE_FORGET)
        return -EINVAL;
    if (!self || self->nopark)
        return -EPERM;
    struct kci_scope *s = kci_scope_create(self->rt, &self->scope->token);
    if (!s)
        return -ENOMEM;
    *handle = (kc_scope_t){ .kci_body = s };
    s->handle = handle;
    s->policy = opts->policy;
    s->limit = opts->limit;
    s->keeps = !(opts->flags & KC_SCOPE_FORGET);
    s->name = opts->name;
    observe(s, self);
    if (opts->deadline.ns != 0)
        (void)kc_cancel_deadline(&s->token, opts->deadline); // born cancelled is early enough
    return 0;
}

static int outcome(struct kci_scope *s)
{
    if (s->policy == KC_RACE && s->succeeded)
        return 0;
    if (s->first_error)
        return s->first_error;
    bool from_above = kc_cancel_check(&s->token) && s->token.inherited;
    return from_above ? -ECANCELED : kc_cancel_why(&s->token);
}

static void drop_owned(struct kci_owned *o)
{
    while (o) {
        struct kci_owned *next = o->next;
        o->drop(o->obj);
        kci_free(o);
        o = next;
    }
}

static void forget(struct kci_scope *s, struct kc_co *owner)
{
    move_member(&owner->member, &s->token, &s->outer->token);
    kci_cancel_unlink(&s->token);
    owner->scope = s->outer;
}

/* Join until nobody came in between: from then on nobody can. */
static void join_and_seal(struct kci_scope *s)
{
    while (!s->closed) {
        kci_scope_join(s, 0);
        kci_lock(&s->token.lock);
        s->closed = s->live == 0;
        kci_unlock(&s->token.lock);
    }
}

int kc_scope_close(kc_scope_t *handle)
{
    struct kci_scope *s = kci_scope_body(handle);
    struct kc_co *self = kci_co_self();

    if (!s)
        return -EINVAL;
    if (!self || s->owner != self || self->scope != s)
        KCI_MISUSE("kc_scope_close: not the innermost scope of the calling coroutine");
    if (self->nopark)
        return -EPERM;
    join_and_seal(s);
    kci_cancel_calm(&s->token);
    int rc = outcome(s);
    forget(s, self);
    handle->kci_body = NULL;
    drop_owned(s->owned);
    kc_cancel_unref(&s->token);
    return rc;
}

int kc_scope_cancel(kc_scope_t *handle, int why)
{
    struct kci_scope *s = kci_scope_body(handle);
    return s ? kc_cancel_trigger(&s->token, why) : -EINVAL;
}

kc_scope_t *kc_scope_current(void)
{
    struct kc_co *self = kci_co_self();
    return self ? self->scope->handle : NULL;
}

kc_cancel_t *kc_scope_token(kc_scope_t *handle)
{
    struct kci_scope *s = kci_scope_body(handle);
    return s ? &s->token : NULL;
}

/* ---- owned objects ---- */

int kc_scope_own(kc_scope_t *handle, void *obj, void (*drop)(void *))
{
    struct kci_scope *s = kci_scope_body(handle);
    struct kci_owned *o = s && drop ? kci_alloc(sizeof *o) : NULL;

    if (!o)
        return s && drop ? -ENOMEM : -EINVAL;
    o->obj = obj;
    o->drop = drop;
    kci_lock(&s->token.lock);
    o->next = s->owned;
    s->owned = o;
    kci_unlock(&s->token.lock);
    return 0;
}

int kc_scope_disown(kc_scope_t *handle, void *obj)
{
    struct kci_scope *s = kci_scope_body(handle);
    struct kci_owned *found = NULL;

    if (!s)
        return -EINVAL;
    kci_lock(&s->token.lock);
    for (struct kci_owned **p = &s->owned; *p; p = &(*p)->next)
        if ((*p)->obj == obj) {
            found = *p;
            *p = found->next;
            break;
        }
    kci_unlock(&s->token.lock);
    kci_free(found);
    return found ? 0 : -ENOENT;
}
