/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * tally.h — the answer, put together from the counts of the chunks in their order.
 *
 * A chunk is either a piece of one file or a pack: some small files, whole, with a separator
 * between any two. The words of a file enter the totals when its last piece does, so that a
 * file that fails half-way leaves no trace. Besides the totals there is only the state of one
 * file: its table, and the run of letters that is still open.
 */
#ifndef WORDCOUNT_TALLY_H
#define WORDCOUNT_TALLY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "count.h"
#include "table.h"

/* What the reader of a chunk knows about it. */
struct piece {
    uint32_t len;   /* bytes of text */
    uint32_t files; /* files that end in this chunk, and were read whole */
    uint64_t bytes; /* bytes of the files in it: len without separators */
    bool first;     /* nothing before this chunk belongs to its first file */
    bool last;      /* nothing behind it belongs to its last file */
    int error;      /* 0, or why file number `failed` could not be read (to its end) */
    size_t failed;
};

struct sum {
    struct table words;
    uint64_t nwords; /* occurrences */
    uint64_t bytes;
    uint64_t files;
};

/* Zeroed: empty. */
struct tally {
    struct sum total;
    struct sum part; /* of the file in progress */
    char *run;       /* letters at the end of the chunk before */
    size_t run_len;
    size_t run_room;
};

/*
 * tally_add — add the next chunk. `c` may be NULL if the piece has no text. Decodes in place.
 *
 * Returns  0; -ENOMEM; -EPROTO the counts are malformed. After an error the tally is of no use
 */
int tally_add(struct tally *t, const struct piece *p, struct counts *c);
void tally_fini(struct tally *t);

#endif
