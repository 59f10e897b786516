/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * runtime/run.c — the composition root: plugs the layers together and runs the program.
 *
 * The first coroutine of every runtime is the *supervisor*. It opens the root scope, starts the
 * program in it (or waits for kc_rt_shutdown), closes the scope, cancels the library's own
 * coroutines, and stops the workers. So the end of a program is made of the same joins and
 * cancels as everything else.
 */
#include <stdio.h>

#include "core/assert.h"
#include "core/mem.h"
#include "io/reactor.h"
#include "ipc/ipc.h"
#include "lab/explore/lab.h"
#include "lab/sim/sim.h"
#include "runtime/options.h"
#include "sched/source.h"

/* Added to kc_stop's code, so that 0 can mean "not called". */
#define STOPPED ((int64_t)1 << 32)

/* ---- what a runtime is made of ---- */

static int plug(struct kc_rt *rt)
{
    int rc = kci_reactor_plug(rt);

    if (rc)
        return rc;
    if ((rc = kci_ipc_plug(rt)))
        rt->poller.destroy(rt->poller.ctx);
    return rc;
}

static void unplug(struct kc_rt *rt)
{
    kci_ipc_unplug(rt);
    kci_sim_unplug(rt);
    rt->poller.destroy(rt->poller.ctx);
}

/* ---- the supervisor ---- */

static int start_program(struct kc_rt *rt, struct kc_co **main_co)
{
    kc_attr_t attr = { .name = "main" };

    if (!rt->user_fn)
        return 0;
    struct kci_spawn how = { rt->root, rt->user_fn, rt->user_arg, 0, &attr, false };
    return kci_co_spawn(rt, &how, main_co);
}

/* kc_stop's code, else the deadlock, else the first error, else main's own result. */
static int program_result(struct kc_rt *rt, int scope_rc, const struct kc_co *main_co)
{
    int64_t stop = ka_load(&rt->stop_code, relaxed); // relaxed: every coroutine has ended
    if (stop)
        return (int)(stop - STOPPED);
    if (ka_load(&rt->deadlocked, relaxed)) // relaxed: every coroutine has ended
        return -EDEADLK;
    return scope_rc || !main_co ? scope_rc : main_co->ret;
}

static int run_program(struct kc_rt *rt)
{
    struct kc_co *main_co = NULL;
    kc_scope_t root;
    // All coroutines are below it, so nobody may wait for its results.
    int rc = kc_scope_open(&root, &(kc_scope_opts_t){ .flags = KC_SCOPE_FORGET });

    if (rc)
        return rc;
    rt->root = kci_scope_body(&root);
    kc_cancel_ref(&rt->root->token);
    kci_parker_wake(&rt->ready);
    rc = start_program(rt, &main_co);
    if (!rc && rt->shutdown)
        rc = kci_source_wait(&kci_token_source, rt->shutdown, NULL, KC_FOREVER);
    if (rt->shutdown)
        kc_scope_cancel(&root, -ECANCELED);
    int closed = kc_scope_close(&root);
    rc = rc ? rc : program_result(rt, closed, main_co);
    kc_co_unref(main_co);
    return rc;
}

static int supervise(void *arg)
{
    struct kc_rt *rt = arg;

    rt->root_rc = run_program(rt);
    kci_parker_wake(&rt->ready); // also if the root scope could not be opened
    kc_cancel_trigger(&rt->service->token, -ECANCELED);
    kci_scope_join(rt->service, 1); // all but this one
    kci_rt_stop(rt);
    kci_parker_wake(&rt->finished);
    return 0;
}

/* The program is fn(arg) on a worker that is the caller; or, without fn, whatever is spawned
 * until `shutdown` is triggered. */
static int start(struct kc_rt **out, const kc_opts_t *opts, kc_fn fn, void *arg,
                 struct kc_cancel *shutdown)
{
    struct kci_config cfg;
    int rc = kci_options_resolve(opts, &cfg);

    if (rc)
        return rc;
    if (fn)
        kci_lab_configure(&cfg);
    cfg.plug = plug;
    cfg.unplug = unplug;
    cfg.first = supervise;
    if (fn && cfg.driven) // kc_run would be the one to drive it
        return -EINVAL;
    cfg.caller_works = fn || cfg.driven;
    cfg.user_fn = fn;
    cfg.user_arg = arg;
    cfg.shutdown = shutdown;
    return kci_rt_start(out, &cfg);
}

/* ---- public ---- */

int kc_run(kc_fn main_fn, void *arg, const kc_opts_t *opts)
{
    struct kc_rt *rt;

    if (!main_fn)
        return -EINVAL;
    if (kci_worker_self())
        return -EPERM;
    int rc = kci_options_explore() ? kci_lab_explore_program() : 0;
    if (rc || (rc = start(&rt, opts, main_fn, arg, NULL)))
        return rc;
    kci_worker_loop(&rt->workers[0]);
    kci_rt_join_workers(rt);
    rc = rt->root_rc;
    kci_rt_free(rt);
    return rc;
}

int kc_stop(int rc)
{
    struct kc_co *self = kci_co_self();
    int64_t none = 0;

    if (!self)
        return -EPERM;
    struct kc_rt *rt = self->rt;
    // relaxed: the first one counts, and is read when every coroutine has ended
    ka_cas(&rt->stop_code, &none, STOPPED + rc, relaxed, relaxed);
    kc_cancel_trigger(&rt->root->token, -ECANCELED);
    return rc;
}

int kc_rt_create(kc_rt_t **out, const kc_opts_t *opts)
{
    struct kc_cancel *shutdown;
    struct kc_rt *rt;
    bool driven = opts && opts->workers == KC_WORKERS_NONE;
    int rc = !out ? -EINVAL : driven && kci_worker_self() ? -EPERM : 0;

    if (rc || (rc = kc_cancel_create(&shutdown, NULL)))
        return rc;
    if ((rc = start(&rt, opts, NULL, NULL, shutdown))) {
        kc_cancel_unref(shutdown);
        return rc;
    }
    while (!kci_parker_wait(&rt->ready, rt->driven ? 1 : INT64_MAX))
        (void)kc_rt_poll(rt, KC_TRY);
    if (!rt->root) {
        rc = kc_rt_shutdown(rt, KC_FOREVER);
        KCI_ASSERT(rc == 0);
        return -ENOMEM;
    }
    *out = rt;
    return 0;
}

int kc_rt_spawn(kc_rt_t *rt, kc_fn fn, void *arg)
{
    if (!rt || !fn)
        return -EINVAL;
    if (rt->shutdown && kc_cancel_check(rt->shutdown)) // the supervisor may not have heard yet
        return -ECANCELED;
    return kci_co_spawn(rt, &(struct kci_spawn){ rt->root, fn, arg, 0, NULL, false }, NULL);
}

static int await_end(struct kc_rt *rt, kc_deadline_t dl)
{
    return kci_parker_wait(&rt->finished, dl.ns == INT64_MIN ? 1 : dl.ns) ? 0 : -ETIME;
}

static int drive_to_end(struct kc_rt *rt, kc_deadline_t dl)
{
    while (await_end(rt, KC_TRY)) {
        int turns = kc_rt_poll(rt, dl);
        if (turns < 0)
            return turns;
        if (kci_deadline_check(dl))
            return await_end(rt, KC_TRY);
    }
    return 0;
}

int kc_rt_shutdown(kc_rt_t *rt, kc_deadline_t dl)
{
    if (!rt || !rt->shutdown)
        return -EINVAL;
    if (kc_rt_current() == rt || (rt->driven && kci_worker_self()))
        return -EPERM;
    kc_cancel_trigger(rt->shutdown, -ECANCELED);
    int rc = rt->driven ? drive_to_end(rt, dl) : await_end(rt, dl);
    if (rc)
        return rc;
    struct kc_cancel *shutdown = rt->shutdown;
    while (rt->driven && ka_xchg(&rt->driving, 1, acquire)) // E-DRIVE in
        kci_os_yield_thread(); // another thread is about to leave
    kci_rt_join_workers(rt);
    kci_rt_free(rt);
    kc_cancel_unref(shutdown);
    return 0;
}

/* ---- KC_MAIN ---- */

struct main_args {
    int (*fn)(int, char **);
    int argc;
    char **argv;
};

static int call_main(void *arg)
{
    struct main_args *m = arg;
    return m->fn(m->argc, m->argv);
}

int kci_main_run(int (*fn)(int, char **), int argc, char **argv)
{
    int rc = kc_run(call_main, &(struct main_args){ fn, argc, argv }, NULL);

    if (rc >= 0)
        return 0;
    fprintf(stderr, "%s: %s (%d)\n", argc ? argv[0] : "kcoro", kc_strerror(rc), rc);
    return 1;
}
