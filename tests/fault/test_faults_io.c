/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * tests/fault/test_faults_io.c — descriptors and whole runtimes: each allocation, thread and
 * system call fails; then descriptors and mappings really run out.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "core/fault.h"
#include "core/mem.h"
#include "tests/fault/kit.h"

static int with_pair(int (*use)(int a, int b))
{
    int fd[2];

    if (socketpair(AF_UNIX, SOCK_STREAM, 0, fd))
        return KF_WRONG;
    int rc = use(fd[0], fd[1]);
    close(fd[0]);
    close(fd[1]);
    return rc;
}

static int with_pipe(int (*use)(int a, int b))
{
    int fd[2];

    if (pipe(fd))
        return KF_WRONG;
    int rc = use(fd[1], fd[0]);
    close(fd[0]);
    close(fd[1]);
    return rc;
}

/* ---- bytes ---- */

/* What a short or failed call says was written is there, and nothing else. */
static int write_then_read(int out, int in)
{
    char sent[40] = "forty bytes, in one go or one by one...", got[40] = { 0 };
    size_t have = 0;
    ssize_t n = kc_writen(out, sent, sizeof sent, KC_FOREVER);
    int rc = n < 0 ? (int)n : n < (ssize_t)sizeof sent ? -EIO : 0;

    while (n > 0 && have < (size_t)n) {
        ssize_t more = kc_read(in, got + have, sizeof got - have, KC_FOREVER);
        if (more <= 0)
            return more ? (int)more : KF_WRONG;
        have += (size_t)more;
    }
    return n > 0 && memcmp(sent, got, (size_t)n) ? KF_WRONG : rc;
}

static int bytes(void)
{
    return with_pair(write_then_read);
}

static int bytes_of_a_pipe(void)
{
    return with_pipe(write_then_read);
}

static int write_one(int out, int in)
{
    char c = 'x';

    (void)in;
    ssize_t n = kc_write(out, &c, 1, KC_FOREVER);
    return n < 0 ? (int)n : n == 1 ? 0 : KF_WRONG;
}

static int one_byte(void)
{
    return with_pair(write_one);
}

static int out_fd;

static int write_later(void *unused)
{
    char c = 'x';

    (void)unused;
    kc_yield();
    return write(out_fd, &c, 1) == 1 ? 0 : KF_WRONG;
}

/* Waits, in a coroutine, for what another one writes. */
static int read_what_comes(int out, int in)
{
    char c = 0;
    kc_scope_t s;

    out_fd = out;
    KF_OK(kc_scope_open(&s, NULL));
    int rc = kc_spawn(NULL, write_later, NULL, NULL);
    if (!rc) {
        ssize_t n = kc_read(in, &c, 1, KC_FOREVER);
        rc = n < 0 ? (int)n : c == 'x' ? 0 : KF_WRONG;
    }
    int closed = kc_scope_close(&s);
    return rc ? rc : closed;
}

static int waiting_read(void)
{
    return with_pair(read_what_comes);
}

static int time_out(int out, int in)
{
    (void)out;
    int rc = kc_fd_wait(in, KC_RD, kc_in(KC_US(50)));
    if (rc != -ETIME)
        return rc < 0 ? rc : KF_WRONG;
    rc = kc_fd_wait(out, KC_RD | KC_WR, KC_FOREVER);
    return rc == KC_WR ? 0 : rc < 0 ? rc : KF_WRONG;
}

static int fd_wait(void)
{
    return with_pair(time_out);
}

static int select_readable(int out, int in)
{
    char c = 'x';
    kc_chan_t *never;

    KF_OK(kc_chan_make(&never, 1, 0));
    kc_case_t cases[] = { KC_RECV(never, &c), KC_FD(in, KC_RD) };
    kc_sel_t sel = kc_selectv(cases, 2, kc_in(KC_US(50)), 0);
    if (sel.i == -1 && sel.rc == -ETIME) {
        int put = (int)write(out, &c, 1);
        sel = kc_selectv(cases, 2, KC_FOREVER, 0);
        sel.rc = put == 1 ? sel.rc : KF_WRONG;
    }
    kc_chan_unref(never);
    return sel.rc < 0 ? sel.rc : sel.i == 1 && sel.rc == KC_RD ? 0 : KF_WRONG;
}

static int select_fd(void)
{
    return with_pair(select_readable);
}

static int wait_for_close(void *fd)
{
    return kc_fd_wait((int)(intptr_t)fd, KC_RD, KC_FOREVER);
}

/* Closing wakes who waits, also when it says that it failed. */
static int close_waited(int fd)
{
    kc_co_t *waiter;
    int rc = kc_spawn(&waiter, wait_for_close, (void *)(intptr_t)fd,
                      &(kc_attr_t){ .flags = KC_CO_DETACHED });

    if (!rc)
        kc_yield();
    int closed = kc_fd_close(fd), ret = -EBADF;
    if (rc)
        return rc;
    int joined = kc_join(waiter, &ret, KC_FOREVER);
    kc_co_unref(waiter);
    return closed ? closed : joined ? KF_WRONG : ret == -EBADF ? 0 : ret;
}

static int fd_close(void)
{
    int fd[2];

    if (socketpair(AF_UNIX, SOCK_STREAM, 0, fd))
        return KF_WRONG;
    int rc = close_waited(fd[0]);
    close(fd[1]);
    return rc;
}

/* ---- connections ---- */

struct meeting {
    struct sockaddr_un sa;
    int listener, client, rc;
};

static int connects(void *arg)
{
    struct meeting *m = arg;

    m->client = socket(AF_UNIX, SOCK_STREAM, 0);
    return kc_connect(m->client, &m->sa, sizeof m->sa, KC_FOREVER);
}

/* One accepts, one connects, who cancels the other on failure. */
static int meet(struct meeting *m)
{
    kc_scope_t s;
    int fd = -1;

    KF_OK(kc_scope_open(&s, NULL));
    int rc = kc_spawn(NULL, connects, m, NULL);
    if (!rc)
        fd = rc = kc_accept(m->listener, KC_FOREVER);
    int closed = kc_scope_close(&s);
    if (fd >= 0)
        close(fd);
    if (m->client >= 0)
        close(m->client);
    return closed ? closed : rc < 0 ? rc : 0;
}

static int accept_and_connect(void)
{
    struct meeting m = { .sa = { .sun_family = AF_UNIX }, .client = -1 };
    char dir[] = "/tmp/kcoro-fault-XXXXXX";

    if (!mkdtemp(dir))
        return KF_WRONG;
    snprintf(m.sa.sun_path, sizeof m.sa.sun_path, "%s/s", dir);
    m.listener = socket(AF_UNIX, SOCK_STREAM, 0);
    int rc = bind(m.listener, (const struct sockaddr *)(const void *)&m.sa, sizeof m.sa);
    rc = rc || listen(m.listener, 4) ? KF_WRONG : meet(&m);
    close(m.listener);
    unlink(m.sa.sun_path);
    rmdir(dir);
    return rc;
}

enum { IO = KF_REAL | KF_CALLS };

static const struct kf_part descriptors[] = {
    { "kc_writen kc_read", bytes, IO, { -EIO } },
    { "kc_writen kc_read", bytes, KF_THREAD | KF_CALLS, { -EIO } },
    { "kc_writen kc_read", bytes_of_a_pipe, IO, { -EIO } },
    { "kc_write", one_byte, IO, { 0 } },
    { "kc_read", waiting_read, IO, { 0 } },
    { "kc_fd_wait", fd_wait, IO, { 0 } },
    { "kc_fd_wait", fd_wait, KF_THREAD | KF_CALLS, { 0 } },
    { "kc_selectv", select_fd, IO, { 0 } },
    // -ENOMEM: no thread for the helper
    { "kc_selectv", select_fd, KF_THREAD | KF_CALLS | KF_STARTS, { -ENOMEM } },
    { "kc_fd_close", fd_close, IO, { 0 } },
    { "kc_accept kc_connect", accept_and_connect, IO, { 0 } },
};

START_TEST(g5_whatever_fails_around_descriptors_leaves_nothing)
{
    kf_try(descriptors, KF_COUNT(descriptors));
}
END_TEST

/* ---- runtimes ---- */

static int seven(void *unused)
{
    (void)unused;
    return 7;
}

static int run_with(int workers)
{
    int rc = kc_run(seven, NULL, &(kc_opts_t){ .workers = workers });
    return rc == 7 ? 0 : rc < 0 ? rc : KF_WRONG;
}

static int run_one(void)
{
    return run_with(1);
}

static int run_three(void)
{
    return run_with(3);
}

static int run_default(void)
{
    return run_with(0);
}

static int spawn_in(kc_rt_t *rt)
{
    int rc = kc_rt_spawn(rt, seven, NULL);
    return kc_rt_shutdown(rt, KC_FOREVER) ? KF_WRONG : rc;
}

static int create(void)
{
    kc_rt_t *rt;

    KF_OK(kc_rt_create(&rt, &(kc_opts_t){ .workers = 2 }));
    return spawn_in(rt);
}

static int sleeps(void *slept)
{
    int rc = kc_sleep(KC_US(100));
    *(int *)slept = rc ? rc : 1;
    return rc;
}

static int drive(kc_rt_t *rt)
{
    int slept = 0, fd = kc_rt_fd(rt);

    if (fd < 0 && fd != -ENOTSUP)
        return fd;
    KF_OK(kc_rt_spawn(rt, sleeps, &slept));
    while (!slept)
        KF_OK(kc_rt_poll(rt, kc_in(KC_MS(1))));
    return slept < 0 ? slept : 0;
}

static int driven(void)
{
    kc_rt_t *rt;

    KF_OK(kc_rt_create(&rt, &(kc_opts_t){ .workers = KC_WORKERS_NONE }));
    int rc = drive(rt);
    return kc_rt_shutdown(rt, KC_FOREVER) ? KF_WRONG : rc;
}

static int advance(void)
{
    kc_opts_t opts = { .workers = KC_WORKERS_NONE, .flags = KC_RT_VIRTUAL_TIME };
    kc_rt_t *rt;
    int slept = 0;

    KF_OK(kc_rt_create(&rt, &opts));
    int rc = kc_rt_spawn(rt, sleeps, &slept);
    if (!rc)
        rc = kc_rt_advance(rt, KC_MS(1));
    rc = rc || slept == 1 ? rc : KF_WRONG;
    return kc_rt_shutdown(rt, KC_FOREVER) ? KF_WRONG : rc;
}

static const struct kf_part runtimes[] = {
    { "kc_run", run_one, KF_THREAD | KF_CALLS, { 0 } },
    { "kc_run", run_three, KF_THREAD | KF_CALLS | KF_STARTS, { 0 } },
    { "kc_run", run_default, KF_THREAD | KF_CALLS | KF_STARTS, { 0 } },
    { "kc_rt_create kc_rt_spawn kc_rt_shutdown", create, KF_THREAD | KF_CALLS | KF_STARTS, { 0 } },
    { "kc_rt_poll kc_rt_fd", driven, KF_THREAD | KF_CALLS, { 0 } },
    { "kc_rt_advance", advance, KF_THREAD | KF_CALLS, { 0 } },
};

START_TEST(g5_whatever_fails_around_a_runtime_leaves_nothing)
{
    kf_try(runtimes, KF_COUNT(runtimes));
}
END_TEST

SUITE("fault/io", CASE(g5_whatever_fails_around_descriptors_leaves_nothing),
      CASE(g5_whatever_fails_around_a_runtime_leaves_nothing))
