/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * feed.h — chunks on their way: slots, a reader that fills them, feeders that send them.
 *
 *     idle → reader → ready ─┬→ feeder → worker 1 ⇒ counts ─┐
 *      ↑                     └→ feeder → worker 2 ⇒ counts ─┤
 *      │             again ──┴→ (first, before ready)       ↓
 *      └──────────── slots, in their order ──────────── collector (coord.c)
 *
 * Chunk number k is always in slot k mod n: the collector gives slots back in order, so the
 * window of chunks under way is bounded, and with it all memory, however slow one of the
 * workers is.
 *
 * A slot belongs to whoever holds its number; it is handed on through channels, never shared.
 */
#ifndef WORDCOUNT_FEED_H
#define WORDCOUNT_FEED_H

#include <stdint.h>

#include <kcoro/kcoro.h>

#include "count.h"
#include "crew.h"
#include "files.h"
#include "source.h"
#include "tally.h"

/* Of a slot, kept by the collector alone. */
enum { SLOT_FREE, SLOT_SENT, SLOT_COUNTED };

struct slot {
    struct piece piece;
    struct chunk chunk;
    struct counts counts; /* that came before its turn */
    int state;
    int holder; /* the worker it was sent to */
};

/* What the collector is told. */
enum {
    NEWS_WORKER_UP,   /* who */
    NEWS_WORKER_GONE, /* who, rc; the last that is heard of it */
    NEWS_CHUNK_SENT,  /* who, number; told before it is sent */
    NEWS_CHUNK_EMPTY, /* number: nothing to count in it */
    NEWS_ALL_READ,    /* number: so many chunks there are */
    NEWS_SIGNAL       /* rc: which */
};

struct news {
    int what;
    int who;
    int rc;
    uint64_t number;
};

struct feed {
    uint32_t nslots;
    struct slot *slots;
    kc_chan_t *idle;  /* numbers of chunks that may be read: slots that are free */
    kc_chan_t *ready; /* numbers of chunks to be sent */
    kc_chan_t *again; /* of chunks to be sent again, because a worker was lost */
    kc_chan_t *news;
    struct source source; /* the reader's */
    struct slot *filling; /* the reader's: here, not on its stack, as a read may outlast it */
};

/* A worker, from its start to its end. With pid 0 it is this process itself. */
struct life {
    int who;
    pid_t pid;
    char address[CREW_ADDRESS];
    kc_cancel_t *end;    /* tells the feeder to leave */
    kc_ipc_conn_t *conn; /* feeder's until NEWS_WORKER_UP or _GONE, then the collector's */
    kc_chan_t *chunks;
    kc_chan_t *counts;
};

/* feed_init — Returns 0; -ENOMEM, then nothing is left. */
int feed_init(struct feed *f, const struct files *files, uint32_t nslots);
void feed_fini(struct feed *f);

/* feed_slot — where chunk `number` is. */
static inline struct slot *feed_slot(struct feed *f, uint64_t number)
{
    return &f->slots[number % f->nslots];
}

/* feed_reader — a coroutine: reads all files; `arg` is the feed. */
int feed_reader(void *arg);

/* feed_feeder — a coroutine: connects to a worker, sends it chunks; `arg`: a struct feeder. */
struct feeder {
    struct feed *feed;
    struct life *life;
};
int feed_feeder(void *arg);

#endif
