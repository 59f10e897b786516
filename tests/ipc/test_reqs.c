/* SPDX-License-Identifier: BSD-3-Clause */
/* tests/ipc/test_reqs.c — request numbers: a slot and a generation. */
#include <errno.h>
#include <string.h>

#include "core/mem.h"
#include "ipc/reqs.h"
#include "tests/ipc/kit.h"

START_TEST(open_requests_have_distinct_numbers_none_of_them_zero)
{
    struct kci_reqs r;
    uint32_t id[256];
    int owner[256];

    ck_assert_int_eq(kci_reqs_init(&r, 256), 0);
    for (int i = 0; i < 256; i++) {
        ck_assert_int_eq(kci_reqs_open(&r, &owner[i], &id[i]), 0);
        ck_assert_uint_ne(id[i], 0);
    }
    ck_assert_int_eq(kci_reqs_open(&r, &owner[0], &(uint32_t){ 0 }), -ENOBUFS);
    for (int i = 0; i < 256; i++)
        ck_assert_ptr_eq(kci_reqs_find(&r, id[i]), &owner[i]);
    kci_reqs_fini(&r);
    ck_assert_uint_eq(kci_mem_blocks_in_use(), 0);
}
END_TEST

START_TEST(an_old_number_does_not_find_the_slots_next_request)
{
    struct kci_reqs r;
    uint32_t old, id;
    int a, b;

    ck_assert_int_eq(kci_reqs_init(&r, 4), 0);
    ck_assert_int_eq(kci_reqs_open(&r, &a, &old), 0);
    kci_reqs_close(&r, old);
    ck_assert_ptr_null(kci_reqs_find(&r, old));
    ck_assert_int_eq(kci_reqs_open(&r, &b, &id), 0);
    ck_assert_uint_eq(id & 0xFFFF, old & 0xFFFF);
    ck_assert_uint_ne(id, old);
    ck_assert_ptr_null(kci_reqs_find(&r, old));
    ck_assert_ptr_eq(kci_reqs_find(&r, id), &b);
    ck_assert_ptr_null(kci_reqs_find(&r, 0));
    ck_assert_ptr_null(kci_reqs_find(&r, 0xFFFFFFFF));
    kci_reqs_fini(&r);
}
END_TEST

START_TEST(generations_wrap_without_reaching_zero)
{
    struct kci_reqs r;
    uint32_t id;
    int a;

    ck_assert_int_eq(kci_reqs_init(&r, 1), 0);
    for (int i = 0; i < 140000; i++) {
        must_eq(kci_reqs_open(&r, &a, &id), 0);
        must(id >> 16);
        kci_reqs_close(&r, id);
    }
    kci_reqs_fini(&r);
}
END_TEST

SUITE("ipc/reqs", CASE(open_requests_have_distinct_numbers_none_of_them_zero),
      CASE(an_old_number_does_not_find_the_slots_next_request),
      CASE(generations_wrap_without_reaching_zero))
