/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * bench/timers.c — 100,000 coroutines sleep, each for a random time of up to a second.
 *
 * All are made first and released together. What counts is CPU time used by the whole process,
 * and how late the slowest hundredth woke. Waking early is a wrong answer.
 */
#include <stdlib.h>

#include "bench/crowd.h"
#include "bench/harness.h"
#include "bench/machine.h"

struct dormitory {
    struct crowd crowd;
    int64_t released;
    atomic_long beds; /* taken so far */
    int64_t *wake_at; /* after `released`; one for each bed */
    double *late_ms;
};

static int sleep_once(void *arg)
{
    struct dormitory *d = arg;
    int rc = crowd_enter(&d->crowd);
    long bed = atomic_fetch_add(&d->beds, 1);
    int64_t at = d->released + d->wake_at[bed];

    if (rc || (rc = kc_sleep_until(kc_at(at))))
        return rc;
    d->late_ms[bed] = (double)(kc_now() - at) / 1e6;
    return 0;
}

/* A second for the full number, less for fewer: they fall as densely. */
static void draw_times(struct dormitory *d, long n)
{
    uint64_t seed = 88172645463325252u;

    for (long i = 0; i < n; i++)
        d->wake_at[i] = (int64_t)(next_random(&seed) % ((uint64_t)n * 10000));
}

static int sleep_all(struct trial *t, struct dormitory *d)
{
    draw_times(d, t->ops);
    int rc = crowd_gather(&d->crowd, sleep_once, d, t->ops);
    if (rc)
        return failed(t, "a crowd", rc);
    int64_t cpu = machine_cpu_ns();
    d->released = kc_now();
    if ((rc = crowd_release(&d->crowd)))
        return failed(t, "a sleeping crowd", rc);
    t->value[0] = (double)(machine_cpu_ns() - cpu) / 1e6;
    t->value[1] = percentile(d->late_ms, t->ops, 0.99);
    return d->late_ms[0] >= 0 ? 0 : wrong(t, "one woke %g ms early", -d->late_ms[0]);
}

static int timers(struct trial *t)
{
    struct dormitory d = { .wake_at = calloc((size_t)t->ops, sizeof *d.wake_at),
                           .late_ms = calloc((size_t)t->ops, sizeof *d.late_ms) };
    int rc = d.wake_at && d.late_ms ? sleep_all(t, &d) : failed(t, "calloc", -ENOMEM);

    free(d.wake_at);
    free(d.late_ms);
    return rc;
}

static const struct figure cost[FIGURES_MOST] = { { "ms", ".cpu_ms" }, { "ms", ".late_p99" } };

static const struct row rows[] = {
    { "timers.100k.w1", NULL, cost, timers, 1, 0, 100000, WHOLE | COLD },
    { "timers.100k.w2", NULL, cost, timers, 2, 0, 100000, WHOLE | COLD },
};
const struct group bench_timers = GROUP(rows);
