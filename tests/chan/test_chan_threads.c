/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * tests/chan/test_chan_threads.c — the same calls from threads that are no workers: a thread
 * blocks where a coroutine would park, and each wakes the other.
 */
#include <pthread.h>

#include "arch/fiber_notes.h"
#include "core/mem.h"
#include "tests/chan/kit.h"

static pthread_t start(void *(*fn)(void *), void *arg)
{
    pthread_t thread;

    must_eq(pthread_create(&thread, NULL, fn, arg), 0);
    return thread;
}

static void join(pthread_t thread)
{
    must_eq(pthread_join(thread, NULL), 0);
}

/* ---- one waits, the other comes ---- */

static void *thread_recv(void *arg)
{
    struct call *c = arg;

    c->rc = kc_chan_recv(c->ch, &c->value, c->dl);
    ka_store(&c->over, 1, release);
    return NULL;
}

static void *thread_send(void *arg)
{
    struct call *c = arg;

    c->rc = kc_chan_send(c->ch, &c->value, c->dl);
    ka_store(&c->over, 1, release);
    return NULL;
}

static void coroutine_wakes_thread(struct trial *t)
{
    for (int i = 0; i < 100; i++) {
        struct call c = { .ch = t->ch, .dl = i % 2 ? KC_FOREVER : kc_in(KC_S(1000)) };
        pthread_t thread = start(thread_recv, &c);
        if (i % 3)
            until(receivers_on(t->ch) == 1);
        must_eq(kc_send(t->ch, &i), 0);
        join(thread);
        must_eq(c.rc, 0);
        must_eq(c.value, i);
    }
    check_deserted(t->ch);
    check_conserved(t->ch);
}

START_TEST(b15_a_coroutine_wakes_a_thread_that_waits_to_receive)
{
    try_kind(_i, coroutine_wakes_thread);
}
END_TEST

static void thread_meets_sender(struct trial *t)
{
    int had = t->kind == UNLIMITED ? 0 : fill(t->ch, (int)t->most);

    for (int i = 0; i < 100; i++) {
        struct call c = { .ch = t->ch, .value = had + i, .dl = KC_FOREVER };
        pthread_t thread = start(thread_send, &c);
        if (i % 3 && t->kind <= SEVEN)
            until(senders_on(t->ch) == 1);
        int v, rc = kc_recv(t->ch, &v);
        must_eq(rc, 0);
        must_eq(v, i);
        join(thread);
        must_eq(c.rc, 0);
    }
    check_deserted(t->ch);
    check_conserved(t->ch);
}

START_TEST(b15_a_coroutine_wakes_a_thread_that_waits_to_send)
{
    try_kind(_i, thread_meets_sender);
}
END_TEST

static void thread_wakes_coroutine(struct trial *t)
{
    for (int i = 0; i < 100; i++) {
        struct call in = { .ch = t->ch }, out = { .ch = t->ch, .value = i, .dl = KC_FOREVER };
        kc_scope_t s;

        open_scope(&s);
        go_recv(&s, &in);
        if (i % 3)
            until(receivers_on(t->ch) == 1);
        pthread_t thread = start(thread_send, &out);
        close_scope(&s, 0);
        join(thread);
        must_eq(in.rc, 0);
        must_eq(out.rc, 0);
        must_eq(in.value, i);
    }
    check_deserted(t->ch);
}

START_TEST(b15_a_thread_wakes_a_coroutine)
{
    try_kind(_i, thread_wakes_coroutine);
}
END_TEST

/* ---- deadlines and close ---- */

static void late_thread(struct trial *t)
{
    struct call c = { .ch = t->ch };

    if (t->kind <= SEVEN)
        fill(t->ch, (int)t->most);
    for (int i = 0; i < 10; i++) {
        bool sends = i % 2 && t->kind <= SEVEN;
        if (!sends)
            while (get(t->ch) >= 0)
                continue;
        c.dl = kc_in(KC_US(100 * i));
        join(start(sends ? thread_send : thread_recv, &c));
        ck_assert_int_eq(c.rc, -ETIME);
        ck_assert_int_ge(kc_now(), c.dl.ns);
        check_deserted(t->ch);
        fill(t->ch, (int)(t->kind <= SEVEN ? t->most : 0));
    }
}

START_TEST(u4_a_thread_leaves_at_its_deadline_and_not_before)
{
    try_kind(_i, late_thread);
}
END_TEST

static void close_wakes_threads(struct trial *t)
{
    enum { THREADS = 6 };
    struct call c[THREADS];
    pthread_t threads[THREADS];

    for (int i = 0; i < THREADS; i++) {
        c[i] = (struct call){ .ch = t->ch, .dl = i % 2 ? KC_FOREVER : kc_in(KC_S(1000)) };
        threads[i] = start(thread_recv, &c[i]);
    }
    until(receivers_on(t->ch) == THREADS);
    ck_assert_int_eq(kc_chan_close(t->ch), 0);
    for (int i = 0; i < THREADS; i++) {
        join(threads[i]);
        ck_assert_int_eq(c[i].rc, -EPIPE);
    }
    check_deserted(t->ch);
}

START_TEST(c1_closing_wakes_waiting_threads)
{
    try_kind(_i, close_wakes_threads);
}
END_TEST

/* ---- without any runtime ---- */

enum { N = KCI_NOTES ? 3000 : 20000 };

struct sums {
    kc_chan_t *ch;
    _Atomic(long) sent, received;
};

static void *thread_stream_out(void *arg)
{
    struct sums *s = arg;

    for (int i = 1; i <= N; i++) {
        must_eq(kc_chan_send(s->ch, &i, KC_FOREVER), 0);
        ka_add(&s->sent, i, seq_cst);
    }
    kc_chan_producers(s->ch, -1);
    return NULL;
}

static void *thread_stream_in(void *arg)
{
    struct sums *s = arg;
    int v;

    while (kc_chan_recv(s->ch, &v, KC_FOREVER) == 0)
        ka_add(&s->received, v, seq_cst);
    return NULL;
}

START_TEST(b15_two_threads_stream_without_any_runtime)
{
    for (enum kind kind = RENDEZVOUS; kind <= UNLIMITED; kind++) {
        kc_chan_opts_t o = options_of(kind, sizeof(int));
        struct sums s = { 0 };
        pthread_t threads[4];

        ck_assert_int_eq(kc_chan_make_ex(&s.ch, &o), 0);
        kc_chan_producers(s.ch, 2);
        for (int i = 0; i < 4; i++)
            threads[i] = start(i % 2 ? thread_stream_out : thread_stream_in, &s);
        for (int i = 0; i < 4; i++)
            join(threads[i]);
        ck_assert_int_eq(s.sent, s.received);
        ck_assert_int_eq(s.sent, 2 * (long)N * (N + 1) / 2);
        check_conserved(s.ch);
        kc_chan_unref(s.ch);
    }
    ck_assert_uint_eq(kci_mem_blocks_in_use(), 0);
}
END_TEST

KC_CO(stream_out, struct sums *s;)
{
    thread_stream_out(my->s);
    return 0;
}

KC_CO(stream_in, struct sums *s;)
{
    thread_stream_in(my->s);
    return 0;
}

static void mixed(struct trial *t)
{
    struct sums s = { .ch = t->ch };
    pthread_t out, in;
    kc_scope_t scope;

    kc_chan_producers(t->ch, 2);
    open_scope(&scope);
    kc_go(stream_out, &s);
    kc_go(stream_in, &s);
    out = start(thread_stream_out, &s);
    in = start(thread_stream_in, &s);
    close_scope(&scope, 0);
    join(out);
    join(in);
    ck_assert_int_eq(s.sent, s.received);
    check_deserted(t->ch);
    check_conserved(t->ch);
}

START_TEST(b15_threads_and_coroutines_share_a_channel)
{
    try_kind(_i, mixed);
}
END_TEST

/* Two runtimes at once: their coroutines meet in one channel. */
static int other_side(void *arg)
{
    thread_stream_in(arg);
    return 0;
}

static void *run_other_side(void *arg)
{
    must_eq(kc_run(other_side, arg, &(kc_opts_t){ .workers = 2 }), 0);
    return NULL;
}

static void two_runtimes(struct trial *t)
{
    struct sums s = { .ch = t->ch };
    pthread_t other = start(run_other_side, &s);

    kc_chan_producers(t->ch, 1);
    thread_stream_out(&s); // here, in the root coroutine of this runtime
    join(other);
    ck_assert_int_eq(s.sent, s.received);
    check_conserved(t->ch);
}

START_TEST(b15_coroutines_of_two_runtimes_meet_in_one_channel)
{
    try_kind(_i, two_runtimes);
}
END_TEST

SUITE("chan/threads",
      CASE_LOOP(b15_a_coroutine_wakes_a_thread_that_waits_to_receive, EVERY),
      CASE_LOOP(b15_a_coroutine_wakes_a_thread_that_waits_to_send, LOSSLESS),
      CASE_LOOP(b15_a_thread_wakes_a_coroutine, EVERY),
      CASE_LOOP(u4_a_thread_leaves_at_its_deadline_and_not_before, EVERY),
      CASE_LOOP(c1_closing_wakes_waiting_threads, EVERY),
      CASE(b15_two_threads_stream_without_any_runtime),
      CASE_LOOP(b15_threads_and_coroutines_share_a_channel, LOSSLESS),
      CASE_LOOP(b15_coroutines_of_two_runtimes_meet_in_one_channel, LOSSLESS))
