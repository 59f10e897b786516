/* SPDX-License-Identifier: BSD-3-Clause */
/* tests/sim/test_explored.c — what a link does is one of the explorer's choices. */
#include <kcoro/sim.h>
#include <kcoro/test.h>

#include "tests/ipc/kit.h"

/* A program that is right unless something is lost, once in a million calls. */
static int impatient(void *arg)
{
    kc_sim_link_t link = { .latency_ns = KC_MS(1), .drop_ppm = 1 };
    kc_ipc_chan_spec_t spec = { .elem_size = 4 };
    kc_ipc_listener_t *l;
    kc_ipc_conn_t *c;
    kc_chan_t *home, *ch;
    kc_sim_t *w;
    int v = 1;

    (void)arg;
    must_eq(kc_sim_create(&w, 1, &link), 0);
    must_eq(kc_ipc_listen(&l, "sim:server", NULL), 0);
    must_eq(kc_chan_make(&home, 4, 4), 0);
    must_eq(kc_ipc_export(l, "x", home, KC_PEER_SEND), 0);
    must_eq(kc_ipc_connect(&c, "sim:client>server", NULL, KC_FOREVER), 0);
    must_eq(kc_ipc_chan_open(c, "x", &spec, &ch, KC_FOREVER), 0);
    must_eq(kc_send(ch, &v), 0);
    int rc = kc_chan_recv(home, &v, kc_in(KC_MS(100)));
    kc_chan_unref(ch);
    kc_chan_unref(home);
    must_eq(kc_ipc_close(c, KC_TRY), 0);
    must_eq(kc_ipc_listener_close(l), 0);
    return rc;
}

START_TEST(p8_the_explorer_finds_what_a_network_hardly_ever_does)
{
    kc_explore_opts_t opts = { .schedules = 50, .flags = KC_EXPLORE_QUIET };
    kc_explore_result_t found, again;

    ck_assert_int_eq(kc_test_explore(impatient, NULL, &opts, &found), -EFAULT);
    opts.replay = found.replay;
    ck_assert_int_eq(kc_test_explore(impatient, NULL, &opts, &again), -EFAULT);
    ck_assert_str_eq(found.why, again.why);
}
END_TEST

SUITE("sim/explored", CASE(p8_the_explorer_finds_what_a_network_hardly_ever_does))
