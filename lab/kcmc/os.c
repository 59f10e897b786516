/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * lab/kcmc/os.c — the operating system of a model: futexes, time, memory.
 *
 * A futex compares and goes to sleep in one step with memory as it is: the kernel looks at the
 * word under a lock that each waker takes after its store. A sleep with a timeout may end at
 * any time. Models are linked with --wrap=syscall, so that arch/linux/park.c is as it ships.
 */
#include <errno.h>
#include <stdarg.h>
#include <string.h>

#include "arch/os.h"
#include "core/mem.h"
#include "lab/kcmc/state.h"

long __wrap_syscall(long nr, ...);

/* The kernel's, without its flags. */
enum { OF_OPERATION = 127, OPERATION_WAKE = 1 };

struct sleeper {
    uint32_t *word; /* NULL: awake */
    bool timed;
};

static struct sleeper sleepers[KCMC_THREADS];

static bool may_wake(void *arg)
{
    struct sleeper *s = arg;
    return !s->word || s->timed;
}

static long futex_wait(uint32_t *word, uint32_t expected, bool timed, void *site)
{
    struct sleeper *s = &sleepers[K->self];

    kcmc_point();
    if (kcmc_look((uintptr_t)word, sizeof *word, site) != expected) {
        errno = EAGAIN;
        return -1;
    }
    *s = (struct sleeper){ word, timed };
    kcmc_block(may_wake, s);
    if (!s->word)
        return 0;
    s->word = NULL;
    errno = ETIMEDOUT;
    return -1;
}

static long futex_wake(const uint32_t *word)
{
    unsigned who[KCMC_THREADS], n = 0;

    kcmc_point();
    for (unsigned t = 0; t < K->threads; t++)
        if (sleepers[t].word == word)
            who[n++] = t;
    if (n)
        sleepers[who[kcmc_choose(n)]].word = NULL;
    return n > 0;
}

long __wrap_syscall(long nr, ...)
{
    va_list args;

    (void)nr; // there is no other
    va_start(args, nr);
    uint32_t *word = va_arg(args, uint32_t *);
    int op = va_arg(args, int) & OF_OPERATION;
    uint32_t value = va_arg(args, uint32_t);
    long rc;
    if (op == OPERATION_WAKE)
        rc = futex_wake(word);
    else
        rc = futex_wait(word, value, va_arg(args, const struct timespec *) != NULL,
                        __builtin_return_address(0));
    va_end(args);
    return rc;
}

void kci_os_yield_thread(void)
{
    kcmc_wait();
}

int64_t kci_os_now(void)
{
    return 1000;
}

uint64_t kci_os_entropy(void)
{
    return 1;
}

void *kci_alloc(size_t bytes)
{
    return kcmc_alloc(bytes);
}

void *kci_zalloc(size_t bytes)
{
    return kcmc_alloc(bytes);
}

void kci_free(void *p)
{
    kcmc_free(p);
}
