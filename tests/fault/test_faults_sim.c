/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * tests/fault/test_faults_sim.c — a simulated network, and a server and a client in it: each
 * allocation of the world and of theirs fails.
 */
#include <kcoro/sim.h>

#include "tests/fault/kit.h"

static kc_sim_t *world; /* the runtime's, from the first time that it could be made */

static int make_world(void)
{
    const kc_sim_link_t slow = { .latency_ns = KC_US(100) };

    int rc = kc_sim_create(&world, 1, NULL);
    if (rc && rc != -EEXIST)
        return rc;
    KF_OK(kc_sim_link(world, "client", "server", &slow));
    KF_OK(kc_sim_cut(world, "server", "client"));
    return kc_sim_heal(world, "server", "client");
}

static int meet(kc_ipc_listener_t *l)
{
    kc_ipc_conn_t *c, *served;

    KF_OK(kc_ipc_connect(&c, "sim:client>server", NULL, kc_in(KC_MS(50))));
    int rc = kc_ipc_accept(l, &served, kc_in(KC_MS(50)));
    if (!rc)
        kc_ipc_unref(served);
    (void)kc_ipc_close(c, KC_TRY);
    return rc;
}

static int in_a_world(void)
{
    kc_ipc_listener_t *l;

    KF_OK(make_world());
    KF_OK(kc_ipc_listen(&l, "sim:server", NULL));
    int rc = meet(l);
    return kc_ipc_listener_close(l) ? KF_WRONG : rc;
}

static const struct kf_part part = { "kc_sim_create kc_sim_link kc_sim_cut kc_sim_heal", in_a_world,
                                     0, { -ECONNREFUSED, -ECONNRESET, -EPIPE, -ETIME } };

START_TEST(g5_whatever_fails_in_a_simulated_network_leaves_nothing)
{
    kf_try(&part, 1);
}
END_TEST

SUITE("fault/sim", CASE(g5_whatever_fails_in_a_simulated_network_leaves_nothing))
