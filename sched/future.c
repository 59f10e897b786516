/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * sched/future.c — a result that comes later: set once, read by any number.
 *
 * Life        open → set (kc_future_set), or → dropped (its last handle went first)
 * Counts      handles: what kc_future_create and kc_future_ref gave out
 *             holds: one for all handles together, one per parked waiter; at zero it is freed
 *             So waiting keeps the memory, but not the hope that somebody will set it.
 * Locks       the waitq's. state, rc and value are final once it is not open.
 * Edges       E-REF  what holders did before they let go; E-WAKE carries the value to waiters
 */
#include "sched/future.h"

#include <string.h>

#include "core/mem.h"
#include "sched/waitq.h"

enum { OPEN, SET, DROPPED };

struct kc_future {
    struct kci_waitq wq;
    _Atomic(unsigned) handles, holds;
    size_t size;    /* fixed */
    int state;      /* lock */
    int rc;         /* lock, before SET */
    size_t filled;  /* lock, before SET: bytes of value */
    _Alignas(max_align_t) unsigned char value[]; /* lock, before SET */
};

int kc_future_create(kc_future_t **out, size_t size)
{
    if (!out)
        return -EINVAL;
    if (size > PTRDIFF_MAX / 2)
        return -EOVERFLOW;
    kc_future_t *f = kci_alloc(sizeof *f + size);
    if (!f)
        return -ENOMEM;
    memset(f, 0, sizeof *f);
    ka_store(&f->handles, 1, relaxed); // relaxed: not shared yet
    ka_store(&f->holds, 1, relaxed);   // relaxed: not shared yet
    f->size = size;
    *out = f;
    return 0;
}

/* ---- set or dropped, the two ends of being open ---- */

/* Locked; all who wait are moved to `won`. */
static bool end(kc_future_t *f, int state, struct kci_list *won)
{
    kci_list_init(won);
    if (f->state != OPEN)
        return false;
    f->state = state;
    kci_queue_claim_all(kci_waitq_list(&f->wq), won);
    return true;
}

int kci_future_set_bytes(kc_future_t *f, int rc, const void *value, size_t n)
{
    struct kci_list won;

    if (n > f->size)
        return -EMSGSIZE;
    kci_lock(&f->wq.lock);
    bool first = end(f, SET, &won);
    if (first) {
        f->rc = rc;
        f->filled = n;
        if (n)
            memcpy(f->value, value, n);
    }
    kci_unlock(&f->wq.lock);
    kci_waiters_finish(&won, 0);
    return first ? 0 : -EALREADY;
}

int kc_future_set(kc_future_t *f, int rc, const void *value)
{
    if (!f || (!value && f->size && rc >= 0))
        return -EINVAL;
    kci_self_point();
    return kci_future_set_bytes(f, rc, value, value ? f->size : 0);
}

static void drop(kc_future_t *f)
{
    struct kci_list won;

    kci_lock(&f->wq.lock);
    end(f, DROPPED, &won);
    kci_unlock(&f->wq.lock);
    kci_waiters_finish(&won, -EPIPE);
}

/* ---- references ---- */

static void future_hold(void *obj)
{
    ka_add(&((kc_future_t *)obj)->holds, 1, relaxed); // relaxed: the caller's handle is one
}

static void let_go(kc_future_t *f)
{
    if (ka_sub(&f->holds, 1, acq_rel) == 1) // E-REF
        kci_free(f);
}

static void future_release(struct kci_clause *c)
{
    let_go(c->obj);
}

kc_future_t *kc_future_ref(kc_future_t *f)
{
    ka_add(&f->handles, 1, relaxed); // relaxed: the caller holds one already
    return f;
}

void kc_future_unref(kc_future_t *f)
{
    if (!f || ka_sub(&f->handles, 1, acq_rel) != 1) // E-REF
        return;
    drop(f);
    let_go(f);
}

/* ---- waiting ---- */

static int future_try(struct kci_clause *c)
{
    switch (((kc_future_t *)c->obj)->state) {
    case SET:
        return 0;
    case DROPPED:
        return -EPIPE;
    default:
        return -EAGAIN;
    }
}

static int future_settle(struct kci_clause *c, int rc)
{
    kc_future_t *f = c->obj;

    if (rc)
        return rc;
    if (f->filled && c->arg)
        memcpy(c->arg, f->value, f->filled);
    return f->rc;
}

const struct kci_source kci_future_source = {
    .why = KCI_WHY_FUTURE,
    .lock = kci_waitq_lock,
    .try = future_try,
    .arm = kci_waitq_arm,
    .disarm = kci_clause_dequeue,
    .settle = future_settle,
    .hold = future_hold,
    .release = future_release,
};

int kc_future_await(kc_future_t *f, void *value, kc_deadline_t dl)
{
    return f ? kci_source_wait(&kci_future_source, f, value, dl) : -EINVAL;
}
