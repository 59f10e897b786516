/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * lab/check/hooks.c — what gcc and clang call, once for the program (__tsan_) and once for
 * the library (__kct_). A list.
 *
 * gcc compares and exchanges through …_strong and …_weak, clang through …_val.
 */
#include <stdint.h>
#include <string.h>

#include "lab/check/check.h"

#define SITE __builtin_return_address(0)
#define EACH_SIZE(X) X(1) X(2) X(4) X(8) X(16)

/* ---- plain accesses: the program's are points and checked, the library's are nothing ---- */

#define PLAIN(n)                                                                               \
    void __tsan_read##n(void *p) { kci_check_touch(p, n, false, SITE); }                       \
    void __tsan_write##n(void *p) { kci_check_touch(p, n, true, SITE); }                       \
    void __tsan_unaligned_read##n(void *p) { kci_check_touch(p, n, false, SITE); }             \
    void __tsan_unaligned_write##n(void *p) { kci_check_touch(p, n, true, SITE); }             \
    void __tsan_volatile_read##n(void *p) { kci_check_touch(p, n, false, SITE); }              \
    void __tsan_volatile_write##n(void *p) { kci_check_touch(p, n, true, SITE); }              \
    void __tsan_read_write##n(void *p) { kci_check_touch(p, n, true, SITE); }                  \
    void __kct_read##n(void *p) { (void)p; }                                                   \
    void __kct_write##n(void *p) { (void)p; }                                                  \
    void __kct_unaligned_read##n(void *p) { (void)p; }                                         \
    void __kct_unaligned_write##n(void *p) { (void)p; }                                        \
    void __kct_read_write##n(void *p) { (void)p; }
EACH_SIZE(PLAIN)

void __tsan_read_range(void *p, size_t n) { kci_check_touch(p, n, false, SITE); }
void __tsan_write_range(void *p, size_t n) { kci_check_touch(p, n, true, SITE); }
void __kct_read_range(void *p, size_t n) { (void)p, (void)n; }
void __kct_write_range(void *p, size_t n) { (void)p, (void)n; }

void __tsan_init(void) {}
void __tsan_func_entry(void *pc) { (void)pc; }
void __tsan_func_exit(void) {}
void __kct_init(void) {}
void __kct_func_entry(void *pc) { (void)pc; }
void __kct_func_exit(void) {}

/* clang makes calls of them; they are accesses too. */
void *__tsan_memcpy(void *to, const void *from, size_t n)
{
    kci_check_touch(from, n, false, SITE);
    kci_check_touch(to, n, true, SITE);
    return memcpy(to, from, n);
}
void *__tsan_memmove(void *to, const void *from, size_t n)
{
    kci_check_touch(from, n, false, SITE);
    kci_check_touch(to, n, true, SITE);
    return memmove(to, from, n);
}
void *__tsan_memset(void *to, int byte, size_t n)
{
    kci_check_touch(to, n, true, SITE);
    return memset(to, byte, n);
}
void *__kct_memcpy(void *to, const void *from, size_t n) { return memcpy(to, from, n); }
void *__kct_memmove(void *to, const void *from, size_t n) { return memmove(to, from, n); }
void *__kct_memset(void *to, int byte, size_t n) { return memset(to, byte, n); }

/* ---- atomics: both order; the program's are points ---- */

#define ATOMIC(prefix, bits, before)                                                           \
    uint##bits##_t prefix##atomic##bits##_load(const uint##bits##_t *p, int order)             \
    {                                                                                          \
        before;                                                                                \
        uint##bits##_t v = __atomic_load_n(p, __ATOMIC_SEQ_CST);                               \
        if (order != __ATOMIC_RELAXED)                                                         \
            kci_check_acquire(p);                                                              \
        return v;                                                                              \
    }                                                                                          \
    void prefix##atomic##bits##_store(uint##bits##_t *p, uint##bits##_t v, int order)          \
    {                                                                                          \
        before;                                                                                \
        if (order != __ATOMIC_RELAXED)                                                         \
            kci_check_release(p);                                                              \
        __atomic_store_n(p, v, __ATOMIC_SEQ_CST);                                              \
    }                                                                                          \
    UPDATE(prefix, bits, exchange, exchange_n, before)                                         \
    UPDATE(prefix, bits, fetch_add, fetch_add, before)                                         \
    UPDATE(prefix, bits, fetch_sub, fetch_sub, before)                                         \
    UPDATE(prefix, bits, fetch_and, fetch_and, before)                                         \
    UPDATE(prefix, bits, fetch_or, fetch_or, before)                                           \
    UPDATE(prefix, bits, fetch_xor, fetch_xor, before)                                         \
    UPDATE(prefix, bits, fetch_nand, fetch_nand, before)                                       \
    uint##bits##_t prefix##atomic##bits##_compare_exchange_val(                                \
        uint##bits##_t *p, uint##bits##_t expected, uint##bits##_t v, int order, int fail)     \
    {                                                                                          \
        before;                                                                                \
        bool done = __atomic_compare_exchange_n(p, &expected, v, false, __ATOMIC_SEQ_CST,      \
                                                __ATOMIC_SEQ_CST);                             \
        kci_check_ordered(p, done ? order : fail);                                             \
        return expected;                                                                       \
    }                                                                                          \
    int prefix##atomic##bits##_compare_exchange_strong(                                        \
        uint##bits##_t *p, uint##bits##_t *expected, uint##bits##_t v, int order, int fail)    \
    {                                                                                          \
        uint##bits##_t want = *expected;                                                       \
        *expected = prefix##atomic##bits##_compare_exchange_val(p, want, v, order, fail);      \
        return *expected == want;                                                              \
    }                                                                                          \
    int prefix##atomic##bits##_compare_exchange_weak(                                          \
        uint##bits##_t *p, uint##bits##_t *expected, uint##bits##_t v, int order, int fail)    \
    {                                                                                          \
        return prefix##atomic##bits##_compare_exchange_strong(p, expected, v, order, fail);    \
    }

#define UPDATE(prefix, bits, name, op, before)                                                 \
    uint##bits##_t prefix##atomic##bits##_##name(uint##bits##_t *p, uint##bits##_t v,          \
                                                 int order)                                    \
    {                                                                                          \
        before;                                                                                \
        kci_check_ordered(p, order);                                                           \
        return __atomic_##op(p, v, __ATOMIC_SEQ_CST);                                          \
    }

#define BOTH(bits)                                                                             \
    ATOMIC(__tsan_, bits, kci_check_point())                                                   \
    ATOMIC(__kct_, bits, (void)0)
BOTH(8)
BOTH(16)
BOTH(32)
BOTH(64)

static char fences;

/* A fence orders with every other fence: more than it has to. */
void __tsan_atomic_thread_fence(int order) { kci_check_ordered(&fences, order); }
void __kct_atomic_thread_fence(int order) { kci_check_ordered(&fences, order); }
void __tsan_atomic_signal_fence(int order) { (void)order; }
void __kct_atomic_signal_fence(int order) { (void)order; }
