/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * tests/chan/test_clause.c — waiting on a channel without a coroutine: clauses that are
 * started, settled and stopped; and elements that are put back at the front. Both serve
 * channels that reach into other processes.
 */
#include <stdlib.h>

#include "chan/chan.h"
#include "core/mem.h"
#include "tests/chan/kit.h"

/* A wait of nobody: it only says that it is over. */
struct started {
    struct kci_clause clause;
    struct kci_ticket tk;
    int value;
    _Atomic(int) woken;
};

static void note_wake(struct kci_ticket *tk)
{
    ka_add(&KCI_OF(tk, struct started, tk)->woken, 1, seq_cst);
}

static int start(struct started *s, const struct kci_source *src, kc_chan_t *ch)
{
    s->clause = (struct kci_clause){ .src = src, .obj = ch, .arg = &s->value };
    ka_store(&s->woken, 0, seq_cst);
    kci_ticket_init(&s->tk, note_wake);
    return kci_clause_start(&s->clause, &s->tk);
}

static int settle(struct started *s)
{
    until(ka_load(&s->woken, seq_cst));
    return kci_clause_settle(&s->clause, &s->tk);
}

/* ---- start, settle, stop ---- */

static void at_once(struct trial *t)
{
    struct started s = { .value = 5 };

    if (t->kind != RENDEZVOUS) {
        ck_assert_int_eq(start(&s, &kci_send_source, t->ch), 0);
        s.value = 0;
        ck_assert_int_eq(start(&s, &kci_recv_source, t->ch), 0);
        ck_assert_int_eq(s.value, 5);
    }
    ck_assert_int_eq(kc_chan_close(t->ch), 0);
    ck_assert_int_eq(start(&s, &kci_send_source, t->ch), -EPIPE);
    ck_assert_int_eq(start(&s, &kci_recv_source, t->ch), -EPIPE);
    ck_assert_int_eq(s.woken, 0);
    check_deserted(t->ch);
}

START_TEST(r12_a_started_clause_that_is_ready_completes_at_once_without_a_wake)
{
    try_kind(_i, at_once);
}
END_TEST

static void later(struct trial *t)
{
    struct started s = { 0 };

    ck_assert_int_eq(start(&s, &kci_recv_source, t->ch), -EINPROGRESS);
    ck_assert_uint_eq(receivers_on(t->ch), 1);
    ck_assert_int_eq(put(t->ch, 8), 0);
    ck_assert_int_eq(settle(&s), 0);
    ck_assert_int_eq(s.value, 8);
    ck_assert_int_eq(s.woken, 1);
    ck_assert_int_eq(start(&s, &kci_recv_source, t->ch), -EINPROGRESS);
    ck_assert_int_eq(kc_chan_close(t->ch), 0);
    ck_assert_int_eq(settle(&s), -EPIPE);
    ck_assert(!kci_clause_stop(&s.clause, &s.tk)); // too late to stop it
    check_deserted(t->ch);
    check_conserved(t->ch);
}

START_TEST(r12_a_started_clause_wakes_its_owner_once_when_it_is_over)
{
    try_kind(_i, later);
}
END_TEST

static void stopped(struct trial *t)
{
    struct started s = { .value = 3 };
    bool fills = t->kind <= SEVEN;

    ck_assert_int_eq(start(&s, &kci_recv_source, t->ch), -EINPROGRESS);
    ck_assert(kci_clause_stop(&s.clause, &s.tk));
    check_deserted(t->ch);
    ck_assert_int_eq(put(t->ch, 1), t->kind == RENDEZVOUS ? -EAGAIN : 0);
    if (fills) {
        fill(t->ch, 100);
        ck_assert_int_eq(start(&s, &kci_send_source, t->ch), -EINPROGRESS);
        ck_assert(kci_clause_stop(&s.clause, &s.tk));
    }
    ck_assert_int_eq(s.woken, 0);
    ck_assert_int_eq(s.value, 3);
    check_deserted(t->ch);
    check_conserved(t->ch);
}

START_TEST(r12_a_stopped_clause_leaves_nothing_behind)
{
    try_kind(_i, stopped);
}
END_TEST

static void in_the_queue(struct trial *t)
{
    struct call before = { .ch = t->ch }, after = { .ch = t->ch };
    struct started mid = { 0 };
    kc_scope_t s;

    open_scope(&s);
    park_recv(&s, &before, 1);
    ck_assert_int_eq(start(&mid, &kci_recv_source, t->ch), -EINPROGRESS);
    park_recv(&s, &after, 3);
    for (int i = 1; i <= 3; i++)
        ck_assert_int_eq(put(t->ch, i), 0);
    close_scope(&s, 0);
    ck_assert_int_eq(settle(&mid), 0);
    ck_assert_int_eq(before.value, 1);
    ck_assert_int_eq(mid.value, 2);
    ck_assert_int_eq(after.value, 3);
}

START_TEST(r8_a_started_clause_stands_in_the_queue_like_a_coroutine)
{
    try_kind(_i, in_the_queue);
}
END_TEST

KC_CO(send_all, kc_chan_t *ch; int n;)
{
    for (int i = 1; i <= my->n; i++)
        must_eq(kc_send(my->ch, &i), 0);
    return 0;
}

static void stop_races(struct trial *t)
{
    enum { N = 500 };
    int next = 1, stops = 0;

    kc_go(send_all, t->ch, N);
    while (next <= N) {
        struct started s = { 0 };
        int rc = start(&s, &kci_recv_source, t->ch);
        if (rc == -EINPROGRESS) {
            if ((next + stops) % 3)
                kc_yield();
            if (kci_clause_stop(&s.clause, &s.tk)) {
                must_eq(s.woken, 0);
                stops++;
                continue;
            }
            rc = settle(&s);
        }
        must_eq(rc, 0);
        must_eq(s.value, next);
        next++;
    }
    check_deserted(t->ch);
    check_conserved(t->ch);
}

START_TEST(u2_stopping_a_clause_that_is_being_served_loses_nothing)
{
    try_kind(_i, stop_races);
}
END_TEST

static void crowd(void)
{
    enum { N = 100000 };
    struct started *all = calloc(N, sizeof *all);
    kc_chan_t *ch = kc_chan(int, 0);

    for (size_t i = 0; i < N; i++)
        must_eq(start(&all[i], &kci_recv_source, ch), -EINPROGRESS);
    ck_assert_uint_eq(receivers_on(ch), N);
    // Each walk along the queue would be a hundred thousand steps: the test would not end in
    // time.
    for (size_t i = 0; i < N; i++)
        must(kci_clause_stop(&all[i * 7919 % N].clause, &all[i * 7919 % N].tk));
    check_deserted(ch);
    free(all);
}

START_TEST(b17_leaving_a_long_queue_takes_no_longer_than_leaving_a_short_one)
{
    try_workers(1, crowd);
}
END_TEST

/* ---- give back ---- */

static struct kci_returned *take_one(kc_chan_t *ch, int expected)
{
    struct kci_returned *r = kci_alloc(sizeof *r + sizeof(int));

    ck_assert_ptr_nonnull(r);
    ck_assert_int_eq(kc_chan_recv(ch, r->elem, KC_TRY), 0);
    ck_assert_int_eq(*(int *)(void *)r->elem, expected);
    return r;
}

/* Take 0 and 1 out of a channel that holds more, and put both back. */
static void take_two_and_return(kc_chan_t *ch)
{
    struct kci_returned *a, *b;

    a = take_one(ch, 0);
    b = take_one(ch, 1);
    kci_chan_give_back(ch, b); // the newest first
    kci_chan_give_back(ch, a);
}

static void back_in_front(struct trial *t)
{
    if (t->kind != SEVEN && t->kind != UNLIMITED)
        return;
    fill(t->ch, 5);
    take_two_and_return(t->ch);
    ck_assert_uint_eq(kc_chan_len(t->ch), 5);
    check_conserved(t->ch);
    ck_assert_int_eq(put(t->ch, 5), 0);
    for (int i = 0; i < 6; i++)
        ck_assert_int_eq(get(t->ch), i);
    ck_assert_int_eq(get(t->ch), -EAGAIN);
    check_conserved(t->ch);
}

START_TEST(r20_elements_that_are_given_back_come_first_again_in_order)
{
    try_kind(_i, back_in_front);
}
END_TEST

static void back_to_waiting(struct trial *t)
{
    struct call c = { .ch = t->ch }, out = { .ch = t->ch, .value = 9 };
    struct kci_returned *r;
    kc_scope_t s;

    open_scope(&s);
    go_send(&s, &out);
    until(kc_chan_len(t->ch) + senders_on(t->ch) == 1);
    r = take_one(t->ch, 9);
    park_recv(&s, &c, 1);
    kci_chan_give_back(t->ch, r);
    close_scope(&s, 0);
    ck_assert_int_eq(c.rc, 0);
    ck_assert_int_eq(c.value, 9);
    check_conserved(t->ch);
}

START_TEST(r20_a_waiting_receiver_gets_what_is_given_back)
{
    try_kind(_i, back_to_waiting);
}
END_TEST

static void back_when_closed(struct trial *t)
{
    if (t->kind != SEVEN && t->kind != UNLIMITED)
        return;
    struct kci_returned *a;

    fill(t->ch, 2);
    a = take_one(t->ch, 0);
    ck_assert_int_eq(kc_chan_close(t->ch), 0);
    kci_chan_give_back(t->ch, a);
    ck_assert_int_eq(get(t->ch), 0);
    ck_assert_int_eq(get(t->ch), 1);
    ck_assert_int_eq(get(t->ch), -EPIPE);
    check_conserved(t->ch);
}

START_TEST(r20_a_closed_channel_takes_back_and_drains)
{
    try_kind(_i, back_when_closed);
}
END_TEST

static kc_chan_t *told_channel(struct told *told)
{
    kc_chan_opts_t o = options_of(SEVEN, sizeof(int));
    kc_chan_t *ch;

    *told = (struct told){ 0 };
    o.on_undelivered = tell;
    o.arg = told;
    ck_assert_int_eq(kc_chan_make_ex(&ch, &o), 0);
    return ch;
}

static void back_to_the_hook(void)
{
    struct told told;
    kc_chan_t *ch = told_channel(&told);

    fill(ch, 4);
    take_two_and_return(ch);
    ck_assert_int_eq(kc_chan_cancel(ch, 0), 0); // what was given back is discarded first
    check_told(&told, KC_UNDELIV_CANCELED, 4, (int[]){ 0, 1, 2, 3 });
    check_conserved(ch);
    kc_chan_unref(ch);

    ch = told_channel(&told);
    fill(ch, 2);
    struct kci_returned *a = take_one(ch, 0);
    ck_assert_int_eq(kc_chan_cancel(ch, 0), 0);
    kci_chan_give_back(ch, a); // too late: nobody will receive from it
    check_told(&told, KC_UNDELIV_CANCELED, 2, (int[]){ 1, 0 });
    check_conserved(ch);
    kc_chan_unref(ch);

    ch = told_channel(&told);
    fill(ch, 3);
    take_two_and_return(ch);
    kc_chan_unref(ch);
    check_told(&told, KC_UNDELIV_DESTROYED, 3, (int[]){ 0, 1, 2 });
}

START_TEST(c9_what_was_given_back_goes_to_the_hook_first)
{
    try_workers(workers_of(_i), back_to_the_hook);
}
END_TEST

SUITE("chan/clause",
      CASE_LOOP(r12_a_started_clause_that_is_ready_completes_at_once_without_a_wake, EVERY),
      CASE_LOOP(r12_a_started_clause_wakes_its_owner_once_when_it_is_over, EVERY),
      CASE_LOOP(r12_a_stopped_clause_leaves_nothing_behind, EVERY),
      CASE_LOOP(r8_a_started_clause_stands_in_the_queue_like_a_coroutine, EVERY),
      CASE_LOOP(u2_stopping_a_clause_that_is_being_served_loses_nothing, LOSSLESS),
      CASE(b17_leaving_a_long_queue_takes_no_longer_than_leaving_a_short_one),
      CASE_LOOP(r20_elements_that_are_given_back_come_first_again_in_order, LOSSLESS),
      CASE_LOOP(r20_a_waiting_receiver_gets_what_is_given_back, EVERY),
      CASE_LOOP(r20_a_closed_channel_takes_back_and_drains, LOSSLESS),
      CASE_LOOP(c9_what_was_given_back_goes_to_the_hook_first, WORKERS))
