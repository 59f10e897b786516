/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * tests/select/test_snapshot.c — a select looks at all its clauses at one moment, and exactly
 * one of them happens, with many selecting on both sides.
 */
#include <pthread.h>

#include "arch/cpu.h"
#include "arch/fiber_notes.h"
#include "tests/chan/kit.h"

/* ---- one of two is ready at every moment ---- */

enum { LOOKS = KCI_NOTES ? 1000 : 5000 };

/* A thread looks at both while this one fills the second and then empties the first. */
struct look {
    kc_chan_t *a, *b;
    bool closes; /* instead of filling */
    kc_deadline_t dl;
    unsigned flags;
    _Atomic(int) round, seen;
    kc_sel_t result;
};

static void *look_at_both(void *arg)
{
    struct look *l = arg;

    for (int i = 1; i <= LOOKS; i++) {
        int v;
        until(ka_load(&l->round, acquire) == i);
        kc_case_t cases[] = { KC_RECV(l->a, &v), KC_RECV(l->b, &v) };
        l->result = kc_selectv(cases, 2, l->dl, l->flags);
        ka_store(&l->seen, i, release);
    }
    return NULL;
}

static void change_both(struct look *l, struct dice *d, int round)
{
    must_eq(kc_chan_make(&l->a, sizeof(int), 1), 0);
    must_eq(kc_chan_make(&l->b, sizeof(int), 1), 0);
    must_eq(put(l->a, round), 0);
    ka_store(&l->round, round, release);
    for (uint64_t n = roll(d, 300); n; n--)
        kci_cpu_pause();
    must_eq(l->closes ? kc_chan_close(l->b) : put(l->b, round), 0);
    (void)get(l->a);
    until(ka_load(&l->seen, acquire) == round);
    must(l->result.i >= 0);
    must(l->result.rc == 0 || (l->closes && l->result.i == 1 && l->result.rc == -EPIPE));
    kc_chan_unref(l->a);
    kc_chan_unref(l->b);
}

static void looks(void)
{
    struct dice d = dice_seeded(test_seed());

    for (int how = 0; how < 4; how++) {
        struct look l = { .closes = how & 1,
                          .dl = how & 2 ? kc_in(0) : KC_TRY,
                          .flags = how == 3 ? KC_SEL_FAIR : KC_SEL_BIASED };
        pthread_t thread;

        must_eq(pthread_create(&thread, NULL, look_at_both, &l), 0);
        for (int i = 1; i <= LOOKS; i++)
            change_both(&l, &d, i);
        must_eq(pthread_join(thread, NULL), 0);
    }
}

START_TEST(s8_with_one_of_two_always_ready_a_look_never_says_eagain)
{
    try_workers(workers_of(_i), looks);
}
END_TEST

/* ---- listed order holds at one moment ---- */

enum { ROW = 64, FILLS = KCI_NOTES ? 3000 : 30000 };

struct row {
    kc_chan_t *ch[ROW];
};

static void *fill_first_then_last(void *arg)
{
    struct row *r = arg;

    for (int v = 1; v <= FILLS; v++) {
        must_eq(kc_chan_send(r->ch[0], &v, KC_FOREVER), 0);
        must_eq(kc_chan_send(r->ch[ROW - 1], &v, KC_FOREVER), 0);
    }
    return NULL;
}

/* Whoever finds v in the last channel must have taken v from the first one: at every moment at
 * which the last one had it, the first one had it before. */
static void listed_order(void)
{
    int first = 0, last = 0, v = 0;
    kc_case_t cases[ROW];
    pthread_t thread;
    struct row r;

    for (int i = 0; i < ROW; i++) {
        must_eq(kc_chan_make(&r.ch[i], sizeof v, 1), 0);
        cases[i] = KC_RECV(r.ch[i], &v);
    }
    must_eq(pthread_create(&thread, NULL, fill_first_then_last, &r), 0);
    while (last < FILLS) {
        kc_sel_t s = kc_selectv(cases, ROW, last % 2 ? KC_TRY : KC_FOREVER, KC_SEL_BIASED);
        if (s.rc == -EAGAIN)
            continue;
        must_eq(s.rc, 0);
        must(s.i == 0 || (s.i == ROW - 1 && first >= v));
        *(s.i ? &last : &first) = v;
    }
    must_eq(pthread_join(thread, NULL), 0);
    for (int i = 0; i < ROW; i++)
        kc_chan_unref(r.ch[i]);
}

START_TEST(s8_a_clause_never_wins_while_one_listed_before_it_is_ready)
{
    try_workers(workers_of(_i), listed_order);
}
END_TEST

/* ---- select against select ---- */

struct duel {
    kc_chan_t *a, *b;
    _Atomic(long) a_sent, a_received, b_sent, b_received;
};

KC_CO(a_to_b, struct duel *d; int n;)
{
    for (int i = 0, v; i < my->n; i++) {
        kc_sel_t s = kc_select(KC_FOREVER, KC_SEND(my->d->a, &i), KC_RECV(my->d->b, &v));
        must_eq(s.rc, 0);
        ka_add(s.i ? &my->d->b_received : &my->d->a_sent, 1, seq_cst);
    }
    return 0;
}

KC_CO(b_to_a, struct duel *d; int n;)
{
    for (int i = 0, v; i < my->n; i++) {
        kc_sel_t s = kc_select(KC_FOREVER, KC_SEND(my->d->b, &i), KC_RECV(my->d->a, &v));
        must_eq(s.rc, 0);
        ka_add(s.i ? &my->d->a_received : &my->d->b_sent, 1, seq_cst);
    }
    return 0;
}

static void duels(int pairs, int n)
{
    struct duel d = { .a = kc_chan(int, 0), .b = kc_chan(int, 0) };
    kc_scope_t s;

    open_scope(&s);
    for (int i = 0; i < pairs; i++) {
        kc_go(a_to_b, &d, n);
        kc_go(b_to_a, &d, n);
    }
    close_scope(&s, 0);
    ck_assert_int_eq(d.a_sent, d.a_received);
    ck_assert_int_eq(d.b_sent, d.b_received);
    ck_assert_int_eq(d.a_sent + d.b_sent, (long)pairs * n);
    check_deserted(d.a);
    check_deserted(d.b);
}

static void opposite_orders(void)
{
    duels(1, KCI_NOTES ? 3000 : 30000);
    duels(32, KCI_NOTES ? 100 : 1000);
}

START_TEST(s5_selects_over_the_same_channels_in_opposite_order_never_stall)
{
    try_workers(workers_of(_i), opposite_orders);
}
END_TEST

/* ---- exactly once ---- */

enum { CHANS = 4, SELECTORS = 6, EACH = KCI_NOTES ? 300 : 3000 };

struct market {
    kc_chan_t *ch[CHANS];
    _Atomic(int) senders;
    _Atomic(unsigned char) seen[SELECTORS * EACH];
    _Atomic(long) sent, received;
};

KC_CO(offer_all, struct market *m; int id; unsigned flags;)
{
    kc_case_t cases[CHANS];
    int v;

    for (int i = 0; i < CHANS; i++) // each starts elsewhere, so biased ones spread as well
        cases[i] = KC_SEND(my->m->ch[(i + my->id) % CHANS], &v);
    for (int i = 0; i < EACH; i++) {
        v = my->id * EACH + i;
        kc_sel_t s = kc_selectv(cases, CHANS, KC_FOREVER, my->flags);
        must_eq(s.rc, 0);
        ka_add(&my->m->sent, 1, seq_cst);
    }
    if (ka_sub(&my->m->senders, 1, seq_cst) == 1)
        for (int i = 0; i < CHANS; i++)
            must_eq(kc_chan_close(my->m->ch[i]), 0);
    return 0;
}

/* From each channel, each sender's elements rise. */
static void note(struct market *m, int v, int last[SELECTORS])
{
    must(v >= 0 && v < SELECTORS * EACH);
    must_eq(ka_xchg(&m->seen[v], 1, seq_cst), 0);
    must(v > last[v / EACH]);
    last[v / EACH] = v;
    ka_add(&m->received, 1, seq_cst);
}

KC_CO(take_all, struct market *m; unsigned flags;)
{
    int last[CHANS][SELECTORS], v, open = CHANS;
    kc_case_t cases[CHANS];

    memset(last, -1, sizeof last);
    for (int i = 0; i < CHANS; i++)
        cases[i] = KC_RECV(my->m->ch[i], &v);
    while (open) {
        kc_sel_t s = kc_selectv(cases, CHANS, KC_FOREVER, my->flags);
        must(s.i >= 0 && s.i < CHANS);
        if (s.rc == 0) {
            note(my->m, v, last[s.i]);
            continue;
        }
        must_eq(s.rc, -EPIPE);
        cases[s.i] = KC_NEVER;
        open--;
    }
    return 0;
}

static void trade(enum kind kind)
{
    static struct market m;
    kc_chan_opts_t o = options_of(kind, sizeof(int));
    kc_scope_t s;

    memset(&m, 0, sizeof m);
    m.senders = SELECTORS;
    for (int i = 0; i < CHANS; i++)
        must_eq(kc_chan_make_ex(&m.ch[i], &o), 0);
    open_scope(&s);
    for (int i = 0; i < SELECTORS; i++) {
        kc_go(offer_all, &m, i, (unsigned)i % 3);
        kc_go(take_all, &m, (unsigned)i % 3);
    }
    close_scope(&s, 0);
    ck_assert_int_eq(m.sent, SELECTORS * EACH);
    ck_assert_int_eq(m.received, SELECTORS * EACH);
    for (int i = 0; i < CHANS; i++) {
        check_deserted(m.ch[i]);
        check_conserved(m.ch[i]);
        kc_chan_unref(m.ch[i]);
    }
}

static void market(struct trial *t)
{
    trade(t->kind);
}

START_TEST(s7_among_selecting_senders_and_receivers_each_element_arrives_once)
{
    try_kind(_i, market);
}
END_TEST

/* ---- philosophers ---- */

enum { SEATS = 5, MEALS = KCI_NOTES ? 30 : 200 };

KC_CO(philosopher, kc_chan_t **forks; int seat; _Atomic(int) *eating;)
{
    kc_chan_t *left = my->forks[my->seat], *right = my->forks[(my->seat + 1) % SEATS];

    for (int meals = 0; meals < MEALS;) {
        kc_sel_t s = kc_select_fair(KC_FOREVER, KC_RECV(left, NULL), KC_RECV(right, NULL));
        must_eq(s.rc, 0);
        kc_chan_t *mine = s.i ? right : left, *other = s.i ? left : right;
        if (kc_chan_recv(other, NULL, KC_TRY) == 0) {
            must(ka_add(my->eating, 1, seq_cst) < SEATS / 2);
            kc_yield();
            ka_sub(my->eating, 1, seq_cst);
            must_eq(kc_chan_send(other, NULL, KC_TRY), 0);
            meals++;
        }
        must_eq(kc_chan_send(mine, NULL, KC_TRY), 0);
        kc_yield();
    }
    return 0;
}

static void dinner(void)
{
    _Atomic(int) eating = 0;
    kc_chan_t *forks[SEATS];
    kc_scope_t s;

    for (int i = 0; i < SEATS; i++) {
        forks[i] = kc_chan_owned(0, 1);
        must_eq(kc_chan_send(forks[i], NULL, KC_TRY), 0);
    }
    open_scope(&s);
    for (int i = 0; i < SEATS; i++)
        kc_go(philosopher, forks, i, &eating);
    close_scope(&s, 0);
    for (int i = 0; i < SEATS; i++)
        ck_assert_uint_eq(kc_chan_len(forks[i]), 1);
}

START_TEST(s6_philosophers_who_select_their_forks_all_eat)
{
    try_workers(workers_of(_i), dinner);
}
END_TEST

/* ---- one channel that all watch ---- */

enum { WATCHERS = KCI_NOTES ? 100 : 1000, LETTERS = 20 };

KC_CO(watcher, kc_chan_t *all; kc_chan_t * own; _Atomic(int) *ended;)
{
    int letters = 0;

    for (kc_sel_t s;;) {
        s = kc_select(KC_FOREVER, KC_RECV(my->all, NULL), KC_RECV(my->own, NULL));
        if (s.i == 0) {
            must_eq(s.rc, -EPIPE);
            break;
        }
        must_eq(s.rc, 0);
        letters++;
    }
    must_eq(letters, LETTERS);
    ka_add(my->ended, 1, seq_cst);
    return 0;
}

static void watched_by_all(void)
{
    static kc_chan_t *own[WATCHERS];
    kc_chan_t *all = kc_chan(int, 0);
    _Atomic(int) ended = 0;
    kc_scope_t s;

    open_scope(&s);
    for (int i = 0; i < WATCHERS; i++) {
        own[i] = kc_chan(int, 0);
        kc_go(watcher, all, own[i], &ended);
    }
    for (int k = 0; k < LETTERS; k++)
        for (int i = 0; i < WATCHERS; i++)
            must_eq(kc_put(own[i], int, k), 0);
    until(receivers_on(all) == WATCHERS);
    ck_assert_int_eq(kc_chan_close(all), 0);
    close_scope(&s, 0);
    ck_assert_int_eq(ended, WATCHERS);
    check_deserted(all);
}

START_TEST(s15_a_thousand_selects_that_share_a_channel_are_served_on_their_own_ones)
{
    try_workers(workers_of(_i), watched_by_all);
}
END_TEST

SUITE("select/snapshot",
      CASE_LOOP(s8_with_one_of_two_always_ready_a_look_never_says_eagain, WORKERS),
      CASE_LOOP(s8_a_clause_never_wins_while_one_listed_before_it_is_ready, WORKERS),
      CASE_LOOP(s5_selects_over_the_same_channels_in_opposite_order_never_stall, WORKERS),
      CASE_LOOP(s7_among_selecting_senders_and_receivers_each_element_arrives_once, LOSSLESS),
      CASE_LOOP(s6_philosophers_who_select_their_forks_all_eat, WORKERS),
      CASE_LOOP(s15_a_thousand_selects_that_share_a_channel_are_served_on_their_own_ones,
                WORKERS))
