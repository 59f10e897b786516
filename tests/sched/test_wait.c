/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * tests/sched/test_wait.c — the ticket: every row of the table in sched/wait.h, and its races.
 */
#include "sched/wait.h"

#include <pthread.h>
#include <signal.h>
#include <string.h>

#include "arch/os.h"
#include "tests/core/child.h"
#include "tests/support/suite.h"

enum { IDLE = KCI_TK_CLAIMED | KCI_TK_DONE };

static struct kci_ticket ticket;
static _Atomic(int) wakes;

static void wake(struct kci_ticket *tk)
{
    (void)tk;
    ka_add(&wakes, 1, acq_rel);
}

static unsigned state(void)
{
    return (unsigned)ka_load(&ticket.word, relaxed) & ((1u << KCI_TK_GEN_SHIFT) - 1);
}

static uint64_t open_ticket(bool shielded)
{
    kci_ticket_init(&ticket, wake);
    return kci_ticket_open(&ticket, shielded);
}

static struct kci_claim claim(uint64_t gen)
{
    struct kci_claim c;

    ck_assert(kci_ticket_claim(&ticket, gen, &c));
    return c;
}

static bool anybody_can_claim(uint64_t gen)
{
    struct kci_claim c;
    return kci_ticket_claim(&ticket, gen, &c) || kci_ticket_claim_any(&ticket, &c);
}

START_TEST(an_idle_ticket_is_done_and_nobody_can_claim_it)
{
    kci_ticket_init(&ticket, wake);
    ck_assert_uint_eq(state(), IDLE);
    ck_assert(kci_ticket_is_done(&ticket));
    ck_assert(!anybody_can_claim(0));
}
END_TEST

START_TEST(an_open_ticket_is_not_done_and_has_the_next_generation)
{
    uint64_t gen = open_ticket(false);

    ck_assert_uint_eq(gen, 1);
    ck_assert_uint_eq(state(), 0);
    ck_assert(!kci_ticket_is_done(&ticket));
    kci_claim_finish(claim(gen), 0);
    ck_assert_uint_eq(kci_ticket_open(&ticket, false), 2);
}
END_TEST

START_TEST(parking_before_the_claim_means_being_woken)
{
    uint64_t gen = open_ticket(false);

    ck_assert(!kci_ticket_park(&ticket));
    ck_assert_uint_eq(state(), KCI_TK_PARKED);
    struct kci_claim c = claim(gen);
    ck_assert_uint_eq(state(), KCI_TK_PARKED | KCI_TK_CLAIMED);
    ck_assert_int_eq(wakes, 0);
    kci_claim_finish(c, 7);
    ck_assert_uint_eq(state(), KCI_TK_PARKED | IDLE);
    ck_assert_int_eq(wakes, 1);
    ck_assert_int_eq(ticket.rc, 7);
}
END_TEST

START_TEST(parking_after_the_end_means_going_on_at_once)
{
    uint64_t gen = open_ticket(false);
    struct kci_claim c = claim(gen);

    ck_assert_uint_eq(state(), KCI_TK_CLAIMED);
    c.index = 3;
    kci_claim_finish(c, -5);
    ck_assert_uint_eq(state(), IDLE);
    ck_assert_int_eq(wakes, 0);
    ck_assert(kci_ticket_park(&ticket));
    ck_assert_int_eq(ticket.rc, -5);
    ck_assert_int_eq(ticket.index, 3);
}
END_TEST

START_TEST(parking_between_claim_and_end_means_being_woken)
{
    uint64_t gen = open_ticket(false);
    struct kci_claim c = claim(gen);

    ck_assert(!kci_ticket_park(&ticket));
    ck_assert_uint_eq(state(), KCI_TK_PARKED | KCI_TK_CLAIMED);
    kci_claim_finish(c, 0);
    ck_assert_int_eq(wakes, 1);
    ck_assert(kci_ticket_is_done(&ticket));
}
END_TEST

START_TEST(a_claimed_ticket_cannot_be_claimed_again)
{
    uint64_t gen = open_ticket(false);
    struct kci_claim c = claim(gen);

    ck_assert(!anybody_can_claim(gen));
    kci_ticket_park(&ticket);
    ck_assert(!anybody_can_claim(gen));
    kci_claim_finish(c, 0);
    ck_assert(!anybody_can_claim(gen));
}
END_TEST

START_TEST(a_late_claim_of_an_old_wait_does_not_hit_the_next_one)
{
    uint64_t old = open_ticket(false);
    struct kci_claim c;

    kci_claim_finish(claim(old), 0);
    uint64_t gen = kci_ticket_open(&ticket, false);
    ck_assert(!kci_ticket_claim(&ticket, old, &c));
    ck_assert(!kci_ticket_claim(&ticket, gen + 1, &c));
    ck_assert_uint_eq(state(), 0);
    kci_ticket_park(&ticket);
    ck_assert(!kci_ticket_claim(&ticket, old, &c));
    ck_assert(kci_ticket_claim(&ticket, gen, &c));
}
END_TEST

START_TEST(cancellation_claims_whatever_wait_is_open)
{
    struct kci_claim c;

    for (int i = 0; i < 5; i++) {
        if (i == 0)
            open_ticket(false);
        else
            kci_ticket_open(&ticket, false);
        if (i % 2)
            kci_ticket_park(&ticket);
        ck_assert(kci_ticket_claim_any(&ticket, &c));
        ck_assert_int_eq(c.index, -1);
        kci_claim_finish(c, -ECANCELED);
        ck_assert(!kci_ticket_claim_any(&ticket, &c));
    }
    ck_assert_int_eq(wakes, 2);
}
END_TEST

START_TEST(a_shield_keeps_cancellation_out_and_lets_deliveries_in)
{
    uint64_t gen = open_ticket(true);
    struct kci_claim c;

    ck_assert_uint_eq(state(), KCI_TK_SHIELDED);
    ck_assert(!kci_ticket_claim_any(&ticket, &c));
    kci_ticket_park(&ticket);
    ck_assert(!kci_ticket_claim_any(&ticket, &c));
    kci_claim_finish(claim(gen), 0);
    ck_assert_uint_eq(state(), KCI_TK_SHIELDED | KCI_TK_PARKED | IDLE);
    kci_ticket_open(&ticket, false);
    ck_assert(kci_ticket_claim_any(&ticket, &c));
}
END_TEST

START_TEST(finishing_no_claim_does_nothing)
{
    open_ticket(false);
    kci_claim_finish((struct kci_claim){ NULL, 0, 0 }, 1);
    ck_assert_uint_eq(state(), 0);
    ck_assert_int_eq(wakes, 0);
}
END_TEST

static int open_twice(void *arg)
{
    (void)arg;
    open_ticket(false);
    kci_ticket_open(&ticket, false);
    return 0;
}

START_TEST(opening_a_ticket_that_is_open_ends_the_process_with_last_words)
{
    struct kt_end end = kt_child(open_twice, NULL);

    ck_assert(kt_ended_by(&end, SIGABRT));
    ck_assert_ptr_nonnull(strstr(end.said, "invariant broken"));
}
END_TEST

/* ---- queues ---- */

enum { QUEUED = 5 };

static struct kci_ticket tickets[QUEUED];
static struct kci_waiter waiters[QUEUED];

static void queue_all(struct kci_list *queue)
{
    kci_list_init(queue);
    for (int i = 0; i < QUEUED; i++) {
        kci_ticket_init(&tickets[i], wake);
        kci_waiter_init(&waiters[i], &tickets[i], kci_ticket_open(&tickets[i], false), NULL);
        waiters[i].index = 10 + i;
        kci_list_push(queue, &waiters[i].node);
    }
}

static void cancel(int i)
{
    struct kci_claim c;

    ck_assert(kci_ticket_claim_any(&tickets[i], &c));
    kci_claim_finish(c, -ECANCELED);
}

START_TEST(a_queue_gives_its_waiters_in_order_and_passes_those_already_gone)
{
    struct kci_list queue;
    struct kci_claim c;

    queue_all(&queue);
    cancel(0);
    cancel(2);
    cancel(4);
    ck_assert_ptr_eq(kci_queue_claim(&queue, &c), &waiters[1]);
    ck_assert_int_eq(c.index, 11);
    kci_claim_finish(c, 0);
    ck_assert_int_eq(tickets[1].index, 11);
    ck_assert_ptr_eq(kci_queue_claim(&queue, &c), &waiters[3]);
    kci_claim_finish(c, 0);
    ck_assert_ptr_null(kci_queue_claim(&queue, &c));
    ck_assert_ptr_null(c.tk);
    ck_assert(kci_list_empty(&queue));
}
END_TEST

START_TEST(claiming_all_takes_only_those_that_still_wait)
{
    struct kci_list queue, won;

    queue_all(&queue);
    kci_list_init(&won);
    cancel(1);
    kci_ticket_park(&tickets[3]);
    kci_queue_claim_all(&queue, &won);
    ck_assert(kci_list_empty(&queue));
    ck_assert_int_eq(wakes, 0);
    kci_waiters_finish(&won, -EPIPE);
    ck_assert(kci_list_empty(&won));
    ck_assert_int_eq(wakes, 1);
    for (int i = 0; i < QUEUED; i++) {
        ck_assert(kci_ticket_is_done(&tickets[i]));
        ck_assert_int_eq(tickets[i].rc, i == 1 ? -ECANCELED : -EPIPE);
        ck_assert_int_eq(tickets[i].index, i == 1 ? -1 : 10 + i);
    }
}
END_TEST

/* ---- races ---- */

enum { CLAIMERS = 3, ROUNDS = 20000 };

static _Atomic(uint64_t) current; // generation of the round; UINT64_MAX: over
static _Atomic(int) wins[CLAIMERS], late_wins;

static void *claim_each_round(void *arg)
{
    int self = (int)((_Atomic(int) *)arg - wins);
    struct kci_claim c;
    uint64_t gen, done = 0;

    while ((gen = ka_load(&current, acquire)) != UINT64_MAX) {
        if (gen == done) {
            kci_os_yield_thread();
            continue;
        }
        if (gen > 1 && kci_ticket_claim(&ticket, gen - 1, &c))
            ka_add(&late_wins, 1, relaxed);
        bool won = self == 0 ? kci_ticket_claim_any(&ticket, &c)
                             : kci_ticket_claim(&ticket, gen, &c);
        if (won) {
            c.index = self;
            ka_add(&wins[self], 1, relaxed);
            kci_claim_finish(c, (int)gen);
        }
        done = gen;
    }
    return NULL;
}

/* The owner's side of a round: returns whether it went on without being woken. */
static bool wait_one_round(int woken_before)
{
    if (kci_ticket_park(&ticket))
        return true;
    while (ka_load(&wakes, acquire) == woken_before)
        kci_os_yield_thread();
    return false;
}

START_TEST(of_many_claimers_one_wins_each_wait_and_the_owner_goes_on_once)
{
    pthread_t threads[CLAIMERS];
    int direct = 0, sum = 0;

    kci_ticket_init(&ticket, wake);
    for (int i = 0; i < CLAIMERS; i++)
        ck_assert_int_eq(pthread_create(&threads[i], NULL, claim_each_round, &wins[i]), 0);
    for (int round = 1; round <= ROUNDS; round++) {
        int before = ka_load(&wakes, relaxed);
        ka_store(&current, kci_ticket_open(&ticket, false), release);
        direct += wait_one_round(before);
        // The first claims whatever is open: it may come late, and win the next round.
        bool right = ticket.index == 0 ? ticket.rc <= round : ticket.rc == round;
        if (!right || ticket.index < 0 || ticket.index >= CLAIMERS)
            ck_abort_msg("round %d: rc %d index %d", round, ticket.rc, ticket.index);
    }
    ka_store(&current, UINT64_MAX, release);
    for (int i = 0; i < CLAIMERS; i++) {
        pthread_join(threads[i], NULL);
        sum += wins[i];
    }
    ck_assert_int_eq(sum, ROUNDS);
    ck_assert_int_eq(direct + wakes, ROUNDS);
    ck_assert_int_eq(late_wins, 0);
}
END_TEST

SUITE("sched/wait", CASE(an_idle_ticket_is_done_and_nobody_can_claim_it),
      CASE(an_open_ticket_is_not_done_and_has_the_next_generation),
      CASE(parking_before_the_claim_means_being_woken),
      CASE(parking_after_the_end_means_going_on_at_once),
      CASE(parking_between_claim_and_end_means_being_woken),
      CASE(a_claimed_ticket_cannot_be_claimed_again),
      CASE(a_late_claim_of_an_old_wait_does_not_hit_the_next_one),
      CASE(cancellation_claims_whatever_wait_is_open),
      CASE(a_shield_keeps_cancellation_out_and_lets_deliveries_in),
      CASE(finishing_no_claim_does_nothing),
      CASE(opening_a_ticket_that_is_open_ends_the_process_with_last_words),
      CASE(a_queue_gives_its_waiters_in_order_and_passes_those_already_gone),
      CASE(claiming_all_takes_only_those_that_still_wait),
      CASE(of_many_claimers_one_wins_each_wait_and_the_owner_goes_on_once))
