/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * tests/arch/test_park.c — the parker, for each answer to arch/os.h.
 *
 * Threads are met by what they did, never by waiting a while; where a test lets time pass, it
 * is the end of that time that it tests.
 */
#include <pthread.h>
#include <signal.h>

#include "arch/os.h"
#include "tests/support/suite.h"

static const int64_t ms = 1000000;

START_TEST(a_token_set_before_the_wait_is_taken_at_once)
{
    struct kci_parker p;

    kci_parker_init(&p);
    kci_parker_wake(&p);
    ck_assert(kci_parker_wait(&p, INT64_MAX));
    ck_assert(!kci_parker_wait(&p, 0));
    kci_parker_fini(&p);
}
END_TEST

START_TEST(two_wakes_before_a_wait_are_one_token)
{
    struct kci_parker p;

    kci_parker_init(&p);
    kci_parker_wake(&p);
    kci_parker_wake(&p);
    ck_assert(kci_parker_wait(&p, 0));
    ck_assert(!kci_parker_wait(&p, 0));
    kci_parker_fini(&p);
}
END_TEST

START_TEST(a_wait_without_a_token_ends_at_its_time_and_not_before)
{
    struct kci_parker p;

    kci_parker_init(&p);
    for (int i = 0; i < 20; i++) {
        int64_t until = kci_os_now() + i * ms / 4;
        ck_assert(!kci_parker_wait(&p, until));
        ck_assert_int_ge(kci_os_now(), until);
    }
    kci_parker_wake(&p); // it is as good as new
    ck_assert(kci_parker_wait(&p, INT64_MAX));
    kci_parker_fini(&p);
}
END_TEST

START_TEST(a_time_in_the_past_does_not_wait)
{
    static const int64_t past[] = { 0, 1, -1, INT64_MIN };
    struct kci_parker p;

    kci_parker_init(&p);
    for (size_t i = 0; i < sizeof past / sizeof past[0]; i++) {
        ck_assert(!kci_parker_wait(&p, past[i]));
        kci_parker_wake(&p);
        ck_assert(kci_parker_wait(&p, past[i]));
    }
    kci_parker_fini(&p);
}
END_TEST

struct duet {
    struct kci_parker ping, pong;
    int ball; // plain: only E-PARK orders it
    int rounds;
};

static void *duet_second(void *arg)
{
    struct duet *d = arg;

    for (int i = 0; i < d->rounds; i++) {
        if (!kci_parker_wait(&d->ping, INT64_MAX))
            return arg;
        d->ball++;
        kci_parker_wake(&d->pong);
    }
    return NULL;
}

START_TEST(a_wake_ends_a_sleep_and_carries_what_was_written)
{
    struct duet d = { .rounds = 20000 };
    pthread_t second;
    void *failed;

    kci_parker_init(&d.ping);
    kci_parker_init(&d.pong);
    ck_assert_int_eq(pthread_create(&second, NULL, duet_second, &d), 0);
    for (int i = 0; i < d.rounds; i++) {
        d.ball++;
        kci_parker_wake(&d.ping);
        ck_assert(kci_parker_wait(&d.pong, INT64_MAX));
        ck_assert_int_eq(d.ball, 2 * (i + 1));
    }
    ck_assert_int_eq(pthread_join(second, &failed), 0);
    ck_assert_ptr_null(failed);
    kci_parker_fini(&d.ping);
    kci_parker_fini(&d.pong);
}
END_TEST

static _Atomic(int) signals_taken, wait_over;

static void count_signal(int sig)
{
    (void)sig;
    ka_add(&signals_taken, 1, relaxed); // relaxed: a count
}

/* Without SA_RESTART, so that it interrupts what it meets. */
static void take_signals(void)
{
    struct sigaction sa = { .sa_handler = count_signal };

    ck_assert_int_eq(sigaction(SIGUSR1, &sa, NULL), 0);
}

static void *wait_for_token(void *arg)
{
    bool token = kci_parker_wait(arg, INT64_MAX);

    ka_store(&wait_over, 1, relaxed); // relaxed: only looked at
    return token ? NULL : arg;
}

START_TEST(g3_signals_do_not_end_a_sleep)
{
    struct kci_parker p;
    pthread_t sleeper;
    void *failed;

    take_signals();
    kci_parker_init(&p);
    ck_assert_int_eq(pthread_create(&sleeper, NULL, wait_for_token, &p), 0);
    for (int i = 0; i < 50; i++) {
        // Again and again: ThreadSanitizer keeps what comes just before a system call until after.
        while (ka_load(&signals_taken, relaxed) <= i) { // relaxed: a count
            ck_assert_int_eq(pthread_kill(sleeper, SIGUSR1), 0);
            kci_os_yield_thread();
        }
        ck_assert_int_eq(ka_load(&wait_over, relaxed), 0); // relaxed: only looked at
    }
    kci_parker_wake(&p);
    ck_assert_int_eq(pthread_join(sleeper, &failed), 0);
    ck_assert_ptr_null(failed);
    kci_parker_fini(&p);
}
END_TEST

SUITE("arch/park",
      CASE(a_token_set_before_the_wait_is_taken_at_once),
      CASE(two_wakes_before_a_wait_are_one_token),
      CASE(a_wait_without_a_token_ends_at_its_time_and_not_before),
      CASE(a_time_in_the_past_does_not_wait),
      CASE(a_wake_ends_a_sleep_and_carries_what_was_written),
      CASE(g3_signals_do_not_end_a_sleep))
