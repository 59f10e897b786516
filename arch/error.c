/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * arch/error.c — the one place where coroutine code reads errno.
 *
 * Out of line on purpose: compilers take the address of errno for constant within a function
 * and keep it across calls, but a coroutine may return from one on another thread.
 */
#include "arch/os.h"

#include <errno.h>

KCI_NOINLINE KCI_OWNER_ONLY int kci_os_error(void)
{
    return -errno;
}
