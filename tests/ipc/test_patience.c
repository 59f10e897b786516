/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * tests/ipc/test_patience.c — limits that are times: peers that take too long. It lasts as
 * long as they are given.
 */
#include <stdlib.h>

#include "tests/ipc/raw.h"

static int hold_silently(void *arg)
{
    struct rig *r = *(struct rig **)arg;
    struct raw *slow = calloc(1, sizeof *slow);
    struct kci_frame f;

    raw_connect(slow, r);
    (void)raw_try_bytes(slow, kci_wire_preface, 4); // some it refuses at once
    while (raw_recv(slow, &f)) // its HELLO, then GOAWAY
        continue;
    raw_close(slow);
    free(slow);
    return 0;
}

static void slow_loris(struct rig *r)
{
    kc_ipc_conn_t *c;
    kc_scope_t s;
    int64_t began = kc_now();

    rig_listen(r);
    must_eq(kc_scope_open(&s, NULL), 0);
    for (int i = 0; i < 40; i++) // more than may be shaking hands at once
        must_eq(kc_scope_spawn(&s, NULL, hold_silently, &r, sizeof r, NULL), 0);
    must_eq(kc_scope_close(&s), 0);
    ck_assert_int_ge(kc_now() - began, KC_S(10));
    must_eq(kc_ipc_connect(&c, r->addr, NULL, KC_FOREVER), 0);
    must_eq(kc_ipc_close(c, KC_TRY), 0);
}

START_TEST(peers_that_do_not_finish_their_handshake_are_cut_off)
{
    try_plain(1, slow_loris);
}
END_TEST

SUITE("ipc/patience", CASE(peers_that_do_not_finish_their_handshake_are_cut_off))
