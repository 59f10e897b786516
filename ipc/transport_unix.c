/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * ipc/transport_unix.c — unix:PATH, a stream socket in the file system.
 *
 * Who may connect is decided by the permissions of the socket, made 0600 before anybody can
 * connect; put it into a directory of its own for more.
 *
 * A socket file outlives its owner, and nothing about it tells whether somebody still
 * listens. So a listener holds a lock on PATH.lock for its life: the kernel drops it when the
 * owner dies, however that happens, and who gets the lock may replace the file. POSIX locks
 * are held by processes, not descriptors: closing *any* descriptor of the file drops the
 * lock, and locking twice in one process succeeds. Therefore the process remembers which lock
 * files it holds and looks before it opens one.
 *
 * Rejected  binding and seeing: EADDRINUSE says only that a file is there.
 *           connecting alone: a live owner with a full backlog refuses like a dead one.
 *           flock(2): exactly right, but not in POSIX.
 */
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <sys/un.h>
#include <unistd.h>

#include "arch/fault.h"
#include "arch/os.h"
#include "core/lock.h"
#include "core/mem.h"
#include "io/sys.h"
#include "ipc/port.h"

enum { BACKLOG = 128, PIECES = 64 };

struct file_id {
    dev_t dev;
    ino_t ino;
};

struct unix_link {
    int fd;
    int lock_fd;         /* -1: a connection */
    char *path;          /* listening: the address; the lock's path lies behind it */
    char *lock_path;
    struct file_id sock, lock; /* as made, so that only our own files are removed */
    struct unix_link *next;    /* held.lock: listening points of this process */
};

static struct {
    struct kci_lock lock;
    struct unix_link *first;
} held;

static struct unix_link *of(kc_link_t *l)
{
    return (struct unix_link *)(void *)l;
}

/* ---- sockets ---- */

static int address(const char *path, struct sockaddr_un *out)
{
    size_t n = strlen(path);

    *out = (struct sockaddr_un){ .sun_family = AF_UNIX };
    if (!n)
        return -EINVAL;
    if (n >= sizeof out->sun_path)
        return -ENAMETOOLONG;
    memcpy(out->sun_path, path, n + 1);
    return 0;
}

static int make_ours(int fd)
{
    int rc = kci_sys_nonblock(fd);
    return rc ? rc : kci_sys_cloexec(fd);
}

static int open_socket(int *out)
{
    int fd = kci_fails(KCI_FAULT_SOCKET) ? -1 : socket(AF_UNIX, SOCK_STREAM, 0);
    int rc = fd < 0 ? kci_os_error() : make_ours(fd);

    if (rc && fd >= 0)
        close(fd);
    *out = fd;
    return rc;
}

static int wrap(int fd, kc_link_t **out)
{
    struct unix_link *u = kci_zalloc(sizeof *u);

    if (!u) {
        close(fd);
        return -ENOMEM;
    }
    u->fd = fd;
    u->lock_fd = -1;
    *out = (kc_link_t *)(void *)u;
    return 0;
}

/* -EAGAIN: the backlog is full; kc_ipc_connect tries again. */
static int connect_to(const struct sockaddr_un *sa, int *out)
{
    int rc = open_socket(out);

    if (rc)
        return rc;
    do {
        rc = kci_sys_connect(*out, sa, sizeof *sa);
    } while (rc == -EINTR);
    if (rc == -EISCONN) // the attempt that was interrupted had gone on
        rc = 0;
    if (rc)
        close(*out);
    return rc;
}

static int unix_connect(const char *addr, void *env, kc_link_t **out)
{
    struct sockaddr_un sa;
    int fd, rc = address(addr, &sa);

    (void)env;
    if (!rc)
        rc = connect_to(&sa, &fd);
    return rc ? rc : wrap(fd, out);
}

/* ---- the lock ---- */

static int look_at(const char *path, struct stat *out)
{
    return kci_fails(KCI_FAULT_STAT) ? -1 : lstat(path, out);
}

static bool same_file(const struct file_id *id, const char *path, struct stat *st)
{
    return !look_at(path, st) && st->st_dev == id->dev && st->st_ino == id->ino;
}

static struct file_id identity(const struct stat *st)
{
    return (struct file_id){ st->st_dev, st->st_ino };
}

/* Does this process hold the file at `path` already? Under held.lock. */
static bool is_held(const char *path)
{
    struct stat st;

    for (struct unix_link *u = held.first; u; u = u->next)
        if (same_file(&u->lock, path, &st))
            return true;
    return false;
}

static int open_lock(const char *path)
{
    const int how = O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW;
    return kci_fails(KCI_FAULT_OPEN) ? -1 : open(path, how, 0600);
}

/* 0 with u->lock_fd locked; -EADDRINUSE; -EAGAIN: the file was removed meanwhile, try again. */
static int lock_once(struct unix_link *u)
{
    struct flock whole = { .l_type = F_WRLCK, .l_whence = SEEK_SET };
    struct stat st;
    int fd = open_lock(u->lock_path);

    if (fd < 0)
        return kci_os_error();
    int rc = kci_fails(KCI_FAULT_FCNTL) || fcntl(fd, F_SETLK, &whole) < 0 ? kci_os_error() : 0;
    if (!rc && (kci_fails(KCI_FAULT_STAT) || fstat(fd, &st) < 0))
        rc = kci_os_error();
    if (!rc) {
        u->lock = identity(&st);
        u->lock_fd = fd;
        if (same_file(&u->lock, u->lock_path, &st))
            return 0;
        u->lock_fd = -1;
    }
    close(fd);
    if (!rc)
        return -EAGAIN;
    return rc == -EACCES || rc == -EAGAIN ? -EADDRINUSE : rc;
}

static int lock_path(struct unix_link *u)
{
    int rc;

    do {
        rc = is_held(u->lock_path) ? -EADDRINUSE : lock_once(u);
    } while (rc == -EAGAIN || rc == -EINTR);
    return rc;
}

/* ---- listening ---- */

/* We hold the lock, so a socket at `path` belongs to nobody, unless its owner never heard of
 * our locks: then it answers. */
static int remove_stale(const char *path, const struct sockaddr_un *sa)
{
    struct stat st;
    int fd;

    if (look_at(path, &st)) {
        int rc = kci_os_error();
        return rc == -ENOENT ? 0 : rc;
    }
    if (!S_ISSOCK(st.st_mode))
        return -EADDRINUSE;
    int rc = connect_to(sa, &fd);
    if (!rc)
        close(fd);
    if (rc != -ECONNREFUSED)
        return rc == -ENOENT ? 0 : -EADDRINUSE;
    rc = kci_fails(KCI_FAULT_UNLINK) || unlink(path) ? kci_os_error() : 0;
    return rc == -ENOENT ? 0 : rc;
}

static int bind_and_listen(struct unix_link *u, const struct sockaddr_un *sa)
{
    struct stat st;

    if (kci_fails(KCI_FAULT_BIND) ||
        bind(u->fd, (const struct sockaddr *)(const void *)sa, sizeof *sa))
        return kci_os_error();
    // Between bind and listen nobody can connect, so these permissions hold from the beginning.
    if (look_at(u->path, &st))
        return kci_os_error();
    u->sock = identity(&st); // ours to remove from here on
    if (kci_fails(KCI_FAULT_CHMOD) || chmod(u->path, 0600))
        return kci_os_error();
    if (kci_fails(KCI_FAULT_LISTEN) || listen(u->fd, BACKLOG))
        return kci_os_error();
    return 0;
}

static struct unix_link *listening_link(const char *path)
{
    size_t n = strlen(path);
    struct unix_link *u = kci_zalloc(sizeof *u + 2 * n + sizeof ".lock" + 1);

    if (!u)
        return NULL;
    u->fd = u->lock_fd = -1;
    u->path = memcpy((char *)(u + 1), path, n + 1);
    u->lock_path = u->path + n + 1;
    memcpy(u->lock_path, path, n);
    memcpy(u->lock_path + n, ".lock", sizeof ".lock");
    return u;
}

static void unlink_own(const struct file_id *id, const char *path)
{
    struct stat st;

    if (id->ino && same_file(id, path, &st) && !kci_fails(KCI_FAULT_UNLINK))
        unlink(path);
}

static void forget_held(struct unix_link *u)
{
    struct unix_link **p = &held.first;

    while (*p && *p != u)
        p = &(*p)->next;
    if (*p)
        *p = u->next;
}

/* The files go first, while the lock still keeps others away. */
static void stop_listening(struct unix_link *u)
{
    kci_lock(&held.lock);
    if (u->lock_fd >= 0) {
        unlink_own(&u->sock, u->path);
        unlink_own(&u->lock, u->lock_path);
        close(u->lock_fd);
        forget_held(u);
    }
    kci_unlock(&held.lock);
}

/* Under held.lock, which is held over system calls here: listening is rare. */
static int hold_path(struct unix_link *u, const struct sockaddr_un *sa)
{
    int rc = lock_path(u);

    if (rc)
        return rc;
    u->next = held.first;
    held.first = u;
    rc = remove_stale(u->path, sa);
    if (!rc)
        rc = open_socket(&u->fd);
    return rc ? rc : bind_and_listen(u, sa);
}

static void unix_close(kc_link_t *l)
{
    struct unix_link *u = of(l);

    if (u->path)
        stop_listening(u);
    if (u->fd >= 0)
        close(u->fd);
    kci_free(u);
}

static int unix_listen(const char *addr, void *env, kc_link_t **out)
{
    struct sockaddr_un sa;
    int rc = address(addr, &sa);
    struct unix_link *u = rc ? NULL : listening_link(addr);

    (void)env;
    if (!u)
        return rc ? rc : -ENOMEM;
    kci_lock(&held.lock);
    rc = hold_path(u, &sa);
    kci_unlock(&held.lock);
    if (rc)
        unix_close((kc_link_t *)(void *)u);
    else
        *out = (kc_link_t *)(void *)u;
    return rc;
}

static int unix_accept(kc_link_t *listening, kc_link_t **out)
{
    int fd = kci_fails(KCI_FAULT_ACCEPT) ? -1 : accept(of(listening)->fd, NULL, NULL);

    if (fd < 0) {
        int rc = kci_os_error();
        return rc == -EWOULDBLOCK || rc == -EINTR || rc == -ECONNABORTED ? -EAGAIN : rc;
    }
    int rc = make_ours(fd);
    if (rc) {
        close(fd);
        return rc;
    }
    return wrap(fd, out);
}

/* ---- bytes ---- */

static ssize_t unix_send_frames(kc_link_t *l, const struct iovec *iov, int n)
{
    struct msghdr m = { .msg_iov = (struct iovec *)(uintptr_t)iov };
    struct iovec first = iov[0];
    size_t most = SIZE_MAX;
    ssize_t rc;

    m.msg_iovlen = (size_t)(n < PIECES ? n : PIECES);
    do {
        bool fails = kci_fails_bytes(KCI_FAULT_WRITE, &most);
        if (most == 1 && first.iov_len) {
            first.iov_len = 1;
            m.msg_iov = &first;
            m.msg_iovlen = 1;
        }
        rc = fails ? -1 : sendmsg(of(l)->fd, &m, MSG_NOSIGNAL | MSG_DONTWAIT);
        if (rc < 0)
            rc = kci_os_error();
    } while (rc == -EINTR);
    return rc == -EWOULDBLOCK ? -EAGAIN : rc;
}

static ssize_t unix_recv_bytes(kc_link_t *l, void *buf, size_t n)
{
    ssize_t rc;

    do {
        bool fails = kci_fails_bytes(KCI_FAULT_READ, &n);
        rc = fails ? -1 : recv(of(l)->fd, buf, n, MSG_DONTWAIT);
        if (rc < 0)
            rc = kci_os_error();
    } while (rc == -EINTR);
    return rc == 0 ? -ECONNRESET : rc == -EWOULDBLOCK ? -EAGAIN : rc;
}

static int unix_poll_handle(kc_link_t *l, int *fd, unsigned *ev)
{
    (void)ev;
    *fd = of(l)->fd;
    return 0;
}

static void unix_interrupt(kc_link_t *l)
{
    shutdown(of(l)->fd, SHUT_RDWR);
}

const kc_transport_ops_t kci_transport_unix = {
    .abi = 1,
    .scheme = "unix",
    .connect = unix_connect,
    .listen = unix_listen,
    .accept = unix_accept,
    .poll_handle = unix_poll_handle,
    .close = unix_close,
    .send_frames = unix_send_frames,
    .recv_bytes = unix_recv_bytes,
    .interrupt = unix_interrupt,
};
