/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * tests/chan/kit.h — one property, over every kind of channel and number of workers.
 *
 *     static void closes_once(struct trial *t)
 *     {
 *         ck_assert_int_eq(kc_chan_close(t->ch), 0);
 *     }
 *     START_TEST(c4_the_second_close_says_ealready) { try_kind(_i, closes_once); }
 *     … CASE_LOOP(c4_the_second_close_says_ealready, EVERY) …
 *
 * Nothing here waits a while: until() lets others run until what should be seen is seen. Each
 * run ends with the check that nothing is allocated any more.
 */
#ifndef TESTS_CHAN_KIT_H
#define TESTS_CHAN_KIT_H

#include <kcoro/kcoro.h>
#include <kcoro/metrics.h>
#include <string.h>

#include "arch/atomic.h"
#include "tests/support/suite.h"

/* The kinds that lose nothing come first: a loop to LOSSLESS leaves the others out. */
enum kind {
    RENDEZVOUS,
    ONE,
    TWO,
    SEVEN,
    UNLIMITED,
    CONFLATED,
    DROP_OLDEST,
    DROP_LATEST,
    KINDS
};
enum { WORKERS = KT_WORKERS, LOSSLESS = (UNLIMITED + 1) * WORKERS, EVERY = KINDS * WORKERS };

/* One round of a loop: a channel of ints, on so many workers. */
struct trial {
    enum kind kind;
    int workers;
    kc_chan_t *ch;
    long most; /* elements that can be stored without a receiver; 1 << 30 for UNLIMITED */
};

/* Loop index → 1, 2, 4 workers; → kind. */
int workers_of(int i);
enum kind kind_of(int i);
/* The options that make a channel of this kind. */
kc_chan_opts_t options_of(enum kind kind, size_t elem_size);

/* Run `body` as the root coroutine; its channel is made before and released after. */
void try_kind(int i, void (*body)(struct trial *t));
/* The same without a channel, on `workers` workers, or under a virtual clock. */
void try_workers(int workers, void (*body)(void));
void try_virtual(void (*body)(void));
/* The root is a plain thread: no runtime around body. */
void try_thread(void (*body)(void));

/* Let others run: other coroutines, and other threads. */
void let_run(void);
/* Wait until something is seen. */
#define until(seen)                                                                            \
    do                                                                                         \
        let_run();                                                                             \
    while (!(seen))

/* Silent when they pass. Check's macros write to a pipe each time, too slow in a long loop. */
#define must(cond)                                                                             \
    do {                                                                                       \
        if (!(cond))                                                                           \
            ck_abort_msg("not true: %s", #cond);                                               \
    } while (0)
#define must_eq(a, b)                                                                          \
    do {                                                                                       \
        long long a_ = (long long)(a), b_ = (long long)(b);                                    \
        if (a_ != b_)                                                                          \
            ck_abort_msg("%s is %lld, %s is %lld", #a, a_, #b, b_);                            \
    } while (0)

/* A select came to this. */
#define check_sel(sel, index, code)                                                            \
    do {                                                                                       \
        kc_sel_t sel_ = (sel);                                                                 \
        ck_assert_int_eq(sel_.i, (index));                                                     \
        ck_assert_int_eq(sel_.rc, (code));                                                     \
    } while (0)

struct kc_chan_stats stats_of(kc_chan_t *ch);
uint64_t senders_on(kc_chan_t *ch);
uint64_t receivers_on(kc_chan_t *ch);
/* At rest: sends = recvs + undelivered + len. */
void check_conserved(kc_chan_t *ch);
/* Nobody waits on ch. */
void check_deserted(kc_chan_t *ch);

/* Without waiting. */
int put(kc_chan_t *ch, int v);
/* The element, or the negative code. */
int get(kc_chan_t *ch);
/* Send until it would wait, 0, 1, 2 …; returns how many went in, at most `most`. */
int fill(kc_chan_t *ch, int most);

/* What one waiting call came to. A coroutine writes it; read it once `over`, or once the scope
 * is closed. */
struct call {
    kc_chan_t *ch;
    int value; /* sent, or received */
    int rc;
    kc_deadline_t dl;
    _Atomic(int) *order; /* counts up as calls return; NULL: not wanted */
    int place;           /* what it said */
    _Atomic(int) over;
};

/* Start a coroutine in s that sends or receives once. */
void go_send(kc_scope_t *s, struct call *c);
void go_recv(kc_scope_t *s, struct call *c);
/* The same, and wait until it waits: n is the number that then wait. */
void park_send(kc_scope_t *s, struct call *c, uint64_t n);
void park_recv(kc_scope_t *s, struct call *c, uint64_t n);
void open_scope(kc_scope_t *s);
void close_scope(kc_scope_t *s, int expected);

/* What an undelivered hook was told, in order. */
enum { TOLD_MOST = 64 };
struct told {
    _Atomic(int) count;
    int elem[TOLD_MOST];
    unsigned reason[TOLD_MOST];
};
/* The hook: arg is a struct told, elements are ints. One caller at a time. */
void tell(void *elem, unsigned reason, void *arg);
/* Exactly these elements, each with this reason. */
void check_told(const struct told *told, unsigned reason, int n, const int *elems);

/* A small generator with a seed that is printed. */
struct dice {
    uint64_t state;
};
struct dice dice_seeded(uint64_t seed);
uint64_t roll(struct dice *d, uint64_t n); /* 0 … n-1 */
/* KC_TEST_SEED, else drawn; printed to standard output. */
uint64_t test_seed(void);

#endif
