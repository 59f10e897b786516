/* SPDX-License-Identifier: BSD-3-Clause */
/* tests/sched/test_deadline.c — T7: deadlines of tokens and scopes; the earliest counts. */
#include <pthread.h>

#include "arch/os.h"
#include "core/mem.h"
#include "tests/sched/kit.h"

static kc_cancel_t *token(kc_cancel_t *parent)
{
    kc_cancel_t *tk;

    ck_assert_int_eq(kc_cancel_create(&tk, parent), 0);
    return tk;
}

/* Sleep until tk ends it; returns after how many milliseconds of virtual time. */
static int64_t ends_after(kc_cancel_t *tk)
{
    int64_t before = kc_now();

    kc_cancel_enter(tk);
    ck_assert_int_eq(kc_sleep_until(KC_FOREVER), -ECANCELED);
    kc_cancel_leave(tk);
    ck_assert_int_eq(kc_cancel_why(tk), -ETIME);
    return (kc_now() - before) / KC_MS(1);
}

static int earliest_wins(void *arg)
{
    kc_cancel_t *tk = token(NULL);

    (void)arg;
    ck_assert_int_eq(kc_cancel_deadline(tk, kc_in(KC_MS(50))), 0);
    ck_assert_int_eq(kc_cancel_deadline(tk, kc_in(KC_MS(20))), 0);
    ck_assert_int_eq(kc_cancel_deadline(tk, kc_in(KC_MS(70))), 0);
    ck_assert_int_eq(kc_cancel_deadline(tk, KC_FOREVER), 0);
    ck_assert_int_eq(ends_after(tk), 20);
    ck_assert_int_eq(kc_cancel_deadline(tk, kc_in(KC_MS(5))), -EALREADY);
    kc_cancel_unref(tk);
    return 0;
}

START_TEST(t7_of_several_deadlines_of_a_token_the_earliest_counts)
{
    ck_assert_int_eq(kt_run_virtual(earliest_wins, NULL), 0);
}
END_TEST

static int inherits(void *arg)
{
    kc_cancel_t *outer = token(NULL), *late = token(outer), *early = token(outer);

    (void)arg;
    ck_assert_int_eq(kc_cancel_deadline(outer, kc_in(KC_MS(30))), 0);
    ck_assert_int_eq(kc_cancel_deadline(late, kc_in(KC_MS(90))), 0);
    ck_assert_int_eq(kc_cancel_deadline(early, kc_in(KC_MS(10))), 0);
    ck_assert_int_eq(ends_after(early), 10);
    ck_assert_int_eq(kc_cancel_check(outer), 0); // it does not go upwards
    ck_assert_int_eq(ends_after(late), 20);
    ck_assert_int_eq(kc_cancel_why(outer), -ETIME);
    kc_cancel_unref(early);
    kc_cancel_unref(late);
    kc_cancel_unref(outer);
    return 0;
}

START_TEST(t7_an_inner_deadline_later_than_the_outer_one_is_the_outer_one)
{
    ck_assert_int_eq(kt_run_virtual(inherits, NULL), 0);
}
END_TEST

static int scopes_inherit(void *arg)
{
    int64_t before = kc_now();
    kc_scope_t outer, inner;

    (void)arg;
    kc_scope_opts_t soon = { .deadline = kc_in(KC_MS(30)) };
    kc_scope_opts_t later = { .deadline = kc_in(KC_MS(90)) };
    ck_assert_int_eq(kc_scope_open(&outer, &soon), 0);
    ck_assert_int_eq(kc_scope_open(&inner, &later), 0);
    ck_assert_int_eq(kc_sleep_until(KC_FOREVER), -ECANCELED);
    ck_assert_int_eq(kc_now() - before, KC_MS(30));
    ck_assert_int_eq(kc_scope_close(&inner), -ECANCELED);
    ck_assert_int_eq(kc_scope_close(&outer), -ETIME);
    return 0;
}

START_TEST(t7_an_inner_scope_ends_with_the_outer_ones_deadline)
{
    ck_assert_int_eq(kt_run_virtual(scopes_inherit, NULL), 0);
}
END_TEST

static int shorten_a_scope(void *arg)
{
    int64_t before = kc_now();
    kc_scope_t s;

    (void)arg;
    kc_scope_opts_t opts = { .deadline = kc_in(KC_MS(90)) };
    ck_assert_int_eq(kc_scope_open(&s, &opts), 0);
    ck_assert_int_eq(kc_cancel_deadline(kc_scope_token(&s), kc_in(KC_MS(10))), 0);
    ck_assert_int_eq(kc_sleep_until(KC_FOREVER), -ECANCELED);
    ck_assert_int_eq(kc_now() - before, KC_MS(10));
    ck_assert_int_eq(kc_scope_close(&s), -ETIME);
    return 0;
}

START_TEST(a_scopes_token_takes_an_earlier_deadline)
{
    ck_assert_int_eq(kt_run_virtual(shorten_a_scope, NULL), 0);
}
END_TEST

static void open_scope(kc_scope_t *s, kc_scope_opts_t opts)
{
    ck_assert_int_eq(kc_scope_open(s, &opts), 0);
}

/* ---- scopes ---- */

static int ends_at_deadline(void *arg)
{
    int64_t before = kc_now();
    kc_scope_t s;

    (void)arg;
    open_scope(&s, (kc_scope_opts_t){ .deadline = kc_in(KC_MS(50)) });
    kc_co_t *child = kt_spawn(kt_wait_for_ever, NULL);
    ck_assert_int_eq(kc_sleep(KC_S(3600)), -ECANCELED);
    ck_assert_int_eq(kc_now() - before, KC_MS(50));
    ck_assert_int_eq(kc_cancel_why(kc_scope_token(&s)), -ETIME);
    ck_assert_int_eq(kc_scope_close(&s), -ETIME);
    ck_assert_int_eq(kt_join(child), -ECANCELED);
    return 0;
}

START_TEST(k8_a_deadline_cancels_with_reason_etime)
{
    ck_assert_int_eq(kt_run_virtual(ends_at_deadline, NULL), 0);
}
END_TEST

static int ends_before_deadline(void *arg)
{
    int64_t before = kc_now();
    kc_scope_t s;

    (void)arg;
    open_scope(&s, (kc_scope_opts_t){ .deadline = kc_in(KC_MS(50)) });
    ck_assert_int_eq(kc_sleep(KC_MS(49)), 0);
    ck_assert_int_eq(kc_scope_close(&s), 0);
    ck_assert_int_eq(kc_sleep(KC_MS(49)), 0);
    ck_assert_int_eq(kc_now() - before, KC_MS(98));
    return 0;
}

START_TEST(k8_a_scope_closed_in_time_forgets_its_deadline)
{
    ck_assert_int_eq(kt_run_virtual(ends_before_deadline, NULL), 0);
}
END_TEST

static int real_deadlines(void *arg)
{
    (void)arg;
    for (int i = 0; i < 100; i++) {
        kc_scope_t s;
        open_scope(&s, (kc_scope_opts_t){ .deadline = kc_in(KC_US(i * 5)) });
        kc_spawn(NULL, kt_wait_for_ever, NULL, NULL); // too late already, or not
        ck_assert_int_eq(kc_sleep_until(KC_FOREVER), -ECANCELED);
        ck_assert_int_eq(kc_scope_close(&s), -ETIME);
        open_scope(&s, (kc_scope_opts_t){ .deadline = kc_in(KC_US(i)) });
        int rc = kc_scope_close(&s); // about when it passes
        ck_assert(rc == 0 || rc == -ETIME);
    }
    return 0;
}

START_TEST(k8_deadlines_on_the_real_clock_end_scopes_too)
{
    ck_assert_int_eq(kt_run(kt_workers(_i), real_deadlines, NULL), 0);
}
END_TEST

/* ---- moments that have passed, and places without a clock ---- */

static int in_the_past(void *arg)
{
    kc_scope_opts_t opts = { .deadline = kc_in(0) };
    kc_cancel_t *tk = token(NULL);
    kc_scope_t s;

    (void)arg;
    ck_assert_int_eq(kc_cancel_deadline(tk, kc_in(-5)), 0);
    ck_assert_int_eq(kc_cancel_why(tk), -ETIME); // at once, not at the next look
    kc_cancel_unref(tk);
    ck_assert_int_eq(kc_scope_open(&s, &opts), 0);
    ck_assert_int_eq(kc_cancel_why(kc_scope_token(&s)), -ETIME);
    ck_assert_int_eq(kc_spawn(NULL, kt_return, NULL, NULL), -ECANCELED);
    ck_assert_int_eq(kc_scope_close(&s), -ETIME);
    return 0;
}

START_TEST(t7_a_deadline_that_has_passed_triggers_at_once)
{
    ck_assert_int_eq(kt_run(kt_workers(_i), in_the_past, NULL), 0);
}
END_TEST

START_TEST(a_plain_thread_has_no_clock_to_wait_for_a_deadline)
{
    kc_cancel_t *tk = token(NULL);

    ck_assert_int_eq(kc_cancel_deadline(NULL, kc_in(1)), -EINVAL);
    ck_assert_int_eq(kc_cancel_deadline(tk, kc_in(KC_S(1))), -EPERM);
    ck_assert_int_eq(kc_cancel_deadline(tk, KC_FOREVER), 0);
    ck_assert_int_eq(kc_cancel_check(tk), 0);
    ck_assert_int_eq(kc_cancel_deadline(tk, KC_TRY), 0);
    ck_assert_int_eq(kc_cancel_why(tk), -ETIME);
    kc_cancel_unref(tk);
}
END_TEST

/* ---- tokens that live longer or shorter than their timers ---- */

static int set_far_deadline(void *tk)
{
    return kc_cancel_deadline(tk, kc_in(KC_S(1000)));
}

static int set_near_deadline(void *tk)
{
    ck_assert_int_eq(kc_cancel_deadline(tk, kc_in(KC_MS(1))), 0);
    return (int)ends_after(tk) * 0;
}

START_TEST(a_deadline_ends_with_its_runtime_and_the_token_goes_on)
{
    kc_cancel_t *tk = token(NULL);

    for (int i = 0; i < 2; i++)
        ck_assert_int_eq(kc_run(set_far_deadline, tk, NULL), 0);
    ck_assert_int_eq(kc_cancel_check(tk), 0);
    ck_assert_int_eq(kc_run(set_near_deadline, tk, NULL), 0); // of another runtime, later set
    kc_cancel_unref(tk);
    ck_assert_uint_eq(kci_mem_blocks_in_use(), 0);
}
END_TEST

/* The last reference may go at the very moment of the deadline, also inside its callback. */
static void count(void *counter)
{
    ka_add((_Atomic(int) *)counter, 1, acq_rel);
}

static int drop_at_the_moment(void *arg)
{
    static _Atomic(int) calls;
    kc_cancel_reg_t reg;

    (void)arg;
    for (int i = 0; i < 300; i++) {
        kc_cancel_t *tk = token(NULL);
        ka_store(&calls, 0, relaxed);
        kc_cancel_on(tk, &reg, count, (void *)&calls);
        kc_deadline_t dl = kc_in(KC_US(i % 30));
        ck_assert_int_eq(kc_cancel_deadline(tk, dl), 0);
        kc_cancel_unref(tk); // the registration still has one
        while (kc_now() < dl.ns)
            kc_yield();
        int taken = kc_cancel_off(&reg);
        ck_assert_int_eq(taken + ka_load(&calls, acquire), 1);
    }
    return 0;
}

START_TEST(a_token_may_go_while_its_deadline_passes)
{
    ck_assert_int_eq(kt_run(kt_workers(_i), drop_at_the_moment, NULL), 0);
}
END_TEST

SUITE("sched/deadline", CASE(t7_of_several_deadlines_of_a_token_the_earliest_counts),
      CASE(t7_an_inner_deadline_later_than_the_outer_one_is_the_outer_one),
      CASE(t7_an_inner_scope_ends_with_the_outer_ones_deadline),
      CASE(a_scopes_token_takes_an_earlier_deadline),
      CASE_WORKERS(t7_a_deadline_that_has_passed_triggers_at_once),
      CASE(a_plain_thread_has_no_clock_to_wait_for_a_deadline),
      CASE(a_deadline_ends_with_its_runtime_and_the_token_goes_on),
      CASE(k8_a_deadline_cancels_with_reason_etime),
      CASE(k8_a_scope_closed_in_time_forgets_its_deadline),
      CASE_WORKERS(k8_deadlines_on_the_real_clock_end_scopes_too),
      CASE_WORKERS(a_token_may_go_while_its_deadline_passes))
