/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * tests/select/test_select.c — a select that need not wait: which clause it takes, what it
 * says, and that a clause which was not taken has moved nothing.
 */
#include "core/mem.h"
#include "tests/chan/kit.h"

/* ---- arguments ---- */

static void arguments(struct trial *t)
{
    kc_case_t c[1] = { KC_NEVER };
    int v = 0;

    check_sel(kc_selectv(NULL, 1, KC_TRY, 0), -1, -EINVAL);
    check_sel(kc_selectv(c, 0, KC_TRY, 0), -1, -EINVAL);
    check_sel(kc_selectv(c, 1, KC_TRY, 3), -1, -EINVAL);
    check_sel(kc_select(KC_TRY, KC_SEND(t->ch, NULL)), -1, -EINVAL);
    check_sel(kc_select(KC_TRY, { .kci_op = -1 }), -1, -EINVAL);
    check_sel(kc_select(KC_TRY, { .kci_op = KCI_CASE_COUNT }), -1, -EINVAL);
    check_sel(kc_select(KC_TRY, KC_NEVER, KC_RECV(t->ch, &v)), -1, -EAGAIN);
    check_deserted(t->ch);
}

START_TEST(s1_bad_arguments_say_einval)
{
    try_kind(_i, arguments);
}
END_TEST

static void disabled(struct trial *t)
{
    kc_chan_t *none = NULL;
    int v = 0;

    check_sel(kc_select(KC_TRY, KC_NEVER), -1, -EAGAIN);
    check_sel(kc_select(kc_in(0), KC_NEVER, KC_NEVER), -1, -ETIME);
    check_sel(kc_select(KC_TRY, KC_SEND(none, &v), KC_RECV(none, &v), KC_JOIN(NULL, NULL),
                        KC_DONE(NULL)),
              -1, -EAGAIN);
    kc_deadline_t soon = kc_in(KC_US(200));
    check_sel(kc_select(soon, KC_SEND(none, &v), KC_NEVER), -1, -ETIME);
    ck_assert_int_ge(kc_now(), soon.ns); // it slept until then
    if (t->kind == RENDEZVOUS)
        return;
    ck_assert_int_eq(put(t->ch, 4), 0);
    check_sel(kc_select(KC_TRY, KC_IF(false, KC_RECV(t->ch, &v)), KC_NEVER), -1, -EAGAIN);
    check_sel(kc_select(KC_TRY, KC_RECV(none, &v), KC_IF(true, KC_RECV(t->ch, &v))), 1, 0);
    ck_assert_int_eq(v, 4);
}

START_TEST(s1_clauses_without_an_object_are_disabled)
{
    try_kind(_i, disabled);
}
END_TEST

/* ---- which one ---- */

static void listed_order(struct trial *t)
{
    kc_chan_t *other = kc_chan(int, KC_UNLIMITED);
    int v = 0, w = 0;

    fill(other, 1000);
    if (t->kind == RENDEZVOUS) {
        check_sel(kc_select(KC_TRY, KC_RECV(t->ch, &v), KC_RECV(other, &w)), 1, 0);
        return;
    }
    for (int i = 0; i < 100; i++) {
        ck_assert_int_eq(put(t->ch, i), 0);
        check_sel(kc_select(KC_FOREVER, KC_RECV(t->ch, &v), KC_RECV(other, &w)), 0, 0);
        ck_assert_int_eq(v, i);
        check_sel(kc_select(KC_FOREVER, KC_RECV(t->ch, &v), KC_RECV(other, &w)), 1, 0);
        ck_assert_int_eq(w, i); // the other one lost each time, and lost nothing
    }
    ck_assert_uint_eq(stats_of(other).recvs, 100);
    check_conserved(t->ch);
    check_conserved(other);
}

START_TEST(s11_by_default_the_first_ready_clause_in_the_list_wins_always)
{
    try_kind(_i, listed_order);
}
END_TEST

static void both_ways(struct trial *t)
{
    int v = -1, w = 6;

    // One channel, both ways: it never meets itself.
    if (t->kind == RENDEZVOUS) {
        check_sel(kc_select(KC_TRY, KC_SEND(t->ch, &w), KC_RECV(t->ch, &v)), -1, -EAGAIN);
        check_sel(kc_select(kc_in(KC_US(100)), KC_RECV(t->ch, &v), KC_SEND(t->ch, &w)), -1,
                  -ETIME);
        check_deserted(t->ch);
        return;
    }
    check_sel(kc_select(KC_TRY, KC_RECV(t->ch, &v), KC_SEND(t->ch, &w)), 1, 0);
    ck_assert_uint_eq(kc_chan_len(t->ch), 1);
    check_sel(kc_select(KC_TRY, KC_RECV(t->ch, &v), KC_SEND(t->ch, &w)), 0, 0);
    ck_assert_int_eq(v, 6);
    if (t->kind > SEVEN)
        return;
    fill(t->ch, 100);
    check_sel(kc_select(KC_TRY, KC_SEND(t->ch, &w), KC_RECV(t->ch, &v)), 1, 0);
    check_conserved(t->ch);
}

START_TEST(s2_s3_sending_and_receiving_on_one_channel_never_meets_itself)
{
    try_kind(_i, both_ways);
}
END_TEST

static void duplicates(struct trial *t)
{
    int a = 1, b = 2, c = 3, v = 0, w = 0, x = 0;

    if (t->kind == RENDEZVOUS)
        return;
    check_sel(kc_select(KC_TRY, KC_SEND(t->ch, &a), KC_SEND(t->ch, &b), KC_SEND(t->ch, &c)), 0,
              0);
    ck_assert_uint_eq(kc_chan_len(t->ch), 1); // exactly one copy
    check_sel(kc_select(KC_TRY, KC_RECV(t->ch, &v), KC_RECV(t->ch, &w), KC_RECV(t->ch, &x)), 0,
              0);
    ck_assert(v == 1 && w == 0 && x == 0);
    ck_assert_int_eq(put(t->ch, 9), 0);
    check_sel(kc_select(KC_TRY, KC_RECV(t->ch, NULL), KC_RECV(t->ch, &w)), 0, 0); // discards
    ck_assert_int_eq(w, 0);
    ck_assert_int_eq(get(t->ch), -EAGAIN);
    check_conserved(t->ch);
}

START_TEST(s22_s23_clauses_that_name_one_channel_move_one_element)
{
    try_kind(_i, duplicates);
}
END_TEST

static void closed(struct trial *t)
{
    kc_chan_t *quiet = kc_chan(int, 0);
    int v = -1, w = 5;

    ck_assert_int_eq(put(t->ch, 1), t->kind == RENDEZVOUS ? -EAGAIN : 0);
    ck_assert_int_eq(kc_chan_close(t->ch), 0);
    if (t->kind != RENDEZVOUS)
        check_sel(kc_select(KC_FOREVER, KC_RECV(quiet, &w), KC_RECV(t->ch, &v)), 1, 0);
    check_sel(kc_select(KC_FOREVER, KC_RECV(quiet, &w), KC_RECV(t->ch, &v)), 1, -EPIPE);
    check_sel(kc_select(KC_TRY, KC_SEND(quiet, &w), KC_RECV(quiet, &w), KC_SEND(t->ch, &w)), 2,
              -EPIPE);
    check_sel(kc_select(kc_in(0), KC_SEND(t->ch, &w), KC_RECV(t->ch, &w)), 0, -EPIPE);
    ck_assert_int_eq(w, 5);
    check_deserted(quiet);
}

START_TEST(s12_a_clause_on_a_closed_channel_fires_with_epipe)
{
    try_kind(_i, closed);
}
END_TEST

static void always_room(struct trial *t)
{
    kc_chan_t *ready = kc_chan(int, 1);
    int v = 0;

    if (t->kind < UNLIMITED)
        return;
    ck_assert_int_eq(put(ready, 1), 0);
    for (int i = 0; i < 50; i++)
        check_sel(kc_select(KC_TRY, KC_SEND(t->ch, &i), KC_RECV(ready, &v)), 0, 0);
    ck_assert_uint_eq(stats_of(t->ch).sends, 50);
    ck_assert_uint_eq(kc_chan_len(ready), 1);
    check_conserved(t->ch);
}

START_TEST(o11_sending_to_a_channel_that_drops_fires_at_once)
{
    try_kind(_i, always_room);
}
END_TEST

static void drops_in_select(void)
{
    for (enum kind kind = CONFLATED; kind <= DROP_LATEST; kind++) {
        kc_chan_opts_t o = options_of(kind, sizeof(int));
        kc_chan_t *ch, *quiet = kc_chan(int, 0);
        int most = kind == CONFLATED ? 1 : 2, v;
        struct told told = { 0 };

        o.on_undelivered = tell;
        o.arg = &told;
        ck_assert_int_eq(kc_chan_make_ex(&ch, &o), 0);
        for (int i = 0; i < most + 1; i++)
            check_sel(kc_select(KC_FOREVER, KC_RECV(quiet, &v), KC_SEND(ch, &i)), 1, 0);
        ck_assert_int_eq(told.count, 1);
        ck_assert_int_eq(told.elem[0], kind == DROP_LATEST ? 2 : 0);
        ck_assert_uint_eq(stats_of(ch).dropped, 1);
        ck_assert_int_eq(kc_chan_close(quiet), 0);
        check_sel(kc_select(KC_FOREVER, KC_RECV(quiet, &v), KC_SEND(ch, &most)), 0, -EPIPE);
        ck_assert_int_eq(told.count, 1); // the clause that lost dropped nothing
        kc_chan_unref(ch);
    }
}

START_TEST(u5_a_winning_drop_runs_the_hook_once_and_a_losing_one_never)
{
    try_workers(workers_of(_i), drops_in_select);
}
END_TEST

static void over_the_limit(void)
{
    kc_chan_opts_t o = { .cap = KC_UNLIMITED, .elem_size = sizeof(int), .max_bytes = 4 };
    kc_chan_t *full, *other = kc_chan(int, 1);
    int v = 1;

    ck_assert_int_eq(kc_chan_make_ex(&full, &o), 0);
    ck_assert_int_eq(put(full, 1), 0);
    ck_assert_int_eq(put(other, 2), 0);
    // It never waits for room, so it is no reason to look further.
    check_sel(kc_select(KC_FOREVER, KC_SEND(full, &v), KC_RECV(other, &v)), -1, -ENOBUFS);
    check_sel(kc_select(KC_FOREVER, KC_RECV(other, &v), KC_SEND(full, &v)), 0, 0);
    check_conserved(full);
    kc_chan_unref(full);
}

START_TEST(o9_a_clause_that_is_over_its_limit_fails_the_select)
{
    try_workers(workers_of(_i), over_the_limit);
}
END_TEST

/* ---- order of the reasons ---- */

static void reasons(struct trial *t)
{
    kc_scope_t s;
    int v = 1;

    open_scope(&s);
    if (t->kind != RENDEZVOUS) { // what is ready beats a deadline that has passed
        check_sel(kc_select(kc_in(-9), KC_SEND(t->ch, &v)), 0, 0);
        check_sel(kc_select(kc_in(-9), KC_RECV(t->ch, &v)), 0, 0);
    }
    kc_scope_cancel(&s, 0);
    check_sel(kc_select(KC_TRY, KC_SEND(t->ch, &v), KC_RECV(t->ch, &v)), -1, -ECANCELED);
    ck_assert_int_eq(kc_chan_close(t->ch), 0);
    check_sel(kc_select(KC_FOREVER, KC_SEND(t->ch, &v)), -1, -ECANCELED);
    check_sel(kc_select(KC_FOREVER, KC_AFTER(kc_in(-1))), -1, -ECANCELED);
    check_sel(kc_select(KC_FOREVER, KC_SEND(t->ch, NULL)), -1, -EINVAL);
    kc_shield(true);
    check_sel(kc_select(KC_FOREVER, KC_SEND(t->ch, &v)), 0, -EPIPE);
    kc_shield(false);
    close_scope(&s, -ECANCELED);
    check_conserved(t->ch);
}

START_TEST(t2_arguments_then_cancellation_then_readiness_then_the_deadline)
{
    try_kind(_i, reasons);
}
END_TEST

/* ---- many clauses ---- */

static void many_clauses(void)
{
    static kc_case_t cases[KC_SEL_MAX + 1];
    kc_chan_t *chans[KC_SEL_MAX];
    int v = 0;

    for (int i = 0; i < KC_SEL_MAX; i++) {
        chans[i] = kc_chan(int, 1);
        cases[i] = KC_RECV(chans[i], &v);
    }
    cases[KC_SEL_MAX] = KC_NEVER;
    check_sel(kc_selectv(cases, KC_SEL_MAX + 1, KC_TRY, 0), -1, -EINVAL);
    for (size_t n = 1; n <= KC_SEL_MAX; n = n < 12 ? n + 1 : n * 2) {
        check_sel(kc_selectv(cases, n, KC_TRY, 0), -1, -EAGAIN);
        check_sel(kc_selectv(cases, n, kc_in(KC_US(20)), 0), -1, -ETIME);
        ck_assert_int_eq(put(chans[n - 1], (int)n), 0);
        check_sel(kc_selectv(cases, n, KC_FOREVER, (unsigned)n % 3), (int)n - 1, 0);
        ck_assert_int_eq(v, (int)n);
    }
    for (int i = 0; i < KC_SEL_MAX; i++)
        check_deserted(chans[i]);
}

START_TEST(s16_up_to_512_clauses_and_one_more_is_einval)
{
    try_workers(workers_of(_i), many_clauses);
}
END_TEST

static void no_memory(void)
{
    kc_case_t cases[9];
    kc_chan_t *ch = kc_chan(int, 0), *unl = kc_chan(int, KC_UNLIMITED);
    int v = 0;

    for (int i = 0; i < 9; i++)
        cases[i] = KC_RECV(ch, &v);
    kci_mem_fail_nth(1);
    check_sel(kc_selectv(cases, 9, KC_TRY, 0), -1, -ENOMEM);
    kci_mem_fail_nth(1);
    check_sel(kc_selectv(cases, 8, KC_TRY, 0), -1, -EAGAIN); // eight need none
    kci_mem_fail_nth(1);
    check_sel(kc_select(KC_TRY, KC_SEND(unl, &v), KC_SEND(unl, &v)), -1, -ENOMEM);
    // A clause whose own memory is missing fails the whole, also behind others that have
    // theirs. Behind a join all clauses are looked at together.
    for (uint64_t nth = 1; nth <= 3; nth++) {
        kci_mem_fail_nth(nth);
        check_sel(kc_select(KC_TRY, KC_JOIN(kc_self(), NULL), KC_SEND(unl, &v),
                            KC_SEND(unl, &v), KC_SEND(unl, &v)), -1, -ENOMEM);
    }
    kci_mem_fail_nth(0);
    ck_assert_uint_eq(stats_of(unl).sends, 0);
    check_sel(kc_select(KC_TRY, KC_SEND(unl, &v), KC_SEND(unl, &v)), 0, 0);
    check_deserted(ch);
    check_conserved(unl);
}

START_TEST(g5_without_memory_a_select_says_enomem_and_has_moved_nothing)
{
    try_workers(workers_of(_i), no_memory);
}
END_TEST

/* ---- without a runtime ---- */

static void on_a_thread(void)
{
    kc_chan_t *a, *b;
    int v = 3, w = 0;

    ck_assert_int_eq(kc_chan_make(&a, sizeof v, 1), 0);
    ck_assert_int_eq(kc_chan_make(&b, sizeof v, 0), 0);
    for (unsigned flags = 0; flags < 3; flags++) {
        kc_case_t cases[] = { KC_RECV(b, &w), KC_SEND(a, &v), KC_AFTER(KC_FOREVER) };
        check_sel(kc_selectv(cases, 3, KC_FOREVER, flags), 1, 0);
        check_sel(kc_selectv(cases, 3, KC_TRY, flags), -1, -EAGAIN);
        check_sel(kc_selectv(cases, 3, kc_in(KC_US(50)), flags), -1, -ETIME);
        check_sel(kc_select(KC_FOREVER, KC_RECV(b, &w), KC_RECV(a, &w)), 1, 0);
        ck_assert_int_eq(w, 3);
    }
    check_deserted(a);
    check_deserted(b);
    kc_chan_unref(a);
    kc_chan_unref(b);
}

START_TEST(b15_a_plain_thread_selects_without_any_runtime)
{
    try_thread(on_a_thread);
}
END_TEST

SUITE("select/select",
      CASE_LOOP(s1_bad_arguments_say_einval, EVERY),
      CASE_LOOP(s1_clauses_without_an_object_are_disabled, EVERY),
      CASE_LOOP(s11_by_default_the_first_ready_clause_in_the_list_wins_always, EVERY),
      CASE_LOOP(s2_s3_sending_and_receiving_on_one_channel_never_meets_itself, EVERY),
      CASE_LOOP(s22_s23_clauses_that_name_one_channel_move_one_element, EVERY),
      CASE_LOOP(s12_a_clause_on_a_closed_channel_fires_with_epipe, EVERY),
      CASE_LOOP(o11_sending_to_a_channel_that_drops_fires_at_once, EVERY),
      CASE_LOOP(u5_a_winning_drop_runs_the_hook_once_and_a_losing_one_never, WORKERS),
      CASE_LOOP(o9_a_clause_that_is_over_its_limit_fails_the_select, WORKERS),
      CASE_LOOP(t2_arguments_then_cancellation_then_readiness_then_the_deadline, EVERY),
      CASE_LOOP(s16_up_to_512_clauses_and_one_more_is_einval, WORKERS),
      CASE_LOOP(g5_without_memory_a_select_says_enomem_and_has_moved_nothing, WORKERS),
      CASE(b15_a_plain_thread_selects_without_any_runtime))
