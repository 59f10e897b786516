/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * sched/monitor.c — a thread that rescues what a hog would strand.
 *
 * A worker that runs one coroutine for long cannot run what it made ready, look at timers or
 * poll. Each half millisecond this thread looks whether somebody is idle; then it moves a
 * stranded newest coroutine to the shared list and wakes a sleeper for anything overdue. When
 * all are idle it sleeps without limit: an idle process makes no wake-ups.
 *
 * It exists only beside two or more workers; one worker has nobody to hand work to.
 */
#include "core/thread.h"
#include "sched/sched.h"

#define TICK_NS KC_US(500)

/* The slot is stranded when its worker has not switched since the last tick. */
static void rescue_newest(struct kci_worker *w, uint32_t *seen)
{
    uint32_t seq = ka_load(&w->seq, relaxed); // relaxed: only its changing matters
    struct kc_co *co = NULL;

    if (seq == *seen && ka_load(&w->lifo, relaxed)) // relaxed: the exchange decides
        co = ka_xchg(&w->lifo, NULL, acq_rel);      // E-RING through the slot
    *seen = seq;
    if (co) {
        kci_inject_push(&w->rt->inject, co, co, 1);
        kci_wake_one_fenced(w->rt);
    }
}

static bool anything_overdue(struct kc_rt *rt)
{
    for (unsigned i = 0; i < rt->nworkers; i++)
        if (kci_ring_len(&rt->workers[i].ring))
            return true;
    // relaxed: a worker that stopped polling this instant will be seen at the next tick
    if (!ka_load(&rt->polling, relaxed) && rt->poller.busy(rt->poller.ctx))
        return true;
    return kci_timers_next(rt->timers) <= kci_rt_now(rt);
}

static void tick(struct kc_rt *rt, uint32_t *seen)
{
    for (unsigned i = 0; i < rt->nworkers; i++)
        rescue_newest(&rt->workers[i], &seen[i]);
    if (anything_overdue(rt))
        kci_wake_one_fenced(rt);
}

static bool all_idle(struct kc_rt *rt)
{
    return ka_load(&rt->nidle, seq_cst) == rt->nworkers; // E-MONITOR
}

static void *monitor_main(void *arg)
{
    struct kc_rt *rt = arg;
    uint32_t seen[KCI_WORKERS_MOST] = { 0 };
    unsigned quiet = 0;

    while (!ka_load(&rt->stop, acquire)) { // E-STOP in
        // relaxed: with nobody idle there is nobody to hand work to
        if (ka_load(&rt->nidle, relaxed))
            tick(rt, seen);
        quiet = all_idle(rt) ? quiet + 1 : 0;
        if (quiet < 2) {
            kci_parker_wait(&rt->monitor_parker, kci_os_now() + TICK_NS);
            continue;
        }
        ka_store(&rt->monitor_asleep, 1, seq_cst); // E-MONITOR out
        if (all_idle(rt) && !ka_load(&rt->stop, seq_cst)) // E-STOP in
            kci_parker_wait(&rt->monitor_parker, INT64_MAX);
        ka_store(&rt->monitor_asleep, 0, seq_cst); // E-MONITOR
        quiet = 0;
    }
    return NULL;
}

void kci_monitor_wake(struct kc_rt *rt)
{
    if (rt->has_monitor && ka_load(&rt->monitor_asleep, seq_cst)) // E-MONITOR in
        kci_parker_wake(&rt->monitor_parker);
}

int kci_monitor_start(struct kc_rt *rt)
{
    kci_parker_init(&rt->monitor_parker);
    if (rt->nworkers == 1)
        return 0;
    int rc = kci_thread_start(&rt->monitor, monitor_main, rt);
    rt->has_monitor = !rc;
    return rc;
}

void kci_monitor_stop(struct kc_rt *rt)
{
    if (rt->has_monitor) {
        kci_parker_wake(&rt->monitor_parker);
        pthread_join(rt->monitor, NULL);
    }
    kci_parker_fini(&rt->monitor_parker);
}
