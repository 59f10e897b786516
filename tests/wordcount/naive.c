/* SPDX-License-Identifier: BSD-3-Clause */
/* naive.c — see naive.h. Slow and obvious on purpose. */
#include "tests/wordcount/naive.h"

#include <ctype.h>
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "examples/wordcount/count.h"

static int by_text(const void *a, const void *b)
{
    return strcmp(*(char *const *)a, *(char *const *)b);
}

static void add_word(struct naive *n, const char *text, size_t len)
{
    char *word = calloc(1, len + 1);

    if ((n->count & (n->count - 1)) == 0) // 0 or a power of two: full
        n->words = realloc(n->words, (n->count ? 2 * n->count : 1) * sizeof *n->words);
    if (!n->words || !word)
        abort();
    for (size_t i = 0; i < len; i++)
        word[i] = (char)tolower((unsigned char)text[i]);
    n->words[n->count++] = word;
}

void naive_count(struct naive *n, const char *text, size_t len)
{
    for (size_t i = 0, end; i < len; i = end + 1) {
        for (end = i; end < len && isalpha((unsigned char)text[end]);)
            end++;
        if (end > i)
            add_word(n, text + i, end - i);
    }
    if (n->count)
        qsort(n->words, n->count, sizeof *n->words, by_text);
}

void naive_fini(struct naive *n)
{
    for (size_t i = 0; i < n->count; i++)
        free(n->words[i]);
    free(n->words);
    *n = (struct naive){ 0 };
}

const char *naive_same(const struct naive *n, const struct sum *sum)
{
    size_t distinct = 0;

    if (n->count != sum->nwords)
        return "the number of words";
    for (size_t i = 0, end; i < n->count; i = end, distinct++) {
        for (end = i; end < n->count && strcmp(n->words[i], n->words[end]) == 0;)
            end++;
        const struct word *w = table_find(&sum->words, n->words[i], strlen(n->words[i]));
        if (!w || w->count != end - i)
            return n->words[i];
    }
    return distinct == sum->words.nwords ? NULL : "the number of distinct words";
}

uint64_t seed_print(void)
{
    const char *given = getenv("WORDCOUNT_SEED");
    uint64_t seed = given ? strtoull(given, NULL, 0) : (uint64_t)time(NULL);

    printf("seed %" PRIu64 " (repeat with WORDCOUNT_SEED=%" PRIu64 ")\n", seed, seed);
    fflush(stdout);
    return seed;
}

/* splitmix64 */
uint64_t seed_next(uint64_t *state)
{
    uint64_t z = *state += 0x9e3779b97f4a7c15u;
    z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9u;
    z = (z ^ z >> 27) * 0x94d049bb133111ebu;
    return z ^ z >> 31;
}

int tally_piece(struct tally *t, const struct piece *p, const char *text)
{
    struct table scratch = { 0 };
    struct chunk *in = malloc(sizeof *in);
    struct counts *out = malloc(sizeof *out);

    if (!in || !out)
        abort();
    in->number = 1;
    in->len = p->len;
    memcpy(in->text, text, p->len);
    int rc = p->len ? count_chunk(&scratch, in, out) : 0;
    if (rc == 0 && p->len && out->len > p->len)
        rc = -EOVERFLOW; // the bound of count.c
    if (rc == 0)
        rc = tally_add(t, p, out);
    table_fini(&scratch);
    free(in);
    free(out);
    return rc;
}

int tally_text(struct tally *t, const char *text, size_t len, size_t step)
{
    int rc = 0;

    for (size_t at = 0; at <= len && rc == 0; at += step) {
        size_t n = len - at < step ? len - at : step;
        struct piece p = { .len = (uint32_t)n, .bytes = n, .first = at == 0, .last = n < step };
        p.files = p.last;
        rc = tally_piece(t, &p, text + at);
    }
    return rc;
}
