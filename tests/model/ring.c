/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * tests/model/ring.c — sched/runq.c's ring: whoever takes a coroutine is the only one, and sees
 * all that was done before it was made ready (E-RING); a slot is not reused before a thief has
 * copied it (E-CLAIM). The ring has four slots here.
 */
#include "lab/kcmc/kcmc.h"
#include "sched/sched.h"

enum { COS = 8 };

static struct kc_co co[COS];
static struct kci_ring ring, other[2];
static unsigned used; /* coroutines of co */

static struct kc_co *fresh(void)
{
    struct kc_co *c = &co[used++];
    c->ret = 42; // what a ready coroutine has done
    return c;
}

static void push(unsigned n)
{
    while (n--)
        kcmc_assert(kci_ring_push(&ring, fresh()));
}

static void run(struct kc_co *c)
{
    if (!c)
        return;
    kcmc_assert(c->ret == 42);
    c->budget++; // plain: two who run it race
}

static void pop_all(struct kci_ring *r)
{
    for (struct kc_co *c; (c = kci_ring_pop(r));)
        run(c);
}

static void name_them(void)
{
    kcmc_name(&ring.head, "head");
    kcmc_name(&ring.tail, "tail");
    for (unsigned i = 0; i < KCI_RING; i++)
        kcmc_name(&ring.slot[i], "slot");
}

/* Whatever was pushed ran once, or is still there. */
static void check(void)
{
    pop_all(&ring);
    pop_all(&other[0]);
    pop_all(&other[1]);
    for (unsigned i = 0; i < used; i++)
        kcmc_assert(co[i].budget == 1);
}

static void owner_pushes_and_pops(void)
{
    push(3);
    run(kci_ring_pop(&ring));
    run(kci_ring_pop(&ring));
}

static void thief(void)
{
    struct kci_ring *mine = &other[kcmc_thread() - 1];

    run(kci_ring_steal(mine, &ring));
    run(kci_ring_pop(mine));
}

/* Counters about to wrap. */
static void full(void)
{
    name_them();
    ka_store(&ring.head, UINT32_MAX - 1, relaxed);
    ka_store(&ring.tail, UINT32_MAX - 1, relaxed);
    push(KCI_RING);
}

static void owner_reuses_slots(void)
{
    run(kci_ring_pop(&ring));
    push(1);
    run(kci_ring_pop(&ring));
    push(1);
}

static void owner_finds_room_made_by_thieves(void)
{
    struct kc_co *c = fresh();

    if (kci_ring_push(&ring, c))
        return;
    c->budget = 1; // goes elsewhere
}

static void owner_spills(void)
{
    uint32_t n;
    struct kc_co *c = kci_ring_spill(&ring, &n);

    for (; c; c = c->next, n--)
        run(c);
    kcmc_assert(n == 0);
    run(kci_ring_pop(&ring));
}

static void three(void)
{
    name_them();
    push(3);
}

static void owner_pops(void)
{
    run(kci_ring_pop(&ring));
    run(kci_ring_pop(&ring));
}

/* Stolen from a thief: what it copied is published by its own tail. */
static void second_thief(void)
{
    run(kci_ring_steal(&other[1], &other[0]));
}

static void first_thief(void)
{
    run(kci_ring_steal(&other[0], &ring));
}

static const struct kcmc_model models[] = {
    { "owner and thief take each coroutine once", .setup = name_them,
      .thread = { owner_pushes_and_pops, thief }, .check = check },
    { "a slot is reused after it was copied", .setup = full,
      .thread = { owner_reuses_slots, thief }, .check = check },
    { "a full ring has room once a thief has copied", .setup = full,
      .thread = { owner_finds_room_made_by_thieves, thief }, .check = check },
    { "spilling and stealing take different ones", .setup = full,
      .thread = { owner_spills, thief }, .check = check },
    { "two thieves and the owner share", .setup = three, .thread = { owner_pops, thief, thief },
      .check = check, .preemptions = 2, .large = true },
    { "what was stolen can be stolen again", .setup = full,
      .thread = { first_thief, second_thief }, .check = check },
};

KCMC_MAIN(models)
