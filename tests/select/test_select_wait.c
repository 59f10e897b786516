/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * tests/select/test_select_wait.c — selects that wait: what wakes them, what they say then,
 * and that nothing of the clauses that lost stays behind.
 */
#include <pthread.h>

#include "arch/fiber_notes.h"
#include "sched/sched.h"
#include "tests/chan/kit.h"

/* ---- moments, under the virtual clock ---- */

static void moments(void)
{
    const int64_t t0 = kc_now();
    kc_chan_t *quiet = kc_chan(int, 0), *ready = kc_chan(int, 1);
    int v;

    // Earlier than the deadline: the clause. Later: the deadline. The same: what is ready wins.
    check_sel(kc_select(kc_at(t0 + 20), KC_RECV(quiet, &v), KC_AFTER(kc_at(t0 + 10))), 1, 0);
    ck_assert_int_eq(kc_now(), t0 + 10);
    check_sel(kc_select(kc_at(t0 + 20), KC_AFTER(kc_at(t0 + 30))), -1, -ETIME);
    ck_assert_int_eq(kc_now(), t0 + 20);
    check_sel(kc_select(kc_at(t0 + 40), KC_RECV(quiet, &v), KC_AFTER(kc_at(t0 + 40))), 1, 0);
    ck_assert_int_eq(kc_now(), t0 + 40);
    // Of several the earliest, of equal ones the first.
    check_sel(kc_select(KC_FOREVER, KC_AFTER(kc_at(t0 + 60)), KC_AFTER(kc_at(t0 + 50)),
                        KC_AFTER(kc_at(t0 + 50))),
              1, 0);
    ck_assert_int_eq(kc_now(), t0 + 50);
    // A moment that has passed is ready: it wins in its place in the list.
    ck_assert_int_eq(put(ready, 1), 0);
    check_sel(kc_select(KC_TRY, KC_RECV(quiet, &v), KC_AFTER(kc_at(t0))), 1, 0);
    check_sel(kc_select(KC_TRY, KC_AFTER(KC_TRY)), 0, 0);
    check_sel(kc_select(KC_TRY, KC_AFTER(kc_at(t0)), KC_RECV(ready, &v)), 0, 0);
    check_sel(kc_select(kc_in(0), KC_AFTER(kc_in(0))), 0, 0);
    check_sel(kc_select(KC_TRY, KC_RECV(ready, &v), KC_AFTER(kc_at(t0))), 0, 0);
    check_sel(kc_select(KC_TRY, KC_AFTER(kc_in(1))), -1, -EAGAIN);
    check_sel(kc_select(kc_in(7), KC_AFTER(KC_FOREVER)), -1, -ETIME);
    ck_assert_int_eq(kc_now(), t0 + 57);
    check_deserted(quiet);
}

START_TEST(s13_moments_and_deadlines_come_when_they_are_due)
{
    try_virtual(moments);
}
END_TEST

KC_CO(later, kc_chan_t *ch; int64_t when; int v;)
{
    must_eq(kc_sleep_until(kc_at(my->when)), 0);
    must_eq(kc_send(my->ch, &my->v, KC_FOREVER), 0);
    return 0;
}

static void woken_in_time(void)
{
    const int64_t t0 = kc_now();
    kc_chan_t *a = kc_chan(int, 0), *b = kc_chan(int, 0);
    int v = 0, w = 0;

    kc_go(later, b, t0 + 30, 8);
    check_sel(kc_select(kc_at(t0 + 20), KC_RECV(a, &v), KC_RECV(b, &w)), -1, -ETIME);
    check_sel(kc_select(kc_at(t0 + 50), KC_RECV(a, &v), KC_RECV(b, &w)), 1, 0);
    ck_assert(v == 0 && w == 8);
    ck_assert_int_eq(kc_now(), t0 + 30); // it did not sleep until its deadline
    kc_go(later, a, t0 + 60, 9);
    check_sel(kc_select(KC_FOREVER, KC_AFTER(kc_at(t0 + 70)), KC_RECV(a, &v)), 1, 0);
    ck_assert_int_eq(kc_now(), t0 + 60);
    ck_assert_int_eq(v, 9);
    // With nothing enabled it sleeps until the deadline.
    check_sel(kc_select(kc_at(t0 + 99), KC_NEVER, KC_IF(false, KC_RECV(a, &v))), -1, -ETIME);
    ck_assert_int_eq(kc_now(), t0 + 99);
    check_deserted(a);
    check_deserted(b);
}

START_TEST(s13_a_select_that_becomes_ready_does_not_sleep_on)
{
    try_virtual(woken_in_time);
}
END_TEST

static int scope_deadline(kc_deadline_t scope_dl, kc_deadline_t dl)
{
    kc_chan_t *quiet = kc_chan(int, 0);
    kc_scope_t s;
    int v;

    must_eq(kc_scope_open(&s, &(kc_scope_opts_t){ .deadline = scope_dl }), 0);
    kc_sel_t r = kc_select(dl, KC_RECV(quiet, &v), KC_NEVER);
    must_eq(r.i, -1);
    must_eq(kc_scope_close(&s), r.rc == -ECANCELED ? -ETIME : 0);
    check_deserted(quiet);
    return r.rc;
}

static void nested_deadlines(void)
{
    // The outer deadline cancels; at the same tick it wins, for it was set first.
    ck_assert_int_eq(scope_deadline(kc_in(10), kc_in(20)), -ECANCELED);
    ck_assert_int_eq(scope_deadline(kc_in(20), kc_in(10)), -ETIME);
    ck_assert_int_eq(scope_deadline(kc_in(10), kc_in(10)), -ECANCELED);
    ck_assert_int_eq(scope_deadline(kc_in(10), KC_FOREVER), -ECANCELED);
}

START_TEST(t7_t8_an_outer_deadline_cancels_also_at_the_same_tick)
{
    try_virtual(nested_deadlines);
}
END_TEST

/* ---- join and done ---- */

KC_CO(wait_then_end, kc_chan_t *gate; int ret;)
{
    int v;
    must_eq(kc_recv(my->gate, &v), 0);
    return my->ret;
}

static void joins(void)
{
    kc_chan_t *gate = kc_chan(int, 0), *quiet = kc_chan(int, 0);
    int ret = -1, v;
    kc_co_t *co;

    ck_assert_int_eq(kc_spawn_copy(&co, wait_then_end__tramp,
                                   &(struct wait_then_end__args){ 0, gate, 42 },
                                   sizeof(struct wait_then_end__args), NULL),
                     0);
    check_sel(kc_select(KC_TRY, KC_JOIN(co, &ret)), -1, -EAGAIN);
    check_sel(kc_select(kc_in(KC_US(50)), KC_JOIN(co, &ret), KC_RECV(quiet, &v)), -1, -ETIME);
    ck_assert_int_eq(ret, -1);
    ck_assert(kci_list_empty(&co->joiners)); // nothing stayed behind
    ck_assert_int_eq(kc_put(gate, int, 1), 0);
    check_sel(kc_select(KC_FOREVER, KC_RECV(quiet, &v), KC_JOIN(co, &ret)), 1, 0);
    ck_assert_int_eq(ret, 42);
    check_sel(kc_select(KC_TRY, KC_JOIN(co, NULL)), 0, 0); // as often as one likes
    check_deserted(quiet);
    kc_co_unref(co);
}

START_TEST(s19_a_coroutines_end_wins_a_select_and_brings_its_result)
{
    try_workers(workers_of(_i), joins);
}
END_TEST

KC_CO(trigger, kc_cancel_t *tk; kc_chan_t * watched;)
{
    until(receivers_on(my->watched) == 1);
    must_eq(kc_cancel_trigger(my->tk, -EIO), 0);
    return 0;
}

static void tokens(void)
{
    kc_chan_t *quiet = kc_chan(int, 0);
    kc_cancel_t *parent, *child;
    int v;

    for (int on_child = 0; on_child < 2; on_child++) {
        ck_assert_int_eq(kc_cancel_create(&parent, NULL), 0);
        ck_assert_int_eq(kc_cancel_create(&child, parent), 0);
        check_sel(kc_select(KC_TRY, KC_DONE(child)), -1, -EAGAIN);
        check_sel(kc_select(kc_in(KC_US(50)), KC_DONE(child), KC_DONE(parent)), -1, -ETIME);
        ck_assert(kci_list_empty(&child->waiters) && kci_list_empty(&parent->waiters));
        kc_go(trigger, on_child ? child : parent, quiet);
        check_sel(kc_select(KC_FOREVER, KC_RECV(quiet, &v), KC_DONE(child)), 1, 0);
        ck_assert_int_eq(kc_cancel_why(child), -EIO);
        ck_assert_int_eq(kc_cancel_why(parent), on_child ? 0 : -EIO);
        check_sel(kc_select(KC_TRY, KC_DONE(child)), 0, 0); // and stays so
        check_deserted(quiet);
        kc_cancel_unref(child);
        kc_cancel_unref(parent);
    }
}

START_TEST(s19_a_token_that_is_triggered_wins_a_select)
{
    try_workers(workers_of(_i), tokens);
}
END_TEST

/* A token whose last reference goes while a select still watches it. */
KC_CO(select_done, kc_cancel_t *tk; kc_chan_t * watched; _Atomic(int) *i;)
{
    int v;
    kc_sel_t s = kc_select(KC_FOREVER, KC_DONE(my->tk), KC_RECV(my->watched, &v));
    ka_store(my->i, s.i, seq_cst);
    return 0;
}

static void watched_token(void)
{
    kc_chan_t *ch = kc_chan(int, 0);
    _Atomic(int) i = -2;
    kc_cancel_t *tk;
    kc_scope_t s;

    ck_assert_int_eq(kc_cancel_create(&tk, NULL), 0);
    open_scope(&s);
    kc_go(select_done, tk, ch, &i);
    until(receivers_on(ch) == 1);
    kc_cancel_unref(tk);
    ck_assert_int_eq(kc_put(ch, int, 1), 0);
    close_scope(&s, 0);
    ck_assert_int_eq(i, 1);
}

START_TEST(c10_a_select_keeps_what_it_waits_for_alive)
{
    try_workers(workers_of(_i), watched_token);
}
END_TEST

/* ---- losers ---- */

enum { MANY = 64 };

struct wide {
    kc_chan_t *ch[MANY];
    kc_case_t cases[MANY];
    int value[MANY];
    kc_sel_t result;
    kc_deadline_t dl;
};

static void widen(struct wide *w)
{
    for (int i = 0; i < MANY; i++) {
        w->ch[i] = kc_chan(int, 0);
        w->value[i] = -i;
        w->cases[i] = i % 2 ? KC_SEND(w->ch[i], &w->value[i]) : KC_RECV(w->ch[i], &w->value[i]);
    }
    w->dl = KC_FOREVER;
}

KC_CO(select_wide, struct wide *w;)
{
    my->w->result = kc_selectv(my->w->cases, MANY, my->w->dl, KC_SEL_BIASED);
    return 0;
}

static uint64_t standing(struct wide *w)
{
    uint64_t n = 0;

    for (int i = 0; i < MANY; i++)
        n += senders_on(w->ch[i]) + receivers_on(w->ch[i]);
    return n;
}

static void only_one_moved(struct wide *w, int winner)
{
    for (int i = 0; i < MANY; i++) {
        struct kc_chan_stats st = stats_of(w->ch[i]);
        must_eq(st.sends, i == winner);
        must_eq(st.recvs, i == winner);
        if (i != winner)
            must_eq(w->value[i], -i);
    }
}

static void losers_leave(void)
{
    for (int winner = 0; winner < MANY; winner += 7) {
        static struct wide w;
        kc_scope_t s;

        widen(&w);
        open_scope(&s);
        kc_go(select_wide, &w);
        until(standing(&w) == MANY);
        if (winner % 2)
            ck_assert_int_eq(get(w.ch[winner]), -winner);
        else
            ck_assert_int_eq(put(w.ch[winner], 5), 0);
        close_scope(&s, 0);
        check_sel(w.result, winner, 0);
        ck_assert_uint_eq(standing(&w), 0);
        only_one_moved(&w, winner);
        // Nobody is there any more: a late partner finds nothing, and writes nothing.
        for (int i = 0; i < MANY; i++)
            must_eq(i % 2 ? get(w.ch[i]) : put(w.ch[i], 99), -EAGAIN);
        only_one_moved(&w, winner);
    }
}

START_TEST(s17_s20_the_clauses_that_lost_are_withdrawn_and_their_memory_left_alone)
{
    try_workers(workers_of(_i), losers_leave);
}
END_TEST

static void cancelled_or_late(void)
{
    for (int how = 0; how < 2; how++) {
        static struct wide w;
        kc_scope_t s;

        widen(&w);
        w.dl = how ? kc_in(KC_MS(2)) : KC_FOREVER;
        open_scope(&s);
        kc_go(select_wide, &w);
        if (!how) {
            until(standing(&w) == MANY);
            kc_scope_cancel(&s, 0);
        }
        close_scope(&s, how ? 0 : -ECANCELED);
        check_sel(w.result, -1, how ? -ETIME : -ECANCELED);
        ck_assert_uint_eq(standing(&w), 0);
        only_one_moved(&w, -1);
    }
}

START_TEST(s14_cancelled_or_late_a_select_withdraws_all_64_clauses)
{
    try_workers(workers_of(_i), cancelled_or_late);
}
END_TEST

static void closed_under_it(void)
{
    for (int victim = 0; victim < MANY; victim += 9) {
        static struct wide w;
        kc_scope_t s;

        widen(&w);
        open_scope(&s);
        kc_go(select_wide, &w);
        until(standing(&w) == MANY);
        ck_assert_int_eq(kc_chan_close(w.ch[victim]), 0);
        close_scope(&s, 0);
        check_sel(w.result, victim, -EPIPE);
        ck_assert_uint_eq(standing(&w), 0);
        only_one_moved(&w, -1);
    }
}

START_TEST(s12_closing_one_of_64_channels_wakes_the_select_with_that_index)
{
    try_workers(workers_of(_i), closed_under_it);
}
END_TEST

static void one_channel_often(void)
{
    kc_chan_t *ch = kc_chan(int, 0);

    for (int round = 0; round < 200; round++) {
        static struct wide w;
        kc_scope_t s;

        for (int i = 0; i < MANY; i++) {
            w.value[i] = i;
            w.cases[i] = i % 3 ? KC_RECV(ch, &w.value[i]) : KC_SEND(ch, &w.value[i]);
        }
        w.dl = KC_FOREVER;
        open_scope(&s);
        kc_go(select_wide, &w);
        until(senders_on(ch) + receivers_on(ch) == MANY);
        must_eq(round % 2 ? put(ch, 700) : get(ch), 0); // the first clause of its kind
        close_scope(&s, 0);
        must_eq(w.result.i, round % 2 ? 1 : 0);
        must_eq(senders_on(ch) + receivers_on(ch), 0);
    }
    check_conserved(ch);
}

START_TEST(s4_one_channel_in_64_clauses_is_left_by_all_at_once)
{
    try_workers(workers_of(_i), one_channel_often);
}
END_TEST

/* ---- select meets select ---- */

struct pair {
    kc_chan_t *ch;
    _Atomic(int) sent, received;
};

KC_CO(either_way, struct pair *p; int n;)
{
    for (int i = 0; i < my->n; i++) {
        int v = -1, w = 5;
        kc_sel_t s =
            i % 2 ? kc_select(KC_FOREVER, KC_RECV(my->p->ch, &v), KC_SEND(my->p->ch, &w))
                  : kc_select(KC_FOREVER, KC_SEND(my->p->ch, &w), KC_RECV(my->p->ch, &v));
        must_eq(s.rc, 0);
        must(s.i == 0 || s.i == 1);
        bool sent = (s.i == 1) == (i % 2);
        must_eq(v, sent ? -1 : 5);
        ka_add(sent ? &my->p->sent : &my->p->received, 1, seq_cst);
    }
    return 0;
}

static void selects_meet(void)
{
    enum { N = KCI_NOTES ? 1000 : 10000 };
    struct pair p = { .ch = kc_chan(int, 0) };
    kc_scope_t s;

    open_scope(&s);
    kc_go(either_way, &p, N);
    kc_go(either_way, &p, N);
    close_scope(&s, 0);
    ck_assert_int_eq(p.sent, N); // each meeting had one of each
    ck_assert_int_eq(p.received, N);
    ck_assert_uint_eq(stats_of(p.ch).sends, N);
    check_deserted(p.ch);
}

START_TEST(s2_two_selects_that_both_send_and_receive_meet_each_other)
{
    try_workers(workers_of(_i), selects_meet);
}
END_TEST

/* ---- plain threads ---- */

struct thread_select {
    kc_chan_t *a, *b;
    int v;
    kc_sel_t result;
    kc_deadline_t dl;
};

static void *select_on_thread(void *arg)
{
    struct thread_select *t = arg;

    t->result = kc_select(t->dl, KC_RECV(t->a, &t->v), KC_RECV(t->b, &t->v));
    return NULL;
}

static void thread_waits(void)
{
    struct thread_select t = { .a = kc_chan(int, 0), .b = kc_chan(int, 0) };

    for (int i = 0; i < 60; i++) {
        kc_chan_t *ch = i % 2 ? t.b : t.a;
        pthread_t thread;

        t.dl = i % 3 == 2 ? kc_in(KC_US(300)) : KC_FOREVER;
        must_eq(pthread_create(&thread, NULL, select_on_thread, &t), 0);
        if (i % 3 != 2) {
            until(receivers_on(ch) == 1);
            must_eq(kc_put(ch, int, i), 0);
        }
        must_eq(pthread_join(thread, NULL), 0);
        check_sel(t.result, i % 3 == 2 ? -1 : i % 2, i % 3 == 2 ? -ETIME : 0);
        if (i % 3 != 2)
            ck_assert_int_eq(t.v, i);
        check_deserted(t.a);
        check_deserted(t.b);
    }
}

START_TEST(b15_a_plain_thread_waits_in_a_select)
{
    try_workers(workers_of(_i), thread_waits);
}
END_TEST

SUITE("select/wait",
      CASE(s13_moments_and_deadlines_come_when_they_are_due),
      CASE(s13_a_select_that_becomes_ready_does_not_sleep_on),
      CASE(t7_t8_an_outer_deadline_cancels_also_at_the_same_tick),
      CASE_LOOP(s19_a_coroutines_end_wins_a_select_and_brings_its_result, WORKERS),
      CASE_LOOP(s19_a_token_that_is_triggered_wins_a_select, WORKERS),
      CASE_LOOP(c10_a_select_keeps_what_it_waits_for_alive, WORKERS),
      CASE_LOOP(s17_s20_the_clauses_that_lost_are_withdrawn_and_their_memory_left_alone,
                WORKERS),
      CASE_LOOP(s14_cancelled_or_late_a_select_withdraws_all_64_clauses, WORKERS),
      CASE_LOOP(s12_closing_one_of_64_channels_wakes_the_select_with_that_index, WORKERS),
      CASE_LOOP(s4_one_channel_in_64_clauses_is_left_by_all_at_once, WORKERS),
      CASE_LOOP(s2_two_selects_that_both_send_and_receive_meet_each_other, WORKERS),
      CASE_LOOP(b15_a_plain_thread_waits_in_a_select, WORKERS))
