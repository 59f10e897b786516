/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * bench/memory.c — what a coroutine costs that does nothing but wait.
 *
 * Resident bytes of this process (page tables not counted) before and after, divided; and the
 * time to make one, let it run up to its wait. The floor touches one page every 64 KiB,
 * which is how far apart stacks lie.
 */
#include "arch/os.h"
#include "bench/crowd.h"
#include "bench/harness.h"
#include "bench/machine.h"

enum { ROUGHLY = 6000 }; /* bytes each, to see whether they will fit; twice is asked for */

static bool fits(long n)
{
    size_t available = machine_available();
    return !available || available / 2 / ROUGHLY > (size_t)n;
}

static int wait_at_gate(void *crowd)
{
    return crowd_enter(crowd);
}

static int parked(struct trial *t)
{
    struct crowd c;
    size_t before = machine_resident();

    if (!fits(t->ops))
        return skipped(t, "not enough memory");
    t->began = clock_ns();
    int rc = crowd_gather(&c, wait_at_gate, &c, t->ops);
    double ns = (double)(clock_ns() - t->began);
    size_t after = machine_resident();
    if (rc || (rc = crowd_release(&c)))
        return failed(t, "a waiting crowd", rc);
    if (after <= before)
        return wrong(t, "%ld coroutines take no memory", t->ops);
    t->value[0] = (double)(after - before) / (double)t->ops;
    t->value[1] = ns / (double)t->ops;
    return 0;
}

static int touch_pages(struct trial *t)
{
    size_t page = kci_os_page_bytes(), stride = (size_t)64 << 10;
    size_t bytes = stride * (size_t)t->ops, before = machine_resident();
    int64_t began = clock_ns();

    if (!fits(t->ops))
        return skipped(t, "not enough memory");
    unsigned char *all = kci_os_map(bytes);
    if (!all)
        return failed(t, "kci_os_map", -ENOMEM);
    for (size_t i = 0; i < bytes; i += stride)
        all[i + stride - page] = 1;
    t->value[1] = (double)(clock_ns() - began) / (double)t->ops;
    t->value[0] = (double)(machine_resident() - before) / (double)t->ops;
    kci_os_unmap(all, bytes);
    return 0;
}

static const struct figure each[FIGURES_MOST] = { { "B", NULL }, { "ns", ".create" } };

static const struct row rows[] = {
    { "mem.parked.100k", NULL, each, parked, 1, 0, 100000, WHOLE | COLD | QUICK_ONLY },
    { "mem.parked.100k", "floor", each, touch_pages, 0, 0, 100000, WHOLE | COLD | QUICK_ONLY },
    { "mem.parked.1m", NULL, each, parked, 1, 0, 1000000, WHOLE | COLD | FULL_ONLY },
    { "mem.parked.1m", "floor", each, touch_pages, 0, 0, 100000, WHOLE | COLD | FULL_ONLY },
};
const struct group bench_memory = GROUP(rows);
