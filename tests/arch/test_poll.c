/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * tests/arch/test_poll.c — the pollset, for each answer to arch/os.h.
 *
 * Threads are met by what they did, never by waiting a while; where a test lets time pass, it
 * is the end of that time that it tests.
 */
#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include "arch/os.h"
#include "tests/support/suite.h"

static const int64_t ms = 1000000;

static struct kci_pollset *ps;
static struct kci_poll_event got[8];

static void open_pollset(void)
{
    ck_assert_int_eq(kci_pollset_create(&ps), 0);
}

static void open_pipe(int fds[2])
{
    ck_assert_int_eq(pipe(fds), 0);
}

static void put_byte(int fd)
{
    ck_assert_int_eq(write(fd, "x", 1), 1);
}

static void close_both(int fds[2])
{
    close(fds[0]);
    close(fds[1]);
}

static void expect_arm(int fd, unsigned ev, uint64_t key)
{
    ck_assert_int_eq(kci_pollset_arm(ps, fd, ev, key), 0);
}

static void expect_none(void)
{
    ck_assert_int_eq(kci_pollset_wait(ps, got, 8, 0), 0);
}

static void expect_one(uint64_t key, unsigned ev)
{
    ck_assert_int_eq(kci_pollset_wait(ps, got, 8, INT64_MAX), 1);
    ck_assert_uint_eq(got[0].key, key);
    ck_assert_uint_eq(got[0].ev, ev);
}

START_TEST(a_descriptor_is_reported_once_when_it_becomes_ready)
{
    int fds[2];

    open_pollset();
    open_pipe(fds);
    expect_arm(fds[0], KCI_POLL_RD, 0xfedcba9876543210u);
    expect_none();
    put_byte(fds[1]);
    expect_one(0xfedcba9876543210u, KCI_POLL_RD);
    expect_none(); // one-shot, although it is still readable
    put_byte(fds[1]);
    expect_none();
    expect_arm(fds[0], KCI_POLL_RD, 0); // ready already
    expect_one(0, KCI_POLL_RD);
    close_both(fds);
    kci_pollset_destroy(ps);
}
END_TEST

START_TEST(arming_again_replaces_key_and_interest)
{
    int fds[2];

    open_pollset();
    ck_assert_int_eq(socketpair(AF_UNIX, SOCK_STREAM, 0, fds), 0);
    expect_arm(fds[0], KCI_POLL_RD, 1);
    expect_arm(fds[0], KCI_POLL_WR, 2);
    expect_one(2, KCI_POLL_WR);
    put_byte(fds[1]);
    expect_none();
    expect_arm(fds[0], KCI_POLL_RD | KCI_POLL_WR, 3);
    expect_one(3, KCI_POLL_RD | KCI_POLL_WR);
    close_both(fds);
    kci_pollset_destroy(ps);
}
END_TEST

START_TEST(the_other_end_closing_is_reported)
{
    int fds[2], pair[2];

    open_pollset();
    open_pipe(fds);
    expect_arm(fds[0], KCI_POLL_RD, 1);
    expect_none();
    close(fds[1]);
    ck_assert_int_eq(kci_pollset_wait(ps, got, 8, INT64_MAX), 1);
    ck_assert_uint_ne(got[0].ev & KCI_POLL_HUP, 0);
    close(fds[0]);

    ck_assert_int_eq(socketpair(AF_UNIX, SOCK_STREAM, 0, pair), 0);
    expect_arm(pair[0], KCI_POLL_RD, 2);
    close(pair[1]);
    ck_assert_int_eq(kci_pollset_wait(ps, got, 8, INT64_MAX), 1);
    ck_assert_uint_ne(got[0].ev & (KCI_POLL_RD | KCI_POLL_HUP), 0);
    close(pair[0]);
    kci_pollset_destroy(ps);
}
END_TEST

START_TEST(a_pipe_without_readers_is_an_error_to_its_writer)
{
    int fds[2];

    open_pollset();
    open_pipe(fds);
    close(fds[0]);
    expect_arm(fds[1], KCI_POLL_WR, 1);
    ck_assert_int_eq(kci_pollset_wait(ps, got, 8, INT64_MAX), 1);
    ck_assert_uint_ne(got[0].ev & (KCI_POLL_ERR | KCI_POLL_HUP), 0);
    close(fds[1]);
    kci_pollset_destroy(ps);
}
END_TEST

START_TEST(a_forgotten_descriptor_is_not_reported)
{
    int fds[2], again[2];

    open_pollset();
    kci_pollset_forget(ps, 999999); // never heard of it
    open_pipe(fds);
    expect_arm(fds[0], KCI_POLL_RD, 1);
    put_byte(fds[1]);
    kci_pollset_forget(ps, fds[0]);
    expect_none();
    close_both(fds);
    open_pipe(again); // the same numbers
    expect_arm(again[0], KCI_POLL_RD, 2);
    expect_none();
    put_byte(again[1]);
    expect_one(2, KCI_POLL_RD);
    close_both(again);
    kci_pollset_destroy(ps);
}
END_TEST

START_TEST(what_cannot_be_armed_says_why)
{
    char name[] = "/tmp/kcoro-test-XXXXXX";
    int file = mkstemp(name), fds[2];

    open_pollset();
    open_pipe(fds);
    ck_assert_int_ge(file, 0);
    unlink(name);
    ck_assert_int_eq(kci_pollset_arm(ps, file, KCI_POLL_RD, 1), -EPERM);
    close(file);
    ck_assert_int_eq(kci_pollset_arm(ps, file, KCI_POLL_RD, 1), -EBADF);
    ck_assert_int_eq(kci_pollset_arm(ps, -1, KCI_POLL_RD, 1), -EBADF);
    ck_assert_int_eq(kci_pollset_arm(ps, fds[0], KCI_POLL_RD, UINT64_MAX), -EINVAL);
    expect_none();
    close_both(fds);
    kci_pollset_destroy(ps);
}
END_TEST

START_TEST(a_wait_ends_at_its_time_and_not_before)
{
    open_pollset();
    for (int i = 0; i < 20; i++) {
        int64_t until = kci_os_now() + i * ms / 4;
        ck_assert_int_eq(kci_pollset_wait(ps, got, 8, until), 0);
        ck_assert_int_ge(kci_os_now(), until);
    }
    kci_pollset_destroy(ps);
}
END_TEST

START_TEST(a_kick_before_the_wait_ends_one_wait)
{
    int fds[2];

    open_pollset();
    kci_pollset_kick(ps);
    kci_pollset_kick(ps);
    ck_assert_int_eq(kci_pollset_wait(ps, got, 8, INT64_MAX), 0);

    int64_t until = kci_os_now() + 5 * ms;
    ck_assert_int_eq(kci_pollset_wait(ps, got, 8, until), 0);
    ck_assert_int_ge(kci_os_now(), until);

    open_pipe(fds);
    put_byte(fds[1]);
    expect_arm(fds[0], KCI_POLL_RD, 1);
    kci_pollset_kick(ps);
    expect_one(1, KCI_POLL_RD); // and hides nothing
    close_both(fds);
    kci_pollset_destroy(ps);
}
END_TEST

/* Waits and is kicked, in turns: some kicks come before the wait, most during it. */
static void *kick_back(void *arg)
{
    struct kci_parker *turn = arg;

    for (int i = 0; i < 5000; i++) {
        if (!kci_parker_wait(turn, INT64_MAX))
            return arg;
        kci_pollset_kick(ps);
    }
    return NULL;
}

START_TEST(a_kick_from_another_thread_ends_an_endless_wait)
{
    struct kci_parker turn;
    pthread_t kicker;
    void *failed;

    open_pollset();
    kci_parker_init(&turn);
    ck_assert_int_eq(pthread_create(&kicker, NULL, kick_back, &turn), 0);
    for (int i = 0; i < 5000; i++) {
        kci_parker_wake(&turn);
        ck_assert_int_eq(kci_pollset_wait(ps, got, 8, INT64_MAX), 0);
    }
    ck_assert_int_eq(pthread_join(kicker, &failed), 0);
    ck_assert_ptr_null(failed);
    kci_parker_fini(&turn);
    kci_pollset_destroy(ps);
}
END_TEST

/* Arms the readable end of a pipe again each time it was reported. */
struct arming {
    struct kci_parker turn;
    int fd;
};

static void *arm_again(void *arg)
{
    struct arming *a = arg;

    for (uint64_t i = 0; i < 5000; i++)
        if (!kci_parker_wait(&a->turn, INT64_MAX) ||
            kci_pollset_arm(ps, a->fd, KCI_POLL_RD, i) != 0)
            return arg;
    return NULL;
}

START_TEST(arming_from_another_thread_is_noticed_by_a_wait)
{
    struct arming a;
    pthread_t other;
    void *failed;
    int fds[2];

    open_pollset();
    open_pipe(fds);
    put_byte(fds[1]);
    a.fd = fds[0];
    kci_parker_init(&a.turn);
    ck_assert_int_eq(pthread_create(&other, NULL, arm_again, &a), 0);
    for (uint64_t i = 0; i < 5000; i++) {
        kci_parker_wake(&a.turn);
        expect_one(i, KCI_POLL_RD);
    }
    ck_assert_int_eq(pthread_join(other, &failed), 0);
    ck_assert_ptr_null(failed);
    kci_parker_fini(&a.turn);
    close_both(fds);
    kci_pollset_destroy(ps);
}
END_TEST

enum { MANY = 150 };

START_TEST(many_ready_descriptors_come_a_few_at_a_time_and_each_once)
{
    int fds[MANY][2], times[MANY] = { 0 };

    open_pollset();
    for (int i = 0; i < MANY; i++) {
        open_pipe(fds[i]);
        put_byte(fds[i][1]);
        expect_arm(fds[i][0], KCI_POLL_RD, (uint64_t)i);
    }
    for (int seen = 0, n; seen < MANY; seen += n) {
        n = kci_pollset_wait(ps, got, 7, INT64_MAX);
        ck_assert_int_ge(n, 1);
        ck_assert_int_le(n, 7);
        for (int k = 0; k < n; k++)
            times[got[k].key]++;
    }
    expect_none();
    for (int i = 0; i < MANY; i++) {
        ck_assert_int_eq(times[i], 1);
        close_both(fds[i]);
    }
    kci_pollset_destroy(ps);
}
END_TEST

START_TEST(descriptors_that_are_always_ready_do_not_starve_others)
{
    int fds[20][2], reported = 0;

    open_pollset();
    for (int i = 0; i < 20; i++) {
        open_pipe(fds[i]);
        put_byte(fds[i][1]);
        expect_arm(fds[i][0], KCI_POLL_RD, (uint64_t)i);
    }
    // Whatever is reported is armed again at once, as a busy reader would.
    for (int round = 0; round < 40; round++) {
        ck_assert_int_eq(kci_pollset_wait(ps, got, 1, INT64_MAX), 1);
        reported |= 1 << got[0].key;
        expect_arm(fds[got[0].key][0], KCI_POLL_RD, got[0].key);
    }
    ck_assert_int_eq(reported, (1 << 20) - 1);
    for (int i = 0; i < 20; i++)
        close_both(fds[i]);
    kci_pollset_destroy(ps);
}
END_TEST

static _Atomic(int) wait_over;

static void *wait_for_events(void *arg)
{
    int n = kci_pollset_wait(ps, got, 8, INT64_MAX);

    ka_store(&wait_over, 1, relaxed); // relaxed: only looked at
    return n == 0 ? NULL : arg;
}

static void take_signal(int sig)
{
    (void)sig;
}

START_TEST(a_signal_ends_a_wait_without_events)
{
    struct sigaction sa = { .sa_handler = take_signal }; // without SA_RESTART
    pthread_t waiter;
    void *failed;

    ck_assert_int_eq(sigaction(SIGUSR1, &sa, NULL), 0);
    open_pollset();
    ck_assert_int_eq(pthread_create(&waiter, NULL, wait_for_events, &ps), 0);
    // The first signals may come before the wait.
    while (!ka_load(&wait_over, relaxed)) { // relaxed: only looked at
        pthread_kill(waiter, SIGUSR1);
        kci_os_yield_thread();
    }
    ck_assert_int_eq(pthread_join(waiter, &failed), 0);
    ck_assert_ptr_null(failed);
    kci_pollset_destroy(ps);
}
END_TEST

/* Use up all descriptors; returns the limit there was. The last two taken are in spare[]. */
static struct rlimit take_descriptors(int spare[2])
{
    struct rlimit before, limit;
    int fd;

    ck_assert_int_eq(getrlimit(RLIMIT_NOFILE, &before), 0);
    limit = before;
    limit.rlim_cur = 64;
    ck_assert_int_eq(setrlimit(RLIMIT_NOFILE, &limit), 0);
    spare[0] = spare[1] = -1;
    while ((fd = dup(0)) >= 0) {
        spare[0] = spare[1];
        spare[1] = fd;
    }
    ck_assert_int_eq(errno, EMFILE);
    ck_assert_int_ge(spare[0], 0);
    return before;
}

static void expect_refused(void)
{
    for (int i = 0; i < 5; i++)
        ck_assert_int_eq(kci_pollset_create(&ps), -EMFILE);
}

/* Both answers need two. A failure half-way must give the first one back. */
START_TEST(a_pollset_without_descriptors_is_refused_and_leaks_none)
{
    int spare[2];

    struct rlimit before = take_descriptors(spare);
    expect_refused();
    close(spare[0]);
    expect_refused();
    close(spare[1]);
    open_pollset();
    kci_pollset_destroy(ps);
    ck_assert_int_eq(setrlimit(RLIMIT_NOFILE, &before), 0);
}
END_TEST

/* ---- closing what another thread polls ---- */

static int never[2]; // a pipe that only says when the waiting is over

static void *wait_for_never(void *arg)
{
    (void)arg;
    while (kci_pollset_wait(ps, got, 8, INT64_MAX) != 1 || got[0].key != 7)
        continue;
    return NULL;
}

/* A kernel may hold the file for as long as it is polled. */
START_TEST(a_socket_forgotten_and_closed_during_a_wait_ends_for_its_peer)
{
    pthread_t waiter;
    char c;

    open_pollset();
    open_pipe(never);
    expect_arm(never[0], KCI_POLL_RD, 7);
    ck_assert_int_eq(pthread_create(&waiter, NULL, wait_for_never, NULL), 0);
    for (int i = 0; i < 1000; i++) {
        int pair[2];
        ck_assert_int_eq(socketpair(AF_UNIX, SOCK_STREAM, 0, pair), 0);
        expect_arm(pair[0], KCI_POLL_RD, 1);
        if (i % 2)
            kci_os_yield_thread(); // so that it is polled more often than not
        kci_pollset_forget(ps, pair[0]);
        close(pair[0]);
        ck_assert_int_eq(read(pair[1], &c, 1), 0); // hangs if it is held
        close(pair[1]);
    }
    put_byte(never[1]);
    pthread_join(waiter, NULL);
    close_both(never);
    kci_pollset_destroy(ps);
}
END_TEST

static bool is_readable(int fd, int timeout_ms)
{
    struct pollfd p = { .fd = fd, .events = POLLIN };

    return poll(&p, 1, timeout_ms) == 1;
}

/* Where the set is no descriptor it says so, and there is nothing else to see. */
START_TEST(the_sets_own_descriptor_is_readable_when_a_wait_would_not_sleep)
{
    int fds[2];

    open_pollset();
    open_pipe(fds);
    int fd = kci_pollset_fd(ps, INT64_MAX);
    if (fd != -ENOTSUP) {
        ck_assert(!is_readable(fd, 0));
        expect_arm(fds[0], KCI_POLL_RD, 7);
        put_byte(fds[1]);
        ck_assert(is_readable(fd, 0));
        expect_one(7, KCI_POLL_RD);
        ck_assert(!is_readable(fd, 0)); // reported once
        kci_pollset_kick(ps);
        ck_assert(is_readable(fd, 0));
        expect_none();
        ck_assert(!is_readable(fd, 0));
    }
    close_both(fds);
    kci_pollset_destroy(ps);
}
END_TEST

START_TEST(the_sets_own_descriptor_is_readable_from_its_time_on)
{
    open_pollset();
    int64_t at = kci_os_now() + 2 * ms;
    int fd = kci_pollset_fd(ps, at);
    if (fd != -ENOTSUP) {
        ck_assert(is_readable(fd, 10000));
        ck_assert_int_ge(kci_os_now(), at);
        ck_assert(is_readable(fd, 0)); // until it is waited for
        expect_none();
        ck_assert(!is_readable(fd, 0));
        ck_assert_int_eq(kci_pollset_fd(ps, 1), fd); // long ago
        ck_assert(is_readable(fd, 10000));
        ck_assert_int_eq(kci_pollset_fd(ps, INT64_MAX), fd); // and taken back
        ck_assert(!is_readable(fd, 0));
    }
    kci_pollset_destroy(ps);
}
END_TEST

SUITE("arch/poll",
      CASE(the_sets_own_descriptor_is_readable_when_a_wait_would_not_sleep),
      CASE(the_sets_own_descriptor_is_readable_from_its_time_on),
      CASE(a_descriptor_is_reported_once_when_it_becomes_ready),
      CASE(arming_again_replaces_key_and_interest),
      CASE(the_other_end_closing_is_reported),
      CASE(a_pipe_without_readers_is_an_error_to_its_writer),
      CASE(a_forgotten_descriptor_is_not_reported),
      CASE(what_cannot_be_armed_says_why),
      CASE(a_wait_ends_at_its_time_and_not_before),
      CASE(a_kick_before_the_wait_ends_one_wait),
      CASE(a_kick_from_another_thread_ends_an_endless_wait),
      CASE(arming_from_another_thread_is_noticed_by_a_wait),
      CASE(many_ready_descriptors_come_a_few_at_a_time_and_each_once),
      CASE(descriptors_that_are_always_ready_do_not_starve_others),
      CASE(a_socket_forgotten_and_closed_during_a_wait_ends_for_its_peer),
      CASE(a_signal_ends_a_wait_without_events),
      CASE(a_pollset_without_descriptors_is_refused_and_leaks_none))
