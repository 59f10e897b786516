/* SPDX-License-Identifier: BSD-3-Clause */
/* core/thread.h — the only way the library starts a thread. */
#ifndef CORE_THREAD_H
#define CORE_THREAD_H

#include <pthread.h>

/* 0; -EAGAIN: the system has no room for another. */
int kci_thread_start(pthread_t *out, void *(*fn)(void *), void *arg);

#endif
