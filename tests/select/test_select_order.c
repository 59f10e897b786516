/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * tests/select/test_select_order.c — the pure functions: in which order clauses are polled and
 * objects locked.
 */
#include "select/order.h"

#include "core/lock.h"
#include "tests/chan/kit.h"

enum { MOST = KC_SEL_MAX };

static bool is_permutation(const uint16_t *order, size_t n)
{
    bool seen[MOST] = { false };

    for (size_t i = 0; i < n; i++) {
        if (order[i] >= n || seen[order[i]])
            return false;
        seen[order[i]] = true;
    }
    return true;
}

static struct dice dice;

static unsigned draw(unsigned k)
{
    return (unsigned)roll(&dice, k);
}

START_TEST(s9_an_order_starts_where_it_is_told_and_goes_round)
{
    uint16_t order[MOST];

    for (size_t n = 1; n <= 20; n++)
        for (size_t first = 0; first < n; first++) {
            kci_order_from(order, n, first);
            for (size_t i = 0; i < n; i++)
                ck_assert_uint_eq(order[i], (first + i) % n);
        }
}
END_TEST

START_TEST(s9_a_shuffled_order_has_every_clause_once)
{
    uint16_t order[MOST];

    dice = dice_seeded(1);
    for (size_t n = 1; n <= MOST; n++) {
        kci_order_shuffle(order, n, draw);
        must(is_permutation(order, n));
    }
}
END_TEST

START_TEST(s9_all_orders_of_four_are_drawn_equally_often)
{
    enum { ROUNDS = 24000 };
    int counts[256] = { 0 }, different = 0;
    uint16_t o[4];
    double chi2 = 0;

    dice = dice_seeded(7);
    for (int i = 0; i < ROUNDS; i++) {
        kci_order_shuffle(o, 4, draw);
        counts[o[0] << 6 | o[1] << 4 | o[2] << 2 | o[3]]++;
    }
    for (int i = 0; i < 256; i++) {
        double off = counts[i] - ROUNDS / 24.0;
        different += counts[i] > 0;
        if (counts[i])
            chi2 += off * off / (ROUNDS / 24.0);
    }
    ck_assert_int_eq(different, 24);
    ck_assert_msg(chi2 < 74, "chi-square %f over 23 degrees of freedom",
                  chi2); // p > 1e-6 is 74
}
END_TEST

static unsigned lowest(unsigned k)
{
    (void)k;
    return 0;
}

static unsigned highest(unsigned k)
{
    return k - 1;
}

START_TEST(s9_the_extreme_draws_stay_inside)
{
    uint16_t order[MOST];

    kci_order_shuffle(order, MOST, lowest);
    ck_assert(is_permutation(order, MOST));
    kci_order_shuffle(order, MOST, highest);
    ck_assert(is_permutation(order, MOST));
    for (uint16_t i = 0; i < MOST; i++)
        ck_assert_uint_eq(order[i], i); // each stays where it is
}
END_TEST

/* ---- locks ---- */

static void check_sorted(struct kci_lock **locks, size_t n)
{
    for (size_t i = 1; i < n; i++)
        must((uintptr_t)locks[i - 1] < (uintptr_t)locks[i]);
}

START_TEST(s5_locks_are_sorted_by_address_without_doubles_and_holes)
{
    static struct kci_lock pool[MOST];
    struct dice d = dice_seeded(3);

    for (int round = 0; round < 3000; round++) {
        struct kci_lock *locks[MOST];
        bool there[MOST] = { false };
        size_t n = roll(&d, MOST + 1), of = 1 + roll(&d, n + 1), distinct = 0;

        for (size_t i = 0; i < n; i++) {
            size_t k = roll(&d, of < MOST ? of : MOST);
            locks[i] = roll(&d, 10) ? &pool[k] : NULL;
            distinct += locks[i] && !there[k];
            there[k] = there[k] || locks[i];
        }
        must_eq(kci_order_locks(locks, n), distinct);
        check_sorted(locks, distinct);
        for (size_t i = 0; i < distinct; i++)
            must(there[locks[i] - pool]);
    }
}
END_TEST

START_TEST(s4_the_same_lock_many_times_is_one_lock)
{
    static struct kci_lock one;
    struct kci_lock *locks[MOST];

    for (size_t i = 0; i < MOST; i++)
        locks[i] = &one;
    ck_assert_uint_eq(kci_order_locks(locks, MOST), 1);
    ck_assert_ptr_eq(locks[0], &one);
    ck_assert_uint_eq(kci_order_locks(locks, 0), 0);
    for (size_t i = 0; i < MOST; i++)
        locks[i] = NULL;
    ck_assert_uint_eq(kci_order_locks(locks, MOST), 0);
}
END_TEST

START_TEST(s5_two_lists_of_the_same_locks_come_out_alike)
{
    static struct kci_lock pool[64];
    struct kci_lock *up[64], *down[64];

    for (size_t i = 0; i < 64; i++) {
        up[i] = &pool[i];
        down[i] = &pool[63 - i];
    }
    ck_assert_uint_eq(kci_order_locks(up, 64), 64);
    ck_assert_uint_eq(kci_order_locks(down, 64), 64);
    ck_assert_mem_eq(up, down, sizeof up);
}
END_TEST

SUITE("select/order",
      CASE(s9_an_order_starts_where_it_is_told_and_goes_round),
      CASE(s9_a_shuffled_order_has_every_clause_once),
      CASE(s9_all_orders_of_four_are_drawn_equally_often),
      CASE(s9_the_extreme_draws_stay_inside),
      CASE(s5_locks_are_sorted_by_address_without_doubles_and_holes),
      CASE(s4_the_same_lock_many_times_is_one_lock),
      CASE(s5_two_lists_of_the_same_locks_come_out_alike))
