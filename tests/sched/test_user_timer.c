/* SPDX-License-Identifier: BSD-3-Clause */
/* tests/sched/test_user_timer.c — T10, T11, T12: functions called at a time, once or again and
 * again. */
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "arch/os.h"
#include "core/mem.h"
#include "tests/sched/kit.h"

struct note {
    kc_timer_t timer;
    _Atomic(int) calls;
    int64_t due, late;
    int stopped[3];
};

static void called(void *arg)
{
    struct note *n = arg;

    n->late = kc_now() - n->due;
    ka_add(&n->calls, 1, acq_rel);
}

static int calls(struct note *n)
{
    return ka_load(&n->calls, acquire);
}

/* ---- in virtual time ---- */

static int fire_once(void *arg)
{
    struct note n = { .due = kc_now() + KC_MS(5) };

    (void)arg;
    ck_assert_int_eq(kc_timer_stop(&n.timer), 0); // all zeros
    ck_assert_int_eq(kc_timer_start(&n.timer, kc_at(n.due), 0, called, &n), 0);
    ck_assert_int_eq(kc_sleep(KC_MS(4)), 0);
    ck_assert_int_eq(calls(&n), 0);
    ck_assert_int_eq(kc_sleep(KC_MS(2)), 0);
    ck_assert_int_eq(calls(&n), 1);
    ck_assert_int_eq(n.late, 0);
    ck_assert_int_eq(kc_timer_stop(&n.timer), 0);
    ck_assert_int_eq(kc_sleep(KC_S(100)), 0);
    ck_assert_int_eq(calls(&n), 1);
    return 0;
}

START_TEST(t12_a_timer_fires_once_at_its_time)
{
    ck_assert_int_eq(kt_run_virtual(fire_once, NULL), 0);
}
END_TEST

static int stop_and_reset(void *arg)
{
    struct note n = { .calls = 0 };

    (void)arg;
    kc_timer_start(&n.timer, kc_in(KC_MS(5)), 0, called, &n);
    ck_assert_int_eq(kc_timer_stop(&n.timer), 1);
    ck_assert_int_eq(kc_timer_stop(&n.timer), 0);
    ck_assert_int_eq(kc_sleep(KC_MS(10)), 0);
    ck_assert_int_eq(calls(&n), 0);
    kc_timer_start(&n.timer, kc_in(KC_MS(5)), 0, called, &n);
    ck_assert_int_eq(kc_sleep(KC_MS(4)), 0);
    kc_timer_start(&n.timer, kc_in(KC_MS(5)), 0, called, &n); // anew
    ck_assert_int_eq(kc_sleep(KC_MS(4)), 0);
    ck_assert_int_eq(calls(&n), 0);
    ck_assert_int_eq(kc_sleep(KC_MS(2)), 0);
    ck_assert_int_eq(calls(&n), 1);
    kc_timer_start(&n.timer, KC_FOREVER, KC_MS(1), called, &n);
    ck_assert_int_eq(kc_sleep(KC_S(1)), 0);
    ck_assert_int_eq(calls(&n), 1);
    ck_assert_int_eq(kc_timer_stop(&n.timer), 1);
    kc_timer_start(&n.timer, KC_TRY, 0, called, &n);
    ck_assert_int_eq(kc_sleep(1), 0);
    ck_assert_int_eq(calls(&n), 2);
    return 0;
}

START_TEST(t12_a_stopped_timer_is_silent_and_a_started_one_starts_anew)
{
    ck_assert_int_eq(kt_run_virtual(stop_and_reset, NULL), 0);
}
END_TEST

static int tick_for_a_day(void *arg)
{
    struct note n = { .calls = 0 };
    int64_t before = kci_os_now();

    (void)arg;
    kc_timer_start(&n.timer, kc_in(KC_S(60)), KC_S(60), called, &n);
    ck_assert_int_eq(kc_sleep(KC_S(24 * 3600) + 1), 0);
    ck_assert_int_eq(calls(&n), 24 * 60);
    ck_assert_int_eq(kc_timer_stop(&n.timer), 1);
    ck_assert_int_eq(kc_timer_stop(&n.timer), 0);
    ck_assert_int_eq(kc_sleep(KC_S(600)), 0);
    ck_assert_int_eq(calls(&n), 24 * 60);
    ck_assert_int_lt(kci_os_now() - before, KC_S(60)); // no real time goes by
    return 0;
}

START_TEST(t12_a_periodic_timer_keeps_its_series_in_virtual_time)
{
    ck_assert_int_eq(kt_run_virtual(tick_for_a_day, NULL), 0);
}
END_TEST

static int miss_some(void *arg)
{
    struct note n = { .calls = 0 };

    (void)arg;
    int64_t start = kc_now();
    kc_timer_start(&n.timer, kc_at(start - KC_MS(35)), KC_MS(10), called, &n);
    ck_assert_int_eq(kc_sleep_until(kc_at(start + KC_MS(1))), 0);
    ck_assert_int_eq(calls(&n), 1); // not four
    ck_assert_int_eq(kc_sleep_until(kc_at(start + KC_MS(6))), 0);
    ck_assert_int_eq(calls(&n), 2); // at 5: still in step
    return kc_timer_stop(&n.timer) == 1 ? 0 : -EIO;
}

START_TEST(moments_that_were_missed_are_left_out)
{
    ck_assert_int_eq(kt_run_virtual(miss_some, NULL), 0);
}
END_TEST

/* ---- what a callback may do ---- */

static void restart_twice(void *arg)
{
    struct note *n = arg;

    if (ka_add(&n->calls, 1, acq_rel) < 2)
        kc_timer_start(&n->timer, kc_in(KC_MS(10)), 0, restart_twice, n);
}

static void stop_at_three(void *arg)
{
    struct note *n = arg;

    if (ka_add(&n->calls, 1, acq_rel) == 2)
        n->stopped[0] = kc_timer_stop(&n->timer);
}

static void stop_then_start(void *arg)
{
    struct note *n = arg;

    n->stopped[1] = kc_timer_stop(&n->timer);
    kc_timer_start(&n->timer, kc_in(KC_MS(3)), 0, called, n);
}

static void free_it(void *arg)
{
    struct note *n = arg;

    kc_timer_stop(&n->timer);
    memset(n, 0xff, sizeof *n);
    free(n);
}

static int from_inside(void *arg)
{
    struct note *gone = calloc(1, sizeof *gone), n = { .calls = 0 };
    int64_t start = kc_now();

    (void)arg;
    kc_timer_start(&n.timer, kc_in(KC_MS(10)), 0, restart_twice, &n);
    ck_assert_int_eq(kc_sleep_until(kc_at(start + KC_MS(29))), 0);
    ck_assert_int_eq(calls(&n), 2);
    ck_assert_int_eq(kc_sleep_until(kc_at(start + KC_MS(100))), 0);
    ck_assert_int_eq(calls(&n), 3);

    ka_store(&n.calls, 0, relaxed);
    kc_timer_start(&n.timer, kc_in(1), KC_MS(1), stop_at_three, &n);
    ck_assert_int_eq(kc_sleep(KC_MS(50)), 0);
    ck_assert_int_eq(calls(&n), 3);
    ck_assert_int_eq(n.stopped[0], 1); // periodic: it would have gone on
    ck_assert_int_eq(kc_timer_stop(&n.timer), 0);

    kc_timer_start(&n.timer, kc_in(1), 0, stop_then_start, &n);
    ck_assert_int_eq(kc_sleep(KC_MS(50)), 0);
    ck_assert_int_eq(n.stopped[1], 0); // it had fired
    ck_assert_int_eq(calls(&n), 4);

    kc_timer_start(&gone->timer, kc_in(1), KC_MS(1), free_it, gone);
    return kc_sleep(KC_MS(50));
}

START_TEST(t11_a_callback_may_start_stop_and_free_its_own_timer)
{
    ck_assert_int_eq(kt_run_virtual(from_inside, NULL), 0);
}
END_TEST

static int waited[5];
static kc_chan_t *ch;

static void try_to_wait(void *done)
{
    waited[0] = kc_sleep(KC_MS(1));
    waited[1] = kc_recv(ch, NULL, KC_FOREVER);
    waited[2] = kc_select(KC_FOREVER, KC_RECV(ch, NULL)).rc;
    waited[3] = kc_spawn(NULL, kt_return, NULL, NULL);
    kc_yield();
    waited[4] = kc_send(ch, NULL, KC_TRY);
    kt_count(done);
}

static int callbacks_do_not_wait(void *arg)
{
    static _Atomic(int) done;
    kc_timer_t t = { { 0 } };

    (void)arg;
    ka_store(&done, 0, relaxed);
    ck_assert_int_eq(kc_chan_make(&ch, 0, 1), 0);
    kc_timer_start(&t, kc_in(KC_US(10)), 0, try_to_wait, (void *)&done);
    ck_assert_int_eq(kc_recv(ch, NULL, KC_FOREVER), 0);
    kt_until(&done, 1);
    ck_assert_int_eq(waited[0], -EPERM);
    ck_assert_int_eq(waited[1], -EPERM);
    ck_assert_int_eq(waited[2], -EPERM);
    ck_assert_int_eq(waited[3], -EPERM);
    ck_assert_int_eq(waited[4], 0);
    kc_timer_stop(&t); // it is over, and t may go
    kc_chan_unref(ch);
    return 0;
}

START_TEST(a_callback_that_would_wait_gets_eperm)
{
    ck_assert_int_eq(kt_run(kt_workers(_i), callbacks_do_not_wait, NULL), 0);
}
END_TEST

START_TEST(what_is_no_timer_or_has_no_runtime_is_refused)
{
    kc_timer_t t = { { 0 } };

    ck_assert_int_eq(kc_timer_start(NULL, kc_in(1), 0, called, NULL), -EINVAL);
    ck_assert_int_eq(kc_timer_start(&t, kc_in(1), 0, NULL, NULL), -EINVAL);
    ck_assert_int_eq(kc_timer_start(&t, kc_in(1), -1, called, NULL), -EINVAL);
    ck_assert_int_eq(kc_timer_start(&t, kc_in(1), 0, called, NULL), -EPERM);
    ck_assert_int_eq(kc_timer_stop(NULL), -EINVAL);
    ck_assert_int_eq(kc_timer_stop(&t), 0);
}
END_TEST

static int leave_it_running(void *note)
{
    struct note *n = note;
    return kc_timer_start(&n->timer, kc_in(KC_S(1000)), KC_S(1), called, n);
}

START_TEST(the_end_of_its_runtime_stops_a_timer)
{
    struct note n = { .calls = 0 };

    for (int i = 0; i < 3; i++)
        ck_assert_int_eq(kt_run(kt_workers(_i), leave_it_running, &n), 0);
    ck_assert_int_eq(kc_timer_stop(&n.timer), 0);
    ck_assert_int_eq(calls(&n), 0);
}
END_TEST

/* ---- in real time ---- */

enum { MANY = 10000 };

static int ten_thousand(void *arg)
{
    struct note *n = arg;
    unsigned late_1ms = 0;

    for (int i = 0; i < MANY; i++) {
        n[i].due = kc_now() + KC_US(i * 7919 % 100000);
        ck_assert_int_eq(kc_timer_start(&n[i].timer, kc_at(n[i].due), 0, called, &n[i]), 0);
    }
    for (int i = 0; i < MANY; i++) {
        while (calls(&n[i]) == 0)
            kc_sleep(KC_US(200));
        if (n[i].late < 0)
            ck_abort_msg("timer %d was %lld ns early", i, (long long)-n[i].late);
        late_1ms += n[i].late > KC_MS(1);
        if (kc_timer_stop(&n[i].timer) != 0 || calls(&n[i]) != 1)
            ck_abort_msg("timer %d: %d calls", i, calls(&n[i]));
    }
    (void)late_1ms; // a loaded machine is late; only being early is wrong
    return 0;
}

START_TEST(t10_of_ten_thousand_timers_none_is_early_and_none_is_lost)
{
    struct note *n = calloc(MANY, sizeof *n);

    ck_assert_int_eq(kt_run(kt_workers(_i), ten_thousand, n), 0);
    free(n);
}
END_TEST

static int stop_while_firing(void *arg)
{
    (void)arg;
    for (int i = 0; i < 3000; i++) {
        struct note n = { .calls = 0 };
        kc_deadline_t dl = kc_in(KC_US(i % 40));
        kc_timer_start(&n.timer, dl, 0, called, &n);
        while (kc_now() < dl.ns - KC_US(i % 3))
            kc_yield();
        int stopped = kc_timer_stop(&n.timer);
        if (stopped + calls(&n) != 1) // and n may go
            ck_abort_msg("round %d: stopped %d, called %d", i, stopped, calls(&n));
    }
    return 0;
}

START_TEST(t11_a_callback_ran_or_stopping_said_one)
{
    ck_assert_int_eq(kt_run(kt_workers(_i), stop_while_firing, NULL), 0);
}
END_TEST

static void *stop_from_a_thread(void *note)
{
    struct note *n = note;

    kt_until(&n->calls, 3);
    n->stopped[0] = kc_timer_stop(&n->timer);
    n->stopped[1] = calls(n);
    return NULL;
}

static int stop_periodic(void *arg)
{
    (void)arg;
    for (int i = 0; i < 50; i++) {
        struct note n = { .calls = 0 };
        pthread_t thread;
        ck_assert_int_eq(pthread_create(&thread, NULL, stop_from_a_thread, &n), 0);
        kc_timer_start(&n.timer, kc_in(KC_US(20)), KC_US(20), called, &n);
        kt_until(&n.calls, 3);
        int64_t until = kc_now() + KC_US(100);
        while (kc_now() < until)
            kc_yield();
        pthread_join(thread, NULL);
        ck_assert_int_eq(n.stopped[0], 1);
        ck_assert_int_eq(kc_sleep(KC_US(100)), 0);
        ck_assert_int_eq(calls(&n), n.stopped[1]);
    }
    return 0;
}

START_TEST(t11_a_thread_stops_a_periodic_timer_for_good)
{
    ck_assert_int_eq(kt_run(2 << _i, stop_periodic, NULL), 0);
}
END_TEST

SUITE("sched/user_timer", CASE(t12_a_timer_fires_once_at_its_time),
      CASE(t12_a_stopped_timer_is_silent_and_a_started_one_starts_anew),
      CASE(t12_a_periodic_timer_keeps_its_series_in_virtual_time),
      CASE(moments_that_were_missed_are_left_out),
      CASE(t11_a_callback_may_start_stop_and_free_its_own_timer),
      CASE_WORKERS(a_callback_that_would_wait_gets_eperm),
      CASE(what_is_no_timer_or_has_no_runtime_is_refused),
      CASE_WORKERS(the_end_of_its_runtime_stops_a_timer),
      CASE_WORKERS(t10_of_ten_thousand_timers_none_is_early_and_none_is_lost),
      CASE_WORKERS(t11_a_callback_ran_or_stopping_said_one),
      CASE_LOOP(t11_a_thread_stops_a_periodic_timer_for_good, 2))
