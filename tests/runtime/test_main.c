/* SPDX-License-Identifier: BSD-3-Clause */
/* tests/runtime/test_main.c — KC_MAIN: exit status and last line of a program. */
#include <kcoro/base.h>
#include <string.h>

#include "tests/core/child.h"
#include "tests/runtime/program.h"
#include "tests/support/suite.h"

struct command {
    int argc;
    char *argv[4];
};

static int run(void *arg)
{
    struct command *c = arg;
    return kt_program(c->argc, c->argv);
}

static char name[] = "prog", zero[] = "0", positive[] = "300", many[] = "many", late[] = "-62";
static char pipe_closed[] = "-32";

START_TEST(a_good_result_is_exit_status_zero_and_says_nothing)
{
    struct command commands[] = {
        { 1, { name } },
        { 2, { name, zero } },
        { 2, { name, positive } },
        { 3, { name, zero, many } },
    };

    for (int i = 0; i < 4; i++) {
        struct kt_end end = kt_child(run, &commands[i]);
        ck_assert_msg(kt_exited(&end, 0), "command %d: status %x", i, end.status);
        ck_assert_str_eq(end.said, "");
    }
}
END_TEST

START_TEST(a_bad_result_is_exit_status_one_and_a_line_that_says_why)
{
    struct command timed_out = { 2, { name, late } }, closed = { 3, { name, pipe_closed, many } };

    ck_assert_int_eq(ETIME, 62);
    struct kt_end end = kt_child(run, &timed_out);
    ck_assert(kt_exited(&end, 1));
    ck_assert_str_eq(end.said, "prog: deadline passed (-62)\n");
    end = kt_child(run, &closed);
    ck_assert(kt_exited(&end, 1));
    ck_assert_str_eq(end.said, "prog: closed (-32)\n");
}
END_TEST

SUITE("runtime/main", CASE(a_good_result_is_exit_status_zero_and_says_nothing),
      CASE(a_bad_result_is_exit_status_one_and_a_line_that_says_why))
