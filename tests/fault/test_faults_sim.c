/* SPDX-License-Identifier: BSD-3-Clause */
/* tests/fault/test_faults_sim.c — a simulated network for which there is not enough memory. */
#include "tests/fault/kit.h"

static int talk(kc_ipc_conn_t *c, kc_chan_t *home)
{
    kc_ipc_chan_spec_t spec = { .elem_size = sizeof(int) };
    kc_deadline_t dl = kc_in(KC_S(10)); // of a virtual clock
    kc_chan_t *ch;
    int got = 0;

    KF_OK(kc_ipc_chan_open(c, "x", &spec, &ch, dl));
    int rc = kc_chan_send(ch, &(int){ 7 }, dl);
    if (rc == 0)
        rc = kc_chan_recv(home, &got, dl);
    kc_chan_unref(ch);
    return rc || got == 7 ? rc : KF_WRONG;
}

static int meet(const char *to, const char *from, kc_chan_t *home)
{
    kc_ipc_opts_t opts = { .keepalive_ns = KC_S(1) };
    kc_ipc_listener_t *l;
    kc_ipc_conn_t *c;

    KF_OK(kc_ipc_listen(&l, to, &opts));
    int rc = kc_ipc_export(l, "x", home, KC_PEER_SEND);
    if (rc == 0 && (rc = kc_ipc_connect(&c, from, &opts, kc_in(KC_S(10)))) == 0) {
        rc = talk(c, home);
        kc_ipc_close(c, KC_TRY);
    }
    kc_ipc_listener_close(l);
    return rc;
}

static int in_a_world(void *arg)
{
    kc_sim_link_t link = { .latency_ns = KC_MS(1), .most_bytes = 30 };
    kc_chan_t *home;
    kc_sim_t *w;

    (void)arg;
    KF_OK(kc_sim_create(&w, 1, &link));
    KF_OK(kc_sim_link(w, "a", "b", &(kc_sim_link_t){ .latency_ns = KC_MS(2), .dup_ppm = 0 }));
    KF_OK(kc_sim_cut(w, "b", "a"));
    KF_OK(kc_sim_heal(w, "b", "a"));
    KF_OK(kc_chan_make(&home, sizeof(int), 4));
    int rc = meet("sim:b", "sim:a>b", home);
    if (rc == 0)
        rc = meet("simframes:b", "simframes:a>b", home);
    kc_chan_unref(home);
    return rc;
}

static int world(void)
{
    return kc_run(in_a_world, NULL, &(kc_opts_t){ .flags = KC_RT_VIRTUAL_TIME, .seed = 1 });
}

static const struct kf_part parts[] = {
    { "kc_sim_create kc_sim_link kc_sim_cut kc_sim_heal", world, KF_THREAD | KF_STARTS,
      { -ECONNRESET, -ETIME, -EPIPE, -ENOBUFS, -ECANCELED } },
};

START_TEST(g5_a_world_for_which_there_is_no_memory)
{
    kf_try(&parts[_i], 1);
}
END_TEST

SUITE("faults/sim", CASE_LOOP(g5_a_world_for_which_there_is_no_memory, KF_COUNT(parts)))
