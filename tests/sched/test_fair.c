/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * tests/sched/test_fair.c — everybody gets a turn: yielding, budgets, stealing, and coroutines
 * that never let go of their worker.
 */
#include <pthread.h>
#include <unistd.h>

#include "arch/os.h"
#include "sched/sched.h"
#include "tests/sched/kit.h"

static _Atomic(int) flag, counter;

static int raise_flag(void *arg)
{
    (void)arg;
    ka_store(&flag, 1, release);
    return 0;
}

/* Keeps its worker busy without ever calling the library. */
static void hog_until(_Atomic(int) *n, int least)
{
    while (ka_load(n, acquire) < least)
        kci_os_yield_thread(); // the thread, not the coroutine: cores may be few
}

/* ---- yielding ---- */

enum { TURNS = 1000, TAKERS = 3 };

static int turns[TURNS * TAKERS];
static _Atomic(int) turn;

static int take_turns(void *self)
{
    for (int i = 0; i < TURNS; i++) {
        turns[ka_add(&turn, 1, relaxed)] = (int)(intptr_t)self;
        kc_yield();
    }
    return 0;
}

static int spawn_takers(void *arg)
{
    (void)arg;
    for (int i = 0; i < TAKERS; i++)
        kt_go(take_turns, KT_RESULT(i));
    return 0;
}

START_TEST(on_one_worker_those_who_yield_take_turns)
{
    int seen[TAKERS];

    ck_assert_int_eq(kt_run(1, spawn_takers, NULL), 0);
    ck_assert_int_eq(turn, TURNS * TAKERS);
    for (int i = 0; i < TURNS * TAKERS; i += TAKERS) {
        for (int k = 0; k < TAKERS; k++)
            seen[k] = 0;
        for (int k = 0; k < TAKERS; k++)
            seen[turns[i + k]]++;
        for (int k = 0; k < TAKERS; k++)
            ck_assert_msg(seen[k] == 1, "turns %d to %d", i, i + TAKERS - 1);
    }
}
END_TEST

/* What wakes somebody while a single coroutine does nothing but yield. */
static int wait_for_block(void *arg)
{
    return kc_block(kt_return, NULL, NULL, KC_FOREVER) ? -EIO : raise_flag(arg);
}

static int wait_for_time(void *arg)
{
    return kc_sleep(KC_US(100)) ? -EIO : raise_flag(arg);
}

static int pipe_fd[2];

static int wait_for_bytes(void *arg)
{
    return kc_fd_wait(pipe_fd[0], KC_RD, KC_FOREVER) < 0 ? -EIO : raise_flag(arg);
}

static const struct {
    kc_fn fn;
    enum kci_why why;
} outsiders[] = {
    { wait_for_block, KCI_WHY_NONE },
    { wait_for_time, KCI_WHY_NONE },
    { wait_for_bytes, KCI_WHY_FD },
};
enum { OUTSIDERS = sizeof outsiders / sizeof *outsiders };

static int yield_until_flag(void *number)
{
    intptr_t i = (intptr_t)number;
    kc_co_t *co = kt_spawn(outsiders[i].fn, NULL);

    if (outsiders[i].why != KCI_WHY_NONE) {
        kt_until_parked(co, outsiders[i].why);
        ck_assert_int_eq(write(pipe_fd[1], "x", 1), 1);
    }
    kt_until(&flag, 1);
    return kt_join(co);
}

START_TEST(g2_who_only_yields_does_not_keep_out_what_comes_from_outside)
{
    ck_assert_int_eq(pipe(pipe_fd), 0);
    for (intptr_t i = 0; i < OUTSIDERS; i++) {
        ka_store(&flag, 0, relaxed);
        ck_assert_int_eq(kt_run(kt_workers(_i), yield_until_flag, (void *)i), 0);
    }
    close(pipe_fd[0]);
    close(pipe_fd[1]);
}
END_TEST

static int yield_in_crowd(void *arg)
{
    (void)arg;
    kt_until(&flag, 1);
    return 0;
}

/* More than a ring holds, so that the shared list is never empty. */
static int yield_with_crowd(void *number)
{
    intptr_t n = (intptr_t)number;
    kc_co_t *co = kt_spawn(outsiders[n].fn, NULL);

    if (outsiders[n].why != KCI_WHY_NONE)
        kt_until_parked(co, outsiders[n].why);
    for (int i = 0; i < 3 * KCI_RING; i++)
        kt_go(yield_in_crowd, NULL);
    ck_assert_int_eq(write(pipe_fd[1], "x", 1), 1);
    kt_until(&flag, 1);
    return kt_join(co);
}

START_TEST(a_crowd_that_only_yields_does_not_keep_it_out_either)
{
    for (int i = 0; i < OUTSIDERS; i++) {
        ck_assert_int_eq(pipe(pipe_fd), 0);
        ka_store(&flag, 0, relaxed);
        ck_assert_int_eq(kt_run(kt_workers(_i), yield_with_crowd, KT_RESULT(i)), 0);
        close(pipe_fd[0]);
        close(pipe_fd[1]);
    }
}
END_TEST

/* ---- budgets ---- */

/* Never waits, only tries: its budget makes it yield. */
static int try_until_flag(void *arg)
{
    char c;

    (void)arg;
    while (!ka_load(&flag, acquire)) {
        int rc = kc_chan_recv(arg, &c, KC_TRY);
        if (rc != -EAGAIN)
            return -EIO;
    }
    return 0;
}

static int try_beside_another(void *arg)
{
    kc_chan_t *ch = kc_chan(char, 1);

    (void)arg;
    kt_go(try_until_flag, ch);
    kt_go(raise_flag, NULL);
    return 0;
}

START_TEST(who_never_waits_but_calls_the_library_gives_way)
{
    ck_assert_int_eq(kt_run(kt_workers(_i), try_beside_another, NULL), 0);
}
END_TEST

static int count_tries(void *ch)
{
    char c;

    while (!ka_load(&flag, acquire) && ka_add(&counter, 1, relaxed) < 1000000)
        if (kc_chan_recv(ch, &c, KC_TRY) != -EAGAIN)
            return -EIO;
    return 0;
}

static int count_beside_another(void *arg)
{
    kc_chan_t *ch = kc_chan(char, 1);

    (void)arg;
    kc_co_t *co = kt_spawn(count_tries, ch);
    kc_yield(); // it runs first
    raise_flag(NULL);
    return kt_join(co);
}

START_TEST(the_budget_is_what_the_options_say)
{
    const kc_opts_t few = { .workers = 1, .budget = 10 }, never = { .workers = 1, .budget = -1 };

    ck_assert_int_eq(kt_run_with(&few, count_beside_another, NULL), 0);
    ck_assert_int_le(counter, 10);
    ka_store(&flag, 0, relaxed);
    ka_store(&counter, 0, relaxed);
    ck_assert_int_eq(kt_run_with(&never, count_beside_another, NULL), 0);
    ck_assert_int_eq(counter, 1000001);
}
END_TEST

static int checkpoint_until_flag(void *arg)
{
    (void)arg;
    while (!ka_load(&flag, acquire))
        if (kc_checkpoint())
            return -EIO;
    return 0;
}

static int checkpoint_beside_another(void *arg)
{
    (void)arg;
    kt_go(checkpoint_until_flag, NULL);
    kt_go(raise_flag, NULL);
    return 0;
}

START_TEST(checkpoints_spend_the_budget_too)
{
    ck_assert_int_eq(kt_run(kt_workers(_i), checkpoint_beside_another, NULL), 0);
}
END_TEST

/* ---- several workers ---- */

static int count_and_hog(void *how_many)
{
    ka_add(&counter, 1, release);
    hog_until(&counter, (int)(intptr_t)how_many);
    return 0;
}

static int hog_all_workers(void *how_many)
{
    for (int i = 0; i < (int)(intptr_t)how_many; i++)
        kt_go(count_and_hog, how_many);
    return 0;
}

/* Each of n coroutines goes on when all n run at the same time: they must spread over n
 * workers, the first among them where main was. */
START_TEST(work_spreads_over_all_workers)
{
    int workers = kt_workers(_i);

    for (int i = 0; i < 20; i++) {
        ka_store(&counter, 0, relaxed);
        ck_assert_int_eq(kt_run(workers, hog_all_workers, KT_RESULT(workers)), 0);
    }
}
END_TEST

/* A coroutine made runnable by a hog stands in the newest slot, where nobody steals. */
static int strand_the_newest(void *arg)
{
    (void)arg;
    kt_go(raise_flag, NULL);
    hog_until(&flag, 1);
    return 0;
}

START_TEST(the_newest_of_a_hog_runs_on_another_worker)
{
    for (int i = 0; i < 20; i++) {
        ka_store(&flag, 0, relaxed);
        ck_assert_int_eq(kt_run(kt_workers(_i + 1), strand_the_newest, NULL), 0);
    }
}
END_TEST

/* The same for whoever it wakes, for its timers and descriptors. */
static int wait_for_channel(void *ch)
{
    return kc_chan_recv(ch, NULL, KC_FOREVER) ? -EIO : raise_flag(NULL);
}

static int hog_after_waking(void *arg)
{
    kc_chan_t *ch = kc_chan(char, 1);
    kc_co_t *co = kt_spawn(wait_for_channel, ch);

    (void)arg;
    kt_until_parked(co, KCI_WHY_CHAN_RECV);
    ck_assert_int_eq(kc_send(ch, "x"), 0);
    hog_until(&flag, 1);
    return kt_join(co);
}

static int hog_beside_timer(void *arg)
{
    kc_co_t *co = kt_spawn(wait_for_time, NULL);

    (void)arg;
    hog_until(&flag, 1);
    return kt_join(co);
}

static int hog_beside_descriptor(void *arg)
{
    kc_co_t *co = kt_spawn(wait_for_bytes, NULL);

    (void)arg;
    kt_until_parked(co, KCI_WHY_FD);
    ck_assert_int_eq(write(pipe_fd[1], "x", 1), 1);
    hog_until(&flag, 1);
    return kt_join(co);
}

static int hog_beside_block(void *arg)
{
    kc_co_t *co = kt_spawn(wait_for_block, NULL);

    (void)arg;
    hog_until(&flag, 1);
    return kt_join(co);
}

static int hog_beside_many(void *arg)
{
    (void)arg;
    for (int i = 0; i < 600; i++) // more than a ring holds
        kt_go(kt_count, &counter);
    hog_until(&counter, 600);
    return 0;
}

START_TEST(g2_a_hog_stops_nobody_but_itself)
{
    const kc_fn hogs[] = { hog_after_waking, hog_beside_timer, hog_beside_descriptor,
                           hog_beside_block, hog_beside_many };

    for (int i = 0; i < 5; i++) {
        ck_assert_int_eq(pipe(pipe_fd), 0);
        ka_store(&flag, 0, relaxed);
        ck_assert_int_eq(kt_run(kt_workers(_i + 1), hogs[i], NULL), 0);
        close(pipe_fd[0]);
        close(pipe_fd[1]);
    }
}
END_TEST

/* All but one worker are taken; the last one serves everybody else. */
static int hog_for_ever(void *arg)
{
    (void)arg;
    ka_add(&counter, 1, release);
    hog_until(&flag, 1);
    return 0;
}

static int leave_one_worker(void *others)
{
    int n = (int)(intptr_t)others;

    for (int i = 0; i < n; i++)
        kt_go(hog_for_ever, NULL);
    kt_until(&counter, n);
    kc_chan_t *ch = kc_chan(int, 0);
    kc_co_t *co = kt_spawn(wait_for_channel, ch);
    for (int i = 0; i < 50; i++)
        ck_assert_int_eq(kc_sleep(KC_US(200)), 0);
    ck_assert_int_eq(kc_send(ch, &n), 0);
    return kt_join(co);
}

START_TEST(one_free_worker_is_enough)
{
    int workers = kt_workers(_i + 1);

    ck_assert_int_eq(kt_run(workers, leave_one_worker, KT_RESULT(workers - 1)), 0);
}
END_TEST

SUITE("sched/fair", CASE(on_one_worker_those_who_yield_take_turns),
      CASE_WORKERS(g2_who_only_yields_does_not_keep_out_what_comes_from_outside),
      CASE_WORKERS(a_crowd_that_only_yields_does_not_keep_it_out_either),
      CASE_WORKERS(who_never_waits_but_calls_the_library_gives_way),
      CASE(the_budget_is_what_the_options_say), CASE_WORKERS(checkpoints_spend_the_budget_too),
      CASE_WORKERS(work_spreads_over_all_workers),
      CASE_LOOP(the_newest_of_a_hog_runs_on_another_worker, 2),
      CASE_LOOP(g2_a_hog_stops_nobody_but_itself, 2), CASE_LOOP(one_free_worker_is_enough, 2))
