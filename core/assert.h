/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * core/assert.h — three kinds of trouble that are not results.
 *
 * KCI_ASSERT: an invariant of ours does not hold: corruption. Cheap ones stay in all builds.
 * KCI_MISUSE: the program broke a rule that has no result code. Both end the process with a
 * line that says what and where.
 */
#ifndef CORE_ASSERT_H
#define CORE_ASSERT_H

#include "arch/cpu.h"

KCI_NORETURN void kci_panic(const char *kind, const char *what, const char *file, int line);

#define KCI_ASSERT(x)                                                                          \
    (KCI_LIKELY(x) ? (void)0 : kci_panic("invariant broken", #x, __FILE__, __LINE__))
#define KCI_MISUSE(what) kci_panic("misuse", (what), __FILE__, __LINE__)

#endif
