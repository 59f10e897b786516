/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * arch/fiber_notes.h — tells ASan, TSan and Valgrind about stack switches; empty otherwise.
 *
 * The three calls frame every switch: leave() on the old stack just before it, land() on the
 * new one just after it, and end() instead of leave() when the old context will never run
 * again. TSan gets the no-sync flag: a switch orders nothing, so that a race between two
 * coroutines of one thread is still seen; the order comes from our atomics alone.
 */
#ifndef ARCH_FIBER_NOTES_H
#define ARCH_FIBER_NOTES_H

#include <stddef.h>

#include "arch/atomic.h"

#if defined(__SANITIZE_ADDRESS__)
#define KCI_ASAN 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#define KCI_ASAN 1
#endif
#endif

#ifdef KCI_ASAN
#include <sanitizer/asan_interface.h>
#include <sanitizer/common_interface_defs.h>
#include <sanitizer/lsan_interface.h>
#endif
#ifdef KCI_TSAN
#include <sanitizer/tsan_interface.h>
#endif
#ifdef KCI_CHECK
void kci_check_landed(void);
#endif
#ifdef KCI_VALGRIND
#include <valgrind/memcheck.h>
#include <valgrind/valgrind.h>
#endif

#if defined(KCI_ASAN) || defined(KCI_TSAN)
#define KCI_NOTES 1
#else
#define KCI_NOTES 0
#endif

/* One per context. `lo` and `bytes` describe its stack; zero for a thread's own until it
 * landed. */
struct kci_note {
    const void *lo;
    size_t bytes;
    void *asan_fake;
    void *tsan_fiber;
    unsigned valgrind_id;
};

/* The thread that calls this is the context. */
static inline void kci_note_thread(struct kci_note *n)
{
    (void)n;
#ifdef KCI_TSAN
    n->tsan_fiber = __tsan_get_current_fiber();
#endif
}

static inline void kci_note_create(struct kci_note *n, const void *lo, size_t bytes)
{
    n->lo = lo;
    n->bytes = bytes;
    n->asan_fake = NULL;
#ifdef KCI_TSAN
    n->tsan_fiber = __tsan_create_fiber(0);
#endif
}

static inline void kci_note_destroy(struct kci_note *n)
{
    (void)n;
#ifdef KCI_TSAN
    __tsan_destroy_fiber(n->tsan_fiber);
#endif
#ifdef KCI_ASAN
    __asan_unpoison_memory_region(n->lo, n->bytes);
#endif
}

static inline __attribute__((always_inline)) void
kci_note_leave(struct kci_note *from, struct kci_note *to, int ending)
{
    (void)from;
    (void)to;
    (void)ending;
#ifdef KCI_ASAN
    __sanitizer_start_switch_fiber(ending ? NULL : &from->asan_fake, to->lo, to->bytes);
#endif
#ifdef KCI_TSAN
    __tsan_switch_to_fiber(to->tsan_fiber, __tsan_switch_to_fiber_no_sync);
#endif
}

static inline void kci_note_land(struct kci_note *from, struct kci_note *to)
{
    (void)from;
    (void)to;
#ifdef KCI_ASAN
    const void *lo;
    size_t bytes;
    __sanitizer_finish_switch_fiber(to->asan_fake, &lo, &bytes);
    if (!from->lo) { /* a thread's own stack, seen for the first time */
        from->lo = lo;
        from->bytes = bytes;
    }
#endif
}

/* The callback is over. kcoro-check takes it for a deed of the context that was left: what it
 * knows is not thereby known to the one that goes on. */
static inline void kci_note_landed(void)
{
#ifdef KCI_CHECK
    kci_check_landed();
#endif
}

/* What was done before out() is visible after in(): true through the run queues, whose
 * atomics are executed by other contexts than the one that continues. */
static inline void kci_note_out(void *edge)
{
    (void)edge;
#ifdef KCI_TSAN
    __tsan_release(edge);
#endif
}
static inline void kci_note_in(void *edge)
{
    (void)edge;
#ifdef KCI_TSAN
    __tsan_acquire(edge);
#endif
}

/* A slab of stacks, for tools that must know where pointers and frames can be. */
static inline void kci_note_stacks(void *lo, size_t bytes)
{
    (void)lo;
    (void)bytes;
#ifdef KCI_ASAN
    __lsan_register_root_region(lo, bytes);
#endif
}
static inline void kci_note_stacks_gone(void *lo, size_t bytes)
{
    (void)lo;
    (void)bytes;
#ifdef KCI_ASAN
    __lsan_unregister_root_region(lo, bytes);
#endif
}
static inline unsigned kci_note_stack(void *lo, void *hi)
{
    (void)lo;
    (void)hi;
#ifdef KCI_VALGRIND
    return VALGRIND_STACK_REGISTER(lo, hi);
#else
    return 0;
#endif
}
/* What was a stack is ordinary memory again. */
static inline void kci_note_memory(void *lo, size_t bytes)
{
    (void)lo;
    (void)bytes;
#ifdef KCI_VALGRIND
    VALGRIND_MAKE_MEM_UNDEFINED(lo, bytes);
#endif
}
static inline void kci_note_stack_gone(unsigned id)
{
    (void)id;
#ifdef KCI_VALGRIND
    VALGRIND_STACK_DEREGISTER(id);
#endif
}

#endif
