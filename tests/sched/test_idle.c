/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * tests/sched/test_idle.c — a runtime with nothing to do does nothing, and one with little to
 * do wakes no more workers than it needs.
 *
 * The observer's clock is a poll that nothing ends but its time.
 */
#include <kcoro/metrics.h>
#include <poll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include "arch/fiber_notes.h"
#include "core/mem.h"
#include "tests/sched/kit.h"

enum { WINDOW_MS = 200, WINDOWS = 20 };

static kc_rt_t *rt;
static _Atomic(int) begun, ended;
static int pair[2];

static void create(int workers)
{
    ck_assert_int_eq(kc_rt_create(&rt, &(kc_opts_t){ .workers = workers }), 0);
    ck_assert_int_eq(socketpair(AF_UNIX, SOCK_STREAM, 0, pair), 0);
}

static void destroy(void)
{
    ck_assert_int_eq(kc_rt_shutdown(rt, KC_FOREVER), 0);
    ck_assert_uint_eq(kci_mem_blocks_in_use(), 0);
    close(pair[0]);
    close(pair[1]);
}

static struct kc_rt_stats stats(void)
{
    struct kc_rt_stats st;

    ck_assert_int_eq(kc_rt_stats(rt, &st), 0);
    return st;
}

/* ---- no wake-ups ---- */

static int sleep_for_ever(void *arg)
{
    kt_count(&begun);
    return kt_wait_for_ever(arg);
}

static int sleep_for_an_hour(void *arg)
{
    (void)arg;
    kt_count(&begun);
    return kc_sleep(KC_S(3600));
}

static int wait_for_peer(void *arg)
{
    (void)arg;
    kt_count(&begun);
    return kc_fd_wait(pair[0], KC_RD, KC_FOREVER);
}

/* Times a thread of this process gave its processor away, which is how each wake-up ends. The
 * runtimes of sanitizers have threads that wake by themselves. */
static long naps(void)
{
    struct rusage use;

    getrusage(RUSAGE_SELF, &use);
    return KCI_NOTES ? 0 : use.ru_nvcsw;
}

static bool nothing_happens_for_a_while(void)
{
    struct kc_rt_stats before = stats();
    long naps_before = naps();

    poll(NULL, 0, WINDOW_MS);
    struct kc_rt_stats after = stats();
    return naps() - naps_before <= 1 && after.parks == before.parks &&
           after.wakes == before.wakes && after.switches == before.switches &&
           after.injects == before.injects;
}

static bool becomes_quiet(void)
{
    for (int i = 0; i < WINDOWS; i++)
        if (nothing_happens_for_a_while())
            return true;
    return false;
}

START_TEST(g10_a_runtime_that_waits_makes_no_wake_ups)
{
    create(kt_workers(_i));
    ck_assert(becomes_quiet());
    for (int i = 0; i < 30; i++) {
        const kc_fn waits[] = { sleep_for_ever, sleep_for_an_hour, wait_for_peer };
        ck_assert_int_eq(kc_rt_spawn(rt, waits[i % 3], NULL), 0);
    }
    kt_until(&begun, 30);
    ck_assert(becomes_quiet());
    destroy();
}
END_TEST

/* ---- few wake-ups ---- */

enum { ROUNDS = 500 };

static int echo(void *arg)
{
    char c;

    (void)arg;
    kt_count(&begun);
    while (kc_read(pair[0], &c, 1, KC_FOREVER) == 1)
        if (kc_write(pair[0], &c, 1, KC_FOREVER) != 1)
            return -EIO;
    return kt_count(&ended);
}

START_TEST(one_event_at_a_time_wakes_one_worker)
{
    char c = 'x';

    create(kt_workers(_i));
    ck_assert_int_eq(kc_rt_spawn(rt, echo, NULL), 0);
    kt_until(&begun, 1);
    ck_assert(becomes_quiet());
    struct kc_rt_stats before = stats();
    for (int i = 0; i < ROUNDS; i++) {
        ck_assert_int_eq(write(pair[1], &c, 1), 1);
        ck_assert_int_eq(read(pair[1], &c, 1), 1);
    }
    struct kc_rt_stats after = stats();
    // The poller itself brings the event: no worker has to wake another one for it.
    ck_assert_uint_lt(after.wakes - before.wakes, ROUNDS / 10);
    shutdown(pair[1], SHUT_RDWR);
    kt_until(&ended, 1);
    destroy();
}
END_TEST

SUITE("sched/idle", CASE_WORKERS(g10_a_runtime_that_waits_makes_no_wake_ups),
      CASE_WORKERS(one_event_at_a_time_wakes_one_worker))
