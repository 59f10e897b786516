/* SPDX-License-Identifier: BSD-3-Clause */
/* test_count.c — a text counted in pieces gives what it gives whole, wherever it is cut. */
#include <ctype.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "examples/wordcount/count.h"
#include "examples/wordcount/tally.h"
#include "tests/support/suite.h"
#include "tests/wordcount/naive.h"

static const char *const texts[] = {
    "",
    "a",
    " ",
    "The cat and the CAT sat; the\nend",
    "  leading and trailing  ",
    "don't--stop 3times x2y2z  \t\r\nA a A",
    "oneverylongwordwithoutanybreakinside",
    "\xc3\xa9t\xc3\xa9 na\xefve \xff\x80@[`{ end",
    "a b c a b c aa bb cc aa bb cc aaa",
};

static void assert_same(const char *text, size_t len, size_t step)
{
    struct naive expected = { 0 };
    struct tally t = { 0 };

    naive_count(&expected, text, len);
    ck_assert_int_eq(tally_text(&t, text, len, step), 0);
    const char *differs = naive_same(&expected, &t.total);
    ck_assert_msg(!differs, "in pieces of %zu bytes this differs: %s", step, differs);
    ck_assert_uint_eq(t.total.bytes, len);
    ck_assert_uint_eq(t.total.files, 1);
    tally_fini(&t);
    naive_fini(&expected);
}

START_TEST(pieces_of_every_size_give_the_same_counts)
{
    for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++)
        for (size_t step = 1; step <= strlen(texts[i]) + 1; step++)
            assert_same(texts[i], strlen(texts[i]), step);
}
END_TEST

/* Three pieces: [0, a) [a, b) [b, len). */
static void assert_cut(const char *text, size_t a, size_t b)
{
    size_t len = strlen(text);
    size_t cuts[] = { 0, a, b, len };
    struct naive expected = { 0 };
    struct tally t = { 0 };

    naive_count(&expected, text, len);
    for (size_t i = 0; i < 3; i++) {
        size_t n = cuts[i + 1] - cuts[i];
        struct piece p = { .len = (uint32_t)n, .bytes = n, .first = i == 0, .last = i == 2 };
        ck_assert_int_eq(tally_piece(&t, &p, text + cuts[i]), 0);
    }
    const char *differs = naive_same(&expected, &t.total);
    ck_assert_msg(!differs, "cut at %zu and %zu this differs: %s", a, b, differs);
    tally_fini(&t);
    naive_fini(&expected);
}

START_TEST(two_cuts_anywhere_change_nothing)
{
    for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++)
        for (size_t b = 0; b <= strlen(texts[i]); b++)
            for (size_t a = 0; a <= b; a++)
                assert_cut(texts[i], a, b);
}
END_TEST

START_TEST(every_byte_is_a_letter_or_a_separator_as_in_ascii)
{
    for (int c = 0; c < 256; c++) {
        char text[3] = { 'x', (char)c, 'y' };
        struct tally t = { 0 };
        ck_assert_int_eq(tally_text(&t, text, 3, 16), 0);
        ck_assert_uint_eq(t.total.nwords, isalpha(c) ? 1 : 2);
        tally_fini(&t);
    }
}
END_TEST

/* Words of a few letters, so that they repeat; separators now and then. */
static void random_text(char *text, size_t len, uint64_t *seed)
{
    unsigned letters = 1 + (unsigned)(seed_next(seed) % 5);
    unsigned gaps = 2 + (unsigned)(seed_next(seed) % 12);

    for (size_t i = 0; i < len; i++) {
        uint64_t r = seed_next(seed);
        char letter = (char)((r & 1 ? 'a' : 'A') + (r >> 8) % letters);
        text[i] = (r >> 16) % gaps ? letter : " \n.\xe4"[(r >> 32) % 4];
    }
}

START_TEST(random_texts_agree_with_the_naive_count)
{
    static char text[3000];
    uint64_t seed = seed_print();

    for (int round = 0; round < 300; round++) {
        size_t len = seed_next(&seed) % sizeof text;
        random_text(text, len, &seed);
        assert_same(text, len, 1 + seed_next(&seed) % (len + 1));
    }
}
END_TEST

START_TEST(one_word_may_span_many_chunks)
{
    size_t len = 10 * CHUNK_BYTES + 17;
    char *text = malloc(len);

    ck_assert_ptr_nonnull(text);
    memset(text, 'Q', len);
    assert_same(text, len, CHUNK_BYTES);
    text[3 * CHUNK_BYTES] = ' ';
    text[7 * CHUNK_BYTES - 1] = '-';
    assert_same(text, len, CHUNK_BYTES);
    free(text);
}
END_TEST

/* As many different words of `letters` letters as fit, each once: the longest encoding. */
static void fill_distinct(char *text, size_t len, size_t letters)
{
    for (size_t i = 0; i < len; i++) {
        size_t word = i / (letters + 1);
        size_t place = i % (letters + 1);
        for (size_t left = place; left; left--)
            word /= 26;
        text[i] = place == letters ? ' ' : (char)('a' + word % 26);
    }
}

START_TEST(the_counts_of_a_chunk_never_need_more_bytes_than_its_text)
{
    static char text[CHUNK_BYTES];

    for (size_t letters = 1; letters < 300; letters++) {
        struct tally t = { 0 };
        fill_distinct(text, sizeof text, letters);
        ck_assert_int_eq(tally_text(&t, text, sizeof text, CHUNK_BYTES), 0); // checks the bound
        ck_assert_uint_eq(t.total.nwords, (sizeof text + letters) / (letters + 1));
        tally_fini(&t);
    }
}
END_TEST

/* Decode until the end or the first error. */
static int drain(struct counts *c)
{
    struct counted w;
    size_t at = 0;
    int rc;

    while ((rc = counts_next(c, &at, &w)) > 0) {
        ck_assert_uint_gt(w.len, 0);
        ck_assert_uint_gt(w.count, 0);
        ck_assert_uint_le(at, c->len);
    }
    return rc;
}

START_TEST(malformed_counts_are_refused)
{
    static const char *const bad[] = {
        "cat",        // no end
        "ca\xd4",     // a number is missing
        "ca\xd4\x80", // the number does not end
        "ca\xd4\x00", // ends the C string, so: missing again
        "ca\xff",     // 0x7f is no letter
        "c t\xf4",    // a separator inside
        "\xd4\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff", // more groups than 64 bits
    };
    static struct counts c;

    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        c.len = (uint32_t)strlen(bad[i]);
        memcpy(c.bytes, bad[i], c.len);
        ck_assert_int_eq(drain(&c), -EPROTO);
    }
    memcpy(c.bytes, "ca\xd4\x00", c.len = 4);
    ck_assert_int_eq(drain(&c), -EPROTO);
    memcpy(c.bytes, "ca\xd4\x02", c.len = 4);
    ck_assert_int_eq(drain(&c), 0);
}
END_TEST

START_TEST(random_bytes_never_decode_out_of_bounds)
{
    uint64_t seed = seed_print();
    struct counts *c = malloc(sizeof *c);

    ck_assert_ptr_nonnull(c);
    for (int round = 0; round < 20000; round++) {
        uint32_t len = (uint32_t)(seed_next(&seed) % 40);
        c->head =
            CHUNK_BYTES - len; // at the very end, where ASan and Valgrind see one too many
        c->tail = 0;
        c->len = CHUNK_BYTES;
        for (size_t i = c->head; i < CHUNK_BYTES; i++)
            c->bytes[i] = (unsigned char)(seed_next(&seed) % 3 ? seed_next(&seed) : 'a');
        drain(c);
    }
    free(c);
}
END_TEST

START_TEST(a_header_that_cannot_be_is_refused)
{
    static const struct counts bad[] = {
        { .len = 11 },                               // more than the text had
        { .len = 5, .head = 6 },                     // pieces outside the bytes
        { .len = 5, .head = 3, .tail = 3 },          //
        { .len = 5, .head = UINT32_MAX, .tail = 6 }, //
        { .len = 5, .unbroken = 1 },                 // unbroken, but the head is not all
        { .len = 10, .head = 10 },                   // all letters, but not unbroken
    };
    struct counts good = { .len = 10, .head = 4, .tail = 5 };

    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++)
        ck_assert_int_eq(counts_check(&bad[i], 10), -EPROTO);
    ck_assert_int_eq(counts_check(&good, 10), 0);
}
END_TEST

SUITE("wordcount/count", CASE(pieces_of_every_size_give_the_same_counts),
      CASE(two_cuts_anywhere_change_nothing),
      CASE(every_byte_is_a_letter_or_a_separator_as_in_ascii),
      CASE(random_texts_agree_with_the_naive_count), CASE(one_word_may_span_many_chunks),
      CASE(the_counts_of_a_chunk_never_need_more_bytes_than_its_text),
      CASE(malformed_counts_are_refused), CASE(random_bytes_never_decode_out_of_bounds),
      CASE(a_header_that_cannot_be_is_refused))
