/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * bench/leave.c — a few leave a queue that many stand in; ns for each that leaves.
 *
 * All wait on one channel; each n-th is cancelled, one after the other, from the front to the
 * end of the queue. If a queue had to be searched, the long row would cost a thousand times the
 * short one; what remains between them are the caches, which a million stacks do not fit into.
 */
#include <stdatomic.h>
#include <stdlib.h>

#include "bench/crowd.h"
#include "bench/harness.h"

struct queue {
    struct crowd crowd;
    kc_cancel_t **tokens;
    long leavers, stride;
    atomic_long next, left;
};

static int stand(void *arg)
{
    struct queue *q = arg;
    long i = atomic_fetch_add(&q->next, 1);

    if (i % q->stride)
        return crowd_enter(&q->crowd);
    kc_cancel_enter(q->tokens[i / q->stride]);
    int rc = crowd_enter(&q->crowd);
    kc_cancel_leave(q->tokens[i / q->stride]);
    if (rc == -ECANCELED)
        atomic_fetch_add(&q->left, 1);
    return rc == -ECANCELED ? 0 : -EBADMSG;
}

static int make_tokens(struct queue *q)
{
    int rc = 0;

    q->tokens = calloc((size_t)q->leavers, sizeof *q->tokens);
    if (!q->tokens)
        return -ENOMEM;
    for (long i = 0; i < q->leavers && !rc; i++)
        rc = kc_cancel_create(&q->tokens[i], NULL);
    return rc;
}

static void drop_tokens(struct queue *q)
{
    for (long i = 0; q->tokens && i < q->leavers; i++)
        if (q->tokens[i])
            kc_cancel_unref(q->tokens[i]);
    free(q->tokens);
}

static void call_out(struct queue *q)
{
    for (long i = 0; i < q->leavers; i++)
        kc_cancel_trigger(q->tokens[i], -ECANCELED);
    while (atomic_load(&q->left) < q->leavers)
        kc_yield();
}

static int leave(struct trial *t)
{
    struct queue q = { .leavers = t->ops, .stride = t->n };
    int rc = make_tokens(&q);

    if (!rc && !(rc = crowd_gather(&q.crowd, stand, &q, t->n * t->ops))) {
        kc_yield(); // the last one waits by now
        clock_start(t);
        call_out(&q);
        clock_stop(t);
        rc = crowd_release(&q.crowd);
    }
    drop_tokens(&q);
    return rc ? failed(t, "a queue of coroutines", rc) : 0;
}

static const struct row rows[] = {
    { "leave.1k.w1", NULL, in_ns, leave, 1, 2, 500, WHOLE },
    { "leave.100k.w1", NULL, in_ns, leave, 1, 200, 500, WHOLE | COLD | QUICK_ONLY },
    { "leave.1m.w1", NULL, in_ns, leave, 1, 2000, 500, WHOLE | COLD | FULL_ONLY },
};
const struct group bench_leave = GROUP(rows);
