/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * tests/chan/test_close.c — closing, cancelling, counting producers, and the last reference.
 */
#include <pthread.h>

#include "core/mem.h"
#include "tests/chan/kit.h"

enum { CROWD = 1000 };

/* ---- who waited ---- */

KC_CO(recv_epipe, kc_chan_t *ch; _Atomic(int) *count;)
{
    int v = 0;

    must_eq(kc_recv(my->ch, &v), -EPIPE);
    ka_add(my->count, 1, seq_cst);
    return 0;
}

KC_CO(send_epipe, kc_chan_t *ch; _Atomic(int) *count;)
{
    must_eq(kc_put(my->ch, int, 1), -EPIPE);
    ka_add(my->count, 1, seq_cst);
    return 0;
}

static void wakes_receivers(struct trial *t)
{
    _Atomic(int) count = 0;
    kc_scope_t s;

    open_scope(&s);
    for (int i = 0; i < CROWD; i++)
        kc_go(recv_epipe, t->ch, &count);
    until(receivers_on(t->ch) == CROWD);
    ck_assert_int_eq(kc_chan_close(t->ch), 0);
    close_scope(&s, 0);
    ck_assert_int_eq(count, CROWD);
    check_deserted(t->ch);
    ck_assert_uint_eq(stats_of(t->ch).recvs, 0);
}

START_TEST(c1_closing_wakes_every_waiting_receiver)
{
    try_kind(_i, wakes_receivers);
}
END_TEST

static void wakes_senders(struct trial *t)
{
    _Atomic(int) count = 0;
    struct told told = { 0 };
    kc_chan_opts_t o = options_of(t->kind, sizeof(int));
    kc_chan_t *ch;
    kc_scope_t s;

    if (t->kind > SEVEN)
        return; // its senders never wait
    o.on_undelivered = tell;
    o.arg = &told;
    ck_assert_int_eq(kc_chan_make_ex(&ch, &o), 0);
    int had = fill(ch, 100);
    open_scope(&s);
    for (int i = 0; i < CROWD; i++)
        kc_go(send_epipe, ch, &count);
    until(senders_on(ch) == CROWD);
    ck_assert_int_eq(kc_chan_close(ch), 0);
    close_scope(&s, 0);
    ck_assert_int_eq(count, CROWD);
    ck_assert_int_eq(told.count, 0); // each kept its element
    ck_assert_int_eq(stats_of(ch).sends, had);
    for (int i = 0; i < had; i++)
        ck_assert_int_eq(get(ch), i);
    ck_assert_int_eq(get(ch), -EPIPE);
    check_conserved(ch);
    kc_chan_unref(ch);
}

START_TEST(c2_closing_wakes_every_waiting_sender_and_each_keeps_its_element)
{
    try_kind(_i, wakes_senders);
}
END_TEST

/* ---- twice, and why ---- */

static void closes_once(struct trial *t)
{
    ck_assert_int_eq(kc_chan_why(t->ch), 0);
    ck_assert_int_eq(kc_chan_close(t->ch), 0);
    ck_assert_int_eq(kc_chan_why(t->ch), 1);
    ck_assert_int_eq(kc_chan_close_why(t->ch, -EIO), -EALREADY);
    ck_assert_int_eq(kc_chan_why(t->ch), 1);
    // Cancelling a closed channel still discards, and keeps the reason.
    ck_assert_int_eq(kc_chan_cancel(t->ch, -EIO), 0);
    ck_assert_int_eq(kc_chan_why(t->ch), 1);
    ck_assert_int_eq(kc_chan_cancel(t->ch, -EIO), -EALREADY);
    ck_assert_int_eq(kc_chan_close(t->ch), -EALREADY);
}

START_TEST(c4_the_second_close_says_ealready_and_the_first_reason_stays)
{
    try_kind(_i, closes_once);
}
END_TEST

KC_CO(closer, kc_chan_t *ch; int why; _Atomic(int) *winners; _Atomic(int) *won;)
{
    int rc = kc_chan_close_why(my->ch, my->why);

    must(rc == 0 || rc == -EALREADY);
    if (rc == 0) {
        ka_add(my->winners, 1, seq_cst);
        ka_store(my->won, my->why, seq_cst);
    }
    return 0;
}

static void many_closers(struct trial *t)
{
    (void)t;
    for (int round = 0; round < 100; round++) {
        _Atomic(int) winners = 0, won = 0;
        kc_chan_t *ch;
        kc_scope_t s;

        ck_assert_int_eq(kc_chan_make(&ch, sizeof(int), 1), 0);
        open_scope(&s);
        for (int i = 1; i <= 16; i++)
            kc_go(closer, ch, -i, &winners, &won);
        close_scope(&s, 0);
        must_eq(winners, 1);
        must_eq(kc_chan_why(ch), won);
        kc_chan_unref(ch);
    }
}

START_TEST(c8_of_sixteen_closers_one_wins_and_its_reason_is_seen)
{
    try_kind(_i, many_closers);
}
END_TEST

static void *close_from_thread(void *arg)
{
    return kc_chan_close(arg) == 0 ? NULL : arg;
}

static void full_then_closed(struct trial *t)
{
    (void)t;
    for (int round = 0; round < 200; round++) {
        pthread_t closer;
        kc_chan_t *ch;
        int v = 0;

        ck_assert_int_eq(kc_chan_make(&ch, sizeof v, 1), 0);
        must_eq(put(ch, 9), 0);
        must_eq(pthread_create(&closer, NULL, close_from_thread, ch), 0);
        if (round % 2)
            let_run();
        must_eq(kc_chan_recv(ch, &v, KC_TRY), 0); // the element is there, closed or not
        must_eq(v, 9);
        int rc = get(ch);
        must(rc == -EAGAIN || rc == -EPIPE);
        must_eq(pthread_join(closer, NULL), 0);
        must_eq(get(ch), -EPIPE);
        kc_chan_unref(ch);
    }
}

START_TEST(c6_closing_never_hides_an_element_that_is_there)
{
    try_kind(_i, full_then_closed);
}
END_TEST

/* ---- cancel ---- */

static void discards(struct trial *t)
{
    static const int elems[] = { 2, 3, 4, 5, 6, 7, 8 };
    int first = t->most > 2 ? 2 : 0, n = t->most > 7 ? 7 : (int)t->most;
    struct told told = { 0 };
    kc_chan_opts_t o = options_of(t->kind, sizeof(int));
    struct call c = { .value = 50 };
    kc_scope_t s;

    o.on_undelivered = tell;
    o.arg = &told;
    ck_assert_int_eq(kc_chan_make_ex(&c.ch, &o), 0);
    for (int i = 0; i < first; i++) { // what is stored does not begin where the memory does
        ck_assert_int_eq(put(c.ch, i), 0);
        ck_assert_int_eq(get(c.ch), i);
    }
    for (int i = 0; i < n; i++)
        ck_assert_int_eq(put(c.ch, 2 + i), 0);
    open_scope(&s);
    if (t->kind <= SEVEN)
        park_send(&s, &c, 1);
    ck_assert_int_eq(kc_chan_cancel(c.ch, -ENOSPC), 0);
    close_scope(&s, 0);
    if (t->kind <= SEVEN)
        ck_assert_int_eq(c.rc, -EPIPE); // a waiting sender keeps its element
    check_told(&told, KC_UNDELIV_CANCELED, n, elems);
    ck_assert_uint_eq(stats_of(c.ch).undelivered, (uint64_t)n);
    ck_assert_int_eq(get(c.ch), -EPIPE);
    ck_assert_int_eq(kc_chan_why(c.ch), -ENOSPC);
    check_conserved(c.ch);
    kc_chan_unref(c.ch);
    ck_assert_int_eq(told.count, n);
}

START_TEST(u6_cancelling_discards_what_is_stored_through_the_hook_in_order)
{
    try_kind(_i, discards);
}
END_TEST

/* A hook that looks at its own channel while it is being cancelled. */
struct peek {
    kc_chan_t *ch;
    int calls, recv, send, close, cancel;
};

static void look(void *elem, unsigned reason, void *arg)
{
    struct peek *p = arg;

    (void)elem;
    must_eq(reason, KC_UNDELIV_CANCELED);
    p->calls++;
    p->recv = get(p->ch);
    p->send = put(p->ch, 1);
    p->close = kc_chan_close(p->ch);
    p->cancel = kc_chan_cancel(p->ch, 0);
}

static void look_from_hook(struct trial *t)
{
    kc_chan_opts_t o = options_of(t->kind, sizeof(int));
    struct peek p = { 0 };

    if (t->kind == RENDEZVOUS)
        return; // it stores nothing
    o.on_undelivered = look;
    o.arg = &p;
    ck_assert_int_eq(kc_chan_make_ex(&p.ch, &o), 0);
    int n = fill(p.ch, t->most > 3 ? 3 : (int)t->most);
    ck_assert_int_eq(kc_chan_cancel(p.ch, 0), 0);
    ck_assert_int_eq(p.calls, n);
    ck_assert_int_eq(p.recv, -EPIPE); // at once, although more is stored
    ck_assert_int_eq(p.send, -EPIPE);
    ck_assert_int_eq(p.close, -EALREADY);
    ck_assert_int_eq(p.cancel, -EALREADY);
    kc_chan_unref(p.ch);
}

START_TEST(c7_a_hook_may_call_its_own_channel_and_finds_it_cancelled)
{
    try_kind(_i, look_from_hook);
}
END_TEST

/* ---- producers ---- */

KC_CO(producer, kc_chan_t *ch; int n;)
{
    for (int i = 0; i < my->n; i++)
        must_eq(kc_send(my->ch, &i), 0);
    kc_chan_producers(my->ch, -1);
    return 0;
}

static void last_one_closes(struct trial *t)
{
    int v, n = 0;

    ck_assert_int_eq(kc_chan_producers(t->ch, 0), 0);
    ck_assert_int_eq(kc_chan_why(t->ch), 0); // looking is not leaving
    ck_assert_int_eq(kc_chan_producers(t->ch, -1), -EINVAL);
    ck_assert_int_eq(kc_chan_producers(t->ch, 5), 5);
    ck_assert_int_eq(kc_chan_producers(t->ch, -6), -EINVAL);
    ck_assert_int_eq(kc_chan_producers(t->ch, INT32_MAX), -EINVAL);
    ck_assert_int_eq(kc_chan_producers(t->ch, 0), 5);
    for (int i = 0; i < 5; i++)
        kc_go(producer, t->ch, 10 * i);
    while (kc_recv(t->ch, &v) == 0)
        n++;
    ck_assert_int_eq(n, 100);
    ck_assert_int_eq(kc_chan_producers(t->ch, 0), 0);
    ck_assert_int_eq(kc_chan_why(t->ch), 1);
    check_conserved(t->ch);
}

START_TEST(c11_the_last_producer_out_closes_the_channel_and_none_before)
{
    try_kind(_i, last_one_closes);
}
END_TEST

/* ---- the last reference ---- */

static void last_reference(struct trial *t)
{
    static const int elems[] = { 0, 1 };
    struct told told = { 0 };
    kc_chan_opts_t o = options_of(t->kind, sizeof(int));
    kc_chan_t *ch;

    o.on_undelivered = tell;
    o.arg = &told;
    ck_assert_int_eq(kc_chan_make_ex(&ch, &o), 0);
    int n = fill(ch, t->most > 2 ? 2 : (int)t->most);
    ck_assert_ptr_eq(kc_chan_ref(ch), ch);
    kc_chan_unref(ch);
    ck_assert_int_eq(told.count, 0);
    kc_chan_unref(ch);
    check_told(&told, KC_UNDELIV_DESTROYED, n, elems);
}

START_TEST(c9_the_last_reference_gives_what_is_stored_to_the_hook_in_order)
{
    try_kind(_i, last_reference);
}
END_TEST

/* The hook's element is aligned for its type, wherever the channel kept it. */
struct wide {
    _Alignas(max_align_t) char text[sizeof(max_align_t)];
};

static void check_aligned(void *elem, unsigned reason, void *arg)
{
    const struct wide *w = elem;

    must_eq((uintptr_t)elem % _Alignof(max_align_t), 0);
    must_eq(w->text[0], 'a');
    must(reason != 0);
    ++*(int *)arg;
}

static void aligned(struct trial *t)
{
    kc_chan_opts_t o = options_of(t->kind, sizeof(struct wide));
    struct wide w = { "a" };
    int calls = 0, sent = 0;

    o.on_undelivered = check_aligned;
    o.arg = &calls;
    for (int round = 0; round < 2; round++) {
        kc_chan_t *ch;
        ck_assert_int_eq(kc_chan_make_ex(&ch, &o), 0);
        for (int i = 0; i < 5; i++)
            sent += kc_chan_send(ch, &w, KC_TRY) == 0;
        if (round)
            ck_assert_int_eq(kc_chan_cancel(ch, 0), 0);
        kc_chan_unref(ch);
        ck_assert_int_eq(calls, sent);
    }
}

START_TEST(u1_the_hook_gets_each_element_once_and_aligned)
{
    try_kind(_i, aligned);
}
END_TEST

KC_CO(hold_and_recv, kc_chan_t *ch; _Atomic(int) *rc;)
{
    int v;

    ka_store(my->rc, 1, seq_cst);
    int rc = kc_recv(my->ch, &v); // the wait itself is a reference
    ka_store(my->rc, rc, seq_cst);
    return 0;
}

static void waiting_holds_it(struct trial *t)
{
    kc_chan_opts_t o = options_of(t->kind, sizeof(int));
    _Atomic(int) rc = 0;
    kc_chan_t *ch;
    kc_scope_t s;

    ck_assert_int_eq(kc_chan_make_ex(&ch, &o), 0);
    open_scope(&s);
    kc_go(hold_and_recv, ch, &rc);
    until(receivers_on(ch) == 1);
    kc_chan_unref(ch);
    kc_scope_cancel(&s, 0);
    close_scope(&s, -ECANCELED);
    ck_assert_int_eq(rc, -ECANCELED);
}

START_TEST(c10_a_waiting_call_keeps_the_channel_alive)
{
    try_kind(_i, waiting_holds_it);
}
END_TEST

/* ---- the end of the runtime ---- */

static void drop(void *ch)
{
    kc_chan_unref(ch);
}

KC_CO(send_too_late, kc_chan_t *ch;)
{
    int v = 99;

    return kc_send(my->ch, &v);
}

/* The root scope owns a full channel, with senders waiting behind it, when the program stops. */
static int stop_with_elements(void *told)
{
    kc_chan_opts_t o = { .cap = 3, .elem_size = sizeof(int), .on_undelivered = tell, .arg = told };
    kc_chan_t *ch;

    must_eq(kc_chan_make_ex(&ch, &o), 0);
    must_eq(kc_scope_own(kc_scope_current(), ch, drop), 0);
    fill(ch, 3);
    for (int i = 0; i < 5; i++)
        kc_go(send_too_late, ch);
    until(senders_on(ch) == 5);
    return kc_stop(0);
}

START_TEST(u8_the_end_of_a_runtime_gives_what_is_stored_to_the_hook)
{
    static const int elems[] = { 0, 1, 2 };
    kc_opts_t opts = { .workers = workers_of(_i) };
    struct told told = { 0 };

    ck_assert_int_eq(kc_run(stop_with_elements, &told, &opts), 0);
    check_told(&told, KC_UNDELIV_DESTROYED, 3, elems);
    ck_assert_uint_eq(kci_mem_blocks_in_use(), 0);
}
END_TEST

SUITE("chan/close",
      CASE_LOOP(c1_closing_wakes_every_waiting_receiver, EVERY),
      CASE_LOOP(c2_closing_wakes_every_waiting_sender_and_each_keeps_its_element, EVERY),
      CASE_LOOP(c4_the_second_close_says_ealready_and_the_first_reason_stays, EVERY),
      CASE_LOOP(c8_of_sixteen_closers_one_wins_and_its_reason_is_seen, WORKERS),
      CASE_LOOP(c6_closing_never_hides_an_element_that_is_there, WORKERS),
      CASE_LOOP(u6_cancelling_discards_what_is_stored_through_the_hook_in_order, EVERY),
      CASE_LOOP(c7_a_hook_may_call_its_own_channel_and_finds_it_cancelled, EVERY),
      CASE_LOOP(c11_the_last_producer_out_closes_the_channel_and_none_before, LOSSLESS),
      CASE_LOOP(u8_the_end_of_a_runtime_gives_what_is_stored_to_the_hook, WORKERS),
      CASE_LOOP(c9_the_last_reference_gives_what_is_stored_to_the_hook_in_order, EVERY),
      CASE_LOOP(u1_the_hook_gets_each_element_once_and_aligned, EVERY),
      CASE_LOOP(c10_a_waiting_call_keeps_the_channel_alive, EVERY))
