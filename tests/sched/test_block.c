/* SPDX-License-Identifier: BSD-3-Clause */
/* tests/sched/test_block.c — kc_block: blocking code on threads of its own. */
#include "core/mem.h"
#include "sched/pool.h"
#include "tests/sched/kit.h"

static _Atomic(int) gate, running, finished;

/* Blocks its thread until the gate opens. */
static int block_at_gate(void *result)
{
    kt_count(&running);
    kt_until(&gate, 1);
    kt_count(&finished);
    return (int)(intptr_t)result;
}

static void open_gate(void)
{
    ka_store(&gate, 1, release);
}

/* ---- results ---- */

static int on_a_plain_thread(void *arg)
{
    (void)arg;
    return kc_self() == NULL && kc_rt_current() == NULL ? -77 : 0;
}

static int block_for_result(void *arg)
{
    int ret = 0;

    (void)arg;
    ck_assert_int_eq(kc_block(on_a_plain_thread, NULL, &ret, KC_FOREVER), 0);
    ck_assert_int_eq(ret, -77);
    ck_assert_int_eq(kc_block(kt_return, KT_RESULT(5), &ret, kc_in(KC_S(100))), 0);
    ck_assert_int_eq(ret, 5);
    ck_assert_int_eq(kc_block(kt_return, KT_RESULT(5), NULL, KC_FOREVER), 0);
    return 0;
}

START_TEST(the_result_comes_back_from_another_thread)
{
    ck_assert_int_eq(kt_run(kt_workers(_i), block_for_result, NULL), 0);
}
END_TEST

static int block_wrongly(void *arg)
{
    int ret = 9;

    (void)arg;
    ck_assert_int_eq(kc_block(NULL, NULL, &ret, KC_FOREVER), -EINVAL);
    ck_assert_int_eq(kc_block(block_at_gate, NULL, &ret, KC_TRY), -EAGAIN);
    ck_assert_int_eq(kc_block(block_at_gate, NULL, &ret, kc_in(-1)), -ETIME);
    kci_mem_fail_nth(1);
    ck_assert_int_eq(kc_block(block_at_gate, NULL, &ret, KC_FOREVER), -ENOMEM);
    ck_assert_int_eq(ret, 9);
    ck_assert_int_eq(running, 0);
    return 0;
}

START_TEST(what_cannot_wait_does_not_begin)
{
    ck_assert_int_eq(kt_run(kt_workers(_i), block_wrongly, NULL), 0);
}
END_TEST

START_TEST(from_a_plain_thread_it_is_an_ordinary_call)
{
    int ret = 0;

    ck_assert_int_eq(kc_block(kt_return, KT_RESULT(-6), &ret, KC_FOREVER), 0);
    ck_assert_int_eq(ret, -6);
    ck_assert_int_eq(kc_block(kt_return, KT_RESULT(-6), &ret, KC_TRY), -EAGAIN);
    ck_assert_int_eq(kc_block(NULL, NULL, &ret, KC_FOREVER), -EINVAL);
}
END_TEST

/* ---- many ---- */

static int block_and_open(void *arg)
{
    int ret;

    (void)arg;
    return kc_block(block_at_gate, KT_RESULT(1), &ret, KC_FOREVER) == 0 && ret == 1 ? 0 : -EIO;
}

/* The worker is free: it opens the gate while every thread of the pool is blocked. */
static int more_than_threads(void *arg)
{
    (void)arg;
    for (int i = 0; i < 3 * KCI_POOL_THREADS; i++)
        kt_go(block_and_open, NULL);
    kt_until(&running, KCI_POOL_THREADS);
    open_gate();
    return 0;
}

START_TEST(more_calls_than_threads_take_turns_and_no_worker_is_blocked)
{
    ck_assert_int_eq(kt_run(kt_workers(_i), more_than_threads, NULL), 0);
    ck_assert_int_eq(finished, 3 * KCI_POOL_THREADS);
}
END_TEST

static int add_one(void *number)
{
    ++*(int *)number;
    return 0;
}

/* What fn wrote is seen here, and what is written here is seen by the next fn. */
static int add_many(void *arg)
{
    int number = 0;

    (void)arg;
    for (int i = 0; i < 200; i++)
        if (kc_block(add_one, &number, NULL, KC_FOREVER) || number++ != 2 * i + 1)
            return -EIO;
    return 0;
}

static int many_add_many(void *arg)
{
    (void)arg;
    for (int i = 0; i < 20; i++)
        kt_go(add_many, NULL);
    return 0;
}

START_TEST(memory_goes_to_the_thread_and_back)
{
    ck_assert_int_eq(kt_run(kt_workers(_i), many_add_many, NULL), 0);
}
END_TEST

/* ---- leaving early ---- */

struct job {
    _Atomic(int) gate, finished;
    int touched; // by fn, after its caller has left
};

static int touch_later(void *arg)
{
    struct job *j = arg;

    kt_until(&j->gate, 1);
    j->touched = 1;
    kt_count(&j->finished);
    return 3;
}

static int leave_at_deadline(void *arg)
{
    int ret = 9;

    ck_assert_int_eq(kc_block(touch_later, arg, &ret, kc_in(KC_MS(2))), -ETIME);
    ck_assert_int_eq(ret, 9);
    ck_assert_int_eq(((struct job *)arg)->finished, 0);
    ka_store(&((struct job *)arg)->gate, 1, release);
    return 0;
}

START_TEST(after_a_deadline_the_function_finishes_before_the_runtime_does)
{
    struct job job = { .touched = 0 };

    ck_assert_int_eq(kt_run(kt_workers(_i), leave_at_deadline, &job), 0);
    ck_assert_int_eq(job.finished, 1);
    ck_assert_int_eq(job.touched, 1);
}
END_TEST

static int block_until_cancelled(void *job)
{
    int ret = 9, rc = kc_block(touch_later, job, &ret, KC_FOREVER);
    return rc == -ECANCELED && ret == 9 ? 0 : -EIO;
}

static int leave_when_cancelled(void *arg)
{
    kc_scope_t s;

    ck_assert_int_eq(kc_scope_open(&s, NULL), 0);
    kc_co_t *co = kt_spawn(block_until_cancelled, arg);
    kt_until_parked(co, KCI_WHY_BLOCK);
    kc_scope_cancel(&s, 0);
    ck_assert_int_eq(kc_scope_close(&s), -ECANCELED);
    ck_assert_int_eq(kt_join(co), 0);
    ck_assert_int_eq(((struct job *)arg)->finished, 0);
    ka_store(&((struct job *)arg)->gate, 1, release);
    return 0;
}

START_TEST(after_a_cancel_the_function_finishes_too)
{
    struct job job = { .touched = 0 };

    ck_assert_int_eq(kt_run(kt_workers(_i), leave_when_cancelled, &job), 0);
    ck_assert_int_eq(job.finished, 1);
    ck_assert_int_eq(job.touched, 1);
}
END_TEST

/* Deadlines that pass about when the function ends: 0 with a result, or -ETIME without. */
static int race_with_deadline(void *arg)
{
    int won = 0;

    (void)arg;
    for (int i = 0; i < 300; i++) {
        int ret = 9, rc = kc_block(kt_return, KT_RESULT(1), &ret, kc_in(KC_US(i % 60)));
        ck_assert(rc == 0 ? ret == 1 : rc == -ETIME && ret == 9);
        won += rc == 0;
    }
    return won;
}

START_TEST(a_deadline_close_to_the_end_gives_one_answer)
{
    ck_assert_int_ge(kt_run(kt_workers(_i), race_with_deadline, NULL), 0);
}
END_TEST

/* ---- virtual time ---- */

static int block_and_sleep(void *arg)
{
    int64_t before = kc_now();

    (void)arg;
    for (int i = 0; i < 5000; i++) {
        ck_assert_int_eq(kc_block(kt_return, NULL, NULL, KC_FOREVER), 0);
        if (kc_now() != before + KC_MS(i))
            ck_abort_msg("round %d: the clock went on meanwhile", i);
        ck_assert_int_eq(kc_sleep(KC_MS(1)), 0);
    }
    return 0;
}

START_TEST(a_virtual_clock_stands_still_while_a_function_runs)
{
    ck_assert_int_eq(kt_run_virtual(block_and_sleep, NULL), 0);
}
END_TEST

static int block_with_deadline(void *arg)
{
    int64_t before = kc_now();

    (void)arg;
    for (int i = 0; i < 5000; i++) {
        ck_assert_int_eq(kc_block(kt_return, NULL, NULL, kc_in(KC_S(1))), 0);
        if (kc_now() != before)
            ck_abort_msg("round %d: the clock went on meanwhile", i);
    }
    return 0;
}

START_TEST(a_virtual_deadline_does_not_pass_while_the_function_runs)
{
    ck_assert_int_eq(kt_run_virtual(block_with_deadline, NULL), 0);
}
END_TEST

SUITE("sched/block", CASE_WORKERS(the_result_comes_back_from_another_thread),
      CASE_WORKERS(what_cannot_wait_does_not_begin),
      CASE(from_a_plain_thread_it_is_an_ordinary_call),
      CASE_WORKERS(more_calls_than_threads_take_turns_and_no_worker_is_blocked),
      CASE_WORKERS(memory_goes_to_the_thread_and_back),
      CASE_WORKERS(after_a_deadline_the_function_finishes_before_the_runtime_does),
      CASE_WORKERS(after_a_cancel_the_function_finishes_too),
      CASE_WORKERS(a_deadline_close_to_the_end_gives_one_answer),
      CASE(a_virtual_clock_stands_still_while_a_function_runs),
      CASE(a_virtual_deadline_does_not_pass_while_the_function_runs))
