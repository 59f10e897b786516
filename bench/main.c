/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * bench/main.c — kcoro-bench: choose rows, run their trials interleaved, tell the results.
 *
 * Rows of one name (ours, the floor, the peers) take turns, trial by trial, so that whatever
 * else the machine does meets all of them.
 *
 * Exit status 0 all measured; 1 a wrong answer, or something failed; 2 bad options.
 */
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "bench/ipc.h"
#include "bench/options.h"
#include "bench/series.h"

enum { BAD_USAGE = 2, RUNS_QUICK = 3, RUNS_FULL = 7 };

static void list(const struct options *o)
{
    for (const struct group *const *g = bench_groups; (*g)->rows; g++)
        for (size_t i = 0; i < (*g)->count; i++)
            if (group_leads(*g, i) && options_choose(o, &(*g)->rows[i]))
                puts((*g)->rows[i].name);
}

static int run_once(const struct options *o, struct series *s)
{
    struct trial t;
    long ops = options_ops(o, s->row);
    int64_t foreign = machine_foreign_ns(), began = clock_ns();
    int rc = s->peer ? peer_run(s->peer, &t, s->row, ops) : trial_run(&t, s->row, ops);

    if (rc == -ENOTSUP) {
        s->absent = true;
        return 0;
    }
    if (rc)
        return rc;
    // Both are counted in ticks of 10 ms: two or more, and a tenth of the time.
    foreign = machine_foreign_ns() - foreign;
    if (foreign >= KC_MS(20) && foreign * 10 > clock_ns() - began)
        s->contended++;
    for (int i = 0; i < FIGURES_MOST; i++)
        s->value[i][s->runs] = t.value[i];
    s->runs++;
    return 0;
}

/* All rows named as row i, and the peers, which do what row i says. */
static int gather(const struct group *g, size_t i, struct series *out)
{
    int n = 0;

    for (size_t k = i; k < g->count && n < SERIES_MOST; k++) {
        const struct row *row = &g->rows[k];
        if (!strcmp(row->name, g->rows[i].name))
            out[n++] = (struct series){ .row = row, .impl = row->impl ? row->impl : "kcoro" };
    }
    for (const struct peer *p = peers_built(); p && p->impl && n < SERIES_MOST; p++)
        out[n++] = (struct series){ .row = &g->rows[i], .impl = p->impl, .peer = p };
    return n;
}

static int measure(const struct options *o, const struct report *r, const struct group *g,
                   size_t i)
{
    static struct series all[SERIES_MOST];
    int n = gather(g, i, all), runs = o->quick ? RUNS_QUICK : RUNS_FULL;

    for (int run = 0; run < runs; run++) {
        report_progress(r, g->rows[i].name, run + 1, runs);
        for (int k = 0; k < n; k++) {
            int rc = all[k].absent ? 0 : run_once(o, &all[k]);
            if (rc)
                return rc;
        }
    }
    for (int k = 0; k < n; k++)
        report_series(r, &all[k]);
    return 0;
}

static int measure_all(const struct options *o, const struct report *r)
{
    struct machine m;
    int rc = 0;

    machine_describe(&m);
    report_machine(r, &m);
    for (const struct group *const *g = bench_groups; (*g)->rows && !rc; g++)
        for (size_t i = 0; i < (*g)->count && !rc; i++)
            if (group_leads(*g, i) && options_choose(o, &(*g)->rows[i]))
                rc = measure(o, r, *g, i);
    return rc;
}

static int run(const struct options *o)
{
    bool only_json = o->json && !strcmp(o->json, "-");
    struct report r = { .table = only_json ? NULL : stdout, .progress = isatty(STDERR_FILENO) };

    if (o->json)
        r.json = only_json ? stdout : fopen(o->json, "w");
    if (o->json && !r.json) {
        fprintf(stderr, "kcoro-bench: cannot write %s: %s\n", o->json, kc_strerror(-errno));
        return EXIT_FAILURE;
    }
    int rc = measure_all(o, &r);
    if (r.json && fclose(r.json) != 0) {
        fprintf(stderr, "kcoro-bench: writing %s failed\n", o->json);
        rc = -EIO;
    }
    return rc ? EXIT_FAILURE : EXIT_SUCCESS;
}

int main(int argc, char **argv)
{
    struct options o;

    if (argc > 1 && !strcmp(argv[1], SERVE_OPTION))
        return serve_main(argc, argv);
    if (!options_parse(&o, argc, argv))
        return BAD_USAGE;
    if (o.help) {
        fputs(options_help, stdout);
        return EXIT_SUCCESS;
    }
    if (o.list) {
        list(&o);
        return EXIT_SUCCESS;
    }
    if (o.peers && !peers_build())
        return EXIT_FAILURE;
    return run(&o);
}
