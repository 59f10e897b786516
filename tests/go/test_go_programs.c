/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * tests/go/test_go_programs.c — small programs made of channels, as Go's tests have them: a
 * sieve with proxies between its stages, power series, numbers that are chains of channels.
 */
#include <inttypes.h>

#include "tests/chan/kit.h"

/* ---- sieve2: select-driven buffers between the stages ---- */

enum { PRIMES = 40, HELD = 5 };

KC_CO(count_from_two, kc_chan_t *out;)
{
    for (int i = 2; kc_send(my->out, &i) == 0; i++)
        continue;
    return 0;
}

KC_CO(sift, kc_chan_t *in; kc_chan_t *out; int prime;)
{
    for (int v; kc_recv(my->in, &v) == 0;)
        if (v % my->prime && kc_send(my->out, &v) < 0)
            break;
    return 0;
}

/* A queue between two channels: receives while it has room, sends while it has something. */
KC_CO(proxy, kc_chan_t *in; kc_chan_t *out;)
{
    int held[HELD], first = 0, n = 0, v;

    for (;;) {
        kc_sel_t r = kc_select(KC_FOREVER, KC_IF(n > 0, KC_SEND(my->out, &held[first])),
                               KC_IF(n < HELD, KC_RECV(my->in, &v)));
        if (r.rc < 0)
            return 0;
        if (r.i == 0) {
            first = (first + 1) % HELD;
            n--;
        } else {
            held[(first + n++) % HELD] = v;
        }
    }
}

static bool is_prime(int n)
{
    for (int d = 2; d * d <= n; d++)
        if (n % d == 0)
            return false;
    return n > 1;
}

static void sieve(void)
{
    kc_scope_t s;
    int last = 1, p;

    open_scope(&s);
    kc_chan_t *in = kc_chan(int, 0);
    kc_go(count_from_two, in);
    for (int i = 0; i < PRIMES; i++) {
        kc_chan_t *sifted = kc_chan(int, 0), *next = kc_chan(int, 0);
        must_eq(kc_recv(in, &p), 0);
        for (int n = last + 1; n < p; n++)
            must(!is_prime(n)); // none was left out
        must(is_prime(p));
        last = p;
        kc_go(sift, in, sifted, p);
        kc_go(proxy, sifted, next);
        in = next;
    }
    ck_assert_int_eq(last, 173);
    kc_scope_cancel(&s, 0);
    close_scope(&s, -ECANCELED);
}

START_TEST(b14_a_sieve_with_select_driven_queues_between_its_stages)
{
    try_workers(workers_of(_i), sieve);
}
END_TEST

/* ---- powser1: power series as streams of rational coefficients ---- */

enum { TERMS = 9 };

struct rat {
    int64_t num, den;
};

static struct rat rat(int64_t num, int64_t den)
{
    int64_t a = num < 0 ? -num : num, b = den, rest;

    for (; a; b = rest) { // the greatest common divisor ends up in b
        rest = a;
        a = b % a;
    }
    return (struct rat){ num / b, den / b };
}

static struct rat plus(struct rat a, struct rat b)
{
    return rat(a.num * b.den + b.num * a.den, a.den * b.den);
}

static struct rat times(struct rat a, struct rat b)
{
    return rat(a.num * b.num, a.den * b.den);
}

/* Streams end after TERMS coefficients at most; what is split may be buffered without bound. */
static kc_chan_t *stream(void)
{
    return kc_chan(struct rat, KC_UNLIMITED);
}

/* 1, c, c²/2!, c³/3! … */
KC_CO(exponential, kc_chan_t *out; int c;)
{
    struct rat term = { 1, 1 };

    for (int i = 1; i <= TERMS; i++) {
        must_eq(kc_send(my->out, &term), 0);
        term = times(term, rat(my->c, i));
    }
    return kc_chan_close(my->out);
}

KC_CO(split, kc_chan_t *in; kc_chan_t *a; kc_chan_t *b;)
{
    for (struct rat r; kc_recv(my->in, &r) == 0;)
        must_eq(kc_send(my->a, &r) | kc_send(my->b, &r), 0);
    return kc_chan_close(my->a) | kc_chan_close(my->b);
}

/* F·G = f·g + x·(f·G' + g·F' + x·F'·G'), where F = f + x·F' and G = g + x·G'. */
KC_CO(multiply, kc_chan_t *f; kc_chan_t *g; kc_chan_t *out;)
{
    kc_chan_t *f1 = stream(), *f2 = stream(), *g1 = stream(), *g2 = stream(), *rest = stream();
    struct rat f, g, a, b, r, zero = { 0, 1 };

    if (kc_recv(my->f, &f) || kc_recv(my->g, &g))
        return kc_chan_close(my->out);
    r = times(f, g);
    must_eq(kc_send(my->out, &r), 0);
    kc_go(split, my->f, f1, f2);
    kc_go(split, my->g, g1, g2);
    must_eq(kc_send(rest, &zero), 0); // the factor x in front of F'·G'
    kc_go(multiply, f2, g2, rest);
    while (!kc_recv(f1, &a) && !kc_recv(g1, &b) && !kc_recv(rest, &r)) {
        r = plus(r, plus(times(f, b), times(g, a)));
        must_eq(kc_send(my->out, &r), 0);
    }
    return kc_chan_close(my->out);
}

static void check_product(int c, int d)
{
    kc_chan_t *f = stream(), *g = stream(), *product = stream();
    struct rat r, expected = { 1, 1 };
    kc_scope_t s;

    open_scope(&s);
    kc_go_in(&s, exponential, f, c);
    kc_go_in(&s, exponential, g, d);
    kc_go_in(&s, multiply, f, g, product);
    for (int i = 1; i <= TERMS; i++) { // exp(cx)·exp(dx) = exp((c+d)x)
        must_eq(kc_recv(product, &r), 0);
        must_eq(r.num, expected.num);
        must_eq(r.den, expected.den);
        expected = times(expected, rat(c + d, i));
    }
    close_scope(&s, 0);
}

static void series(void)
{
    check_product(1, -1);
    check_product(1, 1);
    check_product(2, -3);
}

START_TEST(b14_power_series_multiply_through_streams)
{
    try_workers(workers_of(_i), series);
}
END_TEST

/* ---- peano: a number is a channel that holds its predecessor; zero is none ---- */

static kc_chan_t *successor(kc_chan_t *n)
{
    kc_chan_t *ch = kc_chan(kc_chan_t *, 1);

    must_eq(kc_chan_send(ch, &n, KC_TRY), 0);
    return ch;
}

static kc_chan_t *predecessor(kc_chan_t *n)
{
    kc_chan_t *before;

    must_eq(kc_chan_recv(n, &before, KC_TRY), 0);
    must_eq(kc_chan_send(n, &before, KC_TRY), 0); // it stays the number that it was
    return before;
}

static kc_chan_t *sum(kc_chan_t *a, kc_chan_t *b)
{
    return b ? successor(sum(a, predecessor(b))) : a;
}

static kc_chan_t *product(kc_chan_t *a, kc_chan_t *b)
{
    return b ? sum(product(a, predecessor(b)), a) : NULL;
}

static kc_chan_t *factorial(kc_chan_t *n)
{
    return n ? product(n, factorial(predecessor(n))) : successor(NULL);
}

static int value_of(kc_chan_t *n)
{
    int v = 0;

    for (; n; n = predecessor(n))
        v++;
    return v;
}

KC_CO(compute_factorial, int n; int expected;)
{
    kc_chan_t *n = NULL;

    while (value_of(n) < my->n)
        n = successor(n);
    must_eq(value_of(factorial(n)), my->expected);
    return 0;
}

static void peano(void)
{
    static const int factorials[] = { 1, 1, 2, 6, 24, 120 };
    kc_scope_t s;

    open_scope(&s);
    for (int n = 0; n < 6; n++)
        kc_go_in(&s, compute_factorial, n, factorials[n]);
    close_scope(&s, 0); // and all numbers with it
}

START_TEST(b12_numbers_made_of_channels_in_channels)
{
    try_workers(workers_of(_i), peano);
}
END_TEST

SUITE("go/programs",
      CASE_LOOP(b14_a_sieve_with_select_driven_queues_between_its_stages, WORKERS),
      CASE_LOOP(b14_power_series_multiply_through_streams, WORKERS),
      CASE_LOOP(b12_numbers_made_of_channels_in_channels, WORKERS))
