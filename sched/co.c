/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * sched/co.c — birth and death of coroutines.
 *
 * Picture   lo [ guard | … stack grows down … | copied args | struct kc_co ] top
 * Life      spawned (in its scope, runnable) → runs → ended: joiners woken, out of the scope →
 *           the post-switch callback drops the runner's reference; the last reference frees the
 *           stack.
 */
#include <string.h>

#include "core/assert.h"
#include "core/mem.h"
#include "sched/sched.h"
#include "sched/source.h"

void kci_co_wake(struct kci_ticket *tk)
{
    kci_ready(KCI_OF(tk, struct kc_co, tk));
}

static void run_deferred(struct kc_co *co)
{
    while (co->deferred) {
        struct kci_deferred *d = co->deferred;
        co->deferred = d->next;
        d->fn(d->arg);
        kci_free(d);
    }
}

static void finish(struct kc_co *co, int ret)
{
    struct kci_list woken;

    if (co->scope != co->home)
        KCI_MISUSE("a coroutine ended without closing a scope that it had opened");
    kci_entered_leave_all(&co->entered);
    kci_list_init(&woken);
    kci_lock(&co->lock);
    co->ended = true;
    co->ret = ret;
    kci_queue_claim_all(&co->joiners, &woken);
    kci_unlock(&co->lock);
    kci_waiters_finish(&woken, 0);
    ka_add(&co->rt->stat_completed, 1, relaxed); // relaxed: a counter
    kci_scope_leave(co->home, co, ret);
}

static void co_main(void *arg)
{
    struct kc_co *co = arg;

    kci_note_in(co);
    int ret = co->fn(co->arg);
    run_deferred(co);
    finish(co, ret);
    kci_sched_exit(co);
}

/* Lay out the top of the stack. Returns NULL when the arguments take too much of it. */
static struct kc_co *place(const struct kci_stack *st, const struct kci_spawn *how, void **sp)
{
    struct kc_co *co = (struct kc_co *)(void *)(st->top - (sizeof *co + 63) / 64 * 64);

    if (how->args_bytes > (size_t)(st->top - st->lo) / 4)
        return NULL;
    unsigned char *args = (unsigned char *)co - (how->args_bytes + 15) / 16 * 16;
    memset(co, 0, sizeof *co);
    co->stack = *st;
    co->arg = (void *)(uintptr_t)how->args;
    if (how->args_bytes)
        co->arg = memcpy(args, how->args, how->args_bytes);
    *sp = args;
    return co;
}

static void init(struct kc_co *co, struct kc_rt *rt, const struct kci_spawn *how, unsigned refs)
{
    co->rt = rt;
    co->stacks = rt->stacks;
    co->fn = how->fn;
    co->name = how->attr ? how->attr->name : NULL;
    co->scope = co->home = how->scope;
    co->budget = rt->budget;
    co->id = ka_add(&rt->next_id, 1, relaxed) + 1; // relaxed: only unique
    co->member.tk = &co->tk;
    kci_list_init(&co->member.node);
    kci_list_init(&co->joiners);
    kci_ticket_init(&co->tk, kci_co_wake);
    ka_store(&co->refs, refs, relaxed); // relaxed: not shared yet
}

int kci_co_spawn(struct kc_rt *rt, const struct kci_spawn *how, struct kc_co **out)
{
    size_t bytes = how->attr && how->attr->stack_size ? how->attr->stack_size : rt->stack_bytes;
    struct kci_stack st;
    void *sp;
    int rc;

    if (!how->fn || (how->attr && how->attr->flags))
        return -EINVAL;
    if ((rc = kci_stack_get(rt->stacks, bytes < KCI_STACK_MIN ? KCI_STACK_MIN : bytes, &st)))
        return rc;
    struct kc_co *co = place(&st, how, &sp);
    rc = co ? 0 : -EOVERFLOW;
    if (!rc) {
        init(co, rt, how, out ? 2 : 1);
        rc = kci_scope_enter(how->scope, &co->member);
    }
    if (rc) {
        kci_stack_put(rt->stacks, &st);
        return rc;
    }
    kci_coro_init(&co->coro, st.lo, sp, co_main, co);
    if (out)
        *out = co;
    ka_add(&rt->stat_spawned, 1, relaxed); // relaxed: a counter
    kci_ready(co);
    return 0;
}

int kci_service_spawn(struct kc_rt *rt, kc_fn fn, void *arg, const char *name)
{
    kc_attr_t attr = { .name = name };
    return kci_co_spawn(rt, &(struct kci_spawn){ rt->service, fn, arg, 0, &attr }, NULL);
}

/* ---- public ---- */

int kc_spawn(kc_co_t **out, kc_fn fn, void *arg, const kc_attr_t *attr)
{
    return kc_spawn_copy(out, fn, arg, 0, attr);
}

int kc_spawn_copy(kc_co_t **out, kc_fn fn, const void *args, size_t n, const kc_attr_t *attr)
{
    struct kc_co *self = kci_co_self();

    if (!self)
        return -EPERM;
    return kci_co_spawn(self->rt, &(struct kci_spawn){ self->scope, fn, args, n, attr }, out);
}

int kc_scope_spawn(kc_scope_t *handle, kc_co_t **out, kc_fn fn, const void *args, size_t n,
                   const struct kc_attr *attr)
{
    struct kci_scope *s = kci_scope_body(handle);

    if (!s)
        return -EINVAL;
    return kci_co_spawn(s->rt, &(struct kci_spawn){ s, fn, args, n, attr }, out);
}

int kci_go(kc_scope_t *handle, kc_fn fn, const void *args, size_t n)
{
    kc_scope_t *into = handle ? handle : kc_scope_current();
    int rc = into ? kc_scope_spawn(into, NULL, fn, args, n, NULL) : -EPERM;

    if (rc < 0 && into)
        kc_scope_cancel(into, rc);
    return rc;
}

int kc_join(kc_co_t *co, int *ret, kc_deadline_t dl)
{
    if (!co)
        return -EINVAL;
    return co == kci_co_self() ? -EDEADLK : kci_source_wait(&kci_join_source, co, ret, dl);
}

void kc_co_ref(kc_co_t *co)
{
    ka_add(&co->refs, 1, relaxed); // relaxed: the caller holds one already
}

void kc_co_unref(kc_co_t *co)
{
    if (!co || ka_sub(&co->refs, 1, acq_rel) != 1) // E-REF
        return;
    kci_coro_fini(&co->coro);
    kci_stack_put(co->stacks, &co->stack);
}

uint64_t kc_co_id(const kc_co_t *co)
{
    return co->id;
}

int kc_defer(void (*fn)(void *), void *arg)
{
    struct kc_co *self = kci_co_self();
    struct kci_deferred *d = self && fn ? kci_alloc(sizeof *d) : NULL;

    if (!d)
        return !self ? -EPERM : fn ? -ENOMEM : -EINVAL;
    *d = (struct kci_deferred){ self->deferred, fn, arg };
    self->deferred = d;
    return 0;
}

/* ---- a coroutine's end as something to select on ---- */

static struct kci_lock *join_lock(void *obj)
{
    return &((struct kc_co *)obj)->lock;
}

static int join_try(struct kci_clause *c)
{
    return ((struct kc_co *)c->obj)->ended ? 0 : -EAGAIN;
}

static int join_arm(struct kci_clause *c)
{
    kci_list_push(&((struct kc_co *)c->obj)->joiners, &c->wt.node);
    return 0;
}

static int join_settle(struct kci_clause *c, int rc)
{
    if (rc == 0 && c->arg)
        *(int *)c->arg = ((struct kc_co *)c->obj)->ret; // final once ended
    return rc;
}

static void join_hold(void *obj)
{
    kc_co_ref(obj);
}

static void join_release(struct kci_clause *c)
{
    kc_co_unref(c->obj);
}

const struct kci_source kci_join_source = {
    .why = KCI_WHY_JOIN,
    .lock = join_lock,
    .try = join_try,
    .arm = join_arm,
    .disarm = kci_clause_dequeue,
    .settle = join_settle,
    .hold = join_hold,
    .release = join_release,
};
