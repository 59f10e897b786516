/* SPDX-License-Identifier: BSD-3-Clause */
/* tests/sched/test_pin.c — G9: a pinned coroutine never migrates. */
#include <pthread.h>

#include "sched/sched.h"
#include "tests/sched/kit.h"

static struct kci_worker *here(void)
{
    return kci_worker_self();
}

/* ---- G9 ---- */

enum { PINNED = 8, LOAD = 40, ROUNDS = 300 };

static _Atomic(int) over;
static kc_chan_t *shared;

/* Something for thieves to take. */
static int be_in_the_way(void *arg)
{
    int v;

    (void)arg;
    while (!ka_load(&over, acquire)) {
        int rc = kc_recv(shared, &v, KC_TRY);
        if (rc)
            rc = kc_send(shared, &v, KC_TRY); // others may be faster
        kc_yield();
    }
    return 0;
}

/* Waits in every way there is, and looks where it goes on. */
static int stay(void *arg)
{
    struct kci_worker *home = here();
    pthread_t thread = pthread_self();
    kc_co_t *self = kc_self();
    int moved = 0, v = 0;

    (void)arg;
    for (int i = 0; i < ROUNDS; i++) {
        kc_yield();
        moved += here() != home;
        moved += kc_send(shared, &v) || here() != home;
        moved += kc_recv(shared, &v) || here() != home;
        if (i % 30 == 0)
            moved += kc_sleep(KC_US(50)) || here() != home;
        if (i % 50 == 0)
            moved += kt_join(kt_spawn(kt_return, NULL)) || here() != home;
        kc_unpark(self);
        moved += kc_park(KC_FOREVER) || here() != home;
        moved += !pthread_equal(pthread_self(), thread);
    }
    return moved;
}

static void check_that_they_stay(unsigned workers, const kc_attr_t *attr)
{
    kc_co_t *pinned[PINNED];
    kc_scope_t s;

    ck_assert_int_eq(kc_scope_open(&s, NULL), 0);
    shared = kc_chan(int, 2);
    ka_store(&over, 0, relaxed);
    for (int i = 0; i < LOAD; i++)
        kt_go(be_in_the_way, NULL);
    for (unsigned i = 0; i < PINNED; i++) {
        kc_attr_t a = *attr;
        a.worker = attr->worker ? (int)(i % workers) + 1 : 0;
        ck_assert_int_eq(kc_spawn(&pinned[i], stay, NULL, &a), 0);
    }
    for (unsigned i = 0; i < PINNED; i++)
        ck_assert_int_eq(kt_join(pinned[i]), 0);
    ka_store(&over, 1, release);
    ck_assert_int_eq(kc_scope_close(&s), 0);
}

static int stay_where_spawned(void *arg)
{
    (void)arg;
    check_that_they_stay(here()->rt->nworkers, &(kc_attr_t){ .flags = KC_CO_PINNED });
    return 0;
}

static int stay_where_put(void *arg)
{
    (void)arg;
    kc_attr_t attr = { .flags = KC_CO_PINNED, .worker = 1 };
    check_that_they_stay(here()->rt->nworkers, &attr);
    return 0;
}

START_TEST(g9_a_coroutine_pinned_where_it_was_spawned_never_migrates)
{
    ck_assert_int_eq(kt_run(kt_workers(_i), stay_where_spawned, NULL), 0);
}
END_TEST

START_TEST(g9_a_coroutine_pinned_to_a_worker_never_migrates)
{
    ck_assert_int_eq(kt_run(kt_workers(_i), stay_where_put, NULL), 0);
}
END_TEST

/* ---- where it starts ---- */

static int which_worker(void *arg)
{
    (void)arg;
    return (int)here()->id + 1;
}

static int start_there(void *arg)
{
    int workers = (int)here()->rt->nworkers;
    kc_co_t *co;

    (void)arg;
    for (int i = 0; i < 100; i++) {
        kc_attr_t attr = { .worker = i % workers + 1, .flags = i % 3 ? KC_CO_PINNED : 0 };
        ck_assert_int_eq(kc_spawn(&co, which_worker, NULL, &attr), 0);
        ck_assert_int_eq(kt_join(co), i % workers + 1);
    }
    kc_attr_t nowhere = { .worker = workers + 1 };
    ck_assert_int_eq(kc_spawn(NULL, which_worker, NULL, &nowhere), -EINVAL);
    nowhere.worker = -1;
    ck_assert_int_eq(kc_spawn(NULL, which_worker, NULL, &nowhere), -EINVAL);
    return 0;
}

START_TEST(a_coroutine_starts_on_the_worker_it_was_given)
{
    ck_assert_int_eq(kt_run(kt_workers(_i), start_there, NULL), 0);
}
END_TEST

/* ---- kc_pin ---- */

static int pin_and_unpin(void *arg)
{
    (void)arg;
    kc_co_t *self = kc_self();
    kc_pin(true);
    struct kci_worker *home = here();
    kc_pin(true);
    kc_pin(false);
    ck_assert_ptr_eq(self->pin, home);
    int moved = stay(NULL);
    moved += here() != home;
    kc_pin(false);
    ck_assert_ptr_null(self->pin);
    return moved;
}

static int pin_some(void *arg)
{
    kc_scope_t s;

    (void)arg;
    ck_assert_int_eq(kc_scope_open(&s, NULL), 0);
    shared = kc_chan(int, 2);
    for (int i = 0; i < PINNED; i++)
        kt_go(pin_and_unpin, NULL);
    while (kc_scope_wait(&s, KC_TRY) == -EAGAIN)
        kc_yield();
    return kc_scope_close(&s);
}

START_TEST(g9_pinning_holds_until_the_last_unpinning)
{
    kc_pin(true); // a thread is where it is
    ck_assert_int_eq(kt_run(kt_workers(_i), pin_some, NULL), 0);
}
END_TEST

/* ---- nobody is forgotten ---- */

static int sleep_in_turns(void *arg)
{
    (void)arg;
    for (int i = 0; i < 20; i++)
        if (kc_sleep(KC_US(30)))
            return -EIO;
    return 0;
}

/* Each on a worker of its own, which has nothing else to do and sleeps. */
static int wake_each_worker(void *arg)
{
    int workers = (int)here()->rt->nworkers;
    kc_scope_t s;

    (void)arg;
    ck_assert_int_eq(kc_scope_open(&s, NULL), 0);
    for (int i = 0; i < 2 * workers; i++) {
        kc_attr_t attr = { .worker = i % workers + 1, .flags = KC_CO_PINNED };
        ck_assert_int_eq(kc_spawn(NULL, sleep_in_turns, NULL, &attr), 0);
    }
    return kc_scope_close(&s);
}

START_TEST(a_sleeping_worker_wakes_for_what_is_pinned_to_it)
{
    for (int i = 0; i < 10; i++)
        ck_assert_int_eq(kt_run(kt_workers(_i), wake_each_worker, NULL), 0);
}
END_TEST

static _Atomic(int) pings;

static int ping_for_ever(void *peer)
{
    kc_co_t **other = peer;

    while (ka_load(&pings, relaxed) < 20000) {
        ka_add(&pings, 1, relaxed);
        kc_unpark(*other);
        (void)kc_park(kc_in(KC_MS(1)));
    }
    return 0;
}

/* Two that are always runnable beside one that is bound: it has its turns. */
static int share_with_the_bound(void *arg)
{
    kc_attr_t attr = { .worker = 1, .flags = KC_CO_PINNED };
    kc_co_t *pair[2], *co;

    (void)arg;
    ka_store(&pings, 0, relaxed);
    kc_attr_t parked = { .flags = KC_CO_PARKED };
    ck_assert_int_eq(kc_spawn(&pair[0], ping_for_ever, &pair[1], &parked), 0);
    ck_assert_int_eq(kc_spawn(&pair[1], ping_for_ever, &pair[0], &parked), 0);
    kc_unpark(pair[0]);
    kc_unpark(pair[1]);
    ck_assert_int_eq(kc_spawn(&co, which_worker, NULL, &attr), 0);
    ck_assert_int_eq(kt_join(co), 1);
    ck_assert_int_lt(pings, 20000);
    ck_assert_int_eq(kt_join(pair[0]), 0);
    ck_assert_int_eq(kt_join(pair[1]), 0);
    return 0;
}

START_TEST(what_is_bound_runs_beside_those_that_never_rest)
{
    ck_assert_int_eq(kt_run(1, share_with_the_bound, NULL), 0);
}
END_TEST

SUITE("sched/pin", CASE_WORKERS(g9_a_coroutine_pinned_where_it_was_spawned_never_migrates),
      CASE_WORKERS(g9_a_coroutine_pinned_to_a_worker_never_migrates),
      CASE_WORKERS(a_coroutine_starts_on_the_worker_it_was_given),
      CASE_WORKERS(g9_pinning_holds_until_the_last_unpinning),
      CASE_WORKERS(a_sleeping_worker_wakes_for_what_is_pinned_to_it),
      CASE(what_is_bound_runs_beside_those_that_never_rest))
