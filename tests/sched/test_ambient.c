/* SPDX-License-Identifier: BSD-3-Clause */
/* tests/sched/test_ambient.c — what a coroutine's calls observe: tokens entered beside the
 * scope's, shields over all of them. */
#include "core/mem.h"
#include "tests/sched/kit.h"

static kc_cancel_t *token(void)
{
    kc_cancel_t *tk;

    ck_assert_int_eq(kc_cancel_create(&tk, NULL), 0);
    return tk;
}

static int enter_and_sleep(void *tk)
{
    kc_cancel_enter(tk);
    int rc = kc_sleep_until(KC_FOREVER);
    kc_cancel_leave(tk);
    return rc == -ECANCELED && kc_canceled() == 0 ? 7 : -EPROTO;
}

static int wake_who_entered(void *arg)
{
    kc_cancel_t *tk = token();

    (void)arg;
    kc_co_t *co = kt_spawn(enter_and_sleep, tk), *other = kt_spawn(enter_and_sleep, tk);
    kt_until_parked(co, KCI_WHY_SLEEP);
    kt_until_parked(other, KCI_WHY_SLEEP);
    ck_assert_int_eq(kc_cancel_trigger(tk, -EIO), 0);
    ck_assert_int_eq(kt_join(co), 7);
    ck_assert_int_eq(kt_join(other), 7);
    ck_assert_int_eq(kc_canceled(), 0);
    kc_cancel_unref(tk);
    return 0;
}

START_TEST(triggering_an_entered_token_wakes_whoever_entered_it)
{
    ck_assert_int_eq(kt_run(kt_workers(_i), wake_who_entered, NULL), 0);
}
END_TEST

static int ask(void *arg)
{
    (void)arg;
    return kc_canceled();
}

static int nest(void *arg)
{
    kc_cancel_t *a = token(), *b = token();
    kc_scope_t s;

    (void)arg;
    kc_cancel_enter(a);
    kc_cancel_enter(b);
    kc_cancel_enter(a);
    kc_cancel_trigger(a, 0);
    ck_assert_int_eq(kc_canceled(), -ECANCELED);
    kc_shield(true);
    ck_assert_int_eq(kt_join(kt_spawn(ask, NULL)), 0); // not inherited
    kc_shield(false);
    ck_assert_int_eq(kc_scope_open(&s, NULL), 0);      // nor does it cancel what is opened
    ck_assert_int_eq(kc_cancel_check(kc_scope_token(&s)), 0);
    ck_assert_int_eq(kc_canceled(), -ECANCELED);
    ck_assert_int_eq(kc_scope_close(&s), 0);
    kc_cancel_leave(a);
    ck_assert_int_eq(kc_checkpoint(), -ECANCELED);
    kc_cancel_leave(a);
    ck_assert_int_eq(kc_checkpoint(), 0);
    kc_cancel_leave(a); // one too many is none
    kc_cancel_trigger(b, 0);
    ck_assert_int_eq(kc_checkpoint(), -ECANCELED);
    kc_cancel_leave(b);
    ck_assert_int_eq(kc_sleep(KC_US(1)), 0);
    kc_cancel_unref(a);
    kc_cancel_unref(b);
    return 0;
}

START_TEST(entering_nests_and_children_inherit_their_scopes_token_only)
{
    ck_assert_int_eq(kt_run(kt_workers(_i), nest, NULL), 0);
}
END_TEST

static int never_leave(void *tk)
{
    kc_cancel_enter(tk);
    kc_cancel_enter(tk);
    return kc_cancel_check(tk);
}

static int end_without_leaving(void *arg)
{
    kc_cancel_t *tk = token();

    (void)arg;
    ck_assert_int_eq(kt_join(kt_spawn(never_leave, tk)), 0);
    kc_cancel_trigger(tk, 0); // nobody is there any more
    kc_cancel_unref(tk);
    return 0;
}

START_TEST(what_a_coroutine_did_not_leave_is_left_when_it_ends)
{
    ck_assert_int_eq(kt_run(kt_workers(_i), end_without_leaving, NULL), 0);
}
END_TEST

static int enter_without_memory(void *arg)
{
    kc_cancel_t *tk = token();
    kc_scope_t s;

    (void)arg;
    ck_assert_int_eq(kc_scope_open(&s, NULL), 0);
    kci_mem_fail_nth(1);
    kc_cancel_enter(tk);
    ck_assert_int_eq(kc_canceled(), -ECANCELED);
    kc_cancel_leave(tk);
    ck_assert_int_eq(kc_scope_close(&s), -ENOMEM);
    kc_cancel_unref(tk);
    return 0;
}

START_TEST(a_token_that_cannot_be_entered_cancels_the_scope)
{
    kc_cancel_enter(NULL);
    kc_cancel_leave(NULL);
    ck_assert_int_eq(kt_run(1, enter_without_memory, NULL), 0);
}
END_TEST

/* ---- T5, T6, T15 ---- */

static int stay_cancelled(void *arg)
{
    kc_scope_t s;

    (void)arg;
    ck_assert_int_eq(kc_scope_open(&s, NULL), 0);
    kc_cancel_t *tk = kc_scope_token(&s);
    kc_chan_t *ch = kc_chan(int, 20);
    ck_assert_int_eq(kc_cancel_trigger(tk, -EIO), 0); // by oneself: T15
    ck_assert_int_eq(kc_cancel_trigger(tk, -EPROTO), -EALREADY);
    for (int i = 0; i < 10; i++) {
        ck_assert_int_eq(kc_send(ch, &i), -ECANCELED);
        ck_assert_int_eq(kc_sleep(1), -ECANCELED);
        ck_assert_int_eq(kc_select(KC_FOREVER, KC_RECV(ch, NULL)).rc, -ECANCELED);
    }
    ck_assert_int_eq(kc_scope_close(&s), -EIO);
    return kc_sleep(1);
}

START_TEST(t5_t15_who_is_cancelled_is_told_each_time_until_the_scope_ends)
{
    ck_assert_int_eq(kt_run(kt_workers(_i), stay_cancelled, NULL), 0);
}
END_TEST

static int shield_all(void *tk)
{
    kc_cancel_enter(tk);
    kc_shield(true);
    int inside = kc_sleep(KC_MS(2));
    kc_shield(false);
    int after = kc_sleep(KC_MS(2));
    return inside == 0 && after == -ECANCELED ? -ECANCELED : -EPROTO;
}

static int shield_under_trigger(void *arg)
{
    kc_cancel_t *tk = token();
    kc_scope_t s;

    (void)arg;
    ck_assert_int_eq(kc_scope_open(&s, NULL), 0);
    kc_co_t *co = kt_spawn(shield_all, tk);
    kt_until_parked(co, KCI_WHY_SLEEP);
    kc_cancel_trigger(tk, 0);
    ck_assert_int_eq(kc_scope_close(&s), 0); // a cancelled child's -ECANCELED is no error
    ck_assert_int_eq(kt_join(co), -ECANCELED);
    kc_cancel_unref(tk);
    return 0;
}

START_TEST(t6_what_is_shielded_completes_and_the_next_call_is_cancelled)
{
    ck_assert_int_eq(kt_run(kt_workers(_i), shield_under_trigger, NULL), 0);
}
END_TEST

static int say_ecanceled(void *arg)
{
    kc_scope_t s;

    (void)arg;
    ck_assert_int_eq(kc_scope_open(&s, NULL), 0);
    kt_go(kt_return, KT_RESULT(-ECANCELED)); // nobody told it to stop
    return kc_scope_close(&s);
}

START_TEST(ecanceled_from_a_child_that_was_not_cancelled_is_an_error)
{
    ck_assert_int_eq(kt_run(kt_workers(_i), say_ecanceled, NULL), -ECANCELED);
}
END_TEST

/* ---- a trigger and an entering that begin at the same time ---- */

static _Atomic(int) entering;

static int enter_late(void *tk)
{
    kt_count(&entering);
    kc_cancel_enter(tk);
    int rc = kc_sleep_until(KC_FOREVER);
    kc_cancel_leave(tk);
    return rc == -ECANCELED ? 0 : -EPROTO;
}

static int race_with_entering(void *arg)
{
    kc_scope_t s;

    (void)arg;
    ck_assert_int_eq(kc_scope_open(&s, NULL), 0);
    ka_store(&entering, 0, relaxed);
    for (int i = 1; i <= 2000; i++) {
        kc_cancel_t *tk = token();
        kt_go(enter_late, tk);
        if (i % 2)
            kt_until(&entering, i);
        for (int k = 0; k < i % 4; k++)
            kc_yield();
        kc_cancel_trigger(tk, 0);
        ck_assert_int_eq(kc_scope_wait(&s, KC_FOREVER), 0);
        kc_cancel_unref(tk);
    }
    return kc_scope_close(&s);
}

START_TEST(nobody_sleeps_through_a_token_that_is_triggered_while_entered)
{
    ck_assert_int_eq(kt_run(kt_workers(_i), race_with_entering, NULL), 0);
}
END_TEST

SUITE("sched/ambient", CASE_WORKERS(triggering_an_entered_token_wakes_whoever_entered_it),
      CASE_WORKERS(entering_nests_and_children_inherit_their_scopes_token_only),
      CASE_WORKERS(what_a_coroutine_did_not_leave_is_left_when_it_ends),
      CASE(a_token_that_cannot_be_entered_cancels_the_scope),
      CASE_WORKERS(t5_t15_who_is_cancelled_is_told_each_time_until_the_scope_ends),
      CASE_WORKERS(t6_what_is_shielded_completes_and_the_next_call_is_cancelled),
      CASE_WORKERS(ecanceled_from_a_child_that_was_not_cancelled_is_an_error),
      CASE_WORKERS(nobody_sleeps_through_a_token_that_is_triggered_while_entered))
