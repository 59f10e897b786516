/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * bench/pingpong.c — two sides send one number to and fro, adding one each time; ns per
 * message.
 *
 * Two coroutines over two unbuffered channels; beside them two threads over a mutex and
 * conditions, what a C program without coroutines would do.
 */
#include <inttypes.h>
#include <pthread.h>

#include "bench/harness.h"

struct table {
    kc_chan_t *there, *back;
    long rounds;
    uint64_t ball;
};

static int serve(void *arg)
{
    struct table *p = arg;
    uint64_t ball = 0;
    int rc = 0;

    for (long i = 0; i < p->rounds && !rc; i++) {
        ball++;
        if (!(rc = kc_send(p->there, &ball)))
            rc = kc_recv(p->back, &ball);
    }
    p->ball = ball;
    return rc;
}

static int answer(void *arg)
{
    struct table *p = arg;
    uint64_t ball;
    int rc = 0;

    for (long i = 0; i < p->rounds && !rc; i++) {
        rc = kc_recv(p->there, &ball);
        ball++;
        if (!rc)
            rc = kc_send(p->back, &ball);
    }
    return rc;
}

static int play(struct table *p)
{
    kc_scope_t scope;
    int rc = kc_scope_open(&scope, NULL);

    if (rc)
        return rc;
    p->there = kc_chan(uint64_t, 0);
    p->back = kc_chan(uint64_t, 0);
    if (p->there && p->back && !(rc = kc_spawn(NULL, serve, p, NULL)))
        rc = kc_spawn(NULL, answer, p, NULL);
    int closed = kc_scope_close(&scope);
    return rc ? rc : closed;
}

static int pingpong(struct trial *t)
{
    struct table p = { .rounds = (t->ops + 1) / 2 };

    t->ops = p.rounds * 2;
    clock_start(t);
    int rc = play(&p);
    clock_stop(t);
    if (rc)
        return failed(t, "play", rc);
    if (p.ball != (uint64_t)t->ops)
        return wrong(t, "the ball says %" PRIu64 " after %ld messages", p.ball, t->ops);
    return 0;
}

/* ---- the same with threads ---- */

struct net {
    pthread_mutex_t lock;
    pthread_cond_t moved[2];
    int side; /* whose turn it is */
    long rounds;
    uint64_t ball;
};

static void hit(struct net *net, int side)
{
    pthread_mutex_lock(&net->lock);
    while (net->side != side)
        pthread_cond_wait(&net->moved[side], &net->lock);
    net->ball++;
    net->side = !side;
    pthread_cond_signal(&net->moved[!side]);
    pthread_mutex_unlock(&net->lock);
}

static void *answer_thread(void *arg)
{
    struct net *net = arg;

    for (long i = 0; i < net->rounds; i++)
        hit(net, 1);
    return NULL;
}

static int threads(struct trial *t)
{
    struct net net = { .lock = PTHREAD_MUTEX_INITIALIZER,
                       .moved = { PTHREAD_COND_INITIALIZER, PTHREAD_COND_INITIALIZER },
                       .rounds = (t->ops + 1) / 2 };
    pthread_t other;

    t->ops = net.rounds * 2;
    int rc = pthread_create(&other, NULL, answer_thread, &net);
    if (rc)
        return failed(t, "pthread_create", -rc);
    clock_start(t);
    for (long i = 0; i < net.rounds; i++)
        hit(&net, 0);
    pthread_join(other, NULL);
    clock_stop(t);
    if (net.ball != (uint64_t)t->ops)
        return wrong(t, "%" PRIu64 " hits of %ld", net.ball, t->ops);
    return 0;
}

static const struct row rows[] = {
    { "pingpong.rendezvous.w1", NULL, in_ns, pingpong, 1, 0, 2000000, 0 },
    { "pingpong.rendezvous.w1", "pthread", in_ns, threads, 0, 0, 20000, PINNED },
    { "pingpong.rendezvous.w2", NULL, in_ns, pingpong, 2, 0, 2000000, 0 },
    { "pingpong.rendezvous.w2", "pthread", in_ns, threads, 0, 0, 5000, 0 },
};
const struct group bench_pingpong = GROUP(rows);
