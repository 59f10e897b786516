/* SPDX-License-Identifier: BSD-3-Clause */
/* bench/options.h — what the user asked for, and which rows that means. */
#ifndef BENCH_OPTIONS_H
#define BENCH_OPTIONS_H

#include "bench/harness.h"

struct options {
    bool quick, list, help, peers;
    const char *json;
    long divide;
    char **names; /* of rows, or their first words; none: all */
    int nnames;
};

extern const char options_help[];

/* False after saying what is wrong. */
bool options_parse(struct options *o, int argc, char **argv);

bool options_choose(const struct options *o, const struct row *row);
/* How many operations a trial of it does. */
long options_ops(const struct options *o, const struct row *row);
/* Is rows[i] the first of its name? */
bool group_leads(const struct group *g, size_t i);

#endif
