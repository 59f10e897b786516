/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * tally.c — joins the pieces of a word that a chunk boundary cut, and sums up.
 *
 * Picture     chunk 7           chunk 8           chunk 9
 *             …the ca|          |tttttttt|        |s sat on…
 *             run = "ca"        unbroken:         head "s" ends the run: "cattttttttts"
 *                               run grows
 * Why         adding in order makes every other question small: a run has one open end, at most
 *             one file is in progress, and the answer cannot depend on who counted what when.
 * Rejected    tables that are subtracted when a file fails: the failure is rare, but the table
 *             to subtract would have to be kept just the same
 */
#include "tally.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

enum { FIRST_RUN = 256 };

static int add_text(struct tally *t, struct sum *to, struct counts *c);
static int run_grow(struct tally *t, const unsigned char *letters, size_t n);
static int run_end(struct tally *t, struct sum *to);
static int add_words(struct sum *to, struct counts *c);
static int file_end(struct tally *t, bool failed);

int tally_add(struct tally *t, const struct piece *p, struct counts *c)
{
    bool whole = p->first && p->last;
    struct sum *to = whole ? &t->total : &t->part;
    int rc = 0;

    if (p->len)
        rc = c ? counts_check(c, p->len) : -EPROTO;
    if (rc == 0 && p->len)
        rc = add_text(t, to, c);
    to->bytes += p->bytes;
    to->files += p->files;
    if (rc == 0 && p->last)
        rc = whole ? run_end(t, to) : file_end(t, p->error != 0);
    return rc;
}

void tally_fini(struct tally *t)
{
    table_fini(&t->total.words);
    table_fini(&t->part.words);
    free(t->run);
    *t = (struct tally){ 0 };
}

static int add_text(struct tally *t, struct sum *to, struct counts *c)
{
    int rc = run_grow(t, c->bytes, c->head);

    if (rc == 0 && !c->unbroken)
        rc = run_end(t, to);
    if (rc == 0)
        rc = add_words(to, c);
    if (rc == 0)
        rc = run_grow(t, c->bytes + c->head, c->tail);
    return rc;
}

static int run_grow(struct tally *t, const unsigned char *letters, size_t n)
{
    if (n > t->run_room - t->run_len) {
        size_t room = t->run_room ? t->run_room : FIRST_RUN;
        while (n > room - t->run_len && room <= SIZE_MAX / 2)
            room *= 2;
        char *run = n > room - t->run_len ? NULL : realloc(t->run, room);
        if (!run)
            return -ENOMEM;
        t->run = run;
        t->run_room = room;
    }
    if (n)
        memcpy(t->run + t->run_len, letters, n);
    t->run_len += n;
    return 0;
}

static int run_end(struct tally *t, struct sum *to)
{
    int rc = t->run_len ? table_add(&to->words, t->run, t->run_len, 1) : 0;

    if (rc == 0)
        to->nwords += t->run_len > 0;
    t->run_len = 0;
    return rc;
}

static int add_words(struct sum *to, struct counts *c)
{
    struct counted w;
    size_t at = 0;
    int rc;

    while ((rc = counts_next(c, &at, &w)) > 0) {
        rc = table_add(&to->words, w.text, w.len, w.count);
        if (rc < 0)
            break;
        to->nwords += w.count;
    }
    return rc;
}

static int file_end(struct tally *t, bool failed)
{
    struct sum *part = &t->part;
    int rc = failed ? 0 : run_end(t, part);

    if (rc == 0 && !failed)
        rc = table_merge(&t->total.words, &part->words);
    if (rc == 0 && !failed) {
        t->total.nwords += part->nwords;
        t->total.bytes += part->bytes;
        t->total.files += part->files;
    }
    t->run_len = 0;
    table_clear(&part->words);
    part->nwords = part->bytes = part->files = 0;
    return rc;
}
