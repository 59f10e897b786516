/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * chan/flavor.h — contract: what a kind of channel supplies. chan.c does everything else:
 * queues, hand-over, drop policies, close, hooks, counters.
 *
 * Synchronous members are called under the channel's lock; they copy at most one element and
 * never park, allocate (but see `grow`), wake through endpoints, or call user code. They may
 * take locks ranked below channels and wake a coroutine.
 *
 * The asynchronous pair is for operations whose answer comes later, from another process:
 * `start` begins the operation of a queued waiter; whoever has the verdict claims and finishes
 * the waiter like any local partner. `withdraw` takes it back when deadline or cancel won; it
 * may answer that it is too late, and then the caller waits for the verdict.
 *
 * A waiter that is past withdrawing is taken off the channel's queue (kci_list_remove): closing
 * leaves it to its verdict. A verdict that cannot claim has met a deadline or cancel: it holds
 * until withdraw was asked, said -EBUSY, and the wait is open again, under a new wt->gen.
 */
#ifndef CHAN_FLAVOR_H
#define CHAN_FLAVOR_H

#include <kcoro/chan.h>

#include "sched/wait.h"

struct kci_flavor {
    const char *name;
    /* Senders and receivers of this process meet here, hand to hand. False: they are
     * partners of another process, and only offer and take move elements. */
    bool direct;
    /* Bytes of the whole object, struct kc_chan first. 0 and *bytes, or -EOVERFLOW. */
    int (*size)(const kc_chan_opts_t *o, size_t *bytes);
    /* Fill in what lies behind struct kc_chan; the memory is zeroed. May be NULL. */
    void (*init)(kc_chan_t *ch);

    /* Store one: 0, -EAGAIN no room, -ENOBUFS over a limit, -ENOMEM, -EACCES, -EMSGSIZE.
     * `grow` is memory of grow_bytes that offer may take (it then sets *grow to NULL). */
    int (*offer)(kc_chan_t *ch, const void *elem, void **grow);
    /* Take the oldest into elem (NULL: discard): 0, -EAGAIN none here now, -EACCES. */
    int (*take)(kc_chan_t *ch, void *elem);
    /* Not NULL: the same for up to n elements of an array (NULL: discard) at once. Says how
     * many were stored, or taken: fewer than n only where one more would be -EAGAIN. */
    size_t (*offer_run)(kc_chan_t *ch, const unsigned char *elems, size_t n);
    size_t (*take_run)(kc_chan_t *ch, unsigned char *elems, size_t n);
    /* How many offers would succeed now. */
    size_t (*room)(const kc_chan_t *ch);
    /* Elements that can be taken now. */
    size_t (*len)(const kc_chan_t *ch);
    /* Not NULL: bytes of the block that the next offer will need; 0: none. Called unlocked,
     * a hint. */
    size_t (*grow_bytes)(const kc_chan_t *ch);
    /* The oldest, in place, or NULL: used when nobody else can reach the channel any more. */
    void *(*front)(kc_chan_t *ch);

    /* Asynchronous pair; NULL where the synchronous members answer at once. start: 0 begun,
     * or a code that fails the operation. withdraw: 0 taken back, -EBUSY too late. */
    int (*start)(kc_chan_t *ch, struct kci_waiter *wt);
    int (*withdraw)(kc_chan_t *ch, struct kci_waiter *wt);

    /* The channel was just closed on this side. May be NULL. */
    void (*closed)(kc_chan_t *ch);
    /* The last reference is gone: release what init or offer acquired, not ch itself.
     * Unlocked. */
    void (*destroy)(kc_chan_t *ch);
};

extern const struct kci_flavor kci_flavor_zero;   /* rendezvous */
extern const struct kci_flavor kci_flavor_ring;   /* buffered */
extern const struct kci_flavor kci_flavor_latest; /* conflated */
extern const struct kci_flavor kci_flavor_blocks; /* unlimited */

#endif
