/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * core/log.h — run-time logging, silent by default.
 *
 * KCORO_DEBUG=sched,ipc (or "all") switches areas on; lines go to standard error. Nothing is
 * compiled in or out: a disabled line costs one load and one branch.
 */
#ifndef CORE_LOG_H
#define CORE_LOG_H

#include "arch/cpu.h"

enum kci_log_area { KCI_LOG_SCHED = 1, KCI_LOG_CHAN = 2, KCI_LOG_IO = 4, KCI_LOG_IPC = 8 };

/* Set once, before any worker starts, by the composition root. */
extern unsigned kci_log_areas;

/* From a comma-separated list; unknown words are reported on standard error. */
void kci_log_init(const char *areas);
KCI_PRINTF(2, 3) void kci_log_line(enum kci_log_area area, const char *fmt, ...);

#define KCI_LOG(area, ...)                                                                     \
    (KCI_UNLIKELY(kci_log_areas & (area)) ? kci_log_line((area), __VA_ARGS__) : (void)0)

#endif
