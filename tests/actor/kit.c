/* SPDX-License-Identifier: BSD-3-Clause */
/* tests/actor/kit.c — see kit.h. */
#include "tests/actor/kit.h"

#include <string.h>

static int on_start(void *self)
{
    struct diary *d = self;
    return ka_add(&d->starts, 1, acq_rel) < d->fail_starts ? -EBUSY : 0;
}

static int wait_for_gate(struct diary *d)
{
    ka_add(&d->waiting, 1, acq_rel);
    d->wait_rc = kc_wg_wait(&d->gate, KC_FOREVER);
    return d->wait_rc;
}

static int obey(struct diary *d, kc_msg_t *m, const struct order_msg *o)
{
    switch (o->order) {
    case ANSWER:
        d->reply_rc = kc_actor_reply(m, o->value, &(int){ o->value + 1 }, sizeof(int));
        return 0;
    case FAIL:
        return o->value;
    case WAIT:
        wait_for_gate(d);
        d->reply_rc = kc_actor_reply(m, 0, &(int){ 7 }, sizeof(int));
        return 0;
    case TELL_SELF:
        d->tell_rc = kc_actor_tell(d->actor, &(struct order_msg){ NOTE, o->value },
                                   o->value % 2 ? kc_in(KC_US(100)) : KC_FOREVER);
        return 0;
    default:
        return 0;
    }
}

static int on_msg(kc_msg_t *m, const void *data, void *self)
{
    struct diary *d = self;
    struct order_msg o;
    int n = ka_load(&d->handled, relaxed); // relaxed: one actor counts

    memcpy(&o, data, sizeof o);
    must(n < DIARY);
    d->notes[n] = o.value;
    ka_store(&d->handled, n + 1, release);
    return obey(d, m, &o);
}

static void on_stop(int why, void *self)
{
    struct diary *d = self;

    d->stop_why = why;
    must_eq(kc_checkpoint(), 0); // it may still wait, whatever ended it
    ka_add(&d->stops, 1, release);
}

static void on_undelivered(void *msg, unsigned reason, void *self)
{
    struct diary *d = self;
    int n = ka_load(&d->nlost, relaxed); // relaxed: one at a time
    struct order_msg o;

    memcpy(&o, msg, sizeof o);
    must(n < DIARY);
    d->lost[n] = o.value;
    d->reasons[n] = reason;
    ka_store(&d->nlost, n + 1, release);
}

kc_actor_opts_t diary_opts(struct diary *d)
{
    return (kc_actor_opts_t){ .name = "diary",
                              .msg_size = sizeof(struct order_msg),
                              .on_start = on_start,
                              .on_msg = on_msg,
                              .on_stop = on_stop,
                              .on_undelivered = on_undelivered,
                              .self = d };
}

void diary_start(struct diary *d, const kc_actor_opts_t *o)
{
    must_eq(kc_actor_start(&d->actor, o), 0);
}

void order(struct diary *d, enum order what, int value)
{
    must_eq(kc_actor_tell(d->actor, &(struct order_msg){ what, value }, KC_FOREVER), 0);
}

int diary_end(struct diary *d)
{
    int why = 1;

    must_eq(kc_actor_join(d->actor, &why, KC_FOREVER), 0);
    kc_actor_unref(d->actor);
    return why;
}

int ask_it(struct diary *d, enum order what, int value, int *reply, kc_deadline_t dl)
{
    struct order_msg o = { what, value };
    return kc_actor_ask(d->actor, &o, reply, sizeof *reply, dl);
}
