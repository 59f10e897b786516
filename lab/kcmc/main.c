/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * lab/kcmc/main.c — a program of models; and the experiments of weaken.py.
 *
 *   --sites    run all, then print for each atomic operation of the code
 *                  site <address> <what> <order> <order of failure or -1>
 *   --weaken   for each line of standard input,
 *                  <address> <order> <0, or 1: that of failure> …
 *              run the models with these weaker orders at these addresses until one fails:
 *                  caught <executions> <verdict> <model>     or     survived <executions>
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lab/kcmc/state.h"

static bool as_expected(const struct kcmc_model *m, const struct kcmc_result *r)
{
    return r->verdict == m->expect && (!m->outcomes || !strcmp(m->outcomes, r->outcomes));
}

static bool run_one(const struct kcmc_model *m)
{
    struct kcmc_result r = kcmc_run(m, m->expect != KCMC_OK);
    bool good = as_expected(m, &r);

    printf("%-6s %-66s %-10s %8" PRIu64 " executions, at most %u steps", good ? "" : "FAILED",
           m->name, kcmc_verdict_name(r.verdict), r.executions, r.steps);
    if (K->bound == KCMC_UNBOUNDED)
        printf(", no bound");
    else
        printf(", %u preemptions", K->bound);
    printf(m->outcomes ? "; outcomes %s\n" : "\n", r.outcomes);
    if (!good && r.verdict == m->expect)
        printf("       expected outcomes %s\n", m->outcomes);
    (void)fflush(stdout);
    return good;
}

static bool is_chosen(const struct kcmc_model *m, int argc, char **argv)
{
    for (int i = 1; i < argc; i++)
        if (!strncmp(m->name, argv[i], strlen(argv[i])))
            return true;
    return argc < 2;
}

static int print_sites(const struct kcmc_model *models, size_t n)
{
    K->collecting = true;
    for (size_t i = 0; i < n; i++)
        if (models[i].expect == KCMC_OK && !models[i].large)
            (void)kcmc_run(&models[i], true);
    for (unsigned i = 0; i < K->nsites; i++)
        printf("site %lx %s %d %d\n", (unsigned long)K->site[i].addr, K->site[i].what,
               K->site[i].order, K->site[i].fail);
    return 0;
}

static void weaken_one(const struct kcmc_model *models, size_t n)
{
    uint64_t executions = 0;

    for (size_t i = 0; i < n; i++) {
        if (models[i].expect != KCMC_OK || models[i].large)
            continue;
        struct kcmc_result r = kcmc_run(&models[i], true);
        executions += r.executions;
        if (!as_expected(&models[i], &r)) {
            printf("caught %" PRIu64 " %s: %s\n", executions, kcmc_verdict_name(r.verdict),
                   models[i].name);
            return;
        }
    }
    printf("survived %" PRIu64 "\n", executions);
}

static int weaken(const struct kcmc_model *models, size_t n)
{
    char line[WEAK * 32];

    while (fgets(line, sizeof line, stdin)) {
        char *at = line;
        K->nweak = 0;
        for (uintptr_t site; (site = strtoul(at, &at, 16)) && K->nweak < WEAK;) {
            struct weak *w = &K->weak[K->nweak++];
            w->site = (void *)site;
            w->order = (int)strtol(at, &at, 10);
            w->is_fail = strtol(at, &at, 10);
        }
        weaken_one(models, n);
        (void)fflush(stdout);
    }
    return 0;
}

int kcmc_main(int argc, char **argv, const struct kcmc_model *models, size_t n)
{
    const char *replay = getenv("KCMC_REPLAY");
    int failed = 0;

    kcmc_init();
    if (argc > 1 && !strcmp(argv[1], "--sites"))
        return print_sites(models, n);
    if (argc > 1 && !strcmp(argv[1], "--weaken"))
        return weaken(models, n);
    for (size_t i = 0; i < n; i++) {
        if (!is_chosen(&models[i], argc, argv))
            continue;
        if (replay)
            kcmc_replay(&models[i], replay);
        else
            failed += !run_one(&models[i]);
    }
    return failed ? 1 : 0;
}
