/* SPDX-License-Identifier: BSD-3-Clause */
/* tests/sim/kit.c — see kit.h. */
#include "tests/sim/kit.h"

#include <stdio.h>
#include <string.h>

#include "ipc/wire.h"

static void find(struct net *n, const char *name, struct kci_port *p, void **env,
                 const char **rest)
{
    static char addr[128]; // each in turn

    snprintf(addr, sizeof addr, "%s:%s", n->scheme, name);
    must_eq(kci_port_find(addr, NULL, p, env, rest), 0);
}

void listen_at(struct net *n, struct kci_port *p, const char *name)
{
    const char *rest;
    void *env;

    find(n, name, p, &env, &rest);
    must_eq(p->ops->listen(rest, env, &p->link), 0);
    kci_port_settle(p);
}

int try_connect(struct net *n, struct kci_port *p, const char *addr)
{
    const char *rest;
    void *env;

    find(n, addr, p, &env, &rest);
    int rc = p->ops->connect(rest, env, &p->link);
    if (!rc)
        kci_port_settle(p);
    return rc;
}

int accept_one(struct net *n, struct kci_port *p, kc_deadline_t dl)
{
    int rc;

    p->ops = n->listening.ops;
    while ((rc = p->ops->accept(n->listening.link, &p->link)) == -EAGAIN)
        if ((rc = kci_port_wait(&n->listening, KC_RD, dl)) < 0)
            return rc;
    must_eq(rc, 0);
    kci_port_settle(p);
    return 0;
}

static int net_main(void *arg)
{
    struct net *n = arg;

    must_eq(kc_sim_create(&n->w, n->seed, n->link), 0);
    n->born_ns = kc_now();
    listen_at(n, &n->listening, "b");
    must_eq(try_connect(n, &n->a, "a>b"), 0);
    must_eq(accept_one(n, &n->b, KC_FOREVER), 0);
    n->body(n);
    n->stats = stats_now(n);
    kci_port_close(&n->a);
    kci_port_close(&n->b);
    kci_port_close(&n->listening);
    return 0;
}

void try_net_with(struct net *n, const kc_opts_t *opts)
{
    ck_assert_int_eq(kc_run(net_main, n, opts), 0);
    check_nothing_left();
}

void try_net(const char *scheme, const kc_sim_link_t *link, void (*body)(struct net *n))
{
    struct net n = { .scheme = scheme, .link = link, .body = body, .seed = test_seed() };

    try_net_with(
        &n, &(kc_opts_t){ .flags = KC_RT_VIRTUAL_TIME | KC_RT_DEADLOCK_CHECK, .seed = n.seed });
}

int put_bytes(struct kci_port *p, size_t n, unsigned char *next)
{
    unsigned char buf[1024];

    while (n) {
        size_t some = n < sizeof buf ? n : sizeof buf;
        for (size_t i = 0; i < some; i++)
            buf[i] = (unsigned char)(*next + i);
        ssize_t rc = kci_port_send(p, buf, some);
        if (rc == -EAGAIN)
            rc = kci_port_wait(p, KC_WR, KC_FOREVER) < 0 ? -EINTR : 0;
        if (rc < 0)
            return (int)rc;
        *next = (unsigned char)(*next + rc);
        n -= (size_t)rc;
    }
    return 0;
}

int get_bytes(struct kci_port *p, size_t n, unsigned char *next, kc_deadline_t dl)
{
    unsigned char buf[1024];

    while (n) {
        ssize_t rc = kci_port_recv(p, buf, n < sizeof buf ? n : sizeof buf);
        if (rc == -EAGAIN && (rc = kci_port_wait(p, KC_RD, dl)) > 0)
            rc = 0;
        if (rc < 0)
            return (int)rc;
        for (ssize_t i = 0; i < rc; i++)
            must_eq(buf[i], (unsigned char)(*next + i));
        *next = (unsigned char)(*next + rc);
        n -= (size_t)rc;
    }
    return 0;
}

int put_frame(struct kci_port *p, uint32_t number)
{
    unsigned char out[KCI_WIRE_HEADER];
    ssize_t rc;

    kci_frame_encode(&(struct kci_frame){ .cmd = 0x8000, .seq = number }, out);
    while ((rc = kci_port_send(p, out, sizeof out)) == -EAGAIN)
        must(kci_port_wait(p, KC_WR, KC_FOREVER) > 0);
    return rc < 0 ? (int)rc : 0;
}

int64_t get_frame(struct kci_port *p, kc_deadline_t dl)
{
    unsigned char in[64];
    struct kci_frame f;
    ssize_t rc;

    while ((rc = kci_port_recv(p, in, sizeof in)) == -EAGAIN)
        if ((rc = kci_port_wait(p, KC_RD, dl)) < 0)
            return rc;
    if (rc < 0)
        return rc;
    must_eq(kci_frame_decode(in, (size_t)rc, 4096, &f), rc);
    return f.seq;
}

kc_sim_stats_t stats_now(struct net *n)
{
    kc_sim_stats_t st;

    must_eq(kc_sim_stats(n->w, &st), 0);
    return st;
}

int64_t age(const struct net *n)
{
    return kc_now() - n->born_ns;
}
