/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * arch/linux/cpus.c — processors this process may use: its affinity, within its quota.
 *
 * More workers than the quota pays for would only be throttled, all of them at once, for the
 * rest of each period. A quota of 1.5 gives 2: rounding down would leave paid time unused.
 */
#define _GNU_SOURCE

#include "arch/linux/cgroup.h"
#include "arch/os.h"

#include <sched.h>

static unsigned affinity_cpus(void)
{
    cpu_set_t set[8192 / CPU_SETSIZE]; // the most a kernel can be built for

    if (sched_getaffinity(0, sizeof set, set) != 0)
        return 1;
    int n = CPU_COUNT_S(sizeof set, set);
    return n > 0 ? (unsigned)n : 1;
}

unsigned kci_os_cpus(void)
{
    unsigned n = affinity_cpus();
    unsigned quota = kci_cgroup_cpus("");

    return quota && quota < n ? quota : n;
}
