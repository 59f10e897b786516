/* SPDX-License-Identifier: BSD-3-Clause */
/* bench/peers.h — other implementations of the same work, each a program of its own. */
#ifndef BENCH_PEERS_H
#define BENCH_PEERS_H

#include "bench/harness.h"

struct peer {
    const char *impl; /* "go"; NULL behind the last */
    char program[1024];
};

/* Build them. False after saying what is missing or wrong. */
bool peers_build(void);
/* NULL before that. */
const struct peer *peers_built(void);

/* One trial. 0 and t->value; -ENOTSUP: this peer does not measure it; else it failed. */
int peer_run(const struct peer *p, struct trial *t, const struct row *row, long ops);

#endif
