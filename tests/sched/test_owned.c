/* SPDX-License-Identifier: BSD-3-Clause */
/* tests/sched/test_owned.c — what a scope owns, and the rules of closing that end the
 * process. */
#include <pthread.h>
#include <signal.h>
#include <string.h>

#include "core/mem.h"
#include "tests/core/child.h"
#include "tests/sched/kit.h"

static _Atomic(int) children, drops;
static char dropped[16];
static int children_at_first_drop = -1;

static void drop(void *letter)
{
    if (children_at_first_drop < 0)
        children_at_first_drop = ka_load(&children, acquire);
    dropped[strlen(dropped)] = *(char *)letter;
}

static void drop_and_count(void *counter)
{
    kt_count(counter);
}

/* ---- owned objects ---- */

static int end_late(void *arg)
{
    (void)arg;
    for (int i = 0; i < 20; i++)
        kc_yield();
    return kt_count(&children);
}

static int own_letters(void *arg)
{
    kc_scope_t s;

    (void)arg;
    ck_assert_int_eq(kc_scope_open(&s, NULL), 0);
    for (int i = 0; i < 10; i++)
        kt_go(end_late, NULL);
    ck_assert_int_eq(kc_scope_own(&s, "a", drop), 0);
    ck_assert_int_eq(kc_scope_own(&s, "b", drop), 0);
    ck_assert_int_eq(kc_scope_own(&s, "c", drop), 0);
    ck_assert_str_eq(dropped, "");
    ck_assert_int_eq(kc_scope_close(&s), 0);
    ck_assert_str_eq(dropped, "cba");
    ck_assert_int_eq(children_at_first_drop, 10);
    return 0;
}

START_TEST(what_a_scope_owns_is_dropped_backwards_after_its_children)
{
    ck_assert_int_eq(kt_run(kt_workers(_i), own_letters, NULL), 0);
}
END_TEST

static int disown_some(void *arg)
{
    static char a[] = "a", b[] = "b", c[] = "c";
    kc_scope_t s;

    (void)arg;
    ck_assert_int_eq(kc_scope_open(&s, NULL), 0);
    ck_assert_int_eq(kc_scope_disown(&s, a), -ENOENT);
    ck_assert_int_eq(kc_scope_own(&s, a, drop), 0);
    ck_assert_int_eq(kc_scope_own(&s, b, drop), 0);
    ck_assert_int_eq(kc_scope_own(&s, c, drop), 0);
    ck_assert_int_eq(kc_scope_own(&s, a, NULL), -EINVAL);
    kci_mem_fail_nth(1);
    ck_assert_int_eq(kc_scope_own(&s, a, drop), -ENOMEM);
    ck_assert_int_eq(kc_scope_disown(&s, b), 0);
    ck_assert_int_eq(kc_scope_disown(&s, b), -ENOENT);
    ck_assert_int_eq(kc_scope_disown(&s, c), 0);
    ck_assert_int_eq(kc_scope_close(&s), 0);
    ck_assert_str_eq(dropped, "a");
    return 0;
}

START_TEST(what_was_disowned_is_not_dropped)
{
    ck_assert_int_eq(kt_run(1, disown_some, NULL), 0);
}
END_TEST

static int own_in_crowd(void *scope)
{
    char mine;

    for (int i = 0; i < 20; i++)
        if (kc_scope_own(scope, &drops, drop_and_count))
            return -EIO;
    if (kc_scope_own(scope, &mine, drop_and_count))
        return -EIO;
    return kc_scope_disown(scope, &mine);
}

static int many_own(void *arg)
{
    kc_scope_t s;

    (void)arg;
    ck_assert_int_eq(kc_scope_open(&s, NULL), 0);
    for (int i = 0; i < 50; i++)
        kt_go(own_in_crowd, &s);
    ck_assert_int_eq(kc_scope_close(&s), 0);
    ck_assert_int_eq(drops, 50 * 20);
    return 0;
}

START_TEST(many_coroutines_may_give_things_to_one_scope)
{
    ck_assert_int_eq(kt_run(kt_workers(_i), many_own, NULL), 0);
}
END_TEST

static int own_in_root(void *arg)
{
    (void)arg;
    ck_assert_int_eq(kc_scope_own(kc_scope_current(), "r", drop), 0);
    return kc_stop(7);
}

START_TEST(the_root_scope_drops_what_it_owns_when_the_runtime_ends)
{
    ck_assert_int_eq(kt_run(kt_workers(_i), own_in_root, NULL), 7);
    ck_assert_str_eq(dropped, "r");
}
END_TEST

static void drop_using_the_library(void *arg)
{
    kc_yield();
    if (kc_sleep(KC_US(10)) == 0 && kc_scope_current())
        kt_count(arg);
}

static int own_with_parking_drop(void *arg)
{
    kc_scope_t s;

    (void)arg;
    ck_assert_int_eq(kc_scope_open(&s, NULL), 0);
    ck_assert_int_eq(kc_scope_own(&s, &drops, drop_using_the_library), 0);
    kc_scope_cancel(&s, 0);
    ck_assert_int_eq(kc_scope_close(&s), -ECANCELED);
    ck_assert_int_eq(drops, 1);
    return 0;
}

/* By then the scope is gone: its cancellation does not concern them. */
START_TEST(drop_functions_run_in_the_outer_scope)
{
    ck_assert_int_eq(kt_run(kt_workers(_i), own_with_parking_drop, NULL), 0);
}
END_TEST

/* ---- misuse ends the process ---- */

static int close_scope_of(void *scope)
{
    return kc_scope_close(scope);
}

static int let_a_stranger_close(void *arg)
{
    kc_scope_t s;

    (void)arg;
    if (kc_scope_open(&s, NULL) || kc_spawn(NULL, close_scope_of, &s, NULL))
        return 0;
    return kc_scope_close(&s);
}

static int close_in_wrong_order(void *arg)
{
    kc_scope_t outer, inner;

    (void)arg;
    if (kc_scope_open(&outer, NULL) || kc_scope_open(&inner, NULL))
        return 0;
    return kc_scope_close(&outer);
}

static int end_with_open_scope(void *arg)
{
    static kc_scope_t s;

    (void)arg;
    return kc_scope_open(&s, NULL);
}

static int end_an_unbegun_shield(void *arg)
{
    (void)arg;
    kc_shield(false);
    return 0;
}

static void *close_outside(void *scope)
{
    kc_scope_close(scope);
    return NULL;
}

static int let_a_plain_thread_close(void *arg)
{
    pthread_t thread;
    kc_scope_t s;

    (void)arg;
    if (kc_scope_open(&s, NULL) || pthread_create(&thread, NULL, close_outside, &s))
        return 0;
    pthread_join(thread, NULL);
    return kc_scope_close(&s);
}

static const struct {
    kc_fn fn;
    const char *words;
} misuses[] = {
    { let_a_stranger_close, "not the innermost scope of the calling coroutine" },
    { let_a_plain_thread_close, "not the innermost scope of the calling coroutine" },
    { close_in_wrong_order, "not the innermost scope of the calling coroutine" },
    { end_with_open_scope, "a coroutine ended without closing a scope" },
    { end_an_unbegun_shield, "without a matching kc_shield(true)" },
};
enum { MISUSES = sizeof misuses / sizeof *misuses };

static int run_misuse(void *fn)
{
    return kc_run(*(kc_fn *)fn, NULL, &(kc_opts_t){ .workers = 2 });
}

START_TEST(misuse_ends_the_process_and_says_what_was_wrong)
{
    kc_fn fn = misuses[_i].fn;
    struct kt_end end = kt_child(run_misuse, &fn);

    ck_assert(kt_ended_by(&end, SIGABRT));
    ck_assert_ptr_nonnull(strstr(end.said, "kcoro: misuse: "));
    ck_assert_msg(strstr(end.said, misuses[_i].words) != NULL, "said: %s", end.said);
}
END_TEST

SUITE("sched/owned", CASE_WORKERS(what_a_scope_owns_is_dropped_backwards_after_its_children),
      CASE(what_was_disowned_is_not_dropped),
      CASE_WORKERS(many_coroutines_may_give_things_to_one_scope),
      CASE_WORKERS(the_root_scope_drops_what_it_owns_when_the_runtime_ends),
      CASE_WORKERS(drop_functions_run_in_the_outer_scope),
      CASE_LOOP(misuse_ends_the_process_and_says_what_was_wrong, MISUSES))
