/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * tests/io/test_fd_close.c — closing a descriptor that others wait for, or are about to.
 */
#include <fcntl.h>
#include <pthread.h>
#include <sys/socket.h>
#include <unistd.h>

#include "arch/cpu.h"
#include "core/mem.h"
#include "tests/sched/kit.h"

static _Atomic(int) got_ebadf, other;

static void make_pair(int fd[2])
{
    ck_assert_int_eq(socketpair(AF_UNIX, SOCK_STREAM, 0, fd), 0);
}

static int wait_for_close(void *fd)
{
    int rc = kc_fd_wait(*(int *)fd, KC_RD, KC_FOREVER);

    kt_count(rc == -EBADF ? &got_ebadf : &other);
    return 0;
}

/* ---- who closes ---- */

static void *close_outside(void *fd)
{
    kc_fd_close(*(int *)fd);
    return NULL;
}

static int run_closing(void *fd)
{
    return kc_fd_close(*(int *)fd);
}

static void *close_in_other_runtime(void *fd)
{
    ck_assert_int_eq(kc_run(run_closing, fd, &(kc_opts_t){ .workers = 1 }), 0);
    return NULL;
}

struct closer {
    void *(*thread_main)(void *fd);
};

static int let_others_close(void *arg)
{
    enum { WAITERS = 5 };
    const struct closer *closer = arg;
    kc_co_t *co[WAITERS];
    pthread_t thread;
    int fd[2];

    make_pair(fd);
    for (int i = 0; i < WAITERS; i++)
        co[i] = kt_spawn(wait_for_close, &fd[0]);
    for (int i = 0; i < WAITERS; i++)
        kt_until_parked(co[i], KCI_WHY_FD);
    ck_assert_int_eq(pthread_create(&thread, NULL, closer->thread_main, &fd[0]), 0);
    for (int i = 0; i < WAITERS; i++)
        kt_join(co[i]);
    pthread_join(thread, NULL);
    close(fd[1]);
    return 0;
}

START_TEST(closing_on_a_plain_thread_wakes_coroutines)
{
    struct closer closer = { close_outside };

    ck_assert_int_eq(kt_run(kt_workers(_i), let_others_close, &closer), 0);
    ck_assert_int_eq(got_ebadf, 5);
}
END_TEST

START_TEST(closing_in_one_runtime_wakes_the_coroutines_of_another)
{
    struct closer closer = { close_in_other_runtime };

    ck_assert_int_eq(kt_run(kt_workers(_i), let_others_close, &closer), 0);
    ck_assert_int_eq(got_ebadf, 5);
}
END_TEST

/* ---- closing and beginning to wait at the same time ---- */

struct duel {
    int fd;
    _Atomic(int) begun;
};

static int read_until_closed(void *arg)
{
    struct duel *d = arg;
    char c;

    kt_count(&d->begun);
    ssize_t n = kc_read(d->fd, &c, 1, KC_FOREVER);
    kt_count(n == -EBADF ? &got_ebadf : &other);
    return 0;
}

static void duel(int round)
{
    struct duel d = { .begun = 0 };
    int fd[2];

    make_pair(fd);
    d.fd = fd[0];
    kc_co_t *co = kt_spawn(read_until_closed, &d);
    kt_until(&d.begun, 1);
    for (int i = 0; i < round % 20; i++)
        kci_cpu_pause();
    ck_assert_int_eq(kc_fd_close(d.fd), 0);
    kt_join(co); // hangs if the reader began to wait between waking and closing
    close(fd[1]);
}

static int many_duels(void *arg)
{
    (void)arg;
    for (int i = 0; i < 3000; i++)
        duel(i);
    return 0;
}

START_TEST(whoever_begins_to_wait_while_it_is_closed_does_not_wait_for_ever)
{
#ifdef KCI_TSAN // it calls reading and closing at the same time a race, which is the point here
    return;
#endif
    ck_assert_int_eq(kt_run(kt_workers(_i), many_duels, NULL), 0);
    ck_assert_int_eq(got_ebadf, 3000);
}
END_TEST

/* ---- the number is given out again ---- */

static int wait_for_byte(void *fd)
{
    return kc_fd_wait(*(int *)fd, KC_RD, KC_FOREVER) == (int)KC_RD ? 0 : -EIO;
}

static int reuse_number(void *arg)
{
    int first[2], second[2];

    (void)arg;
    for (int i = 0; i < 200; i++) {
        make_pair(first);
        kc_co_t *old = kt_spawn(wait_for_close, &first[0]);
        kt_until_parked(old, KCI_WHY_FD);
        ck_assert_int_eq(kc_fd_close(first[0]), 0);
        make_pair(second);
        ck_assert_int_eq(second[0], first[0]);
        kc_co_t *young = kt_spawn(wait_for_byte, &second[0]);
        kt_until_parked(young, KCI_WHY_FD);
        kt_join(old);
        ck_assert_int_eq(write(second[1], "x", 1), 1);
        ck_assert_int_eq(kt_join(young), 0);
        close(first[1]);
        close(second[0]);
        close(second[1]);
    }
    return 0;
}

START_TEST(who_waits_for_the_next_file_of_that_number_is_not_disturbed)
{
    ck_assert_int_eq(kt_run(kt_workers(_i), reuse_number, NULL), 0);
    ck_assert_int_eq(got_ebadf, 200);
}
END_TEST

/* A waiter that still stands there when the program closed the number behind our back leaves by
 * its deadline, and those of the next file get their events. */
static int stale_waiter(void *arg)
{
    int fd[2], again[2];

    (void)arg;
    make_pair(fd);
    int number = fd[0];
    kc_co_t *stale = kt_spawn(wait_for_close, &number);
    kt_until_parked(stale, KCI_WHY_FD);
    close(fd[0]);
    make_pair(again);
    ck_assert_int_eq(again[0], number);
    kc_co_t *young = kt_spawn(wait_for_byte, &again[0]);
    kt_until_parked(young, KCI_WHY_FD);
    ck_assert_int_eq(write(again[1], "x", 1), 1);
    ck_assert_int_eq(kt_join(young), 0);
    ck_assert_int_eq(kc_fd_close(again[0]), 0);
    kt_join(stale);
    close(fd[1]);
    close(again[1]);
    return 0;
}

START_TEST(a_close_behind_our_back_harms_only_who_waited)
{
    ck_assert_int_eq(kt_run(kt_workers(_i), stale_waiter, NULL), 0);
}
END_TEST

/* ---- result codes ---- */

static int close_wrongly(void *arg)
{
    int fd[2];

    (void)arg;
    make_pair(fd);
    ck_assert_int_eq(kc_fd_close(-1), -EBADF);
    ck_assert_int_eq(kc_fd_close(fd[0]), 0);
    ck_assert_int_eq(kc_fd_close(fd[0]), -EBADF);
    ck_assert_int_eq(kc_fd_close(fd[1]), 0);
    ck_assert_int_eq(fcntl(fd[1], F_GETFD), -1);
    return 0;
}

START_TEST(closing_what_is_not_open_is_ebadf)
{
    ck_assert_int_eq(close_wrongly(NULL), 0);
    ck_assert_int_eq(kt_run(kt_workers(_i), close_wrongly, NULL), 0);
}
END_TEST

static int close_without_memory(void *arg)
{
    int fd[2];

    (void)arg;
    make_pair(fd);
    kci_mem_fail_nth(1);
    ck_assert_int_eq(kc_fd_close(fd[0]), 0);
    kci_mem_fail_nth(1);
    ck_assert_int_eq(kc_fd_wait(fd[1], KC_RD, KC_TRY) & (int)KC_HUP, (int)KC_HUP);
    kci_mem_fail_nth(0);
    close(fd[1]);
    return 0;
}

START_TEST(closing_works_without_memory)
{
    ck_assert_int_eq(kt_run(1, close_without_memory, NULL), 0);
}
END_TEST

SUITE("io/fd_close", CASE_WORKERS(closing_on_a_plain_thread_wakes_coroutines),
      CASE_WORKERS(closing_in_one_runtime_wakes_the_coroutines_of_another),
      CASE_WORKERS(whoever_begins_to_wait_while_it_is_closed_does_not_wait_for_ever),
      CASE_WORKERS(who_waits_for_the_next_file_of_that_number_is_not_disturbed),
      CASE_WORKERS(a_close_behind_our_back_harms_only_who_waited),
      CASE_WORKERS(closing_what_is_not_open_is_ebadf), CASE(closing_works_without_memory))
