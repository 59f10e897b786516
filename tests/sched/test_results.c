/* SPDX-License-Identifier: BSD-3-Clause */
/* tests/sched/test_results.c — the queue of results, without a scope around it. */
#include "core/mem.h"
#include "sched/results.h"
#include "tests/support/suite.h"

static struct kci_results q;
static int blocks;

static void reserve(void)
{
    if (kci_results_reserve(&q))
        return;
    struct kci_results_block *b = kci_results_block(!q.head);
    ck_assert_ptr_nonnull(b);
    blocks++;
    kci_results_add(&q, b);
    ck_assert(kci_results_reserve(&q));
}

static void take(uint64_t id)
{
    struct kci_results_block *spent;
    struct kci_result r;

    ck_assert(kci_results_take(&q, &r, &spent));
    ck_assert_uint_eq(r.id, id);
    ck_assert_int_eq(r.ret, (int)id * 3);
    kci_free(spent);
}

static void check_empty(void)
{
    struct kci_results_block *spent;
    struct kci_result r;

    ck_assert(!kci_results_take(&q, &r, &spent));
    ck_assert_ptr_null(spent);
}

START_TEST(results_come_out_in_order_however_many_are_in_flight)
{
    const unsigned in_flight[] = { 1, 2, 7, 8, 9, 70, 71, 1000 };
    unsigned most = in_flight[_i];
    uint64_t put = 0, taken = 0;

    check_empty();
    for (unsigned i = 0; i < most; i++)
        reserve();
    while (taken < 5 * (uint64_t)most) {
        for (unsigned i = 0; i <= most / 2; i++, put++) {
            kci_results_put(&q, put, (int)put * 3);
            reserve();
        }
        for (unsigned i = 0; i <= most / 2; i++)
            take(taken++);
    }
    check_empty();
    ck_assert_uint_ge(q.room, q.reserved);
    kci_results_free(&q);
    ck_assert_uint_eq(kci_mem_blocks_in_use(), 0);
}
END_TEST

START_TEST(collecting_as_fast_as_spawning_takes_one_block)
{
    for (uint64_t i = 0; i < 10000; i++) {
        reserve();
        kci_results_put(&q, i, (int)i * 3);
        take(i);
    }
    ck_assert_int_eq(blocks, 1);
    kci_results_free(&q);
}
END_TEST

START_TEST(a_promise_given_back_leaves_its_place_to_another)
{
    for (int i = 0; i < 1000; i++) {
        reserve();
        kci_results_unreserve(&q);
    }
    ck_assert_int_eq(blocks, 1);
    kci_results_free(&q);
}
END_TEST

SUITE("sched/results", CASE_LOOP(results_come_out_in_order_however_many_are_in_flight, 8),
      CASE(collecting_as_fast_as_spawning_takes_one_block),
      CASE(a_promise_given_back_leaves_its_place_to_another))
