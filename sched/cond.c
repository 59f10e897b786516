/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * sched/cond.c — wait for what a mutex guards to change.
 *
 * A waiter stands in the queue before it lets go of the mutex, so whoever changes something
 * under the mutex and then signals finds it there. It takes the mutex back inside a shield: a
 * caller that was cancelled still has to put in order what the mutex guards.
 *
 * A signal is a claim on a waiter: one that has left for another reason is passed over, so no
 * signal is lost on it, and there are no spurious wake-ups.
 */
#include <kcoro/scope.h>

#include "core/assert.h"
#include "sched/mutex.h"
#include "sched/waitq.h"

struct cond {
    struct kci_waitq wq;
};

_Static_assert(sizeof(struct cond) <= sizeof(kc_cond_t), "the public type is too small");

struct turn {
    kc_mutex_t *mutex;
    bool released;
};

static int cond_try(struct kci_clause *c)
{
    (void)c;
    return -EAGAIN; // a change that was before is no reason
}

static void cond_armed(struct kci_clause *c)
{
    struct turn *t = c->arg;
    int rc = kc_mutex_unlock(t->mutex);

    KCI_ASSERT(rc == 0);
    t->released = true;
}

static const struct kci_source cond_source = {
    .why = KCI_WHY_COND,
    .lock = kci_waitq_lock,
    .try = cond_try,
    .arm = kci_waitq_arm,
    .armed = cond_armed,
    .disarm = kci_clause_dequeue,
};

static void lock_again(kc_mutex_t *m)
{
    kc_shield(true);
    int rc = kc_mutex_lock(m, KC_FOREVER);
    kc_shield(false);
    KCI_ASSERT(rc == 0);
}

int kc_cond_wait(kc_cond_t *c, kc_mutex_t *m, kc_deadline_t dl)
{
    struct turn t = { .mutex = m };

    if (!c || !m)
        return -EINVAL;
    if (!kci_mutex_is_mine(m))
        return -EPERM;
    int rc = kci_source_wait(&cond_source, c, &t, dl);
    if (t.released)
        lock_again(m);
    return rc;
}

int kc_cond_signal(kc_cond_t *handle)
{
    struct cond *c = (struct cond *)(void *)handle;
    struct kci_claim claim;

    if (!c)
        return -EINVAL;
    kci_self_point();
    kci_lock(&c->wq.lock);
    kci_queue_claim(kci_waitq_list(&c->wq), &claim);
    kci_unlock(&c->wq.lock);
    kci_claim_finish(claim, 0);
    return 0;
}

int kc_cond_broadcast(kc_cond_t *handle)
{
    struct cond *c = (struct cond *)(void *)handle;
    struct kci_list won;

    if (!c)
        return -EINVAL;
    kci_self_point();
    kci_list_init(&won);
    kci_lock(&c->wq.lock);
    kci_queue_claim_all(kci_waitq_list(&c->wq), &won);
    kci_unlock(&c->wq.lock);
    kci_waiters_finish(&won, 0);
    return 0;
}
