/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * core/env.h — the one seam for everything that is not determined by the program.
 *
 * Each runtime has one table: the real one, or a simulated one in tests. Clock, entropy and
 * system calls that wait go through it; every scheduling choice goes through decide. A NULL
 * decide means the built-in policy, so the production cost is one predicted branch on slow
 * paths.
 */
#ifndef CORE_ENV_H
#define CORE_ENV_H

#include <stdint.h>
#include <sys/types.h>

#include "arch/cpu.h"

struct msghdr;

/* What is being chosen. `deflt` is the built-in answer. */
enum kci_choice {
    KCI_CHOICE_NEXT,   /* which runnable coroutine goes next: 0 newest, 1 oldest */
    KCI_CHOICE_SELECT, /* which of the clauses that are left a fair select looks at next */
    KCI_CHOICE_VICTIM, /* which worker to steal from */
    KCI_CHOICE_COUNT
};

struct kci_env {
    int64_t (*now)(void *ctx);
    uint64_t (*entropy)(void *ctx);
    /* NULL, or an answer in [0, n). Called with no lock held. */
    unsigned (*decide)(void *ctx, enum kci_choice what, unsigned n, unsigned deflt);
    /* As the system calls, but returning negative errno. Never block. */
    ssize_t (*read)(void *ctx, int fd, void *buf, size_t n);
    ssize_t (*write)(void *ctx, int fd, const void *buf, size_t n);
    void *ctx;
};

static inline unsigned kci_decide(const struct kci_env *env, enum kci_choice what, unsigned n,
                                  unsigned deflt)
{
    return KCI_LIKELY(!env->decide) ? deflt : env->decide(env->ctx, what, n, deflt);
}

#endif
