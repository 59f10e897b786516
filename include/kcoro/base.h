/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * kcoro/base.h — what every other header needs: results, deadlines, durations.
 *
 * Results are int or ssize_t: >= 0 good, negative errno bad. errno itself is never set.
 * A deadline is absolute, typed, and always the last argument of a call that can wait.
 */
#ifndef KCORO_BASE_H
#define KCORO_BASE_H

#include <errno.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#ifdef __cplusplus
#define KCI_BEGIN extern "C" {
#define KCI_END }
#define KCI_LIT(type) type
#else
#define KCI_BEGIN
#define KCI_END
#define KCI_LIT(type) (type)
#endif

/* KC_EXPORT marks the public functions; KC_MUST_CHECK those whose result must not be
 * ignored. */
#define KC_EXPORT __attribute__((visibility("default")))
#define KC_MUST_CHECK __attribute__((warn_unused_result))
#define KCI_UNUSED __attribute__((unused))

/* Some systems lack ETIME; the number is only ever compared with, never given to the kernel. */
#ifndef ETIME
#define ETIME 62
#endif

KCI_BEGIN

/* A moment on the monotonic clock, in nanoseconds. A bare integer does not convert to it. */
typedef struct {
    int64_t ns;
} kc_deadline_t;

/* KC_TRY: do not wait, -EAGAIN instead. KC_FOREVER: no deadline. In the initialiser of a static
 * object, where no expression may stand: KC_TRY_INIT, KC_FOREVER_INIT. */
#define KC_TRY_INIT { INT64_MIN }
#define KC_FOREVER_INIT { INT64_MAX }
#define KC_TRY (KCI_LIT(kc_deadline_t) KC_TRY_INIT)
#define KC_FOREVER (KCI_LIT(kc_deadline_t) KC_FOREVER_INIT)

/* Durations, in nanoseconds: KC_MS(5) is five milliseconds. KC_NS, KC_US (micro), KC_MS, KC_S
 * of an integer. For kc_in and whatever else takes a duration. */
#define KC_NS(n) ((int64_t)(n))
#define KC_US(n) ((int64_t)(n) * 1000)
#define KC_MS(n) ((int64_t)(n) * 1000000)
#define KC_S(n) ((int64_t)(n) * 1000000000)

/*
 * kc_now — the current time of the caller's runtime, in nanoseconds.
 *
 * Returns  monotonic time; inside a runtime with a virtual clock, that clock's time. Never 0.
 * Runs on  coroutine, plain thread
 * Cost     one clock read
 */
KC_EXPORT int64_t kc_now(void);

/*
 * kc_in — the moment `dur_ns` from now. Saturates at KC_FOREVER.
 *
 * Returns  a deadline; for dur_ns <= 0 one that has already passed (never 0, never KC_TRY)
 * Runs on  coroutine, plain thread
 */
KC_EXPORT kc_deadline_t kc_in(int64_t dur_ns);

/* kc_at — the deadline at `mono_ns` on kc_now's clock. Returns it. */
static inline kc_deadline_t kc_at(int64_t mono_ns)
{
    kc_deadline_t dl = { mono_ns };
    return dl;
}

/*
 * kc_strerror — a short sentence for a result code.
 *
 * Returns  a constant string, never NULL: "ok" for rc >= 0, "deadline passed" for -ETIME, …
 * Runs on  coroutine, plain thread
 */
KC_EXPORT const char *kc_strerror(int rc);

KCI_END
#endif
