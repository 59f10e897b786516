/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * bench/harness.h — rows, and the trials that fill them.
 *
 * A row names what is measured and the function that does it once. The other files hold tables
 * of rows; groups.c lists the tables; nothing else has to know a new one.
 *
 *     static int ring(struct trial *t)
 *     {
 *         …set up…
 *         clock_start(t);
 *         …do t->ops operations…
 *         clock_stop(t);
 *         return sum == expected ? 0 : wrong(t, "sum %ld", sum);
 *     }
 *     static const struct row rows[] = {
 *         { "ring.w1", NULL, in_ns, ring, 1, 2, 1000000, 0 },
 *     };
 *     const struct group bench_ring = GROUP(rows);
 */
#ifndef BENCH_HARNESS_H
#define BENCH_HARNESS_H

#include <kcoro/kcoro.h>
#include <stdbool.h>

enum { FIGURES_MOST = 2 };

/* One number that a trial yields. The unit says how clock_stop fills it ("ns": per operation,
 * "ms": in all, "k/s": thousands of operations a second) and which way is better. */
struct figure {
    const char *unit;
    const char *suffix; /* behind the row's name; NULL: none */
};
extern const struct figure in_ns[FIGURES_MOST], in_us[FIGURES_MOST], in_ms[FIGURES_MOST],
    in_k_per_s[FIGURES_MOST];

/* COLD: no warm-up pass before the measured one; the first time is what counts.
 * PINNED: on one CPU, like every row with one worker. WHOLE: not shortened by --quick.
 * ASIDE: runs only when asked for by name. */
enum { COLD = 1, PINNED = 2, WHOLE = 4, QUICK_ONLY = 8, FULL_ONLY = 16, ASIDE = 32 };

struct trial;

struct row {
    const char *name;            /* several rows may share one: their trials are interleaved */
    const char *impl;            /* NULL: "kcoro" */
    const struct figure *figure; /* FIGURES_MOST of them, unused ones without a unit */
    /* Once: 0, or what wrong() or failed() returned. In a coroutine if workers > 0. */
    int (*body)(struct trial *t);
    int workers;
    long n;   /* the body's own: coroutines, clauses, in flight … */
    long ops; /* operations of a full-size trial */
    unsigned flags;
};

/* One call of a body. */
struct trial {
    const struct row *row;
    long n, ops;
    int64_t began;
    double value[FIGURES_MOST]; /* the first is set by clock_stop; a body may set any */
};

struct group {
    const struct row *rows;
    size_t count;
};
#define GROUP(rows)                                                                            \
    {                                                                                          \
        rows, sizeof rows / sizeof rows[0]                                                     \
    }

/* Ends with a group without rows. */
extern const struct group *const bench_groups[];

/* Monotonic nanoseconds; not kc_now, so that no setting of kcoro's can fool it. */
int64_t clock_ns(void);
void clock_start(struct trial *t);
void clock_stop(struct trial *t);
/* Keep this thread's CPU busy until that moment, without calling anything of kcoro. */
void clock_burn(int64_t until_ns);

/* A trial that failed; both print and return a negative number for the body to return. */
int wrong(const struct trial *t, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
int failed(const struct trial *t, const char *what, int rc);
/* This machine cannot do it: says so, and the row is left out. */
int skipped(const struct trial *t, const char *why);

/* Warm up, then measure `ops` operations: 0 and t->value, or the body's result. */
int trial_run(struct trial *t, const struct row *row, long ops);

/* Start fn(first), fn(first + size) … n times in a scope of their own, wait for all. */
int run_each(kc_fn fn, void *first, size_t size, long n);

/* A small generator, so that every run makes the same choices. xorshift64, Marsaglia 2003. */
static inline uint64_t next_random(uint64_t *state)
{
    *state ^= *state << 13;
    *state ^= *state >> 7;
    return *state ^= *state << 17;
}

/* The value below which a share of `n` numbers lies; sorts them. */
double percentile(double *values, long n, double share);

#endif
