/* SPDX-License-Identifier: BSD-3-Clause */
/* tests/sched/test_scope.c — scopes: joining, policies, limits, reasons, nesting. Deadlines:
 * test_deadline.c, results one by one: test_scope_next.c. */
#include "core/mem.h"
#include "tests/sched/kit.h"

static _Atomic(int) gate, counter;

static int wait_at_gate(void *result)
{
    kt_until(&gate, 1);
    kt_count(&counter);
    return (int)(intptr_t)result;
}

static void open_gate(void)
{
    ka_store(&gate, 1, release);
}

static void open_scope(kc_scope_t *s, kc_scope_opts_t opts)
{
    ck_assert_int_eq(kc_scope_open(s, &opts), 0);
}

/* ---- joining ---- */

static int close_joins(void *arg)
{
    kc_scope_t s;

    (void)arg;
    open_scope(&s, (kc_scope_opts_t){ .name = "pool" });
    for (int i = 0; i < 50; i++)
        kt_go(wait_at_gate, KT_RESULT(i));
    ck_assert_int_eq(kc_scope_wait(&s, KC_TRY), -EAGAIN);
    ck_assert_int_eq(kc_scope_wait(&s, kc_in(KC_MS(1))), -ETIME);
    open_gate();
    ck_assert_int_eq(kc_scope_wait(&s, KC_FOREVER), 0);
    ck_assert_int_eq(counter, 50);
    kt_go(wait_at_gate, NULL);
    ck_assert_int_eq(kc_scope_close(&s), 0);
    ck_assert_int_eq(counter, 51);
    return 0;
}

START_TEST(k1_waiting_and_closing_wait_for_every_child)
{
    ck_assert_int_eq(kt_run(kt_workers(_i), close_joins, NULL), 0);
}
END_TEST

static int current_scopes(void *arg)
{
    kc_scope_t a, b, *root = kc_scope_current();

    (void)arg;
    ck_assert_ptr_nonnull(root);
    open_scope(&a, (kc_scope_opts_t){ 0 });
    ck_assert_ptr_eq(kc_scope_current(), &a);
    open_scope(&b, (kc_scope_opts_t){ 0 });
    ck_assert_ptr_eq(kc_scope_current(), &b);
    ck_assert_int_eq(kc_scope_close(&b), 0);
    ck_assert_ptr_eq(kc_scope_current(), &a);
    ck_assert_int_eq(kc_scope_close(&a), 0);
    ck_assert_ptr_eq(kc_scope_current(), root);
    return 0;
}

START_TEST(opening_makes_a_scope_current_and_closing_the_outer_one_again)
{
    ck_assert_ptr_null(kc_scope_current());
    ck_assert_int_eq(kt_run(1, current_scopes, NULL), 0);
}
END_TEST

static int spawn_into_foreign_scope(void *scope)
{
    return kc_scope_spawn(scope, NULL, kt_count, &counter, 0, NULL);
}

static int share_a_scope(void *arg)
{
    kc_scope_t s, inner;
    kc_co_t *helpers[20];

    (void)arg;
    open_scope(&s, (kc_scope_opts_t){ 0 });
    kt_go(wait_at_gate, NULL);
    open_scope(&inner, (kc_scope_opts_t){ 0 });
    for (int i = 0; i < 20; i++)
        helpers[i] = kt_spawn(spawn_into_foreign_scope, &s);
    for (int i = 0; i < 20; i++)
        ck_assert_int_eq(kt_join(helpers[i]), 0);
    ck_assert_int_eq(kc_scope_close(&inner), 0);
    open_gate();
    ck_assert_int_eq(kc_scope_close(&s), 0);
    ck_assert_int_eq(counter, 21);
    return 0;
}

START_TEST(k9_any_coroutine_may_spawn_into_an_open_scope)
{
    ck_assert_int_eq(kt_run(kt_workers(_i), share_a_scope, NULL), 0);
}
END_TEST

/* ---- policies ---- */

static int fail_fast(void *arg)
{
    kc_scope_t s;

    (void)arg;
    open_scope(&s, (kc_scope_opts_t){ .policy = KC_FAILFAST });
    kc_co_t *other = kt_spawn(kt_wait_for_ever, NULL);
    kt_until_parked(other, KCI_WHY_SLEEP);
    kt_go(kt_return, KT_RESULT(5)); // not an error
    ck_assert_int_eq(kc_scope_wait(&s, kc_in(KC_MS(2))), -ETIME);
    kt_go(kt_return, KT_RESULT(-EIO));
    ck_assert_int_eq(kc_scope_wait(&s, KC_FOREVER), -ECANCELED); // the opener observes it too
    ck_assert_int_eq(kc_scope_close(&s), -EIO);
    ck_assert_int_eq(kt_join(other), -ECANCELED);
    return 0;
}

START_TEST(k2_fail_fast_cancels_the_others_and_closes_with_the_first_error)
{
    ck_assert_int_eq(kt_run(kt_workers(_i), fail_fast, NULL), 0);
}
END_TEST

static int fail_after_cancel(void *arg)
{
    (void)arg;
    return kc_sleep_until(KC_FOREVER) == -ECANCELED ? -EPROTO : 0;
}

static int first_error_counts(void *arg)
{
    kc_scope_t s;

    (void)arg;
    open_scope(&s, (kc_scope_opts_t){ .policy = KC_FAILFAST });
    kc_co_t *later = kt_spawn(fail_after_cancel, NULL);
    kt_until_parked(later, KCI_WHY_SLEEP);
    kt_go(kt_return, KT_RESULT(-EIO));
    ck_assert_int_eq(kc_scope_close(&s), -EIO);
    ck_assert_int_eq(kt_join(later), -EPROTO);
    return 0;
}

START_TEST(k2_an_error_that_follows_from_the_first_does_not_replace_it)
{
    ck_assert_int_eq(kt_run(kt_workers(_i), first_error_counts, NULL), 0);
}
END_TEST

static int supervise(void *arg)
{
    kc_scope_t s;

    (void)arg;
    open_scope(&s, (kc_scope_opts_t){ .policy = KC_SUPERVISE });
    kc_co_t *first = kt_spawn(kt_return, KT_RESULT(-EIO));
    kc_co_t *other = kt_spawn(wait_at_gate, KT_RESULT(-EPROTO));
    ck_assert_int_eq(kt_join(first), -EIO);
    ck_assert_int_eq(kc_canceled(), 0);
    open_gate();
    ck_assert_int_eq(kc_scope_close(&s), -EIO);
    ck_assert_int_eq(kt_join(other), -EPROTO);
    return 0;
}

START_TEST(k3_supervise_lets_the_others_go_on_and_remembers_the_first_error)
{
    ck_assert_int_eq(kt_run(kt_workers(_i), supervise, NULL), 0);
}
END_TEST

static int race_won(void *arg)
{
    kc_scope_t s;

    (void)arg;
    open_scope(&s, (kc_scope_opts_t){ .policy = KC_RACE });
    kc_co_t *loser = kt_spawn(kt_wait_for_ever, NULL);
    kc_co_t *failed = kt_spawn(kt_return, KT_RESULT(-EIO));
    ck_assert_int_eq(kt_join(failed), -EIO);
    ck_assert_int_eq(kc_canceled(), 0); // an error before any success decides nothing
    kt_go(kt_return, KT_RESULT(0));
    ck_assert_int_eq(kc_scope_close(&s), 0);
    ck_assert_int_eq(kt_join(loser), -ECANCELED);
    return 0;
}

static int race_lost(void *arg)
{
    kc_scope_t s;

    (void)arg;
    open_scope(&s, (kc_scope_opts_t){ .policy = KC_RACE });
    kc_co_t *failed = kt_spawn(kt_return, KT_RESULT(-EIO));
    ck_assert_int_eq(kt_join(failed), -EIO);
    kt_go(kt_return, KT_RESULT(-EPROTO));
    ck_assert_int_eq(kc_scope_close(&s), -EIO);
    return 0;
}

START_TEST(k4_a_race_ends_with_its_first_success)
{
    ck_assert_int_eq(kt_run(kt_workers(_i), race_won, NULL), 0);
}
END_TEST

START_TEST(k4_a_race_that_nobody_wins_closes_with_the_first_error)
{
    ck_assert_int_eq(kt_run(kt_workers(_i), race_lost, NULL), 0);
}
END_TEST

/* ---- limits and refusals ---- */

static int limit(void *arg)
{
    kc_scope_t s;

    (void)arg;
    open_scope(&s, (kc_scope_opts_t){ .limit = 3 });
    for (int i = 0; i < 3; i++)
        kt_go(wait_at_gate, NULL);
    ck_assert_int_eq(kc_spawn(NULL, kt_return, NULL, NULL), -EAGAIN);
    ck_assert_int_eq(kc_canceled(), 0);
    open_gate();
    ck_assert_int_eq(kc_scope_wait(&s, KC_FOREVER), 0);
    kt_go(kt_return, NULL);
    return kc_scope_close(&s);
}

START_TEST(k6_a_full_scope_takes_no_more_until_a_child_ends)
{
    ck_assert_int_eq(kt_run(kt_workers(_i), limit, NULL), 0);
}
END_TEST

static int open_wrongly(void *arg)
{
    kc_scope_t s = { NULL, { 0 } };

    (void)arg;
    ck_assert_int_eq(kc_scope_open(NULL, NULL), -EINVAL);
    ck_assert_int_eq(kc_scope_open(&s, &(kc_scope_opts_t){ .policy = 3 }), -EINVAL);
    ck_assert_int_eq(kc_scope_open(&s, &(kc_scope_opts_t){ .policy = -1 }), -EINVAL);
    kci_mem_fail_nth(1);
    ck_assert_int_eq(kc_scope_open(&s, NULL), -ENOMEM);
    ck_assert_int_eq(kc_scope_close(&s), -EINVAL);
    ck_assert_int_eq(kc_scope_wait(&s, KC_TRY), -EINVAL);
    ck_assert_int_eq(kc_scope_cancel(&s, 0), -EINVAL);
    ck_assert_int_eq(kc_scope_own(&s, &s, NULL), -EINVAL);
    ck_assert_int_eq(kc_scope_spawn(&s, NULL, kt_return, NULL, 0, NULL), -EINVAL);
    ck_assert_ptr_null(kc_scope_token(&s));
    open_scope(&s, (kc_scope_opts_t){ 0 });
    ck_assert_int_eq(kc_scope_close(&s), 0);
    ck_assert_int_eq(kc_scope_close(&s), -EINVAL);
    return 0;
}

START_TEST(what_is_not_open_is_invalid)
{
    kc_scope_t s;

    ck_assert_int_eq(kc_scope_open(&s, NULL), -EPERM);
    ck_assert_int_eq(kt_run(1, open_wrongly, NULL), 0);
}
END_TEST

/* ---- reasons ---- */

static int reasons(void *arg)
{
    kc_scope_t s;

    (void)arg;
    open_scope(&s, (kc_scope_opts_t){ 0 });
    kt_go(kt_wait_for_ever, NULL);
    ck_assert_int_eq(kc_canceled(), 0);
    ck_assert_int_eq(kc_scope_cancel(&s, -EPROTO), 0);
    ck_assert_int_eq(kc_scope_cancel(&s, -EIO), -EALREADY);
    ck_assert_int_eq(kc_canceled(), -ECANCELED);
    ck_assert_int_eq(kc_spawn(NULL, kt_return, NULL, NULL), -ECANCELED);
    ck_assert_int_eq(kc_scope_close(&s), -EPROTO);
    ck_assert_int_eq(kc_canceled(), 0);

    open_scope(&s, (kc_scope_opts_t){ 0 });
    ck_assert_int_eq(kc_scope_cancel(&s, 0), 0);
    ck_assert_int_eq(kc_scope_close(&s), -ECANCELED);
    return 0;
}

START_TEST(t13_closing_says_why_the_scope_was_cancelled)
{
    ck_assert_int_eq(kt_run(kt_workers(_i), reasons, NULL), 0);
}
END_TEST

static int inner_reasons(void *arg)
{
    kc_scope_t outer, inner;

    (void)arg;
    open_scope(&outer, (kc_scope_opts_t){ 0 });
    open_scope(&inner, (kc_scope_opts_t){ 0 });
    kt_go(kt_wait_for_ever, NULL);
    ck_assert_int_eq(kc_scope_cancel(&outer, -ETIME), 0);
    ck_assert_int_eq(kc_canceled(), -ECANCELED);
    ck_assert_int_eq(kc_scope_close(&inner), -ECANCELED);
    ck_assert_int_eq(kc_scope_open(&inner, NULL), 0); // born cancelled
    ck_assert_int_eq(kc_scope_close(&inner), -ECANCELED);
    ck_assert_int_eq(kc_scope_close(&outer), -ETIME);
    return 0;
}

START_TEST(t13_a_scope_whose_outer_one_was_cancelled_says_ecanceled)
{
    ck_assert_int_eq(kt_run(kt_workers(_i), inner_reasons, NULL), 0);
}
END_TEST

/* Whoever was told -ECANCELED in an inner scope gets it again from closing that scope. */
static int close_when_told(void *arg)
{
    kc_scope_t a, b, c;

    (void)arg;
    open_scope(&a, (kc_scope_opts_t){ 0 });
    open_scope(&b, (kc_scope_opts_t){ 0 });
    open_scope(&c, (kc_scope_opts_t){ 0 });
    kt_count(&counter);
    bool told = kc_sleep_until(KC_FOREVER) == -ECANCELED;
    int ambient = kc_canceled();
    int rc_c = kc_scope_close(&c), rc_b = kc_scope_close(&b), rc_a = kc_scope_close(&a);
    bool all = rc_a == -ECANCELED && rc_b == -ECANCELED && rc_c == -ECANCELED;
    return told && ambient == -ECANCELED && all ? 0 : -EIO;
}

static int tell_nested_scopes(void *arg)
{
    enum { DEEP = 30 };
    kc_scope_t s;

    (void)arg;
    for (int round = 0; round < 200; round++) {
        ka_store(&counter, 0, relaxed);
        open_scope(&s, (kc_scope_opts_t){ 0 });
        for (int i = 0; i < DEEP; i++)
            kt_go(close_when_told, NULL);
        kt_until(&counter, DEEP);
        kc_scope_cancel(&s, 0);
        ck_assert_int_eq(kc_scope_close(&s), -ECANCELED);
    }
    return 0;
}

START_TEST(a_cancelled_call_and_the_closing_of_its_scope_agree)
{
    ck_assert_int_eq(kt_run(kt_workers(_i), tell_nested_scopes, NULL), 0);
}
END_TEST

/* ---- cancelled children ---- */

static int reach_the_first_checkpoint(void *arg)
{
    (void)arg;
    kt_count(&counter);
    return kc_checkpoint();
}

static int cancel_before_they_run(void *arg)
{
    kc_scope_t s;

    (void)arg;
    open_scope(&s, (kc_scope_opts_t){ 0 });
    kc_co_t *co = kt_spawn(reach_the_first_checkpoint, NULL);
    kc_scope_cancel(&s, 0);
    ck_assert_int_eq(kc_scope_close(&s), -ECANCELED);
    ck_assert_int_eq(counter, 1);
    ck_assert_int_eq(kt_join(co), -ECANCELED);
    return 0;
}

START_TEST(t1_a_child_cancelled_before_it_ran_runs_to_its_first_checkpoint)
{
    ck_assert_int_eq(kt_run(1, cancel_before_they_run, NULL), 0);
}
END_TEST

static int finish_shielded(void *arg)
{
    (void)arg;
    kc_shield(true);
    kt_count(&counter);
    kt_until(&gate, 1);
    int slept = kc_sleep(KC_US(100));
    kt_count(&counter);
    kc_shield(false);
    return slept == 0 && kc_canceled() == -ECANCELED ? 0 : -EIO;
}

static int close_waits_for_shields(void *arg)
{
    kc_scope_t s;

    (void)arg;
    open_scope(&s, (kc_scope_opts_t){ 0 });
    for (int i = 0; i < 5; i++)
        kt_go(finish_shielded, NULL);
    kt_until(&counter, 5);
    kc_scope_cancel(&s, -EPROTO);
    open_gate();
    ck_assert_int_eq(kc_scope_close(&s), -EPROTO);
    ck_assert_int_eq(counter, 10);
    return 0;
}

START_TEST(k1_closing_waits_for_children_that_shield_themselves)
{
    ck_assert_int_eq(kt_run(kt_workers(_i), close_waits_for_shields, NULL), 0);
}
END_TEST

/* ---- nesting ---- */

enum { DEEPEST = 1000 };

static int nest_in_one(void *arg)
{
    static kc_scope_t s[DEEPEST];

    (void)arg;
    for (int i = 0; i < DEEPEST; i++)
        open_scope(&s[i], (kc_scope_opts_t){ 0 });
    kt_go(kt_wait_for_ever, NULL);
    ck_assert_int_eq(kc_scope_cancel(&s[0], -EIO), 0);
    ck_assert_int_eq(kc_canceled(), -ECANCELED);
    for (int i = DEEPEST - 1; i > 0; i--)
        ck_assert_int_eq(kc_scope_close(&s[i]), -ECANCELED);
    ck_assert_int_eq(kc_scope_close(&s[0]), -EIO);
    return 0;
}

START_TEST(k9_scopes_nest_a_thousand_deep_in_one_coroutine)
{
    ck_assert_int_eq(kt_run(kt_workers(_i), nest_in_one, NULL), 0);
}
END_TEST

/* Each level is a coroutine in a scope of the one above; the deepest says that all are
 * there. */
static int nest_below(void *level)
{
    int left = (int)(intptr_t)level;
    kc_scope_t s;

    if (left == 0) {
        kt_count(&counter);
        return kc_sleep_until(KC_FOREVER);
    }
    open_scope(&s, (kc_scope_opts_t){ 0 });
    kt_go(nest_below, KT_RESULT(left - 1));
    return kc_scope_close(&s);
}

static int nest_in_many(void *arg)
{
    kc_scope_t s;

    (void)arg;
    open_scope(&s, (kc_scope_opts_t){ 0 });
    kt_go(nest_below, KT_RESULT(DEEPEST));
    kt_until(&counter, 1);
    ck_assert_int_eq(kc_scope_cancel(&s, -EIO), 0);
    ck_assert_int_eq(kc_scope_close(&s), -EIO);
    return 0;
}

START_TEST(k9_scopes_nest_a_thousand_deep_over_coroutines)
{
    ck_assert_int_eq(kt_run(kt_workers(_i), nest_in_many, NULL), 0);
}
END_TEST

SUITE("sched/scope", CASE_WORKERS(k1_waiting_and_closing_wait_for_every_child),
      CASE(opening_makes_a_scope_current_and_closing_the_outer_one_again),
      CASE_WORKERS(k9_any_coroutine_may_spawn_into_an_open_scope),
      CASE_WORKERS(k2_fail_fast_cancels_the_others_and_closes_with_the_first_error),
      CASE_WORKERS(k2_an_error_that_follows_from_the_first_does_not_replace_it),
      CASE_WORKERS(k3_supervise_lets_the_others_go_on_and_remembers_the_first_error),
      CASE_WORKERS(k4_a_race_ends_with_its_first_success),
      CASE_WORKERS(k4_a_race_that_nobody_wins_closes_with_the_first_error),
      CASE_WORKERS(k6_a_full_scope_takes_no_more_until_a_child_ends),
      CASE(what_is_not_open_is_invalid),
      CASE_WORKERS(t13_closing_says_why_the_scope_was_cancelled),
      CASE_WORKERS(t13_a_scope_whose_outer_one_was_cancelled_says_ecanceled),
      CASE_WORKERS(a_cancelled_call_and_the_closing_of_its_scope_agree),
      CASE(t1_a_child_cancelled_before_it_ran_runs_to_its_first_checkpoint),
      CASE_WORKERS(k1_closing_waits_for_children_that_shield_themselves),
      CASE_WORKERS(k9_scopes_nest_a_thousand_deep_in_one_coroutine),
      CASE_WORKERS(k9_scopes_nest_a_thousand_deep_over_coroutines))
