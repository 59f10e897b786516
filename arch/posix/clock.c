/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * arch/posix/clock.c — monotonic time, entropy, giving up the processor.
 *
 * /dev/urandom is not in POSIX but everywhere; where it cannot be opened (out of descriptors, a
 * bare chroot), time, process and address still make seeds differ between runs.
 */
#include "arch/os.h"

#include <fcntl.h>
#include <sched.h>
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
    int fd = open("/dev/urandom", O_RDONLY | O_CLOEXEC);
    uint64_t x;
    ssize_t n = -1;

    if (fd >= 0) {
        n = read(fd, &x, sizeof x);
        (void)close(fd);
    }
    if (n == (ssize_t)sizeof x)
        return x;
    x = (uint64_t)kci_os_now() ^ (uint64_t)getpid() << 40 ^ (uint64_t)(uintptr_t)&x;
    return x * 0x9e3779b97f4a7c15u; // spread the low bits over all (2^64 / golden ratio)
}

void kci_os_yield_thread(void)
{
    (void)sched_yield();
}
