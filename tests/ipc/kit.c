/* SPDX-License-Identifier: BSD-3-Clause */
/* tests/ipc/kit.c — see kit.h. */
#include "tests/ipc/kit.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "arch/os.h"
#include "core/mem.h"

int workers_of(int i)
{
    return kt_workers(i % WORKERS);
}

/* ---- rigs ---- */

struct run {
    struct rig *rig;
    void (*body)(struct rig *r);
    bool connected, leaky;
    int variant;
};

void rig_listen(struct rig *r)
{
    must_eq(kc_ipc_listen(&r->l, r->addr, &r->server), 0);
}

void rig_connect(struct rig *r)
{
    must_eq(kc_ipc_connect(&r->c, r->addr, &r->client, KC_FOREVER), 0);
    must_eq(kc_ipc_accept(r->l, &r->served, KC_FOREVER), 0);
}

static void let_go(struct rig *r)
{
    for (int i = 0; i < r->nchans; i++)
        kc_chan_unref(r->chans[i]);
    if (r->c)
        must_eq(kc_ipc_close(r->c, KC_TRY), 0);
    kc_ipc_unref(r->served);
    if (r->l)
        must_eq(kc_ipc_listener_close(r->l), 0);
}

static int run_main(void *arg)
{
    struct run *run = arg;
    struct rig *r = run->rig;

    place_enter(r, run->variant);
    if (run->connected) {
        rig_listen(r);
        rig_connect(r);
    }
    run->body(r);
    let_go(r);
    return 0;
}

void check_nothing_left(void)
{
    ck_assert_int_eq((int)kci_mem_blocks_in_use(), 0);
}

static void try_run(int i, struct run *run)
{
    struct rig *r = run->rig;
    kc_opts_t opts = { .workers = workers_of(i) };

    run->variant = i % WORKERS;
    if (!run->leaky && place_skips(run->variant)) // a leaky body's caller relies on it
        return;
    place_prepare(r, &opts);
    ck_assert_int_eq(kc_run(run_main, run, &opts), 0);
    if (!run->leaky)
        check_nothing_left();
    place_leave(r);
}

void try_plain(int i, void (*body)(struct rig *r))
{
    static struct rig rig;

    try_run(i, &(struct run){ .rig = &rig, .body = body });
}

void try_rig(int i, void (*body)(struct rig *r))
{
    static struct rig rig;

    try_run(i, &(struct run){ .rig = &rig, .body = body, .connected = true });
}

void try_rig_leaky(int i, void (*body)(struct rig *r))
{
    static struct rig rig;

    try_run(i, &(struct run){ .rig = &rig, .body = body, .connected = true, .leaky = true });
}

void try_rig_with(int i, const kc_ipc_opts_t *server, const kc_ipc_opts_t *client,
                  void (*body)(struct rig *r))
{
    static struct rig rig;

    if (server)
        rig.server = *server;
    if (client)
        rig.client = *client;
    try_run(i, &(struct run){ .rig = &rig, .body = body, .connected = true });
}

static kc_chan_t *keep(struct rig *r, kc_chan_t *ch)
{
    must(r->nchans < RIG_CHANS);
    r->chans[r->nchans++] = ch;
    return ch;
}

kc_chan_t *export_chan(struct rig *r, const char *name, size_t elem_size, long cap,
                       unsigned rights)
{
    kc_chan_t *ch;

    must_eq(kc_chan_make(&ch, elem_size, cap), 0);
    must_eq(kc_ipc_export(r->l, name, ch, rights), 0);
    return keep(r, ch);
}

kc_chan_t *open_spec(struct rig *r, const char *name, const kc_ipc_chan_spec_t *spec)
{
    kc_chan_t *ch;

    must_eq(kc_ipc_chan_open(r->c, name, spec, &ch, KC_FOREVER), 0);
    return keep(r, ch);
}

kc_chan_t *open_chan(struct rig *r, const char *name, size_t elem_size, uint32_t window)
{
    kc_ipc_chan_spec_t spec = { .elem_size = elem_size, .window = window };
    return open_spec(r, name, &spec);
}

void drop_chan(struct rig *r, kc_chan_t *ch)
{
    int i = 0;

    while (r->chans[i] != ch)
        i++;
    r->chans[i] = r->chans[--r->nchans];
    kc_chan_unref(ch);
}

/* ---- single operations ---- */

int put(kc_chan_t *ch, int v)
{
    return kc_chan_send(ch, &v, KC_TRY);
}

int get(kc_chan_t *ch)
{
    int v, rc = kc_chan_recv(ch, &v, KC_TRY);
    return rc ? rc : v;
}

int take(kc_chan_t *ch)
{
    int v, rc = kc_chan_recv(ch, &v, KC_FOREVER);
    return rc ? rc : v;
}

static struct kc_chan_stats stats_of(kc_chan_t *ch)
{
    struct kc_chan_stats st;

    must_eq(kc_chan_stats(ch, &st), 0);
    return st;
}

uint64_t senders_on(kc_chan_t *ch)
{
    return stats_of(ch).send_waiters;
}

uint64_t receivers_on(kc_chan_t *ch)
{
    return stats_of(ch).recv_waiters;
}

void tell(void *elem, unsigned reason, void *arg)
{
    struct told *told = arg;
    int n = ka_load(&told->count, relaxed); // relaxed: one caller at a time

    must(n < TOLD_MOST);
    told->elem[n] = *(int *)elem;
    told->reason[n] = reason;
    ka_store(&told->count, n + 1, release); // E-TOLD
}

static int send_once(void *arg)
{
    struct call *c = *(struct call **)arg;

    c->rc = kc_chan_send(c->ch, &c->value, c->dl);
    ka_store(&c->over, 1, release); // E-OVER
    return 0;
}

static int recv_once(void *arg)
{
    struct call *c = *(struct call **)arg;

    c->rc = kc_chan_recv(c->ch, &c->value, c->dl);
    ka_store(&c->over, 1, release); // E-OVER
    return 0;
}

void go_send(kc_scope_t *s, struct call *c)
{
    must_eq(kc_scope_spawn(s, NULL, send_once, &c, sizeof c, NULL), 0);
}

void go_recv(kc_scope_t *s, struct call *c)
{
    must_eq(kc_scope_spawn(s, NULL, recv_once, &c, sizeof c, NULL), 0);
}

/* ---- chance ---- */

uint64_t test_seed(void)
{
    const char *text = getenv("KC_TEST_SEED");
    uint64_t seed = text ? strtoull(text, NULL, 0) : kci_os_entropy();

    printf("KC_TEST_SEED=%" PRIu64 "\n", seed);
    fflush(stdout);
    return seed ? seed : 1;
}

uint64_t roll(uint64_t *state, uint64_t n)
{
    *state ^= *state >> 12;
    *state ^= *state << 25;
    *state ^= *state >> 27;
    return *state * 0x2545F4914F6CDD1Du % n;
}
