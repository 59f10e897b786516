/* SPDX-License-Identifier: BSD-3-Clause */
/* bench/spawn.c — start, run and join what does nothing: one by one, and 1000 at a time. */
#include "bench/harness.h"

enum { BATCH = 1000 };

static int mark(void *arg)
{
    *(unsigned char *)arg += 1;
    return 0;
}

static int spawn_one(struct trial *t)
{
    unsigned char ran = 0;
    kc_co_t *co;
    int rc = 0;

    clock_start(t);
    for (long i = 0; i < t->ops && !rc; i++) {
        rc = kc_spawn(&co, mark, &ran, NULL);
        if (!rc) {
            rc = kc_join(co, NULL, KC_FOREVER);
            kc_co_unref(co);
        }
    }
    clock_stop(t);
    if (rc)
        return failed(t, "spawn and join", rc);
    return ran == (unsigned char)t->ops ? 0 : wrong(t, "%d runs (modulo 256)", ran);
}

static int batch(kc_scope_t *scope, unsigned char *ran)
{
    int rc = 0;

    for (int i = 0; i < BATCH && !rc; i++)
        rc = kc_scope_spawn(scope, NULL, mark, &ran[i], 0, NULL);
    return rc ? rc : kc_scope_wait(scope, KC_FOREVER);
}

static int spawn_batch(struct trial *t)
{
    unsigned char ran[BATCH] = { 0 };
    long batches = (t->ops + BATCH - 1) / BATCH;
    kc_scope_t scope;
    int rc = kc_scope_open(&scope, NULL);

    t->ops = batches * BATCH;
    clock_start(t);
    for (long i = 0; i < batches && !rc; i++)
        rc = batch(&scope, ran);
    clock_stop(t);
    int closed = kc_scope_close(&scope);
    if (rc || (rc = closed))
        return failed(t, "a batch in a scope", rc);
    for (int i = 0; i < BATCH; i++)
        if (ran[i] != (unsigned char)batches)
            return wrong(t, "coroutine %d: %d runs of %ld (modulo 256)", i, ran[i], batches);
    return 0;
}

static const struct row rows[] = {
    { "spawn.one.w1", NULL, in_ns, spawn_one, 1, 0, 1000000, 0 },
    { "spawn.one.w2", NULL, in_ns, spawn_one, 2, 0, 500000, 0 },
    { "spawn.batch1000.w1", NULL, in_ns, spawn_batch, 1, 0, 1000000, 0 },
    { "spawn.batch1000.w2", NULL, in_ns, spawn_batch, 2, 0, 1000000, 0 },
};
const struct group bench_spawn = GROUP(rows);
