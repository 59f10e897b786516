/* SPDX-License-Identifier: BSD-3-Clause */
/* bench/options.c — the command line of kcoro-bench. */
#include "bench/options.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

const char options_help[] =
    "usage: kcoro-bench [OPTION]... [NAME]...\n"
    "\n"
    "Measure kcoro. A NAME is a row, or its first words: yield, yield.1000, yield.1000.w1.\n"
    "\n"
    "  --list       print the names\n"
    "  --quick      a quarter of the work, 3 trials instead of 7: half a minute\n"
    "  --peers      measure other implementations beside ours (needs golang-go)\n"
    "  --json FILE  also write results to FILE, one JSON object a line; -: nothing but these\n"
    "  --divide N   do 1/N of the work; to try the benchmarks themselves\n"
    "  --help       print this\n"
    "\n"
    "impl: kcoro; floor, the least the machine can do; pthread, go, the same work by others.\n"
    "'contended' counts trials during which other programs used the CPUs.\n";

static bool usage_error(const char *what, const char *arg)
{
    fprintf(stderr, "kcoro-bench: %s '%s'; --help says more\n", what, arg);
    return false;
}

static bool parse_value(struct options *o, const char *name, const char *value)
{
    char *end;

    if (!value)
        return usage_error("no value for", name);
    if (!strcmp(name, "--json")) {
        o->json = value;
        return true;
    }
    o->divide = strtol(value, &end, 10);
    return (!*end && o->divide > 0) || usage_error("not a positive number:", value);
}

static bool parse(struct options *o, int argc, char **argv)
{
    *o = (struct options){ .divide = 1 };
    o->names = argv; // overwritten from the front, never past what was read
    for (int i = 1; i < argc; i++) {
        const char *a = argv[i];
        if (!strcmp(a, "--json") || !strcmp(a, "--divide")) {
            if (!parse_value(o, a, ++i < argc ? argv[i] : NULL))
                return false;
        } else if (!strcmp(a, "--quick")) {
            o->quick = true;
        } else if (!strcmp(a, "--list")) {
            o->list = true;
        } else if (!strcmp(a, "--peers")) {
            o->peers = true;
        } else if (!strcmp(a, "--help")) {
            o->help = true;
        } else if (a[0] == '-') {
            return usage_error("unknown option", a);
        } else {
            o->names[o->nnames++] = argv[i];
        }
    }
    return true;
}

/* ---- choosing ---- */

/* Is `name` the row's, or its first words, cut at a dot? */
static bool names(const char *name, const struct row *row)
{
    size_t n = strlen(name);
    return !strncmp(row->name, name, n) && (!row->name[n] || row->name[n] == '.');
}

bool options_choose(const struct options *o, const struct row *row)
{
    if (row->flags & (o->quick ? FULL_ONLY : QUICK_ONLY))
        return false;
    for (int i = 0; i < o->nnames; i++)
        if (names(o->names[i], row))
            return !(row->flags & ASIDE) || !strcmp(row->name, o->names[i]);
    return !o->nnames && !(row->flags & ASIDE);
}

bool group_leads(const struct group *g, size_t i)
{
    for (size_t k = 0; k < i; k++)
        if (!strcmp(g->rows[k].name, g->rows[i].name))
            return false;
    return true;
}

static bool all_known(const struct options *o)
{
    for (int i = 0; i < o->nnames; i++) {
        struct options one = *o;
        bool found = false;
        one.names = &o->names[i];
        one.nnames = 1;
        for (const struct group *const *g = bench_groups; (*g)->rows; g++)
            for (size_t k = 0; k < (*g)->count; k++)
                found = found || options_choose(&one, &(*g)->rows[k]);
        if (!found)
            return usage_error("no row begins with", o->names[i]);
    }
    return true;
}

long options_ops(const struct options *o, const struct row *row)
{
    long ops = o->quick && !(row->flags & WHOLE) ? row->ops / 4 : row->ops;

    ops /= o->divide;
    return ops ? ops : 1;
}

bool options_parse(struct options *o, int argc, char **argv)
{
    return parse(o, argc, argv) && all_known(o);
}
