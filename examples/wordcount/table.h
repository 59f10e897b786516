/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * table.h — how often each word occurred.
 *
 * A zeroed table is an empty one. Words are byte strings of any length from 1 and are copied.
 * words[0 … nwords) lists them in the order of their first occurrence; table_add may move the
 * array, the texts stay where they are until table_clear or table_fini.
 */
#ifndef WORDCOUNT_TABLE_H
#define WORDCOUNT_TABLE_H

#include <stddef.h>
#include <stdint.h>

struct word {
    const char *text; /* not terminated */
    size_t len;
    uint64_t count;
    uint32_t hash;
};

struct block; /* memory that words are copied to */

struct table {
    uint32_t *index;    /* open addressing: 0 free, else 1 + position in `words` */
    size_t index_size;  /* a power of two, or 0 */
    struct word *words; /* dense, so that clearing and listing never walk empty places */
    size_t nwords;
    size_t room;
    struct block *blocks;
};

/* table_add — count `text` another `count` times. Returns 0; -ENOMEM, nothing changed. */
int table_add(struct table *t, const char *text, size_t len, uint64_t count);

/* table_find — Returns the word, or NULL if it never occurred. */
const struct word *table_find(const struct table *t, const char *text, size_t len);

/* table_merge — add all of `from`. Returns 0; -ENOMEM, some of it was added. */
int table_merge(struct table *t, const struct table *from);

/*
 * table_top — the `k` most frequent words, the most frequent first; equal ones alphabetically.
 *
 * Returns  how many were stored in `top`: k, or all words if they are fewer
 * Cost     n log k, no allocation
 */
size_t table_top(const struct table *t, const struct word **top, size_t k);

/* table_clear — forget all words, keep a moderate amount of memory for the next ones. */
void table_clear(struct table *t);
void table_fini(struct table *t);

#endif
