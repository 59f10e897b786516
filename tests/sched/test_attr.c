/* SPDX-License-Identifier: BSD-3-Clause */
/* tests/sched/test_attr.c — what a coroutine can be given when it is spawned: a stack, no
 * budget, no scope. Pinned and parked ones: test_pin.c, test_permit.c. */
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "core/mem.h"
#include "sched/sched.h"
#include "tests/sched/kit.h"

enum { STACK = 256 << 10 };

/* ---- the caller's memory as a stack ---- */

static unsigned char *memory;

static int use_the_stack(void *arg)
{
    volatile unsigned char deep[8000];

    memset((void *)(uintptr_t)deep, 7, sizeof deep);
    uintptr_t at = (uintptr_t)&deep, lo = (uintptr_t)memory;
    kc_yield();
    (void)kc_sleep(KC_US(20));
    if (!KCI_NOTES && (at < lo || at >= lo + STACK)) // a sanitizer may keep it elsewhere
        return -EFAULT;
    return deep[4000] == 7 ? *(int *)arg : -EIO;
}

static int run_on_own_memory(void *arg)
{
    int expected = 42;
    kc_attr_t attr = { .stack = memory, .stack_size = STACK };
    kc_co_t *co;

    (void)arg;
    for (int i = 0; i < 200; i++) {
        memset(memory, 0xaa, STACK); // nobody uses it any more
        attr.stack = memory + i % 16; // of any alignment
        attr.stack_size = STACK - 16;
        ck_assert_int_eq(
            kc_spawn_copy(&co, use_the_stack, &expected, sizeof expected, &attr), 0);
        int ret = 0;
        ck_assert_int_eq(kc_join(co, &ret, KC_FOREVER), 0);
        memset(memory, 0x55, STACK); // while there is a handle
        ck_assert_int_eq(ret, 42);
        kc_co_unref(co);
    }
    return 0;
}

START_TEST(a_stack_may_be_used_for_something_else_once_joined)
{
    memory = malloc(STACK);
    ck_assert_int_eq(kt_run(kt_workers(_i), run_on_own_memory, NULL), 0);
    free(memory);
}
END_TEST

static int wait_or_fail(void *rc)
{
    (void)kc_sleep_until(KC_FOREVER);
    return (int)(intptr_t)rc;
}

static int close_over_own_memory(void *arg)
{
    kc_attr_t attr = { .stack_size = STACK };
    kc_scope_t s;

    (void)arg;
    for (int i = 0; i < 100; i++) {
        attr.stack = malloc(STACK);
        ck_assert_int_eq(kc_scope_open(&s, NULL), 0);
        ck_assert_int_eq(kc_spawn(NULL, i % 2 ? kt_return : wait_or_fail, NULL, &attr), 0);
        if (i % 2 == 0)
            kc_scope_cancel(&s, -EIO);
        ck_assert_int_eq(kc_scope_close(&s), i % 2 ? 0 : -EIO);
        free(attr.stack);
    }
    return 0;
}

START_TEST(a_stack_may_go_once_its_scope_is_closed)
{
    ck_assert_int_eq(kt_run(kt_workers(_i), close_over_own_memory, NULL), 0);
}
END_TEST

static void count(void *counter)
{
    ka_add((_Atomic(int) *)counter, 1, acq_rel);
}

/* Its end cancels the scope, with callbacks, from where its stack is no more. */
static int fail_on_own_memory(void *arg)
{
    static _Atomic(int) calls;
    kc_attr_t attr = { .stack = memory, .stack_size = STACK };
    kc_cancel_reg_t reg;
    kc_scope_t s;

    (void)arg;
    ka_store(&calls, 0, relaxed);
    ck_assert_int_eq(kc_scope_open(&s, NULL), 0);
    kc_cancel_on(kc_scope_token(&s), &reg, count, (void *)&calls);
    kt_go(kt_wait_for_ever, NULL);
    ck_assert_int_eq(kc_spawn(NULL, kt_return, KT_RESULT(-EIO), &attr), 0);
    ck_assert_int_eq(kc_scope_close(&s), -EIO);
    ck_assert_int_eq(kc_cancel_off(&reg) + calls, 1);
    ck_assert_int_eq(kc_sleep(KC_US(1)), 0); // nothing of the callback stays with us
    return 0;
}

START_TEST(a_failure_on_the_callers_stack_cancels_the_scope)
{
    memory = malloc(STACK);
    ck_assert_int_eq(kt_run(kt_workers(_i), fail_on_own_memory, NULL), 0);
    free(memory);
}
END_TEST

static int refuse_stacks(void *arg)
{
    kc_attr_t attr = { .stack = memory, .stack_size = 1000 };
    char args[STACK / 2] = { 0 };
    kc_scope_t s;

    (void)arg;
    ck_assert_int_eq(kc_spawn(NULL, kt_return, NULL, &attr), -EINVAL);
    attr.stack_size = STACK;
    ck_assert_int_eq(kc_spawn_copy(NULL, kt_return, args, sizeof args, &attr), -EOVERFLOW);
    kci_mem_fail_nth(1);
    ck_assert_int_eq(kc_spawn(NULL, kt_return, NULL, &attr), -ENOMEM);
    ck_assert_int_eq(kc_scope_open(&s, NULL), 0);
    kc_scope_cancel(&s, 0);
    ck_assert_int_eq(kc_spawn(NULL, kt_return, NULL, &attr), -ECANCELED);
    ck_assert_int_eq(kc_scope_close(&s), -ECANCELED);
    return 0;
}

START_TEST(a_stack_that_cannot_be_used_is_refused)
{
    memory = malloc(STACK);
    kc_opts_t opts = { .workers = 1, .stack_size = 1 << 20 };
    ck_assert_int_eq(kt_run_with(&opts, refuse_stacks, NULL), 0);
    free(memory);
}
END_TEST

/* ---- no budget ---- */

static _Atomic(int) others;

static int many_calls(void *ch)
{
    int before = ka_load(&others, relaxed);

    for (int i = 0; i < 2000; i++)
        if (kc_send((kc_chan_t *)ch, NULL) || kc_recv((kc_chan_t *)ch, NULL))
            return -EIO;
    return ka_load(&others, relaxed) - before;
}

static int without_budget(void *arg)
{
    kc_attr_t attr = { .flags = KC_CO_NOBUDGET };
    kc_chan_t *ch = kc_chan_owned(0, 1);
    kc_co_t *co;

    (void)arg;
    kt_go(kt_count, (void *)&others); // runs second: the newest goes first
    ck_assert_int_eq(kc_spawn(&co, many_calls, ch, &attr), 0);
    ck_assert_int_eq(kt_join(co), 0); // it was not interrupted
    kt_until(&others, 1);
    kt_go(kt_count, (void *)&others);
    co = kt_spawn(many_calls, ch);
    ck_assert_int_eq(kt_join(co), 1); // with a budget it is
    return 0;
}

START_TEST(without_budget_a_coroutine_is_not_interrupted)
{
    ck_assert_int_eq(kt_run(1, without_budget, NULL), 0);
}
END_TEST

/* ---- detached ---- */

static const kc_attr_t detached = { .flags = KC_CO_DETACHED };
static _Atomic(int) gate, ended;

static int outlive(void *arg)
{
    int rc = kc_sleep_until(KC_FOREVER);

    (void)arg;
    kt_count((void *)&ended);
    return rc;
}

static int own_things(void *arg)
{
    kc_chan_t *ch = kc_chan(int, 1);

    (void)arg;
    ck_assert_ptr_nonnull(ch);
    kt_go(kt_count, (void *)&gate);
    kt_until(&gate, 1);
    return -EPROTO;
}

static int leave_some_behind(void *arg)
{
    kc_scope_t s;
    kc_co_t *co;

    (void)arg;
    ka_store(&ended, 0, relaxed);
    ka_store(&gate, 0, relaxed);
    ck_assert_int_eq(kc_scope_open(&s, &(kc_scope_opts_t){ .limit = 1 }), 0);
    ck_assert_int_eq(kc_spawn(NULL, outlive, NULL, &detached), 0);
    ck_assert_int_eq(kc_spawn(&co, own_things, NULL, &detached), 0);
    ck_assert_int_eq(kc_scope_wait(&s, KC_FOREVER), 0); // which has no children
    ck_assert_int_eq(kc_scope_next(&s, NULL, NULL, KC_TRY), -ECHILD);
    ck_assert_int_eq(kt_join(co), -EPROTO);
    ck_assert_int_eq(kc_canceled(), 0); // the failure is nobody else's
    kc_scope_cancel(&s, 0);
    ck_assert_int_eq(kc_spawn(NULL, outlive, NULL, &detached), 0);
    ck_assert_int_eq(kc_scope_close(&s), -ECANCELED);
    ck_assert_int_eq(ended, 0);
    return 5;
}

START_TEST(a_detached_coroutine_is_nobodys_child_and_ends_with_the_program)
{
    ck_assert_int_eq(kt_run(kt_workers(_i), leave_some_behind, NULL), 5);
    ck_assert_int_eq(ended, 2);
}
END_TEST

SUITE("sched/attr", CASE_WORKERS(a_stack_may_be_used_for_something_else_once_joined),
      CASE_WORKERS(a_stack_may_go_once_its_scope_is_closed),
      CASE_WORKERS(a_failure_on_the_callers_stack_cancels_the_scope),
      CASE(a_stack_that_cannot_be_used_is_refused),
      CASE(without_budget_a_coroutine_is_not_interrupted),
      CASE_WORKERS(a_detached_coroutine_is_nobodys_child_and_ends_with_the_program))
