/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * chan/ring.c — buffered: slots in a circle, in the channel's own memory.
 *
 * Picture     take → [ v v v . . . ] ← offer
 *                      ↑ first, count elements
 * Invariants  count <= cap
 * Rejected    lock-free slots with stamps: faster alone, but close and select would each need a
 *             proof of their own.
 */
#include <string.h>

#include "chan/chan.h"

struct ring {
    kc_chan_t base;
    size_t first, count;
    _Alignas(max_align_t) unsigned char slots[]; // the hook sees elements in place
};

static int ring_size(const kc_chan_opts_t *o, size_t *bytes)
{
    size_t cap = (size_t)o->cap, most = PTRDIFF_MAX / 2 - sizeof(struct ring);

    if (o->elem_size && cap > most / o->elem_size)
        return -EOVERFLOW;
    *bytes = sizeof(struct ring) + cap * o->elem_size;
    return 0;
}

static unsigned char *slot(struct ring *r, size_t i)
{
    size_t cap = (size_t)r->base.cap;
    return r->slots + (i >= cap ? i - cap : i) * r->base.elem_size;
}

static int ring_offer(kc_chan_t *ch, const void *elem, void **grow)
{
    struct ring *r = (struct ring *)ch;

    (void)grow;
    if (r->count == (size_t)ch->cap)
        return -EAGAIN;
    if (ch->elem_size)
        memcpy(slot(r, r->first + r->count), elem, ch->elem_size);
    r->count++;
    return 0;
}

static int ring_take(kc_chan_t *ch, void *elem)
{
    struct ring *r = (struct ring *)ch;

    if (!r->count)
        return -EAGAIN;
    if (elem && ch->elem_size)
        memcpy(elem, slot(r, r->first), ch->elem_size);
    if (++r->first == (size_t)ch->cap)
        r->first = 0;
    r->count--;
    return 0;
}

static size_t ring_room(const kc_chan_t *ch)
{
    return (size_t)ch->cap - ((const struct ring *)ch)->count;
}

static size_t ring_len(const kc_chan_t *ch)
{
    return ((const struct ring *)ch)->count;
}

static void *ring_front(kc_chan_t *ch)
{
    struct ring *r = (struct ring *)ch;
    return r->count ? slot(r, r->first) : NULL;
}

const struct kci_flavor kci_flavor_ring = {
    .name = "buffered",
    .direct = true,
    .size = ring_size,
    .offer = ring_offer,
    .take = ring_take,
    .room = ring_room,
    .len = ring_len,
    .front = ring_front,
};
