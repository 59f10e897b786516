/* SPDX-License-Identifier: BSD-3-Clause */
/* tests/core/test_mem.c — allocation: the count of blocks, and failures on demand. */
#include <pthread.h>
#include <stdbool.h>

#include "core/mem.h"
#include "tests/support/suite.h"

START_TEST(blocks_in_use_counts_what_was_not_freed)
{
    ck_assert_uint_eq(kci_mem_blocks_in_use(), 0);
    void *a = kci_alloc(100), *b = kci_zalloc(100);
    ck_assert_uint_eq(kci_mem_blocks_in_use(), 2);
    kci_free(a);
    kci_free(NULL);
    ck_assert_uint_eq(kci_mem_blocks_in_use(), 1);
    kci_free(b);
    ck_assert_uint_eq(kci_mem_blocks_in_use(), 0);
}
END_TEST

START_TEST(zeroed_memory_is_zero_and_no_bytes_are_a_block_too)
{
    unsigned char *zeroed = kci_zalloc(1000);
    void *none = kci_alloc(0);

    ck_assert_ptr_nonnull(none);
    for (int i = 0; i < 1000; i++)
        ck_assert_uint_eq(zeroed[i], 0);
    kci_free(zeroed);
    kci_free(none);
}
END_TEST

/* Which of ten allocations fail, as bits. */
static unsigned failures(void)
{
    unsigned failed = 0;

    for (int i = 0; i < 10; i++) {
        void *p = i % 2 ? kci_alloc(8) : kci_zalloc(8);
        failed |= (p ? 0u : 1u) << i;
        kci_free(p);
    }
    return failed;
}

START_TEST(exactly_the_nth_allocation_fails)
{
    ck_assert_uint_eq(failures(), 0);
    for (unsigned n = 1; n <= 10; n++) {
        kci_mem_fail_nth(n);
        ck_assert_uint_eq(failures(), 1u << (n - 1));
        ck_assert_uint_eq(failures(), 0);
        ck_assert_uint_eq(kci_mem_blocks_in_use(), 0);
    }
}
END_TEST

START_TEST(a_failure_that_was_asked_for_can_be_called_off)
{
    kci_mem_fail_nth(3);
    kci_mem_fail_nth(0);
    ck_assert_uint_eq(failures(), 0);
}
END_TEST

enum { THREADS = 4, ROUNDS = 2000 };

static void *allocate(void *arg)
{
    unsigned *failed = arg;

    for (int i = 0; i < ROUNDS; i++) {
        void *p = kci_alloc(16);
        *failed += !p;
        kci_free(p);
    }
    return NULL;
}

START_TEST(one_of_all_threads_meets_the_failure_once)
{
    pthread_t threads[THREADS];
    unsigned failed[THREADS] = { 0 }, sum = 0;

    kci_mem_fail_nth(ROUNDS);
    for (int i = 0; i < THREADS; i++)
        ck_assert_int_eq(pthread_create(&threads[i], NULL, allocate, &failed[i]), 0);
    for (int i = 0; i < THREADS; i++) {
        pthread_join(threads[i], NULL);
        sum += failed[i];
    }
    ck_assert_uint_eq(sum, 1);
    ck_assert_uint_eq(kci_mem_blocks_in_use(), 0);
}
END_TEST

SUITE("core/mem", CASE(blocks_in_use_counts_what_was_not_freed),
      CASE(zeroed_memory_is_zero_and_no_bytes_are_a_block_too),
      CASE(exactly_the_nth_allocation_fails),
      CASE(a_failure_that_was_asked_for_can_be_called_off),
      CASE(one_of_all_threads_meets_the_failure_once))
