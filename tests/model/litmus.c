/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * tests/model/litmus.c — does the checker know the memory model? Small programs of which every
 * outcome is known: those that C11 allows must be found, no others, and what is a fault must be
 * called one.
 *
 * An outcome is what was read, as decimal digits: r1, r2, …
 */
#include "arch/atomic.h"
#include "lab/kcmc/kcmc.h"

static _Atomic(int) x, y;
static int box;
static unsigned r1, r2, r3, r4;

static void two(void)
{
    kcmc_outcome(r1 * 10 + r2);
}

static void four(void)
{
    kcmc_outcome(r1 * 1000 + r2 * 100 + r3 * 10 + r4);
}

/* ---- SB: store, then load what the other one stores ---- */

#define SB(name, store_order, between, load_order)                                             \
    static void sb_##name##_a(void)                                                            \
    {                                                                                          \
        ka_store(&x, 1, store_order);                                                          \
        between;                                                                               \
        r1 = (unsigned)ka_load(&y, load_order);                                                \
    }                                                                                          \
    static void sb_##name##_b(void)                                                            \
    {                                                                                          \
        ka_store(&y, 1, store_order);                                                          \
        between;                                                                               \
        r2 = (unsigned)ka_load(&x, load_order);                                                \
    }

SB(rel, release, (void)0, acquire)
SB(sc, seq_cst, (void)0, seq_cst)
SB(half, seq_cst, (void)0, acquire)
SB(fence, relaxed, kci_fence_seq_cst(), relaxed)

/* ---- MP: a message behind a flag ---- */

#define MP(name, store_order, before, load_order, after)                                       \
    static void mp_##name##_send(void)                                                         \
    {                                                                                          \
        box = 1;                                                                               \
        before;                                                                                \
        ka_store(&x, 1, store_order);                                                          \
    }                                                                                          \
    static void mp_##name##_receive(void)                                                      \
    {                                                                                          \
        if (!ka_load(&x, load_order))                                                          \
            return;                                                                            \
        after;                                                                                 \
        kcmc_assert(box == 1);                                                                 \
    }

MP(rel, release, (void)0, acquire, (void)0)
MP(relaxed, relaxed, (void)0, relaxed, (void)0)
MP(half, release, (void)0, relaxed, (void)0)
MP(fence, relaxed, atomic_thread_fence(memory_order_release), relaxed,
   atomic_thread_fence(memory_order_acquire))

/* The same with two atomics: no race, and the outcome shows what was seen. */
static void mp_atomic_send(void)
{
    ka_store(&x, 1, relaxed);
    ka_store(&y, 1, relaxed);
}

static void mp_atomic_receive(void)
{
    r1 = (unsigned)ka_load(&y, relaxed);
    r2 = (unsigned)ka_load(&x, relaxed);
}

/* ---- IRIW: do two readers agree on the order of two writers? ---- */

#define IRIW(name, store_order, load_order)                                                    \
    static void iriw_##name##_x(void) { ka_store(&x, 1, store_order); }                        \
    static void iriw_##name##_y(void) { ka_store(&y, 1, store_order); }                        \
    static void iriw_##name##_xy(void)                                                         \
    {                                                                                          \
        r1 = (unsigned)ka_load(&x, load_order);                                                \
        r2 = (unsigned)ka_load(&y, load_order);                                                \
    }                                                                                          \
    static void iriw_##name##_yx(void)                                                         \
    {                                                                                          \
        r3 = (unsigned)ka_load(&y, load_order);                                                \
        r4 = (unsigned)ka_load(&x, load_order);                                                \
    }

IRIW(rel, release, acquire)
IRIW(sc, seq_cst, seq_cst)

static void agree(void)
{
    kcmc_assert(!(r1 == 1 && r2 == 0 && r3 == 1 && r4 == 0));
}

/* ---- coherence, release sequences, atomicity ---- */

static void corr_write(void)
{
    ka_store(&x, 1, relaxed);
    ka_store(&x, 2, relaxed);
}

static void corr_read(void)
{
    r1 = (unsigned)ka_load(&x, relaxed);
    r2 = (unsigned)ka_load(&x, relaxed);
}

static void seq_head(void)
{
    box = 1;
    ka_store(&x, 1, release);
}

static void seq_middle(void)
{
    ka_add(&x, 1, relaxed);
}

static void seq_store(void)
{
    ka_store(&x, 2, relaxed);
}

static void seq_tail(void)
{
    if (ka_load(&x, acquire) == 2)
        kcmc_assert(box == 1);
}

static void count(void)
{
    ka_add(&x, 1, relaxed);
    ka_add(&x, 1, relaxed);
}

static void counted(void)
{
    kcmc_outcome((unsigned)ka_load(&x, relaxed));
}

static void count_badly(void)
{
    ka_store(&x, ka_load(&x, relaxed) + 1, relaxed);
}

#ifdef __clang__
#define SWAPPED "1" // its sanitizer asks for a strong one
#else
#define SWAPPED "0 1"
#endif

static void weak_swap(void)
{
    int zero = 0;
    r1 = atomic_compare_exchange_weak_explicit(&x, &zero, 1, memory_order_relaxed,
                                               memory_order_relaxed);
}

static void swapped(void)
{
    kcmc_outcome(r1);
}

static void ww_a(void)
{
    ka_store(&x, 1, relaxed);
    ka_store(&y, 2, relaxed);
}

static void ww_b(void)
{
    ka_store(&y, 1, relaxed);
    ka_store(&x, 2, relaxed);
}

static void both(void)
{
    r1 = (unsigned)ka_load(&x, relaxed);
    r2 = (unsigned)ka_load(&y, relaxed);
    two();
}

/* ---- the shape of Tokio's pull request 1788: must somebody be woken? ----
 *
 * A worker that stops searching looks at the queue once more; who queues something wakes nobody
 * while somebody searches. A sequentially consistent load of the number of searchers is too
 * weak beside a queue of release and acquire; a read-modify-write of zero on the worker's side
 * of the handshake is not.
 */
static _Atomic(int) queue, searching;
static bool woken, found;

static void tokio_setup(void)
{
    ka_store(&searching, 1, relaxed);
}

static void tokio_worker(void)
{
    ka_sub(&searching, 1, seq_cst);
    found = ka_load(&queue, acquire);
}

static void tokio_push_load(void)
{
    ka_store(&queue, 1, release);
    woken = ka_load(&searching, seq_cst) == 0;
}

static void tokio_push_add(void)
{
    ka_store(&queue, 1, release);
    woken = ka_add(&searching, 0, seq_cst) == 0;
}

static void tokio_check(void)
{
    kcmc_assert(woken || found);
}

/* ---- waiting, and memory ---- */

static void spin(void)
{
    while (!ka_load(&x, acquire))
        kcmc_wait();
    kcmc_assert(box == 1);
}

static void spin_on_two(void)
{
    while (!ka_load(&x, acquire) || !ka_load(&y, acquire))
        kcmc_wait();
    kcmc_assert(box == 1);
}

static void release_two(void)
{
    box = 1;
    ka_store(&y, 1, release);
    ka_store(&x, 1, release);
}

static void spin_for_nothing(void)
{
    while (!ka_load(&y, acquire))
        kcmc_wait();
}

static void run_forever(void)
{
    for (;;)
        ka_add(&x, 1, relaxed);
}

static int *thing;

static void thing_setup(void)
{
    thing = kcmc_alloc(sizeof *thing);
    ka_store(&x, 2, relaxed);
}

static void thing_use(void)
{
    *thing += 0 * *thing + (kcmc_thread() == 0); // one of them only writes
}

#define UNREF(name, order)                                                                     \
    static void unref_##name(void)                                                             \
    {                                                                                          \
        if (kcmc_thread() == 0)                                                                \
            thing_use();                                                                       \
        if (ka_sub(&x, 1, order) == 1)                                                         \
            kcmc_free(thing);                                                                  \
    }

UNREF(ordered, acq_rel)
UNREF(unordered, relaxed)

static void use_late(void)
{
    kcmc_free(thing);
    thing_use();
}

#define ALL .preemptions = KCMC_UNBOUNDED
static const struct kcmc_model models[] = {
    { "sb_release_acquire_lets_both_miss", .thread = { sb_rel_a, sb_rel_b }, .check = two, ALL,
      .outcomes = "0 1 10 11" },
    { "sb_seq_cst_lets_one_see", .thread = { sb_sc_a, sb_sc_b }, .check = two, ALL,
      .outcomes = "1 10 11" },
    { "sb_seq_cst_stores_alone_do_not", .thread = { sb_half_a, sb_half_b }, .check = two, ALL,
      .outcomes = "0 1 10 11" },
    { "sb_fences_let_one_see", .thread = { sb_fence_a, sb_fence_b }, .check = two, ALL,
      .outcomes = "1 10 11" },
    { "mp_release_acquire_hands_over", .thread = { mp_rel_send, mp_rel_receive }, ALL },
    { "mp_relaxed_races", .thread = { mp_relaxed_send, mp_relaxed_receive }, ALL,
      .expect = KCMC_RACE },
    { "mp_without_acquire_races", .thread = { mp_half_send, mp_half_receive }, ALL,
      .expect = KCMC_RACE },
    { "mp_fences_hand_over", .thread = { mp_fence_send, mp_fence_receive }, ALL },
    { "mp_relaxed_shows_the_flag_alone", .thread = { mp_atomic_send, mp_atomic_receive },
      .check = two, ALL, .outcomes = "0 1 10 11" },
    { "iriw_release_acquire_lets_readers_disagree",
      .thread = { iriw_rel_x, iriw_rel_y, iriw_rel_xy, iriw_rel_yx }, .check = agree, ALL,
      .expect = KCMC_ASSERT },
    { "iriw_seq_cst_readers_agree", .thread = { iriw_sc_x, iriw_sc_y, iriw_sc_xy, iriw_sc_yx },
      .check = four, ALL,
      .outcomes = "0 1 10 11 100 101 110 111 1000 1001 1011 1100 1101 1110 1111" },
    { "corr_values_do_not_go_back", .thread = { corr_write, corr_read }, .check = two, ALL,
      .outcomes = "0 1 2 11 12 22" },
    { "a_release_sequence_goes_through_a_relaxed_change",
      .thread = { seq_head, seq_middle, seq_tail }, ALL },
    { "a_release_sequence_ends_at_a_store", .thread = { seq_head, seq_store, seq_tail }, ALL,
      .expect = KCMC_RACE },
    { "changes_are_atomic", .thread = { count, count }, .check = counted, ALL,
      .outcomes = "4" },
    { "loads_and_stores_are_not", .thread = { count_badly, count_badly }, .check = counted, ALL,
      .outcomes = "1 2" },
    { "a_weak_swap_may_fail_for_nothing", .thread = { weak_swap }, .check = swapped, ALL,
      .outcomes = SWAPPED },
    { "w2_stores_have_one_order_each", .thread = { ww_a, ww_b }, .check = both, ALL,
      .outcomes = "12 21 22" },
    { "tokio_1788_a_load_misses_the_last_searcher", .setup = tokio_setup,
      .thread = { tokio_worker, tokio_push_load }, .check = tokio_check, ALL,
      .expect = KCMC_ASSERT },
    { "tokio_1788_an_addition_of_zero_does_not", .setup = tokio_setup,
      .thread = { tokio_worker, tokio_push_add }, .check = tokio_check, ALL },
    { "a_loop_that_waits_sees_what_it_waits_for", .thread = { spin, seq_head }, ALL },
    { "a_loop_may_wait_for_two", .thread = { spin_on_two, release_two }, ALL },
    { "waiting_for_nothing_is_a_deadlock", .thread = { spin_for_nothing, seq_head }, ALL,
      .expect = KCMC_DEADLOCK },
    { "running_for_ever_is_a_livelock", .thread = { run_forever }, ALL,
      .expect = KCMC_LIVELOCK },
    { "the_last_reference_may_free", .setup = thing_setup,
      .thread = { unref_ordered, unref_ordered }, ALL },
    { "an_unordered_last_reference_races", .setup = thing_setup,
      .thread = { unref_unordered, unref_unordered }, ALL, .expect = KCMC_RACE },
    { "what_was_freed_must_not_be_used", .setup = thing_setup, .thread = { use_late }, ALL,
      .expect = KCMC_FREED },
};

KCMC_MAIN(models)
