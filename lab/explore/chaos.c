/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * lab/explore/chaos.c — KCORO_SCHED=chaos: real threads, disturbed on purpose.
 *
 * At each point a coroutine mostly goes on, often yields, sometimes gives its processor
 * away, and rarely stops its whole worker for a while, so that others overtake it by a long
 * way: short frequent delays and rare long ones find different races (as rr's chaos mode does).
 */
#include "arch/os.h"
#include "lab/explore/lab.h"

enum { YIELDS = 8, GIVES_AWAY = 64, STARVES = 4096, STARVE_PAUSES = 20000 };

static bool point(void *ctx)
{
    uint64_t r = kci_random() >> 32;

    (void)ctx;
    if (r % STARVES == 0)
        for (int i = 0; i < STARVE_PAUSES; i++)
            kci_cpu_pause();
    else if (r % GIVES_AWAY == 0)
        kci_os_yield_thread();
    return r % YIELDS == 1;
}

static const struct kci_lab chaos = { .point = point };

void kci_chaos_configure(struct kci_config *cfg)
{
    cfg->env.lab = &chaos;
}
