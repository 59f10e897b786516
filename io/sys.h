/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * io/sys.h — system calls as the environment table wants them: never blocking, never raising
 * SIGPIPE, negative errno as result.
 */
#ifndef IO_SYS_H
#define IO_SYS_H

#include <sys/types.h>

ssize_t kci_sys_read(void *ctx, int fd, void *buf, size_t n);
ssize_t kci_sys_write(void *ctx, int fd, const void *buf, size_t n);
/* 0, or negative errno; after -EINTR the attempt goes on by itself. */
int kci_sys_connect(int fd, const void *sa, unsigned len);
/* O_NONBLOCK (and FD_CLOEXEC) on. 0 or negative errno. */
int kci_sys_nonblock(int fd);
int kci_sys_cloexec(int fd);

#endif
