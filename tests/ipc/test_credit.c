/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * tests/ipc/test_credit.c — credit rules: what may be sent, when limits are announced, and that
 * nobody waits for ever.
 */
#include <stdlib.h>
#include <string.h>

#include "ipc/credit.h"
#include "tests/ipc/kit.h"

START_TEST(numbers_widen_to_the_nearest_one)
{
    ck_assert_uint_eq(kci_seq_widen(5, 7), 7);
    ck_assert_uint_eq(kci_seq_widen(0x100000002, 0xFFFFFFFF), 0xFFFFFFFF);
    ck_assert_uint_eq(kci_seq_widen(0xFFFFFFFF, 2), 0x100000002);
    ck_assert_uint_eq(kci_seq_widen(0x1234567890, 0x34567891), 0x1234567891);
}
END_TEST

START_TEST(a_window_holds_at_least_one_item_and_no_more_bytes_than_it_may)
{
    ck_assert_uint_eq(kci_window_fit(256, 4, 256 << 10), 256);
    ck_assert_uint_eq(kci_window_fit(256, 4096, 256 << 10), (256 << 10) / 4160);
    ck_assert_uint_eq(kci_window_fit(256, 1 << 20, 256 << 10), 1);
    ck_assert_uint_eq(kci_window_fit(0, 4, 1000), 1);
    ck_assert_uint_eq(kci_window_fit(UINT32_MAX, 0, UINT64_MAX), KCI_WINDOW_MOST);
    ck_assert_uint_eq(kci_window_bytes(false, 4), 256 << 10);
    ck_assert_uint_eq(kci_window_bytes(false, 16 << 20), 2 * ((16 << 20) + 64));
}
END_TEST

/* ---- limits ---- */

START_TEST(a_sender_spends_what_it_was_granted_and_no_more)
{
    struct kci_credit c;

    kci_credit_init(&c, 3, 3 * 68);
    for (unsigned i = 1; i <= 3; i++) {
        ck_assert(kci_credit_allows(&c, 4));
        ck_assert_uint_eq(kci_credit_spend(&c, 4), i);
    }
    ck_assert(!kci_credit_allows(&c, 4));
    ck_assert(!kci_credit_allows(&c, 0));
}
END_TEST

START_TEST(a_whole_item_must_fit_into_the_byte_limit)
{
    struct kci_credit c;

    kci_credit_init(&c, 10, 200);
    ck_assert(kci_credit_allows(&c, 136));
    ck_assert(!kci_credit_allows(&c, 137));
    kci_credit_spend(&c, 0);
    ck_assert(kci_credit_allows(&c, 72));
    ck_assert(!kci_credit_allows(&c, 73));
    ck_assert(!kci_credit_allows(&c, UINT64_MAX - 64));
}
END_TEST

static struct kci_limits limits(uint32_t rx_next, uint32_t item_limit, uint64_t byte_limit)
{
    return (struct kci_limits){ rx_next, item_limit, byte_limit };
}

START_TEST(limits_only_grow_and_tell_what_was_taken)
{
    struct kci_credit c;
    struct kci_limits l = limits(4, 6, 500);

    kci_credit_init(&c, 3, 3 * 68);
    for (int i = 0; i < 3; i++)
        kci_credit_spend(&c, 4);
    ck_assert_int_eq(kci_credit_update(&c, &l, 3), 0);
    ck_assert_uint_eq(c.taken, 2);
    ck_assert_uint_eq(c.item_limit, 6);
    ck_assert_uint_eq(c.byte_limit, 500);
    l = limits(3, 5, 400); // an older one, late
    ck_assert_int_eq(kci_credit_update(&c, &l, 3), 0);
    ck_assert_uint_eq(c.taken, 2);
    ck_assert_uint_eq(c.item_limit, 6);
    ck_assert_uint_eq(c.byte_limit, 500);
}
END_TEST

START_TEST(limits_for_items_that_were_never_sent_are_a_violation)
{
    struct kci_credit c;
    struct kci_limits more = limits(2, 6, 500), unheard = limits(9, 5, 500);

    kci_credit_init(&c, 3, 3 * 68);
    kci_credit_spend(&c, 4);
    ck_assert_int_eq(kci_credit_update(&c, &more, 1), -EPROTO);    // took 2 of 1
    ck_assert_int_eq(kci_credit_update(&c, &unheard, 1), -EPROTO); // expects 9 after 1
    ck_assert_int_eq(kci_credit_settle(&c, 2, 1), -EPROTO);
    ck_assert_int_eq(kci_credit_settle(&c, 1, 1), 0);
    ck_assert_int_eq(kci_credit_settle(&c, 0, 1), -EPROTO); // it took 1 before
}
END_TEST

START_TEST(a_receiver_refuses_gaps_repeats_and_what_it_did_not_grant)
{
    struct kci_grant g;

    kci_grant_init(&g, 2, 2 * 68);
    ck_assert_int_eq(kci_grant_check(&g, 2, 4), -EPROTO);
    ck_assert_int_eq(kci_grant_check(&g, 0, 4), -EPROTO);
    ck_assert_int_eq(kci_grant_check(&g, 1, 73), -EPROTO);
    ck_assert_int_eq(kci_grant_check(&g, 1, 4), 0);
    kci_grant_arrived(&g, 4);
    ck_assert_int_eq(kci_grant_check(&g, 1, 4), -EPROTO);
    kci_grant_arrived(&g, 4);
    ck_assert_int_eq(kci_grant_check(&g, 3, 4), -EPROTO);
    kci_grant_take(&g, 4); // frees a place, but nobody was told
    ck_assert_int_eq(kci_grant_check(&g, 3, 4), -EPROTO);
    struct kci_limits l;
    kci_grant_tell(&g, &l);
    ck_assert_uint_eq(l.rx_next, 3);
    ck_assert_uint_eq(l.item_limit, 4);
    ck_assert_uint_eq(l.byte_limit, 3 * 68);
    ck_assert_int_eq(kci_grant_check(&g, 3, 4), 0);
}
END_TEST

START_TEST(the_numbers_survive_the_wrap_of_the_wire)
{
    struct kci_credit c;
    struct kci_grant g;
    struct kci_limits l;

    kci_credit_init(&c, 4, 4 * 64);
    kci_grant_init(&g, 4, 4 * 64);
    c.next = g.next = 0xFFFFFFFE;
    c.item_limit = 0x100000002 - 1;
    c.taken = g.taken = g.told = 0xFFFFFFFD;
    for (int i = 0; i < 20; i++) {
        must(kci_credit_allows(&c, 0));
        must_eq(kci_grant_check(&g, (uint32_t)kci_credit_spend(&c, 0), 0), 0);
        kci_grant_arrived(&g, 0);
        kci_grant_take(&g, 0);
        if (kci_grant_due(&g, 0)) {
            kci_grant_tell(&g, &l);
            must_eq(kci_credit_update(&c, &l, c.next - 1), 0);
        }
    }
    ck_assert_uint_eq(c.next, 0xFFFFFFFEu + (uint64_t)20);
}
END_TEST

/* ---- when to announce ---- */

START_TEST(half_a_window_is_announced_and_an_eighth_is_worth_taking_along)
{
    struct kci_grant g;
    struct kci_limits l;

    kci_grant_init(&g, 16, 16 * 68);
    for (int i = 0; i < 16; i++)
        kci_grant_arrived(&g, 4);
    for (int i = 1; i <= 8; i++) {
        kci_grant_take(&g, 4);
        ck_assert_int_eq(kci_grant_worth(&g), i >= 2);
        ck_assert_int_eq(kci_grant_due(&g, 4), i >= 8);
    }
    kci_grant_tell(&g, &l);
    ck_assert(!kci_grant_due(&g, 4) && !kci_grant_worth(&g) && !kci_grant_untold(&g));
}
END_TEST

START_TEST(a_starved_sender_is_told_once_nothing_is_staged)
{
    struct kci_grant g;

    kci_grant_init(&g, 100, 4 * 64); // four small items, or one of 192 bytes
    kci_grant_arrived(&g, 0);
    kci_grant_take(&g, 0);
    ck_assert(!kci_grant_due(&g, 0));   // a quarter, and enough is left for an empty item
    ck_assert(kci_grant_due(&g, 192)); // but not for the biggest
    kci_grant_arrived(&g, 0);
    ck_assert(!kci_grant_due(&g, 192)); // something is staged: taking it will tell
}
END_TEST

/* ---- nobody waits for ever: sender and receiver with items of 1 … most bytes ---- */

struct both {
    struct kci_credit c;
    struct kci_grant g;
    uint64_t size[64]; /* staged */
    unsigned first, count;
    uint64_t most, high_water;
    bool flushes; /* rule C3, or half-window thresholds alone */
};

static bool receive_one(struct both *b)
{
    struct kci_limits l;

    if (!b->count)
        return false;
    kci_grant_take(&b->g, b->size[b->first++ % 64]);
    b->count--;
    bool due = b->flushes ? kci_grant_due(&b->g, b->most)
                          : b->g.cost_taken - b->g.cost_told >= b->g.bytes / 2;
    if (due) {
        kci_grant_tell(&b->g, &l);
        must_eq(kci_credit_update(&b->c, &l, b->c.next - 1), 0);
    }
    return true;
}

static bool send_one(struct both *b, uint64_t size)
{
    if (!kci_credit_allows(&b->c, size))
        return false;
    must_eq(kci_grant_check(&b->g, (uint32_t)kci_credit_spend(&b->c, size), size), 0);
    kci_grant_arrived(&b->g, size);
    b->size[(b->first + b->count++) % 64] = size;
    uint64_t held = b->g.cost_next - b->g.cost_taken;
    if (held > b->high_water)
        b->high_water = held;
    return true;
}

/* n items in a random schedule; false: the sender waits though the receiver took everything. */
static bool completes(struct both *b, uint64_t *seed, int n)
{
    while (n) {
        uint64_t size = roll(seed, b->most) + 1;
        while (!send_one(b, size))
            if (!receive_one(b))
                return false;
        n--;
        while (roll(seed, 2) && receive_one(b))
            continue;
    }
    while (receive_one(b))
        continue;
    return true;
}

static struct both start(uint64_t window_bytes, uint64_t most, bool flushes)
{
    struct both b = { .most = most, .flushes = flushes };

    kci_credit_init(&b.c, 60, window_bytes);
    kci_grant_init(&b.g, 60, window_bytes);
    return b;
}

START_TEST(whole_items_with_the_flush_rule_always_get_through)
{
    uint64_t seed = test_seed();

    for (int round = 0; round < 2000; round++) {
        uint64_t most = roll(&seed, 500) + 1;
        struct both b = start(kci_item_cost(most) + roll(&seed, 1000), most, true);
        must(completes(&b, &seed, 200));
        must(b.high_water <= b.g.bytes);
    }
}
END_TEST

START_TEST(without_the_flush_rule_some_would_wait_for_ever)
{
    uint64_t seed = 1;
    int stuck = 0;

    for (int round = 0; round < 2000; round++) {
        struct both b = start(kci_item_cost(500), 500, false);
        stuck += !completes(&b, &seed, 200);
    }
    ck_assert_int_gt(stuck, 0);
}
END_TEST

SUITE("ipc/credit", CASE(numbers_widen_to_the_nearest_one),
      CASE(a_window_holds_at_least_one_item_and_no_more_bytes_than_it_may),
      CASE(a_sender_spends_what_it_was_granted_and_no_more),
      CASE(a_whole_item_must_fit_into_the_byte_limit),
      CASE(limits_only_grow_and_tell_what_was_taken),
      CASE(limits_for_items_that_were_never_sent_are_a_violation),
      CASE(a_receiver_refuses_gaps_repeats_and_what_it_did_not_grant),
      CASE(the_numbers_survive_the_wrap_of_the_wire),
      CASE(half_a_window_is_announced_and_an_eighth_is_worth_taking_along),
      CASE(a_starved_sender_is_told_once_nothing_is_staged),
      CASE(whole_items_with_the_flush_rule_always_get_through),
      CASE(without_the_flush_rule_some_would_wait_for_ever))
