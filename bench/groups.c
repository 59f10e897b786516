/* SPDX-License-Identifier: BSD-3-Clause */
/* bench/groups.c — the tables of rows, in the order in which they run. */
#include "bench/harness.h"

extern const struct group bench_switch, bench_yield, bench_spawn, bench_pingpong, bench_stream,
    bench_select, bench_mutex, bench_programs, bench_memory, bench_leave, bench_timers,
    bench_wake, bench_ipc;

/* Proves that a wrong answer is noticed. */
static int lie(struct trial *t)
{
    return wrong(t, "2 + 2 is %ld", t->n);
}

static const struct row self[] = {
    { "self.wrong", NULL, in_ns, lie, 0, 5, 1, ASIDE },
};
static const struct group bench_self = GROUP(self);
static const struct group no_more = { NULL, 0 };

const struct group *const bench_groups[] = {
    &bench_switch, &bench_yield,    &bench_spawn,  &bench_pingpong, &bench_stream,
    &bench_select, &bench_mutex,    &bench_programs, &bench_memory, &bench_leave,
    &bench_timers, &bench_wake,     &bench_ipc,      &bench_self,   &no_more,
};
