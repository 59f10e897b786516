/* SPDX-License-Identifier: BSD-3-Clause */
/* tests/sync/test_wg.c — waiting for what was counted in to be counted out. */
#include <limits.h>

#include "tests/sync/kit.h"

enum { GUESTS = 8 };

static int codes(void *arg)
{
    kc_wg_t g = { { 0 } };

    (void)arg;
    ck_assert_int_eq(kc_wg_add(NULL, 1), -EINVAL);
    ck_assert_int_eq(kc_wg_wait(NULL, KC_TRY), -EINVAL);
    ck_assert_int_eq(kc_wg_wait(&g, KC_TRY), 0); // nothing is under way
    ck_assert_int_eq(kc_wg_done(&g), -EINVAL);
    ck_assert_int_eq(kc_wg_add(&g, LONG_MIN), -EINVAL);
    ck_assert_int_eq(kc_wg_wait(&g, KC_TRY), 0); // and that changed nothing
    ck_assert_int_eq(kc_wg_add(&g, 2), 0);
    ck_assert_int_eq(kc_wg_add(&g, -3), -EINVAL);
    ck_assert_int_eq(kc_wg_add(&g, LONG_MAX), -EOVERFLOW);
    ck_assert_int_eq(kc_wg_wait(&g, KC_TRY), -EAGAIN);
    ck_assert_int_eq(kc_wg_wait(&g, kc_in(-1)), -ETIME);
    ck_assert_int_eq(kc_wg_wait(&g, kc_in(KC_US(100))), -ETIME);
    ck_assert_int_eq(kc_wg_done(&g), 0);
    ck_assert_int_eq(kc_wg_wait(&g, KC_TRY), -EAGAIN);
    ck_assert_int_eq(kc_wg_done(&g), 0);
    ck_assert_int_eq(kc_wg_wait(&g, kc_in(-1)), 0);
    ck_assert_int_eq(queued(&g), 0);
    return 0;
}

START_TEST(l3_a_count_below_zero_says_einval_and_changes_nothing)
{
    ck_assert_int_eq(kt_run(kt_workers(_i), codes, NULL), 0);
}
END_TEST

START_TEST(l3_a_thread_counts_too)
{
    ck_assert_int_eq(codes(NULL), 0);
}
END_TEST

/* ---- many wait, many are waited for ---- */

struct job {
    kc_wg_t *group;
    int result;
};

static int work(void *arg)
{
    struct job *j = arg;

    kt_pass();
    j->result = 7;
    return kc_wg_done(j->group);
}

static int wait_for_all(void *g)
{
    return kc_wg_wait(g, KC_FOREVER);
}

static int many(void *arg)
{
    kc_wg_t group = { { 0 } };
    struct guest waiters[GUESTS], workers[GUESTS];
    struct job jobs[GUESTS];

    (void)arg;
    for (int round = 0; round < 3; round++) { // a group can be used again
        ck_assert_int_eq(kc_wg_add(&group, GUESTS + 1), 0);
        for (int i = 0; i < GUESTS; i++)
            guest_start(&waiters[i], i % 2, wait_for_all, &group);
        until_queued(&group, GUESTS);
        for (int i = 0; i < GUESTS; i++) {
            jobs[i] = (struct job){ .group = &group };
            guest_start(&workers[i], i % 4 == 0, work, &jobs[i]);
        }
        for (int i = 0; i < GUESTS; i++)
            ck_assert_int_eq(guest_join(&workers[i]), 0);
        ck_assert_int_eq(queued(&group), GUESTS); // one is still missing
        ck_assert_int_eq(kc_wg_done(&group), 0);
        for (int i = 0; i < GUESTS; i++)
            ck_assert_int_eq(guest_join(&waiters[i]), 0);
    }
    return 0;
}

START_TEST(l3_all_who_wait_go_on_when_the_last_is_done)
{
    ck_assert_int_eq(kt_run(kt_workers(_i), many, NULL), 0);
}
END_TEST

/* The group and the results lie on the waiter's stack, which is gone soon after. */
static int on_the_stack(void *arg)
{
    kc_wg_t group = { { 0 } };
    struct job jobs[3];
    int sum = 0;

    (void)arg;
    must_eq(kc_wg_add(&group, 3), 0);
    for (int i = 0; i < 3; i++) {
        jobs[i] = (struct job){ .group = &group };
        kt_go(work, &jobs[i]);
    }
    must_eq(kc_wg_wait(&group, KC_FOREVER), 0);
    for (int i = 0; i < 3; i++)
        sum += jobs[i].result;
    return sum;
}

static int short_lived(void *arg)
{
    (void)arg;
    for (int i = 0; i < 300; i++)
        must_eq(kt_join(kt_spawn(on_the_stack, NULL)), 21);
    return 0;
}

START_TEST(l3_a_group_may_live_on_the_stack_of_who_waits)
{
    ck_assert_int_eq(kt_run(kt_workers(_i), short_lived, NULL), 0);
}
END_TEST

SUITE("sync/wg", CASE_WORKERS(l3_a_count_below_zero_says_einval_and_changes_nothing),
      CASE(l3_a_thread_counts_too), CASE_WORKERS(l3_all_who_wait_go_on_when_the_last_is_done),
      CASE_WORKERS(l3_a_group_may_live_on_the_stack_of_who_waits))
