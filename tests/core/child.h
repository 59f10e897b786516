/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * tests/core/child.h — do something fatal in a child process and look at how it ended.
 *
 *     struct kt_end end = kt_child(close_a_strange_scope, NULL);
 *     ck_assert(kt_ended_by(&end, SIGABRT));
 *     ck_assert_ptr_nonnull(strstr(end.said, "not the innermost scope"));
 */
#ifndef TESTS_CORE_CHILD_H
#define TESTS_CORE_CHILD_H

#include <stdbool.h>

struct kt_end {
    int status;      /* as waitpid says */
    char said[4096]; /* on standard error; cut off when longer */
};

/* Runs fn(arg) in a child; its exit status is what fn returns. Call it while no other thread
 * runs. */
struct kt_end kt_child(int (*fn)(void *), void *arg);
/* Did it exit by itself, with this status? */
bool kt_exited(const struct kt_end *end, int status);
bool kt_ended_by(const struct kt_end *end, int signal);

#endif
