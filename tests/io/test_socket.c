/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * tests/io/test_socket.c — accepting and connecting, over UNIX sockets and TCP on the loopback.
 */
#include <fcntl.h>
#include <netinet/in.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "arch/fiber_notes.h"
#include "tests/sched/kit.h"

/* ---- two kinds of address ---- */

struct place {
    union {
        struct sockaddr any;
        struct sockaddr_in in;
        struct sockaddr_un un;
    } sa;
    socklen_t len;
    int family, fd;
};

static void tcp_address(struct place *p)
{
    p->family = AF_INET;
    p->len = sizeof p->sa.in;
    p->sa.in.sin_family = AF_INET;
    p->sa.in.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
}

static void unix_address(struct place *p)
{
    p->family = AF_UNIX;
    p->len = sizeof p->sa.un;
    p->sa.un.sun_family = AF_UNIX;
    snprintf(p->sa.un.sun_path, sizeof p->sa.un.sun_path, "/tmp/kcoro-test-%ld.sock",
             (long)getpid());
    unlink(p->sa.un.sun_path);
}

static void (*const families[])(struct place *p) = { tcp_address, unix_address };
enum { FAMILIES = sizeof families / sizeof *families };

static void serve(struct place *p, int family, int backlog)
{
    memset(p, 0, sizeof *p);
    families[family](p);
    p->fd = socket(p->family, SOCK_STREAM, 0);
    ck_assert_int_ge(p->fd, 0);
    ck_assert_int_eq(bind(p->fd, &p->sa.any, p->len), 0);
    ck_assert_int_eq(listen(p->fd, backlog), 0);
    ck_assert_int_eq(getsockname(p->fd, &p->sa.any, &p->len), 0);
}

static void leave(struct place *p)
{
    ck_assert_int_eq(kc_fd_close(p->fd), 0);
    if (p->family == AF_UNIX)
        unlink(p->sa.un.sun_path);
}

static int open_socket(const struct place *p)
{
    int fd = socket(p->family, SOCK_STREAM, 0);

    ck_assert_int_ge(fd, 0);
    return fd;
}

/* ---- many connections ---- */

enum { PEERS = KCI_NOTES ? 200 : 1000, PINGS = 5 };

static int echo(void *arg)
{
    int fd = (int)(intptr_t)arg, flags = fcntl(fd, F_GETFD);
    char buf[64];
    ssize_t n;

    ck_assert_int_eq(flags & FD_CLOEXEC, FD_CLOEXEC);
    while ((n = kc_read(fd, buf, sizeof buf, KC_FOREVER)) > 0)
        if (kc_writen(fd, buf, (size_t)n, KC_FOREVER) != n)
            return -EIO;
    kc_fd_close(fd);
    return (int)n;
}

static int accept_peers(void *arg)
{
    struct place *p = arg;

    for (int i = 0; i < PEERS; i++) {
        int fd = kc_accept(p->fd, KC_FOREVER);
        if (fd < 0)
            return fd;
        kt_go(echo, KT_RESULT(fd));
    }
    return 0;
}

static _Atomic(int) connected;

/* Connects, waits until all have, then plays ping-pong. */
static int be_a_peer(void *arg)
{
    struct place *p = arg;
    int fd = open_socket(p);
    char buf[8] = "";

    ck_assert_int_eq(kc_connect(fd, &p->sa.any, p->len, KC_FOREVER), 0);
    kt_count(&connected);
    while (ka_load(&connected, acquire) < PEERS)
        kc_sleep(KC_US(200));
    for (int i = 0; i < PINGS; i++) {
        ck_assert_int_eq(kc_write(fd, "ping", 4, KC_FOREVER), 4);
        ck_assert_int_eq(kc_read(fd, buf, sizeof buf, KC_FOREVER), 4);
        ck_assert_str_eq(buf, "ping");
    }
    return kc_fd_close(fd);
}

static int many_peers(void *family)
{
    struct place p;
    kc_scope_t s;

    ka_store(&connected, 0, relaxed);
    serve(&p, (int)(intptr_t)family, 128);
    ck_assert_int_eq(kc_scope_open(&s, NULL), 0);
    kt_go(accept_peers, &p);
    for (int i = 0; i < PEERS; i++)
        kt_go(be_a_peer, &p);
    ck_assert_int_eq(kc_scope_close(&s), 0);
    leave(&p);
    return 0;
}

static void allow_many_descriptors(void)
{
    struct rlimit files;

    ck_assert_int_eq(getrlimit(RLIMIT_NOFILE, &files), 0);
    files.rlim_cur = files.rlim_max;
    ck_assert_int_eq(setrlimit(RLIMIT_NOFILE, &files), 0);
}

START_TEST(a_thousand_connections_play_ping_pong)
{
    allow_many_descriptors();
    for (int family = 0; family < FAMILIES; family++)
        ck_assert_int_eq(kt_run(kt_workers(_i), many_peers, KT_RESULT(family)), 0);
}
END_TEST

/* ---- result codes ---- */

static int accept_codes(void *family)
{
    struct place p;
    int no_socket[2];

    ck_assert_int_eq(pipe(no_socket), 0);
    ck_assert_int_eq(kc_accept(no_socket[0], KC_FOREVER), -ENOTSOCK);
    close(no_socket[0]);
    close(no_socket[1]);
    serve(&p, (int)(intptr_t)family, 8);
    ck_assert_int_eq(kc_accept(p.fd, KC_TRY), -EAGAIN);
    ck_assert_int_eq(kc_accept(p.fd, kc_in(-1)), -ETIME);
    ck_assert_int_eq(kc_accept(p.fd, kc_in(KC_MS(1))), -ETIME);
    ck_assert_int_eq(kc_accept(-1, KC_FOREVER), -EBADF);
    int fd = open_socket(&p);
    ck_assert_int_eq(kc_accept(fd, KC_FOREVER), -EINVAL); // it does not listen
    ck_assert_int_eq(kc_connect(fd, &p.sa.any, p.len, KC_FOREVER), 0);
    int accepted = kc_accept(p.fd, KC_FOREVER);
    ck_assert_int_ge(accepted, 0);
    ck_assert_int_eq(fcntl(accepted, F_GETFL) & O_NONBLOCK, O_NONBLOCK);
    close(accepted);
    close(fd);
    leave(&p);
    return 0;
}

START_TEST(accepting_and_connecting_have_their_codes)
{
    for (int family = 0; family < FAMILIES; family++) {
        ck_assert_int_eq(accept_codes(KT_RESULT(family)), 0);
        ck_assert_int_eq(kt_run(kt_workers(_i), accept_codes, KT_RESULT(family)), 0);
    }
}
END_TEST

static int connect_to_nobody(void *family)
{
    struct place p;

    serve(&p, (int)(intptr_t)family, 8);
    ck_assert_int_eq(kc_fd_close(p.fd), 0);
    int fd = open_socket(&p);
    ck_assert_int_eq(kc_connect(fd, &p.sa.any, p.len, KC_FOREVER), -ECONNREFUSED);
    close(fd);
    if (p.family == AF_UNIX) {
        unlink(p.sa.un.sun_path);
        fd = open_socket(&p);
        ck_assert_int_eq(kc_connect(fd, &p.sa.any, p.len, KC_FOREVER), -ENOENT);
        close(fd);
    }
    return 0;
}

START_TEST(connecting_to_nobody_is_refused)
{
    for (int family = 0; family < FAMILIES; family++) {
        ck_assert_int_eq(connect_to_nobody(KT_RESULT(family)), 0);
        ck_assert_int_eq(kt_run(kt_workers(_i), connect_to_nobody, KT_RESULT(family)), 0);
    }
}
END_TEST

/* A full backlog: connecting waits, and goes on when somebody is accepted. */
static int connect_when_full(void *arg)
{
    const struct place *p = arg;
    int fd = open_socket(p), rc = kc_connect(fd, &p->sa.any, p->len, KC_FOREVER);

    close(fd);
    return rc;
}

static int fill_the_backlog(void *arg)
{
    enum { MANY = 20 };
    struct place p;
    kc_scope_t s;

    (void)arg;
    serve(&p, 1, 1); // UNIX sockets: there a full backlog is seen at once
    int fd = open_socket(&p), rc = 0;
    int queued[MANY], n = 0;
    while (n < MANY && (rc = kc_connect(fd, &p.sa.any, p.len, KC_TRY)) == 0) {
        queued[n++] = fd;
        fd = open_socket(&p);
    }
    ck_assert_int_eq(rc, -EAGAIN);
    ck_assert_int_eq(kc_connect(fd, &p.sa.any, p.len, kc_in(KC_MS(3))), -ETIME);
    ck_assert_int_eq(kc_scope_open(&s, NULL), 0);
    for (int i = 0; i < 5; i++)
        kt_go(connect_when_full, &p);
    for (int i = 0; i < n + 5; i++) {
        int accepted = kc_accept(p.fd, KC_FOREVER);
        ck_assert_int_ge(accepted, 0);
        close(accepted);
    }
    ck_assert_int_eq(kc_scope_close(&s), 0);
    for (int i = 0; i < n; i++)
        close(queued[i]);
    close(fd);
    leave(&p);
    return 0;
}

START_TEST(connecting_waits_for_room_in_the_backlog)
{
    ck_assert_int_eq(kt_run(kt_workers(_i), fill_the_backlog, NULL), 0);
}
END_TEST

/* ---- several accept from one socket, and are cancelled ---- */

static _Atomic(int) accepted_in_all, told;

static int accept_until_cancelled(void *arg)
{
    struct place *p = arg;
    int fd;

    while ((fd = kc_accept(p->fd, KC_FOREVER)) >= 0) {
        kt_count(&accepted_in_all);
        close(fd);
    }
    if (fd == -ECANCELED)
        kt_count(&told);
    return fd;
}

static int share_a_listener(void *family)
{
    struct place p;
    kc_scope_t s;

    ka_store(&accepted_in_all, 0, relaxed);
    ka_store(&told, 0, relaxed);
    serve(&p, (int)(intptr_t)family, 128);
    ck_assert_int_eq(kc_scope_open(&s, NULL), 0);
    for (int i = 0; i < 5; i++)
        kt_go(accept_until_cancelled, &p);
    for (int i = 0; i < 100; i++)
        ck_assert_int_eq(connect_when_full(&p), 0);
    kt_until(&accepted_in_all, 100);
    kc_scope_cancel(&s, 0);
    ck_assert_int_eq(kc_scope_close(&s), -ECANCELED);
    ck_assert_int_eq(told, 5);
    leave(&p);
    return 0;
}

START_TEST(several_coroutines_accept_from_one_socket)
{
    for (int family = 0; family < FAMILIES; family++)
        ck_assert_int_eq(kt_run(kt_workers(_i), share_a_listener, KT_RESULT(family)), 0);
}
END_TEST

/* ---- plain threads ---- */

static void *echo_outside(void *arg)
{
    struct place *p = arg;
    int fd = kc_accept(p->fd, KC_FOREVER);
    return fd < 0 ? KT_RESULT(fd) : KT_RESULT(echo(KT_RESULT(fd)));
}

static int ask_outside(void *family)
{
    struct place p;
    pthread_t thread;
    char buf[8] = "";
    void *rc;

    serve(&p, (int)(intptr_t)family, 8);
    ck_assert_int_eq(pthread_create(&thread, NULL, echo_outside, &p), 0);
    int fd = open_socket(&p);
    ck_assert_int_eq(kc_connect(fd, &p.sa.any, p.len, KC_FOREVER), 0);
    for (int i = 0; i < 100; i++) {
        ck_assert_int_eq(kc_write(fd, "ping", 4, KC_FOREVER), 4);
        ck_assert_int_eq(kc_read(fd, buf, sizeof buf, kc_in(KC_S(100))), 4);
    }
    kc_fd_close(fd);
    pthread_join(thread, &rc);
    ck_assert_ptr_null(rc);
    leave(&p);
    return 0;
}

START_TEST(a_plain_thread_serves_with_the_same_calls)
{
    for (int family = 0; family < FAMILIES; family++) {
        ck_assert_int_eq(ask_outside(KT_RESULT(family)), 0);
        ck_assert_int_eq(kt_run(kt_workers(_i), ask_outside, KT_RESULT(family)), 0);
    }
}
END_TEST

SUITE("io/socket", CASE_WORKERS(a_thousand_connections_play_ping_pong),
      CASE_WORKERS(accepting_and_connecting_have_their_codes),
      CASE_WORKERS(connecting_to_nobody_is_refused),
      CASE_WORKERS(connecting_waits_for_room_in_the_backlog),
      CASE_WORKERS(several_coroutines_accept_from_one_socket),
      CASE_WORKERS(a_plain_thread_serves_with_the_same_calls))
