/* SPDX-License-Identifier: BSD-3-Clause */
/* tests/sync/kit.c — see kit.h. */
#include "tests/sync/kit.h"

#include "arch/os.h"
#include "sched/waitq.h"

/* As kt_pass, but other threads come in too. */
static void pass(void)
{
    static _Atomic(unsigned) turns;

    kt_pass();
    if (ka_add(&turns, 1, relaxed) % 16 == 0) // relaxed: a count
        kci_os_yield_thread();
}

static int run(void *arg)
{
    struct guest *g = arg;

    g->ret = g->fn(g->arg);
    ka_store(&g->over, 1, release);
    return 0;
}

static void *run_thread(void *arg)
{
    run(arg);
    return NULL;
}

void guest_start(struct guest *g, bool is_thread, kc_fn fn, void *arg)
{
    *g = (struct guest){ .fn = fn, .arg = arg, .is_thread = is_thread };
    if (is_thread)
        must_eq(pthread_create(&g->thread, NULL, run_thread, g), 0);
    else
        must_eq(kc_spawn(&g->co, run, g, NULL), 0);
}

int guest_join(struct guest *g)
{
    while (!ka_load(&g->over, acquire)) // a thread may need the workers: do not block one
        pass();
    if (g->is_thread)
        must_eq(pthread_join(g->thread, NULL), 0);
    else
        must_eq(kt_join(g->co), 0);
    return g->ret;
}

int queued(void *obj)
{
    struct kci_waitq *wq = obj;
    int n = 0;

    kci_lock(&wq->lock);
    KCI_EACH(it, kci_waitq_list(wq))
        n++;
    kci_unlock(&wq->lock);
    return n;
}

void until_queued(void *obj, int n)
{
    while (queued(obj) != n)
        pass();
}
