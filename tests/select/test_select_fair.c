/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * tests/select/test_select_fair.c — which of several ready clauses wins: always the first, each as
 * often as the others, or each in its turn. The seed is fixed, so what passes once passes
 * always.
 */
#include "core/mem.h"
#include "tests/chan/kit.h"

enum { ROUNDS = 100000, MOST = 8 };

struct race {
    kc_chan_t *ch[MOST];
    kc_case_t cases[MOST + 1];
    int v, n, wins[MOST];
    bool together; /* behind a join, so that all are locked before one is tried */
};

/* n clauses that are all ready, always: alternately an element to take and room for one. */
static void line_up(struct race *r, int n)
{
    *r = (struct race){ .n = n };
    for (int i = 0; i < n; i++) {
        r->ch[i] = kc_chan(int, KC_CONFLATED);
        must_eq(put(r->ch[i], i), 0);
        r->cases[i] = i % 2 ? KC_SEND(r->ch[i], &r->v) : KC_RECV(r->ch[i], &r->v);
    }
}

static int run_once(struct race *r, unsigned flags)
{
    r->cases[r->n] = KC_JOIN(kc_self(), NULL);
    kc_sel_t s = kc_selectv(r->cases, (size_t)r->n + r->together, KC_FOREVER, flags);

    must_eq(s.rc, 0);
    must(s.i >= 0 && s.i < r->n);
    r->wins[s.i]++;
    if (s.i % 2 == 0)
        must_eq(put(r->ch[s.i], 1), 0);
    return s.i;
}

static double chi_square(const struct race *r)
{
    double expected = (double)ROUNDS / r->n, sum = 0;

    for (int i = 0; i < r->n; i++)
        sum += (r->wins[i] - expected) * (r->wins[i] - expected) / expected;
    return sum;
}

/* The value that chi-square passes once in a million times, for n - 1 degrees of freedom. */
static double bound(int n)
{
    return n == 2 ? 23.9 : n == 3 ? 27.6 : 40.5;
}

static int fair(void *together)
{
    static const int sizes[] = { 2, 3, 8 };

    for (size_t k = 0; k < sizeof sizes / sizeof sizes[0]; k++) {
        struct race r;
        line_up(&r, sizes[k]);
        r.together = together;
        for (int i = 0; i < ROUNDS; i++)
            run_once(&r, KC_SEL_FAIR);
        double chi2 = chi_square(&r);
        ck_assert_msg(chi2 < bound(r.n), "%d clauses: chi-square %f", r.n, chi2);
        ck_assert_msg(chi2 > 0, "%d clauses: suspiciously even", r.n);
    }
    return 0;
}

START_TEST(s9_fair_selects_let_each_ready_clause_win_equally_often)
{
    static char yes;
    void *together = _i ? &yes : NULL;

    for (uint64_t seed = 1; seed <= 2; seed++) {
        kc_opts_t opts = { .workers = 1, .seed = seed };
        ck_assert_int_eq(kc_run(fair, together, &opts), 0);
        ck_assert_uint_eq(kci_mem_blocks_in_use(), 0);
    }
}
END_TEST

/* ---- when wakers choose ---- */

enum { DOORS = 3, MEETINGS = 30000 };

KC_CO(knock, kc_chan_t *door;)
{
    int v = 0;

    while (kc_send(my->door, &v) == 0)
        v++;
    return 0;
}

/* Whoever comes while the select waits decides; by symmetry each comes as often. With several
 * workers the system decides who comes: a worker that it stops keeps its knockers away. */
static int knocking(void *unused)
{
    double expected = MEETINGS / (double)DOORS, most = 10 * 81.6; // sqrt(30000 * 1/3 * 2/3)
    kc_case_t cases[DOORS];
    kc_chan_t *door[DOORS];
    int v, wins[DOORS] = { 0 };
    kc_scope_t s;

    (void)unused;
    open_scope(&s);
    for (int i = 0; i < DOORS; i++) {
        door[i] = kc_chan(int, 0);
        cases[i] = KC_RECV(door[i], &v);
        kc_go(knock, door[i]);
    }
    for (int i = 0; i < MEETINGS; i++)
        wins[kc_selectv(cases, DOORS, KC_FOREVER, KC_SEL_FAIR).i]++;
    for (int i = 0; i < DOORS; i++) {
        must_eq(kc_chan_close(door[i]), 0);
        double off = wins[i] - expected;
        ck_assert_msg(off < most && off > -most, "door %d opened %d times", i, wins[i]);
    }
    close_scope(&s, 0);
    return 0;
}

START_TEST(s10_fair_selects_that_wait_serve_all_who_come)
{
    // Who comes next depends on who came last, so the counts vary more than the bound's formula
    // knows; with one worker and a seed each run is the same.
    for (uint64_t seed = 1; seed <= 5; seed++) {
        kc_opts_t opts = { .workers = 1, .seed = seed };
        ck_assert_int_eq(kc_run(knocking, NULL, &opts), 0);
        ck_assert_uint_eq(kci_mem_blocks_in_use(), 0);
    }
}
END_TEST

/* Two neighbours in a row must not depend on each other: pairs of winners, too, are even. */
static int fair_pairs(void *arg)
{
    int pairs[9] = { 0 }, last = 0;
    double sum = 0;
    struct race r;

    (void)arg;
    line_up(&r, 3);
    for (int i = 0; i < ROUNDS; i++) {
        int now = run_once(&r, KC_SEL_FAIR);
        pairs[last * 3 + now]++;
        last = now;
    }
    for (int i = 0; i < 9; i++)
        sum += (pairs[i] - ROUNDS / 9.0) * (pairs[i] - ROUNDS / 9.0) / (ROUNDS / 9.0);
    ck_assert_msg(sum < 43, "chi-square of pairs %f", sum); // 8 degrees of freedom
    return 0;
}

START_TEST(s9_one_winner_says_nothing_about_the_next)
{
    ck_assert_int_eq(kc_run(fair_pairs, NULL, &(kc_opts_t){ .workers = 1, .seed = 5 }), 0);
}
END_TEST

static void rotate(void)
{
    for (int n = 1; n <= MOST; n++) {
        struct race r;
        line_up(&r, n);
        int first = run_once(&r, KC_SEL_ROTATE);
        for (int i = 1; i < 100; i++)
            must_eq(run_once(&r, KC_SEL_ROTATE), (first + i) % n);
    }
}

START_TEST(s9_rotating_selects_let_each_ready_clause_win_in_its_turn)
{
    try_workers(workers_of(_i), rotate);
}
END_TEST

static void rotate_among_ready(void)
{
    struct race r;
    int v;

    line_up(&r, 4);
    kc_chan_t *none = kc_chan(int, 0);
    r.cases[2] = KC_RECV(none, &v); // never ready: the turn passes over it
    static const int expected[] = { 0, 1, 3, 0, 1, 3, 0 };
    for (int i = 0; i < 7; i++) {
        must_eq(run_once(&r, KC_SEL_ROTATE), expected[i]);
        // Selects of other kinds in between, and ones that fail, do not move the turn.
        must_eq(kc_select(KC_TRY, KC_RECV(none, &v)).rc, -EAGAIN);
        must_eq(kc_selectv(r.cases, 4, KC_FOREVER, KC_SEL_BIASED).i, 0);
        must_eq(put(r.ch[0], 1), 0);
    }
    must_eq(kc_selectv(&r.cases[2], 1, KC_TRY, KC_SEL_ROTATE).rc, -EAGAIN);
    must_eq(run_once(&r, KC_SEL_ROTATE), 1);
}

START_TEST(s9_only_a_rotating_winner_moves_the_turn)
{
    try_workers(workers_of(_i), rotate_among_ready);
}
END_TEST

KC_CO(rotator, _Atomic(int) *bad;)
{
    struct race r;

    line_up(&r, 3);
    int first = run_once(&r, KC_SEL_ROTATE);
    for (int i = 1; i < 300; i++) {
        if (run_once(&r, KC_SEL_ROTATE) != (first + i) % 3)
            ka_add(my->bad, 1, seq_cst);
        kc_yield();
    }
    return 0;
}

static void turns_of_many(void)
{
    _Atomic(int) bad = 0;
    kc_scope_t s;

    open_scope(&s);
    for (int i = 0; i < 8; i++)
        kc_go(rotator, &bad);
    close_scope(&s, 0);
    ck_assert_int_eq(bad, 0);
}

START_TEST(s9_each_coroutine_has_a_turn_of_its_own)
{
    try_workers(workers_of(_i), turns_of_many);
}
END_TEST

static void biased(void)
{
    struct race r;

    line_up(&r, 3);
    for (int i = 0; i < ROUNDS; i++)
        run_once(&r, KC_SEL_BIASED);
    ck_assert_int_eq(r.wins[0], ROUNDS); // the others starve: that is what biased means
}

START_TEST(s11_biased_selects_starve_all_but_the_first)
{
    try_workers(workers_of(_i), biased);
}
END_TEST

SUITE("select/fair",
      CASE_LOOP(s9_fair_selects_let_each_ready_clause_win_equally_often, 2),
      CASE(s10_fair_selects_that_wait_serve_all_who_come),
      CASE(s9_one_winner_says_nothing_about_the_next),
      CASE_LOOP(s9_rotating_selects_let_each_ready_clause_win_in_its_turn, WORKERS),
      CASE_LOOP(s9_only_a_rotating_winner_moves_the_turn, WORKERS),
      CASE_LOOP(s9_each_coroutine_has_a_turn_of_its_own, WORKERS),
      CASE_LOOP(s11_biased_selects_starve_all_but_the_first, WORKERS))
