/* SPDX-License-Identifier: BSD-3-Clause */
/* core/thread.c — a thread, unless faults are asked for. */
#include "core/thread.h"

#include "arch/fault.h"
#include "arch/os.h"

int kci_thread_start(pthread_t *out, void *(*fn)(void *), void *arg)
{
    return kci_fails(KCI_FAULT_THREAD) ? kci_os_error() : -pthread_create(out, NULL, fn, arg);
}
