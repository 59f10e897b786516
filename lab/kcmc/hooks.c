/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * lab/kcmc/hooks.c — what gcc and clang call in code compiled with -fsanitize=thread.
 *
 * The place of an operation is the return address. gcc compares and exchanges through …_strong
 * and …_weak, clang through …_val. Plain accesses outside a model's threads are nobody's.
 */
#include <string.h>

#include "lab/kcmc/state.h"

#define SITE __builtin_return_address(0)

int kcmc_order(void *site, const char *what, int order, int fail, bool is_fail)
{
    if (K->collecting && !is_fail) {
        unsigned i = 0;
        while (i < K->nsites && K->site[i].addr != site)
            i++;
        if (i == K->nsites && i < SITES)
            K->site[K->nsites++] = (struct site){ site, what, order, fail };
    }
    for (unsigned i = 0; i < K->nweak; i++)
        if (K->weak[i].site == site && K->weak[i].is_fail == is_fail)
            return K->weak[i].order;
    return is_fail ? fail : order;
}

static uint64_t put(uint64_t old, uint64_t v)
{
    (void)old;
    return v;
}

static uint64_t add(uint64_t old, uint64_t v)
{
    return old + v;
}

static uint64_t subtract(uint64_t old, uint64_t v)
{
    return old - v;
}

static uint64_t bit_and(uint64_t old, uint64_t v)
{
    return old & v;
}

static uint64_t bit_or(uint64_t old, uint64_t v)
{
    return old | v;
}

static uint64_t bit_xor(uint64_t old, uint64_t v)
{
    return old ^ v;
}

static bool swap(uintptr_t addr, unsigned size, uint64_t *expected, uint64_t v, int order,
                 int fail, void *site)
{
    int orders[2] = { kcmc_order(site, "cas", order, fail, false),
                      kcmc_order(site, "cas", order, fail, true) };
    return kcmc_cas(addr, size, expected, v, orders, site);
}

/* A weak one may also fail for nothing. */
static bool swap_weak(uintptr_t addr, unsigned size, uint64_t *expected, uint64_t v, int order,
                      int fail, void *site)
{
    if (!K->running || !kcmc_choose(2))
        return swap(addr, size, expected, v, order, fail, site);
    *expected = kcmc_load(addr, size, kcmc_order(site, "cas", order, fail, true), site);
    return false;
}

#define DECLARED(type, name, ...)                                                              \
    type name(__VA_ARGS__);                                                                    \
    type name(__VA_ARGS__)

#define CHANGE(bits, name, next)                                                               \
    DECLARED(uint##bits##_t, __tsan_atomic##bits##_##name, volatile uint##bits##_t *p,         \
             uint##bits##_t v, int order)                                                      \
    {                                                                                          \
        order = kcmc_order(SITE, #name, order, -1, false);                                     \
        return (uint##bits##_t)kcmc_rmw((uintptr_t)p, bits / 8, next, v, order, SITE);         \
    }

#define ATOMICS(bits)                                                                          \
    DECLARED(uint##bits##_t, __tsan_atomic##bits##_load, const volatile uint##bits##_t *p,     \
             int order)                                                                        \
    {                                                                                          \
        order = kcmc_order(SITE, "load", order, -1, false);                                    \
        return (uint##bits##_t)kcmc_load((uintptr_t)p, bits / 8, order, SITE);                 \
    }                                                                                          \
    DECLARED(void, __tsan_atomic##bits##_store, volatile uint##bits##_t *p, uint##bits##_t v,  \
             int order)                                                                        \
    {                                                                                          \
        order = kcmc_order(SITE, "store", order, -1, false);                                   \
        kcmc_store((uintptr_t)p, bits / 8, v, order, SITE);                                    \
    }                                                                                          \
    CHANGE(bits, exchange, put)                                                                \
    CHANGE(bits, fetch_add, add)                                                               \
    CHANGE(bits, fetch_sub, subtract)                                                          \
    CHANGE(bits, fetch_and, bit_and)                                                           \
    CHANGE(bits, fetch_or, bit_or)                                                             \
    CHANGE(bits, fetch_xor, bit_xor)                                                           \
    DECLARED(bool, __tsan_atomic##bits##_compare_exchange_strong, volatile uint##bits##_t *p,  \
             uint##bits##_t *expected, uint##bits##_t v, int order, int fail)                  \
    {                                                                                          \
        uint64_t seen = *expected;                                                             \
        bool done = swap((uintptr_t)p, bits / 8, &seen, v, order, fail, SITE);                 \
        *expected = (uint##bits##_t)seen;                                                      \
        return done;                                                                           \
    }                                                                                          \
    DECLARED(bool, __tsan_atomic##bits##_compare_exchange_weak, volatile uint##bits##_t *p,    \
             uint##bits##_t *expected, uint##bits##_t v, int order, int fail)                  \
    {                                                                                          \
        uint64_t seen = *expected;                                                             \
        bool done = swap_weak((uintptr_t)p, bits / 8, &seen, v, order, fail, SITE);            \
        *expected = (uint##bits##_t)seen;                                                      \
        return done;                                                                           \
    }                                                                                          \
    DECLARED(uint##bits##_t, __tsan_atomic##bits##_compare_exchange_val,                       \
             volatile uint##bits##_t *p, uint##bits##_t expected, uint##bits##_t v, int order, \
             int fail)                                                                         \
    {                                                                                          \
        uint64_t seen = expected;                                                              \
        (void)swap((uintptr_t)p, bits / 8, &seen, v, order, fail, SITE);                       \
        return (uint##bits##_t)seen;                                                           \
    }

ATOMICS(8)
ATOMICS(16)
ATOMICS(32)
ATOMICS(64)

DECLARED(void, __tsan_atomic_thread_fence, int order)
{
    kcmc_fence(kcmc_order(SITE, "fence", order, -1, false), SITE);
}

DECLARED(void, __tsan_atomic_signal_fence, int order)
{
    (void)order;
}

/* ---- plain accesses ---- */

static void plain(const void *p, size_t bytes, bool write, void *site)
{
    if (K->running)
        kcmc_plain((uintptr_t)p, bytes, write, site);
}

#define PLAIN(bytes)                                                                           \
    DECLARED(void, __tsan_read##bytes, void *p) { plain(p, bytes, false, SITE); }              \
    DECLARED(void, __tsan_write##bytes, void *p) { plain(p, bytes, true, SITE); }              \
    DECLARED(void, __tsan_unaligned_read##bytes, void *p) { plain(p, bytes, false, SITE); }    \
    DECLARED(void, __tsan_unaligned_write##bytes, void *p) { plain(p, bytes, true, SITE); }

PLAIN(1)
PLAIN(2)
PLAIN(4)
PLAIN(8)
PLAIN(16)

DECLARED(void, __tsan_read_range, void *p, long bytes)
{
    plain(p, (size_t)bytes, false, SITE);
}

DECLARED(void, __tsan_write_range, void *p, long bytes)
{
    plain(p, (size_t)bytes, true, SITE);
}

/* Younger compilers. */
DECLARED(void *, __tsan_memcpy, void *to, const void *from, size_t bytes)
{
    plain(from, bytes, false, SITE);
    plain(to, bytes, true, SITE);
    return memcpy(to, from, bytes);
}

DECLARED(void *, __tsan_memmove, void *to, const void *from, size_t bytes)
{
    plain(from, bytes, false, SITE);
    plain(to, bytes, true, SITE);
    return memmove(to, from, bytes);
}

DECLARED(void *, __tsan_memset, void *to, int c, size_t bytes)
{
    plain(to, bytes, true, SITE);
    return memset(to, c, bytes);
}

/* ---- what is of no interest ---- */

DECLARED(void, __tsan_init, void) {}
DECLARED(void, __tsan_func_entry, void *site) { (void)site; }
DECLARED(void, __tsan_func_exit, void) {}
