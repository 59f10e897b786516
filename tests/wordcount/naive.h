/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * naive.h — words counted the plain way, to compare with: cut out every word, sort, count equal
 * neighbours. And small helpers of the tests in this folder.
 */
#ifndef TESTS_WORDCOUNT_NAIVE_H
#define TESTS_WORDCOUNT_NAIVE_H

#include <stddef.h>
#include <stdint.h>

#include "examples/wordcount/table.h"
#include "examples/wordcount/tally.h"

struct naive {
    char **words; /* sorted, one per occurrence */
    size_t count;
};

void naive_count(struct naive *n, const char *text, size_t len);
void naive_fini(struct naive *n);

/* naive_same — Returns NULL if the sum says the same, else what differs. */
const char *naive_same(const struct naive *n, const struct sum *sum);

/* A generator with a printed seed: WORDCOUNT_SEED, or one from the clock. */
uint64_t seed_print(void);
uint64_t seed_next(uint64_t *state);

/* tally_text — count `text` in pieces of `step` bytes. Returns the first error, or 0. */
int tally_text(struct tally *t, const char *text, size_t len, size_t step);

/* tally_piece — count one piece as a worker would and add it. */
int tally_piece(struct tally *t, const struct piece *p, const char *text);

#endif
