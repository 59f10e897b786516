/* SPDX-License-Identifier: BSD-3-Clause */
/* arch/posix/cpus.c — processors that are on. POSIX knows neither affinity nor quotas. */
#include "arch/os.h"

#include <unistd.h>

unsigned kci_os_cpus(void)
{
#ifdef _SC_NPROCESSORS_ONLN
    long n = sysconf(_SC_NPROCESSORS_ONLN);
#else
    long n = 1;
#endif
    return n > 0 ? (unsigned)n : 1;
}
