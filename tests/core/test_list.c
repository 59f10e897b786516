/* SPDX-License-Identifier: BSD-3-Clause */
/* tests/core/test_list.c — the intrusive ring. */
#include "core/list.h"
#include "tests/support/suite.h"

struct item {
    int number;
    struct kci_list node;
};

static struct kci_list list;
static struct item items[5];

static void setup(int n)
{
    kci_list_init(&list);
    for (int i = 0; i < n; i++) {
        items[i].number = i;
        kci_list_push(&list, &items[i].node);
    }
}

/* The numbers in it, as decimal digits: 0, 1, 2 is "012". Checks the back links on the way. */
static const char *digits(const struct kci_list *head)
{
    static char text[8];
    size_t n = 0;

    for (const struct kci_list *it = head->next; it != head; it = it->next) {
        ck_assert_ptr_eq(it->next->prev, it);
        ck_assert_ptr_eq(it->prev->next, it);
        text[n++] = (char)('0' + KCI_OF(it, struct item, node)->number);
    }
    text[n] = '\0';
    return text;
}

START_TEST(push_appends_and_pop_takes_from_the_front)
{
    setup(3);
    ck_assert_str_eq(digits(&list), "012");
    ck_assert_ptr_eq(kci_list_pop(&list), &items[0].node);
    ck_assert_str_eq(digits(&list), "12");
}
END_TEST

START_TEST(push_front_puts_it_first)
{
    setup(2);
    items[4].number = 4;
    kci_list_push_front(&list, &items[4].node);
    ck_assert_str_eq(digits(&list), "401");
}
END_TEST

START_TEST(any_member_can_be_removed_and_removing_it_twice_is_harmless)
{
    setup(5);
    kci_list_remove(&items[2].node);
    kci_list_remove(&items[2].node);
    ck_assert_str_eq(digits(&list), "0134");
    kci_list_remove(&items[0].node);
    kci_list_remove(&items[4].node);
    ck_assert_str_eq(digits(&list), "13");
}
END_TEST

START_TEST(a_list_is_empty_before_the_first_and_after_the_last)
{
    setup(0);
    ck_assert(kci_list_empty(&list));
    setup(1);
    ck_assert(!kci_list_empty(&list));
    kci_list_pop(&list);
    ck_assert(kci_list_empty(&list));
}
END_TEST

START_TEST(splice_moves_all_to_the_end_and_leaves_nothing_behind)
{
    struct kci_list more;

    setup(2);
    kci_list_init(&more);
    kci_list_splice(&list, &more);
    ck_assert_str_eq(digits(&list), "01");
    for (int i = 2; i < 5; i++) {
        items[i].number = i;
        kci_list_push(&more, &items[i].node);
    }
    kci_list_splice(&list, &more);
    ck_assert_str_eq(digits(&list), "01234");
    ck_assert(kci_list_empty(&more));
}
END_TEST

START_TEST(a_walk_may_remove_what_it_visits)
{
    setup(5);
    KCI_EACH(it, &list)
        if (KCI_OF(it, struct item, node)->number % 2 == 0)
            kci_list_remove(it);
    ck_assert_str_eq(digits(&list), "13");
}
END_TEST

SUITE("core/list",
      CASE(push_appends_and_pop_takes_from_the_front),
      CASE(push_front_puts_it_first),
      CASE(any_member_can_be_removed_and_removing_it_twice_is_harmless),
      CASE(a_list_is_empty_before_the_first_and_after_the_last),
      CASE(splice_moves_all_to_the_end_and_leaves_nothing_behind),
      CASE(a_walk_may_remove_what_it_visits))
