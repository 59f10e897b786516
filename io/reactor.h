/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * io/reactor.h — who waits for which descriptor; answers sched/poller.h.
 */
#ifndef IO_REACTOR_H
#define IO_REACTOR_H

#include <kcoro/io.h>

#include "sched/sched.h"
#include "sched/source.h"

struct kci_reactor;

/* Give rt its poller. 0; -EMFILE -ENFILE -ENOMEM. */
int kci_reactor_plug(struct kc_rt *rt);

/* One without a runtime: create, then wait in one thread, kick from any, destroy when nobody
 * waits. Codes as above. */
int kci_reactor_create(struct kci_reactor **out);
void kci_reactor_wait(void *reactor, int64_t until_ns);
void kci_reactor_kick(void *reactor);
void kci_reactor_destroy(void *reactor);

/* A descriptor in a select: obj the descriptor + 1 (NULL: none), arg the mask. */
extern const struct kci_source kci_fd_source;
/* How many wait for fd in the caller's runtime. For tests. */
size_t kci_fd_waiters(int fd);

/* As kc_fd_wait, for a caller whose system call just said -EAGAIN: does not look first. */
int kci_fd_wait_more(int fd, unsigned ev, kc_deadline_t dl);

/* fd is about to be closed by somebody else: who waits for it gets -EBADF. Nobody may start to
 * wait any more. */
void kci_fd_forget(int fd);
/* What fd is ready at this moment: a mask, 0, -EBADF or -ENOMEM. Does not wait. */
int kci_fd_ready(int fd, unsigned ev);

#endif
