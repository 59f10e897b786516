/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * sched/results.h — what ended children said, in the order in which they ended.
 *
 *     if (!kci_results_reserve(q))            when a child begins: memory may be refused there
 *         kci_results_add(q, kci_results_block(q));
 *     kci_results_put(q, id, ret);            when it ends: that cannot fail
 *     got = kci_results_take(q, &r, &block);  when somebody asks; free block outside the lock
 *
 * All under the lock of whoever embeds it, except making and freeing blocks.
 */
#ifndef SCHED_RESULTS_H
#define SCHED_RESULTS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct kci_result {
    uint64_t id;
    int ret;
};

/* Filled from 0 to put, emptied from 0 to taken. */
struct kci_results_block {
    struct kci_results_block *next;
    unsigned cap, put, taken;
    struct kci_result at[];
};

/* Zero is empty. */
struct kci_results {
    struct kci_results_block *head; /* the oldest; all before `in` are full */
    struct kci_results_block *in;   /* being filled; those behind it are empty */
    struct kci_results_block *tail;
    size_t room;                    /* free places, from `in` on */
    size_t reserved;                /* of these, promised */
};

/* Promise one place. False: there is none, add a block first. */
bool kci_results_reserve(struct kci_results *q);
/* Not locked: memory for more places; NULL: none. */
struct kci_results_block *kci_results_block(bool first);
void kci_results_add(struct kci_results *q, struct kci_results_block *b);
/* Give a promised place back. */
void kci_results_unreserve(struct kci_results *q);
/* Use a promised place. */
void kci_results_put(struct kci_results *q, uint64_t id, int ret);
/* The oldest. False: none. *spent is for kci_free, outside the lock. */
bool kci_results_take(struct kci_results *q, struct kci_result *out,
                      struct kci_results_block **spent);
/* All blocks, at the end. */
void kci_results_free(struct kci_results *q);

#endif
