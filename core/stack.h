/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * core/stack.h — guarded stacks, many to a mapping, reused.
 *
 * A slot is [guard | usable … | top]. Slots of one size class come from slabs; a freed slot
 * goes to the class's depot and stays mapped until the pool is closed and every slot has come
 * back.
 */
#ifndef CORE_STACK_H
#define CORE_STACK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define KCI_STACK_MIN ((size_t)16 << 10)
#define KCI_STACK_DEFAULT ((size_t)64 << 10)
#define KCI_STACK_MAX ((size_t)1 << 30)

/* Class of a stack that lies in memory of the program. */
enum { KCI_STACK_GUEST = -2 };

struct kci_stack_pool;

struct kci_stack {
    unsigned char *lo;  /* lowest usable byte; the guard lies below */
    unsigned char *top; /* one past the highest, 16-byte aligned */
    unsigned valgrind_id;
    short cls;          /* size class, -1: a mapping of its own, KCI_STACK_GUEST */
    bool protects;      /* its guard costs the process mappings */
};

struct kci_stack_stats {
    uint64_t carved;    /* slots ever made */
    uint64_t unguarded; /* of these, without a guard: an overflow would go unseen */
};

int kci_stack_pool_create(struct kci_stack_pool **out);
/* No more gets. The pool frees itself once every slot has been put back. */
void kci_stack_pool_close(struct kci_stack_pool *pool);

/* At least `bytes` usable. 0; -ENOMEM; -EINVAL over KCI_STACK_MAX. Any thread. */
int kci_stack_get(struct kci_stack_pool *pool, size_t bytes, struct kci_stack *out);
/* A stack in memory of the caller, without a guard; kci_stack_unwrap when it is over. */
void kci_stack_wrap(void *memory, size_t bytes, struct kci_stack *out);
void kci_stack_unwrap(const struct kci_stack *st);
/* Nobody runs on it any more. Any thread. */
void kci_stack_put(struct kci_stack_pool *pool, const struct kci_stack *st);

/* The class that serves `bytes`; -1: none, a mapping of its own. */
int kci_stack_class(size_t bytes);
struct kci_stack_stats kci_stack_stats(struct kci_stack_pool *pool);

#endif
