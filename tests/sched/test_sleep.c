/* SPDX-License-Identifier: BSD-3-Clause */
/* tests/sched/test_sleep.c — sleeping: never too short, in order, many at once; deadlines. */
#include "arch/os.h"
#include "tests/sched/kit.h"

static _Atomic(int) early, done;

/* ---- never too short ---- */

static void sleep_and_check(int64_t ns)
{
    kc_deadline_t dl = kc_in(ns);

    if (kc_sleep_until(dl) == 0 && kc_now() < dl.ns)
        kt_count(&early);
}

static int sleep_a_little(void *number)
{
    int n = (int)(intptr_t)number;

    for (int i = 0; i < 5; i++)
        sleep_and_check(KC_US((n * 7919 + i * 104729) % 2000));
    return kt_count(&done);
}

static int many_sleep(void *how_many)
{
    for (int i = 0; i < (int)(intptr_t)how_many; i++)
        kt_go(sleep_a_little, KT_RESULT(i));
    return 0;
}

START_TEST(nobody_wakes_before_its_time)
{
    ck_assert_int_eq(kt_run(kt_workers(_i), many_sleep, KT_RESULT(50)), 0);
    ck_assert_int_eq(done, 50);
    ck_assert_int_eq(early, 0);
}
END_TEST

START_TEST(ten_thousand_sleep_at_once)
{
    ck_assert_int_eq(kt_run(kt_workers(_i), many_sleep, KT_RESULT(10000)), 0);
    ck_assert_int_eq(done, 10000);
    ck_assert_int_eq(early, 0);
}
END_TEST

START_TEST(a_plain_thread_sleeps_too)
{
    for (int i = 0; i < 20; i++)
        sleep_and_check(KC_US(i * 100));
    ck_assert_int_eq(kc_sleep_until(KC_TRY), 0);
    ck_assert_int_eq(kc_sleep_until(kc_in(-5)), 0);
    ck_assert_int_eq(early, 0);
}
END_TEST

static int sleep_in_the_past(void *arg)
{
    int64_t before = kc_now();

    (void)arg;
    for (int i = 0; i < 1000; i++) {
        ck_assert_int_eq(kc_sleep_until(kc_in(0)), 0);
        ck_assert_int_eq(kc_sleep(-KC_S(5)), 0);
        ck_assert_int_eq(kc_sleep_until(KC_TRY), 0);
    }
    ck_assert_int_eq(kc_now(), before);
    return 0;
}

START_TEST(a_moment_in_the_past_is_no_sleep)
{
    ck_assert_int_eq(kt_run_virtual(sleep_in_the_past, NULL), 0);
}
END_TEST

/* ---- order ---- */

enum { SLEEPERS = 1000 };

static int waking[SLEEPERS];
static _Atomic(int) lain, woken;

static int64_t duration_of(int i)
{
    return KC_MS((i * 7919) % 100 + 1);
}

static int sleep_and_sign(void *arg)
{
    int i = ka_add(&lain, 1, relaxed);
    int64_t before = kc_now();

    (void)arg;
    if (kc_sleep(duration_of(i)) || kc_now() != before + duration_of(i))
        kt_count(&early);
    waking[ka_add(&woken, 1, relaxed)] = i;
    return 0;
}

static int sleep_in_order(void *arg)
{
    (void)arg;
    for (int i = 0; i < SLEEPERS; i++)
        kt_go(sleep_and_sign, NULL);
    return 0;
}

START_TEST(sleepers_wake_by_time_and_then_in_the_order_they_lay_down)
{
    ck_assert_int_eq(kt_run_virtual(sleep_in_order, NULL), 0);
    ck_assert_int_eq(woken, SLEEPERS);
    ck_assert_int_eq(early, 0);
    for (int i = 1; i < SLEEPERS; i++) {
        int64_t a = duration_of(waking[i - 1]), b = duration_of(waking[i]);
        ck_assert_msg(a < b || (a == b && waking[i - 1] < waking[i]), "%d before %d",
                      waking[i - 1], waking[i]);
    }
}
END_TEST

static int sleep_a_century(void *arg)
{
    const int64_t century = KC_S(3600) * 24 * 36525;
    int64_t before = kc_now();

    (void)arg;
    ck_assert_int_eq(kc_sleep(century), 0);
    ck_assert_int_eq(kc_now() - before, century);
    return 0;
}

START_TEST(a_virtual_century_passes_at_once)
{
    int64_t before = kci_os_now();

    ck_assert_int_eq(kt_run_virtual(sleep_a_century, NULL), 0);
    ck_assert_int_lt(kci_os_now() - before, KC_S(10));
}
END_TEST

/* ---- a shorter sleep begins while a longer one is waited for ---- */

static int sleep_long(void *arg)
{
    (void)arg;
    return kc_sleep(KC_S(3600)) == -ECANCELED ? 0 : -EIO;
}

static int short_after_long(void *arg)
{
    kc_scope_t s;

    (void)arg;
    for (int i = 0; i < 30; i++) {
        ck_assert_int_eq(kc_scope_open(&s, NULL), 0);
        kc_co_t *co = kt_spawn(sleep_long, NULL);
        kt_until_parked(co, KCI_WHY_SLEEP);
        ck_assert_int_eq(kc_sleep(KC_US(i * 50)), 0); // hangs if the poller oversleeps it
        kt_go(sleep_a_little, KT_RESULT(i));
        ck_assert_int_eq(kc_scope_wait(&s, kc_in(KC_MS(5))), -ETIME);
        kc_scope_cancel(&s, 0);
        ck_assert_int_eq(kc_scope_close(&s), -ECANCELED);
        ck_assert_int_eq(kt_join(co), 0);
    }
    return 0;
}

START_TEST(a_later_but_shorter_sleep_is_not_overslept)
{
    ck_assert_int_eq(kt_run(kt_workers(_i), short_after_long, NULL), 0);
    ck_assert_int_eq(early, 0);
}
END_TEST

/* ---- deadlines are values ---- */

START_TEST(deadlines_saturate_and_the_past_is_never_zero)
{
    ck_assert_int_eq(kc_in(INT64_MAX).ns, KC_FOREVER.ns);
    ck_assert_int_eq(kc_in(INT64_MAX - 1).ns, KC_FOREVER.ns);
    ck_assert_int_eq(kc_at(5).ns, 5);
    const int64_t past[] = { 0, -1, -KC_S(1), INT64_MIN };
    for (int i = 0; i < 4; i++) {
        kc_deadline_t dl = kc_in(past[i]);
        ck_assert_int_ne(dl.ns, 0);
        ck_assert_int_ne(dl.ns, KC_TRY.ns);
        ck_assert_int_lt(dl.ns, kc_now());
    }
}
END_TEST

static int past_in_virtual_time(void *arg)
{
    (void)arg;
    ck_assert_int_gt(kc_now(), kc_in(0).ns);
    ck_assert_int_gt(kc_in(0).ns, 0);
    return 0;
}

START_TEST(the_clock_only_goes_forward_and_is_never_zero)
{
    int64_t last = 0;

    for (int i = 0; i < 1000; i++) {
        int64_t now = kc_now();
        ck_assert_int_ge(now, last);
        ck_assert_int_gt(now, 0);
        last = now;
    }
    ck_assert_int_eq(kt_run_virtual(past_in_virtual_time, NULL), 0);
}
END_TEST

SUITE("sched/sleep", CASE_WORKERS(nobody_wakes_before_its_time),
      CASE_WORKERS(ten_thousand_sleep_at_once), CASE(a_plain_thread_sleeps_too),
      CASE(a_moment_in_the_past_is_no_sleep),
      CASE(sleepers_wake_by_time_and_then_in_the_order_they_lay_down),
      CASE(a_virtual_century_passes_at_once),
      CASE_WORKERS(a_later_but_shorter_sleep_is_not_overslept),
      CASE(deadlines_saturate_and_the_past_is_never_zero),
      CASE(the_clock_only_goes_forward_and_is_never_zero))
