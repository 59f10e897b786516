/* SPDX-License-Identifier: BSD-3-Clause */
/* tests/runtime/test_rt.c — runtimes of their own: create, spawn from anywhere, shut down. */
#include <kcoro/metrics.h>
#include <pthread.h>

#include "core/mem.h"
#include "tests/sched/kit.h"

static kc_rt_t *rt;
static _Atomic(int) counter, gate;

static void create(int workers)
{
    ck_assert_int_eq(kc_rt_create(&rt, &(kc_opts_t){ .workers = workers }), 0);
}

static void destroy(void)
{
    ck_assert_int_eq(kc_rt_shutdown(rt, KC_FOREVER), 0);
    ck_assert_uint_eq(kci_mem_blocks_in_use(), 0);
}

/* ---- birth and death ---- */

START_TEST(a_runtime_can_be_created_and_shut_down_without_doing_anything)
{
    for (int i = 0; i < 200; i++) {
        create(kt_workers(_i));
        destroy();
    }
}
END_TEST

START_TEST(what_cannot_be_created_leaves_the_handle_alone)
{
    kc_rt_t *untouched = (kc_rt_t *)&counter;

    rt = untouched;
    ck_assert_int_eq(kc_rt_create(NULL, NULL), -EINVAL);
    ck_assert_int_eq(kc_rt_create(&rt, &(kc_opts_t){ .workers = -3 }), -EINVAL);
    ck_assert_ptr_eq(rt, untouched);
    ck_assert_int_eq(kc_rt_shutdown(NULL, KC_FOREVER), -EINVAL);
    ck_assert_int_eq(kc_rt_spawn(NULL, kt_return, NULL), -EINVAL);
    ck_assert_uint_eq(kci_mem_blocks_in_use(), 0);
}
END_TEST

START_TEST(creation_survives_each_failed_allocation)
{
    int failures = 0;

    for (uint64_t n = 1;; n++) {
        kci_mem_fail_nth(n);
        int rc = kc_rt_create(&rt, &(kc_opts_t){ .workers = kt_workers(_i) });
        kci_mem_fail_nth(0);
        if (rc == 0)
            break;
        ck_assert_int_eq(rc, -ENOMEM);
        ck_assert_uint_eq(kci_mem_blocks_in_use(), 0);
        failures++;
    }
    ck_assert_int_gt(failures, 3);
    ck_assert_int_eq(kc_rt_spawn(rt, kt_count, &counter), 0);
    kt_until(&counter, 1);
    destroy();
}
END_TEST

/* ---- spawning ---- */

static void *spawn_a_thousand(void *arg)
{
    (void)arg;
    for (int i = 0; i < 1000; i++)
        ck_assert_int_eq(kc_rt_spawn(rt, kt_count, &counter), 0);
    return NULL;
}

START_TEST(any_thread_may_spawn)
{
    pthread_t threads[3];

    create(kt_workers(_i));
    ck_assert_int_eq(kc_rt_spawn(rt, NULL, NULL), -EINVAL);
    for (int i = 0; i < 3; i++)
        ck_assert_int_eq(pthread_create(&threads[i], NULL, spawn_a_thousand, NULL), 0);
    for (int i = 0; i < 3; i++)
        pthread_join(threads[i], NULL);
    kt_until(&counter, 3000);
    destroy();
    ck_assert_int_eq(counter, 3000);
}
END_TEST

static int spawn_into_other(void *arg)
{
    spawn_a_thousand(arg);
    kt_until(&counter, 1000);
    // It blocks its own worker only.
    return kc_rt_shutdown(rt, KC_FOREVER);
}

START_TEST(a_coroutine_may_own_another_runtime)
{
    create(kt_workers(_i));
    ck_assert_int_eq(kt_run(kt_workers(_i), spawn_into_other, NULL), 0);
    ck_assert_int_eq(counter, 1000);
}
END_TEST

/* ---- shutting down ---- */

static int wait_and_count(void *arg)
{
    (void)arg;
    kt_count(&counter);
    int rc = kc_sleep_until(KC_FOREVER);
    kt_count(&counter);
    return rc;
}

START_TEST(g8_shutting_down_cancels_and_joins_what_runs)
{
    create(kt_workers(_i));
    for (int i = 0; i < 100; i++)
        ck_assert_int_eq(kc_rt_spawn(rt, wait_and_count, NULL), 0);
    if (_i != 1) // also while they are only beginning
        kt_until(&counter, 100);
    destroy();
    ck_assert_int_eq(counter, 200);
}
END_TEST

static int take_its_time(void *arg)
{
    (void)arg;
    kc_shield(true);
    kt_count(&counter);
    while (!ka_load(&gate, acquire))
        kc_sleep(KC_US(100));
    kc_shield(false);
    return 0;
}

START_TEST(a_shutdown_whose_deadline_passes_can_be_called_again)
{
    create(kt_workers(_i));
    ck_assert_int_eq(kc_rt_spawn(rt, take_its_time, NULL), 0);
    kt_until(&counter, 1);
    ck_assert_int_eq(kc_rt_shutdown(rt, KC_TRY), -ETIME);
    ck_assert_int_eq(kc_rt_shutdown(rt, kc_in(-1)), -ETIME);
    ck_assert_int_eq(kc_rt_shutdown(rt, kc_in(KC_MS(5))), -ETIME);
    ck_assert_int_eq(kc_rt_spawn(rt, kt_count, &counter), -ECANCELED);
    ka_store(&gate, 1, release);
    destroy();
    ck_assert_int_eq(counter, 1);
}
END_TEST

static int shut_oneself_down(void *arg)
{
    (void)arg;
    ck_assert_ptr_eq(kc_rt_current(), rt);
    ck_assert_int_eq(kc_rt_shutdown(rt, KC_FOREVER), -EPERM);
    return kt_count(&counter);
}

START_TEST(a_runtime_cannot_wait_for_its_own_end)
{
    create(kt_workers(_i));
    ck_assert_int_eq(kc_rt_spawn(rt, shut_oneself_down, NULL), 0);
    kt_until(&counter, 1);
    destroy();
}
END_TEST

/* ---- a runtime that ends by itself still waits for its owner ---- */

static int fail_at_once(void *arg)
{
    (void)arg;
    kt_count(&counter);
    return -EIO;
}

static int stop(void *arg)
{
    (void)arg;
    kt_count(&counter);
    return kc_stop(5);
}

static int wait_for_the_end(void *arg)
{
    (void)arg;
    kt_count(&gate);
    while (kc_sleep(KC_S(100)) == 0) {}
    return kt_count(&gate);
}

START_TEST(after_a_failure_or_a_stop_nothing_more_can_be_spawned)
{
    const kc_fn ends[] = { fail_at_once, stop };

    for (int i = 0; i < 2; i++) {
        ka_store(&gate, 0, relaxed);
        ka_store(&counter, 0, relaxed);
        create(kt_workers(_i));
        ck_assert_int_eq(kc_rt_spawn(rt, wait_for_the_end, NULL), 0);
        kt_until(&gate, 1);
        ck_assert_int_eq(kc_rt_spawn(rt, ends[i], NULL), 0);
        kt_until(&gate, 2); // cancelled
        ck_assert_int_eq(kc_rt_spawn(rt, kt_count, &counter), -ECANCELED);
        ck_assert_int_eq(counter, 1);
        destroy();
    }
}
END_TEST

START_TEST(waiting_for_work_is_no_deadlock)
{
    kc_opts_t opts = { .workers = kt_workers(_i), .flags = KC_RT_DEADLOCK_CHECK };

    ck_assert_int_eq(kc_rt_create(&rt, &opts), 0);
    for (int i = 1; i <= 50; i++) {
        ck_assert_int_eq(kc_rt_spawn(rt, kt_count, &counter), 0);
        kt_until(&counter, i);
    }
    destroy();
}
END_TEST

SUITE("runtime/rt",
      CASE_WORKERS(a_runtime_can_be_created_and_shut_down_without_doing_anything),
      CASE(what_cannot_be_created_leaves_the_handle_alone),
      CASE_WORKERS(creation_survives_each_failed_allocation), CASE_WORKERS(any_thread_may_spawn),
      CASE_WORKERS(a_coroutine_may_own_another_runtime),
      CASE_WORKERS(g8_shutting_down_cancels_and_joins_what_runs),
      CASE_WORKERS(a_shutdown_whose_deadline_passes_can_be_called_again),
      CASE_WORKERS(a_runtime_cannot_wait_for_its_own_end),
      CASE_WORKERS(after_a_failure_or_a_stop_nothing_more_can_be_spawned),
      CASE_WORKERS(waiting_for_work_is_no_deadlock))
