/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * tests/chan/test_async.c — operations whose verdict comes from elsewhere: deadline,
 * cancellation and close take them back while that is possible, and else wait for the
 * verdict. An element is never both kept and taken.
 */
#include <pthread.h>

#include "arch/fiber_notes.h"
#include "tests/chan/far.h"

static const struct far_order pick_send = { .what = FAR_PICK_SEND };
static const struct far_order pick_recv = { .what = FAR_PICK_RECV };

static struct far_order verdict(int rc, int value)
{
    return (struct far_order){ .what = FAR_DECIDE, .rc = rc, .value = value };
}

/* ---- in time ---- */

static void decided(void)
{
    static const int verdicts[] = { 0, -EPIPE, -ECONNRESET };
    kc_scope_t s;

    open_scope(&s);
    kc_chan_t *ch = far_open(&s);
    for (int i = 0; i < 3; i++) {
        struct call out = { .ch = ch, .value = 10 }, in = { .ch = ch, .value = -1 };
        kc_scope_t calls;
        open_scope(&calls);
        go_send(&calls, &out);
        far_tell(ch, pick_send);
        far_tell(ch, verdict(verdicts[i], 0));
        go_recv(&calls, &in);
        far_tell(ch, pick_recv);
        far_tell(ch, verdict(verdicts[i], 7));
        close_scope(&calls, 0);
        ck_assert_int_eq(out.rc, verdicts[i]);
        ck_assert_int_eq(in.rc, verdicts[i]);
        ck_assert_int_eq(in.value, verdicts[i] ? -1 : 7);
    }
    ck_assert_int_eq(far_accepted(ch), 10);
    ck_assert_int_eq(far_handed_out(ch), 7);
    check_deserted(ch);
    far_close(ch);
    close_scope(&s, 0);
}

START_TEST(r12_the_verdict_is_the_result)
{
    try_workers(workers_of(_i), decided);
}
END_TEST

/* ---- taken back ---- */

static void deadline_before_pick(void)
{
    kc_scope_t s;
    int v = 5;

    open_scope(&s);
    kc_chan_t *ch = far_open(&s);
    for (int i = 0; i < 20; i++) {
        ck_assert_int_eq(kc_chan_send(ch, &v, KC_TRY), -EAGAIN);
        ck_assert_int_eq(kc_chan_send(ch, &v, kc_in(KC_US(100))), -ETIME);
        ck_assert_int_eq(kc_chan_recv(ch, &v, kc_in(KC_US(100))), -ETIME);
        ck_assert_int_eq(far_waiting(ch), 0);
    }
    ck_assert_int_eq(far_late(ch), 0);
    check_deserted(ch);
    far_close(ch);
    close_scope(&s, 0);
}

START_TEST(u4_a_deadline_takes_back_what_was_not_picked_up)
{
    try_workers(workers_of(_i), deadline_before_pick);
}
END_TEST

static void cancel_before_pick(void)
{
    kc_scope_t s;

    open_scope(&s);
    kc_chan_t *ch = far_open(&s);
    struct call out = { .ch = ch, .value = 1 }, in = { .ch = ch };
    kc_scope_t calls;
    open_scope(&calls);
    go_send(&calls, &out);
    go_recv(&calls, &in);
    until(far_waiting(ch) == 2);
    kc_scope_cancel(&calls, 0);
    close_scope(&calls, -ECANCELED);
    ck_assert_int_eq(out.rc, -ECANCELED);
    ck_assert_int_eq(in.rc, -ECANCELED);
    ck_assert_int_eq(far_waiting(ch), 0);
    check_deserted(ch);
    far_close(ch);
    close_scope(&s, 0);
}

START_TEST(u3_a_cancellation_takes_back_what_was_not_picked_up)
{
    try_workers(workers_of(_i), cancel_before_pick);
}
END_TEST

/* ---- too late ---- */

/* Let others run for a while: the call must not be over. */
static void still_waits(struct call *c)
{
    for (int i = 0; i < 200; i++) {
        let_run();
        must(!ka_load(&c->over, acquire));
    }
}

/* Pick the call up. False: its deadline came first. */
static bool picked(struct call *c, bool send)
{
    while (!far_pick(c->ch, send)) {
        if (ka_load(&c->over, acquire))
            return false;
        let_run();
    }
    return true;
}

/* A call in s that was picked up: before its deadline, if `timed`. */
static void begin(kc_scope_t *s, struct call *c, bool send, bool timed)
{
    int64_t patience = KC_MS(2);

    do {
        c->dl = timed ? kc_in(patience) : KC_FOREVER;
        send ? go_send(s, c) : go_recv(s, c);
        patience *= 2;
    } while (!picked(c, send));
}

/* Both directions, both verdicts; `end` makes the wait end while the verdict is open. */
static void late(void (*end)(kc_scope_t *calls), bool timed, int scope_rc)
{
    kc_scope_t s;

    open_scope(&s);
    kc_chan_t *ch = far_open(&s);
    for (int i = 0; i < 4; i++) {
        bool send = i % 2;
        int rc = i / 2 ? -EPIPE : 0, late_before = far_late(ch);
        struct call c = { .ch = ch, .value = 40 + i };
        kc_scope_t calls;

        open_scope(&calls);
        begin(&calls, &c, send, timed);
        if (end)
            end(&calls);
        kc_shield(true); // for this coroutine is in the scope too
        until(far_late(ch) == late_before + 1);
        still_waits(&c);
        far_tell(ch, verdict(rc, 70 + i));
        kc_shield(false);
        close_scope(&calls, scope_rc);
        ck_assert_int_eq(c.rc, rc);
        ck_assert_int_eq(c.value, send || rc ? 40 + i : 70 + i);
        ck_assert_int_eq(far_picked(ch), 0);
    }
    ck_assert_int_eq(far_accepted(ch), 41);
    ck_assert_int_eq(far_handed_out(ch), 70);
    check_deserted(ch);
    far_close(ch);
    close_scope(&s, 0);
}

static void late_deadline(void)
{
    late(NULL, true, 0);
}

START_TEST(u4_a_deadline_that_comes_too_late_waits_for_the_verdict)
{
    try_workers(workers_of(_i), late_deadline);
}
END_TEST

static void cancel_calls(kc_scope_t *calls)
{
    must_eq(kc_scope_cancel(calls, 0), 0);
}

static void late_cancel(void)
{
    late(cancel_calls, false, -ECANCELED);
}

START_TEST(u3_a_cancellation_that_comes_too_late_waits_for_the_verdict)
{
    try_workers(workers_of(_i), late_cancel);
}
END_TEST

static void *thread_send(void *arg)
{
    struct call *c = arg;

    c->rc = kc_chan_send(c->ch, &c->value, c->dl);
    ka_store(&c->over, 1, release);
    return NULL;
}

/* Start a thread that sends, and pick it up before its deadline. */
static pthread_t begin_thread(struct call *c)
{
    for (int64_t patience = KC_MS(2);; patience *= 2) {
        pthread_t thread;

        c->dl = kc_in(patience);
        ka_store(&c->over, 0, seq_cst);
        must_eq(pthread_create(&thread, NULL, thread_send, c), 0);
        if (picked(c, true))
            return thread;
        must_eq(pthread_join(thread, NULL), 0);
    }
}

static void late_thread(void)
{
    kc_scope_t s;

    open_scope(&s);
    kc_chan_t *ch = far_open(&s);
    for (int rc = 0; rc >= -EPIPE; rc -= EPIPE) {
        struct call c = { .ch = ch, .value = 3 };
        int late_before = far_late(ch);
        pthread_t thread = begin_thread(&c);

        until(far_late(ch) == late_before + 1);
        still_waits(&c);
        far_tell(ch, verdict(rc, 0));
        ck_assert_int_eq(pthread_join(thread, NULL), 0);
        ck_assert_int_eq(c.rc, rc);
    }
    ck_assert_int_eq(far_accepted(ch), 3);
    far_close(ch);
    close_scope(&s, 0);
}

START_TEST(u4_a_thread_waits_for_the_verdict_as_well)
{
    try_workers(workers_of(_i), late_thread);
}
END_TEST

/* ---- close ---- */

static void closed(void)
{
    kc_scope_t s, calls;

    open_scope(&s);
    kc_chan_t *ch = far_open(&s);
    struct call open = { .ch = ch, .value = 1 }, picked = { .ch = ch, .value = 2 };
    open_scope(&calls);
    go_send(&calls, &picked);
    far_tell(ch, pick_send);
    go_send(&calls, &open);
    until(far_waiting(ch) == 1);
    ck_assert_int_eq(kc_chan_close(ch), 0);
    until(ka_load(&open.over, acquire));
    ck_assert_int_eq(open.rc, -EPIPE); // certainly not taken
    still_waits(&picked);              // nobody knows yet
    far_tell(ch, verdict(0, 0));
    close_scope(&calls, 0);
    ck_assert_int_eq(picked.rc, 0);
    ck_assert_int_eq(far_accepted(ch), 2);
    ck_assert_int_eq(put(ch, 1), -EPIPE);
    ck_assert_int_eq(get(ch), -EPIPE);
    far_close(ch);
    close_scope(&s, 0);
}

START_TEST(c5_closing_leaves_what_was_picked_up_to_its_verdict)
{
    try_workers(workers_of(_i), closed);
}
END_TEST

/* ---- refusals ---- */

static void too_many(void)
{
    struct call c[FAR_OPS];
    kc_scope_t s, calls;
    int v = 0;

    open_scope(&s);
    kc_chan_t *ch = far_open(&s);
    open_scope(&calls);
    memset(c, 0, sizeof c);
    for (int i = 0; i < FAR_OPS; i++) {
        c[i].ch = ch;
        go_send(&calls, &c[i]);
    }
    until(far_waiting(ch) == FAR_OPS);
    ck_assert_int_eq(kc_chan_send(ch, &v, KC_FOREVER), -ENOBUFS);
    ck_assert_int_eq(kc_chan_recv(ch, &v, KC_FOREVER), -ENOBUFS);
    ck_assert_uint_eq(senders_on(ch), FAR_OPS);
    ck_assert_int_eq(kc_chan_cancel(ch, 0), 0);
    close_scope(&calls, 0);
    check_deserted(ch);
    far_close(ch);
    close_scope(&s, 0);
}

START_TEST(r12_an_operation_that_cannot_begin_says_why_and_leaves_nothing_queued)
{
    try_workers(workers_of(_i), too_many);
}
END_TEST

static void in_select(void)
{
    kc_chan_t *other = kc_chan(int, 0);
    kc_scope_t s;
    int v = 0;

    open_scope(&s);
    kc_chan_t *ch = far_open(&s);
    for (int i = 0; i < 4; i++) {
        kc_case_t far = i % 2 ? KC_SEND(ch, &v) : KC_RECV(ch, &v);
        kc_sel_t r = i / 2 ? kc_select(KC_FOREVER, far, KC_RECV(other, &v))
                           : kc_select(KC_FOREVER, KC_RECV(other, &v), far);
        ck_assert_int_eq(r.i, -1);
        ck_assert_int_eq(r.rc, -ENOTSUP);
        ck_assert_int_eq(far_waiting(ch), 0);
        check_deserted(other);
        check_deserted(ch);
    }
    // What is ready elsewhere still wins, and so does a look that does not wait.
    ck_assert_int_eq(kc_select(KC_TRY, KC_RECV(ch, &v)).rc, -EAGAIN);
    ck_assert_int_eq(kc_chan_close(other), 0);
    kc_sel_t r = kc_select(KC_FOREVER, KC_RECV(ch, &v), KC_RECV(other, &v));
    ck_assert(r.i == 1 && r.rc == -EPIPE);
    // The caller can wait again: its ticket was closed properly.
    ck_assert_int_eq(kc_chan_recv(ch, &v, kc_in(KC_US(100))), -ETIME);
    far_close(ch);
    close_scope(&s, 0);
}

START_TEST(r10_in_a_select_they_are_not_supported_and_nothing_is_left_armed)
{
    try_workers(workers_of(_i), in_select);
}
END_TEST

/* ---- started clauses ---- */

struct nobody {
    struct kci_clause clause;
    struct kci_ticket tk;
    int value;
    _Atomic(int) woken;
};

static void note_wake(struct kci_ticket *tk)
{
    ka_add(&KCI_OF(tk, struct nobody, tk)->woken, 1, seq_cst);
}

static void stop_too_late(void)
{
    kc_scope_t s;

    open_scope(&s);
    kc_chan_t *ch = far_open(&s);
    for (int picked = 0; picked < 2; picked++) {
        struct nobody n = { .value = 6 };
        n.clause = (struct kci_clause){ .src = &kci_send_source, .obj = ch, .arg = &n.value };
        kci_ticket_init(&n.tk, note_wake);
        ck_assert_int_eq(kci_clause_start(&n.clause, &n.tk), -EINPROGRESS);
        if (picked)
            far_tell(ch, pick_send);
        ck_assert_int_eq(kci_clause_stop(&n.clause, &n.tk), !picked);
        ck_assert_int_eq(n.woken, 0);
        if (!picked)
            continue;
        far_tell(ch, verdict(0, 0));
        until(ka_load(&n.woken, seq_cst));
        ck_assert_int_eq(kci_clause_settle(&n.clause, &n.tk), 0);
    }
    ck_assert_int_eq(far_accepted(ch), 6);
    far_close(ch);
    close_scope(&s, 0);
}

START_TEST(r12_a_started_clause_that_was_picked_up_cannot_be_stopped)
{
    try_workers(workers_of(_i), stop_too_late);
}
END_TEST

/* ---- races ---- */

enum { SENDERS = 4, EACH = KCI_NOTES ? 400 : 3000 };

struct traffic {
    kc_chan_t *ch;
    uint64_t seed;
    _Atomic(long) sent, received;
    _Atomic(int) running;
};

KC_CO(traffic_send, struct traffic *t; int id;)
{
    struct dice d = dice_seeded(my->t->seed + (uint64_t)my->id);

    for (int i = 0; i < EACH; i++) {
        int v = my->id * EACH + i;
        int rc = kc_chan_send(my->t->ch, &v, kc_in(KC_NS(roll(&d, 20000))));
        must(rc == 0 || rc == -ETIME || rc == -ECONNREFUSED);
        if (rc == 0)
            ka_add(&my->t->sent, v, seq_cst);
    }
    ka_sub(&my->t->running, 1, seq_cst);
    return 0;
}

KC_CO(traffic_recv, struct traffic *t; int id;)
{
    struct dice d = dice_seeded(my->t->seed + 100 + (uint64_t)my->id);

    for (int i = 0, v; i < EACH; i++) {
        v = -1;
        int rc = kc_chan_recv(my->t->ch, &v, kc_in(KC_NS(roll(&d, 20000))));
        must(rc == 0 || rc == -ETIME || rc == -ECONNREFUSED);
        must((rc == 0) == (v >= 0));
        if (rc == 0)
            ka_add(&my->t->received, v, seq_cst);
    }
    ka_sub(&my->t->running, 1, seq_cst);
    return 0;
}

static void far_traffic(void)
{
    struct traffic t = { .seed = test_seed(), .running = SENDERS + 2 };
    struct dice d = dice_seeded(t.seed);
    kc_scope_t s, calls;

    open_scope(&s);
    t.ch = far_open(&s);
    open_scope(&calls);
    for (int i = 0; i < SENDERS; i++)
        kc_go(traffic_send, &t, i);
    for (int i = 0; i < 2; i++)
        kc_go(traffic_recv, &t, i);
    for (int value = 0; ka_load(&t.running, seq_cst); value++) {
        for (uint64_t n = roll(&d, 3); n; n--)
            let_run();
        if (far_pick(t.ch, roll(&d, 2)) && roll(&d, 3))
            kc_yield();
        if (far_picked(t.ch))
            far_decide(t.ch, roll(&d, 4) ? 0 : -ECONNREFUSED, value);
    }
    close_scope(&calls, 0);
    ck_assert_int_eq(t.sent, far_accepted(t.ch));
    ck_assert_int_eq(t.received, far_handed_out(t.ch));
    ck_assert_int_eq(far_waiting(t.ch) + far_picked(t.ch), 0);
    check_deserted(t.ch);
    far_close(t.ch);
    close_scope(&s, 0);
}

START_TEST(u4_verdicts_and_deadlines_that_meet_agree_about_every_element)
{
    try_workers(workers_of(_i), far_traffic);
}
END_TEST

SUITE("chan/async",
      CASE_LOOP(r12_the_verdict_is_the_result, WORKERS),
      CASE_LOOP(u4_a_deadline_takes_back_what_was_not_picked_up, WORKERS),
      CASE_LOOP(u3_a_cancellation_takes_back_what_was_not_picked_up, WORKERS),
      CASE_LOOP(u4_a_deadline_that_comes_too_late_waits_for_the_verdict, WORKERS),
      CASE_LOOP(u3_a_cancellation_that_comes_too_late_waits_for_the_verdict, WORKERS),
      CASE_LOOP(u4_a_thread_waits_for_the_verdict_as_well, WORKERS),
      CASE_LOOP(c5_closing_leaves_what_was_picked_up_to_its_verdict, WORKERS),
      CASE_LOOP(r12_an_operation_that_cannot_begin_says_why_and_leaves_nothing_queued,
                WORKERS),
      CASE_LOOP(r10_in_a_select_they_are_not_supported_and_nothing_is_left_armed, WORKERS),
      CASE_LOOP(r12_a_started_clause_that_was_picked_up_cannot_be_stopped, WORKERS),
      CASE_LOOP(u4_verdicts_and_deadlines_that_meet_agree_about_every_element, WORKERS))
