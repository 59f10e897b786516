/* SPDX-License-Identifier: BSD-3-Clause */
/* bench/series.h — the trials of one row by one implementation, and how they are told. */
#ifndef BENCH_SERIES_H
#define BENCH_SERIES_H

#include <stdio.h>

#include "bench/harness.h"
#include "bench/machine.h"
#include "bench/peers.h"

enum { RUNS_MOST = 64, SERIES_MOST = 8 };

struct series {
    const struct row *row;
    const char *impl;
    const struct peer *peer; /* NULL: measured in this process */
    double value[FIGURES_MOST][RUNS_MOST];
    int runs;
    int contended; /* of the runs: others used more than a tenth of a CPU meanwhile */
    bool absent;   /* cannot be measured here */
};

/* Where results go; either may be NULL. */
struct report {
    FILE *json, *table;
    bool progress; /* say on standard error what is being measured */
};

void report_machine(const struct report *r, const struct machine *m);
void report_series(const struct report *r, struct series *s);
void report_progress(const struct report *r, const char *name, int run, int runs);
void report_progress_end(const struct report *r);

#endif
