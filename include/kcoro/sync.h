/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * kcoro/sync.h — mutexes, conditions, semaphores, wait groups, events, barriers, once, futures.
 *
 * All work between coroutines, plain threads and both; who waits is served first come, first
 * served. All but the future live in the program's memory: all zero is ready for use
 * (kc_mutex_t m = { 0 }, or static), and nothing has to be destroyed. They must not be copied
 * or moved, nor their memory reused while somebody waits.
 *
 * Results of what can wait: 0; -EAGAIN KC_TRY and it would wait; -ETIME the deadline passed;
 * -ECANCELED the caller was cancelled; -EPERM it would wait inside an undelivered hook; -EINVAL
 * a NULL object. A failed call has taken nothing.
 */
#ifndef KCORO_SYNC_H
#define KCORO_SYNC_H

#include <kcoro/base.h>

KCI_BEGIN

typedef struct { uintptr_t kci_words[6]; } kc_mutex_t;
typedef struct { uintptr_t kci_words[6]; } kc_cond_t;
typedef struct { uintptr_t kci_words[6]; } kc_sem_t;
typedef struct { uintptr_t kci_words[6]; } kc_wg_t;
typedef struct { uintptr_t kci_words[6]; } kc_once_t;
typedef struct { uintptr_t kci_words[6]; } kc_rwlock_t;
typedef struct { uintptr_t kci_words[6]; } kc_event_t;
typedef struct { uintptr_t kci_words[6]; } kc_barrier_t;
typedef struct kc_future kc_future_t;

/*
 * kc_mutex_lock — become the owner: the calling coroutine, or the calling plain thread.
 *
 * Unlocking hands the mutex to the one that has waited longest; nobody passes it.
 *
 * Returns  0 locked; -EDEADLK the caller is the owner; -EAGAIN -ETIME -ECANCELED -EPERM -EINVAL
 * Runs on  coroutine, plain thread
 * Cancel   yes; 0 means locked even if a cancellation came meanwhile
 * Memory   what the last owner did before it unlocked is visible
 * Cost     one atomic instruction; a small lock and a park if it waits
 * See      kc_mutex_unlock, kc_cond_wait
 */
KC_EXPORT KC_MUST_CHECK int kc_mutex_lock(kc_mutex_t *m, kc_deadline_t dl);
/* kc_mutex_unlock — hand it over, or leave it free; then m may be gone.
 * Returns  0; -EPERM the caller is not the owner; -EINVAL. Never waits */
KC_EXPORT int kc_mutex_unlock(kc_mutex_t *m);

/*
 * kc_cond_wait — let go of m and wait for a signal, as one step; then lock m again.
 *
 * The caller holds m, and holds it again whatever the result is: it is locked without a
 * deadline and behind a shield. A signal wakes for what the program has changed under m, so:
 *
 *     while (!ready && rc == 0)
 *         rc = kc_cond_wait(&c, &m, dl);
 *
 * Returns  0 signalled; -EPERM the caller does not hold m; -EAGAIN (KC_TRY, always) -ETIME
 *          -ECANCELED -EINVAL
 * Runs on  coroutine, plain thread
 * Cancel   yes; a signal beats a later cancellation and is never lost on a waiter that left
 */
KC_EXPORT KC_MUST_CHECK int kc_cond_wait(kc_cond_t *c, kc_mutex_t *m, kc_deadline_t dl);
/* kc_cond_signal, kc_cond_broadcast — wake the one that has waited longest; wake all.
 * Returns  0, also when nobody waits; -EINVAL. With or without the mutex; never waits */
KC_EXPORT int kc_cond_signal(kc_cond_t *c);
KC_EXPORT int kc_cond_broadcast(kc_cond_t *c);

/*
 * kc_rwlock_rdlock, kc_rwlock_wrlock — share it with other readers; be its only user.
 *
 * In order: a reader waits behind a writer that waits, so neither kind starves. A reader must
 * not ask again for what it has.
 *
 * Returns  0; -EDEADLK the caller is the writer; -EAGAIN -ETIME -ECANCELED -EPERM -EINVAL
 * Runs on, Cancel, Memory   as kc_mutex_lock
 */
KC_EXPORT KC_MUST_CHECK int kc_rwlock_rdlock(kc_rwlock_t *l, kc_deadline_t dl);
KC_EXPORT KC_MUST_CHECK int kc_rwlock_wrlock(kc_rwlock_t *l, kc_deadline_t dl);
/* kc_rwlock_unlock — either kind. Returns 0; -EPERM another one writes, or nobody has it;
 * -EINVAL. kc_rwlock_init — as clearing it, which is enough. Returns 0; -EINVAL. */
KC_EXPORT int kc_rwlock_unlock(kc_rwlock_t *l);
KC_EXPORT int kc_rwlock_init(kc_rwlock_t *l);

/* kc_sem_init — permits to begin with, while nobody uses s; zeroed memory has none.
 * Returns  0; -EINVAL (permits < 0) */
KC_EXPORT int kc_sem_init(kc_sem_t *s, long permits);
/*
 * kc_sem_acquire — take n permits at once.
 *
 * No barging: while somebody waits, everybody who comes later does, even if there are enough
 * permits for a smaller wish.
 *
 * Returns  0; -EINVAL (n < 1); -EAGAIN -ETIME -ECANCELED -EPERM: none taken
 * Runs on  coroutine, plain thread
 * Cancel   yes, all or nothing
 * Memory   what was done before the release of the permits is visible
 */
KC_EXPORT KC_MUST_CHECK int kc_sem_acquire(kc_sem_t *s, long n, kc_deadline_t dl);
/* kc_sem_release — give n permits, which need not have been acquired.
 * Returns  0; -EINVAL (n < 1); -EOVERFLOW there would be more than LONG_MAX, none given */
KC_EXPORT int kc_sem_release(kc_sem_t *s, long n);

/*
 * kc_wg_add — count n more (or fewer) under way; at zero all who wait go on.
 *
 * Count something in before it is started, as kc_wg_wait returns at once at zero.
 *
 * Returns  0; -EINVAL the count would fall below zero; -EOVERFLOW: both change nothing
 * Runs on  coroutine, plain thread, undelivered hook
 */
KC_EXPORT int kc_wg_add(kc_wg_t *g, long n);
/* kc_wg_done — Returns as kc_wg_add(g, -1). */
static inline int kc_wg_done(kc_wg_t *g)
{
    return kc_wg_add(g, -1);
}
/* kc_wg_wait — wait for the count to be zero; then g may be gone, or counted up again.
 * Returns  0; -EAGAIN -ETIME -ECANCELED -EPERM -EINVAL */
KC_EXPORT KC_MUST_CHECK int kc_wg_wait(kc_wg_t *g, kc_deadline_t dl);

/* kc_event_set, kc_event_reset — it has happened: all who wait go on, and nobody waits any more
 * until a reset. kc_event_init — as clearing it. Each Returns 0; -EINVAL. None waits. */
KC_EXPORT int kc_event_init(kc_event_t *e);
KC_EXPORT int kc_event_set(kc_event_t *e);
KC_EXPORT int kc_event_reset(kc_event_t *e);
/* kc_event_wait — Returns 0 it is set; -EAGAIN -ETIME -ECANCELED -EPERM -EINVAL */
KC_EXPORT KC_MUST_CHECK int kc_event_wait(kc_event_t *e, kc_deadline_t dl);

/* kc_barrier_init — for n at a time, while nobody uses it. Its memory may go once all n calls
 * of a round have returned. Returns 0; -EINVAL (n < 1). */
KC_EXPORT int kc_barrier_init(kc_barrier_t *b, long n);
/* kc_barrier_wait — wait until n are here; then all go on, and it begins anew. Whoever leaves
 * early is not counted. Returns 0, to the one that came last 1; -EINVAL (also not initialised)
 * -EAGAIN -ETIME -ECANCELED -EPERM */
KC_EXPORT KC_MUST_CHECK int kc_barrier_wait(kc_barrier_t *b, kc_deadline_t dl);

/*
 * kc_once — run fn(arg) unless it has succeeded before; wait while somebody else runs it.
 *
 * fn fails with a negative result. Then the one that has waited longest runs its own fn next,
 * or whoever calls later. fn may wait, and is never run twice at the same time.
 *
 * Returns  fn's result: the successful one (>= 0), to every caller from then on; or the failure
 *          of the caller's own fn. -EDEADLK called from within fn; -ECANCELED -EPERM -EINVAL
 * Runs on  coroutine, plain thread
 * Cancel   yes, while it waits
 * Memory   what fn did is visible
 * Cost     one atomic load once it has succeeded
 */
KC_EXPORT KC_MUST_CHECK int kc_once(kc_once_t *o, int (*fn)(void *), void *arg);

/*
 * kc_future_create — a result that comes later, with a value of `size` bytes (0: none).
 *
 * Returns  0 and the first handle; -ENOMEM; -EOVERFLOW; -EINVAL
 * Runs on  coroutine, plain thread
 * Cost     one allocation
 */
KC_EXPORT KC_MUST_CHECK int kc_future_create(kc_future_t **out, size_t size);
/*
 * kc_future_set — give it its result, once: rc, and a copy of the value.
 *
 * `value` may be NULL for size 0 and for a negative rc; awaiters then get the rc alone.
 *
 * Returns  0; -EALREADY it has a result, which stays; -EINVAL
 * Runs on  coroutine, plain thread, undelivered hook; never waits
 */
KC_EXPORT int kc_future_set(kc_future_t *f, int rc, const void *value);
/*
 * kc_future_await — wait for the result. Any number may, as often as they like.
 *
 * The call keeps f alive, but does not keep it from being dropped: when the last handle goes
 * while f is unset, whoever still waits gets -EPIPE. A producer that gives up while others
 * have handles says so with a negative rc.
 *
 * Returns  the rc given to kc_future_set, and *value (if neither is NULL) its value; -EPIPE
 *          dropped; -EAGAIN -ETIME -ECANCELED -EPERM -EINVAL: *value is untouched
 * Runs on  coroutine, plain thread
 * Cancel   yes
 * Memory   what was done before kc_future_set is visible
 * See      KC_AWAIT in kcoro/select.h
 */
KC_EXPORT KC_MUST_CHECK int kc_future_await(kc_future_t *f, void *value, kc_deadline_t dl);
/* Handles; ref Returns f. Any thread. */
KC_EXPORT kc_future_t *kc_future_ref(kc_future_t *f);
KC_EXPORT void kc_future_unref(kc_future_t *f);

KCI_END
#endif
