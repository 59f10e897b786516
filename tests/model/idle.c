/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * tests/model/idle.c — sched/idle.c: work against sleep (E-IDLE). Whatever is made runnable is
 * run, although wakers wake as few as possible; and stopping reaches everybody.
 *
 * Workers are threads that find and run; the poller is a parker, which a kick wakes. A coroutine
 * is a function that the worker calls.
 */
#include "core/assert.h"
#include "lab/kcmc/kcmc.h"
#include "sched/sched.h"

static struct kc_rt rt;
static struct kci_worker worker[2];
static struct kci_timers timers;
static struct kci_parker poller;
static struct kc_co co[2];
static _Atomic(int) ran;
static int wanted; /* coroutines that make it complete */

/* ---- what lies around idle.c ---- */

static bool poller_busy(void *ctx)
{
    (void)ctx;
    return false;
}

/* Only one at a time is here, and the next one sees what it did (E-POLL). */
static unsigned waits;

static void poller_wait(void *ctx, int64_t until_ns)
{
    (void)ctx;
    waits++;
    (void)kci_parker_wait(&poller, until_ns);
}

static void poller_kick(void *ctx)
{
    (void)ctx;
    kci_parker_wake(&poller);
}

uint64_t kci_worker_random(struct kci_worker *w)
{
    (void)w;
    return 0;
}

void kci_monitor_wake(struct kc_rt *r)
{
    (void)r;
}

int64_t kci_rt_now(struct kc_rt *r)
{
    (void)r;
    return 0;
}

void kci_rt_set_clock(struct kc_rt *r, int64_t ns)
{
    (void)r, (void)ns;
}

unsigned kci_timers_expire(struct kci_timers *ts, int64_t now_ns)
{
    (void)ts, (void)now_ns;
    return 0;
}

void kci_rt_stop(struct kc_rt *r)
{
    (void)r;
    kcmc_assert(!"no model is explored");
}

bool kci_idle_settled(struct kc_rt *r)
{
    (void)r;
    return false;
}

struct kc_co *kci_explored_next(struct kci_worker *w)
{
    (void)w;
    return NULL;
}

int kc_cancel_check(const kc_cancel_t *tk)
{
    (void)tk;
    return 0;
}

int kc_cancel_trigger(kc_cancel_t *tk, int why)
{
    (void)tk, (void)why;
    return 0;
}

KCI_NORETURN void kci_panic(const char *kind, const char *what, const char *file, int line)
{
    (void)kind;
    kcmc_fail(what, file, line);
    __builtin_unreachable();
}

/* ---- the runtime ---- */

static void setup(unsigned nworkers, int coroutines)
{
    rt.nworkers = nworkers;
    rt.workers = worker;
    rt.timers = &timers;
    rt.poller = (struct kci_poller){ .busy = poller_busy, .wait = poller_wait,
                                     .kick = poller_kick };
    ka_store(&timers.next_ns, INT64_MAX, relaxed);
    for (unsigned i = 0; i < nworkers; i++) {
        worker[i].rt = &rt;
        worker[i].id = i;
        worker[i].tick = 1;
    }
    wanted = coroutines;
    kcmc_name(&rt.nidle, "nidle");
    kcmc_name(&rt.nsearching, "nsearching");
    kcmc_name(&rt.idle_lock.held, "idle_lock");
    kcmc_name(&rt.polling, "polling");
    kcmc_name(&rt.stop, "stop");
    kcmc_name(&rt.inject.len, "inject.len");
    kcmc_name(&rt.inject.lock.held, "inject.lock");
    kcmc_name(&poller.word, "poller");
    kcmc_name(&worker[0].parker.word, "parker 0");
    kcmc_name(&worker[1].parker.word, "parker 1");
    kcmc_name(&worker[0].lifo, "lifo 0");
    kcmc_name(&worker[1].lifo, "lifo 1");
    kcmc_name(&worker[0].ring.head, "head 0");
    kcmc_name(&worker[1].ring.head, "head 1");
    kcmc_name(&worker[0].ring.tail, "tail 0");
    kcmc_name(&worker[1].ring.tail, "tail 1");
}

static void one_worker(void)
{
    setup(1, 1);
}

static void two_workers(void)
{
    setup(2, 1);
}

static void two_workers_two_coroutines(void)
{
    setup(2, 2);
}

/* As kci_rt_stop. */
static void stop(void)
{
    ka_store(&rt.stop, 1, seq_cst);
    kci_wake_all(&rt);
}

/* As kci_ready from another thread. */
static void inject(struct kc_co *c)
{
    c->ret = 42;
    kci_inject_push(&rt.inject, c, c, 1);
    kci_wake_one_fenced(&rt);
}

static void run(struct kc_co *c)
{
    kcmc_assert(c->ret == 42);
    c->budget++; // plain: two who run it race
    if (ka_add(&ran, 1, acq_rel) + 1 == wanted)
        stop();
}

static void work_with(struct kci_worker *w, void (*how)(struct kc_co *))
{
    struct kc_co *c;

    while ((c = kci_find(w)))
        how(c);
}

static void work_0(void)
{
    work_with(&worker[0], run);
}

static void work_1(void)
{
    work_with(&worker[1], run);
}

static void inject_one(void)
{
    inject(&co[0]);
}

static void inject_two(void)
{
    inject(&co[0]);
    inject(&co[1]);
}

static void each_ran(void)
{
    for (int i = 0; i < wanted; i++)
        kcmc_assert(co[i].budget == 1);
    kcmc_assert(!ka_load(&rt.nsearching, relaxed));
}

/* For worker 0 alone. */
static void bind_one(void)
{
    co[0].ret = 42;
    kci_inject_push(&worker[0].bound, &co[0], &co[0], 1);
    kci_wake_worker(&worker[0]);
}

/* Two that need each other: whoever runs first waits for the other one, on another worker. */
static void run_together(struct kc_co *c)
{
    kcmc_assert(c->ret == 42);
    c->budget++;
    if (ka_add(&ran, 1, acq_rel) + 1 == 2)
        stop();
    while (ka_load(&ran, acquire) < 2)
        kcmc_wait();
}

static void work_together_0(void)
{
    work_with(&worker[0], run_together);
}

static void work_together_1(void)
{
    work_with(&worker[1], run_together);
}

static const struct kcmc_model models[] = {
    { "work from outside is not slept through", .setup = one_worker,
      .thread = { work_0, inject_one }, .check = each_ran, .preemptions = 2 },
    { "work for one worker is not slept through by it", .setup = one_worker,
      .thread = { work_0, bind_one }, .check = each_ran, .preemptions = 2 },
    { "one of two workers wakes, and stopping wakes both", .setup = two_workers,
      .thread = { work_0, work_1, inject_one }, .check = each_ran, .preemptions = 1 },
    { "a searcher that found something wakes the next", .setup = two_workers_two_coroutines,
      .thread = { work_together_0, work_together_1, inject_two }, .check = each_ran,
      .preemptions = 1 },
};

KCMC_MAIN(models)
