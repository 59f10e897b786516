/* SPDX-License-Identifier: BSD-3-Clause */
#include <kcoro/kcoro.h>
#include "p4_reader.h"
#include <stdio.h>

/* 4 worker pool in a scope: 5 s limit, first error cancels everyone */
KC_CO(worker, kc_chan_t *jobs; kc_chan_t *out;) {
    struct job j; struct res r; int rc = 0;
    while (rc == 0 && kc_recv(my->jobs, &j) == 0)
        if ((rc = work(&j, &r)) == 0) rc = kc_send(my->out, &r);
    kc_chan_producers(my->out, -1);                     /* last one closes out */
    return rc;
}
KC_CO(feed, kc_chan_t *jobs; int n;) {
    for (int i = 0; i < my->n; i++) if (kc_put(my->jobs, struct job, i) < 0) break;
    return kc_chan_close(my->jobs);
}
static int pool(int njobs, int nworkers) {
    kc_scope_t s; struct res r;
    int rc = kc_scope_open(&s, &(kc_scope_opts_t){ .deadline = kc_in(KC_S(5)) });
    if (rc) return rc;
    kc_chan_t *jobs = kc_chan(struct job, 16), *out = kc_chan(struct res, 16);
    kc_chan_producers(out, nworkers);
    for (int i = 0; i < nworkers; i++) kc_go_in(&s, worker, jobs, out);
    kc_go_in(&s, feed, jobs, njobs);
    while (kc_recv(out, &r) == 0) printf("%d -> %d\n", r.id, r.val);
    return kc_scope_close(&s);                          /* 0, a worker's error, or -ETIME */
}

/* What the reader adds: run it once with work that succeeds, once with work that fails. */
KC_MAIN {
    int rc = pool(20, 4);
    if (rc) return rc;
    puts("all done");
    work_fails = true;
    rc = pool(20, 4);
    printf("then: %s\n", rc == -EDOM ? "the worker's error" : kc_strerror(rc));
    return 0;
}
