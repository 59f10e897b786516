/* SPDX-License-Identifier: BSD-3-Clause */
/* tests/sched/test_timer.c — the heap of deadlines, driven by hand: no runtime, no clock. */
#include "sched/timer.h"

#include <pthread.h>
#include <string.h>

#include "arch/os.h"
#include "tests/support/suite.h"

static struct kci_timers timers;

static void no_wake(struct kci_ticket *tk)
{
    (void)tk;
}

struct sleeper {
    struct kci_ticket tk;
    struct kci_timer timer;
};

static void sleeper_begin(struct sleeper *s)
{
    s->timer.tk = &s->tk;
    s->timer.gen = kci_ticket_open(&s->tk, false);
    s->timer.index = -1;
    s->timer.rc = -ETIME;
}

static void sleeper_init(struct sleeper *s)
{
    memset(s, 0, sizeof *s);
    kci_ticket_init(&s->tk, no_wake);
    sleeper_begin(s);
}

START_TEST(an_expired_timer_ends_the_wait_it_was_armed_for)
{
    struct sleeper s;

    kci_timers_init(&timers);
    ck_assert_int_eq(kci_timers_next(&timers), INT64_MAX);
    sleeper_init(&s);
    kci_timer_arm(&timers, &s.timer, 100);
    ck_assert_int_eq(kci_timers_next(&timers), 100);
    ck_assert_uint_eq(kci_timers_expire(&timers, 99), 0);
    ck_assert(!kci_ticket_is_done(&s.tk));
    ck_assert_uint_eq(kci_timers_expire(&timers, 100), 1);
    ck_assert(kci_ticket_is_done(&s.tk));
    ck_assert_int_eq(s.tk.rc, -ETIME);
    ck_assert_int_eq(s.tk.index, -1);
    ck_assert_int_eq(kci_timers_next(&timers), INT64_MAX);
    ck_assert(!kci_timer_disarm(&timers, &s.timer));
}
END_TEST

START_TEST(a_disarmed_timer_does_nothing)
{
    struct sleeper s;

    kci_timers_init(&timers);
    sleeper_init(&s);
    ck_assert(!kci_timer_disarm(&timers, &s.timer));
    kci_timer_arm(&timers, &s.timer, 5);
    ck_assert(kci_timer_disarm(&timers, &s.timer));
    ck_assert(!kci_timer_disarm(&timers, &s.timer));
    ck_assert_uint_eq(kci_timers_expire(&timers, 1000), 0);
    ck_assert(!kci_ticket_is_done(&s.tk));
    kci_timer_arm(&timers, &s.timer, 2000); // it can be used again
    ck_assert_uint_eq(kci_timers_expire(&timers, 2000), 1);
}
END_TEST

START_TEST(a_timer_that_comes_too_late_for_its_wait_changes_nothing)
{
    struct sleeper s;
    struct kci_claim c;

    kci_timers_init(&timers);
    sleeper_init(&s);
    kci_timer_arm(&timers, &s.timer, 5);
    ck_assert(kci_ticket_claim(&s.tk, s.timer.gen, &c));
    kci_claim_finish(c, 0);
    kci_ticket_open(&s.tk, false); // the next wait
    kci_timers_expire(&timers, 5);
    ck_assert(!kci_ticket_is_done(&s.tk));
}
END_TEST

START_TEST(any_number_may_be_due_at_once_and_only_they_fire)
{
    enum { MANY = 1000 };
    static struct sleeper s[MANY];

    kci_timers_init(&timers);
    for (int i = 0; i < MANY; i++) {
        sleeper_init(&s[i]);
        kci_timer_arm(&timers, &s[i].timer, (i * 7919) % MANY);
    }
    ck_assert_uint_eq(kci_timers_expire(&timers, MANY / 2 - 1), MANY / 2);
    for (int i = 0; i < MANY; i++)
        ck_assert(kci_ticket_is_done(&s[i].tk) == ((i * 7919) % MANY < MANY / 2));
    ck_assert_int_eq(kci_timers_next(&timers), MANY / 2);
    ck_assert_uint_eq(kci_timers_expire(&timers, INT64_MAX - 1), MANY / 2);
}
END_TEST

/* ---- callbacks ---- */

struct ticker {
    struct kci_timer timer;
    _Atomic(int) calls, running;
    int64_t period, last;
};

static char calls_in_order[16];

static int64_t note_letter(struct kci_timer *t)
{
    calls_in_order[strlen(calls_in_order)] = (char)t->index;
    return 0;
}

START_TEST(callbacks_run_by_time_and_in_the_order_of_arming)
{
    static const struct {
        char letter;
        int64_t when;
    } plan[] = { { 'c', 20 }, { 'a', 10 }, { 'd', 20 }, { 'b', 10 }, { 'e', 30 } };
    struct kci_timer t[5];

    kci_timers_init(&timers);
    for (int i = 0; i < 5; i++) {
        t[i] = (struct kci_timer){ .fn = note_letter, .index = plan[i].letter };
        kci_timer_arm(&timers, &t[i], plan[i].when);
    }
    kci_timers_expire(&timers, 30);
    ck_assert_str_eq(calls_in_order, "abcde");
}
END_TEST

static int64_t tick(struct kci_timer *t)
{
    struct ticker *me = KCI_OF(t, struct ticker, timer);

    ka_store(&me->running, 1, release);
    ka_add(&me->calls, 1, relaxed);
    int64_t again = t->node.key + me->period;
    ka_store(&me->running, 0, release);
    return again > me->last ? 0 : again;
}

START_TEST(a_callback_says_when_it_wants_to_run_again)
{
    struct ticker t = { .timer.fn = tick, .period = 10, .last = 45 };

    kci_timers_init(&timers);
    kci_timer_arm(&timers, &t.timer, 10);
    ck_assert_uint_eq(kci_timers_expire(&timers, 10), 1);
    ck_assert_int_eq(kci_timers_next(&timers), 20);
    ck_assert_uint_eq(kci_timers_expire(&timers, 35), 2); // 20 and 30
    ck_assert_uint_eq(kci_timers_expire(&timers, 100), 1); // 40 was the last
    ck_assert_int_eq(t.calls, 4);
    ck_assert_int_eq(kci_timers_next(&timers), INT64_MAX);
    ck_assert(!kci_timer_disarm(&timers, &t.timer));
}
END_TEST

START_TEST(a_repeating_callback_can_be_disarmed_and_armed_again)
{
    struct ticker t = { .timer.fn = tick, .period = 10, .last = INT64_MAX };

    kci_timers_init(&timers);
    kci_timer_arm(&timers, &t.timer, 10);
    kci_timers_expire(&timers, 20);
    ck_assert(kci_timer_disarm(&timers, &t.timer));
    ck_assert_uint_eq(kci_timers_expire(&timers, 1000), 0);
    kci_timer_arm(&timers, &t.timer, 2000);
    ck_assert_uint_eq(kci_timers_expire(&timers, 2000), 1);
    ck_assert_int_eq(t.calls, 3);
}
END_TEST

/* ---- two threads ---- */

enum { ROUNDS = 30000 };

static _Atomic(int64_t) now;
static _Atomic(int) over;

static void *expire_all_the_time(void *arg)
{
    (void)arg;
    while (!ka_load(&over, acquire)) {
        kci_timers_expire(&timers, ka_load(&now, relaxed));
        ka_add(&now, 1, relaxed);
    }
    return NULL;
}

/* Whether disarming won or lost, exactly one of "disarmed" and "fired" is true. */
START_TEST(disarming_and_firing_exclude_each_other)
{
    struct sleeper s;
    pthread_t thread;
    int fired = 0;

    kci_timers_init(&timers);
    sleeper_init(&s);
    ck_assert_int_eq(pthread_create(&thread, NULL, expire_all_the_time, NULL), 0);
    for (int i = 0; i < ROUNDS; i++) {
        if (i)
            sleeper_begin(&s);
        kci_timer_arm(&timers, &s.timer, ka_load(&now, relaxed) + i % 4);
        for (int k = 0; k < i % 64; k++)
            kci_cpu_pause();
        if (kci_timer_disarm(&timers, &s.timer)) {
            struct kci_claim c;
            if (!kci_ticket_claim(&s.tk, s.timer.gen, &c))
                ck_abort_msg("round %d: disarmed, and fired", i);
            kci_claim_finish(c, 0);
        } else {
            while (!kci_ticket_is_done(&s.tk)) // claimed under the lock, finished a little later
                kci_os_yield_thread();
            fired++;
        }
    }
    ka_store(&over, 1, release);
    pthread_join(thread, NULL);
    ck_assert_int_gt(fired, 0);
}
END_TEST

START_TEST(after_disarming_a_callback_is_not_running)
{
    struct ticker t = { .timer.fn = tick, .period = 1, .last = INT64_MAX };
    pthread_t thread;

    kci_timers_init(&timers);
    ck_assert_int_eq(pthread_create(&thread, NULL, expire_all_the_time, NULL), 0);
    for (int i = 0; i < ROUNDS / 4; i++) {
        kci_timer_arm(&timers, &t.timer, ka_load(&now, relaxed) + 1);
        for (int k = 0; k < i % 64; k++)
            kci_cpu_pause();
        kci_timer_disarm(&timers, &t.timer);
        int calls = ka_load(&t.calls, relaxed);
        if (ka_load(&t.running, acquire) || ka_load(&t.calls, relaxed) != calls)
            ck_abort_msg("round %d: still running", i);
    }
    ka_store(&over, 1, release);
    pthread_join(thread, NULL);
}
END_TEST

SUITE("sched/timer", CASE(an_expired_timer_ends_the_wait_it_was_armed_for),
      CASE(a_disarmed_timer_does_nothing),
      CASE(a_timer_that_comes_too_late_for_its_wait_changes_nothing),
      CASE(any_number_may_be_due_at_once_and_only_they_fire),
      CASE(callbacks_run_by_time_and_in_the_order_of_arming),
      CASE(a_callback_says_when_it_wants_to_run_again),
      CASE(a_repeating_callback_can_be_disarmed_and_armed_again),
      CASE(disarming_and_firing_exclude_each_other),
      CASE(after_disarming_a_callback_is_not_running))
