/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * kcoro/raw.h — bare coroutines: generators, and embedding in somebody else's loop.
 *
 * No scheduler is involved: kc_raw_resume runs one until it yields, and is back with the value.
 *
 *     static void squares(kc_raw_t *self, void *unused)
 *     {
 *         for (intptr_t i = 0; i < 10; i++)
 *             kc_raw_yield(self, (void *)(i * i));
 *     }
 *     …
 *     while (kc_raw_resume(gen, NULL, &value) == 0)
 *         use(value);
 *
 * They work on plain threads and inside coroutines, may be resumed now here, now there (never
 * in two places at once), and may resume each other. Inside one, a call that would have to wait
 * says -EPERM: it is not a coroutine of the scheduler, and who resumed it would wait with it.
 */
#ifndef KCORO_RAW_H
#define KCORO_RAW_H

#include <kcoro/base.h>
#include <kcoro/co.h>

KCI_BEGIN

typedef struct kc_raw kc_raw_t;

/*
 * kc_raw_create — a bare coroutine that will run fn(itself, arg) once it is resumed. Of `attr`
 * (may be NULL) only the stack size counts.
 *
 * Returns  0; -EINVAL, also for flags or a stack too large; -ENOMEM
 * Runs on  coroutine, plain thread
 * Cost     a guarded stack, reused while any other bare coroutine exists
 */
KC_EXPORT KC_MUST_CHECK int kc_raw_create(kc_raw_t **out, void (*fn)(kc_raw_t *self, void *arg),
                                          void *arg, const kc_attr_t *attr);

/*
 * kc_raw_destroy — free it and its stack. One that has not finished simply goes no further:
 * what its frames own is not released.
 *
 * Returns  0; -EBUSY it is running, or has resumed who is; -EINVAL
 */
KC_EXPORT int kc_raw_destroy(kc_raw_t *co);

/*
 * kc_raw_resume — let `co` go on until it yields. `in` is what its kc_raw_yield returns; the
 * first one reaches nobody, fn has its `arg` then.
 *
 * Returns  0 and *out (may be NULL): what was yielded
 *          -EPIPE: there is nothing more: fn has returned, now or before (or that of the one
 *          that it went on to with kc_raw_yield_to)
 *          -EBUSY it is running, or has resumed who is; -EINVAL
 * Runs on  coroutine, plain thread, hook
 * Threads  one at a time
 * Cost     two switches; no lock, no allocation
 */
KC_EXPORT int kc_raw_resume(kc_raw_t *co, void *in, void **out);

/*
 * kc_raw_yield — go back to who resumed `self`, with `out`. Only `self` itself may; anything
 * else aborts with a message.
 *
 * Returns  the `in` of the next resume
 */
KC_EXPORT void *kc_raw_yield(kc_raw_t *self, void *out);

/*
 * kc_raw_yield_to — go on as `next`, which gets `in`: `self` is left as if it had yielded, and
 * when `next` yields, who resumed `self` is back, with that value. `next` must not be finished
 * or running: that aborts with a message.
 *
 * Returns  the `in` of the resume, or of the yield_to, that continues `self`
 */
KC_EXPORT void *kc_raw_yield_to(kc_raw_t *self, kc_raw_t *next, void *in);

KCI_END
#endif
