/* SPDX-License-Identifier: BSD-3-Clause */
/* tests/core/test_err.c — every result code that the headers name has a sentence. */
#include <kcoro/base.h>
#include <string.h>

#include "tests/support/suite.h"

/* In the public headers, as `-E…`. */
static const int codes[] = {
    EACCES,  EADDRINUSE, EAGAIN, EALREADY, EBADF,    ECANCELED, ECONNREFUSED, ECONNRESET,
    EDEADLK, EEXIST,     EINVAL, EIO,      EMFILE,   EMSGSIZE,  ENAMETOOLONG, ENFILE,
    ENOBUFS, ENOENT,     ENOMEM, ENOTSUP,  EOVERFLOW, EPERM,    EPIPE,        EPROTO,
    ETIME,
};
enum { CODES = sizeof codes / sizeof *codes };

START_TEST(every_code_has_a_sentence_of_its_own)
{
    for (int i = 0; i < CODES; i++) {
        const char *text = kc_strerror(-codes[i]);
        ck_assert_msg(strcmp(text, "system error"), "-%d has none", codes[i]);
        ck_assert_int_gt((int)strlen(text), 3);
        for (int k = 0; k < i; k++)
            ck_assert_str_ne(text, kc_strerror(-codes[k]));
    }
}
END_TEST

START_TEST(good_results_are_ok)
{
    ck_assert_str_eq(kc_strerror(0), "ok");
    ck_assert_str_eq(kc_strerror(1), "ok");
    ck_assert_str_eq(kc_strerror(INT32_MAX), "ok");
}
END_TEST

START_TEST(an_unknown_code_has_a_sentence_too)
{
    ck_assert_str_eq(kc_strerror(-100000), "system error");
    ck_assert_str_eq(kc_strerror(INT32_MIN), "system error");
}
END_TEST

START_TEST(a_passed_deadline_says_so)
{
    ck_assert_str_eq(kc_strerror(-ETIME), "deadline passed");
}
END_TEST

SUITE("core/err", CASE(every_code_has_a_sentence_of_its_own), CASE(good_results_are_ok),
      CASE(an_unknown_code_has_a_sentence_too), CASE(a_passed_deadline_says_so))
