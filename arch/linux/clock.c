/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * arch/linux/clock.c — monotonic time, entropy, giving up the processor.
 *
 * The monotonic clock is read through the vDSO, about 20 ns. Before the kernel's generator is
 * seeded (early boot) we do not wait for it: a seed needs to differ between runs, not be
 * secret.
 */
#define _GNU_SOURCE

#include "arch/os.h"

#include <sched.h>
#include <sys/random.h>
#include <time.h>
#include <unistd.h>

int64_t kci_os_now(void)
{
    struct timespec ts;

    (void)clock_gettime(CLOCK_MONOTONIC, &ts); // cannot fail: the clock exists, ts is ours
    int64_t now = (int64_t)ts.tv_sec * 1000000000 + ts.tv_nsec;
    return now > 1 ? now : 2; // 0 and 1 mean something else in deadlines
}

uint64_t kci_os_entropy(void)
{
    uint64_t x;

    if (getrandom(&x, sizeof x, GRND_NONBLOCK) == (ssize_t)sizeof x)
        return x;
    x = (uint64_t)kci_os_now() ^ (uint64_t)getpid() << 40 ^ (uint64_t)(uintptr_t)&x;
    return x * 0x9e3779b97f4a7c15u; // spread the low bits over all (2^64 / golden ratio)
}

void kci_os_yield_thread(void)
{
    (void)sched_yield();
}
