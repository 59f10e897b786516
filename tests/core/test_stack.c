/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * tests/core/test_stack.c — stacks: size classes, reuse, guards, the end of a pool.
 */
#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "arch/os.h"
#include "core/mem.h"
#include "core/stack.h"
#include "tests/core/child.h"
#include "tests/support/suite.h"

#define KIB ((size_t)1024)
#define MIB ((size_t)1 << 20)

static struct kci_stack_pool *pool_create(void)
{
    struct kci_stack_pool *pool;

    ck_assert_int_eq(kci_stack_pool_create(&pool), 0);
    return pool;
}

static struct kci_stack get(struct kci_stack_pool *pool, size_t bytes)
{
    struct kci_stack st;

    ck_assert_int_eq(kci_stack_get(pool, bytes, &st), 0);
    return st;
}

static void close_pool(struct kci_stack_pool *pool)
{
    kci_stack_pool_close(pool);
    ck_assert_uint_eq(kci_mem_blocks_in_use(), 0);
}

static bool is_mapped(void *p)
{
    size_t page = kci_os_page_bytes();
    return msync((void *)((uintptr_t)p / page * page), page, MS_ASYNC) == 0;
}

START_TEST(each_size_has_the_smallest_class_that_holds_it)
{
    ck_assert_int_eq(kci_stack_class(1), 0);
    ck_assert_int_eq(kci_stack_class(16 * KIB), 0);
    ck_assert_int_eq(kci_stack_class(16 * KIB + 1), 1);
    ck_assert_int_eq(kci_stack_class(64 * KIB), 1);
    ck_assert_int_eq(kci_stack_class(64 * KIB + 1), 2);
    ck_assert_int_eq(kci_stack_class(256 * KIB), 2);
    ck_assert_int_eq(kci_stack_class(MIB), 3);
    ck_assert_int_eq(kci_stack_class(MIB + 1), -1);
}
END_TEST

START_TEST(a_stack_is_aligned_and_usable_from_end_to_end)
{
    static const size_t sizes[] = { 1, 16 * KIB, 20 * KIB, 64 * KIB, 256 * KIB, MIB, 3 * MIB + 1 };
    struct kci_stack_pool *pool = pool_create();

    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
        struct kci_stack st = get(pool, sizes[i]);
        ck_assert_uint_ge((size_t)(st.top - st.lo), sizes[i]);
        ck_assert_uint_eq((uintptr_t)st.top % 16, 0);
        memset(st.lo, 0x5A, (size_t)(st.top - st.lo));
        kci_stack_put(pool, &st);
    }
    close_pool(pool);
}
END_TEST

START_TEST(a_stack_that_was_put_back_is_the_next_one_of_its_class)
{
    struct kci_stack_pool *pool = pool_create();
    struct kci_stack a = get(pool, 64 * KIB), b = get(pool, 64 * KIB);

    ck_assert_ptr_ne(a.lo, b.lo);
    kci_stack_put(pool, &a);
    struct kci_stack other_class = get(pool, 16 * KIB), again = get(pool, 40 * KIB);
    ck_assert_ptr_ne(other_class.lo, a.lo);
    ck_assert_ptr_eq(again.lo, a.lo);
    ck_assert_ptr_eq(again.top, a.top);
    ck_assert_uint_eq(kci_stack_stats(pool).carved, 3);
    kci_stack_put(pool, &b);
    kci_stack_put(pool, &again);
    kci_stack_put(pool, &other_class);
    close_pool(pool);
}
END_TEST

START_TEST(stacks_never_overlap)
{
    enum { MANY = 300 };
    static struct kci_stack st[MANY];
    struct kci_stack_pool *pool = pool_create();

    for (int i = 0; i < MANY; i++) {
        st[i] = get(pool, 16 * KIB);
        memset(st[i].lo, i % 251, 16 * KIB);
    }
    for (int i = 0; i < MANY; i++) {
        ck_assert_uint_eq(*st[i].lo, i % 251);
        ck_assert_uint_eq(st[i].top[-1], i % 251);
        kci_stack_put(pool, &st[i]);
    }
    ck_assert_uint_eq(kci_stack_stats(pool).carved, MANY);
    close_pool(pool);
}
END_TEST

START_TEST(a_stack_over_a_mebibyte_is_a_mapping_of_its_own_and_goes_back_at_once)
{
    struct kci_stack_pool *pool = pool_create();
    struct kci_stack st = get(pool, 5 * MIB);

    ck_assert_int_eq(st.cls, -1);
    ck_assert(is_mapped(st.lo));
    kci_stack_put(pool, &st);
    ck_assert(!is_mapped(st.lo));
    close_pool(pool);
}
END_TEST

START_TEST(a_stack_over_the_maximum_is_refused)
{
    struct kci_stack_pool *pool = pool_create();
    struct kci_stack st = { .cls = 99 };

    ck_assert_int_eq(kci_stack_get(pool, KCI_STACK_MAX + 1, &st), -EINVAL);
    ck_assert_int_eq(kci_stack_get(pool, SIZE_MAX, &st), -EINVAL);
    ck_assert_int_eq(st.cls, 99);
    close_pool(pool);
}
END_TEST

START_TEST(a_pool_closed_too_early_goes_with_its_last_stack)
{
    struct kci_stack_pool *pool = pool_create();
    struct kci_stack a = get(pool, 16 * KIB), b = get(pool, 64 * KIB), own = get(pool, 2 * MIB);

    kci_stack_pool_close(pool);
    kci_stack_put(pool, &own);
    kci_stack_put(pool, &a);
    ck_assert(is_mapped(b.lo));
    memset(b.lo, 1, 64 * KIB);
    ck_assert_uint_gt(kci_mem_blocks_in_use(), 0);
    kci_stack_put(pool, &b);
    ck_assert(!is_mapped(a.lo));
    ck_assert(!is_mapped(b.lo));
    ck_assert_uint_eq(kci_mem_blocks_in_use(), 0);
}
END_TEST

START_TEST(without_memory_nothing_is_lost_and_the_next_call_works)
{
    struct kci_stack_pool *pool = NULL;
    struct kci_stack st;

    kci_mem_fail_nth(1);
    ck_assert_int_eq(kci_stack_pool_create(&pool), -ENOMEM);
    pool = pool_create();
    kci_mem_fail_nth(1);
    ck_assert_int_eq(kci_stack_get(pool, 64 * KIB, &st), -ENOMEM);
    st = get(pool, 64 * KIB);
    kci_stack_put(pool, &st);
    close_pool(pool);
}
END_TEST

/* ---- guards ---- */

static unsigned char *expected_fault;

static void on_fault(int signal, siginfo_t *info, void *context)
{
    (void)signal;
    (void)context;
    _exit((unsigned char *)info->si_addr == expected_fault ? 42 : 43);
}

/* Returns 0: no fault and counted as unguarded; 42: a fault exactly there, and not counted. */
static int touch_below(void *size)
{
    struct sigaction sa = { .sa_sigaction = on_fault, .sa_flags = SA_SIGINFO };
    struct kci_stack_pool *pool = pool_create();
    struct kci_stack st = get(pool, *(size_t *)size);
    bool unguarded = kci_stack_stats(pool).unguarded;

    sigaction(SIGSEGV, &sa, NULL);
    sigaction(SIGBUS, &sa, NULL);
    expected_fault = st.lo - 1;
    *(volatile unsigned char *)st.lo = 1;
    *(volatile unsigned char *)expected_fault = 1;
    return unguarded ? 0 : 44;
}

static const size_t guarded_sizes[] = { 16 * KIB, 64 * KIB, MIB, 2 * MIB };

static int end_of_touching(const char *mode, size_t size)
{
    if (mode)
        setenv("KCORO_GUARD", mode, 1);
    struct kt_end end = kt_child(touch_below, &size);
    ck_assert_msg(kt_exited(&end, 0) || kt_exited(&end, 42), "%s: status %x", mode, end.status);
    return kt_exited(&end, 42);
}

START_TEST(g6_the_byte_below_a_stack_cannot_be_touched)
{
    ck_assert(end_of_touching(NULL, guarded_sizes[_i]));
}
END_TEST

START_TEST(a_protected_guard_holds_too)
{
    ck_assert(end_of_touching("protect", guarded_sizes[_i]));
}
END_TEST

/* Marks need a recent kernel; without one every stack must be counted as unguarded. */
START_TEST(a_marked_guard_holds_or_its_absence_is_counted)
{
    end_of_touching("mark", guarded_sizes[_i]);
}
END_TEST

START_TEST(without_guards_every_stack_is_counted_as_unguarded)
{
    ck_assert(!end_of_touching("none", guarded_sizes[_i]));
}
END_TEST

/* ---- threads ---- */

enum { THREADS = 4, HELD = 20, ROUNDS = 300 };

static struct kci_stack_pool *shared;

/* Holds a few stacks of every class and checks that nobody else writes to them. */
static void *get_and_put(void *arg)
{
    unsigned char mark = *(unsigned char *)arg;
    struct kci_stack held[HELD] = { { 0 } };
    uintptr_t wrong = 0;

    for (int i = 0; i < ROUNDS * HELD; i++) {
        struct kci_stack *st = &held[i % HELD];
        if (st->lo) {
            wrong += *st->lo != mark || st->top[-1] != mark;
            kci_stack_put(shared, st);
        }
        if (kci_stack_get(shared, (size_t)16 * KIB << i % 8, st))
            return (void *)1;
        *st->lo = st->top[-1] = mark;
    }
    for (int i = 0; i < HELD; i++)
        kci_stack_put(shared, &held[i]);
    return (void *)wrong;
}

START_TEST(many_threads_get_and_put_and_none_sees_the_stack_of_another)
{
    pthread_t threads[THREADS];
    unsigned char marks[THREADS];
    void *wrong;

    shared = pool_create();
    for (int i = 0; i < THREADS; i++) {
        marks[i] = (unsigned char)(i + 1);
        ck_assert_int_eq(pthread_create(&threads[i], NULL, get_and_put, &marks[i]), 0);
    }
    for (int i = 0; i < THREADS; i++) {
        pthread_join(threads[i], &wrong);
        ck_assert_ptr_null(wrong);
    }
    close_pool(shared);
}
END_TEST

enum { GUARDED = sizeof guarded_sizes / sizeof *guarded_sizes };

SUITE("core/stack", CASE(each_size_has_the_smallest_class_that_holds_it),
      CASE(a_stack_is_aligned_and_usable_from_end_to_end),
      CASE(a_stack_that_was_put_back_is_the_next_one_of_its_class), CASE(stacks_never_overlap),
      CASE(a_stack_over_a_mebibyte_is_a_mapping_of_its_own_and_goes_back_at_once),
      CASE(a_stack_over_the_maximum_is_refused),
      CASE(a_pool_closed_too_early_goes_with_its_last_stack),
      CASE(without_memory_nothing_is_lost_and_the_next_call_works),
      CASE_LOOP(g6_the_byte_below_a_stack_cannot_be_touched, GUARDED),
      CASE_LOOP(a_protected_guard_holds_too, GUARDED),
      CASE_LOOP(a_marked_guard_holds_or_its_absence_is_counted, GUARDED),
      CASE_LOOP(without_guards_every_stack_is_counted_as_unguarded, GUARDED),
      CASE(many_threads_get_and_put_and_none_sees_the_stack_of_another))
