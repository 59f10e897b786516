/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * source.h — the bytes of all files as a sequence of chunks.
 *
 * Small files are packed into one chunk; a file that does not fit begins a chunk of its own and
 * takes as many as it needs. At most one file is open and at most one chunk is read ahead.
 */
#ifndef WORDCOUNT_SOURCE_H
#define WORDCOUNT_SOURCE_H

#include <stdbool.h>
#include <stddef.h>

#include "count.h"
#include "files.h"
#include "tally.h"

struct source {
    const struct files *files;
    size_t next;   /* the file to open next, or the one being read */
    int fd;        /* of the file whose pieces are being read, or -1 */
    bool begun;    /* a piece of it was handed out */
    size_t nahead; /* bytes read, not handed out */
    char ahead[CHUNK_BYTES];
};

/* source_init — borrows `files` until source_fini. */
void source_init(struct source *s, const struct files *files);

/*
 * source_read — the next chunk: its text to `text` (CHUNK_BYTES long), the rest to `p`. Blocks.
 *
 * A piece may be without text: the end of a file, or nothing but an error.
 *
 * Returns  1 a chunk; 0 no more
 */
int source_read(struct source *s, struct piece *p, char *text);
/* source_fini — close what is open; nothing to do for a zeroed source. */
void source_fini(struct source *s);

#endif
