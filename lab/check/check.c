/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * lab/check/check.c — every access of a program is a point, and is checked for races.
 *
 * The program is compiled with -fsanitize=thread, which turns each access into a call
 * (__tsan_write4 …), and is linked with this instead of ThreadSanitizer. The library in this
 * archive is compiled in the same way, but its calls are renamed to __kct_…: its own accesses
 * are no points and are not checked, only what its atomics order is remembered. So one knows
 * exactly what is ordered with what, and a race is mostly found on any schedule that makes both
 * accesses, next to each other or not.
 *
 * Clocks    one vector clock for each fiber (coroutine, or thread), one for each address that
 *           an atomic released to. An access is remembered as (fiber, its time).
 * Shadow    for each 4 bytes the last write, and the last read of a few fibers; freed memory is
 *           forgotten.
 * Limits    FIBERS at a time, others are not checked; RELEASES addresses of atomics, then
 *           nothing is checked any more; what a pool thread of kc_block does is the waiting
 *           coroutine's; gcc's memcpy and its like are not seen; several bytes of one cell are
 *           remembered only for the last access. A pthread mutex held across an access would
 *           stop everything: another coroutine may want it on the same thread.
 */
#include <kcoro/test.h>
#include <malloc.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lab/check/check.h"
#include "lab/explore/property.h"
#include "lab/explore/story.h"
#include "sched/sched.h"

enum { FIBERS = 256, CELLS = 1 << 20, RELEASES = 1 << 14, READS = 3,
       PROBES = 16 };

struct clock {
    uint32_t at[FIBERS];
};

struct seen {
    uint16_t fiber; /* 0: nobody */
    uint8_t mask;   /* bytes of the cell */
    uint32_t time;
    void *site;
};

struct cell {
    uintptr_t addr; /* >> 2; 0: free */
    struct seen write, read[READS];
    unsigned turn;  /* the read to forget next */
};

struct release {
    uintptr_t addr; /* 0: free */
    struct clock clock;
};

/* Zeroes that cost nothing before they are touched. */
static struct {
    bool busy;
    bool blind; /* too many addresses to know all orders: nothing is checked any more */
    unsigned current; /* fiber; 0: one of those for which there was no place */
    unsigned next;    /* after the callback */
    bool used[FIBERS];
    struct clock fiber[FIBERS];
    struct cell cell[CELLS];
    struct release release[RELEASES];
} C = { .current = 1, .used = { true, true } };

static bool is_on(void)
{
    return kci_lab_on;
}

/* ---- clocks ---- */

static void join(struct clock *to, const struct clock *from)
{
    for (unsigned i = 0; i < FIBERS; i++)
        if (from->at[i] > to->at[i])
            to->at[i] = from->at[i];
}

static size_t hash(uintptr_t key, size_t n)
{
    return (size_t)((key * 0x9E3779B97F4A7C15u) >> 20) & (n - 1);
}

/* Where addr's releases are; NULL: there are none, and none wanted, or no room. */
static struct clock *released(uintptr_t addr, bool make)
{
    size_t i = hash(addr, RELEASES);

    for (int probe = 0; probe < 4 * PROBES; probe++, i = (i + 1) & (RELEASES - 1)) {
        struct release *r = &C.release[i];
        if (r->addr == addr)
            return &r->clock;
        if (!r->addr && !make)
            return NULL;
        if (!r->addr) {
            r->addr = addr;
            return &r->clock;
        }
    }
    C.blind |= make; // an order that is not remembered would look like a race
    return NULL;
}

void kci_check_acquire(const void *p)
{
    struct clock *c = is_on() ? released((uintptr_t)p, false) : NULL;

    if (c)
        join(&C.fiber[C.current], c);
}

void kci_check_release(const void *p)
{
    struct clock *c = is_on() ? released((uintptr_t)p, true) : NULL;

    if (!c)
        return;
    join(c, &C.fiber[C.current]);
    C.fiber[C.current].at[C.current]++;
}

void kci_check_ordered(const void *p, int order)
{
    if (order != __ATOMIC_RELAXED && order != __ATOMIC_RELEASE)
        kci_check_acquire(p);
    if (order == __ATOMIC_RELEASE || order >= __ATOMIC_ACQ_REL)
        kci_check_release(p);
}

/* ---- fibers: ThreadSanitizer's interface, called by the library ---- */

void *__kct_get_current_fiber(void)
{
    return (void *)(uintptr_t)C.current;
}

void *__kct_create_fiber(unsigned flags)
{
    unsigned f = 2;

    (void)flags;
    while (f < FIBERS && C.used[f])
        f++;
    if (f == FIBERS)
        return NULL;
    C.used[f] = true;
    // Time goes on where the last user of the place ended; and it comes after its creator.
    join(&C.fiber[f], &C.fiber[C.current]);
    C.fiber[f].at[f]++;
    C.fiber[C.current].at[C.current]++;
    return (void *)(uintptr_t)f;
}

void __kct_destroy_fiber(void *fiber)
{
    C.used[(uintptr_t)fiber] = false;
    C.used[0] = true; // nobody's
}

void __kct_switch_to_fiber(void *fiber, unsigned flags)
{
    (void)flags;
    C.next = (unsigned)(uintptr_t)fiber;
}

void kci_check_landed(void)
{
    C.current = C.next;
}

void __kct_acquire(void *p)
{
    kci_check_acquire(p);
}

void __kct_release(void *p)
{
    kci_check_release(p);
}

/* ---- accesses ---- */

static struct cell *cell_of(uintptr_t addr, bool make)
{
    uintptr_t key = addr >> 2;
    size_t i = hash(key, CELLS);

    for (int probe = 0; probe < PROBES; probe++, i = (i + 1) & (CELLS - 1)) {
        if (C.cell[i].addr == key)
            return &C.cell[i];
        if (!C.cell[i].addr) {
            C.cell[i].addr = make ? key : 0;
            return make ? &C.cell[i] : NULL;
        }
    }
    if (!make)
        return NULL;
    C.cell[i] = (struct cell){ .addr = key }; // an old one has to go: races may be missed
    return &C.cell[i];
}

static bool is_after(const struct seen *s)
{
    return !s->fiber || s->fiber == C.current || C.fiber[C.current].at[s->fiber] >= s->time;
}

static void say_where(char *out, size_t bytes, void *site)
{
    struct kci_site stack = { .n = 1, .pc = { site } };
    const struct kci_site *one = &stack;
    struct kci_place place = { "", "" };

    if (kci_lab_run()->story) // a look into the program's file takes a while
        kci_sites_resolve(&one, 1, &place);
    snprintf(out, bytes, "%s%s", place.where[0] ? " at " : "", place.where);
}

static void report(const struct seen *before, bool wrote, bool writes, void *site)
{
    char here[110], there[110];

    say_where(here, sizeof here, site);
    say_where(there, sizeof there, before->site);
    kci_run_fail(kci_lab_run(), KCI_FAIL_RACE,
                 "data race: a %s%s, and a %s%s by another coroutine, in no order",
                 writes ? "write" : "read", here, wrote ? "write" : "read", there);
}

static void check(struct cell *c, uint8_t mask, bool writes, void *site)
{
    if (c->write.mask & mask && !is_after(&c->write))
        report(&c->write, true, writes, site);
    for (int i = 0; writes && i < READS; i++)
        if (c->read[i].mask & mask && !is_after(&c->read[i]))
            report(&c->read[i], false, true, site);
}

static struct seen *place_of_read(struct cell *c)
{
    for (int i = 0; i < READS; i++)
        if (c->read[i].fiber == C.current || is_after(&c->read[i]))
            return &c->read[i];
    return &c->read[c->turn++ % READS];
}

static void remember(struct cell *c, uint8_t mask, bool writes, void *site)
{
    struct seen *s = writes ? &c->write : place_of_read(c);
    uint32_t time = C.fiber[C.current].at[C.current];
    // An older one's other bytes are forgotten: they were touched before what came since.
    uint8_t both = s->fiber == C.current && s->time == time ? s->mask : 0;

    *s = (struct seen){ (uint16_t)C.current, (uint8_t)(mask | both), time, site };
}

static void access(uintptr_t addr, size_t n, bool writes, void *site)
{
    if (!is_on() || C.busy || C.blind || !C.current)
        return;
    C.busy = true; // not for what is called from here
    while (n) {
        size_t first = addr & 3, here = 4 - first < n ? 4 - first : n;
        uint8_t mask = (uint8_t)(((1u << here) - 1) << first);
        struct cell *c = cell_of(addr, true);
        check(c, mask, writes, site);
        remember(c, mask, writes, site);
        addr += here;
        n -= here;
    }
    C.busy = false;
}

void kci_check_point(void)
{
    if (kci_lab_on && !C.busy)
        kc_point();
}

void kci_check_touch(const void *p, size_t n, bool writes, void *site)
{
    kci_check_point();
    access((uintptr_t)p, n, writes, site);
}

/* ---- memory that is given back ---- */

static void forget(uintptr_t addr, size_t n)
{
    if (!is_on())
        return;
    for (uintptr_t a = addr & ~(uintptr_t)3; a < addr + n; a += 4) {
        struct cell *c = cell_of(a, false);
        if (c) // its place stays taken: others may lie behind it
            *c = (struct cell){ .addr = c->addr };
    }
}

void __libc_free(void *p);
void *__libc_realloc(void *p, size_t bytes);

void free(void *p)
{
    if (p)
        forget((uintptr_t)p, malloc_usable_size(p));
    __libc_free(p);
}

void *realloc(void *p, size_t bytes)
{
    if (p)
        forget((uintptr_t)p, malloc_usable_size(p));
    return __libc_realloc(p, bytes);
}
