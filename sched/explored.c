/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * sched/explored.c — a runtime whose every turn is a laboratory's; and waiting for everybody
 * else to wait.
 *
 * Picture   made runnable → the worker's ordinary queues → (at the next choice) rt->can → the
 *           one chosen. So nothing on the way into the queues knows of laboratories.
 * Points    a budget of 1 makes each operation that may wait end in kci_sched_point; the few
 *           that spend none call kci_self_point. At a point the coroutine holds no lock.
 * Order     rt->can is sorted by id: a choice means the same in each run, whatever made its
 *           candidates runnable.
 * Settling  kc_test_wait_idle is one more source; its waiters are let go when nothing else can
 *           run, before the clock moves.
 */
#include <kcoro/test.h>
#include <kcoro/time.h>

#include "core/assert.h"
#include "sched/sched.h"
#include "sched/source.h"

enum { POLL_EACH = 61 };

/* ---- the set ---- */

KCI_OWNER_ONLY static void insert(struct kci_runnable *set, struct kc_co *co)
{
    struct kc_co **at = &set->head;

    while (*at && (*at)->id < co->id)
        at = &(*at)->next;
    if (*at == co)
        KCI_ASSERT(!"a coroutine was made runnable twice");
    co->next = *at;
    *at = co;
    set->n++;
}

/* Under the explorer there is one worker: no other takes from its queues. */
KCI_OWNER_ONLY static void collect(struct kci_worker *w)
{
    struct kci_runnable *set = &w->rt->can;
    struct kc_co *co;

    while ((co = kci_ring_pop(&w->ring)))
        insert(set, co);
    if ((co = ka_load(&w->lifo, relaxed))) { // relaxed: single worker
        ka_store(&w->lifo, NULL, relaxed);   // relaxed: single worker
        insert(set, co);
    }
    while ((co = kci_inject_pop(&w->bound)) || (co = kci_inject_pop(&w->rt->inject)))
        insert(set, co);
}

/* ---- choosing ---- */

KCI_OWNER_ONLY static void report_leaver(struct kc_rt *rt, struct kc_co *co)
{
    int why = ka_load(&co->why, relaxed); // relaxed: one worker

    if (why == KCI_WHY_ENDED)
        rt->env.lab->ended(rt->env.lab_ctx, co);
    else if (why != KCI_WHY_NONE) // it yields
        rt->env.lab->waits(rt->env.lab_ctx, co);
}

KCI_OWNER_ONLY struct kc_co *kci_explored_next(struct kci_worker *w)
{
    struct kc_rt *rt = w->rt;

    if (w->cur)
        report_leaver(rt, w->cur);
    collect(w);
    return rt->can.head ? rt->env.lab->next(rt->env.lab_ctx, &rt->can, NULL) : NULL;
}

KCI_OWNER_ONLY static void explored_point(struct kc_co *self)
{
    struct kci_worker *w = kci_worker_self();
    struct kc_rt *rt = self->rt;

    kci_worker_pretend(NULL); // callbacks are not the coroutine's
    kci_expire_due(rt);
    if (++rt->points % POLL_EACH == 0)
        kci_poll_now(rt);
    kci_worker_pretend(self);
    collect(w);
    struct kc_co *next = rt->env.lab->next(rt->env.lab_ctx, &rt->can, self);
    if (next != self)
        kci_sched_yield_to(self, next);
}

void kci_sched_point(struct kc_co *self)
{
    const struct kci_env *env = &self->rt->env;

    if (!env->lab)
        kci_sched_yield(self);
    else if (env->lab->next)
        explored_point(self);
    else if (env->lab->point(env->lab_ctx))
        kci_sched_yield(self);
}

void kci_self_point(void)
{
    struct kc_co *co = kci_co_self();

    if (KCI_UNLIKELY(co && co->rt->env.lab && !co->nopark))
        kci_sched_point(co);
}

void kc_point(void)
{
    kci_self_point();
}

/* ---- waiting until everybody waits ---- */

static struct kci_lock *settle_lock(void *obj)
{
    return &((struct kc_rt *)obj)->idle_lock;
}

static int settle_try(struct kci_clause *c)
{
    (void)c;
    return -EAGAIN;
}

static int settle_arm(struct kci_clause *c)
{
    kci_list_push(&((struct kc_rt *)c->obj)->settlers, &c->wt.node);
    return 0;
}

static const struct kci_source settle_source = {
    .why = KCI_WHY_SETTLE,
    .lock = settle_lock,
    .try = settle_try,
    .arm = settle_arm,
    .disarm = kci_clause_dequeue,
};

bool kci_idle_settled(struct kc_rt *rt)
{
    struct kci_list won;

    if (kci_list_empty(&rt->settlers) || !kci_is_quiet(rt))
        return false;
    kci_list_init(&won);
    kci_lock(&rt->idle_lock);
    kci_queue_claim_all(&rt->settlers, &won);
    kci_unlock(&rt->idle_lock);
    kci_waiters_finish(&won, 0);
    return true;
}

int kc_test_wait_idle(kc_deadline_t dl)
{
    struct kc_co *self = kci_co_self();

    if (!self)
        return -EPERM;
    if (!(self->rt->flags & KC_RT_VIRTUAL_TIME))
        return -ENOTSUP;
    return kci_source_wait(&settle_source, self->rt, NULL, dl);
}

int kc_test_advance(int64_t dur_ns)
{
    struct kc_co *self = kci_co_self();

    if (!self)
        return -EPERM;
    if (dur_ns < 0)
        return -EINVAL;
    if (!(self->rt->flags & KC_RT_VIRTUAL_TIME))
        return -ENOTSUP;
    int rc = dur_ns ? kc_sleep_until(kc_in(dur_ns)) : 0;
    return rc ? rc : kc_test_wait_idle(KC_FOREVER);
}
