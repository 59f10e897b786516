/* SPDX-License-Identifier: BSD-3-Clause */
/* arch/posix/symbol.c — POSIX knows neither stacks nor symbols. */
#include "arch/os.h"

int kci_os_backtrace(void **pcs, int most)
{
    (void)pcs, (void)most;
    return 0;
}

bool kci_os_symbol(const void *address, struct kci_symbol *out)
{
    (void)address, (void)out;
    return false;
}
