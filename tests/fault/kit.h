/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * tests/fault/kit.h — a small program, and each call in it that can fail, failing.
 *
 * A part is what one public function is for, in a few lines. It runs with the first, second, …
 * call of a kind failing until the run is untouched: that call only, and that one and all later.
 * Each time
 *
 *   - it says 0, the error that was made, or a code it has in `also`; never hangs or aborts
 *   - it succeeds when it is tried again in the same runtime and nothing fails any more
 *   - no memory, no descriptor and no mapping is left over
 */
#ifndef TESTS_FAULT_KIT_H
#define TESTS_FAULT_KIT_H

#include <kcoro/kcoro.h>
#include <stdbool.h>

#include "tests/support/suite.h"

/* What a part returns when it said 0 and had not done what it should: never allowed. */
#define KF_WRONG (-EILSEQ)

enum {
    KF_REAL = 1,   /* threads or descriptors: the real clock, and the hang is found by Check */
    KF_THREAD = 2, /* runs on a plain thread, without a runtime around it */
    KF_CALLS = 4,  /* makes system calls: they fail as well */
    KF_STARTS = 8  /* starts threads: the C library keeps a few of their stacks */
};

struct kf_part {
    const char *names; /* the public functions whose failures it is about */
    int (*fn)(void);   /* 0 or the first negative code; leaves nothing behind */
    unsigned flags;
    int also[6];       /* until 0 */
};

/* All parts, all kinds of calls. */
void kf_try(const struct kf_part *parts, size_t count);

/* Loop over memory, mappings, guards and threads only, or over system calls only. */
void kf_try_memory(const struct kf_part *part);
void kf_try_calls(const struct kf_part *part);

/* How long a part waits for what may never come: a moment while faults are made, else for
 * ever. */
kc_deadline_t kf_patience(void);

/* Descriptors that are open, lines of /proc/self/maps (0 where there is none). */
int kf_descriptors(void);
int kf_mappings(void);

#define KF_COUNT(parts) (sizeof(parts) / sizeof *(parts))
/* Return the code of a call that failed. */
#define KF_OK(call)                                                                            \
    do {                                                                                       \
        int rc_ = (int)(call);                                                                 \
        if (rc_ < 0)                                                                           \
            return rc_;                                                                        \
    } while (0)

#endif
