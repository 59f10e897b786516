/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * sched/pool.c — kc_block: run a blocking function on a thread, park until it is done.
 *
 * Invariants  a job has two users, the caller and the pool; the second to leave frees it
 *             the pool claims the caller's ticket under job->lock, and only while `waited`; a
 *             caller that leaves early clears `waited` under it, so the ticket is alive when
 *             claimed
 *             pending counts jobs until after their caller was woken: a virtual clock stands
 *             still meanwhile
 * Threads     started when all are busy, up to KCI_POOL_THREADS; they stay until the runtime
 *             ends
 */
#include <kcoro/io.h>

#include "core/mem.h"
#include "core/thread.h"
#include "sched/sched.h"

struct job {
    struct kci_list node; /* pool->mutex */
    int (*fn)(void *);
    void *arg;
    int ret;              /* pool, before the claim */
    struct kci_lock lock;
    bool waited;          /* lock */
    unsigned users;       /* lock */
    struct kci_ticket *tk;
    uint64_t gen;
};

int kci_pool_init(struct kci_pool *pool)
{
    int err = pthread_mutex_init(&pool->mutex, NULL);

    if (err)
        return -err;
    if ((err = pthread_cond_init(&pool->more, NULL))) {
        pthread_mutex_destroy(&pool->mutex);
        return -err;
    }
    kci_list_init(&pool->jobs);
    return 0;
}

static void job_leave(struct job *j)
{
    kci_lock(&j->lock);
    bool last = --j->users == 0;
    kci_unlock(&j->lock);
    if (last)
        kci_free(j);
}

static void job_run(struct job *j)
{
    struct kci_claim c = { 0 };

    j->ret = j->fn(j->arg);
    kci_lock(&j->lock);
    if (j->waited && !kci_ticket_claim(j->tk, j->gen, &c))
        c.tk = NULL;
    kci_unlock(&j->lock);
    kci_claim_finish(c, 0);
    job_leave(j);
}

/* A job is over, and its caller awake. Whoever asked meanwhile whether all is quiet asks
 * again. */
static void settle(struct kci_pool *pool)
{
    struct kc_rt *rt = KCI_OF(pool, struct kc_rt, pool);

    ka_sub(&pool->pending, 1, seq_cst); // E-IDLE out
    if (rt->flags & (KC_RT_VIRTUAL_TIME | KC_RT_DEADLOCK_CHECK))
        kci_wake_one_fenced(rt);
}

static void *pool_main(void *arg)
{
    struct kci_pool *pool = arg;

    pthread_mutex_lock(&pool->mutex);
    for (;;) {
        while (kci_list_empty(&pool->jobs) && !pool->stopping) {
            pool->idle++;
            pthread_cond_wait(&pool->more, &pool->mutex);
            pool->idle--;
        }
        if (kci_list_empty(&pool->jobs))
            break;
        struct job *j = KCI_OF(kci_list_pop(&pool->jobs), struct job, node);
        pthread_mutex_unlock(&pool->mutex);
        job_run(j);
        settle(pool);
        pthread_mutex_lock(&pool->mutex);
    }
    pthread_mutex_unlock(&pool->mutex);
    return NULL;
}

/* Under the mutex. Start a thread if all are busy. 0, or -EAGAIN when there is none at all. */
static int ensure_thread(struct kci_pool *pool, unsigned queued)
{
    if (pool->idle >= queued || pool->threads == KCI_POOL_THREADS)
        return 0;
    if (!kci_thread_start(&pool->thread[pool->threads], pool_main, pool))
        pool->threads++;
    return pool->threads ? 0 : -EAGAIN;
}

static int submit(struct kci_pool *pool, struct job *j)
{
    unsigned queued = 1;

    pthread_mutex_lock(&pool->mutex);
    KCI_EACH(it, &pool->jobs)
        queued++;
    int rc = ensure_thread(pool, queued);
    if (!rc) {
        ka_add(&pool->pending, 1, seq_cst); // E-IDLE: before anybody can find all idle
        kci_list_push(&pool->jobs, &j->node);
        pthread_cond_signal(&pool->more);
    }
    pthread_mutex_unlock(&pool->mutex);
    return rc;
}

void kci_pool_fini(struct kci_pool *pool)
{
    pthread_mutex_lock(&pool->mutex);
    pool->stopping = true;
    pthread_cond_broadcast(&pool->more);
    pthread_mutex_unlock(&pool->mutex);
    for (unsigned i = 0; i < pool->threads; i++)
        pthread_join(pool->thread[i], NULL);
    pthread_cond_destroy(&pool->more);
    pthread_mutex_destroy(&pool->mutex);
}

static int wait_for(struct job *j, struct kci_ticket *tk, int *ret, kc_deadline_t dl)
{
    int rc = kci_self_park(tk, dl, KCI_WHY_BLOCK, (void *)j);

    kci_lock(&j->lock);
    j->waited = false;
    if (!rc && ret)
        *ret = j->ret;
    kci_unlock(&j->lock);
    job_leave(j);
    return rc;
}

/* In a laboratory nothing goes on beside the one worker: it waits, as a thread, for fn. */
static int block_explored(struct job *j, int *ret)
{
    struct kci_worker *w = kci_worker_self();

    kci_worker_set_self(NULL);
    j->tk = kci_self_ticket();
    j->gen = kci_self_open(j->tk);
    int rc = submit(&w->rt->pool, j);
    if (rc) {
        kci_self_abandon(j->tk);
        kci_free(j);
    } else {
        rc = wait_for(j, j->tk, ret, KC_FOREVER);
    }
    kci_worker_set_self(w);
    return rc;
}

static int block_from_coroutine(struct kc_co *self, struct job *j, int *ret, kc_deadline_t dl)
{
    j->gen = kci_self_open(&self->tk);
    j->tk = &self->tk;
    int rc = submit(&self->rt->pool, j);
    if (!rc)
        return wait_for(j, &self->tk, ret, dl);
    kci_self_abandon(&self->tk);
    kci_free(j);
    return rc;
}

int kc_block(int (*fn)(void *), void *arg, int *ret, kc_deadline_t dl)
{
    struct kc_co *self = kci_co_self();
    int rc;

    if (!fn)
        return -EINVAL;
    if (!kci_self_ticket())
        return -EPERM;
    if ((rc = kci_self_enter()) || (rc = kci_deadline_check(dl)))
        return rc;
    if (!self) {
        rc = fn(arg);
        if (ret)
            *ret = rc;
        return 0;
    }
    struct job *j = kci_alloc(sizeof *j);
    if (!j)
        return -ENOMEM;
    *j = (struct job){ .fn = fn, .arg = arg, .waited = true, .users = 2 };
    if (kci_is_explored(self->rt))
        return block_explored(j, ret);
    return block_from_coroutine(self, j, ret, dl);
}
