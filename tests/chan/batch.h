/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * tests/chan/batch.h — one call that moves many elements, and what it came to.
 */
#ifndef TESTS_CHAN_BATCH_H
#define TESTS_CHAN_BATCH_H

#include "tests/chan/kit.h"

enum { RUN = 32, MOST = 100 }; /* RUN: as in chan/many.c, where one lock ends */

struct batch {
    kc_chan_t *ch;
    int v[MOST];
    size_t n;
    kc_deadline_t dl;
    ssize_t got;
    int next; /* what the call after it said */
};

/* 0, 1, 2 … n-1, for ch. */
static inline struct batch numbered(kc_chan_t *ch, size_t n)
{
    struct batch b = { .ch = ch, .n = n, .dl = KC_FOREVER };

    for (int i = 0; i < MOST; i++)
        b.v[i] = i;
    return b;
}

#endif
