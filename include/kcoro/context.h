/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * kcoro/context.h — what a coroutine carries with it: values by key, and where it runs.
 */
#ifndef KCORO_CONTEXT_H
#define KCORO_CONTEXT_H

#include <kcoro/base.h>
#include <kcoro/runtime.h>

KCI_BEGIN

/*
 * kc_local_set — remember `value` under `key` (an address: that of a static variable is
 * nobody else's) for the running coroutine. NULL forgets it.
 *
 * Coroutines spawned afterwards find it too, with the value of that moment; what they set is
 * their own. The value is only carried: its memory is the program's duty.
 *
 * Returns  0; -ENOMEM; -EINVAL NULL key; -EPERM outside a coroutine
 * Runs on  coroutine
 * Cost     a look through all of the coroutine's keys; the first set of a key, and one after
 *          spawning, copies the table
 */
KC_EXPORT int kc_local_set(const void *key, void *value);
/* kc_local_get — Returns the value, NULL if there is none, or outside a coroutine. */
KC_EXPORT void *kc_local_get(const void *key);

/*
 * Where code runs: kc_attr_t.dispatcher for a coroutine, kc_with_dispatcher for a block.
 *
 * DEFAULT     any worker; for code that computes, and waits through this library
 * SINGLE      the runtime's first worker (with kc_run and KC_MAIN the thread that called it):
 *             one at a time, always the same thread
 * IO          a thread of the blocking pool, up to 64: for code that blocks its thread. There
 *             it is outside any coroutine: calls that wait block the thread, kc_spawn says
 *             -EPERM, nothing is cancelled
 * UNCONFINED  a spawned coroutine runs at once, in the place of its spawner, which goes on
 *             when it first waits; afterwards, and for a block, as DEFAULT
 */
enum {
    KC_DISPATCH_DEFAULT = 0,
    KC_DISPATCH_SINGLE = 1,
    KC_DISPATCH_IO = 2,
    KC_DISPATCH_UNCONFINED = 3
};

/*
 * kc_with_dispatcher — run fn(arg) there and come back; *ret (may be NULL) gets its result.
 *
 * Returns  0 fn ran; else it did not: -ECANCELED; -ENOMEM; -EAGAIN no thread; -EINVAL; -EPERM
 *          outside a coroutine, where nobody may wait, or for SINGLE when pinned elsewhere
 * Runs on  coroutine
 * Cancel   on entry; once begun, fn is waited for
 * Cost     DEFAULT and UNCONFINED a call; SINGLE a queue and a switch; IO two thread switches
 */
KC_EXPORT int kc_with_dispatcher(int dispatcher, kc_fn fn, void *arg, int *ret);

KCI_END
#endif
