/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * sched/wg.c — a count of what is under way, and those who wait for it to be zero.
 *
 * Who waits returns only after the last one has let go of the lock, so the group may live on
 * the waiter's stack.
 */
#include <kcoro/sync.h>
#include <limits.h>

#include "sched/waitq.h"

struct wg {
    struct kci_waitq wq;
    long count; /* lock */
};

_Static_assert(sizeof(struct wg) <= sizeof(kc_wg_t), "the public type is too small");

static int wg_try(struct kci_clause *c)
{
    return ((struct wg *)c->obj)->count ? -EAGAIN : 0;
}

static const struct kci_source wg_source = {
    .why = KCI_WHY_WG,
    .lock = kci_waitq_lock,
    .try = wg_try,
    .arm = kci_waitq_arm,
    .disarm = kci_clause_dequeue,
};

/* Locked. */
static int change(struct wg *g, long delta)
{
    if (delta > 0 && g->count > LONG_MAX - delta)
        return -EOVERFLOW;
    if (g->count + delta < 0)
        return -EINVAL;
    g->count += delta;
    return 0;
}

int kc_wg_add(kc_wg_t *handle, long delta)
{
    struct wg *g = (struct wg *)(void *)handle;
    struct kci_list won;

    if (!g)
        return -EINVAL;
    kci_self_point();
    kci_list_init(&won);
    kci_lock(&g->wq.lock);
    int rc = change(g, delta);
    if (!g->count)
        kci_queue_claim_all(kci_waitq_list(&g->wq), &won);
    kci_unlock(&g->wq.lock);
    kci_waiters_finish(&won, 0);
    return rc;
}

int kc_wg_wait(kc_wg_t *g, kc_deadline_t dl)
{
    return g ? kci_source_wait(&wg_source, g, NULL, dl) : -EINVAL;
}
