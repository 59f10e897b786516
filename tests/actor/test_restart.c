/* SPDX-License-Identifier: BSD-3-Clause */
/* tests/actor/test_restart.c — which failures an actor survives, and how often. */
#include "tests/actor/kit.h"

/* Tell it notes and failures, as they come; a failure is negative. Returns why it ended, having
 * been stopped if it had not. */
static int tell_all(struct diary *d, const int *values, int n)
{
    for (int i = 0; i < n; i++) {
        struct order_msg o = { values[i] < 0 ? FAIL : NOTE, values[i] };
        int rc = kc_actor_tell(d->actor, &o, KC_FOREVER);
        must(rc == 0 || rc == -EPIPE);
    }
    must_eq(kc_actor_stop(d->actor, KC_FOREVER), 0);
    return diary_end(d);
}

struct policy {
    int restart, max;
    int expected; /* why it ends */
    int starts, handled;
};

/* 1, a failure, 2, a failure, a cancellation of its own making, 3 */
static const int story[] = { 1, -EIO, 2, -EBUSY, -ECANCELED, 3 };

static const struct policy policies[] = {
    { KC_RESTART_NEVER, 0, -EIO, 1, 2 },
    { KC_RESTART_NEVER, 9, -EIO, 1, 2 },
    { KC_RESTART_ON_ERROR, 0, -ECANCELED, 3, 5 },
    { KC_RESTART_ON_ERROR, 2, -ECANCELED, 3, 5 },
    { KC_RESTART_ON_ERROR, 1, -EBUSY, 2, 4 },
    { KC_RESTART_ALWAYS, 0, 0, 4, 6 },
    { KC_RESTART_ALWAYS, 3, 0, 4, 6 },
    { KC_RESTART_ALWAYS, 2, -ECANCELED, 3, 5 },
    { KC_RESTART_ALWAYS, 1, -EBUSY, 2, 4 },
};

static void follow(const struct policy *p)
{
    struct diary d = { .stop_why = 1 };
    kc_actor_opts_t o = diary_opts(&d);

    o.restart = p->restart;
    o.max_restarts = p->max;
    diary_start(&d, &o);
    ck_assert_int_eq(tell_all(&d, story, 6), p->expected);
    ck_assert_int_eq(d.starts, p->starts);
    ck_assert_int_eq(d.handled, p->handled);
    for (int i = 0; i < d.handled; i++)
        ck_assert_int_eq(d.notes[i], story[i]); // the mailbox outlives a failure
    ck_assert_int_eq(d.stops, 1);               // the last thing it does
    ck_assert_int_eq(d.stop_why, p->expected);
}

static int follow_all(void *arg)
{
    (void)arg;
    for (size_t i = 0; i < sizeof policies / sizeof *policies; i++)
        follow(&policies[i]);
    return 0;
}

START_TEST(a4_a_policy_says_which_failures_restart_and_how_often)
{
    ck_assert_int_eq(kt_run(kt_workers(_i), follow_all, NULL), 0);
}
END_TEST

/* ---- the window ---- */

/* Fails at these seconds; two restarts are allowed within ten. */
static void fail_at(const int *seconds, int n, int expected, int starts)
{
    struct diary d = { .stop_why = 1 };
    kc_actor_opts_t o = diary_opts(&d);
    int64_t began = kc_now();

    o.restart = KC_RESTART_ON_ERROR;
    o.max_restarts = 2;
    o.restart_window_ns = KC_S(10);
    diary_start(&d, &o);
    for (int i = 0; i < n; i++) {
        ck_assert_int_eq(kc_sleep_until(kc_at(began + KC_S(seconds[i]))), 0);
        order(&d, FAIL, -EIO);
    }
    ck_assert_int_eq(kc_actor_stop(d.actor, KC_FOREVER), 0);
    ck_assert_int_eq(diary_end(&d), expected);
    ck_assert_int_eq(d.starts, starts);
}

static int windows(void *arg)
{
    (void)arg;
    fail_at((int[]){ 0, 1 }, 2, 0, 3);
    fail_at((int[]){ 0, 1, 2 }, 3, -EIO, 3);
    fail_at((int[]){ 0, 1, 9 }, 3, -EIO, 3);
    fail_at((int[]){ 0, 1, 10, 11 }, 4, 0, 5);
    fail_at((int[]){ 0, 1, 10, 11, 19 }, 5, -EIO, 5);
    fail_at((int[]){ 0, 20, 40, 60, 80, 100 }, 6, 0, 7);
    return 0;
}

START_TEST(a4_restarts_are_counted_within_a_window)
{
    ck_assert_int_eq(kt_run_virtual(windows, NULL), 0);
}
END_TEST

/* ---- failing to start ---- */

static void start_in_vain(int failures, int restart, int max, int expected)
{
    struct diary d = { .stop_why = 1, .fail_starts = failures };
    kc_actor_opts_t o = diary_opts(&d);
    int reply = 0, asked;

    o.restart = restart;
    o.max_restarts = max;
    diary_start(&d, &o);
    asked = ask_it(&d, ANSWER, 4, &reply, KC_FOREVER);
    ck_assert_int_eq(asked, expected ? -EPIPE : 4);
    ck_assert_int_eq(kc_actor_stop(d.actor, KC_FOREVER), 0);
    ck_assert_int_eq(diary_end(&d), expected);
    ck_assert_int_eq(d.starts, expected ? max + 1 : failures + 1);
    ck_assert_int_eq(d.stops, expected ? 0 : 1); // what never started need not stop
}

static int vain_starts(void *arg)
{
    (void)arg;
    start_in_vain(0, KC_RESTART_NEVER, 0, 0);
    start_in_vain(1, KC_RESTART_NEVER, 0, -EBUSY);
    start_in_vain(3, KC_RESTART_ON_ERROR, 3, 0);
    start_in_vain(4, KC_RESTART_ON_ERROR, 3, -EBUSY);
    start_in_vain(50, KC_RESTART_ALWAYS, 0, 0);
    return 0;
}

START_TEST(a4_a_failing_start_counts_as_a_failure)
{
    ck_assert_int_eq(kt_run(kt_workers(_i), vain_starts, NULL), 0);
}
END_TEST

/* One that always fails to start, and may try for ever, can still be cancelled. */
static int never_up(void *arg)
{
    struct diary d = { .stop_why = 1, .fail_starts = 1 << 30 };
    kc_actor_opts_t o = diary_opts(&d);

    (void)arg;
    o.restart = KC_RESTART_ALWAYS;
    diary_start(&d, &o);
    kt_until(&d.starts, 10);
    ck_assert_int_eq(kc_actor_cancel(d.actor, -ENODEV), 0);
    ck_assert_int_eq(diary_end(&d), -ENODEV);
    ck_assert_int_eq(d.stops, 0);
    return 0;
}

START_TEST(a4_a_cancelled_actor_is_not_restarted)
{
    ck_assert_int_eq(kt_run(kt_workers(_i), never_up, NULL), 0);
}
END_TEST

SUITE("actor/restart", CASE_WORKERS(a4_a_policy_says_which_failures_restart_and_how_often),
      CASE(a4_restarts_are_counted_within_a_window),
      CASE_WORKERS(a4_a_failing_start_counts_as_a_failure),
      CASE_WORKERS(a4_a_cancelled_actor_is_not_restarted))
