/* SPDX-License-Identifier: BSD-3-Clause */
/* tests/runtime/test_drive.c — G7: a runtime without threads, inside somebody else's loop; and
 * a virtual clock moved from outside. */
#include <poll.h>
#include <pthread.h>
#include <unistd.h>

#include "arch/os.h"
#include "core/mem.h"
#include "tests/sched/kit.h"

static kc_rt_t *rt;
static _Atomic(int) counter, gate;

static void create(int workers, unsigned flags)
{
    kc_opts_t opts = { .workers = workers, .flags = flags };

    ck_assert_int_eq(kc_rt_create(&rt, &opts), 0);
}

static void destroy(void)
{
    ck_assert_int_eq(kc_rt_shutdown(rt, KC_FOREVER), 0);
    ck_assert_uint_eq(kci_mem_blocks_in_use(), 0);
}

/* ---- polling ---- */

static int yield_some(void *arg)
{
    (void)arg;
    for (int i = 0; i < 10; i++)
        kc_yield();
    return kt_count((void *)&counter);
}

START_TEST(polling_runs_what_can_run_and_counts_its_turns)
{
    create(KC_WORKERS_NONE, 0);
    for (int i = 0; i < 5; i++)
        ck_assert_int_eq(kc_rt_spawn(rt, yield_some, NULL), 0);
    ck_assert_int_eq(counter, 0);
    int turns = 0, n;
    while ((n = kc_rt_poll(rt, KC_TRY)) > 0)
        turns += n;
    ck_assert_int_eq(n, 0);
    ck_assert_int_eq(counter, 5);
    ck_assert_int_ge(turns, 5 * 10);
    int64_t before = kci_os_now();
    ck_assert_int_eq(kc_rt_poll(rt, kc_in(KC_MS(5))), 0);
    ck_assert_int_ge(kci_os_now() - before, KC_MS(5));
    destroy();
}
END_TEST

static int never_rest(void *arg)
{
    (void)arg;
    while (!kc_canceled())
        kc_yield();
    return 0;
}

START_TEST(polling_returns_although_there_is_always_more_to_run)
{
    create(KC_WORKERS_NONE, 0);
    ck_assert_int_eq(kc_rt_spawn(rt, never_rest, NULL), 0);
    ck_assert_int_eq(kc_rt_spawn(rt, never_rest, NULL), 0);
    for (int i = 0; i < 100; i++)
        ck_assert_int_gt(kc_rt_poll(rt, KC_TRY), 0);
    destroy();
}
END_TEST

static int sleep_and_count(void *ns)
{
    int rc = kc_sleep(*(int64_t *)ns);

    kt_count((void *)&counter);
    return rc;
}

START_TEST(polling_waits_for_the_next_timer)
{
    int64_t ns = KC_MS(3), before = kci_os_now();

    create(KC_WORKERS_NONE, 0);
    ck_assert_int_eq(kc_rt_spawn(rt, sleep_and_count, &ns), 0);
    while (ka_load(&counter, relaxed) < 1)
        ck_assert_int_gt(kc_rt_poll(rt, KC_FOREVER), 0);
    ck_assert_int_ge(kci_os_now() - before, ns);
    destroy();
}
END_TEST

static void *spawn_from_a_thread(void *arg)
{
    (void)arg;
    for (int i = 1; i <= 200; i++) {
        ck_assert_int_eq(kc_rt_spawn(rt, kt_count, (void *)&counter), 0);
        kt_until(&counter, i);
    }
    return NULL;
}

START_TEST(what_another_thread_starts_ends_the_wait_of_a_poll)
{
    pthread_t thread;

    create(KC_WORKERS_NONE, 0);
    ck_assert_int_eq(pthread_create(&thread, NULL, spawn_from_a_thread, NULL), 0);
    while (ka_load(&counter, acquire) < 200)
        ck_assert_int_ge(kc_rt_poll(rt, KC_FOREVER), 0);
    pthread_join(thread, NULL);
    destroy();
}
END_TEST

static void *drive_a_while(void *arg)
{
    (void)arg;
    for (int i = 0; i < 200; i++) {
        int rc = kc_rt_poll(rt, kc_in(KC_US(10)));
        ck_assert(rc >= 0 || rc == -EBUSY);
    }
    return NULL;
}

static int hop(void *arg)
{
    (void)arg;
    for (int i = 0; !kc_canceled(); i++) {
        if (i % 3 == 0)
            (void)kc_sleep(KC_US(20));
        kc_yield();
    }
    return kt_count((void *)&counter);
}

START_TEST(any_thread_may_poll_one_at_a_time)
{
    pthread_t threads[3];

    create(KC_WORKERS_NONE, 0);
    for (int i = 0; i < 5; i++)
        ck_assert_int_eq(kc_rt_spawn(rt, hop, NULL), 0);
    for (int i = 0; i < 3; i++)
        ck_assert_int_eq(pthread_create(&threads[i], NULL, drive_a_while, NULL), 0);
    for (int i = 0; i < 3; i++)
        pthread_join(threads[i], NULL);
    destroy();
    ck_assert_int_eq(counter, 5);
}
END_TEST

/* ---- somebody else's loop ---- */

static int data[2];

static int read_bytes(void *arg)
{
    char c;

    (void)arg;
    while (kc_read(data[0], &c, 1, KC_FOREVER) == 1)
        kt_count((void *)&counter);
    return 0;
}

static int sleep_in_turns(void *arg)
{
    (void)arg;
    for (int i = 0; i < 20; i++) {
        if (kc_sleep(KC_US(300)))
            return -EIO;
        kt_count((void *)&counter);
    }
    return 0;
}

static void *feed(void *arg)
{
    (void)arg;
    for (int i = 0; i < 20; i++) {
        ck_assert_int_eq(kc_rt_spawn(rt, kt_count, (void *)&counter), 0);
        ck_assert_int_eq((int)write(data[1], "x", 1), 1);
    }
    return NULL;
}

/* Nothing but poll(2) says when there is something to do. Returns how often it did. */
static int loop_until(int fd, int goal)
{
    int rounds = 0;

    while (ka_load(&counter, acquire) < goal) {
        struct pollfd p = { .fd = fd, .events = POLLIN };
        ck_assert_int_eq(poll(&p, 1, 10000), 1); // else something was forgotten
        ck_assert_int_ge(kc_rt_poll(rt, KC_TRY), 0);
        rounds++;
    }
    return rounds;
}

START_TEST(g7_a_foreign_loop_learns_from_one_descriptor_when_to_poll)
{
    pthread_t thread;

    create(KC_WORKERS_NONE, 0);
    ck_assert_int_eq(pipe(data), 0);
    int fd = kc_rt_fd(rt);
    if (fd != -ENOTSUP) {
        ck_assert_int_ge(fd, 0);
        ck_assert_int_eq(kc_rt_spawn(rt, read_bytes, NULL), 0);
        ck_assert_int_eq(kc_rt_spawn(rt, sleep_in_turns, NULL), 0);
        ck_assert_int_eq(pthread_create(&thread, NULL, feed, NULL), 0);
        int rounds = loop_until(fd, 20 + 20 + 20);
        pthread_join(thread, NULL);
        ck_assert_int_le(rounds, 400); // woken, not spinning
        while (kc_rt_poll(rt, KC_TRY) > 0) {}
        struct pollfd p = { .fd = fd, .events = POLLIN };
        ck_assert_int_eq(poll(&p, 1, 0), 0); // nothing to do, and it says so
    }
    destroy();
    close(data[0]);
    close(data[1]);
}
END_TEST

START_TEST(g7_what_a_poll_left_undone_shows_at_the_descriptor)
{
    create(KC_WORKERS_NONE, 0);
    int fd = kc_rt_fd(rt);
    ck_assert_int_eq(kc_rt_spawn(rt, never_rest, NULL), 0);
    ck_assert_int_eq(kc_rt_spawn(rt, never_rest, NULL), 0);
    for (int i = 0; i < 20 && fd >= 0; i++) {
        struct pollfd p = { .fd = fd, .events = POLLIN };
        ck_assert_int_eq(poll(&p, 1, 0), 1);
        ck_assert_int_gt(kc_rt_poll(rt, KC_TRY), 0);
    }
    destroy();
}
END_TEST

/* ---- the end ---- */

static int stay_shielded(void *arg)
{
    (void)arg;
    kc_shield(true);
    while (!ka_load(&gate, acquire))
        kc_yield();
    kc_shield(false);
    return 0;
}

START_TEST(shutting_down_drives_a_runtime_to_its_end)
{
    create(KC_WORKERS_NONE, 0);
    for (int i = 0; i < 10; i++)
        ck_assert_int_eq(kc_rt_spawn(rt, kt_wait_for_ever, NULL), 0);
    ck_assert_int_eq(kc_rt_spawn(rt, stay_shielded, NULL), 0);
    ck_assert_int_ge(kc_rt_poll(rt, KC_TRY), 1);
    for (int i = 0; i < 3; i++)
        ck_assert_int_eq(kc_rt_shutdown(rt, kc_in(KC_MS(1))), -ETIME);
    ka_store(&gate, 1, release);
    destroy();
}
END_TEST

static int use_from_inside(void *arg)
{
    (void)arg;
    ck_assert_int_eq(kc_rt_poll(rt, KC_TRY), -EPERM);
    ck_assert_int_eq(kc_rt_fd(rt), -EPERM);
    ck_assert_int_eq(kc_rt_shutdown(rt, KC_TRY), -EPERM);
    return kt_count((void *)&counter);
}

START_TEST(only_a_plain_thread_may_drive_and_only_what_has_no_workers)
{
    ck_assert_int_eq(kc_rt_poll(NULL, KC_TRY), -EINVAL);
    ck_assert_int_eq(kc_rt_fd(NULL), -EINVAL);
    ck_assert_int_eq(kc_run(kt_return, NULL, &(kc_opts_t){ .workers = KC_WORKERS_NONE }),
                     -EINVAL);
    create(1, 0);
    ck_assert_int_eq(kc_rt_poll(rt, KC_TRY), -EINVAL);
    ck_assert_int_eq(kc_rt_fd(rt), -EINVAL);
    destroy();
    create(KC_WORKERS_NONE, 0);
    ck_assert_int_eq(kc_rt_spawn(rt, use_from_inside, NULL), 0);
    while (ka_load(&counter, relaxed) < 1)
        ck_assert_int_ge(kc_rt_poll(rt, KC_FOREVER), 0);
    destroy();
}
END_TEST

START_TEST(creation_without_workers_survives_each_failed_allocation)
{
    kc_opts_t opts = { .workers = KC_WORKERS_NONE };
    int rc = -1;

    for (uint64_t n = 1; rc; n++) {
        kci_mem_fail_nth(n);
        rc = kc_rt_create(&rt, &opts);
        kci_mem_fail_nth(0);
        if (rc)
            ck_assert_int_eq(rc, -ENOMEM);
    }
    destroy();
}
END_TEST

/* ---- the clock ---- */

static int64_t seen[8];

/* At 30, 60 and 90 ms of a clock that somebody else moves. */
static int tick(void *arg)
{
    int64_t start = kc_now();

    (void)arg;
    kt_count((void *)&gate);
    for (int i = 0; i < 8; i++) {
        if (kc_sleep(KC_MS(30)))
            return 0;
        seen[i] = kc_now() - start;
        kt_count((void *)&counter);
    }
    return 0;
}

START_TEST(t12_advancing_runs_what_is_due_at_its_own_time)
{
    create(_i ? 1 : KC_WORKERS_NONE, KC_RT_VIRTUAL_TIME);
    int64_t before = kci_os_now();
    ck_assert_int_eq(kc_rt_spawn(rt, tick, NULL), 0);
    ck_assert_int_eq(kc_rt_advance(rt, 0), 0); // all that can run now
    ck_assert_int_eq(gate, 1);
    ck_assert_int_eq(counter, 0);
    ck_assert_int_eq(kc_rt_advance(rt, KC_MS(29)), 0);
    ck_assert_int_eq(counter, 0);
    ck_assert_int_eq(kc_rt_advance(rt, KC_MS(71)), 0);
    ck_assert_int_eq(counter, 3);
    for (int i = 0; i < 3; i++)
        ck_assert_int_eq(seen[i], KC_MS(30) * (i + 1));
    ck_assert_int_eq(kc_rt_advance(rt, KC_MS(20)), 0);
    ck_assert_int_eq(counter, 4);
    ck_assert_int_lt(kci_os_now() - before, KC_S(5));
    destroy();
}
END_TEST

static int sleep_shielded(void *arg)
{
    (void)arg;
    kc_shield(true);
    int rc = kc_sleep(KC_S(1000));
    kc_shield(false);
    return rc;
}

START_TEST(a_runtime_that_ends_does_not_wait_for_its_clock)
{
    create(_i ? 1 : KC_WORKERS_NONE, KC_RT_VIRTUAL_TIME);
    ck_assert_int_eq(kc_rt_spawn(rt, sleep_shielded, NULL), 0);
    ck_assert_int_eq(kc_rt_advance(rt, KC_S(1)), 0);
    destroy();
}
END_TEST

static int advance_inside(void *arg)
{
    int64_t before = kc_now();

    (void)arg;
    kt_go(tick, NULL);
    ck_assert_int_eq(kc_rt_advance(kc_rt_current(), KC_MS(100)), 0);
    ck_assert_int_eq(kc_now() - before, KC_MS(100));
    ck_assert_int_eq(counter, 3);
    return 0;
}

START_TEST(t12_under_kc_run_advancing_is_sleeping)
{
    ck_assert_int_eq(kt_run_virtual(advance_inside, NULL), 0);
}
END_TEST

START_TEST(a_real_clock_cannot_be_moved)
{
    create(1, 0);
    ck_assert_int_eq(kc_rt_advance(rt, 1), -ENOTSUP);
    ck_assert_int_eq(kc_rt_advance(NULL, 1), -EINVAL);
    destroy();
    create(1, KC_RT_VIRTUAL_TIME);
    ck_assert_int_eq(kc_rt_advance(rt, -1), -EINVAL);
    ck_assert_int_eq(kc_rt_advance(rt, INT64_MAX), -EOVERFLOW);
    destroy();
}
END_TEST

/* Longer than a poll's turns, and mostly one of two in the slot. */
static int answer(void *arg)
{
    kc_chan_t *const *ch = arg;
    int v;

    while (kc_recv(ch[0], &v) == 0 && kc_send(ch[1], &v) == 0) {}
    return 0;
}

static int ask_and_answer(void *arg)
{
    kc_chan_t *ch[2] = { kc_chan(int, 0), kc_chan(int, 0) };
    kc_scope_t s;

    (void)arg;
    ck_assert_int_eq(kc_scope_open(&s, NULL), 0);
    kt_go(answer, ch);
    for (int i = 0, v; i < 3000; i++) {
        ck_assert_int_eq(kc_send(ch[0], &i), 0);
        ck_assert_int_eq(kc_recv(ch[1], &v), 0);
    }
    kc_chan_close(ch[0]);
    ck_assert_int_eq(kc_scope_close(&s), 0);
    return kt_count((void *)&counter);
}

START_TEST(g7_two_who_only_wake_each_other_are_not_forgotten)
{
    create(KC_WORKERS_NONE, 0);
    struct pollfd p = { .fd = kc_rt_fd(rt), .events = POLLIN };

    ck_assert_int_eq(kc_rt_spawn(rt, ask_and_answer, NULL), 0);
    while (ka_load(&counter, acquire) < 1) {
        if (p.fd >= 0) // -ENOTSUP with the portable poll set
            ck_assert_int_eq(poll(&p, 1, 10000), 1);
        ck_assert_int_ge(kc_rt_poll(rt, KC_TRY), 0);
    }
    destroy();
}
END_TEST

SUITE("runtime/drive", CASE(polling_runs_what_can_run_and_counts_its_turns),
      CASE(polling_returns_although_there_is_always_more_to_run),
      CASE(polling_waits_for_the_next_timer),
      CASE(what_another_thread_starts_ends_the_wait_of_a_poll),
      CASE(any_thread_may_poll_one_at_a_time),
      CASE(g7_a_foreign_loop_learns_from_one_descriptor_when_to_poll),
      CASE(g7_what_a_poll_left_undone_shows_at_the_descriptor),
      CASE(g7_two_who_only_wake_each_other_are_not_forgotten),
      CASE(shutting_down_drives_a_runtime_to_its_end),
      CASE(only_a_plain_thread_may_drive_and_only_what_has_no_workers),
      CASE(creation_without_workers_survives_each_failed_allocation),
      CASE_LOOP(t12_advancing_runs_what_is_due_at_its_own_time, 2),
      CASE_LOOP(a_runtime_that_ends_does_not_wait_for_its_clock, 2),
      CASE(t12_under_kc_run_advancing_is_sleeping), CASE(a_real_clock_cannot_be_moved))
