/* SPDX-License-Identifier: BSD-3-Clause */
/* tests/actor/test_actor.c — messages in order; how an actor ends, and who hears of it. */
#include <kcoro/metrics.h>

#include "core/mem.h"
#include "tests/actor/kit.h"

/* ---- order ---- */

enum { TELLERS = 4, EACH = 12 };

struct teller {
    struct guest guest;
    struct diary *d;
    int number;
};

static int tell_in_order(void *arg)
{
    struct teller *t = arg;

    for (int i = 0; i < EACH; i++)
        order(t->d, NOTE, t->number * 100 + i);
    return 0;
}

static void check_order(struct diary *d)
{
    int next[TELLERS] = { 0 };

    ck_assert_int_eq(d->handled, TELLERS * EACH);
    for (int i = 0; i < d->handled; i++) {
        int who = d->notes[i] / 100;
        ck_assert_int_eq(d->notes[i] % 100, next[who]);
        next[who]++;
    }
}

static int in_order(void *arg)
{
    static const long mailboxes[] = { 0, 1, 3, KC_UNLIMITED };

    (void)arg;
    for (int i = 0; i < 4; i++) {
        struct diary d = { .stop_why = 1 };
        struct teller t[TELLERS];
        kc_actor_opts_t o = diary_opts(&d);
        o.mailbox = mailboxes[i];
        diary_start(&d, &o);
        for (int k = 0; k < TELLERS; k++) {
            t[k] = (struct teller){ .d = &d, .number = k };
            guest_start(&t[k].guest, k == 3, tell_in_order, &t[k]);
        }
        for (int k = 0; k < TELLERS; k++)
            ck_assert_int_eq(guest_join(&t[k].guest), 0);
        ck_assert_int_eq(kc_actor_stop(d.actor, KC_FOREVER), 0);
        check_order(&d);
        ck_assert_int_eq(diary_end(&d), 0);
        ck_assert_int_eq(d.starts, 1);
        ck_assert_int_eq(d.stops, 1);
        ck_assert_int_eq(d.stop_why, 0);
    }
    return 0;
}

START_TEST(a1_messages_are_handled_in_order_one_at_a_time)
{
    ck_assert_int_eq(kt_run(kt_workers(_i), in_order, NULL), 0);
}
END_TEST

/* Senders that select between two mailboxes, and questions in between. */
struct chooser {
    struct guest guest;
    struct diary *d; /* two */
};

static int choose(void *arg)
{
    struct chooser *c = arg;
    int sent[2] = { 0, 0 };

    for (int i = 0; i < 20; i++) {
        struct order_msg o = { NOTE, i };
        kc_sel_t s = kc_select_fair(KC_FOREVER, KC_SEND(kc_actor_mailbox(c->d[0].actor), &o),
                                    KC_SEND(kc_actor_mailbox(c->d[1].actor), &o));
        int v = 0;
        must(s.rc == 0 && s.i >= 0);
        sent[s.i]++;
        if (i % 10 == 0) { // a question to the one that was told
            must_eq(ask_it(&c->d[s.i], ANSWER, 1000, &v, KC_FOREVER), 1000);
            must_eq(v, 1001);
            sent[s.i]++;
        }
    }
    return sent[0] * 100 + sent[1];
}

static int selected_on(void *arg)
{
    struct diary d[2] = { { .stop_why = 1 }, { .stop_why = 1 } };
    struct chooser c[2];
    int sent[2] = { 0, 0 };

    (void)arg;
    for (int i = 0; i < 2; i++) {
        kc_actor_opts_t o = diary_opts(&d[i]);
        o.mailbox = 1;
        diary_start(&d[i], &o);
    }
    for (int i = 0; i < 2; i++) {
        c[i] = (struct chooser){ .d = d };
        guest_start(&c[i].guest, i == 1, choose, &c[i]);
    }
    for (int i = 0; i < 2; i++) {
        int n = guest_join(&c[i].guest);
        sent[0] += n / 100;
        sent[1] += n % 100;
    }
    for (int i = 0; i < 2; i++) {
        ck_assert_int_eq(kc_actor_stop(d[i].actor, KC_FOREVER), 0);
        ck_assert_int_eq(d[i].handled, sent[i]);
        ck_assert_int_eq(diary_end(&d[i]), 0);
    }
    return 0;
}

START_TEST(a1_a_mailbox_can_be_selected_on)
{
    ck_assert_int_eq(kt_run(kt_workers(_i), selected_on, NULL), 0);
}
END_TEST

/* ---- stop and cancel ---- */

/* Its actor is in WAIT, with n notes behind that. */
static void fill(struct diary *d, int n)
{
    kc_actor_opts_t o = diary_opts(d);

    must_eq(kc_wg_add(&d->gate, 1), 0);
    diary_start(d, &o);
    order(d, WAIT, 0);
    kt_until(&d->waiting, 1);
    for (int i = 1; i <= n; i++)
        order(d, NOTE, i);
}

static int stop_drains(void *arg)
{
    struct diary d = { .stop_why = 1 };

    (void)arg;
    fill(&d, 5);
    ck_assert_int_eq(kc_actor_stop(d.actor, KC_TRY), -EAGAIN); // it is closed, and goes on
    ck_assert_int_eq(kc_actor_tell(d.actor, &(struct order_msg){ NOTE, 9 }, KC_TRY), -EPIPE);
    ck_assert_int_eq(kc_actor_stop(d.actor, kc_in(KC_US(100))), -ETIME);
    ck_assert_int_eq(kc_wg_done(&d.gate), 0);
    ck_assert_int_eq(kc_actor_stop(d.actor, KC_FOREVER), 0);
    ck_assert_int_eq(kc_actor_stop(d.actor, KC_TRY), 0);
    ck_assert_int_eq(d.handled, 6);
    for (int i = 0; i < 6; i++)
        ck_assert_int_eq(d.notes[i], i);
    ck_assert_int_eq(d.nlost, 0);
    ck_assert_int_eq(diary_end(&d), 0);
    ck_assert_int_eq(d.stops, 1);
    return 0;
}

START_TEST(a2_stopping_drains_the_mailbox)
{
    ck_assert_int_eq(kt_run(kt_workers(_i), stop_drains, NULL), 0);
}
END_TEST

static int cancel_discards(void *arg)
{
    struct diary d = { .stop_why = 1 };

    (void)arg;
    fill(&d, 5);
    ck_assert_int_eq(kc_actor_cancel(d.actor, 1), -EINVAL);
    ck_assert_int_eq(kc_actor_cancel(d.actor, -EIO), 0);
    ck_assert_int_eq(kc_actor_cancel(d.actor, -EBUSY), -EALREADY);
    ck_assert_int_eq(kc_actor_tell(d.actor, &(struct order_msg){ NOTE, 9 }, KC_TRY), -EPIPE);
    ck_assert_int_eq(diary_end(&d), -EIO);
    ck_assert_int_eq(d.wait_rc, -ECANCELED);
    ck_assert_int_eq(d.handled, 1);
    ck_assert_int_eq(d.nlost, 5);
    for (int i = 0; i < 5; i++) {
        ck_assert_int_eq(d.lost[i], i + 1);
        ck_assert_uint_eq(d.reasons[i], KC_UNDELIV_CANCELED);
    }
    ck_assert_int_eq(d.stops, 1);
    ck_assert_int_eq(d.stop_why, -EIO);
    return 0;
}

START_TEST(a2_cancelling_discards_the_mailbox_through_the_hook)
{
    ck_assert_int_eq(kt_run(kt_workers(_i), cancel_discards, NULL), 0);
}
END_TEST

/* At whatever point of its life: nothing is lost, nothing is handled and reported lost. */
static int cancel_any_time(void *arg)
{
    (void)arg;
    for (int i = 0; i < 200; i++) {
        struct diary d = { .stop_why = 1 };
        kc_actor_opts_t o = diary_opts(&d);
        diary_start(&d, &o);
        for (int k = 0; k < i % 7; k++)
            order(&d, NOTE, k);
        for (int k = 0; k < i % 3; k++)
            kc_yield();
        must_eq(kc_actor_cancel(d.actor, 0), 0);
        must_eq(diary_end(&d), -ECANCELED);
        must_eq(d.handled + d.nlost, i % 7);
        must_eq(d.stops, d.starts);
    }
    return 0;
}

START_TEST(a2_an_actor_may_be_cancelled_at_any_moment)
{
    ck_assert_int_eq(kt_run(kt_workers(_i), cancel_any_time, NULL), 0);
}
END_TEST

/* On one worker it has not run yet. */
static int cancel_early(void *arg)
{
    struct diary d = { .stop_why = 1 };
    kc_actor_opts_t o = diary_opts(&d);

    (void)arg;
    diary_start(&d, &o);
    for (int i = 0; i < 3; i++)
        order(&d, NOTE, i);
    ck_assert_int_eq(d.starts, 0);
    ck_assert_int_eq(kc_actor_cancel(d.actor, -EIO), 0);
    ck_assert_int_eq(diary_end(&d), -EIO);
    ck_assert_int_eq(d.handled, 0);
    ck_assert_int_eq(d.nlost, 3);
    ck_assert_int_eq(d.stop_why, -EIO);
    return 0;
}

START_TEST(a2_an_actor_that_is_cancelled_before_it_runs_handles_nothing)
{
    ck_assert_int_eq(kt_run(1, cancel_early, NULL), 0);
}
END_TEST

static int scope_ends_it(void *arg)
{
    struct diary d = { .stop_why = 1 };
    kc_scope_t s;

    (void)arg;
    ck_assert_int_eq(kc_scope_open(&s, NULL), 0);
    fill(&d, 2);
    kc_scope_cancel(&s, -EIO);
    ck_assert_int_eq(kc_scope_close(&s), -EIO);
    ck_assert_int_eq(diary_end(&d), -EIO);
    ck_assert_int_eq(d.nlost, 2);
    ck_assert_int_eq(d.stop_why, -EIO);
    return 0;
}

START_TEST(k1_an_actor_ends_with_its_scope)
{
    ck_assert_int_eq(kt_run(kt_workers(_i), scope_ends_it, NULL), 0);
}
END_TEST

static int let_go(void *arg)
{
    struct diary d = { .stop_why = 1 };
    kc_actor_opts_t o = diary_opts(&d);
    kc_scope_t s;

    (void)arg;
    ck_assert_int_eq(kc_scope_open(&s, NULL), 0);
    diary_start(&d, &o);
    ck_assert_ptr_eq(kc_actor_ref(d.actor), d.actor);
    order(&d, NOTE, 1);
    kc_actor_unref(d.actor);
    order(&d, NOTE, 2);
    kc_actor_unref(d.actor);
    ck_assert_int_eq(kc_scope_close(&s), 0); // it has handled both, and ended
    ck_assert_int_eq(d.handled, 2);
    ck_assert_int_eq(d.stops, 1);
    ck_assert_int_eq(d.stop_why, 0);
    kc_actor_unref(NULL);
    return 0;
}

START_TEST(r19_without_handles_an_actor_ends_once_it_is_done)
{
    ck_assert_int_eq(kt_run(kt_workers(_i), let_go, NULL), 0);
}
END_TEST

/* ---- what belongs to it ---- */

static int child(void *arg)
{
    struct diary *d = arg;

    must_eq(kc_wg_wait(&d->gate, KC_FOREVER), 0);
    return ka_add(&d->waiting, 1, release) ? -EIO : -EBUSY; // the first one: -EBUSY
}

static int start_child(kc_msg_t *m, const void *data, void *self)
{
    (void)m, (void)data;
    return kc_spawn(NULL, child, self, NULL);
}

static int children(void *arg)
{
    struct diary d = { .stop_why = 1 };
    kc_actor_opts_t o = diary_opts(&d);

    (void)arg;
    o.on_msg = start_child;
    must_eq(kc_wg_add(&d.gate, 1), 0);
    diary_start(&d, &o);
    order(&d, NOTE, 1);
    ck_assert_int_eq(kc_actor_stop(d.actor, kc_in(KC_MS(1))), -ETIME); // its child is alive
    ck_assert_int_eq(d.stops, 0);
    ck_assert_int_eq(kc_wg_done(&d.gate), 0);
    ck_assert_int_eq(diary_end(&d), -EBUSY);
    ck_assert_int_eq(d.waiting, 1);
    ck_assert_int_eq(d.stops, 1);
    return 0;
}

START_TEST(k1_an_actor_waits_for_what_it_has_started)
{
    ck_assert_int_eq(kt_run(kt_workers(_i), children, NULL), 0);
}
END_TEST

/* ---- telling itself ---- */

static int tell_note(void *arg)
{
    order(arg, NOTE, 8);
    return 0;
}

static uint64_t tellers_waiting(struct diary *d)
{
    struct kc_chan_stats st;

    must_eq(kc_chan_stats(kc_actor_mailbox(d->actor), &st), 0);
    return st.send_waiters;
}

/* Its one place is taken by TELL_SELF; as soon as that is handled, by a note that waited. */
static void tell_itself(int value, int expected)
{
    struct diary d = { .tell_rc = 1 };
    kc_actor_opts_t o = diary_opts(&d);
    struct guest g;

    o.mailbox = 1;
    must_eq(kc_wg_add(&d.gate, 1), 0);
    diary_start(&d, &o);
    order(&d, WAIT, 0);
    kt_until(&d.waiting, 1);
    order(&d, TELL_SELF, value);
    if (expected)
        guest_start(&g, value % 4 == 3, tell_note, &d);
    while (expected && !tellers_waiting(&d))
        kt_pass();
    ck_assert_int_eq(kc_wg_done(&d.gate), 0);
    ck_assert_int_eq(expected ? guest_join(&g) : 0, 0);
    kt_until(&d.handled, 3);
    ck_assert_int_eq(kc_actor_stop(d.actor, KC_FOREVER), 0);
    ck_assert_int_eq(d.tell_rc, expected);
    ck_assert_int_eq(d.notes[2], expected ? 8 : value);
    ck_assert_int_eq(diary_end(&d), 0);
}

static int self_tellers(void *arg)
{
    (void)arg;
    tell_itself(4, 0);
    tell_itself(5, -ETIME);
    tell_itself(6, -EDEADLK); // nobody else would make room
    tell_itself(7, -ETIME);
    return 0;
}

START_TEST(a6_an_actor_that_tells_itself_is_not_stuck_on_its_full_mailbox)
{
    ck_assert_int_eq(kt_run(kt_workers(_i), self_tellers, NULL), 0);
}
END_TEST

/* ---- waiting for oneself ---- */

static int on_itself(kc_msg_t *m, const void *data, void *self)
{
    struct diary *d = self;

    (void)m;
    must_eq(kc_actor_join(d->actor, NULL, KC_FOREVER), -EDEADLK);
    must_eq(kc_actor_stop(d->actor, KC_FOREVER), -EDEADLK);
    must_eq(kc_actor_ask(d->actor, data, NULL, 0, KC_FOREVER), -EDEADLK);
    must_eq(kc_chan_why(kc_actor_mailbox(d->actor)), 0); // nothing was done
    return kc_chan_close(kc_actor_mailbox(d->actor));    // how an actor ends itself
}

static int self_waiters(void *arg)
{
    struct diary d = { .stop_why = 1 };
    kc_actor_opts_t o = diary_opts(&d);

    (void)arg;
    o.on_msg = on_itself;
    diary_start(&d, &o);
    order(&d, NOTE, 1);
    ck_assert_int_eq(diary_end(&d), 0);
    return 0;
}

START_TEST(a6_an_actor_does_not_wait_for_itself)
{
    ck_assert_int_eq(kt_run(kt_workers(_i), self_waiters, NULL), 0);
}
END_TEST

static int join_it(void *arg)
{
    return kc_actor_join(arg, NULL, KC_FOREVER);
}

/* One of them lives where the actor lived, and is not the actor. */
static int successors(void *arg)
{
    struct diary d = { .stop_why = 1 };
    kc_actor_opts_t o = diary_opts(&d);
    kc_co_t *co[8];

    (void)arg;
    diary_start(&d, &o);
    ck_assert_int_eq(kc_actor_stop(d.actor, KC_FOREVER), 0);
    kc_yield();
    for (int i = 0; i < 8; i++)
        co[i] = kt_spawn(join_it, d.actor);
    for (int i = 0; i < 8; i++)
        ck_assert_int_eq(kt_join(co[i]), 0);
    return diary_end(&d);
}

START_TEST(a6_a_coroutine_in_the_place_of_an_ended_actor_is_not_that_actor)
{
    ck_assert_int_eq(kt_run(kt_workers(_i), successors, NULL), 0);
}
END_TEST

/* ---- options, memory ---- */

static int bad_options(void *arg)
{
    struct diary d = { .starts = 0 };
    kc_actor_opts_t good = diary_opts(&d), bad[7];
    kc_actor_t *a;

    (void)arg;
    for (int i = 0; i < 7; i++)
        bad[i] = good;
    bad[0].on_msg = NULL;
    bad[1].restart = -1;
    bad[2].restart = KC_RESTART_ALWAYS + 1;
    bad[3].max_restarts = -1;
    bad[4].restart_window_ns = -1;
    bad[5].mailbox = -9;
    bad[6].overflow = 9;
    for (int i = 0; i < 7; i++)
        ck_assert_int_eq(kc_actor_start(&a, &bad[i]), -EINVAL);
    ck_assert_ptr_null(a);
    good.msg_size = SIZE_MAX;
    ck_assert_int_eq(kc_actor_start(&a, &good), -EOVERFLOW);
    ck_assert_int_eq(kc_actor_start(NULL, &good), -EINVAL);
    ck_assert_int_eq(kc_actor_start(&a, NULL), -EINVAL);
    ck_assert_int_eq(kc_actor_tell(NULL, "x", KC_TRY), -EINVAL);
    ck_assert_int_eq(kc_actor_cancel(NULL, 0), -EINVAL);
    ck_assert_int_eq(kc_actor_stop(NULL, KC_TRY), -EINVAL);
    ck_assert_int_eq(kc_actor_join(NULL, NULL, KC_TRY), -EINVAL);
    ck_assert_ptr_null(kc_actor_mailbox(NULL));
    ck_assert_int_eq(d.starts, 0);
    return 0;
}

START_TEST(b16_options_that_make_no_sense_say_einval)
{
    kc_actor_opts_t o = { .on_msg = on_itself };
    kc_actor_t *a;

    ck_assert_int_eq(kc_actor_start(&a, &o), -EPERM); // on a plain thread
    ck_assert_int_eq(kt_run(kt_workers(_i), bad_options, NULL), 0);
}
END_TEST

static int no_memory(void *arg)
{
    int failures = 0;

    (void)arg;
    for (uint64_t n = 1;; n++) {
        struct diary d = { .stop_why = 1 };
        kc_actor_opts_t o = diary_opts(&d);
        uint64_t blocks = kci_mem_blocks_in_use();
        kci_mem_fail_nth(n);
        int rc = kc_actor_start(&d.actor, &o);
        if (rc) {
            kci_mem_fail_nth(0);
            ck_assert_int_eq(rc, -ENOMEM);
            ck_assert_ptr_null(d.actor);
            ck_assert_uint_eq(kci_mem_blocks_in_use(), blocks);
            failures++;
            continue;
        }
        int told = kc_actor_tell(d.actor, &(struct order_msg){ NOTE, 1 }, KC_FOREVER);
        ck_assert(told == 0 || told == -EPIPE);
        ck_assert_int_eq(kc_actor_stop(d.actor, KC_FOREVER), 0);
        kci_mem_fail_nth(0);
        int why = diary_end(&d); // its scope may have been what could not be had
        ck_assert(why == 0 || why == -ENOMEM);
        ck_assert_int_eq(d.handled + d.nlost, told ? 0 : 1);
        ck_assert_int_eq(d.stops, d.starts);
        if (!why)
            break;
        failures++;
    }
    ck_assert_int_ge(failures, 4);
    return 0;
}

START_TEST(g5_whichever_allocation_fails_an_actor_starts_or_does_not)
{
    ck_assert_int_eq(kt_run(kt_workers(_i), no_memory, NULL), 0);
}
END_TEST

SUITE("actor/actor", CASE_WORKERS(a1_messages_are_handled_in_order_one_at_a_time),
      CASE_WORKERS(a1_a_mailbox_can_be_selected_on),
      CASE_WORKERS(a2_stopping_drains_the_mailbox),
      CASE_WORKERS(a2_cancelling_discards_the_mailbox_through_the_hook),
      CASE_WORKERS(a2_an_actor_may_be_cancelled_at_any_moment),
      CASE(a2_an_actor_that_is_cancelled_before_it_runs_handles_nothing),
      CASE_WORKERS(k1_an_actor_ends_with_its_scope),
      CASE_WORKERS(r19_without_handles_an_actor_ends_once_it_is_done),
      CASE_WORKERS(k1_an_actor_waits_for_what_it_has_started),
      CASE_WORKERS(a6_an_actor_that_tells_itself_is_not_stuck_on_its_full_mailbox),
      CASE_WORKERS(a6_an_actor_does_not_wait_for_itself),
      CASE_WORKERS(a6_a_coroutine_in_the_place_of_an_ended_actor_is_not_that_actor),
      CASE_WORKERS(b16_options_that_make_no_sense_say_einval),
      CASE_WORKERS(g5_whichever_allocation_fails_an_actor_starts_or_does_not))
