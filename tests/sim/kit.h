/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * tests/sim/kit.h — two ends of a simulated link, without kcoro's protocol on it.
 *
 *     static void body(struct net *n)            a → b, from node "a" to node "b"
 *     {
 *         put_bytes(&n->a, 100);
 *         …
 *     }
 *     try_net("sim", &(kc_sim_link_t){ .latency_ns = KC_MS(5) }, body);
 *
 * One worker and a virtual clock, unless try_net_with says otherwise. The seed is test_seed()'s.
 */
#ifndef TESTS_SIM_KIT_H
#define TESTS_SIM_KIT_H

#include <kcoro/sim.h>

#include "ipc/port.h"
#include "tests/ipc/kit.h"

struct net {
    const char *scheme;
    const kc_sim_link_t *link;
    void (*body)(struct net *n);
    uint64_t seed;
    kc_sim_t *w;
    struct kci_port listening, a, b;
    int64_t born_ns;
    kc_sim_stats_t stats; /* when the body is over */
};

void try_net(const char *scheme, const kc_sim_link_t *link, void (*body)(struct net *n));
/* With a seed and options; the stats stay in *n. */
void try_net_with(struct net *n, const kc_opts_t *opts);

/* "a" listens or connects to; links without a connection are link NULL. */
void listen_at(struct net *n, struct kci_port *p, const char *name);
int try_connect(struct net *n, struct kci_port *p, const char *addr);
/* Accept, waiting at most until dl: 0, or the wait's code. */
int accept_one(struct net *n, struct kci_port *p, kc_deadline_t dl);

/* n bytes, each the next one of a counter that the port's user keeps in *next. */
int put_bytes(struct kci_port *p, size_t n, unsigned char *next);
/* Exactly n of them; 0, or the code that ended it. */
int get_bytes(struct kci_port *p, size_t n, unsigned char *next, kc_deadline_t dl);
/* A frame with a number in it. */
int put_frame(struct kci_port *p, uint32_t number);
/* The next frame's number, or a code. */
int64_t get_frame(struct kci_port *p, kc_deadline_t dl);

kc_sim_stats_t stats_now(struct net *n);
/* Since the world began. */
int64_t age(const struct net *n);

#endif
