/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * tests/chan/test_codes.c — which result an operation has, for every kind of channel: the
 * table of codes, and the order in which the reasons are looked at.
 */
#include "tests/chan/kit.h"

/* Does a sender ever have to wait? */
static bool can_fill(enum kind kind)
{
    return kind <= SEVEN;
}

static int send_by(struct trial *t, kc_deadline_t dl)
{
    return kc_chan_send(t->ch, &(int){ 77 }, dl);
}

static int recv_by(struct trial *t, kc_deadline_t dl)
{
    int v;
    return kc_chan_recv(t->ch, &v, dl);
}

/* ---- nothing to wait for ---- */

static void nothing_there(struct trial *t)
{
    for (int i = 0; i < 3; i++) {
        ck_assert_int_eq(recv_by(t, KC_TRY), -EAGAIN);
        ck_assert_int_eq(recv_by(t, kc_in(0)), -ETIME);
        ck_assert_uint_eq(kc_chan_len(t->ch), 0);
    }
    ck_assert_uint_eq(stats_of(t->ch).recvs, 0);
    check_deserted(t->ch);
}

START_TEST(b2_receiving_from_an_empty_channel_says_eagain_or_etime)
{
    try_kind(_i, nothing_there);
}
END_TEST

static void no_room(struct trial *t)
{
    int n = fill(t->ch, 100);

    ck_assert_int_eq(n, can_fill(t->kind) ? t->most : 100);
    ck_assert_int_eq(send_by(t, KC_TRY), can_fill(t->kind) ? -EAGAIN : 0);
    ck_assert_int_eq(send_by(t, kc_in(0)), can_fill(t->kind) ? -ETIME : 0);
    ck_assert_int_eq(send_by(t, kc_in(KC_MS(1))), can_fill(t->kind) ? -ETIME : 0);
    if (can_fill(t->kind))
        ck_assert_uint_eq(kc_chan_len(t->ch), (size_t)t->most);
    check_deserted(t->ch);
    check_conserved(t->ch);
}

START_TEST(b3_sending_to_a_full_channel_says_eagain_or_etime_and_dropping_ones_say_0)
{
    try_kind(_i, no_room);
}
END_TEST

static void ready(struct trial *t)
{
    if (t->kind == RENDEZVOUS)
        return;
    // A deadline that has passed still completes what is ready.
    ck_assert_int_eq(send_by(t, kc_in(-5)), 0);
    ck_assert_int_eq(recv_by(t, kc_in(-5)), 0);
    ck_assert_int_eq(send_by(t, KC_TRY), 0);
    ck_assert_int_eq(recv_by(t, KC_TRY), 0);
    ck_assert_int_eq(send_by(t, KC_FOREVER), 0);
    ck_assert_int_eq(recv_by(t, KC_FOREVER), 0);
    check_conserved(t->ch);
}

START_TEST(t9_what_is_ready_completes_whatever_the_deadline)
{
    try_kind(_i, ready);
}
END_TEST

static void odd_deadlines(struct trial *t)
{
    static const int64_t past[] = { INT64_MIN + 1, -1, 0, 1 };

    fill(t->ch, (int)(can_fill(t->kind) ? t->most : 0));
    for (size_t i = 0; i < sizeof past / sizeof past[0]; i++)
        if (can_fill(t->kind))
            ck_assert_int_eq(send_by(t, kc_at(past[i])), -ETIME);
    while (get(t->ch) >= 0)
        continue;
    for (size_t i = 0; i < sizeof past / sizeof past[0]; i++)
        ck_assert_int_eq(recv_by(t, kc_at(past[i])), -ETIME);
    ck_assert_int_eq(recv_by(t, kc_in(-INT64_MAX)), -ETIME);
    ck_assert_int_eq(kc_in(INT64_MAX).ns, INT64_MAX);
    ck_assert_int_eq(kc_in(INT64_MAX - 1).ns, INT64_MAX);
}

START_TEST(t9_deadlines_at_the_edges_of_the_range_have_passed_or_never_come)
{
    try_kind(_i, odd_deadlines);
}
END_TEST

/* ---- deadlines ---- */

static void never_early(struct trial *t)
{
    if (can_fill(t->kind))
        fill(t->ch, (int)t->most);
    for (int i = 1; i <= 5; i++) {
        kc_deadline_t dl = kc_in(KC_US(300 * i));
        if (can_fill(t->kind))
            ck_assert_int_eq(send_by(t, dl), -ETIME);
        while (get(t->ch) >= 0)
            continue;
        ck_assert_int_eq(recv_by(t, dl), -ETIME);
        ck_assert_int_ge(kc_now(), dl.ns);
        fill(t->ch, (int)(can_fill(t->kind) ? t->most : 0));
    }
    check_deserted(t->ch);
    check_conserved(t->ch);
}

START_TEST(t10_a_wait_that_says_etime_did_not_end_early)
{
    try_kind(_i, never_early);
}
END_TEST

/* ---- closed and cancelled channels ---- */

static void closed(struct trial *t)
{
    int n = fill(t->ch, 5), kept = (int)kc_chan_len(t->ch);

    ck_assert(n >= kept);
    ck_assert_int_eq(kc_chan_close(t->ch), 0);
    for (int i = 0; i < 3; i++) {
        ck_assert_int_eq(send_by(t, KC_TRY), -EPIPE);
        ck_assert_int_eq(send_by(t, kc_in(0)), -EPIPE);
        ck_assert_int_eq(send_by(t, KC_FOREVER), -EPIPE);
    }
    for (int i = 0; i < kept; i++)
        ck_assert_int_eq(recv_by(t, i % 2 ? KC_TRY : KC_FOREVER), 0);
    for (int i = 0; i < 3; i++) {
        ck_assert_int_eq(recv_by(t, KC_TRY), -EPIPE);
        ck_assert_int_eq(recv_by(t, kc_in(0)), -EPIPE);
        ck_assert_int_eq(recv_by(t, KC_FOREVER), -EPIPE);
    }
    check_conserved(t->ch);
}

START_TEST(c3_a_closed_channel_drains_and_then_says_epipe_for_ever)
{
    try_kind(_i, closed);
}
END_TEST

static void cancelled_channel(struct trial *t)
{
    fill(t->ch, 5);
    ck_assert_int_eq(kc_chan_cancel(t->ch, -EIO), 0);
    for (int i = 0; i < 2; i++) {
        ck_assert_int_eq(send_by(t, i ? KC_TRY : KC_FOREVER), -EPIPE);
        ck_assert_int_eq(recv_by(t, i ? KC_TRY : KC_FOREVER), -EPIPE);
    }
    ck_assert_uint_eq(kc_chan_len(t->ch), 0);
    ck_assert_int_eq(kc_chan_why(t->ch), -EIO);
    check_conserved(t->ch);
}

START_TEST(c3_a_cancelled_channel_says_epipe_at_once)
{
    try_kind(_i, cancelled_channel);
}
END_TEST

/* ---- a cancelled caller ---- */

static void caller_cancelled(struct trial *t)
{
    kc_scope_t s;
    int had = fill(t->ch, 1);

    open_scope(&s);
    ck_assert_int_eq(kc_scope_cancel(&s, 0), 0);
    for (int i = 0; i < 10; i++) {
        ck_assert_int_eq(send_by(t, KC_FOREVER), -ECANCELED);
        ck_assert_int_eq(send_by(t, KC_TRY), -ECANCELED);
        ck_assert_int_eq(recv_by(t, KC_FOREVER), -ECANCELED);
        ck_assert_int_eq(recv_by(t, kc_in(-1)), -ECANCELED);
    }
    ck_assert_int_eq(stats_of(t->ch).sends, had);
    ck_assert_int_eq(kc_chan_close(t->ch), 0);
    ck_assert_int_eq(send_by(t, KC_FOREVER), -ECANCELED);
    close_scope(&s, -ECANCELED);
    ck_assert_int_eq(send_by(t, KC_FOREVER), -EPIPE);
    check_conserved(t->ch);
}

START_TEST(t2_cancellation_beats_what_is_ready_closed_and_late_on_every_call)
{
    try_kind(_i, caller_cancelled);
}
END_TEST

static void shielded(struct trial *t)
{
    kc_scope_t s;

    open_scope(&s);
    ck_assert_int_eq(kc_scope_cancel(&s, 0), 0);
    kc_shield(true);
    kc_shield(true);
    ck_assert_int_eq(recv_by(t, KC_TRY), -EAGAIN);
    kc_shield(false);
    ck_assert_int_eq(recv_by(t, kc_in(KC_MS(1))), -ETIME);
    ck_assert_int_eq(send_by(t, KC_TRY), t->kind == RENDEZVOUS ? -EAGAIN : 0);
    kc_shield(false);
    ck_assert_int_eq(recv_by(t, KC_TRY), -ECANCELED);
    close_scope(&s, -ECANCELED);
}

START_TEST(t6_a_shield_hides_cancellation_while_it_lasts)
{
    try_kind(_i, shielded);
}
END_TEST

static void cancelled_while_waiting(struct trial *t)
{
    struct call in = { .ch = t->ch }, out = { .ch = t->ch, .value = 5 };
    kc_scope_t s;

    open_scope(&s);
    park_recv(&s, &in, 1);
    ck_assert_int_eq(kc_scope_cancel(&s, 0), 0);
    close_scope(&s, -ECANCELED);
    ck_assert_int_eq(in.rc, -ECANCELED);
    check_deserted(t->ch);
    if (!can_fill(t->kind))
        return;

    fill(t->ch, (int)t->most);
    open_scope(&s);
    park_send(&s, &out, 1);
    ck_assert_int_eq(kc_scope_cancel(&s, 0), 0);
    close_scope(&s, -ECANCELED);
    ck_assert_int_eq(out.rc, -ECANCELED);
    check_deserted(t->ch);
    ck_assert_uint_eq(kc_chan_len(t->ch), (size_t)t->most);
    check_conserved(t->ch);
}

START_TEST(t13_a_cancelled_wait_says_ecanceled_and_moves_nothing)
{
    try_kind(_i, cancelled_while_waiting);
}
END_TEST

/* ---- arguments ---- */

static void bad_arguments(struct trial *t)
{
    kc_scope_t s;
    int v = 0;

    open_scope(&s);
    for (int i = 0; i < 2; i++) { // the second time cancelled: a bad argument is seen first
        ck_assert_int_eq(kc_chan_send(NULL, &v, KC_TRY), -EINVAL);
        ck_assert_int_eq(kc_chan_recv(NULL, &v, KC_TRY), -EINVAL);
        ck_assert_int_eq(kc_chan_send(t->ch, NULL, KC_FOREVER), -EINVAL);
        kc_scope_cancel(&s, 0);
    }
    close_scope(&s, -ECANCELED);
    ck_assert_int_eq(kc_chan_close(NULL), -EINVAL);
    ck_assert_int_eq(kc_chan_close_why(t->ch, 1), -EINVAL);
    ck_assert_int_eq(kc_chan_cancel(NULL, 0), -EINVAL);
    ck_assert_int_eq(kc_chan_cancel(t->ch, 1), -EINVAL);
    ck_assert_int_eq(kc_chan_why(NULL), -EINVAL);
    ck_assert_int_eq(kc_chan_producers(NULL, 1), -EINVAL);
    ck_assert_int_eq(kc_chan_stats(NULL, NULL), -EINVAL);
    ck_assert_int_eq(kc_chan_stats(t->ch, NULL), -EINVAL);
    ck_assert_uint_eq(kc_chan_len(NULL), 0);
    ck_assert_int_eq(kc_chan_cap(NULL), 0);
    ck_assert_uint_eq(kc_chan_caps(NULL), 0);
    kc_chan_unref(NULL);
    ck_assert_int_eq(kc_chan_why(t->ch), 0);
}

START_TEST(t2_bad_arguments_are_seen_before_anything_else)
{
    try_kind(_i, bad_arguments);
}
END_TEST

static void macros(struct trial *t)
{
    int v = 3, w = 0;

    if (t->kind == RENDEZVOUS) {
        ck_assert_int_eq(kc_send(t->ch, &v, KC_TRY), -EAGAIN);
        ck_assert_int_eq(kc_recv(t->ch, &w, KC_TRY), -EAGAIN);
        return;
    }
    ck_assert_int_eq(kc_send(t->ch, &v), 0);
    ck_assert_int_eq(kc_recv(t->ch, &w), 0);
    ck_assert_int_eq(w, 3);
    ck_assert_int_eq(kc_put(t->ch, int, 4), 0);
    ck_assert_int_eq(kc_recv(t->ch, NULL), 0); // discards one
    ck_assert_int_eq(kc_recv(t->ch, &w, KC_TRY), -EAGAIN);
    check_conserved(t->ch);
}

START_TEST(b7_a_null_destination_discards_one_and_the_macros_say_the_same)
{
    try_kind(_i, macros);
}
END_TEST

SUITE("chan/codes",
      CASE_LOOP(b2_receiving_from_an_empty_channel_says_eagain_or_etime, EVERY),
      CASE_LOOP(b3_sending_to_a_full_channel_says_eagain_or_etime_and_dropping_ones_say_0,
                EVERY),
      CASE_LOOP(t9_what_is_ready_completes_whatever_the_deadline, EVERY),
      CASE_LOOP(t9_deadlines_at_the_edges_of_the_range_have_passed_or_never_come, EVERY),
      CASE_LOOP(t10_a_wait_that_says_etime_did_not_end_early, EVERY),
      CASE_LOOP(c3_a_closed_channel_drains_and_then_says_epipe_for_ever, EVERY),
      CASE_LOOP(c3_a_cancelled_channel_says_epipe_at_once, EVERY),
      CASE_LOOP(t2_cancellation_beats_what_is_ready_closed_and_late_on_every_call, EVERY),
      CASE_LOOP(t6_a_shield_hides_cancellation_while_it_lasts, EVERY),
      CASE_LOOP(t13_a_cancelled_wait_says_ecanceled_and_moves_nothing, EVERY),
      CASE_LOOP(t2_bad_arguments_are_seen_before_anything_else, EVERY),
      CASE_LOOP(b7_a_null_destination_discards_one_and_the_macros_say_the_same, EVERY))
