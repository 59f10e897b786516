/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * tests/chan/test_unlimited.c — the unlimited kind: its chain of blocks, its limit of bytes,
 * the memory it gives back.
 */
#include "arch/fiber_notes.h"
#include "core/mem.h"
#include "tests/chan/kit.h"

static kc_chan_t *unlimited(size_t elem_size, size_t max_bytes)
{
    kc_chan_opts_t o = { .cap = KC_UNLIMITED, .elem_size = elem_size, .max_bytes = max_bytes };
    kc_chan_t *ch;

    ck_assert_int_eq(kc_chan_make_ex(&ch, &o), 0);
    return ch;
}

static void fills_and_drains(void)
{
    const int n = KCI_NOTES ? 50000 : 1000000;
    kc_chan_t *ch = unlimited(sizeof(int), 0);
    uint64_t before = kci_mem_blocks_in_use();

    for (int round = 0; round < 2; round++) {
        must_eq(fill(ch, n), n);
        must_eq(kc_chan_len(ch), n);
        must(kci_mem_blocks_in_use() > before + (uint64_t)n / 100);
        for (int i = 0; i < n; i++)
            must_eq(get(ch), i);
        must_eq(get(ch), -EAGAIN);
        must(kci_mem_blocks_in_use() <= before + 1); // one block is kept
    }
    check_conserved(ch);
    kc_chan_unref(ch);
}

START_TEST(o9_a_million_elements_go_in_and_out_and_the_memory_comes_back)
{
    try_workers(1, fills_and_drains);
}
END_TEST

static void block_edges(void)
{
    kc_chan_t *ch = unlimited(sizeof(int), 0);
    int in = 0, out = 0;

    // Lengths around one and two blocks, reached with every offset of the first element.
    for (int len = 1; len <= 200; len++)
        for (int step = 0; step < 3; step++) {
            while (in - out < len) {
                must_eq(put(ch, in), 0);
                in++;
            }
            for (int i = 0; i <= step && out < in; i++) {
                must_eq(get(ch), out);
                out++;
            }
            must_eq(kc_chan_len(ch), in - out);
        }
    while (out < in) {
        must_eq(get(ch), out);
        out++;
    }
    must_eq(get(ch), -EAGAIN);
    check_conserved(ch);
    kc_chan_unref(ch);
}

START_TEST(o10_the_seams_between_blocks_do_not_show)
{
    try_workers(1, block_edges);
}
END_TEST

static void byte_limit(void)
{
    kc_chan_t *ch = unlimited(8, 100);
    uint64_t v = 7;

    for (int round = 0; round < 3; round++) {
        int n = 0, rc;
        while ((rc = kc_chan_send(ch, &v, KC_FOREVER)) == 0)
            n++;
        ck_assert_int_eq(rc, -ENOBUFS); // it does not wait for room
        ck_assert_int_eq(n, round ? 5 : 12);
        ck_assert_uint_eq(kc_chan_len(ch), 12);
        for (int i = 0; i < 5; i++)
            ck_assert_int_eq(kc_chan_recv(ch, &v, KC_TRY), 0);
    }
    check_conserved(ch);
    kc_chan_unref(ch);
}

START_TEST(o9_over_max_bytes_sending_says_enobufs)
{
    try_workers(1, byte_limit);
}
END_TEST

static void limit_and_receiver(void)
{
    kc_chan_t *ch = unlimited(sizeof(int), 1); // less than one element
    struct call c = { .ch = ch };
    kc_scope_t s;

    ck_assert_int_eq(put(ch, 1), -ENOBUFS);
    open_scope(&s);
    park_recv(&s, &c, 1);
    ck_assert_int_eq(put(ch, 2), 0); // hand to hand, nothing is stored
    close_scope(&s, 0);
    ck_assert_int_eq(c.value, 2);
    check_conserved(ch);
    kc_chan_unref(ch);
}

START_TEST(o9_the_limit_does_not_count_what_a_waiting_receiver_takes)
{
    try_workers(workers_of(_i), limit_and_receiver);
}
END_TEST

static void out_of_memory(void)
{
    kc_chan_t *ch = unlimited(sizeof(int), 0);

    for (int i = 0; i < 64; i++)
        ck_assert_int_eq(put(ch, i), 0);
    kci_mem_fail_nth(1); // the block behind the full one
    ck_assert_int_eq(put(ch, 64), -ENOMEM);
    ck_assert_uint_eq(kc_chan_len(ch), 64);
    kci_mem_fail_nth(0);
    ck_assert_int_eq(put(ch, 64), 0);
    for (int i = 0; i < 65; i++)
        ck_assert_int_eq(get(ch), i);
    check_conserved(ch);
    kc_chan_unref(ch);
}

START_TEST(g5_without_memory_sending_says_enomem_and_keeps_what_was_there)
{
    try_workers(1, out_of_memory);
}
END_TEST

static void given_to_the_hook(void)
{
    struct told told = { 0 };
    kc_chan_opts_t o = {
        .cap = KC_UNLIMITED, .elem_size = sizeof(int), .on_undelivered = tell, .arg = &told
    };
    kc_chan_t *ch;

    for (int cancel = 0; cancel < 2; cancel++) {
        told.count = 0;
        ck_assert_int_eq(kc_chan_make_ex(&ch, &o), 0);
        for (int i = 0; i < 100; i++)
            ck_assert_int_eq(put(ch, i), 0);
        for (int i = 0; i < 60; i++)
            ck_assert_int_eq(get(ch), i);
        if (cancel)
            ck_assert_int_eq(kc_chan_cancel(ch, 0), 0);
        kc_chan_unref(ch);
        ck_assert_int_eq(told.count, 40);
        for (int i = 0; i < 40; i++) // across the seam
            ck_assert_int_eq(told.elem[i], 60 + i);
    }
}

START_TEST(c9_what_is_left_in_two_blocks_goes_to_the_hook_in_order)
{
    try_workers(1, given_to_the_hook);
}
END_TEST

/* Two senders that both saw a full block and brought a new one: the second is given back. */
KC_CO(send_many, kc_chan_t *ch; int n;)
{
    for (int i = 0; i < my->n; i++)
        must_eq(kc_put(my->ch, int, i), 0);
    return 0;
}

static void many_growers(void)
{
    enum { SENDERS = 4, EACH = 5000 };
    kc_chan_t *ch = unlimited(sizeof(int), 0);
    long sum = 0;
    kc_scope_t s;

    open_scope(&s);
    for (int i = 0; i < SENDERS; i++)
        kc_go(send_many, ch, EACH);
    close_scope(&s, 0);
    must_eq(kc_chan_len(ch), SENDERS * EACH);
    for (int v; (v = get(ch)) >= 0;)
        sum += v;
    ck_assert_int_eq(sum, (long)SENDERS * EACH * (EACH - 1) / 2);
    check_conserved(ch);
    kc_chan_unref(ch);
}

START_TEST(o9_senders_that_grow_it_at_the_same_time_lose_nothing)
{
    try_workers(workers_of(_i), many_growers);
}
END_TEST

SUITE("chan/unlimited",
      CASE(o9_a_million_elements_go_in_and_out_and_the_memory_comes_back),
      CASE(o10_the_seams_between_blocks_do_not_show),
      CASE(o9_over_max_bytes_sending_says_enobufs),
      CASE_LOOP(o9_the_limit_does_not_count_what_a_waiting_receiver_takes, WORKERS),
      CASE(g5_without_memory_sending_says_enomem_and_keeps_what_was_there),
      CASE(c9_what_is_left_in_two_blocks_goes_to_the_hook_in_order),
      CASE_LOOP(o9_senders_that_grow_it_at_the_same_time_lose_nothing, WORKERS))
