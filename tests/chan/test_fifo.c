/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * tests/chan/test_fifo.c — order: of elements, of waiting senders, of waiting receivers; and
 * that what goes in comes out, with many on both sides.
 */
#include "arch/fiber_notes.h"
#include "tests/chan/kit.h"

/* ---- one on each side ---- */

KC_CO(send_upto, kc_chan_t *ch; int n;)
{
    for (int i = 0; i < my->n; i++)
        must_eq(kc_send(my->ch, &i), 0);
    return kc_chan_close(my->ch);
}

static void in_order(struct trial *t)
{
    int v, n = 0;

    kc_go(send_upto, t->ch, 1000);
    for (; kc_recv(t->ch, &v) == 0; n++)
        must_eq(v, n);
    ck_assert_int_eq(n, 1000);
    check_conserved(t->ch);
}

START_TEST(b1_a_thousand_elements_arrive_in_order)
{
    try_kind(_i, in_order);
}
END_TEST

static void every_capacity(void)
{
    for (long cap = 0; cap <= 64; cap++) {
        kc_scope_t s;
        kc_chan_t *ch;
        int v, n = 0;

        ck_assert_int_eq(kc_chan_make(&ch, sizeof v, cap), 0);
        ck_assert_int_eq(kc_chan_cap(ch), cap);
        open_scope(&s);
        kc_go(send_upto, ch, 300);
        for (; kc_recv(ch, &v) == 0; n++) {
            must_eq(v, n);
            must(kc_chan_len(ch) <= (size_t)cap);
        }
        ck_assert_int_eq(n, 300);
        close_scope(&s, 0);
        kc_chan_unref(ch);
    }
}

START_TEST(b1_every_capacity_from_0_to_64_keeps_order_and_its_bound)
{
    try_workers(workers_of(_i), every_capacity);
}
END_TEST

static void lengths(struct trial *t)
{
    int most = t->most > 20 ? 20 : (int)t->most;

    for (int i = 0; i < most; i++) {
        ck_assert_uint_eq(kc_chan_len(t->ch), (size_t)i);
        ck_assert_int_eq(put(t->ch, i), 0);
    }
    for (int i = most; i > 0; i--) {
        ck_assert_uint_eq(kc_chan_len(t->ch), (size_t)i);
        ck_assert_int_eq(get(t->ch), most - i);
    }
    ck_assert_uint_eq(kc_chan_len(t->ch), 0);
}

START_TEST(b6_the_length_is_right_at_each_step)
{
    try_kind(_i, lengths);
}
END_TEST

/* ---- who waits longest goes first ---- */

enum { WAITING = 20 };

static void receivers_in_turn(struct trial *t)
{
    struct call c[WAITING];
    kc_scope_t s;

    memset(c, 0, sizeof c);
    open_scope(&s);
    for (int i = 0; i < WAITING; i++) {
        c[i].ch = t->ch;
        park_recv(&s, &c[i], (uint64_t)i + 1);
    }
    for (int i = 0; i < WAITING; i++)
        ck_assert_int_eq(put(t->ch, i), 0);
    close_scope(&s, 0);
    for (int i = 0; i < WAITING; i++) {
        ck_assert_int_eq(c[i].rc, 0);
        ck_assert_int_eq(c[i].value, i);
    }
    ck_assert_uint_eq(stats_of(t->ch).dropped, 0); // hand to hand: nothing was ever full
    check_conserved(t->ch);
}

START_TEST(b10_waiting_receivers_are_served_in_the_order_they_came)
{
    try_kind(_i, receivers_in_turn);
}
END_TEST

static void senders_in_turn(struct trial *t)
{
    struct call c[WAITING];
    int had = fill(t->ch, t->kind == UNLIMITED ? 5 : 100);
    kc_scope_t s;

    if (t->kind == UNLIMITED)
        return; // its senders never wait
    memset(c, 0, sizeof c);
    open_scope(&s);
    for (int i = 0; i < WAITING; i++) {
        c[i].ch = t->ch;
        c[i].value = had + i;
        park_send(&s, &c[i], (uint64_t)i + 1);
    }
    for (int i = 0; i < had + WAITING; i++) {
        ck_assert_int_eq(get(t->ch), i);
        // The oldest sender moved in at once: what is full stays full while somebody waits.
        if (i < WAITING)
            ck_assert_uint_eq(kc_chan_len(t->ch), (size_t)t->most);
    }
    close_scope(&s, 0);
    for (int i = 0; i < WAITING; i++)
        ck_assert_int_eq(c[i].rc, 0);
    check_conserved(t->ch);
}

START_TEST(b11_waiting_senders_move_in_behind_what_is_stored_in_the_order_they_came)
{
    try_kind(_i, senders_in_turn);
}
END_TEST

static void gaps_in_the_queue(struct trial *t)
{
    struct call c[WAITING];
    kc_scope_t stay, leave;
    int first = 0;

    memset(c, 0, sizeof c);
    open_scope(&stay);
    open_scope(&leave);
    for (int i = 0; i < WAITING; i++) {
        c[i].ch = t->ch;
        park_recv(i % 3 ? &stay : &leave, &c[i], (uint64_t)i + 1);
    }
    kc_scope_cancel(&leave, 0);
    close_scope(&leave, -ECANCELED);
    ck_assert_uint_eq(receivers_on(t->ch), WAITING - (WAITING + 2) / 3);
    while (receivers_on(t->ch))
        ck_assert_int_eq(put(t->ch, first++), 0);
    close_scope(&stay, 0);
    for (int i = 0, next = 0; i < WAITING; i++) {
        ck_assert_int_eq(c[i].rc, i % 3 ? 0 : -ECANCELED);
        if (i % 3)
            ck_assert_int_eq(c[i].value, next++);
    }
    check_conserved(t->ch);
}

START_TEST(b10_those_who_leave_the_queue_leave_the_order_of_the_others)
{
    try_kind(_i, gaps_in_the_queue);
}
END_TEST

/* ---- many on both sides ---- */

struct item {
    int sender, seq;
};

enum { CROWD = 16, EACH = 150 };

struct crowd {
    kc_chan_t *ch;
    int senders, receivers;
    _Atomic(long) sum, count;
};

KC_CO(crowd_send, struct crowd *c; int id;)
{
    struct item v = { my->id, 0 };

    for (; v.seq < EACH; v.seq++)
        must_eq(kc_send(my->c->ch, &v), 0);
    kc_chan_producers(my->c->ch, -1);
    return 0;
}

KC_CO(crowd_recv, struct crowd *c;)
{
    int last[CROWD];
    struct item v;

    memset(last, -1, sizeof last);
    while (kc_recv(my->c->ch, &v) == 0) {
        must(v.sender >= 0 && v.sender < CROWD && v.seq > last[v.sender]);
        last[v.sender] = v.seq;
        ka_add(&my->c->sum, v.sender * EACH + v.seq, seq_cst);
        ka_add(&my->c->count, 1, seq_cst);
    }
    return 0;
}

static void matrix(struct trial *t)
{
    static const int sides[] = { 1, 2, 4, CROWD };

    for (int i = 0; i < 16; i++) {
        struct crowd c = { .senders = sides[i % 4], .receivers = sides[i / 4] };
        kc_chan_opts_t o = options_of(t->kind, sizeof(struct item));
        long n = (long)c.senders * EACH;
        kc_scope_t s;

        ck_assert_int_eq(kc_chan_make_ex(&c.ch, &o), 0);
        kc_chan_producers(c.ch, c.senders);
        open_scope(&s);
        for (int k = 0; k < c.receivers; k++)
            kc_go(crowd_recv, &c);
        for (int k = 0; k < c.senders; k++)
            kc_go(crowd_send, &c, k);
        close_scope(&s, 0);
        ck_assert_int_eq(c.count, n);
        ck_assert_int_eq(c.sum, n * (n - 1) / 2);
        check_conserved(c.ch);
        kc_chan_unref(c.ch);
    }
}

START_TEST(b8_b9_with_many_on_both_sides_each_element_arrives_once_and_in_its_senders_order)
{
    try_kind(_i, matrix);
}
END_TEST

/* ---- chains ---- */

static void nested(void)
{
    enum { DEEP = 1000 };
    kc_chan_t *outer, *ch;

    ck_assert_int_eq(kc_chan_make(&outer, sizeof outer, 1), 0);
    ch = outer;
    for (int i = 0; i < DEEP; i++) {
        kc_chan_t *next;
        ck_assert_int_eq(kc_chan_make(&next, sizeof next, 1), 0);
        must_eq(kc_chan_send(ch, &next, KC_TRY), 0);
        ch = next;
    }
    ch = outer;
    for (int i = 0; i < DEEP; i++) {
        kc_chan_t *next;
        must_eq(kc_chan_recv(ch, &next, KC_TRY), 0);
        kc_chan_unref(ch);
        ch = next;
    }
    kc_chan_unref(ch);
}

START_TEST(b12_a_channel_travels_through_a_channel_a_thousand_deep)
{
    try_workers(workers_of(_i), nested);
}
END_TEST

KC_CO(pass_on, kc_chan_t *from; kc_chan_t * to;)
{
    for (int v; kc_recv(my->from, &v) == 0;) {
        v++;
        must_eq(kc_send(my->to, &v), 0);
    }
    return kc_chan_close(my->to);
}

static void daisy_chain(void)
{
    // A sanitizer's notes on each stack are large.
    const int links = KCI_NOTES ? 300 : 10000;
    kc_chan_t *first = kc_chan(int, 0), *left = first;
    int v;

    for (int i = 0; i < links; i++) {
        kc_chan_t *right = kc_chan(int, 0);
        ck_assert_ptr_nonnull(right);
        must_eq(kc_go(pass_on, left, right), 0);
        left = right;
    }
    for (int i = 0; i < 3; i++) {
        ck_assert_int_eq(kc_put(first, int, i), 0);
        ck_assert_int_eq(kc_recv(left, &v), 0);
        ck_assert_int_eq(v, i + links);
    }
    ck_assert_int_eq(kc_chan_close(first), 0);
    ck_assert_int_eq(kc_recv(left, &v), -EPIPE);
}

START_TEST(b14_a_chain_of_ten_thousand_coroutines_passes_an_element_on)
{
    try_workers(workers_of(_i), daisy_chain);
}
END_TEST

/* A sender that receives in between, and a receiver that sends: each in the other's turn. */
KC_CO(echo, kc_chan_t *ping; kc_chan_t * pong; int n;)
{
    for (int i = 0, v; i < my->n; i++) {
        must_eq(kc_recv(my->ping, &v), 0);
        must_eq(v, i);
        must_eq(kc_send(my->pong, &v), 0);
    }
    return 0;
}

static void ping_pong(struct trial *t)
{
    kc_chan_t *pong = kc_chan(int, t->kind == ONE ? 1 : 0);

    kc_go(echo, t->ch, pong, 2000);
    for (int i = 0, v; i < 2000; i++) {
        must_eq(kc_send(t->ch, &i), 0);
        must_eq(kc_recv(pong, &v), 0);
        must_eq(v, i);
    }
}

START_TEST(b13_two_coroutines_answer_each_other_through_two_channels)
{
    try_kind(_i, ping_pong);
}
END_TEST

SUITE("chan/fifo",
      CASE_LOOP(b1_a_thousand_elements_arrive_in_order, LOSSLESS),
      CASE_LOOP(b1_every_capacity_from_0_to_64_keeps_order_and_its_bound, WORKERS),
      CASE_LOOP(b6_the_length_is_right_at_each_step, LOSSLESS),
      CASE_LOOP(b10_waiting_receivers_are_served_in_the_order_they_came, EVERY),
      CASE_LOOP(b11_waiting_senders_move_in_behind_what_is_stored_in_the_order_they_came,
                LOSSLESS),
      CASE_LOOP(b10_those_who_leave_the_queue_leave_the_order_of_the_others, EVERY),
      CASE_LOOP(b8_b9_with_many_on_both_sides_each_element_arrives_once_and_in_its_senders_order,
                LOSSLESS),
      CASE_LOOP(b12_a_channel_travels_through_a_channel_a_thousand_deep, WORKERS),
      CASE_LOOP(b14_a_chain_of_ten_thousand_coroutines_passes_an_element_on, WORKERS),
      CASE_LOOP(b13_two_coroutines_answer_each_other_through_two_channels, LOSSLESS))
