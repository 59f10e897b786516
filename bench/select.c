/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * bench/select.c — receive from whichever of n channels has something; ns per select, the
 * matching send included.
 *
 * ready: the same coroutine first puts a number into one of n channels of capacity 1. park:
 * another coroutine sends to one of n unbuffered channels while this one waits on all. Which
 * channel it is comes from a small generator with a fixed seed; select is biased.
 */
#include "bench/harness.h"

enum { CLAUSES_MOST = 64 };

struct hall {
    kc_chan_t *ch[CLAUSES_MOST];
    kc_case_t cases[CLAUSES_MOST];
    uint64_t got, seed;
    long n, ops;
};

static void close_hall(struct hall *h)
{
    for (long i = 0; i < h->n; i++)
        kc_chan_unref(h->ch[i]);
}

static int open_hall(struct hall *h, const struct trial *t, long cap)
{
    *h = (struct hall){ .n = t->n, .ops = t->ops, .seed = 88172645463325252u };
    for (long i = 0; i < h->n; i++) {
        int rc = kc_chan_make(&h->ch[i], sizeof h->got, cap);
        if (rc) {
            close_hall(h);
            return rc;
        }
        h->cases[i] = KC_RECV(h->ch[i], &h->got);
    }
    return 0;
}

static int send_and_select(struct hall *h)
{
    for (long i = 0; i < h->ops; i++) {
        uint64_t r = next_random(&h->seed);
        int door = (int)(r % (uint64_t)h->n);
        int rc = kc_send(h->ch[door], &r, KC_TRY);
        if (rc)
            return rc;
        kc_sel_t s = kc_selectv(h->cases, (size_t)h->n, KC_FOREVER, KC_SEL_BIASED);
        if (s.rc)
            return s.rc;
        if (s.i != door || h->got != r)
            return -EBADMSG;
    }
    return 0;
}

static int ready(struct trial *t)
{
    struct hall h;
    int rc = open_hall(&h, t, 1);

    if (rc)
        return failed(t, "channels", rc);
    clock_start(t);
    rc = send_and_select(&h);
    clock_stop(t);
    close_hall(&h);
    if (rc == -EBADMSG)
        return wrong(t, "not the clause that was ready");
    return rc ? failed(t, "send and select", rc) : 0;
}

static int send_anywhere(void *arg)
{
    struct hall *h = arg;
    int rc = 0;

    for (long i = 0; i < h->ops && !rc; i++) {
        uint64_t r = next_random(&h->seed);
        rc = kc_send(h->ch[r % (uint64_t)h->n], &r);
    }
    return rc;
}

/* Draws the same numbers as the sender, so it knows what must come and through which door. */
static int select_all(struct hall *h, uint64_t seed)
{
    for (long i = 0; i < h->ops; i++) {
        uint64_t r = next_random(&seed);
        kc_sel_t s = kc_selectv(h->cases, (size_t)h->n, KC_FOREVER, KC_SEL_BIASED);
        if (s.rc)
            return s.rc;
        if (s.i != (int)(r % (uint64_t)h->n) || h->got != r)
            return -EBADMSG;
    }
    return 0;
}

static int meet(struct hall *h)
{
    uint64_t seed = h->seed;
    kc_scope_t scope;
    int rc = kc_scope_open(&scope, NULL);

    if (rc)
        return rc;
    if (!(rc = kc_spawn(NULL, send_anywhere, h, NULL)))
        rc = select_all(h, seed);
    if (rc)
        kc_scope_cancel(&scope, rc);
    int closed = kc_scope_close(&scope);
    return rc ? rc : closed;
}

static int park(struct trial *t)
{
    struct hall h;
    int rc = open_hall(&h, t, 0);

    if (rc)
        return failed(t, "channels", rc);
    clock_start(t);
    rc = meet(&h);
    clock_stop(t);
    close_hall(&h);
    if (rc == -EBADMSG)
        return wrong(t, "not what was sent");
    return rc ? failed(t, "send and select", rc) : 0;
}

static const struct row rows[] = {
    { "select.ready.2.w1", NULL, in_ns, ready, 1, 2, 2000000, 0 },
    { "select.ready.8.w1", NULL, in_ns, ready, 1, 8, 1000000, 0 },
    { "select.ready.64.w1", NULL, in_ns, ready, 1, 64, 100000, 0 },
    { "select.park.2.w1", NULL, in_ns, park, 1, 2, 1000000, 0 },
    { "select.park.8.w1", NULL, in_ns, park, 1, 8, 500000, 0 },
    { "select.park.64.w1", NULL, in_ns, park, 1, 64, 60000, 0 },
    { "select.park.2.w2", NULL, in_ns, park, 2, 2, 1000000, 0 },
    { "select.park.8.w2", NULL, in_ns, park, 2, 8, 500000, 0 },
    { "select.park.64.w2", NULL, in_ns, park, 2, 64, 60000, 0 },
};
const struct group bench_select = GROUP(rows);
