/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * bench/yield.c — N coroutines let each other run, round and round.
 *
 * With few the cost is instructions; with 100,000 it is the memory that each one touches.
 */
#include "bench/crowd.h"
#include "bench/harness.h"

struct ring {
    struct crowd crowd;
    struct trial *t;
    long n, rounds;
    atomic_long under_way, done;
};

/* The clock runs from when the first one is under way until the last one is done. */
static int go_round(void *arg)
{
    struct ring *r = arg;
    int rc = crowd_enter(&r->crowd);

    if (rc)
        return rc;
    if (atomic_fetch_add(&r->under_way, 1) == 0)
        clock_start(r->t);
    for (long i = 0; i < r->rounds; i++)
        kc_yield();
    if (atomic_fetch_add(&r->done, 1) == r->n - 1)
        clock_stop(r->t);
    return 0;
}

static int yield(struct trial *t)
{
    struct ring r = { .t = t, .n = t->n < t->ops ? t->n : t->ops };

    r.rounds = t->ops / r.n;
    t->ops = r.rounds * r.n;
    int rc = crowd_gather(&r.crowd, go_round, &r, r.n);
    if (rc || (rc = crowd_release(&r.crowd)))
        return failed(t, "a ring of coroutines", rc);
    return r.done == r.n ? 0 : wrong(t, "%ld of %ld came round", (long)r.done, r.n);
}

static const struct row rows[] = {
    { "yield.2.w1", NULL, in_ns, yield, 1, 2, 8000000, 0 },
    { "yield.1000.w1", NULL, in_ns, yield, 1, 1000, 8000000, 0 },
    { "yield.1000.w2", NULL, in_ns, yield, 2, 1000, 4000000, 0 },
    { "yield.100000.w1", NULL, in_ns, yield, 1, 100000, 4000000, 0 },
};
const struct group bench_yield = GROUP(rows);
