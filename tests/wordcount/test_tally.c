/* SPDX-License-Identifier: BSD-3-Clause */
/* test_tally.c — files enter the totals whole or not at all. */
#include <errno.h>
#include <string.h>

#include "examples/wordcount/tally.h"
#include "tests/support/suite.h"
#include "tests/wordcount/naive.h"

static int add(struct tally *t, const char *text, struct piece p)
{
    p.len = (uint32_t)strlen(text);
    p.bytes = p.len;
    return tally_piece(t, &p, text);
}

static uint64_t count_of(const struct tally *t, const char *word)
{
    const struct word *w = table_find(&t->total.words, word, strlen(word));
    return w ? w->count : 0;
}

START_TEST(words_of_neighbouring_files_are_not_joined)
{
    struct tally t = { 0 };

    ck_assert_int_eq(add(&t, "over", (struct piece){ .first = 1, .last = 1, .files = 1 }), 0);
    ck_assert_int_eq(add(&t, "night", (struct piece){ .first = 1, .last = 0 }), 0);
    ck_assert_int_eq(add(&t, "fall", (struct piece){ .first = 0, .last = 1, .files = 1 }), 0);
    ck_assert_uint_eq(count_of(&t, "over"), 1);
    ck_assert_uint_eq(count_of(&t, "nightfall"), 1);
    ck_assert_uint_eq(t.total.nwords, 2);
    ck_assert_uint_eq(t.total.files, 2);
    ck_assert_uint_eq(t.total.bytes, 13);
    tally_fini(&t);
}
END_TEST

START_TEST(a_file_that_fails_half_way_leaves_no_trace)
{
    struct tally t = { 0 };
    struct piece failed = { .last = 1, .error = -EIO, .failed = 7 };

    ck_assert_int_eq(add(&t, "good one", (struct piece){ .first = 1, .last = 1, .files = 1 }),
                     0);
    ck_assert_int_eq(add(&t, "bad one ba", (struct piece){ .first = 1 }), 0);
    ck_assert_int_eq(add(&t, "d one ba", (struct piece){ .first = 0 }), 0);
    ck_assert_int_eq(tally_add(&t, &failed, NULL), 0);
    ck_assert_int_eq(add(&t, "day", (struct piece){ .first = 1, .last = 1, .files = 1 }), 0);
    ck_assert_uint_eq(count_of(&t, "bad"), 0);
    ck_assert_uint_eq(count_of(&t, "one"), 1);
    ck_assert_uint_eq(count_of(&t, "day"), 1);
    ck_assert_uint_eq(t.total.nwords, 3);
    ck_assert_uint_eq(t.total.files, 2);
    ck_assert_uint_eq(t.total.bytes, 11);
    tally_fini(&t);
}
END_TEST

START_TEST(a_pack_keeps_the_files_before_the_one_that_failed)
{
    struct tally t = { 0 };
    struct piece pack = { .first = 1, .last = 1, .files = 2, .error = -EACCES, .failed = 2 };

    ck_assert_int_eq(add(&t, "one\ntwo", pack), 0);
    ck_assert_int_eq(add(&t, "three", (struct piece){ .first = 1, .last = 1, .files = 1 }), 0);
    ck_assert_uint_eq(count_of(&t, "two"), 1);
    ck_assert_uint_eq(count_of(&t, "three"), 1);
    ck_assert_uint_eq(t.total.files, 3);
    tally_fini(&t);
}
END_TEST

START_TEST(an_empty_piece_may_end_a_file)
{
    struct tally t = { 0 };
    struct piece end = { .last = 1, .files = 1 };

    ck_assert_int_eq(add(&t, "half", (struct piece){ .first = 1 }), 0);
    ck_assert_int_eq(tally_add(&t, &end, NULL), 0);
    ck_assert_uint_eq(count_of(&t, "half"), 1);
    ck_assert_uint_eq(t.total.files, 1);
    tally_fini(&t);
}
END_TEST

START_TEST(counts_that_do_not_fit_the_piece_are_refused)
{
    static struct counts c = { .len = 10, .head = 10, .unbroken = 1 };
    struct piece shorter = { .len = 9, .first = 1, .last = 1 };
    struct tally t = { 0 };

    ck_assert_int_eq(tally_add(&t, &shorter, &c), -EPROTO);
    ck_assert_int_eq(tally_add(&t, &shorter, NULL), -EPROTO);
    tally_fini(&t);
}
END_TEST

SUITE("wordcount/tally", CASE(words_of_neighbouring_files_are_not_joined),
      CASE(a_file_that_fails_half_way_leaves_no_trace),
      CASE(a_pack_keeps_the_files_before_the_one_that_failed),
      CASE(an_empty_piece_may_end_a_file), CASE(counts_that_do_not_fit_the_piece_are_refused))
