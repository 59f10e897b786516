/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * tests/select/test_select_fd.c — descriptors among the clauses of a select.
 */
#include <fcntl.h>
#include <pthread.h>
#include <sys/socket.h>
#include <unistd.h>

#include "core/mem.h"
#include "io/reactor.h"
#include "tests/chan/kit.h"

struct ends {
    int fd[2];
};

static struct ends opened(void)
{
    struct ends e;

    must_eq(socketpair(AF_UNIX, SOCK_STREAM, 0, e.fd), 0);
    return e;
}

static void close_both(struct ends e)
{
    must_eq(kc_fd_close(e.fd[0]), 0);
    must_eq(kc_fd_close(e.fd[1]), 0);
}

static void fill_byte(int fd)
{
    must_eq(write(fd, "x", 1), 1);
}

static void take_byte(int fd)
{
    char c;
    must_eq(read(fd, &c, 1), 1);
}

/* ---- each kind wins ---- */

enum winner { CHANNEL, DESCRIPTOR, MOMENT, COROUTINE, TOKEN, WINNERS };

struct world {
    kc_chan_t *ch, *gate;
    struct ends e;
    kc_cancel_t *tk;
    enum winner winner;
};

static int ends_when_told(void *arg)
{
    struct world *w = arg;
    return kc_recv(w->gate, NULL);
}

static void make_ready(struct world *w)
{
    int v = 1;

    if (w->winner == CHANNEL)
        must_eq(kc_send(w->ch, &v), 0);
    else if (w->winner == DESCRIPTOR)
        fill_byte(w->e.fd[1]);
    else if (w->winner == COROUTINE)
        must_eq(kc_send(w->gate, NULL), 0);
    else if (w->winner == TOKEN)
        must_eq(kc_cancel_trigger(w->tk, 0), 0);
}

/* Waits until the select waits. */
KC_CO(make_ready_later, struct world *w;)
{
    until(receivers_on(my->w->ch) == 1);
    make_ready(my->w);
    return 0;
}

static void mixed(enum winner winner, bool later)
{
    struct world w = { kc_chan(int, 1), kc_chan_owned(0, 1), opened(), NULL, winner };
    int v = 0, rest = 0;
    kc_scope_t s;
    kc_co_t *co;

    must_eq(kc_cancel_create(&w.tk, NULL), 0);
    open_scope(&s);
    must_eq(kc_spawn(&co, ends_when_told, &w, NULL), 0);
    if (later && winner != MOMENT) // a moment may have come before anybody sees the wait
        kc_go(make_ready_later, &w);
    else if (!later)
        make_ready(&w);
    until(later || winner != COROUTINE || kc_join(co, NULL, KC_TRY) == 0);
    kc_deadline_t moment = winner != MOMENT ? KC_FOREVER : later ? kc_in(KC_US(200)) : kc_in(-1);
    kc_sel_t r = kc_select(KC_FOREVER, KC_RECV(w.ch, &v), KC_FD(w.e.fd[0], KC_RD),
                           KC_AFTER(moment), KC_JOIN(co, NULL), KC_DONE(w.tk), KC_NEVER);
    ck_assert_int_eq(r.i, (int)winner);
    ck_assert_int_eq(r.rc, winner == DESCRIPTOR ? (int)KC_RD : 0);
    ck_assert_uint_eq(kci_fd_waiters(w.e.fd[0]), 0);
    check_deserted(w.ch);
    rest = kc_chan_close(w.gate);
    close_scope(&s, winner == COROUTINE ? 0 : -EPIPE);
    must_eq(rest, 0);
    kc_co_unref(co);
    kc_cancel_unref(w.tk);
    close_both(w.e);
}

static void every_kind(void)
{
    for (int winner = 0; winner < WINNERS; winner++) {
        mixed((enum winner)winner, false);
        mixed((enum winner)winner, true);
    }
}

START_TEST(s19_channel_descriptor_moment_coroutine_and_token_each_win)
{
    try_workers(workers_of(_i), every_kind);
}
END_TEST

/* ---- losers ---- */

KC_CO(select_here, kc_chan_t *ch; int fd; kc_deadline_t dl; kc_sel_t *r;)
{
    int v;
    *my->r = kc_select(my->dl, KC_FD(my->fd, KC_RD), KC_RECV(my->ch, &v));
    return 0;
}

enum end { BY_CHANNEL, BY_DEADLINE, BY_CANCEL, ENDS };

static void lose(enum end how)
{
    kc_chan_t *ch = kc_chan(int, 0);
    struct ends e = opened();
    kc_sel_t r = { -2, 1 };
    kc_scope_t s;
    int v = 1;

    open_scope(&s);
    kc_go_in(&s, select_here, ch, e.fd[0], how == BY_DEADLINE ? kc_in(KC_MS(2)) : KC_FOREVER, &r);
    if (how != BY_DEADLINE)
        until(kci_fd_waiters(e.fd[0]) == 1);
    if (how == BY_CHANNEL)
        must_eq(kc_send(ch, &v), 0);
    if (how == BY_CANCEL)
        kc_scope_cancel(&s, 0);
    close_scope(&s, how == BY_CANCEL ? -ECANCELED : 0);
    ck_assert_int_eq(r.i, how == BY_CHANNEL ? 1 : -1);
    ck_assert_int_eq(r.rc, how == BY_CHANNEL ? 0 : how == BY_CANCEL ? -ECANCELED : -ETIME);
    ck_assert_uint_eq(kci_fd_waiters(e.fd[0]), 0);
    fill_byte(e.fd[1]); // an event that nobody waits for any more
    check_sel(kc_select(KC_FOREVER, KC_FD(e.fd[0], KC_RD)), 0, KC_RD);
    close_both(e);
}

static void losers(void)
{
    for (int how = 0; how < ENDS; how++)
        for (int i = 0; i < 20; i++)
            lose((enum end)how);
}

START_TEST(s20_s14_a_descriptor_that_loses_is_waited_for_no_more)
{
    try_workers(workers_of(_i), losers);
}
END_TEST

enum { ROUNDS = 200 };

KC_CO(send_all, kc_chan_t *ch;)
{
    for (int i = 0; i < ROUNDS; i++)
        must_eq(kc_send(my->ch, &i), 0);
    return 0;
}

KC_CO(write_all, int fd;)
{
    for (int i = 0; i < ROUNDS; i++) {
        fill_byte(my->fd);
        kc_yield();
    }
    return 0;
}

static void both_come(void)
{
    kc_chan_t *ch = kc_chan(int, 0);
    struct ends e = opened();
    kc_scope_t s;
    int v, sum = 0, bytes = 0;

    open_scope(&s);
    kc_go_in(&s, send_all, ch);
    kc_go_in(&s, write_all, e.fd[1]);
    for (int i = 0; i < 2 * ROUNDS; i++) {
        kc_sel_t r = kc_select_fair(KC_FOREVER, KC_RECV(ch, &v), KC_FD(e.fd[0], KC_RD));
        must(r.i == 0 ? r.rc == 0 : r.rc == KC_RD);
        if (r.i == 0) {
            sum += v;
        } else {
            take_byte(e.fd[0]);
            bytes++;
        }
    }
    close_scope(&s, 0);
    ck_assert_int_eq(bytes, ROUNDS);
    ck_assert_int_eq(sum, ROUNDS * (ROUNDS - 1) / 2);
    check_sel(kc_select(KC_TRY, KC_RECV(ch, &v), KC_FD(e.fd[0], KC_RD)), -1, -EAGAIN);
    close_both(e);
}

START_TEST(s7_s19_when_both_come_exactly_one_happens_each_time)
{
    try_workers(workers_of(_i), both_come);
}
END_TEST

/* ---- codes ---- */

static void refuse(void *elem, unsigned reason, void *arg)
{
    int fd = *(int *)arg, v;

    (void)reason;
    memcpy(&v, elem, sizeof v);
    check_sel(kc_select(KC_FOREVER, KC_FD(fd, KC_RD)), -1, -EPERM);
    check_sel(kc_select(KC_FOREVER, KC_FD(fd, KC_WR)), 0, KC_WR);
}

static void codes(void)
{
    struct ends e = opened();
    kc_chan_t *ch;
    int closed = dup(e.fd[0]), file = open("/dev/null", O_RDONLY), v = 1;

    must_eq(close(closed), 0);
    check_sel(kc_select(KC_TRY, KC_FD(-1, KC_RD), KC_FD(-7, KC_RD)), -1, -EAGAIN);
    check_sel(kc_select(kc_in(KC_US(50)), KC_FD(-1, KC_RD)), -1, -ETIME);
    check_sel(kc_select(KC_TRY, KC_FD(e.fd[0], 0)), -1, -EINVAL);
    check_sel(kc_select(KC_TRY, KC_FD(e.fd[0], KC_HUP)), -1, -EINVAL);
    check_sel(kc_select(KC_TRY, KC_FD(e.fd[0], KC_RD)), -1, -EAGAIN);
    check_sel(kc_select(kc_in(KC_US(50)), KC_FD(e.fd[0], KC_RD)), -1, -ETIME);
    check_sel(kc_select(kc_in(-1), KC_FD(e.fd[0], KC_RD), KC_FD(e.fd[0], KC_WR)), 1, KC_WR);
    check_sel(kc_select(KC_TRY, KC_FD(e.fd[0], KC_RD | KC_WR)), 0, KC_WR);
    check_sel(kc_select(KC_TRY, KC_NEVER, KC_FD(closed, KC_RD)), 1, -EBADF);
    check_sel(kc_select(KC_TRY, KC_FD(1 << 30, KC_RD)), 0, -EBADF);
    check_sel(kc_select(KC_FOREVER, KC_FD(file, KC_RD)), 0, KC_RD);
    ck_assert_int_eq(kc_chan_make_ex(&ch, &(kc_chan_opts_t){ .cap = KC_CONFLATED,
                                                             .elem_size = sizeof(int),
                                                             .on_undelivered = refuse,
                                                             .arg = &e.fd[0] }),
                     0);
    ck_assert_int_eq(kc_send(ch, &v), 0);
    ck_assert_int_eq(kc_send(ch, &v), 0);
    kc_chan_unref(ch);
    must_eq(kc_fd_close(e.fd[1]), 0);
    kc_sel_t r = kc_select(KC_FOREVER, KC_FD(e.fd[0], KC_RD));
    ck_assert(r.i == 0 && r.rc & (int)KC_HUP);
    must_eq(kc_fd_close(e.fd[0]), 0);
    must_eq(close(file), 0);
}

START_TEST(s1_s18_what_a_descriptor_s_clause_can_come_to)
{
    try_workers(workers_of(_i), codes);
    try_thread(codes);
}
END_TEST

static void closing(void)
{
    kc_chan_t *ch = kc_chan(int, 0);

    for (int i = 0; i < 50; i++) {
        struct ends e = opened();
        kc_sel_t r = { -2, 1 };
        kc_scope_t s;
        open_scope(&s);
        kc_go_in(&s, select_here, ch, e.fd[0], KC_FOREVER, &r);
        until(kci_fd_waiters(e.fd[0]) == 1);
        close_both(e);
        close_scope(&s, 0);
        ck_assert_int_eq(r.i, 0);
        ck_assert_int_eq(r.rc, -EBADF);
        check_deserted(ch);
    }
}

START_TEST(s12_closing_the_descriptor_fires_its_clause)
{
    try_workers(workers_of(_i), closing);
}
END_TEST

static void no_memory(void)
{
    struct ends e = opened();
    kc_chan_t *ch = kc_chan(int, 0);
    int v, failed = 0;
    kc_sel_t r;

    for (uint64_t nth = 1; nth < 10; nth++) {
        kci_mem_fail_nth(nth);
        r = kc_select(kc_in(-1), KC_RECV(ch, &v), KC_FD(e.fd[0], KC_RD));
        kci_mem_fail_nth(0);
        ck_assert_int_eq(r.i, -1);
        ck_assert(r.rc == -ENOMEM || r.rc == -ETIME);
        failed += r.rc == -ENOMEM;
    }
    ck_assert_int_ge(failed, 1);
    check_sel(kc_select(kc_in(-1), KC_RECV(ch, &v), KC_FD(e.fd[0], KC_RD)), -1, -ETIME);
    close_both(e);
}

START_TEST(g5_without_memory_a_select_over_descriptors_says_enomem)
{
    try_workers(1, no_memory);
}
END_TEST

/* ---- plain threads ---- */

struct outside {
    kc_chan_t *ch;
    struct ends e;
    int rounds, sum, bytes;
};

static void *selects(void *arg)
{
    struct outside *o = arg;
    int v;

    for (int i = 0; i < o->rounds; i++) {
        kc_sel_t r = kc_select(kc_in(KC_S(1000)), KC_RECV(o->ch, &v), KC_FD(o->e.fd[0], KC_RD));
        if (r.i == 0)
            o->sum += v;
        else
            take_byte(o->e.fd[0]);
        o->bytes += r.i == 1;
    }
    return NULL;
}

static void thread_selects(void)
{
    struct outside o = { .e = opened(), .rounds = 20 };
    pthread_t thread;

    must_eq(kc_chan_make(&o.ch, sizeof(int), 0), 0);
    must_eq(pthread_create(&thread, NULL, selects, &o), 0);
    for (int i = 0; i < 10; i++) {
        if (i % 2)
            until(receivers_on(o.ch) == 1); // it waits
        fill_byte(o.e.fd[1]);
        must_eq(kc_send(o.ch, &i), 0);
    }
    must_eq(pthread_join(thread, NULL), 0);
    ck_assert_int_eq(o.bytes, 10);
    ck_assert_int_eq(o.sum, 45);
    check_deserted(o.ch);
    kc_chan_unref(o.ch);
    close_both(o.e);
}

START_TEST(b15_s19_a_thread_selects_over_channels_and_descriptors)
{
    try_workers(workers_of(_i), thread_selects);
    try_thread(thread_selects);
}
END_TEST

static void *selects_forever(void *arg)
{
    struct outside *o = arg;
    int v;
    kc_sel_t r = kc_select(KC_FOREVER, KC_RECV(o->ch, &v), KC_FD(o->e.fd[0], KC_RD));
    return (void *)(intptr_t)(r.i == 1 ? r.rc : 1);
}

static void thread_meets_close(void)
{
    struct outside o = { .e = opened() };
    pthread_t thread[3];
    void *rc;

    must_eq(kc_chan_make(&o.ch, sizeof(int), 0), 0);
    for (uint64_t i = 0; i < 3; i++) {
        must_eq(pthread_create(&thread[i], NULL, selects_forever, &o), 0);
        until(receivers_on(o.ch) == i + 1);
    }
    must_eq(kc_fd_close(o.e.fd[0]), 0);
    for (int i = 0; i < 3; i++) {
        must_eq(pthread_join(thread[i], &rc), 0);
        ck_assert_int_eq((intptr_t)rc, -EBADF);
    }
    must_eq(close(o.e.fd[1]), 0);
    kc_chan_unref(o.ch);
}

START_TEST(b15_s12_closing_wakes_threads_that_select)
{
    try_thread(thread_meets_close);
}
END_TEST

SUITE("select/fd",
      CASE_LOOP(s19_channel_descriptor_moment_coroutine_and_token_each_win, WORKERS),
      CASE_LOOP(s20_s14_a_descriptor_that_loses_is_waited_for_no_more, WORKERS),
      CASE_LOOP(s7_s19_when_both_come_exactly_one_happens_each_time, WORKERS),
      CASE_LOOP(s1_s18_what_a_descriptor_s_clause_can_come_to, WORKERS),
      CASE_LOOP(s12_closing_the_descriptor_fires_its_clause, WORKERS),
      CASE(g5_without_memory_a_select_over_descriptors_says_enomem),
      CASE_LOOP(b15_s19_a_thread_selects_over_channels_and_descriptors, WORKERS),
      CASE(b15_s12_closing_wakes_threads_that_select))
