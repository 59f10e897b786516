/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * io/sys.c — one attempt at a system call.
 *
 * Sockets take a flag that makes the one call non-blocking and silent. Anything else is
 * switched to non-blocking first, each time: the number may stand for another file than last
 * time, and asking costs less than remembering wrongly.
 */
#include "io/sys.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include <pthread.h>

#include "arch/fault.h"
#include "arch/os.h"

int kci_sys_nonblock(int fd)
{
    int flags = kci_fails(KCI_FAULT_FCNTL) ? -1 : fcntl(fd, F_GETFL);

    if (flags >= 0 && !(flags & O_NONBLOCK))
        flags = fcntl(fd, F_SETFL, flags | O_NONBLOCK);
    return flags < 0 ? kci_os_error() : 0;
}

int kci_sys_cloexec(int fd)
{
    bool fails = kci_fails(KCI_FAULT_FCNTL) || fcntl(fd, F_SETFD, FD_CLOEXEC) < 0;
    return fails ? kci_os_error() : 0;
}

int kci_sys_connect(int fd, const void *sa, unsigned len)
{
    int rc = kci_fails(KCI_FAULT_CONNECT) ? kci_os_error() : 0;

    if (rc && rc != -EINTR)
        return rc;
    bool fails = connect(fd, sa, len) < 0;
    return rc ? rc : fails ? kci_os_error() : 0;
}

static ssize_t result(ssize_t n)
{
    if (n >= 0)
        return n;
    int rc = kci_os_error();
    return rc == -EWOULDBLOCK ? -EAGAIN : rc;
}

static ssize_t read_file(int fd, void *buf, size_t n)
{
    int rc = kci_sys_nonblock(fd);
    return rc ? rc : result(read(fd, buf, n));
}

ssize_t kci_sys_read(void *ctx, int fd, void *buf, size_t n)
{
    ssize_t got;

    (void)ctx;
    do {
        bool fails = kci_fails_bytes(KCI_FAULT_READ, &n);
        got = result(fails ? -1 : recv(fd, buf, n, MSG_DONTWAIT));
        if (got == -ENOTSOCK)
            got = read_file(fd, buf, n);
    } while (got == -EINTR);
    return got;
}

/* write(2) to a pipe whose reader is gone raises SIGPIPE in this thread: hold it back, and
 * take it away again unless it was pending before. */
static ssize_t write_file(int fd, const void *buf, size_t n)
{
    sigset_t pipe_only, before, pending;
    int rc = kci_sys_nonblock(fd);

    if (rc)
        return rc;
    sigemptyset(&pipe_only);
    sigaddset(&pipe_only, SIGPIPE);
    sigpending(&pending);
    pthread_sigmask(SIG_BLOCK, &pipe_only, &before);
    ssize_t put = result(write(fd, buf, n));
    if (put == -EPIPE && !sigismember(&pending, SIGPIPE))
        sigtimedwait(&pipe_only, NULL, &(struct timespec){ 0 });
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    return put;
}

ssize_t kci_sys_write(void *ctx, int fd, const void *buf, size_t n)
{
    ssize_t put;

    (void)ctx;
    do {
        bool fails = kci_fails_bytes(KCI_FAULT_WRITE, &n);
        put = result(fails ? -1 : send(fd, buf, n, MSG_DONTWAIT | MSG_NOSIGNAL));
        if (put == -ENOTSOCK)
            put = write_file(fd, buf, n);
    } while (put == -EINTR);
    return put;
}
