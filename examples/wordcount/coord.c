/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * coord.c — the collector: one coroutine that waits for everything at once.
 *
 * Picture     kc_selectv { news, counts of worker 1, counts of worker 2, …, next redraw }
 * Invariants
 *   exact     a chunk is added to the tally exactly once: when the slot at the front of the
 *             window is COUNTED, and that happens on the first counts from the worker that
 *             holds it
 *   no-loss   a slot that is SENT has a holder that is alive, or about to be reported GONE;
 *             then it goes to `again`
 *   one-way   after GONE nothing more comes from that life of a worker: its channel was drained
 * Losing      worker → its channel says -EPIPE, here or to its feeder → the feeder leaves, GONE
 *             → drain, put back, reap. When the last one is gone all are started again, a few
 *             times; then this process counts the rest, over local channels, with the same
 *             code.
 * Silence     a worker that has chunks but answers none for QUIET_TICKS redraws is killed.
 *             Ticks, not seconds: while all of us are stopped (Ctrl-Z) none passes.
 */
#include "coord.h"

#include <errno.h>
#include <signal.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>

#include <kcoro/kcoro.h>

#include "crew.h"
#include "feed.h"
#include "halt.h"
#include "worker.h"

enum { SLOTS_EACH = 16, ROUNDS = 4, QUIET_TICKS = 300 };
#define TICK_NS KC_MS(100)

enum { NOBODY, STARTING, UP, LEAVING };

struct member {
    struct life life;
    int state;
    uint64_t holding; /* chunks sent to it, not answered */
    uint64_t seen;    /* its chunks at the last tick */
    unsigned quiet;   /* ticks without an answer */
};

struct coord {
    struct answer *out;
    const struct files *files;
    struct crew crew;
    struct feed feed;
    kc_scope_t scope;
    int workers;
    struct member *members; /* the workers, and this process */
    kc_case_t *cases;
    int alive;
    int rounds;
    uint64_t front; /* the first chunk that is not in the tally */
    uint64_t total; /* chunks; UINT64_MAX until all are read */
    uint64_t unread;
    int64_t started;
    int64_t tick;
    struct news heard;
    struct counts got;
    struct counts late; /* for gone, which may be called while `got` is in use */
};

static int coord_init(struct coord *c, const char *program);
static void coord_fini(struct coord *c);
static int collect(void *arg);
static int begin(struct coord *c);
static int watch_signals(void *arg);
static int step(struct coord *c);
static int hear(struct coord *c);
static int answered(struct coord *c, struct member *m);
static bool is_expected(struct coord *c, const struct member *m, const struct counts *got);
static int accept_counts(struct coord *c, struct member *m, struct counts *got);
static int advance(struct coord *c);
static int add_front(struct coord *c, struct counts *got);
static int renew(struct coord *c);
static int start_all(void *arg);
static int start_feeders(struct coord *c);
static int start_feeder(struct coord *c, struct member *m);
static int count_here(struct coord *c);
static void drop(struct member *m);
static int gone(struct coord *c, struct member *m, int why);
static void note_loss(const struct member *m, int status, int why);
static int put_back(struct coord *c, struct member *m);
static void release(struct member *m);
static void on_tick(struct coord *c);
static void die(struct coord *c, int sig);

int coord_run(const struct files *files, int workers, const char *program, struct answer *out)
{
    struct coord *c = calloc(1, sizeof *c);

    *out = (struct answer){ .workers = workers };
    if (!c)
        return -ENOMEM;
    c->out = out;
    c->files = files;
    c->workers = workers;
    c->total = UINT64_MAX;
    c->crew = CREW_NONE;
    int rc = coord_init(c, program);
    if (rc == 0)
        rc = kc_run(collect, c, NULL);
    show_progress_end();
    coord_fini(c);
    free(c);
    if (rc < 0)
        coord_free(out);
    return rc;
}

void coord_free(struct answer *a)
{
    tally_fini(&a->tally);
    free(a->shares);
    *a = (struct answer){ 0 };
}

static int coord_init(struct coord *c, const char *program)
{
    size_t n = (size_t)c->workers + 1;

    c->out->shares = calloc(n, sizeof *c->out->shares);
    c->members = calloc(n, sizeof *c->members);
    c->cases = calloc(n + 1, sizeof *c->cases);
    for (size_t i = 0; c->members && i < n; i++)
        c->members[i].life.who = (int)i;
    int rc = c->out->shares && c->members && c->cases ? 0 : -ENOMEM;
    if (rc == 0)
        rc = halt_catch();
    if (rc == 0)
        rc = crew_init(&c->crew, program);
    return rc ? rc : feed_init(&c->feed, c->files, SLOTS_EACH * (uint32_t)n);
}

static void coord_fini(struct coord *c)
{
    crew_cut(&c->crew);
    for (int i = 0; c->members && i < c->workers; i++)
        if (c->members[i].state != NOBODY)
            crew_reap(c->members[i].life.pid, true);
    crew_fini(&c->crew);
    feed_fini(&c->feed);
    free(c->members);
    free(c->cases);
    halt_release();
}

static int collect(void *arg)
{
    const kc_scope_opts_t opts = { .policy = KC_SUPERVISE, .name = "wordcount" };
    struct kc_rt_stats stats = { 0 };
    struct coord *c = arg;

    int rc = kc_scope_open(&c->scope, &opts);
    if (rc < 0)
        return rc;
    rc = begin(c);
    while (rc == 0 && c->front != c->total)
        rc = step(c);
    kc_scope_cancel(&c->scope, 0);
    kc_scope_close(&c->scope); // what is cancelled now has nothing left to do
    for (int i = 0; i <= c->workers; i++)
        release(&c->members[i]);
    kc_rt_stats(NULL, &stats);
    c->out->coroutines = stats.spawned;
    c->out->chunks = c->front;
    c->out->elapsed_ns = kc_now() - c->started;
    return rc;
}

static int begin(struct coord *c)
{
    c->started = kc_now();
    c->tick = c->started + TICK_NS;
    int rc = kc_scope_spawn(&c->scope, NULL, watch_signals, &c->feed, 0, NULL);
    if (rc == 0)
        rc = kc_scope_spawn(&c->scope, NULL, feed_reader, &c->feed, 0, NULL);
    return rc ? rc : renew(c);
}

static int watch_signals(void *arg)
{
    struct feed *f = arg;
    struct news news = { .what = NEWS_SIGNAL, .rc = halt_wait() };
    return news.rc < 0 ? news.rc : kc_send(f->news, &news);
}

/* Wait for the next thing that happens. */
static int step(struct coord *c)
{
    size_t n = (size_t)c->workers + 1;

    c->cases[0] = KC_RECV(c->feed.news, &c->heard);
    for (size_t i = 0; i < n; i++) {
        struct member *m = &c->members[i];
        c->cases[1 + i] = KC_RECV(m->state == UP ? m->life.counts : NULL, &c->got);
    }
    kc_sel_t s = kc_selectv(c->cases, 1 + n, kc_at(c->tick), KC_SEL_ROTATE);
    int rc = s.i < 0 && s.rc != -ETIME ? s.rc : 0;
    if (s.i == 0)
        rc = s.rc ? s.rc : hear(c);
    else if (s.i > 0 && s.rc == 0)
        rc = answered(c, &c->members[s.i - 1]);
    else if (s.i > c->workers) // this process could not count
        rc = kc_chan_why(c->members[c->workers].life.counts);
    else if (s.i > 0)
        drop(&c->members[s.i - 1]);
    if (kc_now() >= c->tick)
        on_tick(c);
    return rc;
}

static int hear(struct coord *c)
{
    struct news *h = &c->heard;
    struct member *m = &c->members[h->who];

    switch (h->what) {
    case NEWS_WORKER_UP:
        m->state = UP;
        return 0;
    case NEWS_WORKER_GONE:
        return gone(c, m, h->rc);
    case NEWS_CHUNK_SENT:
        feed_slot(&c->feed, h->number)->state = SLOT_SENT;
        feed_slot(&c->feed, h->number)->holder = h->who;
        m->holding++;
        return 0;
    case NEWS_CHUNK_EMPTY:
        feed_slot(&c->feed, h->number)->state = SLOT_COUNTED;
        return advance(c);
    case NEWS_ALL_READ:
        c->total = h->number;
        return 0;
    default:
        die(c, h->rc);
        return -EINTR;
    }
}

/* Counts came from m. That it was sent the chunk may still wait among the news. */
static int answered(struct coord *c, struct member *m)
{
    while (!is_expected(c, m, &c->got)) {
        if (kc_recv(c->feed.news, &c->heard, KC_TRY) < 0) {
            drop(m); // it answers what nobody asked
            return 0;
        }
        int rc = hear(c);
        if (rc < 0)
            return rc;
    }
    return accept_counts(c, m, &c->got);
}

static bool is_expected(struct coord *c, const struct member *m, const struct counts *got)
{
    const struct slot *slot = feed_slot(&c->feed, got->number);

    return got->number - c->front < c->feed.nslots && slot->state == SLOT_SENT &&
           slot->holder == m->life.who && counts_check(got, slot->piece.len) == 0;
}

static int accept_counts(struct coord *c, struct member *m, struct counts *got)
{
    struct slot *slot = feed_slot(&c->feed, got->number);
    struct share *share = &c->out->shares[m->life.who];

    slot->state = SLOT_COUNTED;
    m->holding--;
    share->chunks++;
    share->bytes += slot->piece.bytes;
    if (share->coroutines < got->coroutines)
        share->coroutines = got->coroutines;
    if (got->number != c->front) {
        memcpy(&slot->counts, got, offsetof(struct counts, bytes) + got->len);
        return 0;
    }
    int rc = add_front(c, got);
    return rc ? rc : advance(c);
}

/* Add what came before its turn and has its turn now. */
static int advance(struct coord *c)
{
    int rc = 0;

    while (rc == 0 && feed_slot(&c->feed, c->front)->state == SLOT_COUNTED)
        rc = add_front(c, &feed_slot(&c->feed, c->front)->counts);
    return rc;
}

/* The chunk at the front enters the tally; its slot is free for the next one. */
static int add_front(struct coord *c, struct counts *got)
{
    struct slot *slot = feed_slot(&c->feed, c->front);
    uint64_t next = c->front + c->feed.nslots;

    int rc = tally_add(&c->out->tally, &slot->piece, got);
    if (rc < 0)
        return rc;
    if (slot->piece.error) {
        const struct file *file = &c->files->list[slot->piece.failed];
        show_bad(file->path, slot->piece.error);
        c->out->unreadable++;
        c->unread += file->size;
    }
    slot->state = SLOT_FREE;
    c->front++;
    return kc_send(c->feed.idle, &next, KC_TRY); // there is room for every slot
}

/* Nobody is alive: start everybody; at last go on alone. */
static int renew(struct coord *c)
{
    int rc = 0;

    while (rc == 0 && c->alive == 0 && c->rounds++ < ROUNDS) {
        if (c->rounds > 1)
            show_note("no worker is left: starting %d again", c->workers);
        if (kc_block(start_all, c, NULL, KC_FOREVER) < 0)
            start_all(c);
        rc = start_feeders(c);
    }
    return rc == 0 && c->alive == 0 ? count_here(c) : rc;
}

/* On a thread that may block. */
static int start_all(void *arg)
{
    struct coord *c = arg;

    for (int i = 0; i < c->workers; i++) {
        struct life *l = &c->members[i].life;
        l->pid = crew_start(&c->crew, l->address);
    }
    return 0;
}

static int start_feeders(struct coord *c)
{
    int rc = 0;

    for (int i = 0; i < c->workers && rc == 0; i++) {
        struct member *m = &c->members[i];
        if (m->life.pid < 0)
            show_note("cannot start worker %d: %s", i + 1, kc_strerror((int)m->life.pid));
        else
            rc = start_feeder(c, m);
    }
    return rc;
}

static int start_feeder(struct coord *c, struct member *m)
{
    struct feeder feeder = { &c->feed, &m->life };

    m->state = STARTING;
    m->quiet = 0;
    m->holding = 0;
    c->alive++;
    int rc = kc_cancel_create(&m->life.end, NULL);
    return rc ? rc : kc_scope_spawn(&c->scope, NULL, feed_feeder, &feeder, sizeof feeder, NULL);
}

/* The last resort; and proof that a channel is a channel: the same counters, in here. */
static int count_here(struct coord *c)
{
    struct member *m = &c->members[c->workers];
    struct counter counter;

    show_note("workers keep dying: counting the rest without them");
    m->life.pid = 0;
    int rc = kc_chan_make(&m->life.chunks, sizeof(struct chunk), WORKER_CAP);
    if (rc == 0)
        rc = kc_chan_make(&m->life.counts, sizeof(struct counts), WORKER_CAP);
    counter = (struct counter){ m->life.chunks, m->life.counts };
    for (int i = 0; i < c->workers && rc == 0; i++)
        rc = kc_scope_spawn(&c->scope, NULL, counter_run, &counter, sizeof counter, NULL);
    return rc ? rc : start_feeder(c, m);
}

/* Its channel is closed, or it answers nonsense: its feeder shall leave. */
static void drop(struct member *m)
{
    if (m->state != UP)
        return;
    m->state = LEAVING;
    kc_cancel_trigger(m->life.end, 0);
    kill(m->life.pid, SIGKILL);
}

/* The feeder has left. Take what has come, put back the rest. */
static int gone(struct coord *c, struct member *m, int why)
{
    int rc = 0;

    if (!m->life.pid) // this process: there is nobody else
        return why;
    while (rc == 0 && m->life.counts && kc_recv(m->life.counts, &c->late, KC_TRY) == 0)
        if (is_expected(c, m, &c->late))
            rc = accept_counts(c, m, &c->late);
    release(m);
    bool itself = m->state != STARTING || crew_has_ended(m->life.pid);
    int status = crew_reap(m->life.pid, false);
    m->state = NOBODY;
    c->alive--;
    c->out->lost++;
    note_loss(m, itself ? status : -1, why);
    if (rc == 0)
        rc = put_back(c, m);
    return rc == 0 && c->alive == 0 && c->front != c->total ? renew(c) : rc;
}

/* `status` as wait's; -1: unknown, or only that we killed it. */
static void note_loss(const struct member *m, int status, int why)
{
    int who = m->life.who + 1;
    unsigned long long n = m->holding;

    if (status == -1)
        show_note("worker %d cannot be used: %s", who, kc_strerror(why));
    else if (WIFSIGNALED(status))
        show_note("worker %d was killed by signal %d; chunks to count again: %llu", who,
                  WTERMSIG(status), n);
    else
        show_note("worker %d ended with status %d; chunks to count again: %llu", who,
                  WEXITSTATUS(status), n);
}

static int put_back(struct coord *c, struct member *m)
{
    int rc = 0;

    for (uint64_t i = 0; i < c->feed.nslots && rc == 0; i++) {
        uint64_t number = c->front + i;
        struct slot *slot = feed_slot(&c->feed, number);
        if (slot->state != SLOT_SENT || slot->holder != m->life.who)
            continue;
        slot->state = SLOT_FREE;
        m->holding--;
        rc = kc_send(c->feed.again, &number, KC_TRY); // there is room for every slot
    }
    return rc;
}

/* Give back what the feeder opened. */
static void release(struct member *m)
{
    struct life *l = &m->life;

    if (l->chunks)
        kc_chan_unref(l->chunks);
    if (l->counts)
        kc_chan_unref(l->counts);
    if (l->conn)
        kc_ipc_close(l->conn, KC_TRY);
    if (l->end)
        kc_cancel_unref(l->end);
    l->chunks = l->counts = NULL;
    l->conn = NULL;
    l->end = NULL;
}

static void on_tick(struct coord *c)
{
    int64_t now = kc_now();
    struct progress p = { .total = c->files->bytes, .elapsed_ns = now - c->started };

    for (int i = 0; i <= c->workers; i++) {
        struct member *m = &c->members[i];
        uint64_t chunks = c->out->shares[i].chunks;
        bool waits = m->state == UP && m->holding && m->seen == chunks;
        m->seen = chunks;
        m->quiet = waits ? m->quiet + 1 : 0;
        if (m->quiet == QUIET_TICKS && m->life.pid) {
            show_note("worker %d does not answer: ending it", i + 1);
            kill(m->life.pid, SIGKILL);
        }
        p.workers += m->state == UP;
    }
    p.done = c->out->tally.total.bytes + c->out->tally.part.bytes;
    p.unread = c->unread;
    show_progress(&p);
    c->tick = now + TICK_NS;
}

/* A signal: leave nothing behind, then end by it. */
static void die(struct coord *c, int sig)
{
    show_progress_end();
    for (int i = 0; i < c->workers; i++)
        if (c->members[i].state != NOBODY)
            crew_reap(c->members[i].life.pid, false);
    crew_fini(&c->crew);
    halt_now(sig);
}
