/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * tests/explore/bugs.h — planted bugs: small programs, each wrong in one known way, and how
 * many schedules the explorer may take to find it.
 */
#ifndef TESTS_EXPLORE_BUGS_H
#define TESTS_EXPLORE_BUGS_H

#include <kcoro/kcoro.h>

struct bug {
    const char *name;
    kc_fn program;
    unsigned within; /* schedules, portfolio, seed 1 */
    const char *why; /* what the explorer has to say, in part */
};

extern const struct bug bugs_sync[], bugs_chan[], bugs_memory[];
extern const unsigned bugs_sync_count, bugs_chan_count, bugs_memory_count;

/* Run fns[0 … n) at the same time; the first negative result, or 0. */
int bugs_together(const kc_fn *fns, int n, void *arg);
/* For calls that cannot fail here. */
void bugs_must(int rc);

#endif
