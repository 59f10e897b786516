/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * tests/model/chan.c — chan/ and select/ between plain threads: an element is received once, with
 * what was done before it was sent (E-HAND); close and send agree on what was sent (E-CLOSE); the
 * last reference frees (E-REF); a select takes the first of its clauses that is ready, although
 * it looks at hints only (E-HINT).
 */
#include <kcoro/select.h>

#include "chan/chan.h"
#include "tests/model/threads.h"

static kc_chan_t *ch[2];
static int box;

static kc_deadline_t never(void)
{
    return (kc_deadline_t){ INT64_MAX };
}

static void make(unsigned i, long cap)
{
    kcmc_assert(kc_chan_make(&ch[i], sizeof(int), cap) == 0);
    kcmc_name(&ch[i]->lock.held, i ? "lock 1" : "lock 0");
    kcmc_name(&ch[i]->hint, i ? "hint 1" : "hint 0");
    kcmc_name(&ch[i]->refs, i ? "refs 1" : "refs 0");
    kcmc_name(&ch[i]->why, i ? "why 1" : "why 0");
}

static void rendezvous(void)
{
    make(0, 0);
}

static void buffered(void)
{
    make(0, 1);
}

static void two_buffered(void)
{
    make(0, 1);
    make(1, 1);
}

/* ---- send and receive ---- */

static void send(unsigned i, int value)
{
    kcmc_assert(kc_chan_send(ch[i], &value, never()) == 0);
}

static void send_one(void)
{
    box = 42;
    send(0, 1);
}

static void send_two(void)
{
    box = 42;
    send(0, 1);
    send(0, 2);
}

static void receive(int expected)
{
    int value = 0;

    kcmc_assert(kc_chan_recv(ch[0], &value, never()) == 0);
    kcmc_assert(value == expected && box == 42);
}

static void receive_one(void)
{
    receive(1);
}

static void receive_two(void)
{
    receive(1);
    receive(2);
}

/* Late, it has received nothing. */
static int got;

static void receive_in_time(void)
{
    int value = 0, rc = kc_chan_recv(ch[0], &value, (kc_deadline_t){ 2000 });

    kcmc_assert(rc == 0 || rc == -ETIME);
    kcmc_assert(rc ? value == 0 : value == 1);
    got = value;
}

static void received_or_stored(void)
{
    kcmc_assert(kc_chan_len(ch[0]) == (got == 0));
    kcmc_outcome((unsigned)got);
}

/* ---- close, and the last reference ---- */

static int sent;

static void send_unless_closed(void)
{
    int value = 1, rc = kc_chan_send(ch[0], &value, never());

    kcmc_assert(rc == 0 || rc == -EPIPE);
    if (rc)
        kcmc_assert(kc_chan_why(ch[0]) == -EIO && box == 42);
    else
        sent++;
}

static void close_it(void)
{
    box = 42;
    (void)kc_chan_close_why(ch[0], -EIO);
}

static void see_it_closed(void)
{
    if (kc_chan_why(ch[0]))
        kcmc_assert(kc_chan_why(ch[0]) == -EIO && box == 42);
}

static void receive_until_closed(void)
{
    int value = 0, rc;

    while (!(rc = kc_chan_recv(ch[0], &value, never())))
        got++;
    kcmc_assert(rc == -EPIPE);
}

static void received_what_was_sent(void)
{
    kcmc_assert(got == sent);
    kcmc_outcome((unsigned)got);
}

static void referenced_twice(void)
{
    buffered();
    (void)kc_chan_ref(ch[0]);
}

static void send_and_let_go(void)
{
    send(0, 1);
    kc_chan_unref(ch[0]);
}

static void receive_and_let_go(void)
{
    int value;

    kcmc_assert(kc_chan_recv(ch[0], &value, never()) == 0);
    kc_chan_unref(ch[0]);
}

/* ---- select ---- */

/* Ready in the order of the clauses, so the first is never passed over. */
static void send_to_both(void)
{
    send(0, 1);
    send(1, 2);
}

static void receive_from_either(void)
{
    int a = 0, b = 0;
    kc_sel_t s = kc_select(never(), KC_RECV(ch[0], &a), KC_RECV(ch[1], &b));

    kcmc_assert(s.rc == 0 && s.i == 0 && a == 1 && b == 0);
}

static void try_twice(void)
{
    int a = 0, b = 0;

    for (int i = 0; i < 2; i++) {
        kc_sel_t s = kc_select(KC_TRY, KC_RECV(ch[0], &a), KC_RECV(ch[1], &b));
        kcmc_assert(s.rc == -EAGAIN || s.i == i);
        if (s.rc)
            return;
    }
}

static const struct kcmc_model models[] = {
    { "an element is handed over", .setup = rendezvous, .thread = { send_one, receive_one } },
    { "elements keep their order in a buffer", .setup = buffered,
      .thread = { send_two, receive_two }, .preemptions = 2 },
    { "an element is received or still there", .setup = buffered,
      .thread = { send_one, receive_in_time }, .check = received_or_stored,
      .outcomes = "0 1" },
    { "close and send agree", .setup = buffered,
      .thread = { send_unless_closed, close_it, receive_until_closed },
      .check = received_what_was_sent, .preemptions = 1, .outcomes = "0 1" },
    { "who sees it closed sees why", .setup = buffered, .thread = { close_it, see_it_closed } },
    { "the last reference frees", .setup = referenced_twice,
      .thread = { send_and_let_go, receive_and_let_go } },
    { "a select waits for the first that is ready", .setup = two_buffered,
      .thread = { send_to_both, receive_from_either }, .preemptions = 2 },
    { "a select that looks again takes the first", .setup = two_buffered,
      .thread = { send_to_both, try_twice }, .preemptions = 2 },
};

KCMC_MAIN(models)
