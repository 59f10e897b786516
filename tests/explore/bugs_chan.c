/* SPDX-License-Identifier: BSD-3-Clause */
/* tests/explore/bugs_chan.c — planted bugs around channels, select, requests and credits. */
#include "tests/explore/bugs.h"

struct shared {
    kc_chan_t *a, *b, *reply;
    int n, credits, closed, last;
};

static int with_channels(const kc_fn *fns, int n, long capacity)
{
    struct shared s = { .a = kc_chan(int, capacity), .b = kc_chan(int, capacity),
                        .reply = kc_chan(int, 1), .credits = 1 };

    if (!s.a || !s.b || !s.reply)
        return -ENOMEM;
    return bugs_together(fns, n, &s);
}

/* ---- a home-made select: looks, then takes ---- */

static int send_one(void *arg)
{
    struct shared *s = arg;
    int v = 1;
    return kc_send(s->a, &v);
}

static int look_then_take(void *arg)
{
    struct shared *s = arg;
    int v;

    for (int tries = 0; !kc_chan_len(s->a); tries++)
        if (tries == 10 || kc_sleep(KC_MS(1)) < 0)
            return 0;
    return kc_recv(s->a, &v); // somebody else may have taken it
}

static int own_select(void *arg)
{
    (void)arg;
    return with_channels((kc_fn[]){ look_then_take, look_then_take, send_one }, 3, 1);
}

/* ---- closed by each who is done ---- */

static int send_and_close(void *arg)
{
    struct shared *s = arg;
    int v = 1, rc = kc_send(s->a, &v);
    return rc ? rc : kc_chan_close(s->a);
}

static int drain(void *arg)
{
    struct shared *s = arg;
    int v, rc;

    while ((rc = kc_recv(s->a, &v)) == 0) {}
    return rc == -EPIPE ? 0 : rc;
}

static int double_close(void *arg)
{
    (void)arg;
    return with_channels((kc_fn[]){ send_and_close, send_and_close, drain }, 3, 2);
}

/* ---- nobody closes when the last one fails ---- */

static int close_if_first(void *arg)
{
    struct shared *s = arg;
    int v = 1, rc = kc_send(s->a, &v);

    if (rc == 0 && s->closed++ == 0) {
        kc_point();
        return s->closed == 2 ? 0 : kc_chan_close(s->a); // each leaves it to the other
    }
    return rc == -EPIPE ? 0 : rc;
}

static int never_closed(void *arg)
{
    (void)arg;
    return with_channels((kc_fn[]){ close_if_first, close_if_first, drain }, 3, KC_UNLIMITED);
}

/* ---- two servers that answer each other through full channels ---- */

static int ask_ab(void *arg)
{
    struct shared *s = arg;
    int v = 0;

    for (int i = 0; i < 2; i++)
        bugs_must(kc_send(s->a, &v));
    for (int i = 0; i < 2; i++)
        bugs_must(kc_recv(s->b, &v));
    return 0;
}

static int ask_ba(void *arg)
{
    struct shared *s = arg;
    int v = 0;

    for (int i = 0; i < 2; i++) {
        if (kc_chan_len(s->a) == 0) { // nothing to do yet: answer ahead
            bugs_must(kc_send(s->b, &v));
            bugs_must(kc_recv(s->a, &v));
        } else {
            bugs_must(kc_recv(s->a, &v));
            bugs_must(kc_send(s->b, &v));
        }
    }
    return 0;
}

static int full_circle(void *arg)
{
    (void)arg;
    return with_channels((kc_fn[]){ ask_ab, ask_ba }, 2, 0);
}

/* ---- answers that go to whoever reads first ---- */

static int ask(struct shared *s, int what)
{
    int answer;

    bugs_must(kc_send(s->a, &what));
    bugs_must(kc_recv(s->reply, &answer));
    kc_always(answer == what);
    return 0;
}

static int ask_one(void *arg)
{
    return ask(arg, 1);
}

static int ask_two(void *arg)
{
    return ask(arg, 2);
}

static int answer_both(void *arg)
{
    struct shared *s = arg;
    int v;

    for (int i = 0; i < 2; i++) {
        bugs_must(kc_recv(s->a, &v));
        bugs_must(kc_send(s->reply, &v));
    }
    return 0;
}

static int shared_reply(void *arg)
{
    (void)arg;
    return with_channels((kc_fn[]){ ask_one, ask_two, answer_both }, 3, 1);
}

/* ---- a credit that is not given back when the wait ends early ---- */

static int use_credit(void *arg)
{
    struct shared *s = arg;
    int v = 1;

    while (s->credits == 0)
        if (kc_sleep(KC_MS(1)) < 0)
            return 0;
    s->credits--;
    if (kc_send(s->b, &v, KC_TRY) < 0)
        return 0; // and the credit?
    s->credits++;
    return 0;
}

static int take_b(void *arg)
{
    struct shared *s = arg;
    int v;
    int rc = kc_recv(s->b, &v, kc_in(KC_MS(5)));
    return rc == -ETIME ? 0 : rc;
}

static int credits(void *arg)
{
    struct shared s = { .b = kc_chan(int, 0), .credits = 1 };

    (void)arg;
    if (!s.b)
        return -ENOMEM;
    int rc = bugs_together((kc_fn[]){ use_credit, take_b }, 2, &s);
    kc_sometimes(s.credits == 1);
    kc_always(s.credits == 1);
    return rc;
}

/* ---- an order that nobody promised ---- */

static int say_one(void *arg)
{
    struct shared *s = arg;
    int v = 1;
    return kc_send(s->a, &v);
}

static int say_two(void *arg)
{
    struct shared *s = arg;
    int v = 2;
    return kc_send(s->a, &v);
}

static int expect_order(void *arg)
{
    struct shared *s = arg;

    for (int v, want = 1; want <= 2; want++) {
        bugs_must(kc_recv(s->a, &v));
        kc_always(v == want);
    }
    return 0;
}

static int assumed_order(void *arg)
{
    (void)arg;
    return with_channels((kc_fn[]){ say_one, say_two, expect_order }, 3, 2);
}

/* ---- a result taken before it is there ---- */

static int produce_result(void *arg)
{
    struct shared *s = arg;

    bugs_must(kc_checkpoint());
    s->n = 42;
    return 0;
}

static int use_result(void *arg)
{
    struct shared *s = arg;

    bugs_must(kc_checkpoint());
    kc_always(s->n == 42);
    return 0;
}

static int order_violation(void *arg)
{
    struct shared s = { .n = 0 };
    (void)arg;
    return bugs_together((kc_fn[]){ produce_result, use_result }, 2, &s);
}

/* ---- a select whose loser is taken for a loss ---- */

static int stop_soon(void *arg)
{
    struct shared *s = arg;
    return kc_chan_close(s->b);
}

static int until_stopped(void *arg)
{
    struct shared *s = arg;
    int v;

    for (;;) {
        kc_sel_t sel = kc_select(KC_FOREVER, KC_RECV(s->b, NULL), KC_RECV(s->a, &v));
        if (sel.i == 0)
            break; // what is left in a is forgotten
        s->n++;
    }
    kc_always(s->n == 1);
    return 0;
}

static int stopped_too_early(void *arg)
{
    (void)arg;
    return with_channels((kc_fn[]){ send_one, stop_soon, until_stopped }, 3, 1);
}

/* ---- a deadline that passes while the answer is on its way ---- */

static int answer_late(void *arg)
{
    struct shared *s = arg;
    int v = 7;

    bugs_must(kc_sleep(KC_MS(10)));
    return kc_send(s->reply, &v); // nobody may be there, and the next question gets it
}

static int ask_with_deadline(void *arg)
{
    struct shared *s = arg;
    int v = 0;

    if (kc_recv(s->reply, &v, kc_in(KC_MS(10))) == 0)
        kc_always(v == 7);
    s->n = v;
    kc_never(v == 0);
    return 0;
}

static int late_answer(void *arg)
{
    (void)arg;
    return with_channels((kc_fn[]){ answer_late, ask_with_deadline }, 2, 1);
}

#define BUG(fn, within, why) { #fn, fn, within, why }

const struct bug bugs_chan[] = {
    BUG(own_select, 50, "deadlock"),
    BUG(double_close, 20, "returned"),
    BUG(never_closed, 50, "deadlock"),
    BUG(full_circle, 50, "deadlock"),
    BUG(shared_reply, 20, "kc_always"),
    BUG(credits, 20, "kc_always"),
    BUG(assumed_order, 20, "kc_always"),
    BUG(order_violation, 20, "kc_always"),
    BUG(stopped_too_early, 20, "kc_always"),
    BUG(late_answer, 50, "kc_never"),
};
const unsigned bugs_chan_count = sizeof bugs_chan / sizeof bugs_chan[0];
