/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * io/stream.c — read, write, accept, connect: try, and wait only when the system says so.
 */
#include <kcoro/time.h>
#include <sys/socket.h>
#include <unistd.h>

#include "arch/fault.h"
#include "arch/os.h"
#include "io/reactor.h"
#include "io/sys.h"

static const struct kci_env *env(void)
{
    static const struct kci_env plain = { .read = kci_sys_read, .write = kci_sys_write };
    struct kci_worker *w = kci_worker_self();

    return w ? &w->rt->env : &plain;
}

ssize_t kc_read(int fd, void *buf, size_t n, kc_deadline_t dl)
{
    int rc = kci_self_enter();

    while (rc >= 0) {
        ssize_t got = env()->read(env()->ctx, fd, buf, n);
        if (got != -EAGAIN)
            return got;
        rc = kci_fd_wait_more(fd, KC_RD, dl);
    }
    return rc;
}

ssize_t kc_write(int fd, const void *buf, size_t n, kc_deadline_t dl)
{
    int rc = kci_self_enter();

    while (rc >= 0) {
        ssize_t put = env()->write(env()->ctx, fd, buf, n);
        if (put != -EAGAIN)
            return put;
        rc = kci_fd_wait_more(fd, KC_WR, dl);
    }
    return rc;
}

ssize_t kc_writen(int fd, const void *buf, size_t n, kc_deadline_t dl)
{
    size_t done = 0;

    while (done < n) {
        ssize_t put = kc_write(fd, (const char *)buf + done, n - done, dl);
        if (put < 0)
            return done ? (ssize_t)done : put;
        done += (size_t)put;
    }
    return (ssize_t)done;
}

static int made_ours(int fd)
{
    int rc = kci_sys_nonblock(fd);

    if (!rc)
        rc = kci_sys_cloexec(fd);
    if (!rc)
        return fd;
    close(fd);
    return rc;
}

/* Errors of the connection that was to be accepted, not of the listener. */
static bool is_transient(int err)
{
    return err == EINTR || err == ECONNABORTED || err == EPROTO;
}

int kc_accept(int fd, kc_deadline_t dl)
{
    int rc = kci_self_enter();

    if (!rc)
        rc = kci_sys_nonblock(fd);
    while (rc >= 0) {
        int got = kci_fails(KCI_FAULT_ACCEPT) ? -1 : accept(fd, NULL, NULL);
        if (got >= 0)
            return made_ours(got);
        int err = -kci_os_error();
        if (is_transient(err))
            continue;
        if (err != EAGAIN && err != EWOULDBLOCK)
            return -err;
        rc = kci_fd_wait_more(fd, KC_RD, dl);
    }
    return rc;
}

/* Wait until the attempt is over: an event may be a stale one, of an earlier file of that
 * number. */
static int wait_connected(int fd, kc_deadline_t dl)
{
    int rc;

    do {
        rc = kci_fd_wait_more(fd, KC_WR, dl);
    } while (rc > 0 && !kci_fd_ready(fd, KC_WR));
    return rc;
}

static int connect_result(int fd)
{
    int err = 0;
    socklen_t len = sizeof err;

    bool fails = kci_fails(KCI_FAULT_GETSOCKOPT) ||
                 getsockopt(fd, SOL_SOCKET, SO_ERROR, &err, &len) < 0;
    return fails ? kci_os_error() : -err;
}

/* A UNIX socket whose backlog is full: nothing to wait on, so look again a little later. */
static int pause_before_retry(kc_deadline_t dl)
{
    int rc = kci_deadline_check(dl);
    return rc ? rc : kc_sleep(KC_MS(1));
}

int kc_connect(int fd, const void *sa, unsigned len, kc_deadline_t dl)
{
    int rc = kci_self_enter();

    if (!rc)
        rc = kci_sys_nonblock(fd);
    while (!rc) {
        int err = -kci_sys_connect(fd, sa, len);
        if (err == EINPROGRESS || err == EINTR) {
            rc = wait_connected(fd, dl);
            return rc < 0 ? rc : connect_result(fd);
        }
        if (err != EAGAIN)
            return -err;
        rc = pause_before_retry(dl);
    }
    return rc;
}
