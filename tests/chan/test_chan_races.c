/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * tests/chan/test_chan_races.c — deliveries that meet a deadline, a cancellation or a close
 * at the same moment: the element is delivered or still the sender's, never both, never
 * neither.
 *
 * Where the moments meet is left to chance: each round shifts one side a little (seeded).
 */
#include "arch/fiber_notes.h"
#include "tests/chan/kit.h"

enum { ROUNDS = KCI_NOTES ? 800 : 4000 };

static struct dice dice;

static void some_turns(uint64_t turns)
{
    for (uint64_t i = 0; i < turns; i++)
        kc_yield();
}

/* ---- deadlines ---- */

struct tally {
    kc_chan_t *ch;
    uint64_t seed;
    _Atomic(long) sent, received; /* sums */
    _Atomic(int) timeouts;
};

KC_CO(hasty_send, struct tally *t;)
{
    struct dice d = dice_seeded(my->t->seed);

    for (int i = 1; i <= ROUNDS; i++) {
        int rc = kc_send(my->t->ch, &i, kc_in(KC_NS(roll(&d, 6000))));
        must(rc == 0 || rc == -ETIME);
        if (rc == 0)
            ka_add(&my->t->sent, i, seq_cst);
        else
            ka_add(&my->t->timeouts, 1, seq_cst);
    }
    kc_chan_producers(my->t->ch, -1);
    return 0;
}

KC_CO(hasty_recv, struct tally *t;)
{
    struct dice d = dice_seeded(my->t->seed + 1);

    for (int v, rc;;) {
        rc = kc_recv(my->t->ch, &v, kc_in(KC_NS(roll(&d, 6000))));
        if (rc == -EPIPE)
            return 0;
        must(rc == 0 || rc == -ETIME);
        if (rc == 0)
            ka_add(&my->t->received, v, seq_cst);
    }
}

static void deadline_races(struct trial *t)
{
    struct tally ta = { .ch = t->ch, .seed = roll(&dice, 1000000) };
    kc_scope_t s;

    kc_chan_producers(t->ch, 2);
    open_scope(&s);
    for (int i = 0; i < 2; i++) {
        kc_go(hasty_send, &ta);
        kc_go(hasty_recv, &ta);
    }
    close_scope(&s, 0);
    ck_assert_int_eq(ta.sent, ta.received);
    check_deserted(t->ch);
    check_conserved(t->ch);
}

START_TEST(u4_a_deadline_that_meets_a_delivery_loses_and_doubles_nothing)
{
    dice = dice_seeded(test_seed());
    try_kind(_i, deadline_races);
}
END_TEST

/* ---- cancellation ---- */

/* One call in a scope that is cancelled at about the time at which it could complete. */
static void race(struct trial *t, struct call *c, bool sending)
{
    uint64_t before = roll(&dice, 3), between = roll(&dice, 3), first = roll(&dice, 2);
    int got = -EAGAIN, sent = -EAGAIN;
    kc_scope_t s;

    open_scope(&s);
    if (sending)
        go_send(&s, c);
    else
        go_recv(&s, c);
    some_turns(before);
    if (first)
        kc_scope_cancel(&s, 0);
    some_turns(between);
    kc_shield(true); // the root is a member of the scope it opened
    if (sending)
        got = get(t->ch);
    else
        sent = put(t->ch, c->value + 1);
    kc_shield(false);
    if (!first)
        kc_scope_cancel(&s, 0);
    close_scope(&s, -ECANCELED);
    must(c->rc == 0 || c->rc == -ECANCELED);
    if (sending && c->rc == 0 && got == -EAGAIN)
        got = get(t->ch); // it was stored
    if (sending)
        must_eq(got, c->rc == 0 ? c->value : -EAGAIN);
    else if (sent == 0 && c->rc)
        must_eq(get(t->ch), c->value + 1); // still in the channel
    else
        must_eq(sent == 0, c->rc == 0);
    must_eq(get(t->ch), -EAGAIN);
}

static void cancelled_receivers(struct trial *t)
{
    for (int i = 0; i < ROUNDS; i++) {
        struct call c = { .ch = t->ch, .value = i };
        race(t, &c, false);
    }
    check_deserted(t->ch);
    check_conserved(t->ch);
}

START_TEST(u2_a_receiver_cancelled_while_served_has_the_element_or_it_is_still_there)
{
    dice = dice_seeded(test_seed());
    try_kind(_i, cancelled_receivers);
}
END_TEST

static void cancelled_senders(struct trial *t)
{
    for (int i = 0; i < ROUNDS; i++) {
        struct call c = { .ch = t->ch, .value = i };
        race(t, &c, true);
    }
    check_deserted(t->ch);
    check_conserved(t->ch);
}

START_TEST(u3_a_sender_cancelled_while_served_was_heard_or_keeps_its_element)
{
    dice = dice_seeded(test_seed());
    try_kind(_i, cancelled_senders);
}
END_TEST

/* ---- close ---- */

struct ending {
    kc_chan_t *ch;
    _Atomic(int) sent, received, hooked;
};

static void count_hooked(void *elem, unsigned reason, void *arg)
{
    struct ending *e = arg;

    must(*(int *)elem > 0 && reason != 0);
    ka_add(&e->hooked, 1, seq_cst);
}

KC_CO(send_till_end, struct ending *e;)
{
    for (int i = 1; kc_send(my->e->ch, &i) == 0; i++)
        ka_add(&my->e->sent, 1, seq_cst);
    return 0;
}

KC_CO(recv_till_end, struct ending *e;)
{
    for (int v; kc_recv(my->e->ch, &v) == 0;)
        ka_add(&my->e->received, 1, seq_cst);
    return 0;
}

static void one_ending(struct trial *t, bool cancel)
{
    kc_chan_opts_t o = options_of(t->kind, sizeof(int));
    struct ending e = { 0 };
    kc_scope_t s;

    o.on_undelivered = count_hooked;
    o.arg = &e;
    must_eq(kc_chan_make_ex(&e.ch, &o), 0);
    open_scope(&s);
    for (int i = 0; i < 3; i++) {
        kc_go(send_till_end, &e);
        kc_go(recv_till_end, &e);
    }
    some_turns(1 + roll(&dice, 3));
    must_eq(cancel ? kc_chan_cancel(e.ch, 0) : kc_chan_close(e.ch), 0);
    close_scope(&s, 0);
    check_conserved(e.ch);
    must_eq(stats_of(e.ch).sends, e.sent);
    must_eq(stats_of(e.ch).recvs, e.received);
    kc_chan_unref(e.ch);
    must_eq(e.sent, e.received + e.hooked);
}

static void endings(struct trial *t)
{
    for (int i = 0; i < (KCI_NOTES ? 20 : 150); i++)
        one_ending(t, i % 2);
}

START_TEST(c5_a_send_that_meets_a_close_was_received_hooked_or_refused)
{
    dice = dice_seeded(test_seed());
    try_kind(_i, endings);
}
END_TEST

SUITE("chan/races",
      CASE_LOOP(u4_a_deadline_that_meets_a_delivery_loses_and_doubles_nothing, LOSSLESS),
      CASE_LOOP(u2_a_receiver_cancelled_while_served_has_the_element_or_it_is_still_there,
                EVERY),
      CASE_LOOP(u3_a_sender_cancelled_while_served_was_heard_or_keeps_its_element, EVERY),
      CASE_LOOP(c5_a_send_that_meets_a_close_was_received_hooked_or_refused, EVERY))
