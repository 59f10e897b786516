/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * count.c — words of one chunk: find, count, encode; and decode again.
 *
 * Encoding    the letters of a word, the last one marked: END ends the word; without the bit
 *             0x20 (an upper-case letter, then) a number follows: how often the word occurred,
 *             in groups of seven bits, the lowest first. A word that occurred once has no
 *             number.
 *
 *             "cat" 2, "and" 1  →  c a T+END 2  a n d+END
 *
 * Bound       the counts of n bytes of text never need more than n bytes. A word of L letters
 *             that occurred k times took at least k (L + 1) bytes of the chunk: each occurrence
 *             and the separator that follows it, which exists because the tail is reported
 *             apart. Its code takes L bytes for k = 1, else L plus the groups of k, and k has
 *             at most k of them. Head and tail take what they took in the chunk. Hence
 *             bytes[CHUNK_BYTES] is enough.
 * Rejected    a length before each word: one byte too many per word, "ab cd ef …" breaks the
 *             bound
 */
#include "count.h"

#include <errno.h>
#include <stdbool.h>
#include <string.h>

enum { END = 0x80, ONCE = 0x20, GROUP = 7, MORE = 0x80 };

static bool is_letter(char c);
static size_t lower_run(char *text, size_t at, size_t end);
static int count_words(struct table *t, char *text, size_t at, size_t end);
static void encode(struct counts *out, const struct word *w);
static void put(struct counts *out, const void *bytes, size_t n);
static int decode_number(const struct counts *c, size_t *at, uint64_t *number);

int count_chunk(struct table *scratch, struct chunk *in, struct counts *out)
{
    char *text = in->text;
    size_t len = in->len;

    if (len > CHUNK_BYTES)
        return -EINVAL;
    size_t head = lower_run(text, 0, len);
    size_t tail = len;
    while (tail > head && is_letter(text[tail - 1]))
        tail--;
    lower_run(text, tail, len);

    table_clear(scratch);
    int rc = count_words(scratch, text, head, tail);
    if (rc < 0)
        return rc;
    out->number = in->number;
    out->head = (uint32_t)head;
    out->tail = (uint32_t)(len - tail);
    out->unbroken = head == len;
    out->len = out->coroutines = out->unused = 0;
    put(out, text, head);
    put(out, text + tail, len - tail);
    for (size_t i = 0; i < scratch->nwords; i++)
        encode(out, &scratch->words[i]);
    return 0;
}

int counts_check(const struct counts *c, size_t len)
{
    bool fits = c->len <= len && c->head <= c->len && c->tail <= c->len - c->head;
    bool whole = c->head == len && c->tail == 0;

    return fits && (c->unbroken != 0) == whole ? 0 : -EPROTO;
}

int counts_next(struct counts *c, size_t *at, struct counted *word)
{
    size_t start = *at ? *at : (size_t)c->head + c->tail;
    size_t i = start;

    if (start >= c->len)
        return 0;
    while (i < c->len && is_letter((char)c->bytes[i]))
        i++;
    if (i == c->len || !(c->bytes[i] & END))
        return -EPROTO;
    char last = (char)(c->bytes[i] & ~END);
    word->count = 1;
    *at = i + 1;
    if (!is_letter(last) || (!(last & ONCE) && decode_number(c, at, &word->count) < 0))
        return -EPROTO;
    c->bytes[i] = (unsigned char)(last | ONCE);
    word->text = (const char *)c->bytes + start;
    word->len = i + 1 - start;
    return 1;
}

static bool is_letter(char c)
{
    return (unsigned)((c | 0x20) - 'a') < 26;
}

/* Lower-case the letters from `at` on. Returns where the run ends. */
static size_t lower_run(char *text, size_t at, size_t end)
{
    for (; at < end && is_letter(text[at]); at++)
        text[at] |= 0x20;
    return at;
}

static int count_words(struct table *t, char *text, size_t at, size_t end)
{
    while (at < end) {
        size_t stop = lower_run(text, at, end);
        int rc = stop > at ? table_add(t, text + at, stop - at, 1) : 0;
        if (rc < 0)
            return rc;
        at = stop + 1;
    }
    return 0;
}

static void encode(struct counts *out, const struct word *w)
{
    unsigned char code[(64 + GROUP - 1) / GROUP + 1];
    size_t n = 0;
    int last = w->text[w->len - 1];

    put(out, w->text, w->len - 1);
    code[n++] = (unsigned char)((w->count == 1 ? last : last & ~ONCE) | END);
    for (uint64_t left = w->count; w->count > 1 && left; left >>= GROUP)
        code[n++] = (unsigned char)((left & (MORE - 1)) | (left >> GROUP ? MORE : 0));
    put(out, code, n);
}

/* There is room: see Bound. */
static void put(struct counts *out, const void *bytes, size_t n)
{
    memcpy(out->bytes + out->len, bytes, n);
    out->len += (uint32_t)n;
}

static int decode_number(const struct counts *c, size_t *at, uint64_t *number)
{
    uint64_t value = 0;

    for (unsigned shift = 0; shift < 64 && *at < c->len; shift += GROUP) {
        unsigned char byte = c->bytes[(*at)++];
        value |= (uint64_t)(byte & (MORE - 1)) << shift;
        if (!(byte & MORE)) {
            *number = value;
            return value ? 0 : -EPROTO;
        }
    }
    return -EPROTO;
}
