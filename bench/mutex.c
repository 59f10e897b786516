/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * bench/mutex.c — lock, add one, unlock; ns for all three.
 *
 * Uncontended: one coroutine alone, with one worker, or beside one that sleeps; the floor is a
 * pthread mutex locked by one thread. Contended: four at once. Ours is handed over in order, so
 * each waiter parks and nobody starves; the others let whoever comes first barge in.
 */
#include <kcoro/sync.h>
#include <pthread.h>
#include <stdatomic.h>

#include "bench/crowd.h"
#include "bench/harness.h"

enum { THREADS_MOST = 8 };

struct counter {
    kc_mutex_t lock;
    pthread_mutex_t plain; /* floor, pthread */
    struct crowd crowd;
    struct trial *t;
    long each;
    atomic_long under_way, done;
    long sum; /* under the lock */
};

static int check(const struct trial *t, const struct counter *c)
{
    return c->sum == t->ops ? 0 : wrong(t, "counted to %ld of %ld", c->sum, t->ops);
}

static int count(struct counter *c)
{
    int rc = 0;

    for (long i = 0; i < c->each && !rc; i++)
        if (!(rc = kc_mutex_lock(&c->lock, KC_FOREVER))) {
            c->sum++;
            rc = kc_mutex_unlock(&c->lock);
        }
    return rc;
}

static int alone(struct trial *t)
{
    struct counter c = { .each = t->ops };

    clock_start(t);
    int rc = count(&c);
    clock_stop(t);
    return rc ? failed(t, "kc_mutex_lock", rc) : check(t, &c);
}

/* The clock runs from when the first one is under way until the last one is done. */
static int count_among_others(void *arg)
{
    struct counter *c = arg;
    int rc = crowd_enter(&c->crowd);

    if (rc)
        return rc;
    if (atomic_fetch_add(&c->under_way, 1) == 0)
        clock_start(c->t);
    rc = count(c);
    if (atomic_fetch_add(&c->done, 1) == c->t->n - 1)
        clock_stop(c->t);
    return rc;
}

static int crowded(struct trial *t)
{
    struct counter c = { .t = t, .each = (t->ops + t->n - 1) / t->n };

    t->ops = c.each * t->n;
    int rc = crowd_gather(&c.crowd, count_among_others, &c, t->n);
    if (rc || (rc = crowd_release(&c.crowd)))
        return failed(t, "a crowd at a mutex", rc);
    return check(t, &c);
}

/* ---- the same with threads ---- */

static void count_plain(struct counter *c)
{
    for (long i = 0; i < c->each; i++) {
        pthread_mutex_lock(&c->plain);
        c->sum++;
        pthread_mutex_unlock(&c->plain);
    }
}

static int thread_alone(struct trial *t)
{
    struct counter c = { .plain = PTHREAD_MUTEX_INITIALIZER, .each = t->ops };

    clock_start(t);
    count_plain(&c);
    clock_stop(t);
    return check(t, &c);
}

static void *thread_main(void *arg)
{
    count_plain(arg);
    return NULL;
}

static int threads(struct trial *t)
{
    long each = (t->ops + t->n - 1) / t->n;
    struct counter c = { .plain = PTHREAD_MUTEX_INITIALIZER, .each = each };
    pthread_t thread[THREADS_MOST];
    long n = 0;
    int err = 0;

    t->ops = c.each * t->n;
    clock_start(t);
    while (n < t->n && !(err = pthread_create(&thread[n], NULL, thread_main, &c)))
        n++;
    while (n-- > 0)
        pthread_join(thread[n], NULL);
    clock_stop(t);
    return err ? failed(t, "pthread_create", -err) : check(t, &c);
}

static const struct row rows[] = {
    { "mutex.uncontended.w1", NULL, in_ns, alone, 1, 1, 20000000, 0 },
    { "mutex.uncontended.w1", "floor", in_ns, thread_alone, 0, 1, 20000000, PINNED },
    { "mutex.uncontended.w2", NULL, in_ns, alone, 2, 1, 20000000, 0 },
    { "mutex.uncontended.w2", "floor", in_ns, thread_alone, 0, 1, 20000000, 0 },
    { "mutex.contended.w2", NULL, in_ns, crowded, 2, 4, 2000000, 0 },
    { "mutex.contended.w2", "pthread", in_ns, threads, 0, 4, 2000000, 0 },
};
const struct group bench_mutex = GROUP(rows);
