/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * bench/switch.c — leaving one stack for another, without a scheduler.
 *
 * Two contexts hand control to and fro, both running the same loop, so that every return goes
 * where the processor expects it. ".depthN": each switch happens N calls below the loop and
 * control returns through them before the next one; ".depth1-8": the two sides go through
 * different depths; ".2sites": the two sides switch from different code. There the processor
 * must guess wrong, which is what programs usually pay. What the calls and returns cost without
 * a switch is taken off.
 */
#include <limits.h>

#include "arch/cpu.h"
#include "bench/harness.h"
#include "core/coro.h"

enum { STACK_BYTES = 64 << 10, MIXED = -1, TWO_SITES = -2 };

struct side {
    struct kci_coro here;
    struct side *other; /* NULL: go through the motions without switching */
    long n;             /* depth, MIXED or TWO_SITES */
    long step;          /* MIXED: how depths follow each other */
    long rounds, done;
};

static KCI_ALIGNED(16) unsigned char stack[STACK_BYTES];

static void nothing(void *arg)
{
    (void)arg;
}

KCI_NOINLINE static void dive(long depth, struct side *s)
{
    if (depth > 0)
        dive(depth - 1, s);
    else if (s->other)
        kci_coro_switch(&s->here, &s->other->here, nothing, NULL);
    __asm__ volatile("" ::: "memory"); // the calls above must not become jumps
}

KCI_NOINLINE static void bounce(struct side *s)
{
    for (; s->done < s->rounds; s->done++) {
        if (s->n == MIXED)
            dive((s->done * s->step & 7) + 1, s);
        else if (s->n > 0)
            dive(s->n, s);
        else if (s->other)
            kci_coro_switch(&s->here, &s->other->here, nothing, NULL);
    }
}

/* The far side; left for ever when the near side has had enough. */
static void far_side(void *arg)
{
    struct side *s = arg;

    if (s->n != TWO_SITES)
        bounce(s);
    for (;; s->done++)
        kci_coro_switch(&s->here, &s->other->here, nothing, NULL);
}

static double bounce_ns(struct side *near, long rounds)
{
    int64_t began = clock_ns();

    near->rounds = near->done + rounds;
    bounce(near);
    return (double)(clock_ns() - began);
}

/* What the motions of both sides cost without the switches. */
static double motions_ns(const struct side *near, const struct side *far, long rounds)
{
    struct side a = { .n = near->n, .step = near->step };
    struct side b = { .n = far->n, .step = far->step };

    return near->n ? bounce_ns(&a, rounds) + bounce_ns(&b, rounds) : 0;
}

/* In slices, each paired with its motions alone, so that both meet the same disturbances. */
static int switch_call(struct trial *t)
{
    enum { SLICES = 40 };
    long rounds = (t->ops / 2 + SLICES - 1) / SLICES;
    struct side near = { .n = t->n, .step = 5 };
    struct side far = { .n = t->n, .step = 3, .rounds = LONG_MAX, .other = &near };
    double ns[SLICES];

    near.other = &far;
    kci_coro_thread(&near.here);
    kci_coro_init(&far.here, stack, stack + STACK_BYTES, far_side, &far);
    for (int i = 0; i < SLICES; i++) {
        ns[i] = bounce_ns(&near, rounds);
        ns[i] -= motions_ns(&near, &far, rounds);
    }
    kci_coro_fini(&far.here);
    t->value[0] = percentile(ns, SLICES, 0.5) / (double)(rounds * 2);
    if (far.done + 1 != near.done)
        return wrong(t, "%ld times there, %ld back", near.done, far.done + 1);
    return 0;
}

#if defined(__x86_64__)
/* The least a switch by call can do: keep the six registers, change stacks, jump. */
void bench_raw_switch(void **save, void *load);
__asm__(".text\n"
        ".globl bench_raw_switch\n"
        ".type bench_raw_switch, @function\n"
        ".p2align 4\n"
        "bench_raw_switch:\n"
        "endbr64\n"
        "push %rbp\n push %rbx\n push %r12\n push %r13\n push %r14\n push %r15\n"
        "mov %rsp, (%rdi)\n"
        "mov %rsi, %rsp\n"
        "pop %r15\n pop %r14\n pop %r13\n pop %r12\n pop %rbx\n pop %rbp\n"
        "pop %rcx\n"
        "jmp *%rcx\n"
        ".size bench_raw_switch, .-bench_raw_switch\n");

static void *raw_home, *raw_away;
static long raw_arrived;

static void raw_go_back(void)
{
    for (;;) {
        raw_arrived++;
        bench_raw_switch(&raw_away, raw_home);
    }
}

static int switch_raw(struct trial *t)
{
    uintptr_t *top = (uintptr_t *)(void *)(stack + STACK_BYTES);
    long rounds = (t->ops + 1) / 2;

    // Entered by a jump, with the stack 8 below a multiple of 16, as a call would leave it.
    top[-2] = (uintptr_t)raw_go_back;
    raw_away = &top[-8];
    raw_arrived = 0;
    clock_start(t);
    for (long i = 0; i < rounds; i++)
        bench_raw_switch(&raw_home, raw_away);
    clock_stop(t);
    return raw_arrived == rounds ? 0 : wrong(t, "%ld arrivals of %ld", raw_arrived, rounds);
}
#endif

static const struct row rows[] = {
    { "switch.call", NULL, in_ns, switch_call, 0, 0, 20000000, PINNED },
#if defined(__x86_64__)
    { "switch.call", "floor", in_ns, switch_raw, 0, 0, 20000000, PINNED },
#endif
    { "switch.call.depth1", NULL, in_ns, switch_call, 0, 1, 20000000, PINNED },
    { "switch.call.depth2", NULL, in_ns, switch_call, 0, 2, 20000000, PINNED },
    { "switch.call.depth4", NULL, in_ns, switch_call, 0, 4, 20000000, PINNED },
    { "switch.call.depth8", NULL, in_ns, switch_call, 0, 8, 20000000, PINNED },
    { "switch.call.depth1-8", NULL, in_ns, switch_call, 0, MIXED, 20000000, PINNED },
    { "switch.call.2sites", NULL, in_ns, switch_call, 0, TWO_SITES, 20000000, PINNED },
};
const struct group bench_switch = GROUP(rows);
