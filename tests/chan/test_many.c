/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * tests/chan/test_many.c — many elements with one call: what goes in, what is said, what is
 * kept.
 */
#include "tests/chan/batch.h"
#include "tests/chan/far.h"

enum { TOTAL = 2000 };

static const size_t sizes[] = { 1, 2, 7, RUN - 1, RUN, RUN + 1, 100, 2 * RUN };
enum { SIZES = sizeof sizes / sizeof sizes[0] };

/* ---- in order, complete ---- */

KC_CO(send_batches, kc_chan_t *ch; int first; int count;)
{
    int v[MOST], at = 0;

    for (unsigned turn = 0; at < my->count; turn++) {
        int n = (int)sizes[turn % SIZES] < my->count - at ? (int)sizes[turn % SIZES] : my->count - at;
        for (int i = 0; i < n; i++)
            v[i] = my->first + at + i;
        must_eq(kc_chan_send_many(my->ch, v, (size_t)n, KC_FOREVER), n);
        at += n;
    }
    kc_chan_producers(my->ch, -1);
    return 0;
}

static void in_order(struct trial *t)
{
    int v[MOST], next = 0;
    ssize_t n = 0;
    kc_scope_t s;

    open_scope(&s);
    must_eq(kc_chan_producers(t->ch, 1), 1);
    must_eq(kc_go_in(&s, send_batches, t->ch, 0, TOTAL), 0);
    for (unsigned turn = 3; n >= 0; turn++) {
        n = kc_chan_recv_many(t->ch, v, sizes[turn % SIZES], KC_FOREVER);
        must(n != 0 && n <= (ssize_t)sizes[turn % SIZES]);
        for (ssize_t i = 0; i < n; i++)
            must_eq(v[i], next++);
    }
    ck_assert_int_eq(n, -EPIPE);
    ck_assert_int_eq(next, TOTAL);
    close_scope(&s, 0);
    check_deserted(t->ch);
    check_conserved(t->ch);
}

START_TEST(b1_batches_of_any_size_arrive_in_order)
{
    try_kind(_i, in_order);
}
END_TEST

/* ---- many senders, many receivers, some of them one by one ---- */

enum { SIDES = 4, EACH = 500 };

KC_CO(receive_all, kc_chan_t *ch; _Atomic(long) *sum; _Atomic(long) *count; int batch;)
{
    int v[MOST], last[SIDES] = { -1, -1, -1, -1 };
    ssize_t n;

    for (;;) {
        n = my->batch ? kc_chan_recv_many(my->ch, v, (size_t)my->batch, KC_FOREVER)
                      : (kc_recv(my->ch, v) == 0 ? 1 : -EPIPE);
        if (n < 0)
            break;
        for (ssize_t i = 0; i < n; i++) {
            must(v[i] % EACH > last[v[i] / EACH]); // the order of each sender
            last[v[i] / EACH] = v[i] % EACH;
            ka_add(my->sum, v[i], relaxed);   // relaxed: read after the scope
            ka_add(my->count, 1, relaxed);    // relaxed: as above
        }
    }
    return n == -EPIPE ? 0 : (int)n;
}

KC_CO(send_one_by_one, kc_chan_t *ch; int first; int count;)
{
    for (int v = my->first; v < my->first + my->count; v++)
        must_eq(kc_send(my->ch, &v), 0);
    kc_chan_producers(my->ch, -1);
    return 0;
}

static void matrix(struct trial *t)
{
    _Atomic(long) sum = 0, count = 0;
    long all = SIDES * EACH;
    kc_scope_t s;

    open_scope(&s);
    must_eq(kc_chan_producers(t->ch, SIDES), SIDES);
    for (int i = 0; i < SIDES; i++) {
        must_eq(kc_go_in(&s, receive_all, t->ch, &sum, &count, i * 20), 0);
        if (i % 2)
            must_eq(kc_go_in(&s, send_one_by_one, t->ch, i * EACH, EACH), 0);
        else
            must_eq(kc_go_in(&s, send_batches, t->ch, i * EACH, EACH), 0);
    }
    close_scope(&s, 0);
    if (t->kind <= UNLIMITED) {
        ck_assert_int_eq(ka_load(&count, relaxed), all);
        ck_assert_int_eq(ka_load(&sum, relaxed), all * (all - 1) / 2);
    }
    ck_assert_uint_eq(stats_of(t->ch).sends, (uint64_t)all);
    check_deserted(t->ch);
    check_conserved(t->ch);
}

START_TEST(b8_b9_u10_batches_and_single_calls_share_a_channel)
{
    try_kind(_i, matrix);
}
END_TEST

/* ---- what is said ---- */

static void codes(struct trial *t)
{
    int v[RUN * 3], most = t->most < RUN * 3 ? (int)t->most : RUN * 3;
    size_t n = sizeof v / sizeof v[0];

    for (int i = 0; i < RUN * 3; i++)
        v[i] = i;
    ck_assert_int_eq(kc_chan_send_many(NULL, v, n, KC_TRY), -EINVAL);
    ck_assert_int_eq(kc_chan_send_many(t->ch, NULL, n, KC_TRY), -EINVAL);
    ck_assert_int_eq(kc_chan_send_many(t->ch, v, 0, KC_TRY), -EINVAL);
    ck_assert_int_eq(kc_chan_send_many(t->ch, v, SIZE_MAX, KC_TRY), -EOVERFLOW);
    ck_assert_int_eq(kc_chan_recv_many(NULL, v, n, KC_TRY), -EINVAL);
    ck_assert_int_eq(kc_chan_recv_many(t->ch, v, 0, KC_TRY), -EINVAL);
    ck_assert_int_eq(kc_chan_recv_many(t->ch, v, n, KC_TRY), -EAGAIN);
    ck_assert_int_eq(kc_chan_recv_many(t->ch, v, n, kc_in(0)), -ETIME);
    ck_assert_int_eq(kc_chan_send_many(t->ch, v, n, KC_TRY), most ? most : -EAGAIN);
    if (most < RUN * 3) {
        ck_assert_int_eq(kc_chan_send_many(t->ch, v, n, KC_TRY), -EAGAIN);
        ck_assert_int_eq(kc_chan_send_many(t->ch, v, n, kc_in(-1)), -ETIME);
    }
    memset(v, 0xff, sizeof v);
    ck_assert_int_eq(kc_chan_recv_many(t->ch, v, n, kc_in(-1)), most ? most : -ETIME);
    for (int i = 0; i < RUN * 3; i++)
        ck_assert_int_eq(v[i], i < most ? i : -1); // and nothing behind what came
    check_conserved(t->ch);
}

START_TEST(r2_a_batch_says_how_many_else_why_none)
{
    try_kind(_i, codes);
}
END_TEST

/* In a coroutine of its own. */
KC_CO(send_batch, struct batch *b;)
{
    my->b->got = kc_chan_send_many(my->b->ch, my->b->v, my->b->n, my->b->dl);
    my->b->next = kc_chan_send(my->b->ch, my->b->v, KC_TRY);
    return 0;
}

KC_CO(recv_batch, struct batch *b;)
{
    my->b->got = kc_chan_recv_many(my->b->ch, my->b->v, my->b->n, my->b->dl);
    return 0;
}

enum end { CLOSE, CANCEL_CALLER, CANCEL_CHANNEL, ENDS };

static void end_it(struct trial *t, kc_scope_t *s, enum end how)
{
    if (how == CLOSE)
        ck_assert_int_eq(kc_chan_close(t->ch), 0);
    else if (how == CANCEL_CHANNEL)
        ck_assert_int_eq(kc_chan_cancel(t->ch, 0), 0);
    else
        ck_assert_int_eq(kc_scope_cancel(s, 0), 0);
}

/* `came` of ten are taken, then the wait ends. */
static void interrupt_send(struct trial *t, enum end how, int came)
{
    struct batch b = numbered(t->ch, 10);
    int code = how == CANCEL_CALLER ? -ECANCELED : -EPIPE, had = fill(t->ch, 10);
    kc_scope_t s;

    open_scope(&s);
    must_eq(kc_go_in(&s, send_batch, &b), 0);
    until(senders_on(t->ch) == 1);
    for (int i = 0; i < came; i++) {
        ck_assert_int_eq(get(t->ch), i < had ? i : i - had);
        until(senders_on(t->ch) == 1);
    }
    end_it(t, &s, how);
    close_scope(&s, how == CANCEL_CALLER ? -ECANCELED : 0);
    ck_assert_int_eq(b.got, came ? came : code);
    ck_assert_int_eq(b.next, code);
    check_deserted(t->ch);
    for (int i = came; how != CANCEL_CHANNEL && i < had + came; i++)
        ck_assert_int_eq(get(t->ch), i < had ? i : i - had);
    ck_assert_int_lt(get(t->ch), 0);
    check_conserved(t->ch);
}

static void interrupted(struct trial *t)
{
    kc_chan_t *first = t->ch;
    kc_chan_opts_t o = options_of(t->kind, sizeof(int));

    if (t->kind > SEVEN)
        return;
    for (int how = 0; how < ENDS; how++)
        for (int came = 0; came < 3; came++) {
            ck_assert_int_eq(kc_chan_make_ex(&t->ch, &o), 0);
            interrupt_send(t, (enum end)how, came);
            kc_chan_unref(t->ch);
        }
    t->ch = first;
}

START_TEST(c2_t2_a_batch_that_ends_early_keeps_what_was_not_taken)
{
    try_kind(_i, interrupted);
}
END_TEST

static void deadline_in_between(void)
{
    kc_chan_t *ch = kc_chan(int, 3);
    struct batch b = numbered(ch, 10);

    b.dl = kc_in(KC_MS(5));
    ck_assert_int_eq(kc_chan_send_many(ch, b.v, b.n, b.dl), 3);
    ck_assert_int_eq(kc_now(), b.dl.ns); // it waited for more
    ck_assert_int_eq(kc_chan_send_many(ch, b.v, b.n, kc_in(KC_MS(1))), -ETIME);
    ck_assert_int_eq(kc_chan_recv_many(ch, b.v, 10, KC_FOREVER), 3); // does not wait for more
    ck_assert_int_eq(kc_chan_recv_many(ch, b.v, 10, kc_in(KC_MS(1))), -ETIME);
    ck_assert_int_eq(kc_now(), b.dl.ns + KC_MS(2));
    check_deserted(ch);
}

START_TEST(t9_sending_waits_for_all_and_receiving_for_one)
{
    try_virtual(deadline_in_between);
}
END_TEST

static void drained(struct trial *t)
{
    int v[10], n = fill(t->ch, 7);

    ck_assert_int_eq(kc_chan_close(t->ch), 0);
    if (n)
        ck_assert_int_eq(kc_chan_recv_many(t->ch, v, 10, KC_FOREVER),
                         n - (int)stats_of(t->ch).dropped);
    ck_assert_int_eq(kc_chan_recv_many(t->ch, v, 10, KC_FOREVER), -EPIPE);
    ck_assert_int_eq(kc_chan_send_many(t->ch, v, 10, KC_FOREVER), -EPIPE);
    check_conserved(t->ch);
}

START_TEST(c3_a_closed_channel_is_drained_by_the_batch)
{
    try_kind(_i, drained);
}
END_TEST

/* ---- verdicts from elsewhere ---- */

static void far_away(void)
{
    kc_scope_t s, calls;

    open_scope(&s);
    kc_chan_t *ch = far_open(&s);
    struct batch out = numbered(ch, 3), in = { .ch = ch, .n = 3, .dl = KC_FOREVER };
    open_scope(&calls);
    must_eq(kc_go_in(&calls, send_batch, &out), 0);
    for (int i = 0; i < 3; i++) {
        far_tell(ch, (struct far_order){ .what = FAR_PICK_SEND });
        far_tell(ch, (struct far_order){ .what = FAR_DECIDE, .rc = i < 2 ? 0 : -EPIPE });
    }
    must_eq(kc_go_in(&calls, recv_batch, &in), 0);
    far_tell(ch, (struct far_order){ .what = FAR_PICK_RECV });
    far_tell(ch, (struct far_order){ .what = FAR_DECIDE, .value = 9 });
    close_scope(&calls, 0);
    ck_assert_int_eq(out.got, 2);
    ck_assert_int_eq(far_accepted(ch), 0 + 1);
    ck_assert_int_eq(in.got, 1);
    ck_assert_int_eq(in.v[0], 9);
    check_deserted(ch);
    far_close(ch);
    close_scope(&s, 0);
}

START_TEST(r12_a_batch_takes_verdicts_one_by_one)
{
    try_workers(workers_of(_i), far_away);
}
END_TEST

SUITE("chan/many", CASE_LOOP(b1_batches_of_any_size_arrive_in_order, LOSSLESS),
      CASE_LOOP(b8_b9_u10_batches_and_single_calls_share_a_channel, EVERY),
      CASE_LOOP(r2_a_batch_says_how_many_else_why_none, LOSSLESS),
      CASE_LOOP(c2_t2_a_batch_that_ends_early_keeps_what_was_not_taken, LOSSLESS),
      CASE(t9_sending_waits_for_all_and_receiving_for_one),
      CASE_LOOP(c3_a_closed_channel_is_drained_by_the_batch, EVERY),
      CASE_LOOP(r12_a_batch_takes_verdicts_one_by_one, WORKERS))
