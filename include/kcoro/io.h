/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * kcoro/io.h — files and sockets without blocking a worker.
 *
 * From a plain thread the same calls block that thread. Close descriptors that coroutines wait
 * on with kc_fd_close, which wakes them (a plain thread inside poll(2) it cannot wake).
 */
#ifndef KCORO_IO_H
#define KCORO_IO_H

#include <kcoro/base.h>

KCI_BEGIN

/* Readiness. HUP and ERR need not be asked for. */
#define KC_RD 0x1u  /* readable, or end of file */
#define KC_WR 0x2u  /* writable */
#define KC_HUP 0x4u /* the other end closed */
#define KC_ERR 0x8u /* an error waits to be read */

/*
 * kc_fd_wait — wait until fd is ready for any of `ev` (KC_RD | KC_WR).
 *
 * Returns  the ready mask, > 0; -EAGAIN -ETIME -ECANCELED; -EBADF not open, or closed
 *          meanwhile; -EINVAL; -ENOMEM. A regular file is always ready
 * Runs on  coroutine, plain thread
 * Threads  any number of waiters on one fd
 * Cancel   yes
 */
KC_EXPORT KC_MUST_CHECK int kc_fd_wait(int fd, unsigned ev, kc_deadline_t dl);

/*
 * kc_read, kc_write, kc_writen — as read(2), write(2); kc_writen goes on until all n are
 * written.
 *
 * Returns  bytes, 0 at end of file; the negative errno of the system call; -EAGAIN (KC_TRY)
 *          -ETIME -ECANCELED. kc_writen: n, or the code when nothing was written, else the
 *          bytes written
 * Runs on  coroutine, plain thread; never raises SIGPIPE
 * Cancel   yes; what was transferred is reported first
 * Cost     the system call; on a regular file it blocks the worker: use kc_block there
 */
KC_EXPORT KC_MUST_CHECK ssize_t kc_read(int fd, void *buf, size_t n, kc_deadline_t dl);
KC_EXPORT KC_MUST_CHECK ssize_t kc_write(int fd, const void *buf, size_t n, kc_deadline_t dl);
KC_EXPORT KC_MUST_CHECK ssize_t kc_writen(int fd, const void *buf, size_t n, kc_deadline_t dl);

/* kc_accept — Returns a new non-blocking, close-on-exec descriptor; codes as kc_read. */
KC_EXPORT KC_MUST_CHECK int kc_accept(int fd, kc_deadline_t dl);
/* kc_connect — sa points to a struct sockaddr of len bytes. Returns 0; codes as kc_read. */
KC_EXPORT KC_MUST_CHECK int kc_connect(int fd, const void *sa, unsigned len, kc_deadline_t dl);
/* kc_fd_close — close(2); whoever waits on fd gets -EBADF. Returns 0; -EBADF; -EIO. */
KC_EXPORT int kc_fd_close(int fd);

/*
 * kc_block — run fn(arg) on a thread of the blocking pool and wait for it.
 *
 * fn may block; it must not call anything that waits on kcoro. After -ETIME or -ECANCELED fn
 * still finishes, so `arg` belongs to it until then.
 *
 * Returns  0 and *ret (if not NULL) fn's result; -ETIME -ECANCELED; -EAGAIN KC_TRY, or no
 *          thread could be had; -ENOMEM
 * Runs on  coroutine; on a plain thread fn runs in place
 * Cancel   yes
 * Cost     two thread hand-overs, about 10–50 µs
 */
KC_EXPORT KC_MUST_CHECK int kc_block(int (*fn)(void *), void *arg, int *ret, kc_deadline_t dl);

KCI_END
#endif
