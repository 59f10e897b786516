/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * tests/explore/traces.c — prints the trace hash of each planted bug's program under each
 * strategy. The same lines come out of every compiler, every optimisation level, and both
 * libraries: traces.py compares them with traces.txt.
 */
#include <inttypes.h>
#include <stdio.h>

#include "tests/explore/bugs.h"

static int failures;

static void print_traces(const struct bug *bugs, unsigned n, const char *strategy)
{
    for (unsigned i = 0; i < n; i++) {
        kc_explore_opts_t opts = { .strategy = strategy, .seed = 42, .schedules = 20,
                                   .steps = 2000, .flags = KC_EXPLORE_QUIET };
        kc_explore_result_t res;
        int rc = kc_test_explore(bugs[i].program, NULL, &opts, &res);
        failures += rc != 0 && rc != -EFAULT;
        printf("%-10s %-24s %016" PRIx64 "\n", strategy, bugs[i].name, res.trace_hash);
    }
}

int main(void)
{
    static const char *const strategies[] = { "random", "pct", "pos", "sticky", "dfs" };

    for (int i = 0; i < 5; i++) {
        print_traces(bugs_sync, bugs_sync_count, strategies[i]);
        print_traces(bugs_chan, bugs_chan_count, strategies[i]);
        print_traces(bugs_memory, bugs_memory_count, strategies[i]);
    }
    return failures ? 1 : 0;
}
