/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * kcoro/co.h — coroutines: start one, wait for it, let others run.
 *
 * A coroutine belongs to the scope it was started in; the scope waits for it. It may move
 * between threads at any call that can wait, so it must not keep thread-local addresses across
 * one.
 */
#ifndef KCORO_CO_H
#define KCORO_CO_H

#include <kcoro/base.h>
#include <kcoro/context.h>
#include <kcoro/runtime.h>
#include <kcoro/scope.h>

KCI_BEGIN

typedef struct kc_co kc_co_t;

/* KC_CO_PINNED: stays on one worker, as after kc_pin(true): for code that keeps thread-local
 * addresses. */
#define KC_CO_PINNED 0x1u
/* KC_CO_NOBUDGET: does not yield by itself after many calls that need not wait; for short
 * bursts that must not be interrupted. It can starve others. */
#define KC_CO_NOBUDGET 0x2u
/* KC_CO_PARKED: starts at the first kc_unpark, or when its scope is cancelled; needs `out`.
 * kc_attr_t.worker is for those that start at once. */
#define KC_CO_PARKED 0x4u
/* KC_CO_DETACHED: belongs to no scope of the program: nobody waits for it and its result
 * cancels nothing (kc_join still tells it). What it starts belongs to a scope of its own. It is
 * cancelled, and joined, once the root scope has ended. */
#define KC_CO_DETACHED 0x8u

/* Zero means the default everywhere. */
typedef struct kc_attr {
    const char *name;  /* for dumps and reports; borrowed while it lives; NULL: unnamed */
    size_t stack_size; /* bytes; 0: the runtime's */
    void *stack;       /* memory of the caller's, stack_size bytes (16 KiB at least, no guard);
                          its own again once joined, or once its scope is closed; NULL: none */
    unsigned flags;    /* KC_CO_* */
    int worker;        /* where it starts, 1 … number of workers; 0: anywhere */
    int dispatcher;    /* KC_DISPATCH_* */
    uintptr_t reserved[3];
} kc_attr_t;

/*
 * kc_spawn — start fn(arg) in the current scope. `out` may be NULL; else it receives a
 * reference.
 *
 * Returns  0; -ENOMEM; -EAGAIN the scope's limit is reached; -ECANCELED the scope is cancelled;
 *          -EINVAL; -EPERM outside a coroutine. With KC_CO_DETACHED (its scope) and
 *          KC_DISPATCH_IO (its thread) a lack may show only later: then fn never ran, and
 *          -ENOMEM or -EAGAIN is the coroutine's result
 * Runs on  coroutine
 * Cost     three small locks; no system call while a stack is free
 */
KC_EXPORT int kc_spawn(kc_co_t **out, kc_fn fn, void *arg, const kc_attr_t *attr);

/* kc_spawn_copy — as kc_spawn; fn gets a copy of the n bytes at args, on its own stack.
 * Returns  as kc_spawn; -EOVERFLOW when n is more than a quarter of the stack */
KC_EXPORT int kc_spawn_copy(kc_co_t **out, kc_fn fn, const void *args, size_t n,
                            const kc_attr_t *attr);

/*
 * kc_join — wait until `co` has ended; does not consume the reference.
 *
 * Returns  0 and *ret (if not NULL) its result; -EAGAIN -ETIME -ECANCELED; -EDEADLK joining
 *          oneself
 * Runs on  coroutine, plain thread
 * Cancel   yes
 */
KC_EXPORT KC_MUST_CHECK int kc_join(kc_co_t *co, int *ret, kc_deadline_t dl);

/* References keep the handle, not the coroutine, alive. Returns nothing; any thread. */
KC_EXPORT void kc_co_ref(kc_co_t *co);
KC_EXPORT void kc_co_unref(kc_co_t *co);

/* kc_self — Returns the running coroutine (no reference taken), NULL on a plain thread. */
KC_EXPORT kc_co_t *kc_self(void);
/* kc_co_id — Returns a number that no other coroutine of its runtime has or had. */
KC_EXPORT uint64_t kc_co_id(const kc_co_t *co);
/* kc_yield — let others run; returns at once on a plain thread. Returns nothing. */
KC_EXPORT void kc_yield(void);
/* kc_checkpoint — spend budget, maybe yield. Returns 0 or -ECANCELED. */
KC_EXPORT int kc_checkpoint(void);

/*
 * kc_park — wait for a token of the running coroutine's own, and take it. There is one at most,
 * so as with any semaphore look at the reason for waiting again afterwards.
 *
 * Returns  0 somebody called kc_unpark, before or now; -EAGAIN -ETIME -ECANCELED; -EPERM
 *          outside a coroutine or where nobody may wait
 * Runs on  coroutine
 * Cancel   yes; the token stays
 * Memory   what was done before kc_unpark is visible after kc_park (E-WAKE, E-LOCK)
 */
KC_EXPORT int kc_park(kc_deadline_t dl);
/* kc_unpark — give co its token: it goes on, or will not wait next time; two make one. Starts a
 * coroutine spawned with KC_CO_PARKED. Any thread, any callback, with a reference.
 * Returns  0; -EINVAL */
KC_EXPORT int kc_unpark(kc_co_t *co);
/* kc_pin — Returns nothing; true: stay on this worker until a matching false. Nests. */
KC_EXPORT void kc_pin(bool on);

/*
 * kc_defer — call fn(arg) when the running coroutine ends; the last deferred runs first.
 *
 * Returns  0; -ENOMEM; -EPERM outside a coroutine
 * Runs on  coroutine
 */
KC_EXPORT int kc_defer(void (*fn)(void *), void *arg);

/* What kc_go and kc_go_in call: a failure cancels the scope with its reason. s NULL =
 * current. */
KC_EXPORT int kci_go(kc_scope_t *s, kc_fn fn, const void *args, size_t n);

#ifndef __cplusplus
/*
 * KC_CO(name, fields) defines coroutine `name` with named, typed arguments, reached through
 * `my`:
 *
 *     KC_CO(hello, const char *who; int times;) { … my->who … return 0; }
 *     kc_go(hello, "world", 3);
 *
 * kc_go starts it in the current scope, kc_go_in(&s, hello, …) in s; both say 0, or the code
 * of kc_scope_spawn after cancelling that scope with it. The hidden first member lets kc_go
 * pass `{ 0, args… }` also when there are none.
 */
#define KC_CO(...) KCI_CAT(KCI_CO_, KCI_MORE_THAN_ONE(__VA_ARGS__))(__VA_ARGS__)
#define kc_go(...) KCI_GO(NULL, __VA_ARGS__, )
#define kc_go_in(s, ...) KCI_GO(s, __VA_ARGS__, )

#define KCI_GO(s, fn, ...)                                                                     \
    kci_go((s), fn##__tramp, &(struct fn##__args){ 0, __VA_ARGS__ }, sizeof(struct fn##__args))
#define KCI_CO_0(name) KCI_CO_DEF(name, )
#define KCI_CO_1(name, ...) KCI_CO_DEF(name, __VA_ARGS__)
#define KCI_CO_DEF(name, ...)                                                                  \
    struct name##__args {                                                                      \
        char kci_;                                                                             \
        __VA_ARGS__                                                                            \
    };                                                                                         \
    static int name(struct name##__args *my);                                                  \
    KCI_UNUSED static int name##__tramp(void *my)                                              \
    {                                                                                          \
        return name((struct name##__args *)my);                                                \
    }                                                                                          \
    static int name(KCI_UNUSED struct name##__args *my)
#define KCI_CAT(a, b) KCI_CAT_(a, b)
#define KCI_CAT_(a, b) a##b
#define KCI_MORE_THAN_ONE(...)                                                                 \
    KCI_17TH(__VA_ARGS__, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 0, 0)
#define KCI_17TH(a, b, c, d, e, f, g, h, i, j, k, l, m, n, o, p, q, ...) q
#endif

KCI_END
#endif
