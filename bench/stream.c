/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * bench/stream.c — numbers one way over one channel, one to one and many to many.
 *
 * The receivers add up, so a lost or doubled message shows. The floor is a ring between two
 * spinning threads that tell each other every 32 messages: nobody waits in the kernel, nobody
 * else could use the CPUs.
 */
#include <inttypes.h>
#include <pthread.h>
#include <stdatomic.h>

#include "arch/cpu.h"
#include "bench/harness.h"

enum { SIDES_MOST = 8, SLOTS = 128, TELL = 32, BATCH = 32 };

struct end {
    kc_chan_t *ch;
    long count;   /* producer: how many */
    uint64_t sum; /* consumer: of what came */
};

static int produce(void *arg)
{
    struct end *e = arg;
    int rc = 0;

    for (uint64_t v = 1; v <= (uint64_t)e->count && !rc; v++)
        rc = kc_send(e->ch, &v);
    kc_chan_producers(e->ch, -1); // the last one closes
    return rc;
}

static int consume(void *arg)
{
    struct end *e = arg;
    uint64_t v, sum = 0;
    int rc;

    while ((rc = kc_recv(e->ch, &v)) == 0)
        sum += v;
    e->sum = sum;
    return rc == -EPIPE ? 0 : rc;
}

static int produce_batches(void *arg)
{
    struct end *e = arg;
    uint64_t v[BATCH];
    ssize_t sent = 0;

    for (uint64_t at = 0; at < (uint64_t)e->count && sent >= 0; at += (uint64_t)sent) {
        uint64_t n = (uint64_t)e->count - at < BATCH ? (uint64_t)e->count - at : BATCH;
        for (uint64_t i = 0; i < n; i++)
            v[i] = at + i + 1;
        sent = kc_chan_send_many(e->ch, v, n, KC_FOREVER);
    }
    kc_chan_producers(e->ch, -1);
    return sent < 0 ? (int)sent : 0;
}

static int consume_batches(void *arg)
{
    struct end *e = arg;
    uint64_t v[BATCH], sum = 0;
    ssize_t n;

    while ((n = kc_chan_recv_many(e->ch, v, BATCH, KC_FOREVER)) > 0)
        for (ssize_t i = 0; i < n; i++)
            sum += v[i];
    e->sum = sum;
    return n == -EPIPE ? 0 : (int)n;
}

static int flow(struct end *from, struct end *to, long sides, bool batches)
{
    kc_scope_t scope;
    int rc = kc_scope_open(&scope, NULL);

    for (long i = 0; i < sides && !rc; i++) {
        rc = kc_spawn(NULL, batches ? consume_batches : consume, &to[i], NULL);
        if (!rc)
            rc = kc_spawn(NULL, batches ? produce_batches : produce, &from[i], NULL);
    }
    int closed = kc_scope_close(&scope);
    return rc ? rc : closed;
}

static int run_stream(struct trial *t, bool batches)
{
    long sides = t->n % 100, each = (t->ops + sides - 1) / sides;
    struct end from[SIDES_MOST], to[SIDES_MOST];
    uint64_t sum = 0, expected = (uint64_t)each * ((uint64_t)each + 1) / 2 * (uint64_t)sides;
    kc_chan_t *ch;
    int rc = kc_chan_make(&ch, sizeof(uint64_t), t->n / 100);

    if (rc)
        return failed(t, "kc_chan_make", rc);
    kc_chan_producers(ch, (int)sides);
    for (long i = 0; i < sides; i++)
        from[i] = to[i] = (struct end){ .ch = ch, .count = each };
    t->ops = each * sides;
    clock_start(t);
    rc = flow(from, to, sides, batches);
    clock_stop(t);
    kc_chan_unref(ch);
    if (rc)
        return failed(t, "flow", rc);
    for (long i = 0; i < sides; i++)
        sum += to[i].sum;
    if (sum != expected)
        return wrong(t, "the sum is %" PRIu64 ", not %" PRIu64, sum, expected);
    return 0;
}

/* n: the channel's capacity * 100 + how many producers, and as many consumers. */
static int stream(struct trial *t)
{
    return run_stream(t, false);
}

static int batches(struct trial *t)
{
    return run_stream(t, true);
}

/* ---- floor ---- */

struct spinning {
    uint64_t slot[SLOTS];
    KCI_ALIGNED(KCI_CACHE_LINE) atomic_ulong head; /* producer */
    KCI_ALIGNED(KCI_CACHE_LINE) atomic_ulong tail; /* consumer */
    long count;
};

static void *spin_produce(void *arg)
{
    struct spinning *r = arg;
    unsigned long tail = 0;

    for (unsigned long i = 0; i < (unsigned long)r->count; i++) {
        while (i - tail == SLOTS)
            tail = atomic_load_explicit(&r->tail, memory_order_acquire); // slots given back
        r->slot[i % SLOTS] = i + 1;
        if ((i + 1) % TELL == 0 || i + 1 == (unsigned long)r->count)
            atomic_store_explicit(&r->head, i + 1, memory_order_release); // slots written
    }
    return NULL;
}

static uint64_t spin_consume(struct spinning *r)
{
    unsigned long head = 0;
    uint64_t sum = 0;

    for (unsigned long i = 0; i < (unsigned long)r->count; i++) {
        while (i == head)
            head = atomic_load_explicit(&r->head, memory_order_acquire); // slots written
        sum += r->slot[i % SLOTS];
        if ((i + 1) % TELL == 0)
            atomic_store_explicit(&r->tail, i + 1, memory_order_release); // slots given back
    }
    return sum;
}

static int spin(struct trial *t)
{
    static struct spinning r;
    uint64_t ops = (uint64_t)t->ops;
    pthread_t other;

    atomic_store(&r.head, 0);
    atomic_store(&r.tail, 0);
    r.count = t->ops;
    clock_start(t);
    int rc = pthread_create(&other, NULL, spin_produce, &r);
    if (rc)
        return failed(t, "pthread_create", -rc);
    uint64_t sum = spin_consume(&r);
    clock_stop(t);
    pthread_join(other, NULL);
    return sum == ops * (ops + 1) / 2 ? 0 : wrong(t, "the sum is %" PRIu64, sum);
}

static const struct row rows[] = {
    { "stream.rendezvous.w1", NULL, in_ns, stream, 1, 1, 2000000, 0 },
    { "stream.rendezvous.w2", NULL, in_ns, stream, 2, 1, 2000000, 0 },
    { "stream.buffered128.1x1.w1", NULL, in_ns, stream, 1, SLOTS * 100 + 1, 4000000, 0 },
    { "stream.buffered128.1x1.w2", NULL, in_ns, stream, 2, SLOTS * 100 + 1, 4000000, 0 },
    { "stream.buffered128.1x1.w2", "floor", in_ns, spin, 0, 0, 10000000, 0 },
    { "stream.buffered128.8x8.w1", NULL, in_ns, stream, 1, SLOTS * 100 + 8, 4000000, 0 },
    { "stream.buffered128.8x8.w2", NULL, in_ns, stream, 2, SLOTS * 100 + 8, 4000000, 0 },
    { "stream.batches128.1x1.w1", NULL, in_ns, batches, 1, SLOTS * 100 + 1, 4000000, 0 },
    { "stream.batches128.1x1.w2", NULL, in_ns, batches, 2, SLOTS * 100 + 1, 4000000, 0 },
    { "stream.batches128.8x8.w2", NULL, in_ns, batches, 2, SLOTS * 100 + 8, 4000000, 0 },
};
const struct group bench_stream = GROUP(rows);
