/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * tests/model/inject.c — sched/runq.c's shared list: nothing is lost or taken twice, the order
 * of each who pushes is kept, and what he did before is seen.
 */
#include "lab/kcmc/kcmc.h"
#include "sched/sched.h"

static struct kc_co co[4];
static struct kci_inject list;

static void name_them(void)
{
    kcmc_name(&list.lock.held, "lock");
    kcmc_name(&list.len, "len");
}

static void push(unsigned first, unsigned last)
{
    for (unsigned i = first; i <= last; i++) {
        co[i].ret = 42;
        co[i].next = &co[i + 1];
    }
    kci_inject_push(&list, &co[first], &co[last], last - first + 1);
}

static unsigned order; /* check */

static void run(struct kc_co *c)
{
    kcmc_assert(c->ret == 42);
    c->budget++; // plain: two who run it race
}

static void push_one_by_one(void)
{
    push(0, 0);
    push(1, 1);
}

static void push_two_at_once(void)
{
    push(2, 3);
}

static void push_and_pop(void)
{
    push(2, 3);
    struct kc_co *c = kci_inject_pop(&list);
    if (c) // else the other one took both
        run(c);
}

/* What one has pushed himself, and nobody pops, is not missed. */
static void push_and_pop_alone(void)
{
    push(2, 3);
    run(kci_inject_pop(&list));
    run(kci_inject_pop(&list));
}

static void pop_two(void)
{
    struct kc_co *a = kci_inject_pop(&list), *b = kci_inject_pop(&list);

    kcmc_assert(!(a == &co[1] && b == &co[0]));
    if (a)
        run(a);
    if (b)
        run(b);
}

static void all_once(unsigned n)
{
    struct kc_co *c;

    while ((c = kci_inject_pop(&list)))
        run(c);
    for (unsigned i = 0; i < n; i++)
        order += co[i].budget == 1;
    kcmc_assert(order == n && !list.len && !list.head && !list.tail);
}

static void all_two_once(void)
{
    all_once(2);
}

static void all_four_once(void)
{
    all_once(4);
}

static const struct kcmc_model models[] = {
    { "one pushes and one pops", .setup = name_them, .thread = { push_one_by_one, pop_two },
      .check = all_two_once },
    { "two push", .setup = name_them, .thread = { push_one_by_one, push_two_at_once },
      .check = all_four_once },
    { "one pushes and one finds what it pushed", .setup = name_them,
      .thread = { push_one_by_one, push_and_pop_alone }, .check = all_four_once },
    { "two push and two pop", .setup = name_them,
      .thread = { push_one_by_one, push_and_pop, pop_two }, .check = all_four_once,
      .preemptions = 2, .large = true },
};

KCMC_MAIN(models)
