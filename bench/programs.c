/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * bench/programs.c — two small programs that do nothing but communicate; milliseconds each.
 *
 * sieve: a chain of filters, one for each prime found; every number travels as far as it
 * divides. skynet: each coroutine starts ten more and adds up what they send, down to the
 * leaves, which send their number.
 */
#include "bench/harness.h"

/* ---- sieve ---- */

enum { PRIMES = 2500, LAST_PRIME = 22307 };

KC_CO(generate, kc_chan_t *out;)
{
    for (int i = 2; kc_send(my->out, &i) == 0; i++) {}
    return 0;
}

KC_CO(filter, kc_chan_t *in; kc_chan_t *out; int prime;)
{
    for (int v; kc_recv(my->in, &v) == 0;)
        if (v % my->prime && kc_send(my->out, &v) < 0)
            break;
    return 0;
}

/* The last of `count` primes, or a negative code. */
static int sieve_primes(long count)
{
    kc_chan_t *c = kc_chan(int, 0);
    int p = 0, rc = kc_go(generate, c);

    for (long i = 0; i < count && !rc; i++) {
        if ((rc = kc_recv(c, &p)))
            break;
        kc_chan_t *next = kc_chan(int, 0);
        rc = kc_go(filter, c, next, p);
        c = next;
    }
    return rc ? rc : p;
}

static int sieve(struct trial *t)
{
    kc_scope_t scope;
    int rc = kc_scope_open(&scope, NULL);

    if (rc)
        return failed(t, "kc_scope_open", rc);
    clock_start(t);
    int prime = sieve_primes(t->ops);
    clock_stop(t);
    kc_scope_cancel(&scope, 0);
    kc_scope_close(&scope);
    if (prime < 0)
        return failed(t, "the chain", prime);
    if (t->ops == PRIMES && prime != LAST_PRIME)
        return wrong(t, "prime number %d is %d, not %d", PRIMES, prime, LAST_PRIME);
    return 0;
}

/* ---- skynet ---- */

enum { CHILDREN = 10 };

struct node {
    kc_chan_t *up;
    long first, leaves; /* the numbers of the leaves below */
};

static int skynet_node(void *arg);

static int add_up(const struct node *me, kc_chan_t *below, long *sum)
{
    struct node child = { below, me->first, me->leaves / CHILDREN };
    int rc = 0;

    for (int i = 0; i < CHILDREN && !rc; i++) {
        rc = kc_spawn_copy(NULL, skynet_node, &child, sizeof child, NULL);
        child.first += child.leaves;
    }
    for (int i = 0; i < CHILDREN && !rc; i++) {
        long part;
        if (!(rc = kc_recv(below, &part)))
            *sum += part;
    }
    return rc;
}

static int skynet_node(void *arg)
{
    struct node *me = arg;
    kc_chan_t *below;
    long sum = 0;
    int rc;

    if (me->leaves == 1)
        return kc_send(me->up, &me->first);
    if ((rc = kc_chan_make(&below, sizeof sum, 0)))
        return rc;
    if (!(rc = add_up(me, below, &sum)))
        rc = kc_send(me->up, &sum);
    kc_chan_unref(below);
    return rc;
}

static int grow_tree(long leaves, long *sum)
{
    struct node top = { NULL, 0, leaves };
    kc_scope_t scope;
    int rc = kc_scope_open(&scope, NULL);

    if (rc)
        return rc;
    if ((top.up = kc_chan(long, 0)) &&
        !(rc = kc_spawn_copy(NULL, skynet_node, &top, sizeof top, NULL)))
        rc = kc_recv(top.up, sum);
    int closed = kc_scope_close(&scope);
    return rc ? rc : closed;
}

static int skynet(struct trial *t)
{
    long leaves = 1, sum = 0;

    while (leaves * CHILDREN <= t->ops)
        leaves *= CHILDREN;
    clock_start(t);
    int rc = grow_tree(leaves, &sum);
    clock_stop(t);
    if (rc)
        return failed(t, "the tree", rc);
    if (sum != leaves * (leaves - 1) / 2)
        return wrong(t, "%ld leaves sum up to %ld", leaves, sum);
    return 0;
}

static const struct row rows[] = {
    { "sieve.2500.w1", NULL, in_ms, sieve, 1, 0, PRIMES, WHOLE },
    { "sieve.2500.w2", NULL, in_ms, sieve, 2, 0, PRIMES, WHOLE },
    { "skynet.100k.w1", NULL, in_ms, skynet, 1, 0, 100000, WHOLE | QUICK_ONLY },
    { "skynet.100k.w2", NULL, in_ms, skynet, 2, 0, 100000, WHOLE | QUICK_ONLY },
    { "skynet.1m.w1", NULL, in_ms, skynet, 1, 0, 1000000, WHOLE | FULL_ONLY },
    { "skynet.1m.w2", NULL, in_ms, skynet, 2, 0, 1000000, WHOLE | FULL_ONLY },
};
const struct group bench_programs = GROUP(rows);
