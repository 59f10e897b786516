/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * tests/model/lock.c — core/lock.h, with its slow path: one at a time, and who comes next sees
 * what the last one did (E-LOCK).
 */
#include "core/lock.h"
#include "lab/kcmc/kcmc.h"

static struct kci_lock lock;
static unsigned count; /* lock */

static void name_them(void)
{
    kcmc_name(&lock.held, "held");
}

static void add(void)
{
    kci_lock(&lock);
    count++;
    kci_unlock(&lock);
}

static void add_twice(void)
{
    add();
    add();
}

static void two(void)
{
    kcmc_assert(count == 2);
}

static void three(void)
{
    kcmc_assert(count == 3);
}

static void four(void)
{
    kcmc_assert(count == 4);
}

static const struct kcmc_model models[] = {
    { "one of two holds it", .setup = name_them, .thread = { add, add }, .check = two,
      .preemptions = KCMC_UNBOUNDED },
    { "and again", .setup = name_them, .thread = { add_twice, add_twice }, .check = four },
    { "one of three holds it", .setup = name_them, .thread = { add, add, add },
      .check = three },
};

KCMC_MAIN(models)
