/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * sched/start.c — a runtime's birth and death, in the order in which things depend on each
 * other.
 *
 * start:  memory → stacks → timers → pool → poller (plugged in from above) → service scope →
 *         monitor → worker threads → first coroutine
 * end:    the first coroutine sets rt->stop; worker threads joined → monitor → pool → poller →
 *         scope → timers → stacks → memory
 */
#include <limits.h>
#include <stdlib.h>

#include "core/assert.h"
#include "core/mem.h"
#include "core/thread.h"
#include "sched/sched.h"

static int64_t virtual_now(void *ctx)
{
    return ka_load(&((struct kc_rt *)ctx)->virtual_ns, relaxed); // relaxed: a clock
}

int64_t kci_rt_now(struct kc_rt *rt)
{
    return rt->env.now(rt->env.ctx);
}

void kci_rt_set_clock(struct kc_rt *rt, int64_t ns)
{
    if (ns > kci_rt_now(rt))
        ka_store(&rt->virtual_ns, ns, relaxed); // relaxed: one worker
}

int64_t kc_now(void)
{
    struct kci_worker *w = kci_worker_self();
    return w ? kci_rt_now(w->rt) : kci_os_now();
}

kc_deadline_t kc_in(int64_t dur_ns)
{
    if (dur_ns <= 0)
        return kc_at(1); // long past on any clock, yet neither 0 nor KC_TRY
    int64_t now = kc_now();
    return kc_at(now > INT64_MAX - dur_ns ? INT64_MAX : now + dur_ns);
}

static void init_worker(struct kc_rt *rt, unsigned i, uint64_t seed)
{
    struct kci_worker *w = &rt->workers[i];

    w->rt = rt;
    w->id = i;
    w->rng = (seed + i) * 0x9E3779B97F4A7C15u | 1; // any odd multiple spreads consecutive seeds
    kci_parker_init(&w->parker);
}

static struct kc_rt *allocate(const struct kci_config *cfg)
{
    struct kc_rt *rt = kci_zalloc(sizeof *rt);
    size_t bytes = sizeof *rt->workers * cfg->workers;

    if (!rt)
        return NULL;
    // Workers keep their hot fields on cache lines of their own.
    rt->workers = kci_os_map(bytes);
    if (!rt->workers) {
        kci_free(rt);
        return NULL;
    }
    rt->nworkers = cfg->workers;
    rt->env = cfg->env;
    rt->stack_bytes = cfg->stack_bytes;
    // In a laboratory each operation is a point.
    rt->budget = cfg->env.lab ? 1 : cfg->budget;
    rt->no_budget = cfg->env.lab ? 1 : INT_MAX;
    rt->flags = cfg->flags;
    rt->caller_works = cfg->caller_works;
    rt->driven = cfg->driven;
    rt->user_fn = cfg->user_fn;
    rt->user_arg = cfg->user_arg;
    rt->shutdown = cfg->shutdown;
    kci_list_init(&rt->settlers);
    kci_parker_init(&rt->ready);
    kci_parker_init(&rt->finished);
    kci_parker_init(&rt->advanced);
    ka_store(&rt->virtual_ns, KC_S(1000), relaxed); // relaxed: not shared yet
    if (cfg->flags & KC_RT_VIRTUAL_TIME) {
        rt->env.now = virtual_now;
        rt->env.ctx = rt;
    }
    for (unsigned i = 0; i < rt->nworkers; i++)
        init_worker(rt, i, cfg->seed);
    return rt;
}

static void release(struct kc_rt *rt)
{
    kci_parker_fini(&rt->ready);
    kci_parker_fini(&rt->finished);
    kci_parker_fini(&rt->advanced);
    for (unsigned i = 0; i < rt->nworkers; i++)
        kci_parker_fini(&rt->workers[i].parker);
    kci_os_unmap(rt->workers, sizeof *rt->workers * rt->nworkers);
    kci_free(rt);
}

static void *worker_main(void *arg)
{
    kci_worker_loop(arg);
    return NULL;
}

void kci_rt_stop(struct kc_rt *rt)
{
    ka_store(&rt->stop, 1, seq_cst); // E-STOP out
    kci_wake_all(rt);
}

static void stop_threads(struct kc_rt *rt, unsigned first, unsigned end)
{
    kci_rt_stop(rt);
    for (unsigned i = first; i < end; i++)
        pthread_join(rt->workers[i].thread, NULL);
}

static int start_threads(struct kc_rt *rt)
{
    unsigned first = rt->caller_works ? 1 : 0, i = first;
    int rc = kci_monitor_start(rt);
    for (; i < rt->nworkers && !rc; i++)
        rc = kci_thread_start(&rt->workers[i].thread, worker_main, &rt->workers[i]);
    if (!rc)
        return 0;
    stop_threads(rt, first, i > first ? i - 1 : first); // the last one is not there
    kci_monitor_stop(rt);
    return rc;
}

static int create_scope(struct kc_rt *rt)
{
    rt->service = kci_scope_create(rt, NULL);
    if (!rt->service)
        return -ENOMEM;
    rt->service->policy = KC_SUPERVISE;
    return 0;
}

/* The parts between memory and threads; each undone by the label below it. */
static int assemble(struct kc_rt *rt, const struct kci_config *cfg)
{
    int rc = kci_stack_pool_create(&rt->stacks);

    if (rc)
        return rc;
    if (!(rt->timers = kci_timers_create())) {
        rc = -ENOMEM;
        goto close_stacks;
    }
    if ((rc = kci_pool_init(&rt->pool)))
        goto free_timers;
    if ((rc = cfg->plug(rt)))
        goto fini_pool;
    if ((rc = create_scope(rt)))
        goto unplug;
    return 0;
unplug:
    cfg->unplug(rt);
fini_pool:
    kci_pool_fini(&rt->pool);
free_timers:
    kci_timers_unref(rt->timers);
close_stacks:
    kci_stack_pool_close(rt->stacks);
    return rc;
}

int kci_rt_start(struct kc_rt **out, const struct kci_config *cfg)
{
    struct kc_rt *rt = allocate(cfg);
    int rc;

    if (!rt)
        return -ENOMEM;
    if ((rc = assemble(rt, cfg))) {
        release(rt);
        return rc;
    }
    rt->unplug = cfg->unplug;
    *out = rt;
    if ((rc = start_threads(rt))) {
        kci_rt_free(rt);
    } else if ((rc = kci_service_spawn(rt, cfg->first, rt, "supervisor"))) {
        kci_rt_join_workers(rt);
        kci_rt_free(rt);
    }
    return rc;
}

void kci_rt_join_workers(struct kc_rt *rt)
{
    stop_threads(rt, rt->caller_works ? 1 : 0, rt->nworkers);
    kci_monitor_stop(rt);
}

void kci_rt_free(struct kc_rt *rt)
{
    while (ka_load(&rt->foreign, acquire)) // E-FOREIGN in: a few instructions
        kci_os_yield_thread();
    kci_pool_fini(&rt->pool);
    rt->unplug(rt);
    if (rt->root)
        kc_cancel_unref(&rt->root->token);
    kc_cancel_unref(&rt->service->token);
    kci_timers_drain(rt->timers);
    kci_timers_unref(rt->timers);
    kci_stack_pool_close(rt->stacks);
    release(rt);
}

int kc_rt_stats(kc_rt_t *rt, struct kc_rt_stats *out)
{
    rt = rt ? rt : kc_rt_current();
    if (!rt || !out)
        return -EINVAL;
    struct kci_stack_stats st = kci_stack_stats(rt->stacks);
    *out = (struct kc_rt_stats){ .workers = rt->nworkers,
                                 .stacks = st.carved,
                                 .unguarded = st.unguarded };
    // relaxed, all of them: counters
    out->spawned = ka_load(&rt->stat_spawned, relaxed);
    out->completed = ka_load(&rt->stat_completed, relaxed); // relaxed: a counter
    out->injects = ka_load(&rt->stat_injects, relaxed);     // relaxed: a counter
    out->wakes = ka_load(&rt->stat_wakes, relaxed);         // relaxed: a counter
    for (unsigned i = 0; i < rt->nworkers; i++) {
        struct kci_worker *w = &rt->workers[i];
        out->switches += ka_load(&w->stat_switches, relaxed); // relaxed: a counter
        out->steals += ka_load(&w->stat_steals, relaxed);     // relaxed: a counter
        out->parks += ka_load(&w->stat_parks, relaxed);       // relaxed: a counter
    }
    return 0;
}
