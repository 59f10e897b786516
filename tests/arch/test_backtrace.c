/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * tests/arch/test_backtrace.c — whoever walks the stack of a context finds its end.
 *
 * Debuggers, profilers and crash handlers walk at any moment: in the middle of a context's
 * calls, and inside the switch, when the stack is already the other one. A walk must end at
 * kci_ctx_start, or on a thread's own stack where it ends without us. Both kinds of walker are
 * tried: by unwind tables and by frame pointers, with which this is compiled. A plain C program
 * like test_ctx.c, for the same reason.
 */
#include <execinfo.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include "arch/cpu.h"
#include "arch/ctx.h"

enum { STACK_BYTES = 256 * 1024, FRAMES = 64, DEPTH = 7 };
// kci_ctx_start is shorter than this, so a return address into it is at most this far in.
enum { START_BYTES = 32 };

static int failures;
static void *home, *other; // stack pointers of main and of the only context
static volatile int zero;

struct walk {
    void *frame[FRAMES];
    int count;
};

static KCI_NOINLINE void walk_here(void *arg)
{
    struct walk *w = arg;

    w->count = backtrace(w->frame, FRAMES);
    while (w->count > 0 && !w->frame[w->count - 1])
        w->count--; // some walkers report the end itself
}

static KCI_NOINLINE int walk_below(int depth, struct walk *w)
{
    if (depth > 0)
        return walk_below(depth - 1, w) + zero;
    walk_here(w);
    return zero;
}

static void expect(bool ok, const char *what)
{
    if (!ok)
        failures++;
    printf("%s %s\n", ok ? "ok  " : "FAIL", what);
}

static bool ends_at_start(const struct walk *w)
{
    if (w->count < 2 || w->count == FRAMES)
        return false;
    uintptr_t last = (uintptr_t)w->frame[w->count - 1];
    uintptr_t start = (uintptr_t)kci_ctx_start;
    return last >= start && last <= start + START_BYTES;
}

static bool ends_like(const struct walk *w, const struct walk *model)
{
    return w->count > 1 && model->count > 1 &&
           w->frame[w->count - 1] == model->frame[model->count - 1];
}

/* What a frame pointer points to differs; where is the one of the frame above? */
static void *frame_above(void **frame)
{
#if defined(__riscv)
    return frame[-2];
#else
    return frame[0];
#endif
}

static struct walk in_calls, into_new, into_suspended, into_main, in_main;

static void wander(void *arg)
{
    (void)arg;
    expect(!frame_above(__builtin_frame_address(0)), "frame pointers end in a new context");
    walk_below(DEPTH, &in_calls);
    kci_ctx_switch(&other, home, walk_here, &into_main);
    kci_ctx_switch(&other, home, walk_here, &into_main);
}

static void walk_everywhere(void *stack)
{
    other = kci_ctx_make((char *)stack + STACK_BYTES, wander, NULL);
    walk_here(&in_main);
    kci_ctx_switch(&home, other, walk_here, &into_new);
    kci_ctx_switch(&home, other, walk_here, &into_suspended);
}

int main(void)
{
    char *block = malloc(STACK_BYTES + 16);

    if (!block)
        return 1;
    walk_everywhere((void *)(((uintptr_t)block + 15) & ~(uintptr_t)15));
    expect(ends_at_start(&in_calls), "a walk from calls in a context ends at its start");
    expect(in_calls.count >= DEPTH + 3, "and sees every call on the way");
    expect(ends_at_start(&into_new), "a walk from post into a new context ends at its start");
    expect(ends_at_start(&into_suspended), "and so into a suspended one");
    expect(into_suspended.count > into_new.count, "which has a caller more");
    expect(ends_like(&into_main, &in_main), "a walk from post into main ends where its own do");
    free(block);
    return failures ? 1 : 0;
}
