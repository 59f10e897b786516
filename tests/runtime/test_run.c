/* SPDX-License-Identifier: BSD-3-Clause */
/* tests/runtime/test_run.c — kc_run: what it returns, what it refuses, what it leaves behind. */
#include <kcoro/metrics.h>
#include <pthread.h>
#include <sys/resource.h>
#include <unistd.h>

#include "arch/fiber_notes.h"
#include "core/mem.h"
#include "core/stack.h"
#include "tests/core/child.h"
#include "tests/sched/kit.h"

static _Atomic(int) ran;

/* ---- results ---- */

struct plan {
    int child;     /* a child returns this; 0: no child */
    int stop;      /* kc_stop with this; 0: none */
    int result;    /* main returns this */
    int expected;  /* from kc_run */
};

static int follow(void *arg)
{
    const struct plan *p = arg;

    if (p->child)
        kt_go(kt_return, KT_RESULT(p->child));
    if (p->stop)
        ck_assert_int_eq(kc_stop(p->stop), p->stop);
    return p->result;
}

START_TEST(the_result_is_that_of_main_unless_a_child_failed_or_somebody_stopped_it)
{
    static const struct plan plans[] = {
        { 0, 0, 0, 0 },        { 0, 0, 42, 42 },      { 0, 0, -5, -5 },
        { 7, 0, 42, 42 },      { -7, 0, 42, -7 },     { -7, 0, 0, -7 },
        { 0, 9, 42, 9 },       { 0, -9, 42, -9 },     { -7, 9, 42, 9 },
        { 0, 0, -ECANCELED, -ECANCELED },             { 0, INT32_MIN, 0, INT32_MIN },
    };

    for (size_t i = 0; i < sizeof plans / sizeof *plans; i++) {
        struct plan p = plans[i];
        int rc = kt_run(kt_workers(_i), follow, &p);
        ck_assert_msg(rc == p.expected, "plan %zu: %d instead of %d", i, rc, p.expected);
    }
}
END_TEST

static int stop_with_zero(void *arg)
{
    (void)arg;
    kt_go(kt_wait_for_ever, NULL);
    ck_assert_int_eq(kc_stop(0), 0);
    ck_assert_int_eq(kc_stop(5), 5); // too late to count
    return 3;
}

START_TEST(the_first_stop_counts_even_with_zero)
{
    ck_assert_int_eq(kc_stop(1), -EPERM);
    ck_assert_int_eq(kt_run(kt_workers(_i), stop_with_zero, NULL), 0);
}
END_TEST

static int stop_from_below(void *depth)
{
    intptr_t left = (intptr_t)depth;
    kc_scope_t s;

    if (left == 0)
        return kc_stop(77);
    if (kc_scope_open(&s, NULL))
        return -EIO;
    kc_spawn(NULL, stop_from_below, KT_RESULT(left - 1), NULL);
    return kc_scope_close(&s);
}

START_TEST(anybody_may_stop_the_runtime)
{
    ck_assert_int_eq(kt_run(kt_workers(_i), stop_from_below, KT_RESULT(10)), 77);
}
END_TEST

static int end_late(void *arg)
{
    (void)arg;
    if (kc_sleep(KC_MS(1)))
        return -EIO;
    return kt_count(&ran);
}

static int leave_children(void *arg)
{
    (void)arg;
    for (int i = 0; i < 10; i++)
        kt_go(end_late, NULL);
    return 1;
}

START_TEST(it_waits_for_all_that_main_started)
{
    ck_assert_int_eq(kt_run(kt_workers(_i), leave_children, NULL), 1);
    ck_assert_int_eq(ran, 10);
}
END_TEST

/* ---- refusals ---- */

static int must_not_run(void *arg)
{
    (void)arg;
    return kt_count(&ran);
}

START_TEST(options_out_of_range_are_refused_and_nothing_runs)
{
    static const kc_opts_t wrong[] = {
        { .workers = -1 },
        { .workers = 1025 },
        { .flags = 1u << 20 },
        { .stack_size = KCI_STACK_MAX + 1 },
    };

    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++)
        ck_assert_int_eq(kt_run_with(&wrong[i], must_not_run, NULL), -EINVAL);
    ck_assert_int_eq(kt_run(1, NULL, NULL), -EINVAL);
    ck_assert_int_eq(ran, 0);
}
END_TEST

static int run_inside(void *arg)
{
    (void)arg;
    ck_assert_int_eq(kc_run(must_not_run, NULL, NULL), -EPERM);
    ck_assert_ptr_nonnull(kc_rt_current());
    ck_assert_int_eq(kc_rt_shutdown(kc_rt_current(), KC_TRY), -EINVAL); // it is not kc_rt_create's
    return 0;
}

START_TEST(a_coroutine_cannot_become_a_worker)
{
    ck_assert_ptr_null(kc_rt_current());
    ck_assert_int_eq(kt_run(kt_workers(_i), run_inside, NULL), 0);
    ck_assert_ptr_null(kc_rt_current());
    ck_assert_int_eq(ran, 0);
}
END_TEST

static int lowest_free_fd(void)
{
    int fd = dup(0);

    ck_assert_int_ge(fd, 0);
    close(fd);
    return fd;
}

START_TEST(without_descriptors_it_says_so_and_leaves_none_open)
{
    int first = lowest_free_fd();
    struct rlimit all, few;

    ck_assert_int_eq(getrlimit(RLIMIT_NOFILE, &all), 0);
    for (int spare = 0; spare < 2; spare++) {
        few = (struct rlimit){ (rlim_t)(first + spare), all.rlim_max };
        ck_assert_int_eq(setrlimit(RLIMIT_NOFILE, &few), 0);
        int rc = kc_run(must_not_run, NULL, NULL);
        ck_assert_int_eq(setrlimit(RLIMIT_NOFILE, &all), 0);
        // Where pages come from /dev/zero, those are what it did not get.
        ck_assert_msg(rc == -EMFILE || rc == -ENOMEM, "rc is %d", rc);
        ck_assert_int_eq(lowest_free_fd(), first);
        ck_assert_uint_eq(kci_mem_blocks_in_use(), 0);
    }
    ck_assert_int_eq(ran, 0);
}
END_TEST

/* Room for some threads, not for all: in a child, because what is mapped cannot be unmapped. */
static int run_without_room(void *arg)
{
    struct rlimit room = { 256 << 20, 256 << 20 };

    (void)arg;
    if (setrlimit(RLIMIT_AS, &room))
        return 1;
    for (int i = 0; i < 20; i++) {
        int rc = kc_run(must_not_run, NULL, &(kc_opts_t){ .workers = 200 });
        if (rc != -EAGAIN && rc != -ENOMEM)
            return 2;
        if (kci_mem_blocks_in_use() || ran)
            return 3;
    }
    return kc_run(must_not_run, NULL, &(kc_opts_t){ .workers = 2 }) || ran != 1 ? 4 : 0;
}

START_TEST(without_room_for_its_threads_it_says_so_and_can_be_tried_again)
{
    if (KCI_NOTES) // sanitizers need more room than that
        return;
    struct kt_end end = kt_child(run_without_room, NULL);
    ck_assert_msg(kt_exited(&end, 0), "status %x: %s", end.status, end.said);
}
END_TEST

/* ---- again and again, and at the same time ---- */

START_TEST(hundreds_of_runtimes_one_after_the_other_leave_nothing)
{
    int first = lowest_free_fd();

    for (int i = 0; i < 300; i++) {
        struct plan p = { 3, 0, i, i };
        ck_assert_int_eq(kt_run(kt_workers(_i), follow, &p), i);
    }
    ck_assert_int_eq(lowest_free_fd(), first);
}
END_TEST

/* Two runtimes, each on a thread of its own, that speak through channels. */
struct talk {
    kc_chan_t *there, *back;
    int rounds;
};

static int ask(void *arg)
{
    struct talk *t = arg;

    for (int i = 0, answer; i < t->rounds; i++) {
        if (kc_send(t->there, &i) || kc_recv(t->back, &answer))
            return -EIO;
        if (answer != i + 1)
            return -EPROTO;
    }
    return kc_chan_close(t->there);
}

static int answer(void *arg)
{
    struct talk *t = arg;

    for (int question; kc_recv(t->there, &question) == 0;) {
        question++;
        if (kc_send(t->back, &question))
            return -EIO;
    }
    return 0;
}

static int workers_there;

static void *run_answering(void *arg)
{
    int rc = kc_run(answer, arg, &(kc_opts_t){ .workers = workers_there });
    return KT_RESULT(rc);
}

START_TEST(runtimes_are_independent_and_can_speak_to_each_other)
{
    struct talk t = { .rounds = 2000 };
    pthread_t thread;
    void *rc;

    ck_assert_int_eq(kc_chan_make(&t.there, sizeof(int), 0), 0);
    ck_assert_int_eq(kc_chan_make(&t.back, sizeof(int), 1), 0);
    workers_there = kt_workers(_i);
    ck_assert_int_eq(pthread_create(&thread, NULL, run_answering, &t), 0);
    ck_assert_int_eq(kc_run(ask, &t, &(kc_opts_t){ .workers = kt_workers(_i) }), 0);
    pthread_join(thread, &rc);
    ck_assert_ptr_null(rc);
    kc_chan_unref(t.there);
    kc_chan_unref(t.back);
    ck_assert_uint_eq(kci_mem_blocks_in_use(), 0);
}
END_TEST

/* ---- options ---- */

static int check_stats(void *workers)
{
    struct kc_rt_stats st;

    ck_assert_int_eq(kt_join(kt_spawn(kt_return, NULL)), 0);
    ck_assert_int_eq(kc_rt_stats(NULL, &st), 0);
    ck_assert_uint_eq(st.workers, (uint64_t)(intptr_t)workers);
    ck_assert_uint_eq(st.spawned, 3); // the supervisor, main, and the one above
    ck_assert_uint_le(st.completed, 1); // joined, which may be a moment before it is counted
    ck_assert_uint_ge(st.stacks, 3);
    ck_assert_uint_eq(st.unguarded, 0);
    return 0;
}

START_TEST(as_many_workers_as_asked_for)
{
    struct kc_rt_stats st;

    ck_assert_int_eq(kc_rt_stats(NULL, &st), -EINVAL);
    int workers = kt_workers(_i);
    ck_assert_int_eq(kt_run(workers, check_stats, KT_RESULT(workers)), 0);
}
END_TEST

static int use_stack(void *bytes)
{
    volatile char room[1 << 20];

    for (size_t i = 0; i < (size_t)(intptr_t)bytes; i += 512)
        room[sizeof room - 1 - i] = 1;
    return 0;
}

START_TEST(main_gets_the_stack_size_of_the_options)
{
    kc_opts_t opts = { .workers = kt_workers(_i), .stack_size = (1 << 20) + (128 << 10) };

    ck_assert_int_eq(kt_run_with(&opts, use_stack, KT_RESULT(1 << 20)), 0);
    opts.stack_size = 1; // less than any class: gets the smallest
    if (!KCI_NOTES)      // whose frames fit
        ck_assert_int_eq(kt_run_with(&opts, kt_return, KT_RESULT(1)), 1);
}
END_TEST

enum { DRAWS = 40 };

static int draw_with_fair_select(void *out)
{
    int *drawn = out;
    char c = 0;

    kc_chan_t *a = kc_chan(char, DRAWS), *b = kc_chan(char, DRAWS);
    for (int i = 0; i < DRAWS; i++)
        if (kc_send(a, &c) || kc_send(b, &c))
            return -EIO;
    for (int i = 0; i < DRAWS; i++)
        drawn[i] = kc_select_fair(KC_FOREVER, KC_RECV(a, &c), KC_RECV(b, &c)).i;
    return 0;
}

START_TEST(the_same_seed_draws_the_same_choices)
{
    int first[DRAWS], again[DRAWS], other[DRAWS];
    kc_opts_t opts = { .flags = KC_RT_DETERMINISTIC, .seed = 12345 };

    ck_assert_int_eq(kt_run_with(&opts, draw_with_fair_select, first), 0);
    ck_assert_int_eq(kt_run_with(&opts, draw_with_fair_select, again), 0);
    opts.seed = 54321;
    ck_assert_int_eq(kt_run_with(&opts, draw_with_fair_select, other), 0);
    ck_assert_mem_eq(first, again, sizeof first);
    ck_assert_mem_ne(first, other, sizeof first);
}
END_TEST

SUITE("runtime/run",
      CASE_WORKERS(the_result_is_that_of_main_unless_a_child_failed_or_somebody_stopped_it),
      CASE_WORKERS(the_first_stop_counts_even_with_zero),
      CASE_WORKERS(anybody_may_stop_the_runtime),
      CASE_WORKERS(it_waits_for_all_that_main_started),
      CASE(options_out_of_range_are_refused_and_nothing_runs),
      CASE_WORKERS(a_coroutine_cannot_become_a_worker),
      CASE(without_descriptors_it_says_so_and_leaves_none_open),
      CASE(without_room_for_its_threads_it_says_so_and_can_be_tried_again),
      CASE_WORKERS(hundreds_of_runtimes_one_after_the_other_leave_nothing),
      CASE_WORKERS(runtimes_are_independent_and_can_speak_to_each_other),
      CASE_WORKERS(as_many_workers_as_asked_for),
      CASE_WORKERS(main_gets_the_stack_size_of_the_options),
      CASE(the_same_seed_draws_the_same_choices))
