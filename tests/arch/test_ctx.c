/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * tests/arch/test_ctx.c — the contract of arch/ctx.h, on whatever CPU this is compiled for.
 *
 * A plain C program over ctx.c and switch.S alone, so that it can be cross-compiled and run
 * under an emulator: prints what failed, exits 1 if anything did. Compiled without optimisation
 * and with a lot of it: only the optimiser keeps values in registers across calls.
 */
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "arch/cpu.h"
#include "arch/ctx.h"
#include "tests/arch/regs.h"

enum { STACK_BYTES = 16 * 1024 };

struct context {
    void *sp;
    unsigned char *stack;
};

static int failures;
static struct context home; // main's own

static void expect(const char *what, unsigned long long got, unsigned long long want)
{
    if (got == want)
        return;
    failures++;
    printf("  %s: %llu, expected %llu\n", what, got, want);
}

static void nothing(void *arg)
{
    (void)arg;
}

static void context_open(struct context *c, void (*entry)(void *), void *arg)
{
    c->stack = malloc(STACK_BYTES);
    if (!c->stack) {
        puts("  out of memory");
        exit(1);
    }
    uintptr_t top = ((uintptr_t)c->stack + STACK_BYTES) & ~(uintptr_t)15;
    c->sp = kci_ctx_make((void *)top, entry, arg);
}

static void context_close(struct context *c)
{
    free(c->stack);
}

static void go(struct context *from, struct context *to)
{
    kci_ctx_switch(&from->sp, to->sp, nothing, NULL);
}

static bool on_stack_of(const struct context *c, const void *p)
{
    uintptr_t at = (uintptr_t)p, lo = (uintptr_t)c->stack;

    return at >= lo && at < lo + STACK_BYTES;
}

/* ---- a new context ---- */

static struct context first;
static void *volatile got_arg;
static void *volatile got_local; // volatile: not assumed to have the alignment asked for
static char got_text[16];

static void look_around(void *arg)
{
    _Alignas(16) char local[16] = "here";
    volatile double third = 1.0 / 3.0;

    got_arg = arg;
    got_local = local;
    // A double among variable arguments crashes on a misaligned stack on several CPUs.
    snprintf(got_text, sizeof got_text, "%.3f", third);
    go(&first, &home);
}

static void a_new_context_calls_entry_with_its_argument_on_an_aligned_stack(void)
{
    int something;

    context_open(&first, look_around, &something);
    go(&home, &first);
    expect("entry has its argument", got_arg == (void *)&something, 1);
    expect("entry is on its own stack", on_stack_of(&first, got_local), 1);
    expect("misalignment", (uintptr_t)got_local % 16, 0);
    expect("printing a double works", strcmp(got_text, "0.333"), 0);
    context_close(&first);
}

/* ---- post ---- */

struct visit {
    struct context *to;
    int step;
    bool there;
};

static struct context other;
static int steps;

static void visit_made(void *arg)
{
    struct visit *v = arg;
    char here = 0;

    v->step = ++steps;
    v->there = on_stack_of(v->to, &here);
}

static void expect_visit(const char *what, const struct visit *v, int step, bool there)
{
    int before = failures;

    expect("post came as step", (unsigned)v->step, (unsigned)step);
    expect("post was on the other context's stack", v->there, there);
    expect("the resumed context then is step", (unsigned)++steps, (unsigned)step + 1);
    if (failures != before)
        printf("  … going %s\n", what);
}

static void visited(void *arg)
{
    struct visit back = { .to = &other };

    expect_visit("into a new context", arg, 1, true);
    kci_ctx_switch(&other.sp, home.sp, visit_made, &back);
    expect_visit("into a suspended context", arg, 5, true);
    kci_ctx_switch(&other.sp, home.sp, visit_made, &back);
}

static void post_runs_on_the_new_stack_before_the_resumed_context(void)
{
    struct visit in = { .to = &other };

    steps = 0;
    context_open(&other, visited, &in);
    kci_ctx_switch(&home.sp, other.sp, visit_made, &in);
    // `back` is 3, and not on other's stack; we are 4.
    expect("steps so far", (unsigned)steps, 3);
    steps++;
    kci_ctx_switch(&home.sp, other.sp, visit_made, &in);
    expect("steps at last", (unsigned)steps, 7);
    context_close(&other);
}

static void bury(void *arg)
{
    struct context *dead = arg;

    memset(dead->stack, 0xa5, STACK_BYTES);
    context_close(dead);
    dead->stack = NULL;
}

static void die(void *arg)
{
    kci_ctx_switch(&other.sp, home.sp, bury, arg);
}

static void post_may_free_the_stack_just_left(void)
{
    for (int i = 0; i < 100; i++) {
        context_open(&other, die, &other);
        go(&home, &other);
        expect("the stack is gone", other.stack == NULL, 1);
    }
}

/* ---- registers ---- */

enum { RING = 5, ROUNDS = 200 };

static struct context ring[RING]; // [0] is main
static unsigned long changed[RING];
static int rounds_done[RING];
static volatile int zero;

/* From some calls further down than last time. Not a tail call: the sum is used. */
static KCI_NOINLINE unsigned long hold_deep(int depth, int self)
{
    struct context *next = &ring[(self + 1) % RING];
    unsigned long seed = 1000ul * (unsigned)self + 17;

    if (depth > 0)
        return hold_deep(depth - 1, self) + (unsigned long)zero;
    return kt_regs_switch(seed, &ring[self].sp, next->sp, nothing, NULL);
}

static void hold_registers(void *arg)
{
    int self = (int)((int *)arg - rounds_done);

    while (self || rounds_done[self] < ROUNDS) {
        changed[self] |= hold_deep(rounds_done[self] * (self + 3) % 11, self);
        rounds_done[self]++;
    }
}

static void every_callee_saved_register_survives_at_any_call_depth(void)
{
    for (int i = 1; i < RING; i++)
        context_open(&ring[i], hold_registers, &rounds_done[i]);
    hold_registers(&rounds_done[0]);
    for (int i = 0; i < RING; i++) {
        expect("registers changed (a bit each)", changed[i], 0);
        expect("rounds done", rounds_done[i] >= ROUNDS - 1, 1);
        if (i)
            context_close(&ring[i]);
    }
}

/* ---- values that the compiler keeps where it likes ---- */

enum { WEAVERS = 3 };

static struct context weaver[WEAVERS];
static double woven[WEAVERS];
static int weaving; // whose turn it is

static void rest(void)
{
}

static void next_weaver(void)
{
    int self = weaving;

    weaving = (self + 1) % WEAVERS;
    go(&weaver[self], weaving ? &weaver[weaving] : &weaver[0]);
}

/* More live values than registers, integer and floating point, with a pause in between. */
static KCI_NOINLINE double weave(unsigned long seed, int depth, void (*pause)(void))
{
    unsigned long a = seed + 1, b = seed * 3, c = seed * 5, d = seed ^ 7, e = seed + 11;
    unsigned long f = ~seed, g = seed << 3, h = seed + 101, i = seed * 13, j = seed ^ 99;
    unsigned long k = seed * 7, l = 5;
    double p = (double)a, q = 1.5, r = 2.25, s = (double)seed, t = .5, u = 3.75, v = 9, w = 1;
    double x = .125, y = 4.5, z = (double)depth;

    for (int turn = 0; turn < 3; turn++) {
        pause();
        a += b ^ c, b += c ^ d, c += d ^ e, d += e ^ f, e += f ^ g, f += g ^ h;
        g += h ^ i, h += i ^ j, i += j ^ k, j += k ^ l, k += l ^ a, l += a ^ b;
        p = p * .5 + q, q = q * .5 + r, r = r * .5 + s, s = s * .5 + t, t = t * .5 + u;
        u = u * .5 + v, v = v * .5 + w, w = w * .5 + x, x = x * .5 + y, y = y * .5 + z;
        z = z * .5 + p;
    }
    double deeper = depth > 0 ? weave(seed ^ a, depth - 1, pause) : 0;
    return p + q + r + s + t + u + v + w + x + y + z + deeper +
           (double)((a ^ b ^ c ^ d ^ e ^ f ^ g ^ h ^ i ^ j ^ k ^ l) & 0xffff);
}

static unsigned long weaver_seed(int self)
{
    return 12345ul * (unsigned)(self + 1);
}

static void weave_for_ever(void *arg)
{
    int self = (int)((double *)arg - woven);

    for (;;)
        woven[self] = weave(weaver_seed(self), 4 + 3 * self, next_weaver);
}

static void live_values_survive_between_contexts_that_interleave(void)
{
    for (int i = 1; i < WEAVERS; i++)
        context_open(&weaver[i], weave_for_ever, &woven[i]);
    // The others are longer than we are: several of our webs until the slowest has one.
    for (int n = 0; n < 4; n++)
        woven[0] = weave(weaver_seed(0), 4, next_weaver);
    for (int i = 0; i < WEAVERS; i++) {
        double alone = weave(weaver_seed(i), 4 + 3 * i, rest);
        expect("the same as without switching", woven[i] == alone, 1); // bit for bit
        if (i)
            context_close(&weaver[i]);
    }
}

/* ---- many ---- */

enum { CHAIN = 1000 };

static struct context chain[CHAIN + 1]; // [0] is main
static long chain_sum;

static void descend(void *arg)
{
    struct context *self = arg;

    if (self < &chain[CHAIN]) {
        context_open(self + 1, descend, self + 1);
        go(self, self + 1);
    }
    chain_sum += self - chain;
    go(self, self - 1);
}

static void contexts_nest_a_thousand_deep(void)
{
    context_open(&chain[1], descend, &chain[1]);
    go(&chain[0], &chain[1]);
    expect("sum over the chain", (unsigned long long)chain_sum, CHAIN * (CHAIN + 1ull) / 2);
    for (int i = 1; i <= CHAIN; i++)
        context_close(&chain[i]);
}

static unsigned long long counter;

static void count_up(void *arg)
{
    (void)arg;
    for (;;) {
        counter++;
        go(&other, &home);
    }
}

static void a_million_switches_lose_nothing(void)
{
    unsigned long long sum = 0;
    const unsigned long long n = 500000; // there and back

    context_open(&other, count_up, NULL);
    for (unsigned long long i = 0; i < n; i++) {
        go(&home, &other);
        sum += counter;
    }
    expect("sum", sum, n * (n + 1) / 2);
    context_close(&other);
}

int main(void)
{
    static const struct {
        const char *name;
        void (*run)(void);
    } tests[] = {
#define TEST(name) { #name, name }
        TEST(a_new_context_calls_entry_with_its_argument_on_an_aligned_stack),
        TEST(post_runs_on_the_new_stack_before_the_resumed_context),
        TEST(post_may_free_the_stack_just_left),
        TEST(every_callee_saved_register_survives_at_any_call_depth),
        TEST(live_values_survive_between_contexts_that_interleave),
        TEST(contexts_nest_a_thousand_deep),
        TEST(a_million_switches_lose_nothing),
#undef TEST
    };

    for (size_t i = 0; i < sizeof tests / sizeof tests[0]; i++) {
        int before = failures;
        tests[i].run();
        printf("%s %s\n", failures == before ? "ok  " : "FAIL", tests[i].name);
    }
    return failures ? 1 : 0;
}
