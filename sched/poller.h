/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * sched/poller.h — port: where an idle worker sleeps. Filled by io, plugged in by runtime.
 */
#ifndef SCHED_POLLER_H
#define SCHED_POLLER_H

#include <stdbool.h>
#include <stdint.h>

struct kci_poller {
    void *ctx;
    /* Handle ready descriptors (waking coroutines) and return; sleep until_ns if there are none
     * (0: do not sleep, INT64_MAX: no limit), or until kick. One worker at a time. */
    void (*wait)(void *ctx, int64_t until_ns);
    /* Make the current or next wait return. Any thread. */
    void (*kick)(void *ctx);
    /* A descriptor that is readable when wait would not sleep, and from wake_ns on (INT64_MAX:
     * not by itself); each call moves wake_ns. -ENOTSUP -EMFILE -ENFILE. */
    int (*fd)(void *ctx, int64_t wake_ns);
    /* Coroutines waiting for descriptors now. */
    bool (*busy)(void *ctx);
    void (*destroy)(void *ctx);
};

#endif
