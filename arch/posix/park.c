/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * arch/posix/park.c — a sleeping thread on a condition variable.
 *
 * The word is the token (0 or 1) and is touched under the mutex only, which therefore carries
 * E-PARK: what a waker wrote before its lock is seen after the owner's.
 *
 * The waker signals before it unlocks. Its unlock is then its last touch, and the owner, who
 * needs the mutex to take the token, may destroy the parker right after.
 */
#include "arch/os.h"

#include <errno.h>
#include <pthread.h>
#include <time.h>

struct sleeper {
    pthread_mutex_t lock;
    pthread_cond_t token;
};
_Static_assert(sizeof(struct sleeper) <= sizeof((struct kci_parker *)0)->os, "kci_parker.os");

static struct sleeper *sleeper_of(struct kci_parker *p)
{
    return (struct sleeper *)(void *)p->os;
}

void kci_parker_init(struct kci_parker *p)
{
    struct sleeper *s = sleeper_of(p);
    pthread_condattr_t attr;

    ka_store(&p->word, 0, relaxed); // relaxed: not yet shared
    (void)pthread_mutex_init(&s->lock, NULL);
    (void)pthread_condattr_init(&attr);
    (void)pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
    (void)pthread_cond_init(&s->token, &attr);
    (void)pthread_condattr_destroy(&attr);
}

void kci_parker_fini(struct kci_parker *p)
{
    struct sleeper *s = sleeper_of(p);

    (void)pthread_cond_destroy(&s->token);
    (void)pthread_mutex_destroy(&s->lock);
}

/* 0 after a signal or for no reason; ETIMEDOUT. */
static int sleep_locked(struct sleeper *s, int64_t until_ns)
{
    if (until_ns == INT64_MAX)
        return pthread_cond_wait(&s->token, &s->lock);

    int64_t ns = until_ns > 0 ? until_ns : 0;
    struct timespec ts = { (time_t)(ns / 1000000000), (long)(ns % 1000000000) };
    return pthread_cond_timedwait(&s->token, &s->lock, &ts);
}

bool kci_parker_wait(struct kci_parker *p, int64_t until_ns)
{
    struct sleeper *s = sleeper_of(p);
    int rc = 0;

    (void)pthread_mutex_lock(&s->lock);
    while (!ka_load(&p->word, relaxed) && rc == 0) // relaxed: under the mutex
        rc = sleep_locked(s, until_ns);
    bool token = ka_load(&p->word, relaxed); // relaxed: under the mutex
    ka_store(&p->word, 0, relaxed);          // relaxed: under the mutex
    (void)pthread_mutex_unlock(&s->lock);
    return token;
}

void kci_parker_wake(struct kci_parker *p)
{
    struct sleeper *s = sleeper_of(p);

    (void)pthread_mutex_lock(&s->lock);
    ka_store(&p->word, 1, relaxed); // relaxed: under the mutex
    (void)pthread_cond_signal(&s->token);
    (void)pthread_mutex_unlock(&s->lock);
}
