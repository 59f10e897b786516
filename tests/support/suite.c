/* SPDX-License-Identifier: BSD-3-Clause */
/* tests/support/suite.c — picks the named cases and hands them to Check. */
#include "tests/support/suite.h"

#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* In a laboratory there is one worker however many are asked for. */
static int loops(const struct kt_case *c)
{
    const char *sched = getenv("KCORO_SCHED");
    bool explored = sched && !strcmp(sched, "explore");
    return c->loops == 0 || (explored && c->loops == KT_WORKERS) ? 1 : c->loops;
}

static void add(Suite *suite, const struct kt_case *c)
{
    TCase *tcase = tcase_create(c->name);

    suite_add_tcase(suite, tcase);
    if (c->signal)
        tcase_add_test_raise_signal(tcase, *c->test, c->signal);
    else
        tcase_add_loop_test(tcase, *c->test, 0, loops(c));
}

static const struct kt_case *find(const struct kt_case *cases, size_t count, const char *name)
{
    for (size_t i = 0; i < count; i++)
        if (strcmp(cases[i].name, name) == 0)
            return &cases[i];
    return NULL;
}

static int list(const struct kt_case *cases, size_t count)
{
    for (size_t i = 0; i < count; i++)
        puts(cases[i].name);
    return EXIT_SUCCESS;
}

/* The build finds cases by reading START_TEST at the start of a line. What it did not find, a
 * macro's for one, ctest would never run. */
static bool build_missed_some(size_t count)
{
    const char *known = getenv("KT_CASES");

    return known && strtoul(known, NULL, 10) != count;
}

static int run(Suite *suite)
{
    SRunner *runner = srunner_create(suite);

    srunner_run_all(runner, CK_ENV);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}

int kt_workers(int i)
{
    return KT_WORKERS == 1 ? 2 : 1 << i;
}

int kt_main(const char *title, const struct kt_case *cases, size_t count, int argc,
            char **argv)
{
    if (argc == 2 && strcmp(argv[1], "--list") == 0)
        return list(cases, count);
    if (build_missed_some(count)) {
        fprintf(stderr, "%s: has %zu cases, ctest knows %s: each CASE needs a START_TEST(name) "
                "at the start of a line\n", title, count, getenv("KT_CASES"));
        return 2;
    }
    for (int i = 1; i < argc; i++)
        if (!find(cases, count, argv[i])) {
            fprintf(stderr, "%s: no case named %s; --list shows them\n", title, argv[i]);
            return 2;
        }

    Suite *suite = suite_create(title);
    for (size_t i = 0; argc == 1 && i < count; i++)
        add(suite, &cases[i]);
    for (int i = 1; i < argc; i++)
        add(suite, find(cases, count, argv[i]));
    return run(suite);
}
