/* SPDX-License-Identifier: BSD-3-Clause */
/* tests/chan/kit.c — how the tests of channels run, wait and count. */
#include "tests/chan/kit.h"

#include <sched.h>
#include <stdio.h>
#include <stdlib.h>

#include "arch/os.h"
#include "core/mem.h"

/* ---- running ---- */

int workers_of(int i)
{
    return kt_workers(i % WORKERS);
}

enum kind kind_of(int i)
{
    return (enum kind)(i / WORKERS);
}

kc_chan_opts_t options_of(enum kind kind, size_t elem_size)
{
    static const struct {
        long cap;
        int overflow;
    } how[KINDS] = {
        [RENDEZVOUS] = { 0, KC_SUSPEND },
        [ONE] = { 1, KC_SUSPEND },
        [TWO] = { 2, KC_SUSPEND },
        [SEVEN] = { 7, KC_SUSPEND },
        [UNLIMITED] = { KC_UNLIMITED, KC_SUSPEND },
        [CONFLATED] = { KC_CONFLATED, KC_SUSPEND },
        [DROP_OLDEST] = { 2, KC_DROP_OLDEST },
        [DROP_LATEST] = { 2, KC_DROP_LATEST },
    };
    return (kc_chan_opts_t){ .cap = how[kind].cap,
                             .overflow = how[kind].overflow,
                             .elem_size = elem_size };
}

struct run {
    struct trial trial;
    void (*with_channel)(struct trial *);
    void (*alone)(void);
};

static int root(void *arg)
{
    struct run *r = arg;

    if (r->alone) {
        r->alone();
        return 0;
    }
    kc_chan_opts_t o = options_of(r->trial.kind, sizeof(int));
    ck_assert_int_eq(kc_chan_make_ex(&r->trial.ch, &o), 0);
    r->with_channel(&r->trial);
    kc_chan_unref(r->trial.ch);
    return 0;
}

static void run(struct run *r, const kc_opts_t *opts)
{
    ck_assert_int_eq(kc_run(root, r, opts), 0);
    ck_assert_uint_eq(kci_mem_blocks_in_use(), 0);
}

void try_kind(int i, void (*body)(struct trial *t))
{
    kc_chan_opts_t o = options_of(kind_of(i), sizeof(int));
    struct run r = { .trial = { .kind = kind_of(i), .workers = workers_of(i) },
                     .with_channel = body };

    r.trial.most = o.cap == KC_UNLIMITED ? 1L << 30 : o.cap == KC_CONFLATED ? 1 : o.cap;
    run(&r, &(kc_opts_t){ .workers = r.trial.workers });
}

void try_workers(int workers, void (*body)(void))
{
    run(&(struct run){ .alone = body }, &(kc_opts_t){ .workers = workers });
}

void try_virtual(void (*body)(void))
{
    run(&(struct run){ .alone = body }, &(kc_opts_t){ .flags = KC_RT_VIRTUAL_TIME });
}

void try_thread(void (*body)(void))
{
    body();
    ck_assert_uint_eq(kci_mem_blocks_in_use(), 0);
}

void let_run(void)
{
    static _Atomic(unsigned) turns;

    kc_yield();
    // On a busy machine giving up the processor costs milliseconds: not each time.
    if (ka_add(&turns, 1, relaxed) % 16 == 0) // relaxed: a count
        sched_yield();
}

/* ---- looking at a channel ---- */

struct kc_chan_stats stats_of(kc_chan_t *ch)
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

void check_conserved(kc_chan_t *ch)
{
    struct kc_chan_stats st = stats_of(ch);

    ck_assert_uint_eq(st.sends, st.recvs + st.undelivered + st.len);
    ck_assert_uint_le(st.dropped, st.undelivered);
    ck_assert_uint_eq(st.len, kc_chan_len(ch));
}

void check_deserted(kc_chan_t *ch)
{
    ck_assert_uint_eq(senders_on(ch), 0);
    ck_assert_uint_eq(receivers_on(ch), 0);
}

/* ---- one call ---- */

int put(kc_chan_t *ch, int v)
{
    return kc_chan_send(ch, &v, KC_TRY);
}

int get(kc_chan_t *ch)
{
    int v = 0, rc = kc_chan_recv(ch, &v, KC_TRY);
    return rc ? rc : v;
}

int fill(kc_chan_t *ch, int most)
{
    int n = 0;

    while (n < most && put(ch, n) == 0)
        n++;
    return n;
}

static void finish(struct call *c, int rc)
{
    c->rc = rc;
    if (c->order)
        c->place = ka_add(c->order, 1, seq_cst);
    ka_store(&c->over, 1, release);
}

KC_CO(send_once, struct call *c;)
{
    finish(my->c, kc_chan_send(my->c->ch, &my->c->value, my->c->dl));
    return 0;
}

KC_CO(recv_once, struct call *c;)
{
    finish(my->c, kc_chan_recv(my->c->ch, &my->c->value, my->c->dl));
    return 0;
}

static void prepare(struct call *c)
{
    ka_store(&c->over, 0, relaxed); // relaxed: spawning publishes it
    if (!c->dl.ns)
        c->dl = KC_FOREVER;
}

void go_send(kc_scope_t *s, struct call *c)
{
    prepare(c);
    ck_assert_int_eq(kc_go_in(s, send_once, c), 0);
}

void go_recv(kc_scope_t *s, struct call *c)
{
    prepare(c);
    ck_assert_int_eq(kc_go_in(s, recv_once, c), 0);
}

void park_send(kc_scope_t *s, struct call *c, uint64_t n)
{
    go_send(s, c);
    until(senders_on(c->ch) == n);
}

void park_recv(kc_scope_t *s, struct call *c, uint64_t n)
{
    go_recv(s, c);
    until(receivers_on(c->ch) == n);
}

void open_scope(kc_scope_t *s)
{
    ck_assert_int_eq(kc_scope_open(s, NULL), 0);
}

void close_scope(kc_scope_t *s, int expected)
{
    ck_assert_int_eq(kc_scope_close(s), expected);
}

/* ---- hooks ---- */

void tell(void *elem, unsigned reason, void *arg)
{
    struct told *told = arg;
    int n = ka_load(&told->count, relaxed); // relaxed: one caller at a time

    must(n < TOLD_MOST);
    memcpy(&told->elem[n], elem, sizeof(int));
    told->reason[n] = reason;
    ka_store(&told->count, n + 1, release);
}

void check_told(const struct told *told, unsigned reason, int n, const int *elems)
{
    ck_assert_int_eq(told->count, n);
    for (int i = 0; i < n; i++) {
        ck_assert_int_eq(told->elem[i], elems[i]);
        ck_assert_uint_eq(told->reason[i], reason);
    }
}

/* ---- chance ---- */

struct dice dice_seeded(uint64_t seed)
{
    return (struct dice){ seed * 0x9E3779B97F4A7C15u | 1 };
}

/* xorshift64*, as the library's own. */
uint64_t roll(struct dice *d, uint64_t n)
{
    d->state ^= d->state >> 12;
    d->state ^= d->state << 25;
    d->state ^= d->state >> 27;
    return (d->state * 0x2545F4914F6CDD1Du >> 32) * n >> 32;
}

uint64_t test_seed(void)
{
    const char *text = getenv("KC_TEST_SEED");
    uint64_t seed = text ? strtoull(text, NULL, 0) : kci_os_entropy() % 1000000;

    printf("KC_TEST_SEED=%llu\n", (unsigned long long)seed);
    fflush(stdout);
    return seed;
}
