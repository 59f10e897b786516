/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * tests/go/test_go_select.c — what Go's own tests of select and of non-blocking operations look
 * for: values that go missing, selects that meet themselves, leavings in queues, unfairness.
 */
#include "core/mem.h"
#include "tests/chan/kit.h"

/* ---- nonblock: a look succeeds exactly when there is a partner or a place ---- */

static void looks(struct trial *t)
{
    struct call c = { .ch = t->ch, .value = 7 };
    kc_scope_t s;

    for (int i = 0; i < 20; i++) {
        ck_assert_int_eq(get(t->ch), -EAGAIN);
        open_scope(&s);
        park_recv(&s, &c, 1); // a partner that waits makes any kind ready to send
        ck_assert_int_eq(put(t->ch, i), 0);
        close_scope(&s, 0);
        ck_assert_int_eq(c.value, i);
    }
    int n = fill(t->ch, 8);
    if (t->kind > SEVEN)
        return;
    ck_assert_int_eq(put(t->ch, 99), -EAGAIN);
    c.value = n;
    open_scope(&s);
    park_send(&s, &c, 1); // and one that waits to send makes it ready to receive
    for (int i = 0; i <= n; i++)
        ck_assert_int_eq(get(t->ch), i);
    ck_assert_int_eq(get(t->ch), -EAGAIN);
    close_scope(&s, 0);
}

START_TEST(b2_b3_a_look_succeeds_when_a_partner_waits_or_there_is_a_place)
{
    try_kind(_i, looks);
}
END_TEST

/* ---- select2: losing clauses cost no memory ---- */

enum { MANY = 3000 };

KC_CO(send_beside, kc_chan_t *ch; kc_chan_t *quiet; int n;)
{
    for (int i = 0; i < my->n; i++)
        must_eq(kc_select(KC_FOREVER, KC_SEND(my->ch, &i), KC_SEND(my->quiet, &i)).i, 0);
    return 0;
}

static void flat(void)
{
    kc_chan_t *ch = kc_chan(int, 0), *quiet = kc_chan(int, 0), *never = kc_chan(int, 0);
    uint64_t blocks = 0;
    kc_scope_t s;
    int v;

    open_scope(&s);
    kc_go_in(&s, send_beside, ch, never, MANY);
    for (int i = 0; i < MANY; i++) {
        check_sel(kc_select(KC_FOREVER, KC_RECV(quiet, &v), KC_RECV(ch, &v)), 1, 0);
        must_eq(v, i);
        blocks = i == MANY / 10 ? kci_mem_blocks_in_use() : blocks;
    }
    close_scope(&s, 0);
    ck_assert_uint_le(kci_mem_blocks_in_use(), blocks);
    check_deserted(ch);
    check_deserted(quiet);
}

START_TEST(s20_clauses_that_lose_thousands_of_times_cost_no_memory)
{
    try_workers(workers_of(_i), flat);
}
END_TEST

/* ---- select3: which forms wait, and which do not ---- */

static bool waits(kc_case_t a, kc_case_t b)
{
    kc_case_t cases[] = { a, b };
    kc_sel_t r = kc_selectv(cases, 2, kc_in(1), KC_SEL_BIASED);

    must(r.i >= 0 || r.rc == -ETIME);
    return r.i < 0;
}

static void forms(void)
{
    kc_chan_t *none = NULL, *empty = kc_chan(int, 1), *full = kc_chan(int, 1);
    kc_chan_t *meet = kc_chan(int, 0), *closed = kc_chan(int, 1);
    int v = 0;

    must_eq(put(full, 1), 0);
    must_eq(kc_chan_close(closed), 0);
    ck_assert(waits(KC_NEVER, KC_NEVER));
    ck_assert(waits(KC_SEND(none, &v), KC_RECV(none, &v)));
    ck_assert(waits(KC_SEND(meet, &v), KC_RECV(meet, &v))); // never itself
    ck_assert(waits(KC_SEND(full, &v), KC_RECV(empty, &v)));
    ck_assert(!waits(KC_SEND(none, &v), KC_RECV(full, &v)));
    ck_assert(!waits(KC_SEND(empty, &v), KC_NEVER));
    ck_assert(!waits(KC_NEVER, KC_RECV(closed, &v)));
    ck_assert(!waits(KC_SEND(closed, &v), KC_RECV(meet, &v))); // -EPIPE, where Go panics
    ck_assert(!waits(KC_RECV(meet, &v), KC_AFTER(kc_in(0))));
}

START_TEST(s1_s12_what_makes_a_select_wait)
{
    try_virtual(forms);
}
END_TEST

/* ---- select6, issue 2075: who leaves the middle of a queue takes nobody along ---- */

KC_CO(recv_or_leave, kc_chan_t *ch; kc_chan_t *leave; _Atomic(int) *got;)
{
    int v = 0;
    kc_sel_t r = kc_select(KC_FOREVER, KC_RECV(my->ch, &v), KC_RECV(my->leave, NULL));

    ka_store(my->got, r.i == 0 ? v : -1, release);
    return 0;
}

static void leaves(struct trial *t)
{
    enum { QUEUE = 7 };
    kc_chan_t *leave[QUEUE];
    _Atomic(int) got[QUEUE];
    kc_scope_t s;

    open_scope(&s);
    for (int i = 0; i < QUEUE; i++) {
        leave[i] = kc_chan_owned(0, 0);
        ka_store(&got[i], 0, relaxed); // relaxed: spawning publishes it
        kc_go_in(&s, recv_or_leave, t->ch, leave[i], &got[i]);
        until(receivers_on(t->ch) == (uint64_t)i + 1);
    }
    for (int i = 0; i < QUEUE; i += 3) // the first, the middle and the last
        must_eq(kc_send(leave[i], NULL), 0);
    until(receivers_on(t->ch) == QUEUE - 3);
    for (int v = 1; v <= QUEUE - 3; v++)
        must_eq(put(t->ch, v), 0);
    close_scope(&s, 0);
    for (int i = 0, v = 1; i < QUEUE; i++)
        ck_assert_int_eq(ka_load(&got[i], acquire), i % 3 == 0 ? -1 : v++);
    check_deserted(t->ch);
}

START_TEST(s4_b10_selects_that_leave_a_queue_leave_its_order)
{
    try_kind(_i, leaves);
}
END_TEST

/* ---- select7: plain calls, looks and selects meet each other in any combination ---- */

enum { WAYS = 4 };

static int send_by(int way, kc_chan_t *ch, kc_chan_t *quiet, const int *v)
{
    int rc = 0;

    if (way == 0)
        return kc_send(ch, v);
    if (way == 1)
        return kc_select(KC_FOREVER, KC_SEND(ch, v)).rc;
    if (way == 2)
        return kc_select_fair(KC_FOREVER, KC_RECV(quiet, NULL), KC_SEND(ch, v), KC_NEVER).rc;
    until((rc = kc_chan_send(ch, v, KC_TRY)) != -EAGAIN);
    return rc;
}

static int recv_by(int way, kc_chan_t *ch, kc_chan_t *quiet, int *v)
{
    int rc = 0;

    if (way == 0)
        return kc_recv(ch, v);
    if (way == 1)
        return kc_select(KC_FOREVER, KC_RECV(ch, v)).rc;
    if (way == 2)
        return kc_select_fair(KC_FOREVER, KC_RECV(quiet, NULL), KC_NEVER, KC_RECV(ch, v)).rc;
    until((rc = kc_chan_recv(ch, v, KC_TRY)) != -EAGAIN);
    return rc;
}

KC_CO(send_ten, kc_chan_t *ch; kc_chan_t *quiet; int way;)
{
    for (int i = 0; i < 10; i++)
        must_eq(send_by(my->way, my->ch, my->quiet, &i), 0);
    return 0;
}

static void combinations(struct trial *t)
{
    kc_chan_t *quiet = kc_chan_owned(0, 0);

    for (int pair = 0; pair < WAYS * WAYS; pair++) {
        kc_scope_t s;
        int v = -1;
        if (t->kind == RENDEZVOUS && pair == WAYS * WAYS - 1)
            continue; // two that only look never meet
        open_scope(&s);
        kc_go_in(&s, send_ten, t->ch, quiet, pair % WAYS);
        for (int i = 0; i < 10; i++) {
            must_eq(recv_by(pair / WAYS, t->ch, quiet, &v), 0);
            must_eq(v, i);
        }
        close_scope(&s, 0);
    }
    check_conserved(t->ch);
}

START_TEST(s2_calls_looks_and_selects_meet_in_any_combination)
{
    try_kind(_i, combinations);
}
END_TEST

/* ---- SelfSelect: both ways on one channel; never one's own value ---- */

KC_CO(both_ways, kc_chan_t *ch; int me; int rounds; _Atomic(int) *sent; _Atomic(int) *got;)
{
    for (int i = 0; i < my->rounds; i++) {
        int v = -1;
        kc_sel_t r = i % 2 ? kc_select(KC_FOREVER, KC_SEND(my->ch, &my->me), KC_RECV(my->ch, &v))
                           : kc_select(KC_FOREVER, KC_RECV(my->ch, &v), KC_SEND(my->ch, &my->me));
        if (r.rc == -EPIPE)
            return 0;
        must_eq(r.rc, 0);
        must(v != my->me || kc_chan_cap(my->ch) > 0);
        ka_add(v >= 0 ? my->got : my->sent, 1, relaxed); // relaxed: read after the scope
    }
    (void)kc_chan_close(my->ch); // the other one may still wait
    return 0;
}

static void self_select(void)
{
    for (long cap = 0; cap <= 10; cap += 10) {
        _Atomic(int) sent = 0, got = 0;
        kc_chan_t *ch = kc_chan(int, cap);
        kc_scope_t s;
        open_scope(&s);
        for (int me = 0; me < 2; me++)
            kc_go_in(&s, both_ways, ch, me, 1000, &sent, &got);
        close_scope(&s, 0);
        ck_assert_int_eq(ka_load(&sent, relaxed), ka_load(&got, relaxed) + (int)kc_chan_len(ch));
        check_deserted(ch);
    }
}

START_TEST(s2_s3_who_selects_both_ways_never_gets_its_own_value)
{
    try_workers(workers_of(_i), self_select);
}
END_TEST

/* ---- SelectStress: four channels, plain and selecting partners on both sides ---- */

enum { CHANS = 4, PER_CHAN = 400 };

struct stress {
    kc_chan_t *ch[CHANS];
    _Atomic(long) sum;
};

KC_CO(send_plain, struct stress *x; int k;)
{
    for (int i = 0; i < PER_CHAN; i++)
        must_eq(kc_send(my->x->ch[my->k], &i), 0);
    return 0;
}

KC_CO(recv_plain, struct stress *x; int k;)
{
    for (int i = 0, v; i < PER_CHAN; i++) {
        must_eq(kc_recv(my->x->ch[my->k], &v), 0);
        ka_add(&my->x->sum, v, relaxed); // relaxed: read after the scope
    }
    return 0;
}

/* PER_CHAN on each channel, through selects that drop a channel that had enough. */
KC_CO(select_all, struct stress *x; bool sends;)
{
    int n[CHANS] = { 0 }, v = 0;
    kc_case_t cases[CHANS];

    for (int left = CHANS * PER_CHAN; left > 0; left--) {
        for (int k = 0; k < CHANS; k++)
            cases[k] = n[k] == PER_CHAN ? KC_NEVER
                       : my->sends      ? KC_SEND(my->x->ch[k], &n[k])
                                        : KC_RECV(my->x->ch[k], &v);
        kc_sel_t r = kc_selectv(cases, CHANS, KC_FOREVER, (unsigned)left % 3);
        must_eq(r.rc, 0);
        n[r.i]++;
        if (!my->sends)
            ka_add(&my->x->sum, v, relaxed); // relaxed: read after the scope
    }
    return 0;
}

static void stress(void)
{
    struct stress x = { .sum = 0 };
    kc_scope_t s;

    for (int k = 0; k < CHANS; k++)
        x.ch[k] = kc_chan(int, k < 2 ? 0 : k);
    open_scope(&s);
    for (int k = 0; k < CHANS; k++) {
        kc_go_in(&s, send_plain, &x, k);
        kc_go_in(&s, recv_plain, &x, k);
    }
    kc_go_in(&s, select_all, &x, true);
    kc_go_in(&s, select_all, &x, false);
    close_scope(&s, 0);
    ck_assert_int_eq(ka_load(&x.sum, relaxed), 2L * CHANS * PER_CHAN * (PER_CHAN - 1) / 2);
    for (int k = 0; k < CHANS; k++) {
        check_deserted(x.ch[k]);
        check_conserved(x.ch[k]);
    }
}

START_TEST(s5_s7_plain_and_selecting_partners_on_four_channels)
{
    try_workers(workers_of(_i), stress);
}
END_TEST

/* ---- SelectFairness, PseudoRandomSend ---- */

enum { TRIALS = 4000, TEN_SIGMA = 320 }; /* sigma of TRIALS coins: 31.6 */

KC_CO(send_for_ever, kc_chan_t *ch; int v;)
{
    int rc;

    while ((rc = kc_send(my->ch, &my->v)) == 0)
        continue;
    return rc == -EPIPE ? 0 : rc;
}

static void wakers_choose(void)
{
    kc_chan_t *a = kc_chan(int, 0), *b = kc_chan(int, 0);
    int v, wins[2] = { 0, 0 };
    kc_scope_t s;

    open_scope(&s);
    kc_go_in(&s, send_for_ever, a, 0);
    kc_go_in(&s, send_for_ever, b, 1);
    for (int i = 0; i < TRIALS; i++) {
        kc_sel_t r = kc_select_fair(KC_FOREVER, KC_RECV(a, &v), KC_RECV(b, &v));
        must_eq(r.i, v);
        wins[v]++;
        if (i % 2)
            kc_yield(); // else it often waits, and the first sender to come decides
    }
    must_eq(kc_chan_close(a) | kc_chan_close(b), 0);
    close_scope(&s, 0);
    ck_assert_int_ge(wins[0], TRIALS / 2 - TEN_SIGMA);
    ck_assert_int_ge(wins[1], TRIALS / 2 - TEN_SIGMA);
}

START_TEST(s10_a_fair_select_is_fair_also_when_senders_decide)
{
    try_workers(1, wakers_choose); // on several, the machine's load would decide
}
END_TEST

KC_CO(count_ones, kc_chan_t *ch; int *ones;)
{
    int v;

    while (kc_recv(my->ch, &v) == 0)
        *my->ones += v;
    return 0;
}

static void random_send(void)
{
    int zero = 0, one = 1;

    for (long cap = 0; cap <= 5; cap += 5) {
        kc_chan_t *ch = kc_chan(int, cap);
        int ones = 0;
        kc_scope_t s;
        open_scope(&s);
        kc_go_in(&s, count_ones, ch, &ones);
        for (int i = 0; i < TRIALS; i++)
            must_eq(kc_select_fair(KC_FOREVER, KC_SEND(ch, &zero), KC_SEND(ch, &one)).rc, 0);
        must_eq(kc_chan_close(ch), 0);
        close_scope(&s, 0);
        // Where it has to wait, the receiver takes the clause that was queued first.
        ck_assert_int_ge(ones, TRIALS / 20);
        ck_assert_int_le(ones, TRIALS / 2 + TEN_SIGMA);
    }
}

START_TEST(s9_s22_one_of_two_sends_on_one_channel_is_chosen_by_chance)
{
    try_workers(workers_of(_i), random_send);
}
END_TEST

/* ---- SelectDuplicateChannel ---- */

KC_CO(select_thrice, kc_chan_t *ch; kc_chan_t *other;)
{
    int v;
    kc_sel_t r = kc_select(KC_FOREVER, KC_RECV(my->ch, &v), KC_RECV(my->ch, &v),
                           KC_RECV(my->ch, &v), KC_RECV(my->other, &v));
    must_eq(r.i, 3);
    return 0;
}

static void duplicates(struct trial *t)
{
    kc_chan_t *other = kc_chan(int, 0);
    struct call after = { .ch = t->ch };
    kc_scope_t s;
    int v = 5;

    open_scope(&s);
    kc_go_in(&s, select_thrice, t->ch, other);
    until(receivers_on(t->ch) == 3);
    park_recv(&s, &after, 4); // behind three clauses of one select
    must_eq(kc_send(other, &v), 0);
    until(receivers_on(t->ch) == 1);
    must_eq(put(t->ch, v), 0);
    close_scope(&s, 0);
    ck_assert(after.rc == 0 && after.value == 5);
    check_deserted(t->ch);
}

START_TEST(s4_who_waits_behind_a_select_s_doubled_clauses_is_served)
{
    try_kind(_i, duplicates);
}
END_TEST

SUITE("go/select",
      CASE_LOOP(b2_b3_a_look_succeeds_when_a_partner_waits_or_there_is_a_place, EVERY),
      CASE_LOOP(s20_clauses_that_lose_thousands_of_times_cost_no_memory, WORKERS),
      CASE(s1_s12_what_makes_a_select_wait),
      CASE_LOOP(s4_b10_selects_that_leave_a_queue_leave_its_order, EVERY),
      CASE_LOOP(s2_calls_looks_and_selects_meet_in_any_combination, LOSSLESS),
      CASE_LOOP(s2_s3_who_selects_both_ways_never_gets_its_own_value, WORKERS),
      CASE_LOOP(s5_s7_plain_and_selecting_partners_on_four_channels, WORKERS),
      CASE(s10_a_fair_select_is_fair_also_when_senders_decide),
      CASE_LOOP(s9_s22_one_of_two_sends_on_one_channel_is_chosen_by_chance, WORKERS),
      CASE_LOOP(s4_who_waits_behind_a_select_s_doubled_clauses_is_served, EVERY))
