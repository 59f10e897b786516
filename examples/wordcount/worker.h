/* SPDX-License-Identifier: BSD-3-Clause */
/* worker.h — counting: from a channel of chunks to a channel of counts. */
#ifndef WORDCOUNT_WORKER_H
#define WORDCOUNT_WORKER_H

#include <kcoro/kcoro.h>

/* Names and flow control of the two channels that a worker exports. */
#define WORKER_CHUNKS "chunks"
#define WORKER_COUNTS "counts"
enum { WORKER_CAP = 2, WORKER_WINDOW = 4 };

struct counter {
    kc_chan_t *chunks; /* of struct chunk */
    kc_chan_t *counts; /* of struct counts */
};

/*
 * counter_run — a coroutine that counts chunks until there are no more. Whether the channels
 * are local or remote makes no difference. `arg` is a struct counter, used only at the
 * beginning.
 *
 * Returns  0; -ENOMEM, -ECANCELED …: then `counts` is closed with the reason
 */
int counter_run(void *arg);

/* worker_run — be a worker: serve at `address` until standard input ends.
 * Returns an exit status */
int worker_run(const char *address);

#endif
