/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * arch/atomic.h — the only gateway to <stdatomic.h>.
 *
 * Orders are written bare: ka_load(&x, acquire). ThreadSanitizer does not model fences, so
 * there a fence is a read-modify-write of one dummy word, which orders at least as much. The
 * model checker (lab/kcmc, KCI_KCMC), which is compiled in the same way, does.
 */
#ifndef ARCH_ATOMIC_H
#define ARCH_ATOMIC_H

#include <stdatomic.h>

#define ka_load(p, order) atomic_load_explicit((p), memory_order_##order)
#define ka_store(p, v, order) atomic_store_explicit((p), (v), memory_order_##order)
#define ka_xchg(p, v, order) atomic_exchange_explicit((p), (v), memory_order_##order)
#define ka_add(p, v, order) atomic_fetch_add_explicit((p), (v), memory_order_##order)
#define ka_sub(p, v, order) atomic_fetch_sub_explicit((p), (v), memory_order_##order)
#define ka_or(p, v, order) atomic_fetch_or_explicit((p), (v), memory_order_##order)
/* On failure *expected is reloaded, with order `fail`. */
#define ka_cas(p, expected, v, order, fail)                                                    \
    atomic_compare_exchange_strong_explicit((p), (expected), (v), memory_order_##order,        \
                                            memory_order_##fail)

#if defined(KCI_KCMC)
#elif defined(__SANITIZE_THREAD__)
#define KCI_TSAN 1
#elif defined(__has_feature)
#if __has_feature(thread_sanitizer)
#define KCI_TSAN 1
#endif
#endif

#ifdef KCI_TSAN
static inline void kci_fence_seq_cst(void)
{
    static _Atomic(unsigned) dummy;
    atomic_fetch_add_explicit(&dummy, 1, memory_order_seq_cst);
}
#else
static inline void kci_fence_seq_cst(void)
{
    atomic_thread_fence(memory_order_seq_cst);
}
#endif

#endif
