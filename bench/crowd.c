/* SPDX-License-Identifier: BSD-3-Clause */
/* bench/crowd.c — gather, hold, release. */
#include "bench/crowd.h"

static int fill(struct crowd *c, kc_fn fn, void *arg)
{
    int rc = 0;

    for (long i = 0; i < c->n && !rc; i++)
        rc = kc_spawn(NULL, fn, arg, NULL);
    if (!rc)
        rc = kc_recv(c->full, NULL);
    return rc == -EPIPE ? 0 : rc;
}

int crowd_gather(struct crowd *c, kc_fn fn, void *arg, long n)
{
    int rc = kc_scope_open(&c->scope, NULL);

    if (rc)
        return rc;
    c->n = n;
    atomic_init(&c->gathered, 0);
    c->full = kc_chan_owned(0, 0);
    c->gate = kc_chan_owned(0, 0);
    rc = c->full && c->gate ? fill(c, fn, arg) : -ENOMEM;
    if (rc) {
        kc_scope_cancel(&c->scope, rc);
        kc_scope_close(&c->scope);
    }
    return rc;
}

int crowd_enter(struct crowd *c)
{
    if (atomic_fetch_add(&c->gathered, 1) == c->n - 1)
        kc_chan_close(c->full);
    int rc = kc_recv(c->gate, NULL);
    return rc == -EPIPE ? 0 : rc;
}

int crowd_release(struct crowd *c)
{
    kc_chan_close(c->gate);
    return kc_scope_close(&c->scope);
}
