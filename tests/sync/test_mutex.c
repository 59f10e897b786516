/* SPDX-License-Identifier: BSD-3-Clause */
/* tests/sync/test_mutex.c — one owner at a time, in the order in which they came. */
#include <stdlib.h>

#include "tests/sync/kit.h"

enum { GUESTS = 8 };

/* A mutex, and what it guards. */
struct room {
    kc_mutex_t door;
    int visits;
    int order[GUESTS];
    long count;
};

struct visitor {
    struct guest guest;
    struct room *room;
    kc_deadline_t dl;
    int number;
};

/* Comes in, writes down its number, goes. Returns what locking came to. */
static int visit(void *arg)
{
    struct visitor *v = arg;
    int rc = kc_mutex_lock(&v->room->door, v->dl);

    if (rc)
        return rc;
    v->room->order[v->room->visits++] = v->number;
    return kc_mutex_unlock(&v->room->door);
}

/* Starts n visitors, each once the one before it waits. Every other one is a thread. */
static void queue_up(struct visitor *v, struct room *room, int n, kc_deadline_t dl)
{
    for (int i = 0; i < n; i++) {
        v[i] = (struct visitor){ .room = room, .dl = dl, .number = i };
        guest_start(&v[i].guest, i % 2, visit, &v[i]);
        until_queued(&room->door, i + 1);
    }
}

/* ---- order ---- */

static int in_order(void *arg)
{
    struct room room = { .visits = 0 };
    struct visitor v[GUESTS];

    (void)arg;
    ck_assert_int_eq(kc_mutex_lock(&room.door, KC_TRY), 0);
    queue_up(v, &room, GUESTS, KC_FOREVER);
    ck_assert_int_eq(room.visits, 0);
    ck_assert_int_eq(kc_mutex_unlock(&room.door), 0);
    for (int i = 0; i < GUESTS; i++)
        ck_assert_int_eq(guest_join(&v[i].guest), 0);
    for (int i = 0; i < GUESTS; i++)
        ck_assert_int_eq(room.order[i], i);
    ck_assert_int_eq(kc_mutex_lock(&room.door, KC_TRY), 0); // and is free in the end
    return kc_mutex_unlock(&room.door);
}

START_TEST(l1_a_mutex_is_handed_over_in_order)
{
    ck_assert_int_eq(kt_run(kt_workers(_i), in_order, NULL), 0);
}
END_TEST

static int no_barging(void *arg)
{
    struct room room = { .visits = 0 };
    struct visitor v[2];

    (void)arg;
    for (int i = 0; i < 50; i++) {
        room.visits = 0;
        must_eq(kc_mutex_lock(&room.door, KC_FOREVER), 0);
        queue_up(v, &room, 2, KC_FOREVER);
        must_eq(kc_mutex_unlock(&room.door), 0);
        must_eq(kc_mutex_lock(&room.door, KC_FOREVER), 0);
        must_eq(room.visits, 2); // it was theirs before it could be ours again
        must_eq(kc_mutex_unlock(&room.door), 0);
        must_eq(guest_join(&v[0].guest), 0);
        must_eq(guest_join(&v[1].guest), 0);
    }
    return 0;
}

START_TEST(l1_nobody_passes_those_who_wait)
{
    ck_assert_int_eq(kt_run(kt_workers(_i), no_barging, NULL), 0);
}
END_TEST

static int leaving(void *arg)
{
    struct room room = { .visits = 0 };
    struct visitor v[GUESTS];
    kc_scope_t hurried;

    (void)arg;
    ck_assert_int_eq(kc_mutex_lock(&room.door, KC_FOREVER), 0);
    ck_assert_int_eq(kc_scope_open(&hurried, &(kc_scope_opts_t){ .policy = KC_SUPERVISE }), 0);
    for (int i = 0; i < 6; i++) { // 0 1: late; 2 4: cancelled; 3 5: threads that stay
        kc_deadline_t dl = i < 2 ? kc_in(KC_MS(3)) : KC_FOREVER;
        v[i] = (struct visitor){ .room = &room, .dl = dl, .number = i };
        guest_start(&v[i].guest, i % 2, visit, &v[i]);
        if (i >= 2)
            until_queued(&room.door, i - 1);
        else
            ck_assert_int_eq(guest_join(&v[i].guest), -ETIME);
    }
    kc_scope_cancel(&hurried, 0);
    until_queued(&room.door, 2);
    ck_assert_int_eq(kc_mutex_unlock(&room.door), 0);
    kc_shield(true);
    for (int i = 2; i < 6; i++)
        ck_assert_int_eq(guest_join(&v[i].guest), i % 2 ? 0 : -ECANCELED);
    kc_shield(false);
    ck_assert_int_eq(kc_scope_close(&hurried), -ECANCELED);
    ck_assert_int_eq(room.visits, 2);
    ck_assert_int_eq(room.order[0], 3);
    ck_assert_int_eq(room.order[1], 5);
    return 0;
}

START_TEST(l1_whoever_leaves_the_queue_is_passed_over)
{
    ck_assert_int_eq(kt_run(kt_workers(_i), leaving, NULL), 0);
}
END_TEST

/* ---- what it says ---- */

static int refused(void *arg)
{
    kc_mutex_t *m = arg;
    kc_deadline_t past = kc_in(-1);

    must_eq(kc_mutex_lock(m, KC_TRY), -EAGAIN);
    must_eq(kc_mutex_lock(m, past), -ETIME);
    must_eq(kc_mutex_unlock(m), -EPERM);
    return 0;
}

static int codes(void *arg)
{
    kc_mutex_t m = { { 0 } };
    struct guest g;

    ck_assert_int_eq(kc_mutex_lock(NULL, KC_TRY), -EINVAL);
    ck_assert_int_eq(kc_mutex_unlock(NULL), -EINVAL);
    ck_assert_int_eq(kc_mutex_unlock(&m), -EPERM);
    ck_assert_int_eq(kc_mutex_lock(&m, kc_in(-1)), 0); // it is free, so it need not wait
    ck_assert_int_eq(kc_mutex_lock(&m, KC_FOREVER), -EDEADLK);
    ck_assert_int_eq(kc_mutex_lock(&m, KC_TRY), -EDEADLK);
    for (int thread = arg != NULL; thread < 2; thread++) {
        guest_start(&g, thread, refused, &m);
        ck_assert_int_eq(guest_join(&g), 0);
        ck_assert_int_eq(queued(&m), 0);
    }
    ck_assert_int_eq(kc_mutex_unlock(&m), 0); // also after somebody asked for it in vain
    ck_assert_int_eq(kc_mutex_unlock(&m), -EPERM);
    return 0;
}

START_TEST(l1_a_mutex_knows_its_owner)
{
    ck_assert_int_eq(kt_run(kt_workers(_i), codes, NULL), 0);
}
END_TEST

START_TEST(l1_a_plain_thread_owns_a_mutex_too)
{
    static int no_coroutines;
    ck_assert_int_eq(codes(&no_coroutines), 0);
}
END_TEST

static int entry_order(void *arg)
{
    kc_mutex_t mine = { { 0 } }, free = { { 0 } };
    kc_scope_t s;

    (void)arg;
    ck_assert_int_eq(kc_scope_open(&s, NULL), 0);
    ck_assert_int_eq(kc_mutex_lock(&mine, KC_FOREVER), 0);
    kc_scope_cancel(&s, 0);
    ck_assert_int_eq(kc_mutex_lock(NULL, KC_TRY), -EINVAL);
    ck_assert_int_eq(kc_mutex_lock(&mine, KC_TRY), -EDEADLK);
    ck_assert_int_eq(kc_mutex_lock(&free, KC_TRY), -ECANCELED);
    ck_assert_int_eq(kc_mutex_unlock(&free), -EPERM); // so it was not locked
    ck_assert_int_eq(kc_mutex_unlock(&mine), 0);      // cancelled or not
    ck_assert_int_eq(kc_scope_close(&s), -ECANCELED);
    return 0;
}

START_TEST(t2_a_cancelled_caller_does_not_get_even_a_free_mutex)
{
    ck_assert_int_eq(kt_run(kt_workers(_i), entry_order, NULL), 0);
}
END_TEST

/* ---- in a hook ---- */

struct hooked {
    kc_mutex_t free, taken;
    int free_rc, taken_rc, wait_rc;
};

static void lock_in_hook(void *elem, unsigned reason, void *arg)
{
    struct hooked *h = arg;

    (void)elem, (void)reason;
    h->free_rc = kc_mutex_lock(&h->free, KC_FOREVER);
    h->free_rc = h->free_rc ? h->free_rc : kc_mutex_unlock(&h->free);
    h->taken_rc = kc_mutex_lock(&h->taken, KC_TRY);
    h->wait_rc = kc_mutex_lock(&h->taken, KC_FOREVER);
}

static int hold_taken(void *arg)
{
    struct hooked *h = arg;
    return kc_mutex_lock(&h->taken, KC_FOREVER);
}

static int in_hook(void *arg)
{
    struct hooked h = { .free_rc = 1 };
    kc_chan_opts_t o = { .cap = 1, .on_undelivered = lock_in_hook, .arg = &h };
    kc_chan_t *ch;

    (void)arg;
    ck_assert_int_eq(kt_join(kt_spawn(hold_taken, &h)), 0);
    ck_assert_int_eq(kc_chan_make_ex(&ch, &o), 0);
    ck_assert_int_eq(kc_chan_send(ch, NULL, KC_TRY), 0);
    ck_assert_int_eq(kc_chan_cancel(ch, 0), 0);
    kc_chan_unref(ch);
    ck_assert_int_eq(h.free_rc, 0);
    ck_assert_int_eq(h.taken_rc, -EAGAIN);
    ck_assert_int_eq(h.wait_rc, -EPERM);
    return 0;
}

START_TEST(u7_a_hook_locks_what_is_free_and_waits_for_nothing)
{
    ck_assert_int_eq(kt_run(kt_workers(_i), in_hook, NULL), 0);
}
END_TEST

/* ---- what it guards ---- */

enum { ROUNDS = 2000 };

static int count_up(void *arg)
{
    struct room *room = arg;

    for (int i = 0; i < ROUNDS; i++) {
        must_eq(kc_mutex_lock(&room->door, KC_FOREVER), 0);
        long seen = room->count++;
        if (i % 64 == 0)
            kt_pass(); // holding it
        must_eq(room->count, seen + 1);
        must_eq(kc_mutex_unlock(&room->door), 0);
    }
    return 0;
}

static int exclusion(void *arg)
{
    struct room room = { .count = 0 };
    struct guest g[6];

    (void)arg;
    for (int i = 0; i < 6; i++)
        guest_start(&g[i], i >= 4, count_up, &room);
    for (int i = 0; i < 6; i++)
        ck_assert_int_eq(guest_join(&g[i]), 0);
    ck_assert_int_eq(room.count, 6 * ROUNDS);
    return 0;
}

START_TEST(l1_coroutines_and_threads_exclude_each_other)
{
    ck_assert_int_eq(kt_run(kt_workers(_i), exclusion, NULL), 0);
}
END_TEST

/* ---- cancellation meets hand-over ---- */

static int lock_or_not(void *arg)
{
    struct room *room = arg;
    int rc = kc_mutex_lock(&room->door, KC_FOREVER);

    must(rc == 0 || rc == -ECANCELED);
    must_eq(kc_mutex_unlock(&room->door), rc ? -EPERM : 0);
    return 0;
}

static int cancel_in_queue(void *arg)
{
    struct room room = { .visits = 0 };
    struct guest g[3];

    (void)arg;
    for (int i = 0; i < 400; i++) {
        kc_scope_t s;
        must_eq(kc_mutex_lock(&room.door, KC_TRY), 0); // whoever was cancelled does not hold it
        must_eq(kc_scope_open(&s, NULL), 0);
        for (int k = 0; k < 3; k++)
            guest_start(&g[k], false, lock_or_not, &room);
        for (int k = 0; k < i % 5; k++)
            kc_yield();
        if (i % 2)
            must_eq(kc_mutex_unlock(&room.door), 0);
        kc_scope_cancel(&s, 0);
        if (i % 2 == 0)
            must_eq(kc_mutex_unlock(&room.door), 0);
        must_eq(kc_scope_close(&s), -ECANCELED);
        for (int k = 0; k < 3; k++)
            must_eq(guest_join(&g[k]), 0);
    }
    return 0;
}

START_TEST(t16_a_cancelled_waiter_holds_the_mutex_only_if_it_is_told_so)
{
    ck_assert_int_eq(kt_run(kt_workers(_i), cancel_in_queue, NULL), 0);
}
END_TEST

/* ---- its memory ---- */

/* Whoever finds itself the last user frees the mutex, as soon as it has unlocked it. */
struct shared {
    kc_mutex_t lock;
    int users;
};

static int use_and_leave(void *arg)
{
    struct shared *s = arg;

    must_eq(kc_mutex_lock(&s->lock, KC_FOREVER), 0);
    bool last = --s->users == 0;
    must_eq(kc_mutex_unlock(&s->lock), 0);
    if (last)
        free(s);
    return 0;
}

static int free_at_once(void *arg)
{
    struct guest g[3];

    (void)arg;
    for (int i = 0; i < 300; i++) {
        struct shared *s = calloc(1, sizeof *s);
        must(s != NULL);
        s->users = 3;
        for (int k = 0; k < 3; k++)
            guest_start(&g[k], k == 2 && i % 8 == 0, use_and_leave, s); // threads take long
        for (int k = 0; k < 3; k++)
            must_eq(guest_join(&g[k]), 0);
    }
    return 0;
}

START_TEST(l1_the_last_owner_may_free_a_mutex)
{
    ck_assert_int_eq(kt_run(kt_workers(_i), free_at_once, NULL), 0);
}
END_TEST

SUITE("sync/mutex", CASE_WORKERS(l1_a_mutex_is_handed_over_in_order),
      CASE_WORKERS(l1_nobody_passes_those_who_wait),
      CASE_WORKERS(l1_whoever_leaves_the_queue_is_passed_over),
      CASE_WORKERS(l1_a_mutex_knows_its_owner), CASE(l1_a_plain_thread_owns_a_mutex_too),
      CASE_WORKERS(t2_a_cancelled_caller_does_not_get_even_a_free_mutex),
      CASE_WORKERS(u7_a_hook_locks_what_is_free_and_waits_for_nothing),
      CASE_WORKERS(l1_coroutines_and_threads_exclude_each_other),
      CASE_WORKERS(t16_a_cancelled_waiter_holds_the_mutex_only_if_it_is_told_so),
      CASE_WORKERS(l1_the_last_owner_may_free_a_mutex))
