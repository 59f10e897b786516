/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * table.c — a hash table of words: linear probing over indices into a dense array.
 *
 * Picture     index [ . 3 . 1 2 . . . ] → words [ the, of, and ] → blocks "theofand…"
 * Invariants
 *   half      at most half of the index is in use, so a probe ends soon
 *   dense     words[0 … nwords) are all in use; nothing is ever removed singly
 * Why         the same table serves a worker, which clears it for every chunk, and the
 *             coordinator, which keeps it: a dense array makes clearing cheap and listing
 *             sequential, growing rehashes four bytes per word, and stored hashes make most
 *             comparisons one integer.
 * Rejected    chaining (a cache miss per link); a pointer per slot (twice the index); sorting
 *             all words for the top twenty (a heap of twenty is enough)
 */
#include "table.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

enum { FIRST_INDEX = 1024, KEPT_INDEX = 64 * 1024, BLOCK_BYTES = 64 * 1024 };

struct block {
    struct block *next;
    size_t used;
    size_t size;
    char bytes[];
};

static size_t probe(const struct table *t, const char *text, size_t len, uint32_t hash);
static int grow(struct table *t);
static int grow_words(struct table *t);
static int grow_index(struct table *t);
static char *keep(struct table *t, const char *text, size_t len);
static struct block *new_block(struct table *t, size_t len);
static int ranks_before(const struct word *a, const struct word *b);
static void sift_down(const struct word **heap, size_t n, size_t i);

/* FNV-1a over 64 bits, folded: its low 32 bits alone spread short words less well. */
static uint32_t hash_of(const char *text, size_t len)
{
    uint64_t h = 14695981039346656037u;
    for (size_t i = 0; i < len; i++)
        h = (h ^ (unsigned char)text[i]) * 1099511628211u;
    return (uint32_t)(h ^ h >> 32);
}

static int add_hashed(struct table *t, const char *text, size_t len, uint64_t count,
                      uint32_t hash)
{
    if (2 * (t->nwords + 1) > t->index_size || t->nwords == t->room) {
        int rc = grow(t);
        if (rc < 0)
            return rc;
    }
    size_t at = probe(t, text, len, hash);
    if (t->index[at]) {
        t->words[t->index[at] - 1].count += count;
        return 0;
    }
    const char *copy = keep(t, text, len);
    if (!copy)
        return -ENOMEM;
    t->words[t->nwords] = (struct word){ copy, len, count, hash };
    t->index[at] = (uint32_t)++t->nwords;
    return 0;
}

int table_add(struct table *t, const char *text, size_t len, uint64_t count)
{
    return add_hashed(t, text, len, count, hash_of(text, len));
}

const struct word *table_find(const struct table *t, const char *text, size_t len)
{
    if (!t->index_size)
        return NULL;
    size_t at = probe(t, text, len, hash_of(text, len));
    return t->index[at] ? &t->words[t->index[at] - 1] : NULL;
}

int table_merge(struct table *t, const struct table *from)
{
    for (size_t i = 0; i < from->nwords; i++) {
        const struct word *w = &from->words[i];
        int rc = add_hashed(t, w->text, w->len, w->count, w->hash);
        if (rc < 0)
            return rc;
    }
    return 0;
}

size_t table_top(const struct table *t, const struct word **top, size_t k)
{
    size_t n = k < t->nwords ? k : t->nwords;

    // A heap with the lowest rank at its root: the one that gives way to a better word.
    for (size_t i = 0; i < n; i++)
        top[i] = &t->words[i];
    for (size_t i = n / 2; i-- > 0;)
        sift_down(top, n, i);
    for (size_t i = n; n && i < t->nwords; i++)
        if (ranks_before(&t->words[i], top[0])) {
            top[0] = &t->words[i];
            sift_down(top, n, 0);
        }
    for (size_t left = n; left > 1;) { // heap sort: the lowest rank goes to the end
        const struct word *lowest = top[0];
        top[0] = top[--left];
        top[left] = lowest;
        sift_down(top, left, 0);
    }
    return n;
}

void table_clear(struct table *t)
{
    struct block *b = t->blocks;

    while (b && (b->next || b->size > BLOCK_BYTES)) {
        struct block *next = b->next;
        free(b);
        b = next;
    }
    if (b)
        b->used = 0;
    t->blocks = b;
    t->nwords = 0;
    if (t->index_size > KEPT_INDEX) {
        free(t->index);
        free(t->words);
        t->index = NULL;
        t->words = NULL;
        t->index_size = t->room = 0;
    } else if (t->index) {
        memset(t->index, 0, t->index_size * sizeof *t->index);
    }
}

void table_fini(struct table *t)
{
    while (t->blocks) {
        struct block *next = t->blocks->next;
        free(t->blocks);
        t->blocks = next;
    }
    free(t->index);
    free(t->words);
    *t = (struct table){ 0 };
}

/* The place of the word in the index, or the free one where it would go. */
static size_t probe(const struct table *t, const char *text, size_t len, uint32_t hash)
{
    size_t at = hash & (t->index_size - 1);

    for (; t->index[at]; at = (at + 1) & (t->index_size - 1)) {
        const struct word *w = &t->words[t->index[at] - 1];
        if (w->hash == hash && w->len == len && memcmp(w->text, text, len) == 0)
            break;
    }
    return at;
}

static int grow(struct table *t)
{
    int rc = t->nwords == t->room ? grow_words(t) : 0;
    if (rc == 0 && 2 * (t->nwords + 1) > t->index_size)
        rc = grow_index(t);
    return rc;
}

static int grow_words(struct table *t)
{
    size_t room = t->room ? 2 * t->room : FIRST_INDEX / 2;
    if (room >= UINT32_MAX || room > SIZE_MAX / sizeof *t->words)
        return -ENOMEM;
    struct word *words = realloc(t->words, room * sizeof *words);
    if (!words)
        return -ENOMEM;
    t->words = words;
    t->room = room;
    return 0;
}

static int grow_index(struct table *t)
{
    size_t size = t->index_size ? 2 * t->index_size : FIRST_INDEX;
    uint32_t *index = calloc(size, sizeof *index);
    if (!index)
        return -ENOMEM;
    for (size_t i = 0; i < t->nwords; i++) {
        size_t at = t->words[i].hash & (size - 1);
        while (index[at])
            at = (at + 1) & (size - 1);
        index[at] = (uint32_t)(i + 1);
    }
    free(t->index);
    t->index = index;
    t->index_size = size;
    return 0;
}

/* Copy the text to memory that stays; NULL without memory. */
static char *keep(struct table *t, const char *text, size_t len)
{
    struct block *b = t->blocks;

    if (!b || b->size - b->used < len) {
        b = new_block(t, len);
        if (!b)
            return NULL;
    }
    char *copy = memcpy(b->bytes + b->used, text, len);
    b->used += len;
    return copy;
}

static struct block *new_block(struct table *t, size_t len)
{
    size_t size = len > BLOCK_BYTES ? len : BLOCK_BYTES;
    if (size > SIZE_MAX - sizeof(struct block))
        return NULL;
    struct block *b = malloc(sizeof *b + size);
    if (!b)
        return NULL;
    *b = (struct block){ .next = t->blocks, .size = size };
    t->blocks = b;
    return b;
}

static int ranks_before(const struct word *a, const struct word *b)
{
    if (a->count != b->count)
        return a->count > b->count;
    int order = memcmp(a->text, b->text, a->len < b->len ? a->len : b->len);
    return order ? order < 0 : a->len < b->len;
}

static void sift_down(const struct word **heap, size_t n, size_t i)
{
    for (size_t child; (child = 2 * i + 1) < n; i = child) {
        if (child + 1 < n && ranks_before(heap[child], heap[child + 1]))
            child++;
        if (ranks_before(heap[child], heap[i]))
            return;
        const struct word *moved = heap[i];
        heap[i] = heap[child];
        heap[child] = moved;
    }
}
