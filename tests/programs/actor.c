/* SPDX-License-Identifier: BSD-3-Clause */
#include <kcoro/kcoro.h>
#include <stdio.h>

/* docs/actors.md */
enum { DEPOSIT, BALANCE, CRASH };
struct request { int what; long cents; };
struct account { long cents; int starts; };

static int on_start(void *self) {
    struct account *a = self;
    a->cents = 0;                                     /* state is made anew */
    return printf("start %d\n", ++a->starts) < 0 ? -EIO : 0;
}
static int on_msg(kc_msg_t *m, const void *data, void *self) {
    const struct request *r = data;
    struct account *a = self;
    switch (r->what) {
    case DEPOSIT: a->cents += r->cents; return 0;
    case BALANCE: return kc_actor_reply(m, 0, &a->cents, sizeof a->cents);
    default: return -EIO;                             /* a failure: start again */
    }
}
static void on_stop(int why, void *self) {
    struct account *a = self;
    printf("stop with %ld: %s\n", a->cents, kc_strerror(why));
}
KC_MAIN {
    struct account account = { 0 };
    kc_actor_opts_t opts = { .name = "account", .msg_size = sizeof(struct request),
        .on_start = on_start, .on_msg = on_msg, .on_stop = on_stop, .self = &account,
        .restart = KC_RESTART_ON_ERROR, .max_restarts = 3, .restart_window_ns = KC_S(10) };
    kc_chan_t *exits = kc_chan(kc_actor_exit_t, 1);
    kc_actor_exit_t gone; kc_actor_t *a; long cents; int rc;

    if ((rc = kc_actor_start(&a, &opts)) < 0) return rc;
    if ((rc = kc_actor_monitor(a, exits)) < 0) return rc;
    for (int i = 0; i < 3; i++) {
        struct request deposit = { DEPOSIT, 100 }, ask = { BALANCE, 0 }, crash = { CRASH, 0 };
        if ((rc = kc_actor_tell(a, &deposit, KC_FOREVER)) < 0) return rc;
        if (i == 1 && (rc = kc_actor_tell(a, &crash, KC_FOREVER)) < 0) return rc;
        if ((rc = kc_actor_ask(a, &ask, &cents, sizeof cents, kc_in(KC_S(5)))) < 0) return rc;
        printf("balance %ld\n", cents);
    }
    if ((rc = kc_actor_stop(a, kc_in(KC_S(5)))) < 0) return rc;
    if ((rc = kc_recv(exits, &gone)) < 0) return rc;
    printf("gone: %s\n", gone.actor == a ? kc_strerror(gone.why) : "who?");
    kc_actor_unref(a);
    return 0;
}
