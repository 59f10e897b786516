/* SPDX-License-Identifier: BSD-3-Clause */
/* tests/core/test_lock.c — the small lock, between threads that all want it. */
#include <pthread.h>

#include "core/lock.h"
#include "tests/support/suite.h"

enum { THREADS = 4, ROUNDS = 50000 };

static struct kci_lock lock;
static long plain; // ordered by the lock alone

static void *add(void *arg)
{
    (void)arg;
    for (int i = 0; i < ROUNDS; i++) {
        kci_lock(&lock);
        plain++;
        kci_unlock(&lock);
    }
    return NULL;
}

START_TEST(what_is_done_under_the_lock_is_done_one_after_the_other)
{
    pthread_t threads[THREADS];

    for (int i = 0; i < THREADS; i++)
        ck_assert_int_eq(pthread_create(&threads[i], NULL, add, NULL), 0);
    for (int i = 0; i < THREADS; i++)
        pthread_join(threads[i], NULL);
    ck_assert_int_eq(plain, (long)THREADS * ROUNDS);
}
END_TEST

/* The slow path: the holder is away for longer than anybody spins. */
START_TEST(a_waiter_gets_the_lock_after_a_long_hold)
{
    pthread_t thread;

    kci_lock(&lock);
    ck_assert_int_eq(pthread_create(&thread, NULL, add, NULL), 0);
    for (int i = 0; i < 100000; i++)
        kci_cpu_pause();
    ck_assert_int_eq(plain, 0);
    kci_unlock(&lock);
    pthread_join(thread, NULL);
    ck_assert_int_eq(plain, ROUNDS);
}
END_TEST

SUITE("core/lock", CASE(what_is_done_under_the_lock_is_done_one_after_the_other),
      CASE(a_waiter_gets_the_lock_after_a_long_hold))
