/* SPDX-License-Identifier: BSD-3-Clause */
/* tests/runtime/test_env.c — the environment variables, good and bad. */
#include <kcoro/metrics.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "arch/os.h"
#include "core/mem.h"
#include "tests/core/child.h"
#include "tests/sched/kit.h"

struct setting {
    const char *name, *value;
    const char *words; // on standard error
};

enum { REFUSED = 99 };

/* Says what the runtime is like. */
static int describe(void *arg)
{
    struct kc_rt_stats st;
    int64_t before = kc_now();

    (void)arg;
    if (kc_rt_stats(NULL, &st) || kc_sleep(KC_MS(1)))
        return -EIO;
    const char *exact = kc_now() - before == KC_MS(1) ? " virtual" : "";
    fprintf(stderr, "workers=%d%s\n", (int)st.workers, exact);
    return 0;
}

static int run_with(void *arg)
{
    const struct setting *s = arg;

    setenv("KCORO_WORKERS", "3", 1);
    setenv("KCORO_SCHEDULES", "5", 1);
    setenv(s->name, s->value, 1);
    int rc = kc_run(describe, NULL, NULL);
    if (kci_mem_blocks_in_use())
        return 1;
    return rc == -EINVAL ? REFUSED : rc ? 2 : 0;
}

static void try_setting(struct setting s, int status)
{
    struct kt_end end = kt_child(run_with, &s);

    ck_assert_msg(kt_exited(&end, status), "%s=%s: status %x, said %s", s.name, s.value,
                  end.status, end.said);
    ck_assert_msg(strstr(end.said, s.words) != NULL, "%s=%s: said %s", s.name, s.value, end.said);
}

START_TEST(a_good_value_does_what_the_help_says)
{
    static const struct setting good[] = {
        { "KCORO_WORKERS", "1", "workers=1\n" },
        { "KCORO_WORKERS", "5", "workers=5\n" },
        { "KCORO_WORKERS", "0x4", "workers=4\n" },
        { "KCORO_SCHED", "parallel", "workers=3\n" },
        { "KCORO_SCHED", "single", "workers=1\n" },
        { "KCORO_SCHED", "chaos", "workers=3\n" },
        { "KCORO_SCHED", "explore", "" }, // each run speaks to /dev/null
        { "KCORO_CLOCK", "real", "workers=3\n" },
        { "KCORO_CLOCK", "virtual", "workers=1 virtual\n" },
        { "KCORO_SEED", "0", "workers=3\n" },
        { "KCORO_SEED", "18446744073709551615", "workers=3\n" },
        { "KCORO_GUARD", "protect", "workers=3\n" },
        { "KCORO_GUARD", "none", "workers=3\n" },
        { "KCORO_FAULT", "malloc:nth=1000000,sys.*:EIO:p=0", "workers=3\n" },
        { "KCORO_HELP", "1", "KCORO_WORKERS=n" },
        { "KCORO_DEBUG", "everything", "unknown area 'everything'" },
    };

    for (size_t i = 0; i < sizeof good / sizeof *good; i++)
        try_setting(good[i], 0);
}
END_TEST

START_TEST(a_malformed_value_is_refused_and_named)
{
    static const struct setting bad[] = {
        { "KCORO_WORKERS", "", "KCORO_WORKERS=''" },
        { "KCORO_WORKERS", "0", "KCORO_WORKERS='0'" },
        { "KCORO_WORKERS", "-1", "a number from 1 to 1024" },
        { "KCORO_WORKERS", "1025", "a number from 1 to 1024" },
        { "KCORO_WORKERS", "99999999999999999999", "a number from 1 to 1024" },
        { "KCORO_WORKERS", "two", "KCORO_WORKERS='two'" },
        { "KCORO_WORKERS", "2 ", "KCORO_WORKERS='2 '" },
        { "KCORO_WORKERS", " 2", "KCORO_WORKERS=' 2'" },
        { "KCORO_WORKERS", "+2", "KCORO_WORKERS='+2'" },
        { "KCORO_SCHED", "serial", "parallel, single, explore or chaos" },
        { "KCORO_SCHED", "", "parallel, single" },
        { "KCORO_CLOCK", "imaginary", "real or virtual" },
        { "KCORO_SEED", "seed", "KCORO_SEED='seed'" },
        { "KCORO_SEED", "-1", "KCORO_SEED='-1'" },
        { "KCORO_FAULT", "", "KCORO_FAULT=''" },
        { "KCORO_FAULT", "malloc:nth=0", "KCORO_FAULT='malloc:nth=0': expected a whole number" },
        { "KCORO_FAULT", "sys.read", "KCORO_FAULT='sys.read': expected an error like EINTR" },
        { "KCORO_GUARD", "dog", "mark, protect or none" },
    };

    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        try_setting(bad[i], REFUSED);
}
END_TEST

/* The variable and kc_run's result. */
struct fault {
    const char *rule;
    int rc;
};

static int run_with_fault(void *arg)
{
    const struct fault *f = arg;

    setenv("KCORO_WORKERS", "2", 1);
    setenv("KCORO_FAULT", f->rule, 1);
    for (int i = 0; i < 3; i++)
        if (kc_run(describe, NULL, NULL) != f->rc || kci_mem_blocks_in_use())
            return 1;
    return 0;
}

START_TEST(a_fault_is_made_where_it_says_in_each_run)
{
    struct fault faults[] = {
        { "malloc:nth=1", -ENOMEM },       { "malloc", -ENOMEM },
        { "map", -ENOMEM },                { "guard", 0 },
        { "thread:nth=1", -EAGAIN },       { "thread:nth=2", -EAGAIN },
        { "fd", -EMFILE },                 { "sys.epoll_create:ENFILE:nth=1", -ENFILE },
        { "sys.epoll_wait:EINTR", 0 },
    };

    for (size_t i = 0; i < sizeof faults / sizeof *faults; i++) {
        struct kt_end end = kt_child(run_with_fault, &faults[i]);
        ck_assert_msg(kt_exited(&end, 0), "%s: said %s", faults[i].rule, end.said);
    }
}
END_TEST

static int run_with_options(void *arg)
{
    setenv("KCORO_WORKERS", "3", 1);
    setenv("KCORO_SCHEDULES", "5", 1);
    return kc_run(describe, NULL, arg) ? 1 : 0;
}

START_TEST(options_go_before_variables)
{
    kc_opts_t two = { .workers = 2 };
    struct kt_end end = kt_child(run_with_options, &two);

    ck_assert(kt_exited(&end, 0));
    ck_assert_str_eq(end.said, "workers=2\n");
    end = kt_child(run_with_options, NULL);
    ck_assert_str_eq(end.said, "workers=3\n");
}
END_TEST

static int run_by_default(void *arg)
{
    (void)arg;
    unsetenv("KCORO_WORKERS");
    return kc_run(describe, NULL, NULL) ? 1 : 0;
}

START_TEST(without_any_there_is_a_worker_per_processor)
{
    char expected[32];

    struct kt_end end = kt_child(run_by_default, NULL);
    ck_assert(kt_exited(&end, 0));
    snprintf(expected, sizeof expected, "workers=%u\n", kci_os_cpus());
    ck_assert_str_eq(end.said, expected);
}
END_TEST

SUITE("runtime/env", CASE(a_good_value_does_what_the_help_says),
      CASE(a_malformed_value_is_refused_and_named), CASE(options_go_before_variables),
      CASE(a_fault_is_made_where_it_says_in_each_run),
      CASE(without_any_there_is_a_worker_per_processor))
