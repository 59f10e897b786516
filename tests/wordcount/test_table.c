/* SPDX-License-Identifier: BSD-3-Clause */
/* test_table.c — the hash table of words, also when memory runs out at any moment. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "examples/wordcount/table.h"
#include "tests/support/suite.h"
#include "tests/wordcount/naive.h"

/* The linker sends the table's allocations here (--wrap); the one numbered fail_at fails. */
void *__real_malloc(size_t n);
void *__real_calloc(size_t n, size_t size);
void *__real_realloc(void *p, size_t n);
void *__wrap_malloc(size_t n);
void *__wrap_calloc(size_t n, size_t size);
void *__wrap_realloc(void *p, size_t n);

static long fail_at;

static int must_fail(void)
{
    return fail_at && --fail_at == 0;
}

void *__wrap_malloc(size_t n)
{
    return must_fail() ? NULL : __real_malloc(n);
}

void *__wrap_calloc(size_t n, size_t size)
{
    return must_fail() ? NULL : __real_calloc(n, size);
}

void *__wrap_realloc(void *p, size_t n)
{
    return must_fail() ? NULL : __real_realloc(p, n);
}

static int add(struct table *t, const char *text, uint64_t count)
{
    return table_add(t, text, strlen(text), count);
}

static uint64_t count_of(const struct table *t, const char *text)
{
    const struct word *w = table_find(t, text, strlen(text));
    return w ? w->count : 0;
}

static void add_numbered(struct table *t, size_t from, size_t to)
{
    char text[32];

    for (size_t i = from; i < to; i++) {
        snprintf(text, sizeof text, "word%zu", i);
        ck_assert_int_eq(add(t, text, i + 1), 0);
    }
}

START_TEST(an_empty_table_finds_nothing)
{
    struct table t = { 0 };
    const struct word *top[3];

    ck_assert_ptr_null(table_find(&t, "the", 3));
    ck_assert_uint_eq(table_top(&t, top, 3), 0);
    table_clear(&t);
    table_fini(&t);
}
END_TEST

START_TEST(counts_of_the_same_word_add_up)
{
    struct table t = { 0 };

    ck_assert_int_eq(add(&t, "the", 2), 0);
    ck_assert_int_eq(add(&t, "then", 1), 0);
    ck_assert_int_eq(add(&t, "the", 40), 0);
    ck_assert_uint_eq(t.nwords, 2);
    ck_assert_uint_eq(count_of(&t, "the"), 42);
    ck_assert_uint_eq(count_of(&t, "then"), 1);
    ck_assert_uint_eq(count_of(&t, "th"), 0);
    table_fini(&t);
}
END_TEST

START_TEST(growing_keeps_every_word)
{
    struct table t = { 0 };
    char text[32];

    add_numbered(&t, 0, 100000);
    ck_assert_uint_eq(t.nwords, 100000);
    for (size_t i = 0; i < 100000; i++) {
        snprintf(text, sizeof text, "word%zu", i);
        ck_assert_uint_eq(count_of(&t, text), i + 1);
    }
    table_fini(&t);
}
END_TEST

START_TEST(a_word_may_be_longer_than_any_block)
{
    struct table t = { 0 };
    char *text = malloc(1000001);

    ck_assert_ptr_nonnull(text);
    memset(text, 'a', 1000001);
    ck_assert_int_eq(table_add(&t, text, 1000001, 1), 0);
    ck_assert_int_eq(table_add(&t, text, 1000000, 7), 0);
    ck_assert_int_eq(table_add(&t, text, 1000001, 1), 0);
    ck_assert_uint_eq(t.nwords, 2);
    ck_assert_uint_eq(table_find(&t, text, 1000001)->count, 2);
    ck_assert_uint_eq(table_find(&t, text, 1000000)->count, 7);
    free(text);
    table_fini(&t);
}
END_TEST

START_TEST(a_cleared_table_counts_from_zero)
{
    static const size_t sizes[] = { 3, 70000, 5, 2000, 0, 9 };
    struct table t = { 0 };

    for (size_t i = 0; i < sizeof sizes / sizeof sizes[0]; i++) {
        add_numbered(&t, 0, sizes[i]);
        ck_assert_uint_eq(t.nwords, sizes[i]);
        if (sizes[i])
            ck_assert_uint_eq(count_of(&t, "word0"), 1);
        table_clear(&t);
        ck_assert_uint_eq(t.nwords, 0);
        ck_assert_uint_eq(count_of(&t, "word0"), 0);
    }
    table_fini(&t);
}
END_TEST

START_TEST(merging_adds_every_count)
{
    struct table a = { 0 };
    struct table b = { 0 };

    add_numbered(&a, 0, 3000);
    add_numbered(&b, 2000, 5000);
    ck_assert_int_eq(table_merge(&a, &b), 0);
    ck_assert_uint_eq(a.nwords, 5000);
    ck_assert_uint_eq(count_of(&a, "word1999"), 2000);
    ck_assert_uint_eq(count_of(&a, "word2000"), 2 * 2001);
    ck_assert_uint_eq(count_of(&a, "word4999"), 5000);
    table_fini(&a);
    table_fini(&b);
}
END_TEST

START_TEST(equal_counts_are_listed_alphabetically)
{
    static const char *const words[] = { "b", "aa", "ab", "a", "z", "c" };
    static const char *const wanted[] = { "z", "a", "aa", "ab", "b" };
    struct table t = { 0 };
    const struct word *top[5];

    for (size_t i = 0; i < 6; i++)
        ck_assert_int_eq(add(&t, words[i], words[i][0] == 'z' ? 9 : 4), 0);
    ck_assert_uint_eq(table_top(&t, top, 5), 5);
    for (size_t i = 0; i < 5; i++) {
        ck_assert_uint_eq(top[i]->len, strlen(wanted[i]));
        ck_assert_mem_eq(top[i]->text, wanted[i], top[i]->len);
    }
    ck_assert_uint_eq(table_top(&t, top, 0), 0);
    table_fini(&t);
}
END_TEST

static int by_rank(const void *a, const void *b)
{
    const struct word *x = *(const struct word *const *)a;
    const struct word *y = *(const struct word *const *)b;

    if (x->count != y->count)
        return x->count > y->count ? -1 : 1;
    size_t n = x->len < y->len ? x->len : y->len;
    int order = memcmp(x->text, y->text, n);
    return order ? order : (x->len > y->len) - (x->len < y->len);
}

/* 200 words with few different counts, so that most ranks are decided by the text. */
static void add_random(struct table *t, uint64_t *seed)
{
    char text[3] = { 0 };

    for (int i = 0; i < 200; i++) {
        text[0] = (char)('a' + seed_next(seed) % 26);
        text[1] = seed_next(seed) % 4 ? (char)('a' + seed_next(seed) % 26) : 0;
        ck_assert_int_eq(add(t, text, 1 + seed_next(seed) % 4), 0);
    }
}

START_TEST(the_top_words_are_those_of_a_full_sort)
{
    uint64_t seed = seed_print();
    struct table t = { 0 };
    const struct word *all[200];
    const struct word *top[200];

    add_random(&t, &seed);
    for (size_t i = 0; i < t.nwords; i++)
        all[i] = &t.words[i];
    qsort(all, t.nwords, sizeof all[0], by_rank);
    for (size_t k = 0; k <= 200; k++) {
        size_t n = table_top(&t, top, k);
        ck_assert_uint_eq(n, k < t.nwords ? k : t.nwords);
        ck_assert_mem_eq(top, all, n * sizeof top[0]);
    }
    table_fini(&t);
}
END_TEST

/* Add until it works; every failure must leave the table as it was. Returns the failures. */
static long add_stubbornly(struct table *t, const char *text, uint64_t count)
{
    long failures = 0;

    for (;;) {
        size_t words = t->nwords;
        uint64_t before = count_of(t, text);
        int rc = add(t, text, count);
        fail_at = 0;
        ck_assert_uint_eq(count_of(t, text), rc ? before : before + count);
        if (rc == 0)
            return failures;
        ck_assert_int_eq(rc, -ENOMEM);
        ck_assert_uint_eq(t->nwords, words);
        failures++;
    }
}

START_TEST(an_allocation_that_fails_changes_nothing)
{
    char text[32];
    long failures = 0;

    for (long nth = 1; nth <= 8; nth++) {
        struct table t = { 0 };
        for (size_t i = 0; i < 5000; i++) {
            snprintf(text, sizeof text, "word%zu", i);
            fail_at = i % 100 == 0 || 2 * i >= t.index_size - 2 ? nth : 0;
            failures += add_stubbornly(&t, text, i + 1);
        }
        ck_assert_uint_eq(t.nwords, 5000);
        ck_assert_uint_eq(count_of(&t, "word4711"), 4712);
        table_fini(&t);
    }
    ck_assert_int_gt(failures, 8);
}
END_TEST

SUITE("wordcount/table", CASE(an_empty_table_finds_nothing),
      CASE(counts_of_the_same_word_add_up), CASE(growing_keeps_every_word),
      CASE(a_word_may_be_longer_than_any_block), CASE(a_cleared_table_counts_from_zero),
      CASE(merging_adds_every_count), CASE(equal_counts_are_listed_alphabetically),
      CASE(the_top_words_are_those_of_a_full_sort),
      CASE(an_allocation_that_fails_changes_nothing))
