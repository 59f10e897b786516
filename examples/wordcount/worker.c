/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * worker.c — a worker process: a server with two channels and a few counting coroutines.
 *
 * Picture     coordinator ⇒ chunks ⇒ counter, counter, counter ⇒ counts ⇒ coordinator
 * Flow        both channels are short, so that little is lost with a worker and a slow one is
 *             not handed more than it can do. While one counter waits for room in `counts` the
 *             others go on.
 * One thread  there is a process for each processor already
 */
#include "worker.h"

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "count.h"
#include "crew.h"

enum { COUNTERS = 3 };

struct buffers {
    struct chunk in;
    struct counts out;
    struct table scratch;
};

static int count_all(const struct counter *c, struct buffers *b);
static int serve(void *arg);
static int serve_channels(kc_ipc_listener_t *l);
static int wait_for_the_end(kc_deadline_t dl);

int counter_run(void *arg)
{
    struct counter c = *(struct counter *)arg;
    struct buffers *b = calloc(1, sizeof *b); // far too much for a coroutine's stack
    int rc = b ? count_all(&c, b) : -ENOMEM;

    if (b)
        table_fini(&b->scratch);
    free(b);
    if (rc < 0)
        kc_chan_close_why(c.counts, rc);
    return rc;
}

static int count_all(const struct counter *c, struct buffers *b)
{
    struct kc_rt_stats stats = { 0 };
    int rc;

    while ((rc = kc_recv(c->chunks, &b->in)) == 0) {
        rc = count_chunk(&b->scratch, &b->in, &b->out);
        if (rc == 0)
            rc = kc_rt_stats(NULL, &stats);
        b->out.coroutines = (uint32_t)stats.spawned;
        if (rc == 0)
            rc = kc_send(c->counts, &b->out);
        if (rc < 0)
            return rc;
    }
    return rc == -EPIPE ? 0 : rc;
}

int worker_run(const char *address)
{
    const kc_opts_t opts = { .workers = 1 };

    int rc = kc_run(serve, (void *)(size_t)address, &opts);
    if (rc < 0) {
        fprintf(stderr, "wordcount: worker at %s: %s\n", address, kc_strerror(rc));
        return EXIT_FAILURE;
    }
    crew_sweep(address); // the coordinator may have been killed
    return EXIT_SUCCESS;
}

static int serve(void *arg)
{
    const kc_ipc_opts_t opts = { .window = WORKER_WINDOW };
    kc_ipc_listener_t *l;

    int rc = kc_ipc_listen(&l, arg, &opts);
    if (rc < 0) // the others may have ended, and swept the directory, before this one began
        return wait_for_the_end(KC_TRY) == 0 ? 0 : rc;
    rc = serve_channels(l);
    kc_ipc_listener_close(l);
    return rc < 0 ? rc : kc_stop(0);
}

static int serve_channels(kc_ipc_listener_t *l)
{
    struct counter c = {
        .chunks = kc_chan(struct chunk, WORKER_CAP),
        .counts = kc_chan(struct counts, WORKER_CAP),
    };

    if (!c.chunks || !c.counts)
        return -ENOMEM;
    int rc = kc_ipc_export(l, WORKER_CHUNKS, c.chunks, KC_PEER_SEND);
    if (rc == 0)
        rc = kc_ipc_export(l, WORKER_COUNTS, c.counts, KC_PEER_RECV);
    for (int i = 0; i < COUNTERS && rc == 0; i++)
        rc = kc_spawn_copy(NULL, counter_run, &c, sizeof c, NULL);
    return rc < 0 ? rc : wait_for_the_end(KC_FOREVER);
}

/* The other end of standard input is the coordinator's, which never says anything: it ends. */
static int wait_for_the_end(kc_deadline_t dl)
{
    char byte;
    ssize_t n;

    do
        n = kc_read(STDIN_FILENO, &byte, 1, dl);
    while (n > 0);
    return (int)n;
}
