/* SPDX-License-Identifier: BSD-3-Clause */
/* tests/sync/test_rwlock.c — many readers or one writer, nobody passes. */
#include "tests/sync/kit.h"

struct shelf {
    kc_rwlock_t lock;
    kc_event_t leave;      /* visitors stay until it is set */
    _Atomic(int) inside;   /* those who have it */
    long books[2];         /* equal, but while somebody writes */
};

struct visitor {
    struct guest guest;
    struct shelf *shelf;
    bool write;
};

static int visit(void *arg)
{
    struct visitor *v = arg;
    int rc = v->write ? kc_rwlock_wrlock(&v->shelf->lock, KC_FOREVER)
                      : kc_rwlock_rdlock(&v->shelf->lock, KC_FOREVER);

    if (rc)
        return rc;
    ka_add(&v->shelf->inside, 1, relaxed);
    kc_shield(true);
    must_eq(kc_event_wait(&v->shelf->leave, KC_FOREVER), 0);
    kc_shield(false);
    ka_sub(&v->shelf->inside, 1, relaxed);
    return kc_rwlock_unlock(&v->shelf->lock);
}

static void send_in(struct visitor *v, struct shelf *s, bool write, bool thread)
{
    *v = (struct visitor){ .shelf = s, .write = write };
    guest_start(&v->guest, thread, visit, v);
}

/* ---- order ---- */

/* Readers 0 1 are in; writer 2, reader 3, writer 4 and readers 5 6 come behind them. */
static int in_order(void *arg)
{
    struct shelf s = { .inside = 0 };
    struct visitor v[7];

    (void)arg;
    for (int i = 0; i < 7; i++) {
        send_in(&v[i], &s, i == 2 || i == 4, i % 3 == 0);
        if (i < 2)
            kt_until(&s.inside, i + 1);
        else
            until_queued(&s.lock, i - 1);
    }
    ck_assert_int_eq(s.inside, 2);
    ck_assert_int_eq(kc_rwlock_rdlock(&s.lock, KC_TRY), -EAGAIN); // not past the writer
    ck_assert_int_eq(kc_rwlock_wrlock(&s.lock, kc_in(KC_US(50))), -ETIME);
    ck_assert_int_eq(kc_event_set(&s.leave), 0);
    for (int i = 0; i < 7; i++)
        ck_assert_int_eq(guest_join(&v[i].guest), 0);
    ck_assert_int_eq(kc_rwlock_wrlock(&s.lock, KC_TRY), 0);
    return kc_rwlock_unlock(&s.lock);
}

START_TEST(l7_readers_do_not_pass_a_writer_that_waits)
{
    ck_assert_int_eq(kt_run(kt_workers(_i), in_order, NULL), 0);
}
END_TEST

static int step_by_step(void *arg)
{
    struct shelf s = { .inside = 0 };
    struct visitor v[4];
    kc_scope_t scope;

    (void)arg;
    ck_assert_int_eq(kc_rwlock_wrlock(&s.lock, KC_FOREVER), 0);
    send_in(&v[0], &s, false, false);
    until_queued(&s.lock, 1);
    send_in(&v[1], &s, false, true);
    until_queued(&s.lock, 2);
    ck_assert_int_eq(kc_scope_open(&scope, NULL), 0);
    send_in(&v[2], &s, true, false);
    until_queued(&s.lock, 3);
    send_in(&v[3], &s, false, true);
    until_queued(&s.lock, 4);
    ck_assert_int_eq(kc_rwlock_unlock(&s.lock), 0);
    kt_until(&s.inside, 2); // both readers at once, but not the one behind the writer
    ck_assert_int_eq(queued(&s.lock), 2);
    kc_scope_cancel(&scope, 0);
    kc_shield(true);
    kt_until(&s.inside, 3); // the writer has left, and lets it through
    ck_assert_int_eq(guest_join(&v[2].guest), -ECANCELED);
    ck_assert_int_eq(kc_event_set(&s.leave), 0);
    for (int i = 0; i < 4; i++)
        ck_assert_int_eq(i == 2 ? 0 : guest_join(&v[i].guest), 0);
    kc_shield(false);
    ck_assert_int_eq(kc_scope_close(&scope), -ECANCELED);
    return 0;
}

START_TEST(t16_a_writer_that_leaves_lets_readers_through)
{
    ck_assert_int_eq(kt_run(kt_workers(_i), step_by_step, NULL), 0);
}
END_TEST

/* ---- what it says ---- */

static int try_both(void *arg)
{
    kc_rwlock_t *l = arg;
    int rc = kc_rwlock_wrlock(l, KC_TRY);

    must_eq(rc, -EAGAIN);
    rc = kc_rwlock_rdlock(l, KC_TRY);
    if (!rc)
        return kc_rwlock_unlock(l);
    must_eq(kc_rwlock_unlock(l), -EPERM); // it is the writer's
    return rc;
}

static int other_says(kc_rwlock_t *l)
{
    struct guest g;

    guest_start(&g, true, try_both, l);
    return guest_join(&g);
}

static int codes(void *arg)
{
    kc_rwlock_t l;

    (void)arg;
    ck_assert_int_eq(kc_rwlock_init(NULL), -EINVAL);
    ck_assert_int_eq(kc_rwlock_rdlock(NULL, KC_TRY), -EINVAL);
    ck_assert_int_eq(kc_rwlock_wrlock(NULL, KC_TRY), -EINVAL);
    ck_assert_int_eq(kc_rwlock_unlock(NULL), -EINVAL);
    ck_assert_int_eq(kc_rwlock_init(&l), 0);
    ck_assert_int_eq(kc_rwlock_unlock(&l), -EPERM);
    ck_assert_int_eq(kc_rwlock_rdlock(&l, KC_TRY), 0);
    ck_assert_int_eq(other_says(&l), 0); // it may read too
    ck_assert_int_eq(kc_rwlock_unlock(&l), 0);
    ck_assert_int_eq(kc_rwlock_unlock(&l), -EPERM);
    ck_assert_int_eq(kc_rwlock_wrlock(&l, kc_in(-1)), 0);
    ck_assert_int_eq(kc_rwlock_wrlock(&l, KC_FOREVER), -EDEADLK);
    ck_assert_int_eq(kc_rwlock_rdlock(&l, KC_TRY), -EDEADLK);
    ck_assert_int_eq(other_says(&l), -EAGAIN);
    return kc_rwlock_unlock(&l);
}

START_TEST(l7_a_lock_knows_its_writer)
{
    ck_assert_int_eq(codes(NULL), 0); // on a plain thread
    ck_assert_int_eq(kt_run(kt_workers(_i), codes, NULL), 0);
}
END_TEST

/* ---- what it guards ---- */

enum { ROUNDS = 500 };

static int read_and_write(void *arg)
{
    struct shelf *s = arg;

    for (int i = 0; i < ROUNDS; i++) {
        kc_deadline_t dl = i % 5 ? KC_FOREVER : kc_in(KC_US(i % 30));
        bool write = i % 4 == 0;
        int rc = write ? kc_rwlock_wrlock(&s->lock, dl) : kc_rwlock_rdlock(&s->lock, dl);
        must(rc == 0 || (rc == -ETIME && i % 5 == 0));
        if (rc)
            continue;
        must_eq(s->books[0], s->books[1]);
        if (write)
            s->books[0]++;
        if (i % 32 == 0)
            kt_pass();
        if (write)
            s->books[1]++;
        must_eq(kc_rwlock_unlock(&s->lock), 0);
    }
    return 0;
}

static int exclusion(void *arg)
{
    struct shelf s = { .inside = 0 };
    struct guest g[5];

    (void)arg;
    for (int i = 0; i < 5; i++)
        guest_start(&g[i], i == 4, read_and_write, &s);
    for (int i = 0; i < 5; i++)
        ck_assert_int_eq(guest_join(&g[i]), 0);
    ck_assert_int_gt(s.books[0], 0);
    ck_assert_int_eq(kc_rwlock_wrlock(&s.lock, KC_TRY), 0); // nobody has it
    return kc_rwlock_unlock(&s.lock);
}

START_TEST(l7_nobody_sees_half_of_what_is_written)
{
    ck_assert_int_eq(kt_run(kt_workers(_i), exclusion, NULL), 0);
}
END_TEST

SUITE("sync/rwlock", CASE_WORKERS(l7_readers_do_not_pass_a_writer_that_waits),
      CASE_WORKERS(t16_a_writer_that_leaves_lets_readers_through),
      CASE_WORKERS(l7_a_lock_knows_its_writer),
      CASE_WORKERS(l7_nobody_sees_half_of_what_is_written))
