/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * tests/actor/kit.h — an actor that writes down what happens to it, and does what its messages
 * say.
 */
#ifndef TESTS_ACTOR_KIT_H
#define TESTS_ACTOR_KIT_H

#include "tests/sync/kit.h"

/* What a message asks for. */
enum order {
    NOTE,        /* only write it down */
    ANSWER,      /* reply value + 1, with rc = value */
    ANSWER_NONE, /* return without a reply */
    FAIL,        /* fail with rc = value */
    WAIT,        /* until the gate opens, or it is cancelled; then reply 7 */
    TELL_SELF    /* NOTE value to itself, without waiting long */
};

struct order_msg {
    enum order order;
    int value;
};

enum { DIARY = 64 };

struct diary {
    kc_actor_t *actor;
    int notes[DIARY];   /* the actor's, until it has ended */
    int lost[DIARY];    /* what went to on_undelivered */
    unsigned reasons[DIARY];
    int tell_rc, reply_rc, wait_rc;
    int fail_starts;    /* on_start fails so often; before it starts */
    int stop_why;
    _Atomic(int) handled, nlost, starts, stops, waiting;
    kc_wg_t gate;       /* what WAIT waits for */
};

/* An actor that keeps d; options may be changed before it is started. */
kc_actor_opts_t diary_opts(struct diary *d);
/* Start it; d->actor is its handle. */
void diary_start(struct diary *d, const kc_actor_opts_t *o);
/* kc_actor_tell, which must succeed. */
void order(struct diary *d, enum order what, int value);
/* Join it, release the handle; returns why it ended. */
int diary_end(struct diary *d);
/* kc_actor_ask: the reply's value in *reply; returns its rc. */
int ask_it(struct diary *d, enum order what, int value, int *reply, kc_deadline_t dl);

#endif
