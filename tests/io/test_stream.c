/* SPDX-License-Identifier: BSD-3-Clause */
/* tests/io/test_stream.c — bytes through pipes and sockets, on 1, 2 and 4 workers. */
#include <netinet/in.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "tests/sched/kit.h"

enum { BULK = 1 << 20, PEERS = 200 };

static int drain(void *arg)
{
    int fd = *(int *)arg;
    static char buf[4096];
    int total = 0;

    for (ssize_t n; (n = kc_read(fd, buf, sizeof buf, KC_FOREVER)) != 0; total += (int)n)
        if (n < 0)
            return (int)n;
    return total;
}

static int through_a_pipe(void *unused)
{
    static char bulk[BULK];
    int fd[2];

    (void)unused;
    ck_assert_int_eq(pipe(fd), 0);
    kc_co_t *co = kt_spawn(drain, &fd[0]);
    ck_assert_int_eq(kc_writen(fd[1], bulk, BULK, KC_FOREVER), BULK); // parks: a pipe is small
    kc_fd_close(fd[1]);
    ck_assert_int_eq(kt_join(co), BULK);
    kc_fd_close(fd[0]);
    return 0;
}

START_TEST(a_writer_waits_for_room_and_a_reader_for_bytes)
{
    ck_assert_int_eq(kt_run(kt_workers(_i), through_a_pipe, NULL), 0);
}
END_TEST

static int broken(void *unused)
{
    int p[2], s[2];

    (void)unused;
    ck_assert_int_eq(pipe(p), 0);
    ck_assert_int_eq(socketpair(AF_UNIX, SOCK_STREAM, 0, s), 0);
    close(p[0]);
    close(s[0]);
    ck_assert_int_eq(kc_write(p[1], "x", 1, KC_FOREVER), -EPIPE);
    ck_assert_int_eq(kc_write(s[1], "x", 1, KC_FOREVER), -EPIPE);
    ck_assert_int_eq(kc_read(9999, p, 1, KC_FOREVER), -EBADF);
    close(p[1]);
    close(s[1]);
    return 0;
}

START_TEST(writing_to_nobody_is_epipe_without_a_signal)
{
    ck_assert_int_eq(kt_run(kt_workers(_i), broken, NULL), 0);
}
END_TEST

struct server {
    int fd;
    struct sockaddr_in sa;
};

static void serve_on_loopback(struct server *s)
{
    socklen_t len = sizeof s->sa;

    memset(&s->sa, 0, sizeof s->sa);
    s->sa.sin_family = AF_INET;
    s->sa.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    s->fd = socket(AF_INET, SOCK_STREAM, 0);
    ck_assert_int_ge(s->fd, 0);
    ck_assert_int_eq(bind(s->fd, (struct sockaddr *)&s->sa, sizeof s->sa), 0);
    ck_assert_int_eq(listen(s->fd, 512), 0);
    ck_assert_int_eq(getsockname(s->fd, (struct sockaddr *)&s->sa, &len), 0);
}

static int echo(void *arg)
{
    int fd = (int)(intptr_t)arg;
    char buf[64];

    for (ssize_t n; (n = kc_read(fd, buf, sizeof buf, KC_FOREVER)) > 0;)
        if (kc_writen(fd, buf, (size_t)n, KC_FOREVER) != n)
            return -EIO;
    return kc_fd_close(fd);
}

static int accept_all(void *arg)
{
    struct server *s = arg;

    for (int i = 0; i < PEERS; i++) {
        int fd = kc_accept(s->fd, KC_FOREVER);
        if (fd < 0)
            return fd;
        kt_go(echo, KT_RESULT(fd));
    }
    return 0;
}

static int ask(void *arg)
{
    struct server *s = arg;
    int fd = socket(AF_INET, SOCK_STREAM, 0);
    char buf[8];

    ck_assert_int_ge(fd, 0);
    ck_assert_int_eq(kc_connect(fd, &s->sa, sizeof s->sa, KC_FOREVER), 0);
    for (int i = 0; i < 5; i++) {
        ck_assert_int_eq(kc_write(fd, "kcoro", 5, KC_FOREVER), 5);
        ck_assert_int_eq(kc_read(fd, buf, sizeof buf, KC_FOREVER), 5);
        ck_assert_mem_eq(buf, "kcoro", 5);
    }
    return kc_fd_close(fd);
}

static int many_connections(void *unused)
{
    struct server s;
    kc_scope_t scope;

    (void)unused;
    serve_on_loopback(&s);
    ck_assert_int_eq(kc_scope_open(&scope, NULL), 0);
    kt_go(accept_all, &s);
    for (int i = 0; i < PEERS; i++)
        kt_go(ask, &s);
    ck_assert_int_eq(kc_scope_close(&scope), 0);
    ck_assert_int_eq(kc_accept(s.fd, KC_TRY), -EAGAIN);
    kc_fd_close(s.fd);
    return 0;
}

START_TEST(two_hundred_connections_are_accepted_and_echoed)
{
    ck_assert_int_eq(kt_run(kt_workers(_i), many_connections, NULL), 0);
}
END_TEST

static int nobody_listens(void *unused)
{
    struct server s;
    int fd = socket(AF_INET, SOCK_STREAM, 0);

    (void)unused;
    serve_on_loopback(&s);
    close(s.fd);
    ck_assert_int_eq(kc_connect(fd, &s.sa, sizeof s.sa, KC_FOREVER), -ECONNREFUSED);
    kc_fd_close(fd);
    return 0;
}

START_TEST(connecting_to_nobody_is_refused)
{
    ck_assert_int_eq(kt_run(kt_workers(_i), nobody_listens, NULL), 0);
}
END_TEST

SUITE("io/stream", CASE_WORKERS(a_writer_waits_for_room_and_a_reader_for_bytes),
      CASE_WORKERS(writing_to_nobody_is_epipe_without_a_signal),
      CASE_WORKERS(two_hundred_connections_are_accepted_and_echoed),
      CASE_WORKERS(connecting_to_nobody_is_refused))
