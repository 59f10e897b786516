/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * bench/wake.c — how soon another CPU goes on with what was woken by one that stays busy.
 *
 * The waker sends to a waiting coroutine and computes on, so only an idle worker can run it.
 * Between two wakes the other CPU gets time to fall asleep. The floor is a thread that waits on
 * a semaphore.
 */
#include <kcoro/metrics.h>
#include <pthread.h>
#include <semaphore.h>
#include <stdatomic.h>
#include <stdlib.h>

#include "bench/harness.h"

/* Long enough for an idle worker to stop searching; the longest that a wake is waited for. */
#define QUIET_NS KC_US(200)
#define PATIENCE_NS KC_MS(20)

struct bell {
    kc_chan_t *ch;         /* carries the moment of the wake */
    sem_t sem;             /* floor */
    _Atomic(int64_t) rung; /* floor: that moment */
    atomic_long heard;
    double *us;
    long count;
};

static void hear(struct bell *b, long i, int64_t rung)
{
    b->us[i] = (double)(clock_ns() - rung) / 1e3;
    atomic_store(&b->heard, i + 1);
}

/* Stay busy until wake number i was heard, and some time longer. */
static void stay_busy(struct bell *b, long i, int64_t rung)
{
    while (atomic_load(&b->heard) <= i && clock_ns() < rung + PATIENCE_NS) {}
    clock_burn(clock_ns() + QUIET_NS);
}

static int finish(struct trial *t, struct bell *b)
{
    long heard = atomic_load(&b->heard);

    t->value[0] = percentile(b->us, b->count, 0.50);
    t->value[1] = percentile(b->us, b->count, 0.99);
    return heard == b->count ? 0 : wrong(t, "%ld wakes of %ld", heard, b->count);
}

static int with_numbers(struct trial *t, int (*measure)(struct trial *, struct bell *))
{
    struct bell b = { .count = t->ops, .us = calloc((size_t)t->ops, sizeof *b.us) };
    int rc = b.us ? measure(t, &b) : failed(t, "calloc", -ENOMEM);

    free(b.us);
    return rc;
}

/* ---- coroutines ---- */

static int listen(void *arg)
{
    struct bell *b = arg;
    int64_t rung;
    int rc = 0;

    for (long i = 0; i < b->count && !rc; i++)
        if (!(rc = kc_recv(b->ch, &rung)))
            hear(b, i, rung);
    return rc;
}

/* Let the listener go and wait. */
static int wait_for_listener(struct bell *b)
{
    struct kc_chan_stats s = { 0 };
    int rc = 0;

    while (!rc && !(rc = kc_chan_stats(b->ch, &s)) && !s.recv_waiters) {
        kc_yield();
        rc = kc_canceled();
    }
    return rc;
}

static int ring_all(struct bell *b)
{
    int rc = 0;

    for (long i = 0; i < b->count && !rc; i++) {
        if ((rc = wait_for_listener(b)))
            break;
        clock_burn(clock_ns() + QUIET_NS);
        int64_t rung = clock_ns();
        if (!(rc = kc_send(b->ch, &rung)))
            stay_busy(b, i, rung);
    }
    return rc;
}

static int ring_in_scope(struct bell *b)
{
    kc_scope_t scope;
    int rc = kc_scope_open(&scope, NULL);

    if (rc)
        return rc;
    if ((b->ch = kc_chan(int64_t, 0)) && !(rc = kc_spawn(NULL, listen, b, NULL)))
        rc = ring_all(b);
    if (rc)
        kc_scope_cancel(&scope, rc);
    int closed = kc_scope_close(&scope);
    return rc ? rc : closed;
}

static int wake_coroutine(struct trial *t, struct bell *b)
{
    int rc = ring_in_scope(b);
    return rc ? failed(t, "the bell", rc) : finish(t, b);
}

static int wake(struct trial *t)
{
    return with_numbers(t, wake_coroutine);
}

/* ---- floor ---- */

static void *listen_thread(void *arg)
{
    struct bell *b = arg;

    for (long i = 0; i < b->count; i++) {
        while (sem_wait(&b->sem)) {}
        hear(b, i, atomic_load(&b->rung));
    }
    return NULL;
}

static int wake_thread(struct trial *t, struct bell *b)
{
    pthread_t other;
    int rc;

    sem_init(&b->sem, 0, 0);
    if ((rc = pthread_create(&other, NULL, listen_thread, b)))
        return failed(t, "pthread_create", -rc);
    for (long i = 0; i < b->count; i++) {
        clock_burn(clock_ns() + QUIET_NS);
        int64_t rung = clock_ns();
        atomic_store(&b->rung, rung);
        sem_post(&b->sem);
        stay_busy(b, i, rung);
    }
    pthread_join(other, NULL);
    sem_destroy(&b->sem);
    return finish(t, b);
}

static int wake_by_semaphore(struct trial *t)
{
    return with_numbers(t, wake_thread);
}

static const struct figure soon[FIGURES_MOST] = { { "us", ".p50" }, { "us", ".p99" } };

static const struct row rows[] = {
    { "wake.cross", NULL, soon, wake, .workers = 2, .ops = 300 },
    { "wake.cross", "floor", soon, wake_by_semaphore, .ops = 300 },
};
const struct group bench_wake = GROUP(rows);
