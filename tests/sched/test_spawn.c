/* SPDX-License-Identifier: BSD-3-Clause */
/* tests/sched/test_spawn.c — starting coroutines: arguments, limits, failures, last things. */
#include <pthread.h>
#include <string.h>

#include "arch/fiber_notes.h"
#include "core/mem.h"
#include "core/stack.h"
#include "sched/sched.h"
#include "tests/sched/kit.h"

static _Atomic(int) counter;
static char order[8];

static void note(void *letter)
{
    order[strlen(order)] = *(const char *)letter;
}

/* ---- all of them run ---- */

static int spawn_many(void *arg)
{
    (void)arg;
    for (int i = 0; i < 10000; i++)
        if (kc_spawn(NULL, kt_count, &counter, NULL))
            return -EIO;
    return 0;
}

START_TEST(every_coroutine_runs_once_before_the_runtime_ends)
{
    ck_assert_int_eq(kt_run(kt_workers(_i), spawn_many, NULL), 0);
    ck_assert_int_eq(counter, 10000);
}
END_TEST

static int spawn_tree(void *depth)
{
    int left = (int)(intptr_t)depth;

    kt_count(&counter);
    for (int i = 0; left > 0 && i < 2; i++)
        if (kc_spawn(NULL, spawn_tree, KT_RESULT(left - 1), NULL))
            return -EIO;
    return 0;
}

START_TEST(coroutines_start_coroutines)
{
    ck_assert_int_eq(kt_run(kt_workers(_i), spawn_tree, KT_RESULT(11)), 0);
    ck_assert_int_eq(counter, (1 << 12) - 1);
}
END_TEST

/* ---- identity ---- */

static int remember_self(void *out)
{
    *(kc_co_t **)out = kc_self();
    return 0;
}

static int compare_selves(void *arg)
{
    kc_co_t *first_saw, *second_saw;
    kc_co_t *first = kt_spawn(remember_self, &first_saw);
    kc_co_t *second = kt_spawn(remember_self, &second_saw);

    (void)arg;
    ck_assert_uint_ne(kc_co_id(first), kc_co_id(second));
    ck_assert_uint_ne(kc_co_id(first), kc_co_id(kc_self()));
    kc_co_t *const expected[] = { first, second };
    kt_join(first);
    kt_join(second);
    ck_assert_ptr_eq(first_saw, expected[0]);
    ck_assert_ptr_eq(second_saw, expected[1]);
    return 0;
}

START_TEST(each_coroutine_knows_itself_and_has_a_number_of_its_own)
{
    ck_assert_ptr_null(kc_self());
    ck_assert_int_eq(kt_run(kt_workers(_i), compare_selves, NULL), 0);
    ck_assert_ptr_null(kc_self());
}
END_TEST

/* ---- many ---- */

#if KCI_NOTES || defined(KCI_VALGRIND)
enum { CROWD = 2000 };
#else
enum { CROWD = 100000 };
#endif

static _Atomic(int) standing;

static int stand(void *gate)
{
    kt_count(&standing);
    return kc_recv((kc_chan_t *)gate, NULL) == -EPIPE ? 0 : -EIO;
}

static int gather_crowd(void *unused)
{
    kc_chan_t *gate = kc_chan_owned(0, 0);

    (void)unused;
    for (int i = 0; i < CROWD; i++)
        kt_go(stand, gate);
    kt_until(&standing, CROWD); // all have a stack of their own now
    return kc_chan_close(gate);
}

START_TEST(g4_a_hundred_thousand_live_at_once_under_the_default_limits)
{
    ck_assert_int_eq(kt_run(kt_workers(_i), gather_crowd, NULL), 0);
}
END_TEST

/* ---- arguments that are copied ---- */

struct args {
    long numbers[16];
    struct args *original;
};

static int check_copy(void *copied)
{
    const struct args *a = copied;

    if ((uintptr_t)a % 16 || a == a->original)
        return -EIO;
    for (int i = 0; i < 16; i++)
        if (a->numbers[i] != i * i)
            return -EIO;
    return 0;
}

static int spawn_with_copy(void *arg)
{
    struct args a;
    kc_co_t *co[10];

    (void)arg;
    for (int k = 0; k < 10; k++) {
        for (int i = 0; i < 16; i++)
            a.numbers[i] = i * i;
        a.original = &a;
        ck_assert_int_eq(kc_spawn_copy(&co[k], check_copy, &a, sizeof a, NULL), 0);
        memset(&a, 0xFF, sizeof a);
    }
    for (int k = 0; k < 10; k++)
        ck_assert_int_eq(kt_join(co[k]), 0);
    return 0;
}

START_TEST(a_copy_of_the_arguments_is_made_at_once)
{
    ck_assert_int_eq(kt_run(kt_workers(_i), spawn_with_copy, NULL), 0);
}
END_TEST

static int ignore(void *arg)
{
    (void)arg;
    return 0;
}

static int copy_limits(void *arg)
{
    static char big[64 << 10];
    kc_attr_t attr = { .stack_size = 64 << 10 };
    const size_t quarter = sizeof big / 4;
    kc_co_t *co = NULL;

    (void)arg;
    ck_assert_int_eq(kc_spawn_copy(NULL, ignore, big, 1, &attr), 0);
    ck_assert_int_eq(kc_spawn_copy(&co, ignore, big, quarter + 1, &attr), -EOVERFLOW);
    ck_assert_int_eq(kc_spawn_copy(&co, ignore, big, SIZE_MAX, &attr), -EOVERFLOW);
    ck_assert_ptr_null(co);
    ck_assert_int_eq(kc_spawn_copy(NULL, ignore, big, quarter, &attr), 0);
    return 0;
}

START_TEST(a_copy_may_take_a_quarter_of_the_stack_and_not_a_byte_more)
{
    ck_assert_int_eq(kt_run(1, copy_limits, NULL), 0);
}
END_TEST

static int last_byte_matters(void *copied)
{
    return ((unsigned char *)copied)[9999] == 0x77 ? 0 : -EIO;
}

static int copy_without_gaps(void *arg)
{
    unsigned char bytes[10000] = { 0 };

    (void)arg;
    bytes[9999] = 0x77;
    return kc_spawn_copy(NULL, last_byte_matters, bytes, sizeof bytes, NULL);
}

START_TEST(a_copy_of_any_size_arrives_to_the_last_byte)
{
    ck_assert_int_eq(kt_run(kt_workers(_i), copy_without_gaps, NULL), 0);
}
END_TEST

/* ---- stacks ---- */

static int use_most_of_a_mebibyte(void *arg)
{
    volatile char room[900 << 10];

    (void)arg;
    for (size_t i = 0; i < sizeof room; i += 1024)
        room[i] = (char)i;
    return room[1024];
}

static int spawn_with_big_stack(void *arg)
{
    kc_attr_t attr = { .name = "big", .stack_size = (1 << 20) + (200 << 10) };
    kc_attr_t too_big = { .stack_size = KCI_STACK_MAX + 1 };

    (void)arg;
    ck_assert_int_eq(kc_spawn(NULL, use_most_of_a_mebibyte, NULL, &attr), 0);
    ck_assert_int_eq(kc_spawn(NULL, kt_return, NULL, &too_big), -EINVAL);
    return 0;
}

START_TEST(a_coroutine_gets_the_stack_it_asks_for)
{
    ck_assert_int_eq(kt_run(kt_workers(_i), spawn_with_big_stack, NULL), 0);
}
END_TEST

/* ---- refusals ---- */

static int spawn_wrongly(void *arg)
{
    kc_attr_t unknown = { .flags = 1u << 31 };
    kc_co_t *co = NULL;

    (void)arg;
    ck_assert_int_eq(kc_spawn(&co, NULL, NULL, NULL), -EINVAL);
    ck_assert_int_eq(kc_spawn(&co, kt_return, NULL, &unknown), -EINVAL);
    ck_assert_ptr_null(co);
    return 0;
}

START_TEST(a_missing_function_and_unknown_flags_are_refused)
{
    ck_assert_int_eq(kt_run(1, spawn_wrongly, NULL), 0);
}
END_TEST

START_TEST(outside_a_coroutine_there_is_no_scope_to_spawn_in)
{
    ck_assert_int_eq(kc_spawn(NULL, kt_return, NULL, NULL), -EPERM);
    ck_assert_int_eq(kc_spawn_copy(NULL, kt_return, "x", 1, NULL), -EPERM);
    ck_assert_int_eq(kc_defer(note, "x"), -EPERM);
    kc_yield();
    ck_assert_int_eq(kc_checkpoint(), 0);
}
END_TEST

static int spawn_without_memory(void *arg)
{
    kc_attr_t first_of_its_class = { .stack_size = 256 << 10 };
    kc_co_t *co = NULL;

    (void)arg;
    if (KCI_NOTES) // there this class is the default, and stacks of it are cached
        first_of_its_class.stack_size = 1 << 20;
    kci_mem_fail_nth(1);
    ck_assert_int_eq(kc_spawn(&co, kt_return, NULL, &first_of_its_class), -ENOMEM);
    ck_assert_ptr_null(co);
    ck_assert_int_eq(kc_spawn(&co, kt_return, KT_RESULT(4), &first_of_its_class), 0);
    ck_assert_int_eq(kt_join(co), 4);
    return 0;
}

START_TEST(without_memory_spawning_fails_and_works_again_later)
{
    ck_assert_int_eq(kt_run(1, spawn_without_memory, NULL), 0);
}
END_TEST

/* ---- what runs at the end ---- */

static int defer_three(void *arg)
{
    (void)arg;
    ck_assert_int_eq(kc_defer(note, "a"), 0);
    ck_assert_int_eq(kc_defer(note, "b"), 0);
    kc_yield();
    ck_assert_int_eq(kc_defer(note, "c"), 0);
    ck_assert_int_eq(kc_defer(NULL, NULL), -EINVAL);
    kci_mem_fail_nth(1);
    ck_assert_int_eq(kc_defer(note, "d"), -ENOMEM);
    ck_assert_str_eq(order, "");
    return 3;
}

static int join_deferring(void *arg)
{
    (void)arg;
    ck_assert_int_eq(kt_join(kt_spawn(defer_three, NULL)), 3);
    ck_assert_str_eq(order, "cba");
    return 0;
}

START_TEST(deferred_functions_run_backwards_before_the_joiner_goes_on)
{
    ck_assert_int_eq(kt_run(kt_workers(_i), join_deferring, NULL), 0);
}
END_TEST

/* ---- macros ---- */

KC_CO(without_arguments)
{
    return kt_count(&counter);
}

KC_CO(with_arguments, int add; const char *text; double more;)
{
    ck_assert_str_eq(my->text, "seven");
    ka_add(&counter, my->add + (int)my->more, relaxed);
    return 0;
}

static int go(void *arg)
{
    kc_scope_t s;

    (void)arg;
    ck_assert_int_eq(kc_go(without_arguments), 0);
    ck_assert_int_eq(kc_go(with_arguments, 10, "seven", 100.0), 0);
    ck_assert_int_eq(kc_scope_open(&s, NULL), 0);
    ck_assert_int_eq(kc_go_in(&s, without_arguments), 0);
    ck_assert_int_eq(kc_go_in(&s, with_arguments, 1000, "seven", 0.0), 0);
    ck_assert_int_eq(kc_scope_close(&s), 0);
    return 0;
}

START_TEST(kc_go_passes_typed_arguments)
{
    ck_assert_int_eq(kt_run(kt_workers(_i), go, NULL), 0);
    ck_assert_int_eq(counter, 1112);
}
END_TEST

static int go_wrongly(void *arg)
{
    kc_scope_t s;

    (void)arg;
    ck_assert_int_eq(kc_scope_open(&s, &(kc_scope_opts_t){ .limit = 1 }), 0);
    kt_go(kt_wait_for_ever, NULL);
    ck_assert_int_eq(kc_go(without_arguments), -EAGAIN);
    ck_assert_int_eq(kc_canceled(), -ECANCELED);
    ck_assert_int_eq(kc_scope_close(&s), -EAGAIN);
    return 0;
}

START_TEST(a_kc_go_that_fails_cancels_its_scope_with_the_reason)
{
    ck_assert_int_eq(kc_go(without_arguments), -EPERM);
    ck_assert_int_eq(kt_run(kt_workers(_i), go_wrongly, NULL), 0);
}
END_TEST

SUITE("sched/spawn", CASE_WORKERS(every_coroutine_runs_once_before_the_runtime_ends),
      CASE_WORKERS(coroutines_start_coroutines),
      CASE_WORKERS(g4_a_hundred_thousand_live_at_once_under_the_default_limits),
      CASE_WORKERS(each_coroutine_knows_itself_and_has_a_number_of_its_own),
      CASE_WORKERS(a_copy_of_the_arguments_is_made_at_once),
      CASE(a_copy_may_take_a_quarter_of_the_stack_and_not_a_byte_more),
      CASE_WORKERS(a_copy_of_any_size_arrives_to_the_last_byte),
      CASE_WORKERS(a_coroutine_gets_the_stack_it_asks_for),
      CASE(a_missing_function_and_unknown_flags_are_refused),
      CASE(outside_a_coroutine_there_is_no_scope_to_spawn_in),
      CASE(without_memory_spawning_fails_and_works_again_later),
      CASE_WORKERS(deferred_functions_run_backwards_before_the_joiner_goes_on),
      CASE_WORKERS(kc_go_passes_typed_arguments),
      CASE_WORKERS(a_kc_go_that_fails_cancels_its_scope_with_the_reason))
