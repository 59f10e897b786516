/* SPDX-License-Identifier: BSD-3-Clause */
/* tests/sched/test_dispatch.c — where coroutines and blocks of code run. */
#include <pthread.h>

#include "sched/sched.h"
#include "tests/sched/kit.h"

static int worker_id(void *arg)
{
    (void)arg;
    kc_yield();
    return (int)kci_worker_self()->id;
}

/* ---- single ---- */

static int inside;

/* No lock: that nobody else is inside is the point. */
static int one_at_a_time(void *arg)
{
    (void)arg;
    for (int i = 0; i < 50; i++) {
        if (inside++ != 0 || kci_worker_self()->id != 0)
            return -EIO;
        inside--;
        kc_yield();
    }
    return 7;
}

static int block_on_single(void *arg)
{
    int ret = 0;

    (void)arg;
    for (int i = 0; i < 20; i++) {
        ck_assert_int_eq(kc_with_dispatcher(KC_DISPATCH_SINGLE, one_at_a_time, NULL, &ret), 0);
        ck_assert_int_eq(ret, 7);
        ck_assert_ptr_null(kc_self()->pin);
        kc_yield();
    }
    return 0;
}

static int use_single(void *arg)
{
    kc_attr_t attr = { .dispatcher = KC_DISPATCH_SINGLE };
    kc_scope_t s;

    (void)arg;
    ck_assert_int_eq(kc_scope_open(&s, NULL), 0);
    for (int i = 0; i < 10; i++) {
        kt_go(block_on_single, NULL);
        ck_assert_int_eq(kc_spawn(NULL, one_at_a_time, NULL, &attr), 0);
    }
    return kc_scope_close(&s);
}

START_TEST(on_single_all_run_one_at_a_time_on_the_first_worker)
{
    ck_assert_int_eq(kt_run(kt_workers(_i), use_single, NULL), 0);
}
END_TEST

static int is_first(void *arg)
{
    (void)arg;
    return kci_worker_self()->id == 0 ? 7 : -EIO;
}

/* Starts on the last worker, where nobody else may take it away before. */
static int to_single_at_once(void *arg)
{
    int ret = 0;

    (void)arg;
    kc_pin(true);
    unsigned last = kc_self()->rt->nworkers - 1;
    ck_assert_uint_eq(kci_worker_self()->id, last);
    kc_pin(false);
    ck_assert_int_eq(kc_with_dispatcher(KC_DISPATCH_SINGLE, is_first, NULL, &ret), 0);
    ck_assert_int_eq(ret, 7);
    return 0;
}

static int spawn_on_the_last(void *arg)
{
    kc_attr_t attr = { .worker = (int)kc_self()->rt->nworkers };
    kc_co_t *co;

    (void)arg;
    for (int i = 0; i < 20; i++) {
        ck_assert_int_eq(kc_spawn(&co, to_single_at_once, NULL, &attr), 0);
        ck_assert_int_eq(kt_join(co), 0);
    }
    return 0;
}

START_TEST(a_block_on_single_begins_there_and_not_where_it_was_asked_for)
{
    ck_assert_int_eq(kt_run(kt_workers(_i), spawn_on_the_last, NULL), 0);
}
END_TEST

static int default_inside_single(void *arg)
{
    int ret;

    (void)arg;
    struct kci_worker *first = &kc_self()->rt->workers[0];
    ck_assert_ptr_eq(kci_worker_self(), first);
    ck_assert_int_eq(kc_with_dispatcher(KC_DISPATCH_DEFAULT, worker_id, NULL, &ret), 0);
    ck_assert_ptr_eq(kci_worker_self(), first); // back again
    kc_pin(true);
    kc_pin(false);
    ck_assert_ptr_eq(kc_self()->pin, first); // still confined
    return 0;
}

static int pinned_elsewhere(void *arg)
{
    (void)arg;
    int last = (int)kc_self()->rt->nworkers - 1;
    int rc = kc_with_dispatcher(KC_DISPATCH_SINGLE, worker_id, NULL, NULL);
    ck_assert_int_eq(rc, last == 0 ? 0 : -EPERM);
    ck_assert_int_eq(kc_with_dispatcher(KC_DISPATCH_DEFAULT, worker_id, NULL, &rc), 0);
    return rc == last ? 0 : -EIO; // a pin holds everywhere
}

static int nest(void *arg)
{
    kc_attr_t attr = { .flags = KC_CO_PINNED };
    kc_co_t *co;
    int ret;

    (void)arg;
    ck_assert_int_eq(
        kc_with_dispatcher(KC_DISPATCH_SINGLE, default_inside_single, NULL, &ret), 0);
    attr.worker = (int)kc_self()->rt->nworkers;
    ck_assert_int_eq(kc_spawn(&co, pinned_elsewhere, NULL, &attr), 0);
    return kt_join(co);
}

START_TEST(dispatchers_nest_and_give_way_to_a_pin)
{
    ck_assert_int_eq(kt_run(kt_workers(_i), nest, NULL), 0);
}
END_TEST

/* ---- io ---- */

static _Atomic(int) arrived;

/* Blocks its thread until all are there: more than there are workers. */
static int block_the_thread(void *n)
{
    ck_assert_ptr_null(kc_self());
    ck_assert_ptr_null(kci_worker_self());
    kt_count((void *)&arrived);
    kt_until(&arrived, (int)(intptr_t)n);
    return 5;
}

static int block_on_io(void *n)
{
    int ret = 0, rc = kc_with_dispatcher(KC_DISPATCH_IO, block_the_thread, n, &ret);
    return rc ? rc : ret;
}

static int use_io(void *arg)
{
    kc_attr_t attr = { .dispatcher = KC_DISPATCH_IO };
    kc_co_t *co[20];

    (void)arg;
    ka_store(&arrived, 0, relaxed);
    for (int i = 0; i < 20; i++)
        ck_assert_int_eq(kc_spawn(&co[i], i % 2 ? block_on_io : block_the_thread, KT_RESULT(20),
                                  i % 2 ? NULL : &attr), 0);
    for (int i = 0; i < 20; i++)
        ck_assert_int_eq(kt_join(co[i]), 5);
    return 0;
}

START_TEST(on_io_code_that_blocks_holds_up_no_worker)
{
    ck_assert_int_eq(kt_run(kt_workers(_i), use_io, NULL), 0);
}
END_TEST

static _Atomic(int) began, may_end, done;

static int wait_for_leave(void *arg)
{
    kt_count((void *)&began);
    kt_until(&may_end, 1);
    kt_count((void *)&done);
    return *(int *)arg;
}

static int cancelled_meanwhile(void *arg)
{
    int own = 3, ret = 0; // fn uses our stack, so we must not leave

    (void)arg;
    int rc = kc_with_dispatcher(KC_DISPATCH_IO, wait_for_leave, &own, &ret);
    bool told = kc_with_dispatcher(KC_DISPATCH_IO, wait_for_leave, &own, &ret) == -ECANCELED;
    return rc == 0 && ret == 3 && told ? 0 : -EIO;
}

static int cancel_io(void *arg)
{
    kc_scope_t s;

    (void)arg;
    ka_store(&began, 0, relaxed);
    ka_store(&may_end, 0, relaxed);
    ka_store(&done, 0, relaxed);
    ck_assert_int_eq(kc_scope_open(&s, NULL), 0);
    kc_co_t *co = kt_spawn(cancelled_meanwhile, NULL);
    kt_until(&began, 1);
    kc_scope_cancel(&s, 0);
    ka_store(&may_end, 1, release);
    ck_assert_int_eq(kc_scope_close(&s), -ECANCELED);
    ck_assert_int_eq(done, 1);
    return kt_join(co);
}

START_TEST(a_block_on_io_is_waited_for_also_when_cancelled)
{
    ck_assert_int_eq(kt_run(kt_workers(_i), cancel_io, NULL), 0);
}
END_TEST

/* ---- unconfined ---- */

static char story[8];
static int told;

static int tell_and_wait(void *ch)
{
    story[told++] = 'b';
    int rc = kc_recv((kc_chan_t *)ch, NULL);
    story[told++] = 'd';
    return rc;
}

static int start_at_once(void *arg)
{
    kc_attr_t attr = { .dispatcher = KC_DISPATCH_UNCONFINED };
    kc_chan_t *ch = kc_chan_owned(0, 0);
    kc_co_t *co;

    (void)arg;
    kt_go(kt_return, NULL); // others stand in the queue before it
    story[told++] = 'a';
    ck_assert_int_eq(kc_spawn(&co, tell_and_wait, ch, &attr), 0);
    story[told++] = 'c';
    ck_assert_int_eq(kc_send(ch, NULL), 0);
    ck_assert_int_eq(kt_join(co), 0);
    ck_assert_str_eq(story, "abcd");
    return 0;
}

START_TEST(unconfined_a_coroutine_runs_at_once_until_it_waits)
{
    ck_assert_int_eq(kt_run(1, start_at_once, NULL), 0);
}
END_TEST

static int spawn_more(void *left)
{
    kc_attr_t attr = { .dispatcher = KC_DISPATCH_UNCONFINED };
    int n = (int)(intptr_t)left;

    if (n > 0)
        ck_assert_int_eq(kc_spawn(NULL, spawn_more, KT_RESULT(n - 1), &attr), 0);
    kt_count((void *)&done);
    return 0;
}

static int spawn_deep(void *arg)
{
    kc_scope_t s;

    (void)arg;
    ka_store(&done, 0, relaxed);
    ck_assert_int_eq(kc_scope_open(&s, NULL), 0);
    for (int i = 0; i < 20; i++)
        kt_go(spawn_more, KT_RESULT(100));
    ck_assert_int_eq(kc_scope_close(&s), 0);
    return done == 20 * 101 ? 0 : -EIO;
}

START_TEST(unconfined_coroutines_may_start_each_other_deeply)
{
    ck_assert_int_eq(kt_run(kt_workers(_i), spawn_deep, NULL), 0);
}
END_TEST

static int refuse(void *arg)
{
    kc_attr_t attr = { .dispatcher = 4 };

    (void)arg;
    ck_assert_int_eq(kc_with_dispatcher(4, worker_id, NULL, NULL), -EINVAL);
    ck_assert_int_eq(kc_with_dispatcher(-1, worker_id, NULL, NULL), -EINVAL);
    ck_assert_int_eq(kc_with_dispatcher(0, NULL, NULL, NULL), -EINVAL);
    ck_assert_int_eq(kc_spawn(NULL, worker_id, NULL, &attr), -EINVAL);
    return 0;
}

START_TEST(a_dispatcher_that_is_none_is_refused)
{
    ck_assert_int_eq(kc_with_dispatcher(KC_DISPATCH_IO, worker_id, NULL, NULL), -EPERM);
    ck_assert_int_eq(kt_run(1, refuse, NULL), 0);
}
END_TEST

SUITE("sched/dispatch", CASE_WORKERS(on_single_all_run_one_at_a_time_on_the_first_worker),
      CASE_WORKERS(a_block_on_single_begins_there_and_not_where_it_was_asked_for),
      CASE_WORKERS(dispatchers_nest_and_give_way_to_a_pin),
      CASE_WORKERS(on_io_code_that_blocks_holds_up_no_worker),
      CASE_WORKERS(a_block_on_io_is_waited_for_also_when_cancelled),
      CASE(unconfined_a_coroutine_runs_at_once_until_it_waits),
      CASE_WORKERS(unconfined_coroutines_may_start_each_other_deeply),
      CASE(a_dispatcher_that_is_none_is_refused))
