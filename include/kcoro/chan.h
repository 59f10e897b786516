/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * kcoro/chan.h — channels: one value from one coroutine to one other.
 *
 * Kinds: rendezvous (cap 0), buffered (cap n), conflated (keeps the newest), unlimited. A
 * channel opened through kcoro/ipc.h is a kc_chan_t too: same calls, same codes, same select.
 *
 * The rule of ownership: 0 means the channel took the element; negative means the caller still
 * has it. Nothing is ever "maybe sent". (Remote only: -ECONNRESET says the link died in
 * between.)
 */
#ifndef KCORO_CHAN_H
#define KCORO_CHAN_H

#include <kcoro/base.h>

KCI_BEGIN

typedef struct kc_chan kc_chan_t;

/* Capacities with a meaning. KC_CONFLATED: one slot, a newer value replaces the older one.
 * KC_UNLIMITED: sending never waits; memory (or max_bytes) is the limit. */
#define KC_CONFLATED (-1L)
#define KC_UNLIMITED (-2L)

/* What a full buffered channel does with one more element. Only for cap >= 1. */
enum {
    KC_SUSPEND = 0,    /* the sender waits: back-pressure; the default */
    KC_DROP_OLDEST = 1, /* the oldest element gives way: live data, where the newest counts */
    KC_DROP_LATEST = 2  /* the new element is dropped: first come, first served */
};

/* Why an element reached nobody; the hook's `reason`. MAYBE is or-ed in where a peer may
 * have it. */
enum {
    KC_UNDELIV_OLDEST = 1,    /* evicted by KC_DROP_OLDEST */
    KC_UNDELIV_LATEST = 2,    /* refused by KC_DROP_LATEST */
    KC_UNDELIV_CONFLATED = 3, /* replaced in a conflated channel */
    KC_UNDELIV_CANCELED = 4,  /* discarded by kc_chan_cancel */
    KC_UNDELIV_DESTROYED = 5, /* still buffered when the last reference went */
    KC_UNDELIV_LINK = 6,      /* accepted here, unconfirmed when the link died */
    KC_UNDELIV_MAYBE = 0x100
};

/* Flags of kc_chan_opts_t and kc_chan_caps. REMOTE is only ever reported. */
#define KC_CHAN_ZREF 0x1u   /* elements are descriptors, elem_size is 0: kcoro/zref.h */
#define KC_CHAN_SPSC 0x2u   /* the program promises one sender and one receiver: a hint */
#define KC_CHAN_REMOTE 0x4u /* the other end is in another process */

/* Zero means the default everywhere. */
typedef struct {
    long cap;         /* >= 0, KC_CONFLATED or KC_UNLIMITED */
    size_t elem_size; /* bytes; 0 is legal: a channel of events */
    int overflow;     /* KC_SUSPEND, KC_DROP_OLDEST, KC_DROP_LATEST */
    unsigned flags;   /* KC_CHAN_* */
    void (*on_undelivered)(void *elem, unsigned reason, void *arg); /* outside every lock */
    void *arg;
    const char *name; /* for dumps; borrowed for the channel's life */
    size_t max_bytes; /* unlimited: most bytes buffered, then -ENOBUFS; 0: no limit */
    uintptr_t reserved[4];
} kc_chan_opts_t;

/*
 * kc_chan_make, kc_chan_make_ex — create a channel; the caller gets the first reference.
 *
 * Returns  0; -ENOMEM; -EINVAL; -EOVERFLOW when cap × elem_size does not fit
 * Runs on  coroutine, plain thread
 * Cost     one allocation
 */
KC_EXPORT KC_MUST_CHECK int kc_chan_make(kc_chan_t **out, size_t elem_size, long cap);
KC_EXPORT KC_MUST_CHECK int kc_chan_make_ex(kc_chan_t **out, const kc_chan_opts_t *opts);

/* kc_chan_owned — a channel owned by the current scope, which drops it when it closes.
 * Returns  the channel (borrowed); NULL after cancelling the scope with the reason */
KC_EXPORT kc_chan_t *kc_chan_owned(size_t elem_size, long cap);
/* kc_chan(T, cap) — the same, for elements of type T. */
#define kc_chan(T, cap) kc_chan_owned(sizeof(T), (cap))

/*
 * kc_chan_send — hand one element to one receiver, or to the buffer.
 *
 * Copies elem_size bytes from `elem`, which stays the caller's; NULL is legal for size 0.
 *
 * Returns  0            a receiver has it, or it is buffered, or a drop policy took it
 *          -EAGAIN      KC_TRY and it would wait        -ETIME      the deadline passed
 *          -EPIPE       closed, before or while waiting -ECANCELED  the caller was cancelled
 *          -EINVAL -ENOMEM -ENOBUFS (unlimited) -EMSGSIZE -ECONNRESET -EACCES (remote)
 *          -EPERM       would have to wait inside an undelivered hook
 *          -ENOTSUP     a channel of descriptors
 * Runs on  coroutine, plain thread
 * Threads  any number at once; FIFO among waiters
 * Cancel   yes, all or nothing; a delivery beats a later cancel
 * Memory   what the sender wrote before is visible to the receiver (E-HAND)
 * Cost     one lock; no allocation; unlimited: one per 64 elements; one where a hook may get
 *          an evicted element
 */
KC_EXPORT KC_MUST_CHECK int kc_chan_send(kc_chan_t *ch, const void *elem, kc_deadline_t dl);

/*
 * kc_chan_recv — take one element into `elem` (NULL discards it).
 *
 * Returns  0; -EAGAIN; -ETIME; -ECANCELED; -EPIPE closed and drained; -EINVAL; -EPERM; -EACCES
 *          -ENOTSUP
 * Runs on, Threads, Cancel, Memory, Cost   as kc_chan_send
 */
KC_EXPORT KC_MUST_CHECK int kc_chan_recv(kc_chan_t *ch, void *elem, kc_deadline_t dl);

/*
 * kc_chan_send_many — send the n elements of an array, in order, until the deadline.
 *
 * Goes on until all are sent, as that many kc_chan_send would, but takes the lock once for many
 * of them. Other senders' elements may come in between.
 *
 * Returns  how many were taken, >= 1: the first so many; the rest is still the caller's
 *          a code of kc_chan_send when none was; -EINVAL also for n = 0; -EOVERFLOW for an n
 *          that no array has
 * Runs on, Threads, Memory   as kc_chan_send
 * Cancel   yes; what was taken before is reported first, the next call says -ECANCELED
 * Cost     one lock for up to 32 elements; allocations as that many kc_chan_send
 */
KC_EXPORT KC_MUST_CHECK ssize_t kc_chan_send_many(kc_chan_t *ch, const void *elems, size_t n,
                                                  kc_deadline_t dl);

/*
 * kc_chan_recv_many — wait for one element, then take what is there, at most n (NULL discards).
 *
 * Returns  how many came, >= 1; a code of kc_chan_recv when none did; -EINVAL -EOVERFLOW as
 *          above
 * Runs on, Threads, Cancel, Memory, Cost   as kc_chan_send_many
 */
KC_EXPORT KC_MUST_CHECK ssize_t kc_chan_recv_many(kc_chan_t *ch, void *elems, size_t n,
                                                  kc_deadline_t dl);

/* kc_send(ch, &v[, dl]) and kc_recv(ch, &v[, dl]): without a deadline they wait forever. */
#define kc_send(...)                                                                           \
    KCI_OP(__VA_ARGS__, kc_send_takes_2_or_3_arguments, KCI_SEND3, KCI_SEND2, 0, 0)(__VA_ARGS__)
#define kc_recv(...)                                                                           \
    KCI_OP(__VA_ARGS__, kc_recv_takes_2_or_3_arguments, KCI_RECV3, KCI_RECV2, 0, 0)(__VA_ARGS__)
#define KCI_OP(a, b, c, d, op, ...) op
#define KCI_SEND2(ch, p) kc_chan_send((ch), (p), KC_FOREVER)
#define KCI_SEND3(ch, p, dl) kc_chan_send((ch), (p), (dl))
#define KCI_RECV2(ch, p) kc_chan_recv((ch), (p), KC_FOREVER)
#define KCI_RECV3(ch, p, dl) kc_chan_recv((ch), (p), (dl))
#ifndef __cplusplus
/* kc_put(ch, T, value…) sends an element built on the spot: kc_put(ch, struct point, 1, 2). */
#define kc_put(ch, T, ...) kc_chan_send((ch), &(T){ __VA_ARGS__ }, KC_FOREVER)
#endif

/*
 * kc_chan_close_why — no more sends. Buffered elements can still be received; waiting senders
 * get -EPIPE and keep theirs; waiting receivers get -EPIPE.
 *
 * Returns  0; -EALREADY closed before (the first reason stays); -EINVAL
 * Runs on  coroutine, plain thread, undelivered hook
 */
KC_EXPORT int kc_chan_close_why(kc_chan_t *ch, int why);
/* kc_chan_close — Returns as kc_chan_close_why(ch, 0). */
static inline int kc_chan_close(kc_chan_t *ch)
{
    return kc_chan_close_why(ch, 0);
}
/* kc_chan_cancel — close, and discard what is buffered through the hook (CANCELED).
 * Returns  0, also after a close; -EALREADY cancelled before; -EINVAL */
KC_EXPORT int kc_chan_cancel(kc_chan_t *ch, int why);
/* kc_chan_why — Returns 0 open, 1 closed without a reason, else the reason given to close. */
KC_EXPORT int kc_chan_why(const kc_chan_t *ch);

/* References; ref Returns ch. The last one runs the hook (DESTROYED) for what is still
 * buffered. Any thread. */
KC_EXPORT kc_chan_t *kc_chan_ref(kc_chan_t *ch);
KC_EXPORT void kc_chan_unref(kc_chan_t *ch);

/* kc_chan_producers — count producers in (+) and out (-); the last one out closes the channel.
 * Returns  the new count; -EINVAL when it would fall below zero */
KC_EXPORT int kc_chan_producers(kc_chan_t *ch, int delta);

/* Snapshots, stale as soon as they are read. Each Returns what its name says. */
KC_EXPORT size_t kc_chan_len(const kc_chan_t *ch);
KC_EXPORT long kc_chan_cap(const kc_chan_t *ch);
KC_EXPORT unsigned kc_chan_caps(const kc_chan_t *ch);

KCI_END
#endif
