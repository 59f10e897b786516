/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * tests/sched/test_wake.c — stress: parking and waking, as often and as close together as can
 * be.
 *
 * A lost wake-up is a hang, which the time limit ends; a wake-up too many is a wrong round.
 */
#include <pthread.h>

#include "arch/os.h"
#include "core/mem.h"
#include "sched/sched.h"
#include "tests/sched/kit.h"

/* On each of three numbers of workers. Sanitizers are slower, and look at the same races. */
enum { ROUNDS = KCI_NOTES ? 20000 : 350000, PAIRS = 4 };

/* A seat: its owner waits in it for one round after the other, somebody else ends each. */
struct seat {
    struct kci_ticket *tk;
    _Atomic(uint64_t) gen; // of the open wait; 0: none yet, UINT64_MAX: no more
    int rounds;
    _Atomic(int) wrong;
};

static void take_seat(struct seat *s)
{
    s->tk = kci_self_ticket();
}

/* Wait for the round; returns what the waker said. */
static int sit(struct seat *s, kc_deadline_t dl)
{
    ka_store(&s->gen, kci_self_open(s->tk), release);
    return kci_self_park(s->tk, dl, KCI_WHY_SLEEP, NULL);
}

static int sit_many_rounds(void *arg)
{
    struct seat *s = arg;

    take_seat(s);
    for (int i = 1; i <= s->rounds; i++)
        if (sit(s, KC_FOREVER) != i)
            kt_count(&s->wrong);
    ka_store(&s->gen, UINT64_MAX, release);
    return 0;
}

/* End rounds as soon as they begin, until there are no more. */
static int wake_many_rounds(void *arg)
{
    struct seat *s = arg;
    struct kci_claim c;
    uint64_t gen, last = 0;
    int round = 0;

    while ((gen = ka_load(&s->gen, acquire)) != UINT64_MAX) {
        if (gen == last) {
            kt_pass();
            continue;
        }
        last = gen;
        if (kci_ticket_claim(s->tk, gen, &c))
            kci_claim_finish(c, ++round);
        else
            kt_count(&s->wrong);
    }
    return 0;
}

/* ---- a plain thread and a coroutine ---- */

static void *wake_from_outside(void *seat)
{
    wake_many_rounds(seat);
    return NULL;
}

START_TEST(a_plain_thread_wakes_a_coroutine_each_round)
{
    struct seat seat = { .rounds = ROUNDS };
    pthread_t thread;

    ck_assert_int_eq(pthread_create(&thread, NULL, wake_from_outside, &seat), 0);
    ck_assert_int_eq(kt_run(kt_workers(_i), sit_many_rounds, &seat), 0);
    pthread_join(thread, NULL);
    ck_assert_int_eq(seat.wrong, 0);
}
END_TEST

static void *sit_outside(void *seat)
{
    sit_many_rounds(seat);
    return NULL;
}

START_TEST(a_coroutine_wakes_a_plain_thread_each_round)
{
    struct seat seat = { .rounds = ROUNDS };
    pthread_t thread;

    ck_assert_int_eq(pthread_create(&thread, NULL, sit_outside, &seat), 0);
    ck_assert_int_eq(kt_run(kt_workers(_i), wake_many_rounds, &seat), 0);
    pthread_join(thread, NULL);
    ck_assert_int_eq(seat.wrong, 0);
}
END_TEST

/* ---- coroutines among themselves ---- */

static struct seat seats[PAIRS];

static int many_pairs(void *arg)
{
    (void)arg;
    for (int i = 0; i < PAIRS; i++) {
        seats[i].rounds = ROUNDS;
        kt_go(sit_many_rounds, &seats[i]);
        kt_go(wake_many_rounds, &seats[i]);
    }
    return 0;
}

START_TEST(coroutines_wake_each_other_across_workers)
{
    ck_assert_int_eq(kt_run(kt_workers(_i), many_pairs, NULL), 0);
    for (int i = 0; i < PAIRS; i++)
        ck_assert_int_eq(seats[i].wrong, 0);
}
END_TEST

/* ---- wakes that race with deadlines ---- */

struct race {
    struct seat seat;
    int woken, late;
};

static int sit_with_deadlines(void *arg)
{
    struct race *r = arg;

    take_seat(&r->seat);
    for (int i = 0; i < r->seat.rounds; i++) {
        int rc = sit(&r->seat, kc_in(KC_US(i % 20)));
        if (rc == -ETIME)
            r->late++;
        else if (rc > 0)
            r->woken++;
        else
            kt_count(&r->seat.wrong);
    }
    ka_store(&r->seat.gen, UINT64_MAX, release);
    return 0;
}

/* Comes for each round it sees; may find that the deadline was faster. */
static void claim_many_rounds(struct race *r, int *wins)
{
    struct kci_claim c;
    uint64_t gen, last = 0;

    while ((gen = ka_load(&r->seat.gen, acquire)) != UINT64_MAX) {
        if (gen == last) {
            kt_pass();
            continue;
        }
        last = gen;
        if (kci_ticket_claim(r->seat.tk, gen, &c)) {
            ++*wins;
            kci_claim_finish(c, 1);
        }
    }
}

struct racer {
    struct race *race;
    int wins;
};

static void *race_from_outside(void *arg)
{
    struct racer *r = arg;

    claim_many_rounds(r->race, &r->wins);
    return NULL;
}

START_TEST(a_wake_and_a_deadline_never_both_end_a_wait)
{
    struct race race = { .seat.rounds = ROUNDS / 3 };
    struct racer racer = { .race = &race };
    pthread_t thread;

    ck_assert_int_eq(pthread_create(&thread, NULL, race_from_outside, &racer), 0);
    ck_assert_int_eq(kt_run(kt_workers(_i), sit_with_deadlines, &race), 0);
    pthread_join(thread, NULL);
    ck_assert_int_eq(race.seat.wrong, 0);
    ck_assert_int_eq(race.woken, racer.wins);
    ck_assert_int_eq(race.woken + race.late, ROUNDS / 3);
}
END_TEST

/* ---- work that comes while the workers go to sleep ---- */

static _Atomic(int) done;

static void spawn_one_by_one(kc_rt_t *rt)
{
    for (int i = 1; i <= ROUNDS / 6; i++) {
        ck_assert_int_eq(kc_rt_spawn(rt, kt_count, &done), 0);
        for (int spin = 0; spin < i % 200; spin++)
            kci_cpu_pause();
        if (i % 3)
            kt_until(&done, i); // all workers are on their way to sleep now
    }
}

START_TEST(a_spawn_is_noticed_by_workers_that_fall_asleep)
{
    kc_rt_t *rt;

    ck_assert_int_eq(kc_rt_create(&rt, &(kc_opts_t){ .workers = kt_workers(_i) }), 0);
    spawn_one_by_one(rt);
    kt_until(&done, ROUNDS / 6);
    ck_assert_int_eq(kc_rt_shutdown(rt, KC_FOREVER), 0);
    ck_assert_uint_eq(kci_mem_blocks_in_use(), 0);
}
END_TEST

SUITE("sched/wake", CASE_WORKERS(a_plain_thread_wakes_a_coroutine_each_round),
      CASE_WORKERS(a_coroutine_wakes_a_plain_thread_each_round),
      CASE_WORKERS(coroutines_wake_each_other_across_workers),
      CASE_WORKERS(a_wake_and_a_deadline_never_both_end_a_wait),
      CASE_WORKERS(a_spawn_is_noticed_by_workers_that_fall_asleep))
