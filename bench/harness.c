/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * bench/harness.c — one trial: warm up, measure, check.
 *
 * Each trial of a row with workers is a runtime of its own, so that no trial inherits stacks,
 * channels or sleeping threads from another. Inside it the body runs twice: a first pass of an
 * eighth of the work fills caches and makes the stacks, the second is measured.
 */
#include "bench/harness.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "bench/machine.h"

const struct figure in_ns[FIGURES_MOST] = { { "ns", NULL } };
const struct figure in_us[FIGURES_MOST] = { { "us", NULL } };
const struct figure in_ms[FIGURES_MOST] = { { "ms", NULL } };
const struct figure in_k_per_s[FIGURES_MOST] = { { "k/s", NULL } };

int64_t clock_ns(void)
{
    struct timespec ts;

    clock_gettime(CLOCK_MONOTONIC, &ts);
    return KC_S(ts.tv_sec) + ts.tv_nsec;
}

void clock_start(struct trial *t)
{
    t->began = clock_ns();
}

void clock_stop(struct trial *t)
{
    double ns = (double)(clock_ns() - t->began);
    const char *unit = t->row->figure[0].unit;

    if (!strcmp(unit, "ns"))
        t->value[0] = ns / (double)t->ops;
    else if (!strcmp(unit, "ms"))
        t->value[0] = ns / 1e6;
    else if (!strcmp(unit, "k/s"))
        t->value[0] = (double)t->ops / ns * 1e6;
}

void clock_burn(int64_t until_ns)
{
    while (clock_ns() < until_ns) {}
}

int wrong(const struct trial *t, const char *fmt, ...)
{
    va_list args;

    fprintf(stderr, "\nkcoro-bench: %s: wrong answer: ", t->row->name);
    va_start(args, fmt);
    vfprintf(stderr, fmt, args);
    va_end(args);
    fputc('\n', stderr);
    return -EBADMSG;
}

int failed(const struct trial *t, const char *what, int rc)
{
    fprintf(stderr, "\nkcoro-bench: %s: %s: %s (%d)\n", t->row->name, what, kc_strerror(rc),
            rc);
    return rc < 0 ? rc : -EIO;
}

int skipped(const struct trial *t, const char *why)
{
    fprintf(stderr, "\nkcoro-bench: %s is left out: %s\n", t->row->name, why);
    return -ENOTSUP;
}

static int both_passes(void *arg)
{
    struct trial *t = arg;
    long ops = t->ops;
    int rc = 0;

    if (!(t->row->flags & COLD)) {
        t->ops = ops / 8 ? ops / 8 : 1;
        rc = t->row->body(t);
        t->ops = ops;
    }
    return rc ? rc : t->row->body(t);
}

int trial_run(struct trial *t, const struct row *row, long ops)
{
    kc_opts_t opts = { .workers = row->workers, .seed = 1 };

    *t = (struct trial){ .row = row, .n = row->n, .ops = ops > 0 ? ops : 1 };
    machine_pin(row->workers == 1 || row->flags & PINNED);
    return row->workers ? kc_run(both_passes, t, &opts) : both_passes(t);
}

int run_each(kc_fn fn, void *first, size_t size, long n)
{
    kc_scope_t scope;
    int rc = kc_scope_open(&scope, NULL);

    if (rc)
        return rc;
    for (long i = 0; i < n && !rc; i++)
        rc = kc_spawn(NULL, fn, (char *)first + (size_t)i * size, NULL);
    if (rc)
        kc_scope_cancel(&scope, rc);
    int closed = kc_scope_close(&scope);
    return rc ? rc : closed;
}

static int ascending(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

double percentile(double *values, long n, double share)
{
    long rank = (long)(share * (double)n);

    qsort(values, (size_t)n, sizeof *values, ascending);
    return values[rank < n ? rank : n - 1];
}
