/* SPDX-License-Identifier: BSD-3-Clause */
/* tests/sched/test_callback.c — T14: functions that a token calls, exactly once or never. */
#include <kcoro/kcoro.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "core/mem.h"
#include "tests/sched/kit.h"

static kc_cancel_t *token(kc_cancel_t *parent)
{
    kc_cancel_t *tk;

    ck_assert_int_eq(kc_cancel_create(&tk, parent), 0);
    return tk;
}

static void count(void *counter)
{
    ka_add((_Atomic(int) *)counter, 1, acq_rel);
}

static void check_all_gone(void)
{
    ck_assert_uint_eq(kci_mem_blocks_in_use(), 0);
}

/* ---- one after the other ---- */

START_TEST(t14_a_callback_runs_once_when_its_token_is_triggered)
{
    kc_cancel_t *top = token(NULL), *tk = token(top);
    _Atomic(int) calls = 0;
    kc_cancel_reg_t reg;

    ck_assert_int_eq(kc_cancel_on(tk, &reg, count, &calls), 0);
    ck_assert_int_eq(calls, 0);
    kc_cancel_trigger(top, -EIO); // from above is as good
    ck_assert_int_eq(calls, 1);
    kc_cancel_trigger(tk, -EIO);
    ck_assert_int_eq(calls, 1);
    ck_assert_int_eq(kc_cancel_off(&reg), 0);
    ck_assert_int_eq(kc_cancel_off(&reg), 0);
    kc_cancel_unref(tk);
    kc_cancel_unref(top);
    check_all_gone();
}
END_TEST

START_TEST(t14_a_callback_taken_back_never_runs)
{
    kc_cancel_t *tk = token(NULL);
    _Atomic(int) calls = 0;
    kc_cancel_reg_t regs[3];

    for (int i = 0; i < 3; i++)
        ck_assert_int_eq(kc_cancel_on(tk, &regs[i], count, &calls), 0);
    ck_assert_int_eq(kc_cancel_off(&regs[1]), 1);
    ck_assert_int_eq(kc_cancel_off(&regs[1]), 0); // no longer there
    kc_cancel_trigger(tk, 0);
    ck_assert_int_eq(calls, 2);
    kc_cancel_unref(tk);
    check_all_gone();
}
END_TEST

START_TEST(t14_registered_after_the_trigger_a_callback_runs_at_once)
{
    kc_cancel_t *tk = token(NULL);
    _Atomic(int) calls = 0;
    kc_cancel_reg_t reg;

    kc_cancel_trigger(tk, 0);
    ck_assert_int_eq(kc_cancel_on(tk, &reg, count, &calls), 0);
    ck_assert_int_eq(calls, 1);
    ck_assert_int_eq(kc_cancel_off(&reg), 0);
    kc_cancel_unref(tk);
    check_all_gone();
}
END_TEST

START_TEST(a_registration_keeps_its_token_and_bad_ones_are_refused)
{
    kc_cancel_t *tk = token(NULL);
    _Atomic(int) calls = 0;
    kc_cancel_reg_t reg = { { 0 } };

    ck_assert_int_eq(kc_cancel_on(NULL, &reg, count, NULL), -EINVAL);
    ck_assert_int_eq(kc_cancel_on(tk, NULL, count, NULL), -EINVAL);
    ck_assert_int_eq(kc_cancel_on(tk, &reg, NULL, NULL), -EINVAL);
    ck_assert_int_eq(kc_cancel_off(NULL), -EINVAL);
    ck_assert_int_eq(kc_cancel_off(&reg), 0);
    ck_assert_int_eq(kc_cancel_on(tk, &reg, count, &calls), 0);
    kc_cancel_unref(tk);
    ck_assert_uint_eq(kci_mem_blocks_in_use(), 1);
    ck_assert_int_eq(kc_cancel_off(&reg), 1);
    check_all_gone();
}
END_TEST

/* ---- what a callback may do ---- */

static struct {
    kc_cancel_t *tk;
    kc_cancel_reg_t reg[3];
    int rc[8];
    _Atomic(int) calls;
} in;

static void take_back_self_and_the_next(void *unused)
{
    (void)unused;
    in.rc[0] = kc_cancel_off(&in.reg[0]);
    memset(&in.reg[0], 0xff, sizeof in.reg[0]); // ours from now on
    in.rc[1] = kc_cancel_off(&in.reg[1]);
    in.rc[2] = kc_cancel_on(in.tk, &in.reg[2], count, &in.calls); // runs at once
}

START_TEST(t14_a_callback_may_take_back_itself_and_others_and_register_new_ones)
{
    in.tk = token(NULL);
    ck_assert_int_eq(kc_cancel_on(in.tk, &in.reg[0], take_back_self_and_the_next, NULL), 0);
    ck_assert_int_eq(kc_cancel_on(in.tk, &in.reg[1], count, &in.calls), 0);
    kc_cancel_trigger(in.tk, 0);
    ck_assert_int_eq(in.rc[0], 0);
    ck_assert_int_eq(in.rc[1], 1);
    ck_assert_int_eq(in.rc[2], 0);
    ck_assert_int_eq(in.calls, 1);
    kc_cancel_unref(in.tk);
    check_all_gone();
}
END_TEST

static void take_back_self(void *unused)
{
    (void)unused;
    in.rc[0] = kc_cancel_off(&in.reg[0]);
}

static void *take_back_on_a_thread(void *unused)
{
    (void)unused;
    in.rc[1] = kc_cancel_off(&in.reg[0]);
    return NULL;
}

START_TEST(t14_what_took_itself_back_can_be_taken_back_once_more)
{
    pthread_t thread;

    in.tk = token(NULL);
    ck_assert_int_eq(kc_cancel_on(in.tk, &in.reg[0], take_back_self, NULL), 0);
    kc_cancel_trigger(in.tk, 0);
    ck_assert_int_eq(in.rc[0], 0);
    ck_assert_int_eq(pthread_create(&thread, NULL, take_back_on_a_thread, NULL), 0);
    pthread_join(thread, NULL); // it does not wait for a callback that is long over
    ck_assert_int_eq(in.rc[1], 0);
    kc_cancel_unref(in.tk);
    check_all_gone();
}
END_TEST

struct heap_reg {
    kc_cancel_reg_t reg;
    _Atomic(int) *calls;
};

static void free_own_memory(void *arg)
{
    struct heap_reg *h = arg;

    count((void *)h->calls);
    kc_cancel_off(&h->reg);
    free(h);
}

START_TEST(t14_a_callback_that_took_itself_back_may_free_its_memory)
{
    struct heap_reg *h = malloc(sizeof *h);
    kc_cancel_t *tk = token(NULL);
    _Atomic(int) calls = 0;

    h->calls = &calls;
    ck_assert_int_eq(kc_cancel_on(tk, &h->reg, free_own_memory, h), 0);
    kc_cancel_trigger(tk, 0);
    ck_assert_int_eq(calls, 1);
    kc_cancel_unref(tk);
}
END_TEST

static void try_to_wait(void *ch)
{
    kc_scope_t s;

    in.rc[0] = kc_recv((kc_chan_t *)ch, NULL, KC_FOREVER);
    in.rc[1] = kc_sleep(KC_MS(1));
    in.rc[2] = kc_scope_open(&s, NULL);
    in.rc[3] = kc_send((kc_chan_t *)ch, NULL, KC_TRY);
    in.rc[4] = kc_cancel_check(in.tk);
    kc_yield();
    count((void *)&in.calls);
}

static void check_what_a_callback_may_do(kc_chan_t *ch)
{
    kc_cancel_reg_t reg;

    in.tk = token(NULL);
    ck_assert_int_eq(kc_cancel_on(in.tk, &reg, try_to_wait, ch), 0);
    kc_cancel_trigger(in.tk, 0);
    ck_assert_int_eq(in.calls, 1);
    ck_assert_int_eq(in.rc[0], -EPERM);
    ck_assert_int_eq(in.rc[1], -EPERM);
    ck_assert_int_eq(in.rc[2], -EPERM);
    ck_assert_int_eq(in.rc[3], 0); // what need not wait is done
    ck_assert_int_eq(in.rc[4], -ECANCELED);
    ck_assert_int_eq(kc_recv(ch, NULL, KC_FOREVER), 0); // and its caller may wait again
    kc_cancel_unref(in.tk);
    kc_chan_unref(ch);
}

static int may_do(void *arg)
{
    kc_chan_t *ch;

    (void)arg;
    ck_assert_int_eq(kc_chan_make(&ch, 0, 1), 0);
    check_what_a_callback_may_do(ch);
    return 0;
}

START_TEST(t14_a_callback_that_would_wait_gets_eperm)
{
    ck_assert_int_eq(kt_run(1, may_do, NULL), 0);
    in.calls = 0;
    may_do(NULL); // on a plain thread
    check_all_gone();
}
END_TEST

/* ---- threads ---- */

enum { ROUNDS = 3000 };

static struct {
    kc_cancel_t *tk[ROUNDS];
    _Atomic(int) calls[ROUNDS], begun, wrong;
} race;

static void *trigger_each(void *arg)
{
    (void)arg;
    for (int i = 0; i < ROUNDS; i++) {
        kt_until(&race.begun, i + 1);
        for (int k = 0; k < i % 7; k++)
            kt_pass();
        kc_cancel_trigger(race.tk[i], 0);
    }
    return NULL;
}

START_TEST(t14_on_and_off_race_with_the_trigger_once_or_never)
{
    pthread_t thread;

    for (int i = 0; i < ROUNDS; i++)
        race.tk[i] = token(NULL);
    ck_assert_int_eq(pthread_create(&thread, NULL, trigger_each, NULL), 0);
    for (int i = 0; i < ROUNDS; i++) {
        kc_cancel_reg_t reg;
        if (i % 2)
            ka_store(&race.begun, i + 1, release); // the trigger meets on, else off
        kc_cancel_on(race.tk[i], &reg, count, (void *)&race.calls[i]);
        ka_store(&race.begun, i + 1, release);
        for (int k = 0; k < i % 5; k++)
            kt_pass();
        int taken = kc_cancel_off(&reg);
        if (taken + ka_load(&race.calls[i], acquire) != 1)
            count((void *)&race.wrong);
    }
    pthread_join(thread, NULL);
    ck_assert_int_eq(race.wrong, 0);
    for (int i = 0; i < ROUNDS; i++)
        kc_cancel_unref(race.tk[i]);
    check_all_gone();
}
END_TEST

static _Atomic(int) inside, may_end, ended, off_returned;

static void stay_inside(void *unused)
{
    (void)unused;
    ka_store(&inside, 1, release);
    kt_until(&may_end, 1);
    ka_store(&ended, 1, release);
}

static void *trigger_one(void *tk)
{
    kc_cancel_trigger(tk, 0);
    return NULL;
}

static void *take_back(void *reg)
{
    ck_assert_int_eq(kc_cancel_off(reg), 0);
    ck_assert_int_eq(ka_load(&ended, acquire), 1);
    ka_store(&off_returned, 1, release);
    return NULL;
}

START_TEST(t14_taking_back_waits_for_a_callback_that_runs_elsewhere)
{
    kc_cancel_t *tk = token(NULL);
    kc_cancel_reg_t reg;
    pthread_t triggering, taking;

    ck_assert_int_eq(kc_cancel_on(tk, &reg, stay_inside, NULL), 0);
    ck_assert_int_eq(pthread_create(&triggering, NULL, trigger_one, tk), 0);
    kt_until(&inside, 1);
    ck_assert_int_eq(pthread_create(&taking, NULL, take_back, &reg), 0);
    for (int i = 0; i < 1000; i++)
        kt_pass();
    ck_assert_int_eq(ka_load(&off_returned, acquire), 0);
    ka_store(&may_end, 1, release);
    pthread_join(taking, NULL);
    pthread_join(triggering, NULL);
    kc_cancel_unref(tk);
    check_all_gone();
}
END_TEST

/* ---- inside a runtime ---- */

static _Atomic(int) told; /* called, or taken back in time */

static int be_cancelled(void *scope)
{
    kc_cancel_reg_t reg;

    kc_cancel_on(kc_scope_token(scope), &reg, count, (void *)&told);
    int rc = kc_sleep_until(KC_FOREVER);
    if (kc_cancel_off(&reg)) // woken before its callback's turn came
        count((void *)&told);
    return rc;
}

static int many_in_a_scope(void *arg)
{
    enum { MANY = 200 };
    kc_co_t *co[MANY];
    kc_scope_t s;

    (void)arg;
    ka_store(&told, 0, relaxed);
    ck_assert_int_eq(kc_scope_open(&s, NULL), 0);
    for (int i = 0; i < MANY; i++)
        co[i] = kt_spawn(be_cancelled, &s);
    for (int i = 0; i < MANY; i++)
        kt_until_parked(co[i], KCI_WHY_SLEEP);
    kc_scope_cancel(&s, -EIO);
    ck_assert_int_eq(kc_scope_close(&s), -EIO);
    ck_assert_int_eq(told, MANY);
    for (int i = 0; i < MANY; i++)
        ck_assert_int_eq(kt_join(co[i]), -ECANCELED);
    return 0;
}

START_TEST(t14_a_scope_calls_the_callbacks_of_all_its_coroutines)
{
    ck_assert_int_eq(kt_run(kt_workers(_i), many_in_a_scope, NULL), 0);
}
END_TEST

SUITE("sched/callback", CASE(t14_a_callback_runs_once_when_its_token_is_triggered),
      CASE(t14_a_callback_taken_back_never_runs),
      CASE(t14_registered_after_the_trigger_a_callback_runs_at_once),
      CASE(a_registration_keeps_its_token_and_bad_ones_are_refused),
      CASE(t14_a_callback_may_take_back_itself_and_others_and_register_new_ones),
      CASE(t14_what_took_itself_back_can_be_taken_back_once_more),
      CASE(t14_a_callback_that_took_itself_back_may_free_its_memory),
      CASE(t14_a_callback_that_would_wait_gets_eperm),
      CASE(t14_on_and_off_race_with_the_trigger_once_or_never),
      CASE(t14_taking_back_waits_for_a_callback_that_runs_elsewhere),
      CASE_WORKERS(t14_a_scope_calls_the_callbacks_of_all_its_coroutines))
