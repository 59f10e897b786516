/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * tests/sim/test_world.c — the world itself: names, rules, seeds, who decides; and several
 * workers at once.
 */
#include <string.h>

#include "lab/sim/sim.h"
#include "tests/sim/kit.h"

/* ---- names and rules ---- */

static void names(struct net *n)
{
    struct kci_port p, q;
    kc_sim_t *second;

    must_eq(kc_sim_create(&second, 1, NULL), -EEXIST);
    must_eq(try_connect(n, &p, "a>nobody"), -ENOENT);
    must_eq(try_connect(n, &p, "a>b>c"), -EINVAL);
    must_eq(try_connect(n, &p, "a>"), -EINVAL);
    must_eq(n->listening.ops->listen("b", NULL, &p.link), -EADDRINUSE);
    must_eq(n->listening.ops->listen("a>b", NULL, &p.link), -EINVAL);
    must_eq(n->listening.ops->listen("", NULL, &p.link), -EINVAL);
    must_eq(try_connect(n, &p, "b"), 0); // from nobody in particular
    must_eq(accept_one(n, &q, KC_FOREVER), 0);
    kci_port_close(&p);
    kci_port_close(&q);
    n->scheme = "simframes"; // another kind of link, another name
    must_eq(try_connect(n, &p, "a>b"), -ENOENT);
    listen_at(n, &p, "b");
    kci_port_close(&p);
}

START_TEST(names_lead_to_who_listens)
{
    try_net("sim", NULL, names);
}
END_TEST

static void wrong(struct net *n)
{
    kc_sim_stats_t st;

    must_eq(kc_sim_link(n->w, NULL, NULL, &(kc_sim_link_t){ .latency_ns = -1 }), -EINVAL);
    must_eq(kc_sim_link(n->w, NULL, NULL, &(kc_sim_link_t){ .drop_ppm = 1000001 }), -EINVAL);
    must_eq(kc_sim_link(n->w, NULL, NULL, &(kc_sim_link_t){ .flags = 0x80 }), -EINVAL);
    must_eq(kc_sim_link(n->w, NULL, NULL, NULL), -EINVAL);
    must_eq(kc_sim_link(NULL, NULL, NULL, &(kc_sim_link_t){ 0 }), -EINVAL);
    must_eq(kc_sim_cut(NULL, NULL, NULL), -EINVAL);
    must_eq(kc_sim_heal(NULL, NULL, NULL), -EINVAL);
    must_eq(kc_sim_reset(NULL, NULL, NULL), -EINVAL);
    must_eq(kc_sim_vanish(n->w, NULL), -EINVAL);
    must_eq(kc_sim_vanish(n->w, "stranger"), 0);
    must_eq(kc_sim_stats(n->w, NULL), -EINVAL);
    must_eq(kc_sim_stats(NULL, &st), -EINVAL);
}

START_TEST(b16_arguments_that_make_no_sense)
{
    kc_sim_t *w;

    ck_assert_int_eq(kc_sim_create(&w, 1, NULL), -EPERM); // outside of a runtime
    ck_assert_int_eq(kc_sim_create(NULL, 1, NULL), -EINVAL);
    try_net("sim", NULL, wrong);
}
END_TEST

static int without_a_world(void *arg)
{
    kc_ipc_listener_t *l;
    kc_ipc_conn_t *c;

    (void)arg;
    must_eq(kc_ipc_listen(&l, "sim:x", NULL), -ENETDOWN);
    must_eq(kc_ipc_connect(&c, "sim:x", NULL, KC_FOREVER), -ENETDOWN);
    return 0;
}

START_TEST(a_runtime_without_a_world_has_no_network)
{
    try_net("sim", NULL, wrong); // registers the scheme
    ck_assert_int_eq(kc_run(without_a_world, NULL, NULL), 0);
}
END_TEST

static int64_t trip(struct kci_port *from, struct kci_port *to)
{
    unsigned char out = 0, in = 0;
    int64_t began = kc_now();

    must_eq(put_bytes(from, 1, &out), 0);
    must_eq(get_bytes(to, 1, &in, KC_FOREVER), 0);
    return kc_now() - began;
}

static void rules(struct net *n)
{
    struct kci_port c, d;

    must_eq(trip(&n->a, &n->b), KC_MS(1));
    must_eq(kc_sim_link(n->w, "b", "a", &(kc_sim_link_t){ .latency_ns = KC_MS(7) }), 0);
    must_eq(trip(&n->a, &n->b), KC_MS(1));
    must_eq(trip(&n->b, &n->a), KC_MS(7));
    must_eq(kc_sim_link(n->w, "c", NULL, &(kc_sim_link_t){ .latency_ns = KC_MS(9) }), 0);
    must_eq(try_connect(n, &c, "c>b"), 0);
    must_eq(accept_one(n, &d, KC_FOREVER), 0);
    must_eq(trip(&c, &d), KC_MS(9));
    must_eq(trip(&d, &c), KC_MS(1));
    must_eq(kc_sim_link(n->w, NULL, NULL, &(kc_sim_link_t){ .latency_ns = KC_MS(2) }), 0);
    must_eq(trip(&c, &d), KC_MS(2)); // the latest that fits
    must_eq(trip(&n->b, &n->a), KC_MS(2));
    kci_port_close(&c);
    kci_port_close(&d);
}

START_TEST(the_latest_rule_that_fits_a_pair_counts)
{
    try_net("sim", &(kc_sim_link_t){ .latency_ns = KC_MS(1) }, rules);
}
END_TEST

/* ---- chance ---- */

static const kc_sim_link_t wild = { .latency_ns = KC_US(700),
                                    .jitter_ns = KC_US(300),
                                    .bytes_per_s = 1000000,
                                    .most_bytes = 90,
                                    .drop_ppm = 50000,
                                    .reset_ppm = 20 };

static void talk(struct net *n)
{
    unsigned char out = 0, in = 0;

    for (int i = 0; i < 200; i++)
        if (put_bytes(&n->a, 100, &out) || get_bytes(&n->b, 100, &in, KC_FOREVER))
            return;
}

static kc_sim_stats_t run_with(uint64_t seed)
{
    struct net n = { .scheme = "sim", .link = &wild, .body = talk, .seed = seed };

    try_net_with(&n, &(kc_opts_t){ .flags = KC_RT_VIRTUAL_TIME, .seed = 1 });
    return n.stats;
}

START_TEST(p8_a_seed_repeats_everything_and_another_does_not)
{
    uint64_t seed = test_seed();
    kc_sim_stats_t a = run_with(seed), b = run_with(seed), c = run_with(seed + 1);

    ck_assert(!memcmp(&a, &b, sizeof a));
    ck_assert_uint_ne(a.trace, c.trace);
}
END_TEST

static int asked, answer;

static unsigned choose(void *ctx, enum kci_choice what, unsigned n, unsigned deflt)
{
    (void)ctx;
    if (what != KCI_CHOICE_LINK)
        return deflt;
    must(n >= 2 && n <= 4 && deflt < n);
    asked++;
    return answer ? n - 1 : 0;
}

static bool no_point(void *ctx)
{
    (void)ctx;
    return false;
}

static const struct kci_lab lab = { .point = no_point, .choose = choose };


START_TEST(p8_every_choice_is_offered_to_the_laboratory)
{
    static struct kc_rt rt;
    struct kc_sim sim = { .rt = &rt };
    kc_sim_link_t link = { .jitter_ns = KC_MS(8), .drop_ppm = 1, .dup_ppm = 1 };

    rt.env.lab = &lab;
    struct kci_sim_fate f = kci_sim_fate(&sim, &link, 24, true);
    ck_assert_int_eq(asked, 3); // how late, lost, doubled; a link that never reorders asks not
    ck_assert(!f.drop && !f.dup && !f.reorder && !f.reset);
    ck_assert_int_lt(f.delay_ns, KC_MS(2) + 1); // the first quarter
    answer = 1;
    f = kci_sim_fate(&sim, &link, 24, true);
    ck_assert_int_eq(asked, 7); // and how late the second copy is
    ck_assert(f.drop && f.dup && !f.reorder && !f.reset);
    ck_assert_int_ge(f.delay_ns, KC_MS(6) - 1); // the last quarter
    ck_assert_int_ge(f.dup_delay_ns, KC_MS(6) - 1);
}
END_TEST

/* ---- several workers ---- */

enum { PAIRS = 8, BYTES = 20000 };

struct pair {
    struct kci_port from, to;
};

static int send_it(void *arg)
{
    struct pair *p = *(struct pair **)arg;
    unsigned char out = 0;

    must_eq(put_bytes(&p->from, BYTES, &out), 0);
    kci_port_close(&p->from);
    return 0;
}

static int receive_it(void *arg)
{
    struct pair *p = *(struct pair **)arg;
    unsigned char in = 0;

    must_eq(get_bytes(&p->to, BYTES, &in, KC_FOREVER), 0);
    must_eq(get_bytes(&p->to, 1, &in, KC_FOREVER), -ECONNRESET);
    kci_port_close(&p->to);
    return 0;
}

static void crowd(struct net *n)
{
    static struct pair pairs[PAIRS];
    kc_scope_t s;

    must_eq(kc_scope_open(&s, NULL), 0);
    for (int i = 0; i < PAIRS; i++) {
        struct pair *p = &pairs[i];
        must_eq(try_connect(n, &p->from, "x>b"), 0);
        must_eq(accept_one(n, &p->to, KC_FOREVER), 0);
        must_eq(kc_scope_spawn(&s, NULL, send_it, &p, sizeof p, NULL), 0);
        must_eq(kc_scope_spawn(&s, NULL, receive_it, &p, sizeof p, NULL), 0);
    }
    for (int i = 0; i < 50; i++) {
        must_eq(kc_sim_cut(n->w, i % 2 ? "x" : NULL, NULL), 0);
        kc_yield();
        must_eq(kc_sim_heal(n->w, NULL, NULL), 0);
        kc_yield();
    }
    must_eq(kc_scope_close(&s), 0);
}

START_TEST(several_workers_share_a_world_in_real_time)
{
    static const kc_sim_link_t link = { .latency_ns = KC_US(20),
                                        .jitter_ns = KC_US(20),
                                        .most_bytes = 500,
                                        .buffer_bytes = 2000 };
    struct net n = { .scheme = "sim", .link = &link, .body = crowd, .seed = test_seed() };

    try_net_with(&n, &(kc_opts_t){ .workers = kt_workers(_i) });
}
END_TEST

SUITE("sim/world", CASE(names_lead_to_who_listens), CASE(b16_arguments_that_make_no_sense),
      CASE(a_runtime_without_a_world_has_no_network),
      CASE(the_latest_rule_that_fits_a_pair_counts),
      CASE(p8_a_seed_repeats_everything_and_another_does_not),
      CASE(p8_every_choice_is_offered_to_the_laboratory),
      CASE_LOOP(several_workers_share_a_world_in_real_time, WORKERS))
