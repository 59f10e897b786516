/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * tests/io/test_bytes.c — reading and writing: every byte once and in order, every result code,
 * from coroutines and from plain threads.
 */
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <sys/socket.h>
#include <unistd.h>

#include "tests/sched/kit.h"

enum { BULK = 300000 };

static void make_pair(int fd[2])
{
    ck_assert_int_eq(socketpair(AF_UNIX, SOCK_STREAM, 0, fd), 0);
}

static void make_pipe(int fd[2])
{
    ck_assert_int_eq(pipe(fd), 0);
}

static const struct {
    void (*make)(int fd[2]); // fd[0] reads what fd[1] writes
} kinds[] = { { make_pair }, { make_pipe } };
enum { KINDS = sizeof kinds / sizeof *kinds };

/* ---- every byte once and in order ---- */

static unsigned char byte_at(size_t i)
{
    return (unsigned char)(i * 31 + i / 256);
}

/* In pieces of all sizes. Returns 0 when all BULK bytes were there and then the end. */
static int read_bulk(void *fd)
{
    unsigned char buf[1000];
    size_t i = 0;
    ssize_t n;

    while ((n = kc_read(*(int *)fd, buf, i % sizeof buf + 1, KC_FOREVER)) > 0)
        for (ssize_t k = 0; k < n; k++)
            if (buf[k] != byte_at(i++))
                return -EPROTO;
    return n < 0 ? (int)n : i == BULK ? 0 : -EIO;
}

static int write_bulk(void *fd)
{
    unsigned char buf[5000];
    size_t size = 1;

    for (size_t i = 0; i < BULK; i += size) {
        size = i % sizeof buf + 1 < BULK - i ? i % sizeof buf + 1 : BULK - i;
        for (size_t k = 0; k < size; k++)
            buf[k] = byte_at(i + k);
        ssize_t n = kc_writen(*(int *)fd, buf, size, KC_FOREVER);
        if (n != (ssize_t)size)
            return n < 0 ? (int)n : -EIO;
    }
    return kc_fd_close(*(int *)fd);
}

static int bulk_between_coroutines(void *kind)
{
    int fd[2];

    kinds[(intptr_t)kind].make(fd);
    kc_co_t *reader = kt_spawn(read_bulk, &fd[0]), *writer = kt_spawn(write_bulk, &fd[1]);
    ck_assert_int_eq(kt_join(writer), 0);
    ck_assert_int_eq(kt_join(reader), 0);
    close(fd[0]);
    return 0;
}

START_TEST(every_byte_arrives_once_and_in_order)
{
    for (int kind = 0; kind < KINDS; kind++)
        ck_assert_int_eq(kt_run(kt_workers(_i), bulk_between_coroutines, KT_RESULT(kind)), 0);
}
END_TEST

struct outside {
    kc_fn fn;
    int *fd;
    int rc;
};

static void *run_outside(void *arg)
{
    struct outside *o = arg;

    o->rc = o->fn(o->fd);
    return NULL;
}

static int read_then_write_outside(void *kind)
{
    int fd[2];

    for (int reader_outside = 0; reader_outside < 2; reader_outside++) {
        pthread_t thread;
        kinds[(intptr_t)kind].make(fd);
        struct outside o = { reader_outside ? read_bulk : write_bulk, &fd[!reader_outside], 0 };
        ck_assert_int_eq(pthread_create(&thread, NULL, run_outside, &o), 0);
        int rc = reader_outside ? write_bulk(&fd[1]) : read_bulk(&fd[0]);
        ck_assert_int_eq(rc, 0);
        pthread_join(thread, NULL);
        ck_assert_int_eq(o.rc, 0);
        close(fd[0]);
    }
    return 0;
}

START_TEST(also_between_a_coroutine_and_a_plain_thread)
{
    for (int kind = 0; kind < KINDS; kind++)
        ck_assert_int_eq(kt_run(kt_workers(_i), read_then_write_outside, KT_RESULT(kind)), 0);
}
END_TEST

START_TEST(also_between_plain_threads)
{
    for (int kind = 0; kind < KINDS; kind++)
        ck_assert_int_eq(read_then_write_outside(KT_RESULT(kind)), 0);
}
END_TEST

/* ---- result codes, on coroutines and on plain threads ---- */

static ssize_t fill_up(int fd)
{
    static const char bulk[4096];
    ssize_t n, sum = 0;

    while ((n = kc_write(fd, bulk, sizeof bulk, KC_TRY)) > 0)
        sum += n;
    ck_assert_int_eq(n, -EAGAIN);
    return sum;
}

static int codes_of_kind(void *kind)
{
    char c[8];
    int fd[2];

    kinds[(intptr_t)kind].make(fd);
    ck_assert_int_eq(kc_read(fd[0], c, 1, KC_TRY), -EAGAIN);
    ck_assert_int_eq(kc_read(fd[0], c, 1, kc_in(-1)), -ETIME);
    ck_assert_int_eq(kc_read(fd[0], c, 1, kc_in(KC_MS(1))), -ETIME);
    ck_assert_int_eq(kc_write(fd[1], "abc", 3, kc_in(-1)), 3); // ready: the deadline is not asked
    ck_assert_int_eq(kc_read(fd[0], c, sizeof c, KC_TRY), 3);
    ck_assert_mem_eq(c, "abc", 3);
    ck_assert_int_gt(fill_up(fd[1]), 1000);
    ck_assert_int_eq(kc_write(fd[1], c, 1, kc_in(KC_MS(1))), -ETIME);
    ck_assert_int_eq(kc_writen(fd[1], c, 1, KC_TRY), -EAGAIN);
    ck_assert_int_eq(kc_writen(fd[1], c, 0, KC_TRY), 0);
    close(fd[1]);
    while (kc_read(fd[0], c, sizeof c, KC_FOREVER) > 0) {}
    ck_assert_int_eq(kc_read(fd[0], c, sizeof c, KC_FOREVER), 0); // the end, as often as asked
    ck_assert_int_eq(kc_read(fd[0], c, sizeof c, KC_TRY), 0);
    close(fd[0]);
    ck_assert_int_eq(kc_read(fd[0], c, 1, KC_FOREVER), -EBADF);
    ck_assert_int_eq(kc_write(fd[0], c, 1, KC_FOREVER), -EBADF);
    ck_assert_int_eq(kc_read(-1, c, 1, KC_FOREVER), -EBADF);
    return 0;
}

START_TEST(each_outcome_has_its_code)
{
    for (int kind = 0; kind < KINDS; kind++) {
        ck_assert_int_eq(codes_of_kind(KT_RESULT(kind)), 0);
        ck_assert_int_eq(kt_run(kt_workers(_i), codes_of_kind, KT_RESULT(kind)), 0);
    }
}
END_TEST

static int partly_written(void *kind)
{
    static char big[8 << 20];
    int fd[2];

    kinds[(intptr_t)kind].make(fd);
    ssize_t n = kc_writen(fd[1], big, sizeof big, kc_in(KC_MS(2)));
    ck_assert_int_gt(n, 0);
    ck_assert_int_lt(n, (ssize_t)sizeof big);
    close(fd[0]);
    close(fd[1]);
    return 0;
}

START_TEST(writing_that_ends_early_says_how_much_was_written)
{
    for (int kind = 0; kind < KINDS; kind++) {
        ck_assert_int_eq(partly_written(KT_RESULT(kind)), 0);
        ck_assert_int_eq(kt_run(kt_workers(_i), partly_written, KT_RESULT(kind)), 0);
    }
}
END_TEST

static int write_until_cancelled(void *fd)
{
    static char big[8 << 20];
    ssize_t n = kc_writen(*(int *)fd, big, sizeof big, KC_FOREVER);
    return n > 0 && n < (ssize_t)sizeof big ? 0 : -EIO;
}

static int cancel_a_writer(void *kind)
{
    kc_scope_t s;
    int fd[2];

    kinds[(intptr_t)kind].make(fd);
    ck_assert_int_eq(kc_scope_open(&s, NULL), 0);
    kc_co_t *co = kt_spawn(write_until_cancelled, &fd[1]);
    kt_until_parked(co, KCI_WHY_FD);
    kc_scope_cancel(&s, 0);
    ck_assert_int_eq(kc_scope_close(&s), -ECANCELED);
    ck_assert_int_eq(kt_join(co), 0);
    close(fd[0]);
    close(fd[1]);
    return 0;
}

START_TEST(a_cancelled_writer_says_how_much_was_written)
{
    for (int kind = 0; kind < KINDS; kind++)
        ck_assert_int_eq(kt_run(kt_workers(_i), cancel_a_writer, KT_RESULT(kind)), 0);
}
END_TEST

/* ---- SIGPIPE ---- */

static volatile sig_atomic_t signals;

static void count_signal(int signal)
{
    (void)signal;
    signals++;
}

static int write_to_nobody(void *kind)
{
    int fd[2];

    kinds[(intptr_t)kind].make(fd);
    close(fd[0]);
    for (int i = 0; i < 3; i++) {
        ck_assert_int_eq(kc_write(fd[1], "x", 1, KC_FOREVER), -EPIPE);
        ck_assert_int_eq(kc_writen(fd[1], "x", 1, KC_FOREVER), -EPIPE);
    }
    close(fd[1]);
    return 0;
}

START_TEST(writing_to_nobody_calls_no_signal_handler)
{
    signal(SIGPIPE, count_signal);
    for (int kind = 0; kind < KINDS; kind++) {
        ck_assert_int_eq(write_to_nobody(KT_RESULT(kind)), 0);
        ck_assert_int_eq(kt_run(kt_workers(_i), write_to_nobody, KT_RESULT(kind)), 0);
    }
    ck_assert_int_eq(signals, 0);
}
END_TEST

START_TEST(a_signal_that_was_pending_before_stays_pending)
{
    sigset_t pipe_only, pending;

    signal(SIGPIPE, count_signal);
    sigemptyset(&pipe_only);
    sigaddset(&pipe_only, SIGPIPE);
    pthread_sigmask(SIG_BLOCK, &pipe_only, NULL);
    raise(SIGPIPE);
    for (int kind = 0; kind < KINDS; kind++)
        write_to_nobody(KT_RESULT(kind));
    sigpending(&pending);
    ck_assert_int_eq(sigismember(&pending, SIGPIPE), 1);
    pthread_sigmask(SIG_UNBLOCK, &pipe_only, NULL);
    ck_assert_int_eq(signals, 1);
}
END_TEST

/* ---- what the library does to descriptors ---- */

static int is_blocking(int fd)
{
    return !(fcntl(fd, F_GETFL) & O_NONBLOCK);
}

static int look_at_flags(void *arg)
{
    int pair[2], pipe[2];
    char c;

    (void)arg;
    make_pair(pair);
    make_pipe(pipe);
    ck_assert_int_eq(kc_read(pair[0], &c, 1, KC_TRY), -EAGAIN);
    ck_assert_int_eq(kc_read(pipe[0], &c, 1, KC_TRY), -EAGAIN);
    ck_assert(is_blocking(pair[0])); // sockets have a flag for the one call
    ck_assert(!is_blocking(pipe[0]));
    ck_assert(is_blocking(pipe[1]));
    for (int i = 0; i < 2; i++) {
        close(pair[i]);
        close(pipe[i]);
    }
    return 0;
}

START_TEST(only_what_has_no_other_way_is_made_non_blocking)
{
    ck_assert_int_eq(kt_run(kt_workers(_i), look_at_flags, NULL), 0);
}
END_TEST

SUITE("io/bytes", CASE_WORKERS(every_byte_arrives_once_and_in_order),
      CASE_WORKERS(also_between_a_coroutine_and_a_plain_thread),
      CASE(also_between_plain_threads), CASE_WORKERS(each_outcome_has_its_code),
      CASE_WORKERS(writing_that_ends_early_says_how_much_was_written),
      CASE_WORKERS(a_cancelled_writer_says_how_much_was_written),
      CASE_WORKERS(writing_to_nobody_calls_no_signal_handler),
      CASE(a_signal_that_was_pending_before_stays_pending),
      CASE_WORKERS(only_what_has_no_other_way_is_made_non_blocking))
