/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * chan/chan.h — the channel itself, and what other layers may do with one.
 *
 * Invariants, under the lock, for direct flavours
 *   one-side  senders and receivers never wait at the same time, except one select with both
 *   no-hoard  a stored element means nobody waits for an element
 *   no-stall  room means nobody waits for room
 */
#ifndef CHAN_CHAN_H
#define CHAN_CHAN_H

#include <kcoro/chan.h>
#include <string.h>

#include "chan/flavor.h"
#include "core/list.h"
#include "core/lock.h"
#include "sched/source.h"

struct kc_chan {
    _Atomic(unsigned) refs;
    struct kci_lock lock;
    const struct kci_flavor *fl; /* fixed, like all up to `name` */
    size_t elem_size;
    long cap;
    int overflow;
    unsigned caps;
    bool hungry;  /* sending may take memory; see send_prepare */
    bool watched; /* lock; a select has looked: keep the hint */
    _Atomic(uint64_t) hint; /* lock; KCI_HINT_ bits, above them a version; kci_chan_publish */
    size_t max_bytes;
    void (*on_undelivered)(void *elem, unsigned reason, void *arg);
    void *arg;
    const char *name;
    unsigned char *spare; /* one element, for kc_chan_cancel; NULL without a hook */
    _Atomic(int) why;     /* lock; 0 open, 1 closed, negative reason */
    bool cancelled;       /* lock */
    int producers;        /* lock */
    struct kci_list senders, receivers; /* lock: kci_waiter */
    unsigned parked; /* lock: waiters that were neither won nor withdrawn */
    bool orphan;     /* lock: the last reference went while there were any */
    struct kci_list watchers; /* lock: kci_waiter; for the close alone */
    struct kci_list returned; /* lock: kci_returned, taken before anything stored */
    size_t nreturned;     /* lock */
    uint64_t sends, recvs, dropped, undelivered; /* lock */
};

/* An element put back at the front of its channel. */
struct kci_returned {
    struct kci_list node;
    _Alignas(max_align_t) unsigned char elem[];
};

/* Sending and receiving as sources: obj kc_chan_t, arg the element. */
extern const struct kci_source kci_send_source;
extern const struct kci_source kci_recv_source;
extern const struct kci_source kci_send_desc_source; /* arg kc_zdesc_t *, cleared on success */

/* For flavours of other layers: a channel object of fl->size bytes. 0; -ENOMEM; -EOVERFLOW. */
int kci_chan_create(kc_chan_t **out, const kc_chan_opts_t *o, const struct kci_flavor *fl);

/* What a channel of descriptors is made with, where o asks for one. */
kc_chan_opts_t kci_zref_options(const kc_chan_opts_t *o);

/* ---- for flavours whose elements and room come from elsewhere ---- */

/* Locked. An element arrived (the flavour stored it): hand stored elements to waiting
 * receivers. The winners are moved to `won`, for kci_waiters_finish(won, 0) after unlocking. */
void kci_chan_serve_receivers(kc_chan_t *ch, struct kci_list *won);
/* Locked. Room appeared: let waiting senders offer. Winners as above. */
void kci_chan_serve_senders(kc_chan_t *ch, struct kci_list *won);
/* Put elements (kci_returned, oldest first) back at the front, all at once so that nobody takes
 * a newer one before an older; empties the list. Unlocked. A closed channel still takes them
 * back, a cancelled one gives them to the hook. They count as not received. */
void kci_chan_give_back_all(kc_chan_t *ch, struct kci_list *elems);
/* The same for one. */
void kci_chan_give_back(kc_chan_t *ch, struct kci_returned *r);
/* Locked: the one place that closes. Who waited is moved to `woken`, for
 * kci_waiters_finish(woken, -EPIPE) after unlocking. False: it was closed already. */
bool kci_chan_close_locked(kc_chan_t *ch, int why, struct kci_list *woken);
/* Locked. Take wt off ch's queue. True: it is won. */
static inline bool kci_chan_claim_waiter(kc_chan_t *ch, struct kci_waiter *wt,
                                         struct kci_claim *out)
{
    bool won = kci_waiter_claim(wt, out);
    ch->parked -= won;
    return won;
}
/* Locked. The first of ch->senders or ch->receivers that can be won; NULL: none. */
static inline struct kci_waiter *kci_chan_claim(kc_chan_t *ch, struct kci_list *queue,
                                                struct kci_claim *out)
{
    struct kci_waiter *wt = kci_queue_claim(queue, out);
    ch->parked -= wt != NULL;
    return wt;
}
/* Locked. All of them, moved to `won`. */
void kci_chan_claim_all(kc_chan_t *ch, struct kci_list *queue, struct kci_list *won);
/* A source's release, where disarm was kci_send_source's or kci_recv_source's. */
void kci_chan_release(struct kci_clause *c);
/* Report an element of ch that nobody will get. Unlocked. */
void kci_chan_undelivered(kc_chan_t *ch, void *elem, unsigned reason);

/* What a select reads without the lock. Without watched both bits are set: nobody knows. */
#define KCI_HINT_RECV 1u
#define KCI_HINT_SEND 2u
#define KCI_HINT_VERSION 4u

/* Locked. Compute the hint anew. */
void kci_chan_publish(kc_chan_t *ch);
/* Locked. Somebody waits now, so the other side may be ready. */
static inline void kci_chan_awaited(kc_chan_t *ch, bool by_sender)
{
    uint64_t hint = ka_load(&ch->hint, relaxed); // relaxed: under the lock
    hint = (hint + KCI_HINT_VERSION) | (by_sender ? KCI_HINT_RECV : KCI_HINT_SEND);
    ka_store(&ch->hint, hint, release); // E-HINT
}
/* Locked. To be called after every change of what is stored. */
static inline void kci_chan_changed(kc_chan_t *ch)
{
    if (KCI_UNLIKELY(ch->watched))
        kci_chan_publish(ch);
}

/* One element. Most are a word or less, and a call would cost more than their copy. */
static inline void kci_elem_copy(const kc_chan_t *ch, void *to, const void *from)
{
    if (KCI_LIKELY(ch->elem_size == 8))
        memcpy(to, from, 8);
    else if (ch->elem_size == 4)
        memcpy(to, from, 4);
    else if (ch->elem_size)
        memcpy(to, from, ch->elem_size);
}

static inline bool kci_chan_is_zref(const kc_chan_t *ch)
{
    return ch->caps & KC_CHAN_ZREF;
}

static inline bool kci_chan_is_closed(const kc_chan_t *ch)
{
    kc_chan_t *c = (kc_chan_t *)(uintptr_t)ch; // C11 atomics cannot be loaded through const
    return ka_load(&c->why, relaxed);          // relaxed: decided under the lock
}

#endif
