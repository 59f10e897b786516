/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * bench/report.c — results for programs (one JSON object a line) and for people (a table).
 *
 * docs/benchmarks/README.md describes the lines.
 */
#include <stdlib.h>
#include <string.h>

#include "bench/series.h"

static void json_string(FILE *f, const char *s)
{
    fputc('"', f);
    for (; *s; s++) {
        if (*s == '"' || *s == '\\')
            fputc('\\', f);
        if ((unsigned char)*s >= ' ')
            fputc(*s, f);
    }
    fputc('"', f);
}

static void json_member(FILE *f, const char *key, const char *value)
{
    fprintf(f, ",\"%s\":", key);
    json_string(f, value);
}

void report_machine(const struct report *r, const struct machine *m)
{
    if (r->json) {
        fprintf(r->json, "{\"machine\":{\"cores\":%ld", m->cores);
        json_member(r->json, "cpu", m->cpu);
        json_member(r->json, "kernel", m->kernel);
        json_member(r->json, "compiler", m->compiler);
        json_member(r->json, "date", m->date);
        fputs("}}\n", r->json);
    }
    if (r->table) {
        fprintf(r->table, "%s, %ld cores, %s, %s, %s\n\n", m->cpu, m->cores, m->kernel,
                m->compiler, m->date);
        fprintf(r->table, "%-30s %-8s %10s %10s %10s %-4s %4s\n", "bench", "impl", "median",
                "min", "max", "unit", "runs");
    }
}

/* Three significant digits or more, never an exponent. */
static void cell(FILE *f, double v)
{
    fprintf(f, " %10.*f", v < 9.995 && v > -9.995 ? 2 : v < 999.5 ? 1 : 0, v);
}

static void report_figure(const struct report *r, const struct series *s, int i)
{
    const struct figure *fig = &s->row->figure[i];
    double sorted[RUNS_MOST];
    char name[96];

    memcpy(sorted, s->value[i], (size_t)s->runs * sizeof *sorted);
    double median = percentile(sorted, s->runs, 0.5); // sorts
    double min = sorted[0], max = sorted[s->runs - 1];
    snprintf(name, sizeof name, "%s%s", s->row->name, fig->suffix ? fig->suffix : "");
    if (r->json) {
        fputs("{\"bench\":", r->json);
        json_string(r->json, name);
        json_member(r->json, "impl", s->impl);
        json_member(r->json, "unit", fig->unit);
        json_member(r->json, "better", strcmp(fig->unit, "k/s") ? "lower" : "higher");
        fprintf(r->json, ",\"median\":%.6g,\"min\":%.6g,\"max\":%.6g,\"runs\":%d", median, min,
                max, s->runs);
        if (s->contended)
            fprintf(r->json, ",\"contended\":%d", s->contended);
        fputs("}\n", r->json);
    }
    if (r->table) {
        fprintf(r->table, "%-30s %-8s", name, s->impl);
        cell(r->table, median);
        cell(r->table, min);
        cell(r->table, max);
        fprintf(r->table, " %-4s %4d", fig->unit, s->runs);
        if (s->contended)
            fprintf(r->table, "  %d contended", s->contended);
        fputc('\n', r->table);
    }
}

void report_series(const struct report *r, struct series *s)
{
    report_progress_end(r);
    for (int i = 0; i < FIGURES_MOST && s->row->figure[i].unit && s->runs; i++)
        report_figure(r, s, i);
    if (r->json)
        fflush(r->json);
    if (r->table)
        fflush(r->table);
}

void report_progress(const struct report *r, const char *name, int run, int runs)
{
    if (r->progress)
        fprintf(stderr, "\r\033[K%s  %d/%d", name, run, runs);
}

void report_progress_end(const struct report *r)
{
    if (r->progress)
        fputs("\r\033[K", stderr);
}
