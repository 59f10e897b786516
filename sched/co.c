/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * sched/co.c — birth and death of coroutines.
 *
 * Picture   lo [ guard | … stack grows down … | start | copied args | struct kc_co ] top
 *           start: only KC_CO_PARKED. With the caller's memory as stack struct kc_co is apart.
 * Life      spawned (in its scope, runnable) → runs → ended: joiners woken, out of the scope →
 *           the post-switch callback drops the runner's reference; the last reference frees the
 *           stack. On the caller's memory all of that happens in the callback: whoever is told
 *           of the end may use the memory for something else at once.
 */
#include <limits.h>
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

static void finish(struct kc_co *co)
{
    struct kci_list woken;

    kci_entered_leave_all(&co->entered);
    kci_list_init(&woken);
    kci_lock(&co->lock);
    co->ended = true;
    kci_queue_claim_all(&co->joiners, &woken);
    kci_unlock(&co->lock);
    kci_waiters_finish(&woken, 0);
    ka_add(&co->rt->stat_completed, 1, relaxed); // relaxed: a counter
    kci_scope_leave(co->home, co, co->ret);
    // That may have called back as us: what was deferred or entered there is over too.
    run_deferred(co);
    kci_entered_leave_all(&co->entered);
    kci_locals_unref(co->locals);
}

static bool is_guest(const struct kc_co *co)
{
    return co->stack.cls == KCI_STACK_GUEST;
}

/* Nobody runs on it any more. */
void kci_co_left(struct kc_co *co)
{
    if (is_guest(co)) { // its stack is the caller's again before anybody hears of its end
        kci_coro_fini(&co->coro);
        kci_stack_unwrap(&co->stack);
        struct kc_co *next = kci_worker_pretend(NULL); // callbacks are not the next one's
        finish(co);
        kci_worker_pretend(next);
    }
    kc_co_unref(co);
}

static int call_fn(struct kc_co *co)
{
    int ret = 0;

    if (!co->on_pool)
        return co->fn(co->arg);
    int rc = kci_block_wholly(co->fn, co->arg, &ret);
    return rc ? rc : ret;
}

/* A detached coroutine has a scope of its own, for what it starts and owns. */
static int run_detached(struct kc_co *co)
{
    kc_scope_t own;
    int rc = kc_scope_open(&own, &(kc_scope_opts_t){ .flags = KC_SCOPE_FORGET });

    if (rc)
        return rc;
    rc = call_fn(co);
    int closed = kc_scope_close(&own);
    return rc < 0 ? rc : closed ? closed : rc;
}

static void co_main(void *arg)
{
    struct kc_co *co = arg;

    kci_note_in(co);
    if (co->pin)
        kci_note_in(co->pin);
    if (co->start)
        kci_permit_started(co);
    co->ret = co->detached ? run_detached(co) : call_fn(co);
    run_deferred(co);
    if (co->scope != co->home)
        KCI_MISUSE("a coroutine ended without closing a scope that it had opened");
    if (!is_guest(co))
        finish(co);
    kci_sched_exit(co);
}

/* ---- birth ---- */

static const kc_attr_t no_attr;

static int check(struct kc_rt *rt, const struct kci_spawn *how, bool wants_handle)
{
    const unsigned known = KC_CO_PINNED | KC_CO_NOBUDGET | KC_CO_PARKED | KC_CO_DETACHED;
    const kc_attr_t *attr = how->attr ? how->attr : &no_attr;

    if (!how->fn || attr->flags & ~known)
        return -EINVAL;
    if (attr->worker < 0 || (unsigned)attr->worker > rt->nworkers)
        return -EINVAL;
    if (attr->dispatcher < KC_DISPATCH_DEFAULT || attr->dispatcher > KC_DISPATCH_UNCONFINED)
        return -EINVAL;
    if (attr->stack && attr->stack_size < KCI_STACK_MIN)
        return -EINVAL;
    return attr->flags & KC_CO_PARKED && !wants_handle ? -EINVAL : 0; // who could unpark it?
}

static int get_stack(struct kc_rt *rt, const kc_attr_t *attr, struct kci_stack *out)
{
    size_t bytes = attr && attr->stack_size ? attr->stack_size : rt->stack_bytes;

    if (attr && attr->stack) {
        kci_stack_wrap(attr->stack, bytes, out);
        return 0;
    }
    return kci_stack_get(rt->stacks, bytes < KCI_STACK_MIN ? KCI_STACK_MIN : bytes, out);
}

static void put_stack(struct kci_stack_pool *stacks, const struct kci_stack *st)
{
    if (st->cls == KCI_STACK_GUEST)
        kci_stack_unwrap(st);
    else
        kci_stack_put(stacks, st);
}

/* It never ran. */
static void discard(struct kc_co *co)
{
    struct kci_stack st = co->stack;

    kci_coro_fini(&co->coro);
    kci_locals_unref(co->locals);
    put_stack(co->stacks, &st);
    if (st.cls == KCI_STACK_GUEST)
        kci_free(co);
}

/* The coroutine's own memory: on top of its stack, or apart if that is the caller's, who may
 * take the stack back while handles are still about. */
static struct kc_co *make_room(const struct kci_stack *st, unsigned char **top)
{
    *top = st->top;
    if (st->cls == KCI_STACK_GUEST)
        return kci_zalloc(sizeof(struct kc_co));
    *top -= (sizeof(struct kc_co) + 63) / 64 * 64;
    return memset(*top, 0, sizeof(struct kc_co));
}

/* Lay out the top of the stack; *sp is what is left. 0, -EOVERFLOW when the arguments take too
 * much of it, -ENOMEM. */
static int place(const struct kci_stack *st, const struct kci_spawn *how, struct kc_co **out,
                 void **sp)
{
    unsigned char *top;

    if (how->args_bytes > (size_t)(st->top - st->lo) / 4)
        return -EOVERFLOW;
    struct kc_co *co = *out = make_room(st, &top);
    if (!co)
        return -ENOMEM;
    co->stack = *st;
    co->arg = (void *)(uintptr_t)how->args;
    top -= (how->args_bytes + 15) / 16 * 16;
    if (how->args_bytes)
        co->arg = memcpy(top, how->args, how->args_bytes);
    if (how->attr && how->attr->flags & KC_CO_PARKED) {
        top -= (sizeof *co->start + 15) / 16 * 16;
        co->start = (struct kci_waiter *)(void *)top;
    }
    *sp = top;
    return 0;
}

static void init(struct kc_co *co, struct kc_rt *rt, const struct kci_spawn *how, unsigned refs)
{
    const kc_attr_t *attr = how->attr ? how->attr : &no_attr;

    co->rt = rt;
    co->stacks = rt->stacks;
    co->fn = how->fn;
    co->name = attr->name;
    co->detached = attr->flags & KC_CO_DETACHED;
    co->scope = co->home = co->detached ? rt->service : how->scope;
    co->budget = co->quota = attr->flags & KC_CO_NOBUDGET ? rt->no_budget : rt->budget;
    co->on_pool = attr->dispatcher == KC_DISPATCH_IO;
    co->locals = how->inherits ? kci_locals_ref(kci_co_self()->locals) : NULL;
    co->id = ka_add(&rt->next_id, 1, relaxed) + 1; // relaxed: only unique
    co->member.tk = &co->tk;
    kci_list_init(&co->member.node);
    kci_list_init(&co->joiners);
    kci_ticket_init(&co->tk, kci_co_wake);
    kci_list_init(&co->parkers);
    ka_store(&co->refs, refs, relaxed); // relaxed: not shared yet
}

/* Where it starts, by its attributes; NULL: anywhere. */
static struct kci_worker *first_worker(struct kc_co *co, const kc_attr_t *attr)
{
    struct kci_worker *here = kci_worker_self();

    if (attr->dispatcher == KC_DISPATCH_SINGLE)
        return &co->rt->workers[0];
    if (attr->worker)
        return &co->rt->workers[attr->worker - 1];
    if (!(attr->flags & KC_CO_PINNED))
        return NULL;
    return here && here->rt == co->rt ? here : &co->rt->workers[co->id % co->rt->nworkers];
}

static void start(struct kc_co *co, const kc_attr_t *attr)
{
    struct kci_worker *w = first_worker(co, attr);
    struct kc_co *self = kci_co_self();
    bool at_once = attr->dispatcher == KC_DISPATCH_UNCONFINED && self && !self->nopark;

    if (co->start)
        return;
    if (w)
        kci_ready_at(w, co);
    else if (at_once && self->rt == co->rt && !kci_is_explored(co->rt))
        kci_sched_run_first(self, co);
    else
        kci_ready(co);
}

/* Whether the child or its parent goes on is for the laboratory to say. */
static void start_observed(struct kc_co *co, const kc_attr_t *attr)
{
    // The spawner of one of our own may not be ready for others.
    bool ours = co->home == co->rt->service && !co->detached;

    if (kci_is_explored(co->rt))
        co->rt->env.lab->born(co->rt->env.lab_ctx, co);
    start(co, attr);
    if (!ours)
        kci_self_point();
}

/* Into its scope, where cancellation finds it; then it may start at any moment. */
static int enter(struct kc_co *co, const kc_attr_t *attr)
{
    if (attr->dispatcher == KC_DISPATCH_SINGLE)
        co->pin = co->confined = &co->rt->workers[0];
    if (attr->flags & KC_CO_PINNED) {
        co->pin = first_worker(co, attr);
        co->pins = 1;
    }
    if (co->start)
        kci_permit_await_start(co);
    return kci_scope_enter(co->home, &co->member);
}

int kci_co_spawn(struct kc_rt *rt, const struct kci_spawn *how, struct kc_co **out)
{
    const kc_attr_t *attr = how->attr ? how->attr : &no_attr;
    struct kci_stack st;
    struct kc_co *co;
    void *sp;
    int rc = check(rt, how, out);

    if (rc || (rc = get_stack(rt, attr, &st)))
        return rc;
    if ((rc = place(&st, how, &co, &sp))) {
        put_stack(rt->stacks, &st);
        return rc;
    }
    init(co, rt, how, out ? 2 : 1);
    kci_coro_init(&co->coro, st.lo, sp, co_main, co);
    if ((rc = enter(co, attr))) {
        discard(co);
        return rc;
    }
    ka_add(&rt->stat_spawned, 1, relaxed); // relaxed: a counter
    if (out)
        *out = co;
    if (KCI_UNLIKELY(rt->env.lab != NULL))
        start_observed(co, attr);
    else
        start(co, attr);
    return 0;
}

int kci_service_spawn(struct kc_rt *rt, kc_fn fn, void *arg, const char *name)
{
    kc_attr_t attr = { .name = name };
    return kci_co_spawn(rt, &(struct kci_spawn){ rt->service, fn, arg, 0, &attr, false }, NULL);
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
    struct kci_spawn how = { self->scope, fn, args, n, attr, true };
    return kci_co_spawn(self->rt, &how, out);
}

int kc_scope_spawn(kc_scope_t *handle, kc_co_t **out, kc_fn fn, const void *args, size_t n,
                   const struct kc_attr *attr)
{
    struct kci_scope *s = kci_scope_body(handle);
    struct kc_co *self = kci_co_self();

    if (!s)
        return -EINVAL;
    return kci_co_spawn(s->rt, &(struct kci_spawn){ s, fn, args, n, attr, self != NULL }, out);
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
    if (is_guest(co)) { // the stack went when it ended
        kci_free(co);
        return;
    }
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
