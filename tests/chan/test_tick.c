/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * tests/chan/test_tick.c — tickers. Under the virtual clock each tick comes to the nanosecond.
 */
#include "core/mem.h"
#include "sched/sched.h"
#include "tests/chan/kit.h"

static void regular(void)
{
    const int64_t began = kc_now();
    kc_chan_t *tick = kc_tick(KC_MS(10));
    uint64_t n;

    ck_assert_int_eq(kc_chan_cap(tick), KC_CONFLATED);
    for (int i = 1; i <= 100; i++) {
        ck_assert_int_eq(kc_recv(tick, &n), 0);
        ck_assert_uint_eq(n, (uint64_t)i);
        ck_assert_int_eq(kc_now(), began + KC_MS(10) * i);
    }
}

START_TEST(t12_a_ticker_ticks_at_each_period_and_counts)
{
    try_virtual(regular);
}
END_TEST

static void merged(void)
{
    const int64_t began = kc_now();
    kc_chan_t *tick = kc_tick(KC_MS(10));
    uint64_t n;

    ck_assert_int_eq(kc_sleep(KC_MS(35)), 0);
    ck_assert_int_eq(kc_recv(tick, &n), 0);
    ck_assert_uint_eq(n, 3); // the newest count only
    ck_assert_int_eq(kc_recv(tick, &n, KC_TRY), -EAGAIN);
    ck_assert_int_eq(kc_recv(tick, &n), 0);
    ck_assert_uint_eq(n, 4);
    ck_assert_int_eq(kc_now(), began + KC_MS(40)); // no drift
}

START_TEST(t12_missed_ticks_are_merged_and_the_beat_stays)
{
    try_virtual(merged);
}
END_TEST

static void two_tickers(void)
{
    kc_chan_t *slow = kc_tick(KC_MS(10)), *fast = kc_tick(KC_MS(4));
    int slows = 0, fasts = 0;
    uint64_t n;

    // Slow ticks at 10 20 … 100, fast ones at 4 8 … 100.
    while (slows < 10 || fasts < 25) {
        kc_sel_t s = kc_select(kc_in(KC_S(1)), KC_RECV(slow, &n), KC_RECV(fast, &n));
        ck_assert_int_eq(s.rc, 0);
        ck_assert_uint_eq(n, (uint64_t)(s.i ? ++fasts : ++slows));
    }
}

START_TEST(t12_two_tickers_keep_their_own_time)
{
    try_virtual(two_tickers);
}
END_TEST

static void closed_ticker(void)
{
    kc_chan_t *tick = kc_tick(KC_MS(1));
    uint64_t n;

    ck_assert_int_eq(kc_recv(tick, &n), 0);
    ck_assert_int_eq(kc_sleep(KC_US(1500)), 0);
    ck_assert_int_eq(kc_chan_close(tick), 0);
    ck_assert_int_eq(kc_sleep(KC_S(1)), 0);
    ck_assert_int_eq(kci_timers_next(kc_rt_current()->timers), INT64_MAX); // it has noticed
    ck_assert_int_eq(kc_recv(tick, &n), 0);
    ck_assert_uint_eq(n, 2);
    ck_assert_int_eq(kc_recv(tick, &n), -EPIPE);
    ck_assert_uint_eq(stats_of(tick).sends, 2);
}

START_TEST(o7_a_closed_ticker_stops)
{
    try_virtual(closed_ticker);
}
END_TEST

static void ends_with_scope(void)
{
    kc_scope_t s;
    uint64_t n;

    open_scope(&s);
    kc_chan_t *tick = kc_chan_ref(kc_tick(KC_MS(1)));
    ck_assert_int_eq(kc_recv(tick, &n), 0);
    close_scope(&s, 0);
    ck_assert_int_eq(kc_sleep(KC_MS(50)), 0);
    ck_assert_uint_eq(stats_of(tick).sends, 1);
    kc_chan_unref(tick);
}

START_TEST(r19_a_ticker_ends_with_its_scope)
{
    try_virtual(ends_with_scope);
}
END_TEST

static void odd_periods(void)
{
    kc_chan_t *never = kc_tick(INT64_MAX);
    uint64_t n = 0;

    ck_assert_int_eq(kc_recv(never, &n, kc_in(KC_MS(2))), -ETIME);
    for (int i = 0; i < 2; i++) {
        kc_scope_t s;
        open_scope(&s);
        ck_assert_ptr_null(kc_tick(i ? 0 : -5)); // a worker would do nothing else
        close_scope(&s, -EINVAL);
    }
}

START_TEST(t12_the_longest_period_never_ticks_and_none_at_all_is_einval)
{
    try_workers(workers_of(_i), odd_periods);
}
END_TEST

static void real_time(void)
{
    const int64_t began = kc_now(), period = KC_US(200);
    kc_chan_t *tick = kc_tick(period);
    uint64_t n, last = 0;

    for (int i = 0; i < 20; i++) {
        ck_assert_int_eq(kc_recv(tick, &n), 0);
        ck_assert_uint_gt(n, last);
        last = n;
        ck_assert_int_ge(kc_now() - began, (int64_t)n * period); // never early
    }
}

START_TEST(t10_on_the_real_clock_no_tick_is_early)
{
    try_workers(workers_of(_i), real_time);
}
END_TEST

static void no_memory(void)
{
    for (uint64_t nth = 1;; nth++) {
        kc_scope_t s;

        open_scope(&s);
        kci_mem_fail_nth(nth);
        kc_chan_t *tick = kc_tick(KC_MS(1));
        kci_mem_fail_nth(0);
        close_scope(&s, tick ? 0 : -ENOMEM);
        if (tick) {
            ck_assert_uint_ge(nth, 4); // ticker, channel, and the note that it is owned
            return;
        }
    }
}

START_TEST(g5_a_ticker_that_cannot_be_made_cancels_its_scope_with_enomem)
{
    try_workers(workers_of(_i), no_memory);
}
END_TEST

START_TEST(r19_outside_a_coroutine_there_is_no_ticker)
{
    ck_assert_ptr_null(kc_tick(KC_MS(1)));
    ck_assert_uint_eq(kci_mem_blocks_in_use(), 0);
}
END_TEST

SUITE("chan/tick",
      CASE(t12_a_ticker_ticks_at_each_period_and_counts),
      CASE(t12_missed_ticks_are_merged_and_the_beat_stays),
      CASE(t12_two_tickers_keep_their_own_time),
      CASE(o7_a_closed_ticker_stops),
      CASE(r19_a_ticker_ends_with_its_scope),
      CASE_LOOP(t12_the_longest_period_never_ticks_and_none_at_all_is_einval, WORKERS),
      CASE_LOOP(t10_on_the_real_clock_no_tick_is_early, WORKERS),
      CASE_LOOP(g5_a_ticker_that_cannot_be_made_cancels_its_scope_with_enomem, WORKERS),
      CASE(r19_outside_a_coroutine_there_is_no_ticker))
