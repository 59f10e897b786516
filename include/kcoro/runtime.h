/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * kcoro/runtime.h — starting and ending a set of workers that run coroutines.
 *
 * Most programs write KC_MAIN { … } and never see the rest. Runtimes are independent of each
 * other.
 */
#ifndef KCORO_RUNTIME_H
#define KCORO_RUNTIME_H

#include <kcoro/base.h>

KCI_BEGIN

/* The body of a coroutine. Its result goes to kc_join and to the scope: negative = failed. */
typedef int (*kc_fn)(void *arg);

/* A running set of workers. */
typedef struct kc_rt kc_rt_t;

/* KC_RT_DEADLOCK_CHECK: when nothing can ever run again, say so on standard error and cancel
 * the root scope; kc_run says -EDEADLK. Plain threads that would still send are not seen. */
#define KC_RT_DEADLOCK_CHECK 0x1u
/* KC_RT_DETERMINISTIC: one worker, choices drawn from the seed; for tests that must repeat. */
#define KC_RT_DETERMINISTIC 0x2u
/* KC_RT_VIRTUAL_TIME: one worker and a clock that jumps to the next timer once all wait. */
#define KC_RT_VIRTUAL_TIME 0x4u

/* kc_opts_t.workers: no threads at all, kc_rt_poll runs what there is to run. For programs that
 * have a loop already. Not with kc_run. */
#define KC_WORKERS_NONE (-1)

/* Zero means the default everywhere. */
typedef struct {
    int workers;       /* 0: KCORO_WORKERS, else the CPUs this process may use */
    size_t stack_size; /* bytes per coroutine; 0: 64 KiB */
    size_t stack_cache; /* reserved, 0: free stacks are kept until the runtime ends */
    int budget;        /* operations before a coroutine yields; 0: 256, negative: never */
    unsigned flags;    /* KC_RT_* */
    uint64_t seed;     /* for the generator behind fair select and stealing; 0: random */
    uintptr_t reserved[4];
} kc_opts_t;

/*
 * kc_run — run `main_fn` as the root coroutine of a new runtime, wait for all it started.
 *
 * The calling thread becomes the first worker. `opts` may be NULL (borrowed until return).
 *
 * Returns  main_fn's result, or the first error of a child, or what kc_stop was given
 *          -ENOMEM -EMFILE -EAGAIN   the runtime could not start: nothing was run
 *          -EINVAL                   NULL function or an option out of range
 *          -EDEADLK   with KC_RT_DEADLOCK_CHECK: all waited and nothing could wake them
 *          -EPERM     called from a coroutine
 * Runs on  plain thread
 * Cancel   kc_stop
 * Memory   everything the runtime took has been given back on return
 */
KC_EXPORT int kc_run(kc_fn main_fn, void *arg, const kc_opts_t *opts);

/*
 * kc_stop — cancel the root scope of the caller's runtime; kc_run will return `rc`.
 *
 * Returns  rc, so that `return kc_stop(0);` reads well; -EPERM outside a coroutine
 * Runs on  coroutine
 * Threads  any number; the first one's rc counts
 */
KC_EXPORT int kc_stop(int rc);

/*
 * kc_rt_create — start a runtime whose workers are all threads of its own.
 *
 * Returns  0; -ENOMEM -EMFILE -EAGAIN -EINVAL as kc_run; -EPERM without workers, from a
 *          coroutine; *out untouched on failure
 * Runs on  plain thread; coroutine of another runtime, but with KC_WORKERS_NONE
 */
KC_EXPORT KC_MUST_CHECK int kc_rt_create(kc_rt_t **out, const kc_opts_t *opts);

/*
 * kc_rt_spawn — start a coroutine in rt's root scope, from any thread.
 *
 * Returns  0; -ENOMEM; -ECANCELED once shutdown began; -EINVAL
 * Runs on  coroutine, plain thread
 */
KC_EXPORT int kc_rt_spawn(kc_rt_t *rt, kc_fn fn, void *arg);

/*
 * kc_rt_shutdown — cancel what runs, join it, free the runtime.
 *
 * Returns  0 freed; -ETIME still live at `dl`, call again; -EBUSY another thread is polling it,
 *          call again; -EPERM from one of its own coroutines, or without workers from any
 * Runs on  plain thread; coroutine of another runtime (blocks its worker)
 */
KC_EXPORT KC_MUST_CHECK int kc_rt_shutdown(kc_rt_t *rt, kc_deadline_t dl);

/*
 * kc_rt_poll — be the worker of a runtime made with KC_WORKERS_NONE: run what can run, about
 * 256 turns at most; if there is nothing, wait until there is, or until `dl` (a moment of the
 * thread's own clock).
 *
 * Returns  turns taken; 0 `dl` passed with nothing to do, or the runtime has ended; -EINVAL it
 *          has workers of its own; -EBUSY another thread is at it; -EPERM inside a runtime
 * Runs on  plain thread, a different one each time if need be
 */
KC_EXPORT int kc_rt_poll(kc_rt_t *rt, kc_deadline_t dl);
/* kc_rt_fd — a descriptor of the runtime's that is readable when kc_rt_poll should be called,
 * also for a timer. To be watched, not read.
 * Returns  the descriptor; -ENOTSUP where the system has no such thing: poll at a rate of your
 *          own; -EMFILE -ENFILE; else as kc_rt_poll */
KC_EXPORT int kc_rt_fd(kc_rt_t *rt);

/*
 * kc_rt_advance — move a virtual clock on by dur_ns: what is due on the way runs at its time,
 * in order; done when all wait again. Waiting for descriptors and kc_block does not hold it up.
 * Under kc_run the clock moves by itself; a coroutine there sleeps for dur_ns.
 *
 * Returns  0; -ENOTSUP the clock is real; -EINVAL negative; -EOVERFLOW; -EBUSY another thread
 *          is at it; -EPERM inside a runtime of kc_rt_create; -ECANCELED (a coroutine)
 * Runs on  plain thread
 */
KC_EXPORT int kc_rt_advance(kc_rt_t *rt, int64_t dur_ns);

/* kc_rt_current — Returns the caller's runtime, NULL on a thread that is not a worker. */
KC_EXPORT kc_rt_t *kc_rt_current(void);

/* What KC_MAIN calls: exit status 0 for a result >= 0, else 1 and a line on standard error. */
KC_EXPORT int kci_main_run(int (*fn)(int, char **), int argc, char **argv);

/* KC_MAIN { … } — a program: main() runs the block as the root coroutine of a runtime. */
#define KC_MAIN                                                                                \
    static int kci_main_body(int argc, char **argv);                                           \
    int main(int argc, char **argv)                                                            \
    {                                                                                          \
        return kci_main_run(kci_main_body, argc, argv);                                        \
    }                                                                                          \
    static int kci_main_body(KCI_UNUSED int argc, KCI_UNUSED char **argv)

KCI_END
#endif
