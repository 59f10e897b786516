/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * core/env.h — the one seam for everything that is not determined by the program.
 *
 * Each runtime has one table: the real one, or a simulated one in tests. Clock, entropy and
 * system calls that wait go through it. A runtime may have a *laboratory*: then every choice of
 * the scheduler is the laboratory's. Without one the cost is a predicted branch where a
 * coroutine is left, and on slow paths.
 */
#ifndef CORE_ENV_H
#define CORE_ENV_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "arch/cpu.h"

struct msghdr;

struct kc_co;
struct kc_rt;

/* What is being chosen, beside who goes on. */
enum kci_choice {
    KCI_CHOICE_SELECT, /* which of the clauses that are left a fair select looks at next */
    KCI_CHOICE_LINK,   /* what becomes of bytes on a simulated link: lab/sim */
    KCI_CHOICE_COUNT
};

/* The coroutines that could go on, linked through their `next`, by id. */
struct kci_runnable {
    struct kc_co *head;
    unsigned n;
};

/*
 * What a laboratory answers. No lock is held when it is called. With `next` it has all turns:
 * the runtime has one worker, and each operation begins with a *point* where another coroutine
 * may go first. Without, it only hears of the points.
 */
struct kci_lab {
    /* Who goes on: `self`, or one of the set, taken out of it; NULL: nobody, it stopped the
     * runtime. self is NULL when whoever ran cannot go on; then the set is not empty. The
     * member may be NULL. */
    struct kc_co *(*next)(void *ctx, struct kci_runnable *set, struct kc_co *self);
    /* Without `next`: self is at a point. Returns whether it should yield. */
    bool (*point)(void *ctx);
    /* An answer in [0, n). May be NULL: deflt. */
    unsigned (*choose)(void *ctx, enum kci_choice what, unsigned n, unsigned deflt);
    /* With `next`, all of these: a coroutine is there; it has ended; it begins to wait; nothing
     * can ever run again. */
    void (*born)(void *ctx, struct kc_co *co);
    void (*ended)(void *ctx, struct kc_co *co);
    void (*waits)(void *ctx, struct kc_co *co);
    void (*stuck)(void *ctx);
};

struct kci_env {
    int64_t (*now)(void *ctx);
    uint64_t (*entropy)(void *ctx);
    /* As the system calls, but returning negative errno. Never block. */
    ssize_t (*read)(void *ctx, int fd, void *buf, size_t n);
    ssize_t (*write)(void *ctx, int fd, const void *buf, size_t n);
    void *ctx;
    const struct kci_lab *lab; /* NULL: none */
    void *lab_ctx;
};

static inline unsigned kci_decide(const struct kci_env *env, enum kci_choice what, unsigned n,
                                  unsigned deflt)
{
    if (KCI_LIKELY(!env->lab) || !env->lab->choose)
        return deflt;
    return env->lab->choose(env->lab_ctx, what, n, deflt);
}

#endif
