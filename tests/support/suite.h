/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * tests/support/suite.h — a Check program whose cases can be run one at a time.
 *
 *     #include "tests/support/suite.h"
 *     START_TEST(closing_wakes_every_waiting_receiver)
 *     {
 *         ck_assert_int_eq(kc_chan_close(ch), 0);
 *     }
 *     END_TEST
 *     SUITE("chan/close", CASE(closing_wakes_every_waiting_receiver))
 *
 * Without arguments the program runs all its cases, else the named ones; --list prints the
 * names. A START_TEST that no CASE names is an unused variable, so it does not compile.
 */
#ifndef TESTS_SUPPORT_SUITE_H
#define TESTS_SUPPORT_SUITE_H

#include <check.h>
#include <stddef.h>

/* On how many numbers of workers a case runs that loops over them, and the i-th of these
 * numbers: 1, 2, 4. Valgrind runs one thread at a time and is slow: two must do. */
#ifdef KCI_VALGRIND
enum { KT_WORKERS = 1 };
#else
enum { KT_WORKERS = 3 };
#endif
int kt_workers(int i);

struct kt_case {
    const char *name;
    const TTest *const *test;
    int loops;  /* how often, with _i = 0, 1, …; 0: once */
    int signal; /* that must end it; 0: none */
};

#define CASE(test) { #test, &test, 0, 0 }
#define CASE_LOOP(test, times) { #test, &test, (times), 0 }
#define CASE_SIGNAL(test, signal) { #test, &test, 0, (signal) }

#define SUITE(title, ...)                                                                      \
    int main(int argc, char **argv)                                                            \
    {                                                                                          \
        static const struct kt_case cases[] = { __VA_ARGS__ };                                 \
        return kt_main(title, cases, sizeof cases / sizeof cases[0], argc, argv);              \
    }

/* Returns an exit status: 0 all passed, 1 some failed, 2 a name is unknown. */
int kt_main(const char *title, const struct kt_case *cases, size_t count, int argc,
            char **argv);

#endif
