/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * tests/core/test_heap.c — the pairing heap against a model: an array searched from end to end.
 */
#include <stdlib.h>

#include "core/heap.h"
#include "core/list.h"
#include "tests/support/suite.h"

enum { ITEMS = 200, STEPS = 20000 };

struct item {
    struct kci_heap_node node;
    bool pushed;
};

static struct item items[ITEMS];
static struct kci_heap heap;

static uint64_t rng;

static uint64_t draw(uint64_t below)
{
    rng ^= rng << 13;
    rng ^= rng >> 7;
    rng ^= rng << 17;
    return rng % below;
}

static bool goes_first(const struct item *a, const struct item *b)
{
    return a->node.key != b->node.key ? a->node.key < b->node.key : a->node.seq < b->node.seq;
}

static const struct item *model_first(void)
{
    const struct item *first = NULL;

    for (int i = 0; i < ITEMS; i++)
        if (items[i].pushed && (!first || goes_first(&items[i], first)))
            first = &items[i];
    return first;
}

static void push(struct item *it, int64_t key)
{
    it->node.key = key;
    it->pushed = true;
    kci_heap_push(&heap, &it->node);
}

static void take(struct item *it)
{
    it->pushed = false;
    kci_heap_remove(&heap, &it->node);
}

static struct item *root(void)
{
    return heap.root ? KCI_OF(heap.root, struct item, node) : NULL;
}

/* One of: push an absent one, remove a present one from anywhere, pop the first. */
static void random_step(int64_t keys)
{
    struct item *it = &items[draw(ITEMS)];

    if (draw(3) == 0 && heap.root)
        take(root());
    else if (it->pushed)
        take(it);
    else
        push(it, (int64_t)draw((uint64_t)keys) - keys / 2);
}

START_TEST(any_order_of_pushes_and_removals_leaves_the_smallest_first)
{
    static const int64_t keys[] = { 1, 2, 10, 1000, INT64_C(1) << 40 };
    int64_t range = keys[_i % 5];

    rng = (uint64_t)_i + 1;
    for (int step = 0; step < STEPS; step++) {
        random_step(range);
        if (root() != model_first())
            ck_abort_msg("seed %d, step %d: another one is first", _i + 1, step);
    }
    while (heap.root) {
        ck_assert_ptr_eq(root(), model_first());
        take(root());
    }
    ck_assert_ptr_null(model_first());
}
END_TEST

START_TEST(equal_keys_leave_in_the_order_they_came)
{
    for (int i = 0; i < ITEMS; i++)
        push(&items[i], i % 2);
    for (int i = 0; i < ITEMS; i++) {
        int expected = i < ITEMS / 2 ? i * 2 : (i - ITEMS / 2) * 2 + 1;
        ck_assert_ptr_eq(root(), &items[expected]);
        take(root());
    }
}
END_TEST

START_TEST(the_extreme_keys_are_ordinary_keys)
{
    push(&items[0], INT64_MAX);
    push(&items[1], INT64_MIN);
    push(&items[2], 0);
    ck_assert_ptr_eq(root(), &items[1]);
    take(root());
    ck_assert_ptr_eq(root(), &items[2]);
    take(root());
    ck_assert_ptr_eq(root(), &items[0]);
}
END_TEST

START_TEST(a_removed_node_can_be_pushed_again_with_another_key)
{
    for (int i = 0; i < 10; i++)
        push(&items[i], i);
    take(&items[5]);
    push(&items[5], -1);
    ck_assert_ptr_eq(root(), &items[5]);
}
END_TEST

/* A heap built in falling order is a list of first children, in rising order one of
 * siblings. */
START_TEST(the_worst_shapes_need_no_deep_stack)
{
    enum { MANY = 300000 };
    struct kci_heap_node *nodes = calloc(MANY, sizeof *nodes);

    ck_assert_ptr_nonnull(nodes);
    for (int rising = 0; rising < 2; rising++) {
        for (int i = 0; i < MANY; i++) {
            nodes[i].key = rising ? i : -i;
            kci_heap_push(&heap, &nodes[i]);
        }
        for (int64_t i = 0; i < MANY; i++) {
            if (heap.root->key != (rising ? i : i - MANY + 1))
                ck_abort_msg("key %lld came out as number %lld", (long long)heap.root->key,
                             (long long)i);
            kci_heap_remove(&heap, heap.root);
        }
    }
    free(nodes);
}
END_TEST

SUITE("core/heap",
      CASE_LOOP(any_order_of_pushes_and_removals_leaves_the_smallest_first, 20),
      CASE(equal_keys_leave_in_the_order_they_came),
      CASE(the_extreme_keys_are_ordinary_keys),
      CASE(a_removed_node_can_be_pushed_again_with_another_key),
      CASE(the_worst_shapes_need_no_deep_stack))
