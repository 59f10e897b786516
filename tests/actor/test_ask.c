/* SPDX-License-Identifier: BSD-3-Clause */
/* tests/actor/test_ask.c — questions: their place among the messages, their reply or its lack. */
#include "chan/actor.h"
#include "core/mem.h"
#include "tests/actor/kit.h"

/* ---- replies ---- */

static int answers(void *arg)
{
    struct diary d = { .stop_why = 1 };
    kc_actor_opts_t o = diary_opts(&d);
    int v = -1;

    (void)arg;
    diary_start(&d, &o);
    ck_assert_int_eq(ask_it(&d, ANSWER, 5, &v, KC_FOREVER), 5);
    ck_assert_int_eq(v, 6);
    ck_assert_int_eq(ask_it(&d, ANSWER, -EAGAIN, &v, kc_in(KC_S(1000))), -EAGAIN);
    ck_assert_int_eq(v, -EAGAIN + 1);
    v = -1;
    ck_assert_int_eq(ask_it(&d, ANSWER_NONE, 5, &v, KC_FOREVER), -EPIPE);
    ck_assert_int_eq(v, -1);
    order(&d, ANSWER, 5); // nobody asked, and that is no failure
    ck_assert_int_eq(ask_it(&d, FAIL, -EIO, &v, KC_FOREVER), -EPIPE);
    ck_assert_int_eq(diary_end(&d), -EIO);
    ck_assert_int_eq(d.handled, 5);
    return 0;
}

START_TEST(a3_who_asks_gets_the_reply)
{
    ck_assert_int_eq(kt_run(kt_workers(_i), answers, NULL), 0);
}
END_TEST

static int reply_in_parts(kc_msg_t *m, const void *data, void *self)
{
    (void)data, (void)self;
    must_eq(kc_actor_reply(NULL, 0, NULL, 0), -EINVAL);
    must_eq(kc_actor_reply(m, 0, NULL, 1), -EINVAL);
    must_eq(kc_actor_reply(m, 0, "longer than asked", 17), -EMSGSIZE);
    must_eq(kc_actor_reply(m, 3, "abc", 3), 0);
    must_eq(kc_actor_reply(m, 4, "xyz", 3), -EALREADY);
    return 0;
}

static int parts(void *arg)
{
    kc_actor_opts_t o = { .on_msg = reply_in_parts };
    char text[] = "12345678";
    kc_actor_t *a;

    (void)arg;
    ck_assert_int_eq(kc_actor_start(&a, &o), 0);
    ck_assert_int_eq(kc_actor_ask(NULL, NULL, text, 1, KC_FOREVER), -EINVAL);
    ck_assert_int_eq(kc_actor_ask(a, NULL, NULL, 1, KC_FOREVER), -EINVAL);
    ck_assert_int_eq(kc_actor_ask(a, NULL, text, 8, KC_TRY), -EAGAIN);
    ck_assert_int_eq(kc_actor_ask(a, NULL, text, 8, kc_in(-1)), -ETIME);
    ck_assert_int_eq(kc_actor_ask(a, NULL, text, 8, KC_FOREVER), 3);
    ck_assert_str_eq(text, "abc45678");
    ck_assert_int_eq(kc_actor_stop(a, KC_FOREVER), 0);
    ck_assert_int_eq(kc_actor_ask(a, NULL, text, 8, KC_FOREVER), -EPIPE);
    ck_assert_int_eq(kc_actor_ask(a, NULL, text, 8, KC_TRY), -EPIPE);
    kc_actor_unref(a);
    return 0;
}

START_TEST(a3_a_reply_may_be_shorter_but_not_longer)
{
    ck_assert_int_eq(kt_run(kt_workers(_i), parts, NULL), 0);
}
END_TEST

/* ---- order ---- */

struct asker {
    struct guest guest;
    struct diary *d;
    int value, reply;
    enum order what;
};

static int ask_once(void *arg)
{
    struct asker *q = arg;
    return ask_it(q->d, q->what, q->value, &q->reply, KC_FOREVER);
}

/* Asks are not elements: their number is seen in the actor's own list. */
static int asks_of(kc_actor_t *a)
{
    int n = 0;

    kci_lock(&a->mailbox->lock);
    KCI_EACH(it, &a->asks)
        n++;
    kci_unlock(&a->mailbox->lock);
    return n;
}

static void ask_later(struct asker *q, struct diary *d, enum order what, int value)
{
    int before = asks_of(d->actor);

    *q = (struct asker){ .d = d, .value = value, .reply = -1, .what = what };
    guest_start(&q->guest, value % 2, ask_once, q);
    while (asks_of(d->actor) != before + 1)
        kt_pass();
}

/* The actor waits in WAIT; 1 … 7 come behind it, told or asked. */
static void mixed(long mailbox, int overflow, const int *expected, int n)
{
    struct diary d = { .stop_why = 1 };
    kc_actor_opts_t o = diary_opts(&d);
    struct asker q[3];

    o.mailbox = mailbox;
    o.overflow = overflow;
    must_eq(kc_wg_add(&d.gate, 1), 0);
    diary_start(&d, &o);
    order(&d, WAIT, 0);
    kt_until(&d.waiting, 1);
    ask_later(&q[0], &d, ANSWER, 1);
    order(&d, NOTE, 2);
    order(&d, NOTE, 3);
    ask_later(&q[1], &d, ANSWER, 4);
    order(&d, NOTE, 5);
    order(&d, NOTE, 6);
    ask_later(&q[2], &d, ANSWER, 7);
    ck_assert_int_eq(kc_wg_done(&d.gate), 0);
    for (int i = 0; i < 3; i++) {
        ck_assert_int_eq(guest_join(&q[i].guest), q[i].value);
        ck_assert_int_eq(q[i].reply, q[i].value + 1);
    }
    ck_assert_int_eq(kc_actor_stop(d.actor, KC_FOREVER), 0);
    ck_assert_int_eq(d.handled, n + 1);
    for (int i = 0; i < n; i++)
        ck_assert_int_eq(d.notes[i + 1], expected[i]);
    ck_assert_int_eq(d.nlost, 7 - n);
    ck_assert_int_eq(diary_end(&d), 0);
}

static int asks_in_order(void *arg)
{
    (void)arg;
    mixed(8, KC_SUSPEND, (int[]){ 1, 2, 3, 4, 5, 6, 7 }, 7);
    mixed(KC_UNLIMITED, KC_SUSPEND, (int[]){ 1, 2, 3, 4, 5, 6, 7 }, 7);
    mixed(3, KC_DROP_OLDEST, (int[]){ 1, 3, 4, 5, 6, 7 }, 6);
    mixed(3, KC_DROP_LATEST, (int[]){ 1, 2, 3, 4, 5, 7 }, 6);
    mixed(2, KC_DROP_LATEST, (int[]){ 1, 2, 3, 4, 7 }, 5);
    mixed(KC_CONFLATED, KC_SUSPEND, (int[]){ 1, 4, 6, 7 }, 4);
    return 0;
}

START_TEST(a1_a_question_is_handled_in_its_place_among_the_messages)
{
    ck_assert_int_eq(kt_run(kt_workers(_i), asks_in_order, NULL), 0);
}
END_TEST

/* ---- leaving ---- */

static int late_reply(void *arg)
{
    struct diary d = { .reply_rc = 1 };
    kc_actor_opts_t o = diary_opts(&d);
    int v = -1;

    (void)arg;
    must_eq(kc_wg_add(&d.gate, 1), 0);
    diary_start(&d, &o);
    ck_assert_int_eq(ask_it(&d, WAIT, 0, &v, kc_in(KC_MS(2))), -ETIME);
    kt_until(&d.waiting, d.handled);
    ck_assert_int_eq(kc_wg_done(&d.gate), 0);
    ck_assert_int_eq(kc_actor_stop(d.actor, KC_FOREVER), 0);
    ck_assert_int_eq(v, -1);
    if (d.handled) // else we left before it had even begun
        ck_assert_int_eq(d.reply_rc, 0);
    ck_assert_int_eq(diary_end(&d), 0);
    return 0;
}

START_TEST(a3_a_late_reply_is_dropped)
{
    ck_assert_int_eq(kt_run_virtual(late_reply, NULL), 0); // here it surely is late
    ck_assert_int_eq(kt_run(kt_workers(_i), late_reply, NULL), 0);
}
END_TEST

static int leave_before(void *arg)
{
    struct diary d = { .stop_why = 1 };
    kc_actor_opts_t o = diary_opts(&d);
    struct asker q;
    kc_scope_t s;
    int v = -1;

    (void)arg;
    must_eq(kc_wg_add(&d.gate, 1), 0);
    diary_start(&d, &o);
    order(&d, WAIT, 0);
    kt_until(&d.waiting, 1);
    ck_assert_int_eq(ask_it(&d, ANSWER, 1, &v, kc_in(KC_US(200))), -ETIME);
    ck_assert_int_eq(kc_scope_open(&s, NULL), 0);
    ask_later(&q, &d, ANSWER, 2); // an even one is a coroutine
    kc_scope_cancel(&s, 0);
    ck_assert_int_eq(ask_it(&d, ANSWER, 3, &v, KC_FOREVER), -ECANCELED);
    ck_assert_int_eq(kc_scope_close(&s), -ECANCELED);
    ck_assert_int_eq(guest_join(&q.guest), -ECANCELED);
    ck_assert_int_eq(asks_of(d.actor), 0);
    ck_assert_int_eq(kc_wg_done(&d.gate), 0);
    ck_assert_int_eq(kc_actor_stop(d.actor, KC_FOREVER), 0);
    ck_assert_int_eq(diary_end(&d), 0);
    ck_assert_int_eq(d.handled, 1); // WAIT alone
    return 0;
}

START_TEST(t16_who_leaves_in_time_is_not_handled)
{
    ck_assert_int_eq(kt_run(kt_workers(_i), leave_before, NULL), 0);
}
END_TEST

/* Askers that come and go, and an actor that answers at about the same time. */
static int ask_in_a_hurry(void *arg)
{
    struct asker *q = arg;

    for (int i = 0; i < 100; i++) {
        int v = -1, rc = ask_it(q->d, ANSWER, 1000 + i, &v, kc_in(KC_US(i % 30)));
        must(rc == 1000 + i || rc == -ETIME);
        must_eq(v, rc < 0 ? -1 : 1001 + i);
    }
    return 0;
}

static int answer_it(kc_msg_t *m, const void *data, void *self)
{
    const struct order_msg *o = data; // aligned for anything

    (void)self;
    return kc_actor_reply(m, o->value, &(int){ o->value + 1 }, sizeof(int));
}

static int hurry(void *arg)
{
    struct diary d = { .stop_why = 1 };
    kc_actor_opts_t o = diary_opts(&d);
    struct asker q[4];

    (void)arg;
    o.on_msg = answer_it;
    diary_start(&d, &o);
    for (int i = 0; i < 4; i++) {
        q[i] = (struct asker){ .d = &d };
        guest_start(&q[i].guest, i == 3, ask_in_a_hurry, &q[i]);
    }
    for (int i = 0; i < 4; i++)
        ck_assert_int_eq(guest_join(&q[i].guest), 0);
    ck_assert_int_eq(asks_of(d.actor), 0);
    ck_assert_int_eq(kc_actor_stop(d.actor, KC_FOREVER), 0);
    return diary_end(&d);
}

START_TEST(a3_a_reply_and_a_deadline_at_once_give_one_answer)
{
    ck_assert_int_eq(kt_run(kt_workers(_i), hurry, NULL), 0);
}
END_TEST

/* ---- the actor ends first ---- */

static int ended_first(void *arg)
{
    (void)arg;
    for (int cancel = 0; cancel < 2; cancel++) {
        struct diary d = { .stop_why = 1 };
        kc_actor_opts_t o = diary_opts(&d);
        struct asker q[3];
        must_eq(kc_wg_add(&d.gate, 1), 0);
        diary_start(&d, &o);
        order(&d, WAIT, 0);
        kt_until(&d.waiting, 1);
        order(&d, FAIL, -EIO);
        for (int i = 0; i < 3; i++)
            ask_later(&q[i], &d, ANSWER, i);
        if (cancel)
            ck_assert_int_eq(kc_actor_cancel(d.actor, -EBUSY), 0);
        ck_assert_int_eq(kc_wg_done(&d.gate), 0);
        for (int i = 0; i < 3; i++)
            ck_assert_int_eq(guest_join(&q[i].guest), -EPIPE);
        ck_assert_int_eq(diary_end(&d), cancel ? -EBUSY : -EIO);
    }
    return 0;
}

START_TEST(a3_an_actor_that_ends_dismisses_those_who_asked)
{
    ck_assert_int_eq(kt_run(kt_workers(_i), ended_first, NULL), 0);
}
END_TEST

static int no_memory(void *arg)
{
    struct diary d = { .stop_why = 1 };
    kc_actor_opts_t o = diary_opts(&d);
    int v = -1;

    (void)arg;
    diary_start(&d, &o);
    ck_assert_int_eq(ask_it(&d, ANSWER, 1, &v, KC_FOREVER), 1); // all is in place now
    kci_mem_fail_nth(1);
    ck_assert_int_eq(ask_it(&d, ANSWER, 2, &v, KC_FOREVER), -ENOMEM);
    kci_mem_fail_nth(0);
    ck_assert_int_eq(ask_it(&d, ANSWER, 3, &v, KC_FOREVER), 3);
    ck_assert_int_eq(kc_actor_stop(d.actor, KC_FOREVER), 0);
    ck_assert_int_eq(d.handled, 2);
    return diary_end(&d);
}

START_TEST(g5_asking_without_memory_says_enomem)
{
    ck_assert_int_eq(kt_run(kt_workers(_i), no_memory, NULL), 0);
}
END_TEST

SUITE("actor/ask", CASE_WORKERS(a3_who_asks_gets_the_reply),
      CASE_WORKERS(a3_a_reply_may_be_shorter_but_not_longer),
      CASE_WORKERS(a1_a_question_is_handled_in_its_place_among_the_messages),
      CASE_WORKERS(a3_a_late_reply_is_dropped),
      CASE_WORKERS(t16_who_leaves_in_time_is_not_handled),
      CASE_WORKERS(a3_a_reply_and_a_deadline_at_once_give_one_answer),
      CASE_WORKERS(a3_an_actor_that_ends_dismisses_those_who_asked),
      CASE_WORKERS(g5_asking_without_memory_says_enomem))
