/* SPDX-License-Identifier: BSD-3-Clause */
/* arch/cpu.h — what differs between CPUs and compilers in one line each. */
#ifndef ARCH_CPU_H
#define ARCH_CPU_H

/* Two cores writing within one line slow each other down. */
#define KCI_CACHE_LINE 64

#define KCI_NOINLINE __attribute__((noinline))
#define KCI_ALWAYS_INLINE inline __attribute__((always_inline))
#define KCI_NORETURN __attribute__((noreturn))
#define KCI_PRINTF(fmt, args) __attribute__((format(printf, fmt, args)))
#define KCI_LIKELY(x) __builtin_expect(!!(x), 1)
#define KCI_UNLIKELY(x) __builtin_expect(!!(x), 0)
#define KCI_ALIGNED(n) __attribute__((aligned(n)))
/* Touches fields that are ordered in ways ThreadSanitizer cannot see, because it takes
 * coroutines for unrelated threads: what only the owning thread uses, and the links of run
 * queues, whose order is told to it by kci_note_out and kci_note_in. */
#define KCI_OWNER_ONLY __attribute__((no_sanitize("thread")))
/* Thread-local without a call into the dynamic linker, also in the shared library. */
#define KCI_THREAD_LOCAL _Thread_local __attribute__((tls_model("initial-exec")))

/* The model checker, lab/kcmc, looks at all threads by itself. It tries every interleaving, so
 * that loops and tables must be short: the second number is for it. */
#ifdef KCI_KCMC
#undef KCI_OWNER_ONLY
#define KCI_OWNER_ONLY
#undef KCI_THREAD_LOCAL
#define KCI_THREAD_LOCAL
#define KCI_OF_EACH [4]
#define KCI_MINE(v) (&(v)[kcmc_thread()])
#define KCI_UNLESS_MODELLED(many, few) (few)
void kcmc_wait(void);
unsigned kcmc_thread(void);
#else
/* A variable of each thread: static KCI_THREAD_LOCAL int v KCI_OF_EACH; then *KCI_MINE(v). */
#define KCI_OF_EACH
#define KCI_MINE(v) (&(v))
#define KCI_UNLESS_MODELLED(many, few) (many)
#endif

/* Be polite to the other hyperthread while spinning: in a loop that ends only when another
 * thread has done something. */
static inline void kci_cpu_pause(void)
{
#if defined(KCI_KCMC)
    kcmc_wait();
#elif defined(__x86_64__)
    __asm__ volatile("pause" ::: "memory");
#elif defined(__aarch64__)
    __asm__ volatile("isb" ::: "memory");
#else
    __asm__ volatile("" ::: "memory");
#endif
}

#endif
