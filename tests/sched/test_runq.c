/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * tests/sched/test_runq.c — a worker's ring and the shared list, with coroutines that never
 * run.
 */
#include "sched/runq.h"

#include <pthread.h>

#include "arch/os.h"
#include "sched/sched.h"
#include "tests/support/suite.h"

enum { ITEMS = 600 };

static struct kc_co items[ITEMS];
static struct kci_ring ring, other;

/* Heads and tails only grow, modulo 2^32: begin shortly before they wrap, or at zero. */
static void begin_at(struct kci_ring *r, uint32_t at)
{
    ka_store(&r->head, at, relaxed);
    ka_store(&r->tail, at, relaxed);
}

static const uint32_t beginnings[] = { 0, UINT32_MAX - 100 };
enum { BEGINNINGS = sizeof beginnings / sizeof *beginnings };

static void fill(int n)
{
    for (int i = 0; i < n; i++)
        ck_assert(kci_ring_push(&ring, &items[i]));
}

START_TEST(the_ring_gives_the_oldest_first_and_refuses_when_full)
{
    begin_at(&ring, beginnings[_i]);
    ck_assert_ptr_null(kci_ring_pop(&ring));
    for (int round = 0; round < 3; round++) {
        fill(KCI_RING);
        ck_assert_uint_eq(kci_ring_len(&ring), KCI_RING);
        ck_assert(!kci_ring_push(&ring, &items[KCI_RING]));
        for (int i = 0; i < KCI_RING; i++)
            ck_assert_ptr_eq(kci_ring_pop(&ring), &items[i]);
        ck_assert_ptr_null(kci_ring_pop(&ring));
        ck_assert_uint_eq(kci_ring_len(&ring), 0);
    }
}
END_TEST

START_TEST(a_thief_takes_the_older_half_and_runs_the_last_of_it)
{
    begin_at(&ring, beginnings[_i]);
    begin_at(&other, beginnings[_i] / 2);
    fill(7);
    ck_assert_ptr_eq(kci_ring_steal(&other, &ring), &items[3]);
    for (int i = 0; i < 3; i++)
        ck_assert_ptr_eq(kci_ring_pop(&other), &items[i]);
    ck_assert_ptr_null(kci_ring_pop(&other));
    for (int i = 4; i < 7; i++)
        ck_assert_ptr_eq(kci_ring_pop(&ring), &items[i]);
    ck_assert_ptr_null(kci_ring_steal(&other, &ring));
}
END_TEST

START_TEST(a_single_coroutine_can_be_stolen)
{
    begin_at(&ring, beginnings[_i]);
    fill(1);
    ck_assert_ptr_eq(kci_ring_steal(&other, &ring), &items[0]);
    ck_assert_uint_eq(kci_ring_len(&other), 0);
    ck_assert_uint_eq(kci_ring_len(&ring), 0);
}
END_TEST

START_TEST(a_full_ring_spills_its_older_half_in_order)
{
    uint32_t n;

    begin_at(&ring, beginnings[_i]);
    fill(KCI_RING);
    struct kc_co *co = kci_ring_spill(&ring, &n);
    ck_assert_uint_eq(n, KCI_RING / 2);
    for (uint32_t i = 0; i < n; i++, co = co->next)
        ck_assert_ptr_eq(co, &items[i]);
    ck_assert_ptr_null(co);
    ck_assert_ptr_eq(kci_ring_pop(&ring), &items[KCI_RING / 2]);
}
END_TEST

START_TEST(the_shared_list_is_first_in_first_out)
{
    struct kci_inject q = { .head = NULL };

    ck_assert_ptr_null(kci_inject_pop(&q));
    kci_inject_push(&q, &items[0], &items[0], 1);
    items[1].next = &items[2]; // two at once
    kci_inject_push(&q, &items[1], &items[2], 2);
    kci_inject_push(&q, &items[3], &items[3], 1);
    ck_assert_uint_eq(q.len, 4);
    for (int i = 0; i < 4; i++)
        ck_assert_ptr_eq(kci_inject_pop(&q), &items[i]);
    ck_assert_ptr_null(kci_inject_pop(&q));
    ck_assert_uint_eq(q.len, 0);
    kci_inject_push(&q, &items[5], &items[5], 1);
    ck_assert_ptr_eq(kci_inject_pop(&q), &items[5]);
}
END_TEST

/* ---- an owner and its thieves ---- */

enum { THIEVES = 3, ROUNDS = 300 };

static _Atomic(int) taken[ITEMS], all_taken, over;

static void take(struct kc_co *co)
{
    ka_add(&taken[co - items], 1, relaxed);
    ka_add(&all_taken, 1, release);
}

static void *steal(void *arg)
{
    struct kci_ring *mine = arg;
    struct kc_co *co;

    while (!ka_load(&over, acquire)) {
        if ((co = kci_ring_steal(mine, &ring)))
            take(co);
        else
            kci_os_yield_thread();
        while ((co = kci_ring_pop(mine)))
            take(co);
    }
    return NULL;
}

/* Push all, keeping some for itself, now and then spilling. */
static void push_round(int round)
{
    struct kc_co *co, *next;
    uint32_t n;

    for (int i = 0; i < ITEMS; i++) {
        while (!kci_ring_push(&ring, &items[i]))
            for (co = kci_ring_spill(&ring, &n); co; co = next) {
                next = co->next;
                take(co);
            }
        if (i % (round % 7 + 2) == 0 && (co = kci_ring_pop(&ring)))
            take(co);
    }
    while ((co = kci_ring_pop(&ring)))
        take(co);
}

START_TEST(each_coroutine_is_taken_once_by_its_owner_or_by_one_thief)
{
    static struct kci_ring theirs[THIEVES];
    pthread_t threads[THIEVES];

    begin_at(&ring, beginnings[_i] - 50000); // wraps on the way
    for (int i = 0; i < THIEVES; i++)
        ck_assert_int_eq(pthread_create(&threads[i], NULL, steal, &theirs[i]), 0);
    for (int round = 1; round <= ROUNDS; round++) {
        push_round(round);
        while (ka_load(&all_taken, acquire) < ITEMS * round)
            kci_os_yield_thread();
        for (int i = 0; i < ITEMS; i++)
            if (taken[i] != round)
                ck_abort_msg("round %d: item %d was taken %d times", round, i, taken[i]);
    }
    ka_store(&over, 1, release);
    for (int i = 0; i < THIEVES; i++)
        pthread_join(threads[i], NULL);
}
END_TEST

SUITE("sched/runq",
      CASE_LOOP(the_ring_gives_the_oldest_first_and_refuses_when_full, BEGINNINGS),
      CASE_LOOP(a_thief_takes_the_older_half_and_runs_the_last_of_it, BEGINNINGS),
      CASE_LOOP(a_single_coroutine_can_be_stolen, BEGINNINGS),
      CASE_LOOP(a_full_ring_spills_its_older_half_in_order, BEGINNINGS),
      CASE(the_shared_list_is_first_in_first_out),
      CASE_LOOP(each_coroutine_is_taken_once_by_its_owner_or_by_one_thief, BEGINNINGS))
