/* SPDX-License-Identifier: BSD-3-Clause */
/* tests/sync/test_cond.c — waiting for what a mutex guards to change. */
#include "tests/sync/kit.h"

enum { GUESTS = 6 };

struct desk {
    kc_mutex_t lock;
    kc_cond_t bell;
    int served;          /* under the lock, as all below */
    int order[GUESTS];
};

struct customer {
    struct guest guest;
    struct desk *desk;
    kc_deadline_t dl;
    int number;
};

/* One wait. Returns what it came to; whatever that is, the customer holds the mutex after it. */
static int wait_once(void *arg)
{
    struct customer *c = arg;
    struct desk *d = c->desk;

    must_eq(kc_mutex_lock(&d->lock, KC_FOREVER), 0);
    int rc = kc_cond_wait(&d->bell, &d->lock, c->dl);
    must_eq(kc_mutex_lock(&d->lock, KC_TRY), -EDEADLK);
    if (rc == 0)
        d->order[d->served++] = c->number;
    must_eq(kc_mutex_unlock(&d->lock), 0);
    return rc;
}

static void seat(struct customer *c, struct desk *d, int n)
{
    for (int i = 0; i < n; i++) {
        c[i] = (struct customer){ .desk = d, .dl = KC_FOREVER, .number = i };
        guest_start(&c[i].guest, i % 2, wait_once, &c[i]);
        until_queued(&d->bell, i + 1);
    }
}

static int served(struct desk *d)
{
    must_eq(kc_mutex_lock(&d->lock, KC_FOREVER), 0);
    int n = d->served;
    must_eq(kc_mutex_unlock(&d->lock), 0);
    return n;
}

/* ---- who is woken ---- */

static int one_by_one(void *arg)
{
    struct desk d = { .served = 0 };
    struct customer c[GUESTS];

    (void)arg;
    ck_assert_int_eq(kc_cond_signal(&d.bell), 0); // nobody is there to hear it
    seat(c, &d, GUESTS);
    for (int i = 0; i < GUESTS; i++) {
        ck_assert_int_eq(queued(&d.bell), GUESTS - i);
        ck_assert_int_eq(kc_cond_signal(&d.bell), 0);
        ck_assert_int_eq(guest_join(&c[i].guest), 0);
        ck_assert_int_eq(served(&d), i + 1);
    }
    for (int i = 0; i < GUESTS; i++)
        ck_assert_int_eq(d.order[i], i);
    return 0;
}

START_TEST(l6_a_signal_wakes_the_one_that_has_waited_longest)
{
    ck_assert_int_eq(kt_run(kt_workers(_i), one_by_one, NULL), 0);
}
END_TEST

static int all_at_once(void *arg)
{
    struct desk d = { .served = 0 };
    struct customer c[GUESTS];

    (void)arg;
    ck_assert_int_eq(kc_cond_broadcast(&d.bell), 0);
    seat(c, &d, GUESTS);
    ck_assert_int_eq(kc_mutex_lock(&d.lock, KC_FOREVER), 0);
    ck_assert_int_eq(kc_cond_broadcast(&d.bell), 0);
    ck_assert_int_eq(queued(&d.bell), 0);
    until_queued(&d.lock, GUESTS); // one after the other, once we let go
    ck_assert_int_eq(d.served, 0);
    ck_assert_int_eq(kc_mutex_unlock(&d.lock), 0);
    for (int i = 0; i < GUESTS; i++)
        ck_assert_int_eq(guest_join(&c[i].guest), 0);
    ck_assert_int_eq(d.served, GUESTS);
    return 0;
}

START_TEST(l6_a_broadcast_wakes_all_and_each_holds_the_mutex)
{
    ck_assert_int_eq(kt_run(kt_workers(_i), all_at_once, NULL), 0);
}
END_TEST

/* ---- failed waits ---- */

static int refusals(void *arg)
{
    struct desk d = { .served = 0 };

    (void)arg;
    ck_assert_int_eq(kc_cond_signal(NULL), -EINVAL);
    ck_assert_int_eq(kc_cond_broadcast(NULL), -EINVAL);
    ck_assert_int_eq(kc_cond_wait(NULL, &d.lock, KC_TRY), -EINVAL);
    ck_assert_int_eq(kc_cond_wait(&d.bell, NULL, KC_TRY), -EINVAL);
    ck_assert_int_eq(kc_cond_wait(&d.bell, &d.lock, KC_TRY), -EPERM);
    ck_assert_int_eq(kc_mutex_lock(&d.lock, KC_FOREVER), 0);
    ck_assert_int_eq(kc_cond_wait(&d.bell, &d.lock, KC_TRY), -EAGAIN);
    ck_assert_int_eq(kc_cond_wait(&d.bell, &d.lock, kc_in(-1)), -ETIME);
    ck_assert_int_eq(kc_cond_wait(&d.bell, &d.lock, kc_in(KC_US(200))), -ETIME);
    ck_assert_int_eq(queued(&d.bell), 0);
    ck_assert_int_eq(kc_mutex_unlock(&d.lock), 0); // held all along
    return 0;
}

START_TEST(l6_a_failed_wait_holds_the_mutex)
{
    ck_assert_int_eq(kt_run(kt_workers(_i), refusals, NULL), 0);
}
END_TEST

START_TEST(l6_a_failed_wait_of_a_thread_holds_the_mutex)
{
    ck_assert_int_eq(refusals(NULL), 0);
}
END_TEST

static int cancelled(void *arg)
{
    struct desk d = { .served = 0 };
    struct customer c = { .desk = &d, .dl = KC_FOREVER };
    kc_scope_t s;

    (void)arg;
    ck_assert_int_eq(kc_scope_open(&s, NULL), 0);
    guest_start(&c.guest, false, wait_once, &c);
    until_queued(&d.bell, 1);
    ck_assert_int_eq(kc_mutex_lock(&d.lock, KC_FOREVER), 0);
    kc_scope_cancel(&s, 0);
    until_queued(&d.lock, 1); // it waits for the mutex, cancelled as it is
    ck_assert_int_eq(kc_cond_wait(&d.bell, &d.lock, KC_FOREVER), -ECANCELED);
    ck_assert_int_eq(kc_mutex_unlock(&d.lock), 0);
    kc_shield(true);
    ck_assert_int_eq(guest_join(&c.guest), -ECANCELED);
    kc_shield(false);
    ck_assert_int_eq(kc_scope_close(&s), -ECANCELED);
    ck_assert_int_eq(kc_mutex_lock(&d.lock, KC_TRY), 0);
    return kc_mutex_unlock(&d.lock);
}

START_TEST(t16_who_is_cancelled_in_a_condition_holds_the_mutex_again)
{
    ck_assert_int_eq(kt_run(kt_workers(_i), cancelled, NULL), 0);
}
END_TEST

/* ---- no signal is lost ---- */

/* Tickets are handed out one at a time, each with one signal; impatient customers come and go.
 * If a signal went to one that had left, a ticket would stay behind for ever. */
struct office {
    kc_mutex_t lock;
    kc_cond_t more, fewer;
    int tickets; /* under the lock, as all below */
    int taken, given;
    bool closed;
};

enum { TICKETS = 600, AT_ONCE = 2 };

static int take_tickets(struct office *o, bool impatient)
{
    int n = 0;

    must_eq(kc_mutex_lock(&o->lock, KC_FOREVER), 0);
    for (;;) {
        int rc = 0;
        while (!o->tickets && !o->closed) {
            rc = kc_cond_wait(&o->more, &o->lock, impatient ? kc_in(KC_US(30)) : KC_FOREVER);
            must(rc == 0 || (impatient && rc == -ETIME));
        }
        if (!o->tickets)
            break;
        o->tickets--;
        o->taken++;
        n++;
        must_eq(kc_cond_signal(&o->fewer), 0);
    }
    must_eq(kc_mutex_unlock(&o->lock), 0);
    return n;
}

static int patient(void *o)
{
    return take_tickets(o, false);
}

static int impatient(void *o)
{
    return take_tickets(o, true);
}

static void give_tickets(struct office *o)
{
    must_eq(kc_mutex_lock(&o->lock, KC_FOREVER), 0);
    while (o->given < TICKETS) {
        while (o->tickets == AT_ONCE)
            must_eq(kc_cond_wait(&o->fewer, &o->lock, KC_FOREVER), 0);
        o->tickets++;
        o->given++;
        must_eq(kc_cond_signal(&o->more), 0);
    }
    o->closed = true;
    must_eq(kc_cond_broadcast(&o->more), 0);
    must_eq(kc_mutex_unlock(&o->lock), 0);
}

static int office_hours(void *arg)
{
    struct office o = { .tickets = 0 };
    struct guest g[5];
    int n = 0;

    (void)arg;
    for (int i = 0; i < 5; i++)
        guest_start(&g[i], i == 4, i % 2 ? impatient : patient, &o);
    give_tickets(&o);
    for (int i = 0; i < 5; i++)
        n += guest_join(&g[i]);
    ck_assert_int_eq(n, TICKETS);
    ck_assert_int_eq(o.taken, TICKETS);
    return 0;
}

START_TEST(l6_no_signal_is_lost_on_one_that_left)
{
    ck_assert_int_eq(kt_run(kt_workers(_i), office_hours, NULL), 0);
}
END_TEST

SUITE("sync/cond", CASE_WORKERS(l6_a_signal_wakes_the_one_that_has_waited_longest),
      CASE_WORKERS(l6_a_broadcast_wakes_all_and_each_holds_the_mutex),
      CASE_WORKERS(l6_a_failed_wait_holds_the_mutex),
      CASE(l6_a_failed_wait_of_a_thread_holds_the_mutex),
      CASE_WORKERS(t16_who_is_cancelled_in_a_condition_holds_the_mutex_again),
      CASE_WORKERS(l6_no_signal_is_lost_on_one_that_left))
