/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * count.h — what travels between the coordinator and a worker: a chunk of text and its counts.
 *
 * Both are fixed-size elements of a channel. They never leave the machine, so numbers are as
 * the machine has them; the encoded words inside are bytes.
 *
 * A word that touches the beginning or the end of a chunk may go on in its neighbour. Only the
 * coordinator knows, so the worker reports these two pieces apart:
 *
 *     …he cat and the cat sa…      head "he", tail "sa", cat 2, and 1, the 1
 *     …aaaaaaaaaaaaaaaaaaaa…       unbroken: head is the whole chunk, there is no tail
 */
#ifndef WORDCOUNT_COUNT_H
#define WORDCOUNT_COUNT_H

#include <stddef.h>
#include <stdint.h>

#include "table.h"

/* The text of one chunk: with the header below the default frame limit of a connection. */
#define CHUNK_BYTES 32768u

struct chunk {
    uint64_t number;
    uint32_t len;
    uint32_t unused;
    char text[CHUNK_BYTES];
};

struct counts {
    uint64_t number;     /* the chunk's */
    uint32_t head;       /* letters at the beginning of the chunk */
    uint32_t tail;       /* letters at its end */
    uint32_t unbroken;   /* 1: the chunk has nothing but letters, all of them in head */
    uint32_t len;        /* bytes used of `bytes` */
    uint32_t coroutines; /* that the worker has started so far */
    uint32_t unused;
    unsigned char bytes[CHUNK_BYTES]; /* head, tail, encoded words */
};

/*
 * count_chunk — count the words of a chunk into `out`. Lower-cases the letters of in->text.
 *
 * `scratch` is cleared first; keeping it between calls saves allocations.
 *
 * Returns  0; -ENOMEM; -EINVAL in->len is over CHUNK_BYTES
 */
int count_chunk(struct table *scratch, struct chunk *in, struct counts *out);

/* counts_check — Returns 0 if the header makes sense for a chunk of `len` bytes; -EPROTO. */
int counts_check(const struct counts *c, size_t len);

/*
 * counts_next — decode one more word. Start with *at = 0; *word points into c->bytes.
 *
 * Returns  1 a word; 0 no more; -EPROTO malformed
 */
struct counted {
    const char *text;
    size_t len;
    uint64_t count;
};
int counts_next(struct counts *c, size_t *at, struct counted *word);

#endif
