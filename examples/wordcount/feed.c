/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * feed.c — the coroutines that move chunks: one reader, one feeder per worker.
 *
 * One reader  the files are read in order, each chunk by a thread of the blocking pool, while
 *             the feeders send what was read before. Packing small files needs one reader
 *             anyway.
 * Feeders     take what has to be sent again first: the front of the window waits for it.
 * Told first  a feeder says that it sends a chunk before it does. Whatever happens to the
 *             worker, the collector knows which chunks it had.
 */
#include "feed.h"

#include <stdbool.h>
#include <stdlib.h>

#include "worker.h"

enum { CONNECT_TRIES = 40 };

static int read_chunk(void *arg);
static int read_next(struct feed *f, uint64_t number);
static int life_connect(struct life *l);
static int open_channels(struct life *l);
static int send_chunks(struct feed *f, struct life *l);
static int send_chunk(struct feed *f, struct life *l, uint64_t number);
static int tell(struct feed *f, int what, int who, uint64_t number);

int feed_init(struct feed *f, const struct files *files, uint32_t nslots)
{
    *f = (struct feed){ .nslots = nslots, .slots = calloc(nslots, sizeof *f->slots) };
    int rc = f->slots ? 0 : -ENOMEM;
    kc_chan_t **const numbers[] = { &f->idle, &f->ready, &f->again };

    source_init(&f->source, files);
    for (size_t i = 0; i < 3 && rc == 0; i++)
        rc = kc_chan_make(numbers[i], sizeof(uint64_t), nslots);
    if (rc == 0)
        rc = kc_chan_make(&f->news, sizeof(struct news), nslots);
    for (uint64_t i = 0; i < nslots && rc == 0; i++)
        rc = kc_send(f->idle, &i);
    if (rc < 0)
        feed_fini(f);
    return rc;
}

void feed_fini(struct feed *f)
{
    kc_chan_t *const channels[] = { f->idle, f->ready, f->again, f->news };

    for (size_t i = 0; i < 4; i++)
        if (channels[i])
            kc_chan_unref(channels[i]);
    source_fini(&f->source);
    free(f->slots);
    *f = (struct feed){ 0 };
}

int feed_reader(void *arg)
{
    struct feed *f = arg;
    uint64_t number;
    int rc = 1;

    while (rc > 0) {
        rc = kc_recv(f->idle, &number);
        if (rc == 0)
            rc = read_next(f, number);
    }
    if (rc == 0)
        rc = tell(f, NEWS_ALL_READ, 0, number);
    kc_chan_close(f->ready);
    return rc;
}

/* Returns 1; 0 there is no such chunk; negative the coordinator ends. */
static int read_next(struct feed *f, uint64_t number)
{
    struct slot *slot = feed_slot(f, number);
    int more;

    f->filling = slot;
    int rc = kc_block(read_chunk, f, &more, KC_FOREVER);
    if (rc == -ECANCELED)
        return rc;
    if (rc < 0) // no thread to be had: then it takes one of the scheduler's for a moment
        more = read_chunk(f);
    if (!more)
        return 0;
    slot->chunk.number = number;
    slot->chunk.len = slot->piece.len;
    rc = slot->piece.len ? kc_send(f->ready, &number) : tell(f, NEWS_CHUNK_EMPTY, 0, number);
    return rc < 0 ? rc : 1;
}

/* On a thread that may block. */
static int read_chunk(void *arg)
{
    struct feed *f = arg;
    return source_read(&f->source, &f->filling->piece, f->filling->chunk.text);
}

int feed_feeder(void *arg)
{
    struct feeder my = *(struct feeder *)arg;

    int rc = my.life->pid ? life_connect(my.life) : 0;
    if (rc == 0)
        rc = tell(my.feed, NEWS_WORKER_UP, my.life->who, 0);
    if (rc == 0)
        rc = send_chunks(my.feed, my.life);
    struct news gone = { .what = NEWS_WORKER_GONE, .who = my.life->who, .rc = rc };
    return kc_send(my.feed->news, &gone);
}

/* Try until the worker listens; a worker that has died already will not. */
static int life_connect(struct life *l)
{
    const kc_ipc_opts_t opts = { .flags = KC_IPC_WAIT, .window = WORKER_WINDOW };
    int rc = -ETIME;

    for (int i = 0; i < CONNECT_TRIES && rc == -ETIME && !crew_has_ended(l->pid); i++)
        rc = kc_ipc_connect(&l->conn, l->address, &opts, kc_in(KC_MS(500)));
    return rc < 0 ? rc : open_channels(l);
}

static int open_channels(struct life *l)
{
    kc_ipc_chan_spec_t spec = { .elem_size = sizeof(struct chunk), .window = WORKER_WINDOW };
    kc_deadline_t dl = kc_in(KC_S(20));

    int rc = kc_ipc_chan_open(l->conn, WORKER_CHUNKS, &spec, &l->chunks, dl);
    spec.elem_size = sizeof(struct counts);
    if (rc == 0)
        rc = kc_ipc_chan_open(l->conn, WORKER_COUNTS, &spec, &l->counts, dl);
    return rc;
}

/* Returns why this worker gets no more. */
static int send_chunks(struct feed *f, struct life *l)
{
    kc_chan_t *ready = f->ready;
    uint64_t number;
    int rc = 0;

    while (rc == 0) {
        kc_sel_t s = kc_select(KC_FOREVER, KC_DONE(l->end), KC_RECV(f->again, &number),
                               KC_RECV(ready, &number));
        if (s.i == 0)
            rc = -EPIPE;
        else if (s.i == 2 && s.rc == -EPIPE)
            ready = NULL; // all is read; only what was lost may still come
        else
            rc = s.rc ? s.rc : send_chunk(f, l, number);
    }
    return rc;
}

static int send_chunk(struct feed *f, struct life *l, uint64_t number)
{
    int rc = tell(f, NEWS_CHUNK_SENT, l->who, number);
    return rc < 0 ? rc : kc_send(l->chunks, &feed_slot(f, number)->chunk);
}

static int tell(struct feed *f, int what, int who, uint64_t number)
{
    struct news news = { .what = what, .who = who, .number = number };
    return kc_send(f->news, &news);
}
