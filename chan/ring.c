/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * chan/ring.c — buffered: slots in a circle, in the channel's own memory.
 *
 * Picture     slots [ . . v v v . . ] end
 *                         ↑ first  ↑ free: count elements from first on, then round
 * Invariants  count <= cap; first and free are in [slots, end), or all equal for elements of no
 *             size
 * Rejected    lock-free slots with stamps: faster alone, but close and select would each need a
 *             proof of their own.
 */
#include "chan/chan.h"

struct ring {
    kc_chan_t base;
    size_t count;
    unsigned char *first, *free, *end;
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

static void ring_init(kc_chan_t *ch)
{
    struct ring *r = (struct ring *)ch;

    r->first = r->free = r->slots;
    r->end = r->slots + (size_t)ch->cap * ch->elem_size;
}

static unsigned char *behind(struct ring *r, unsigned char *slot)
{
    slot += r->base.elem_size;
    return slot == r->end ? r->slots : slot;
}

static int ring_offer(kc_chan_t *ch, const void *elem, void **grow)
{
    struct ring *r = (struct ring *)ch;

    (void)grow;
    if (r->count == (size_t)ch->cap)
        return -EAGAIN;
    kci_elem_copy(ch, r->free, elem);
    r->free = behind(r, r->free);
    r->count++;
    return 0;
}

static int ring_take(kc_chan_t *ch, void *elem)
{
    struct ring *r = (struct ring *)ch;

    if (!r->count)
        return -EAGAIN;
    if (elem)
        kci_elem_copy(ch, elem, r->first);
    r->first = behind(r, r->first);
    r->count--;
    return 0;
}

/* n elements from `slot` on are `before` bytes up to the end of the circle and `after` more. */
static void halves(struct ring *r, const unsigned char *slot, size_t n, size_t half[2])
{
    size_t bytes = n * r->base.elem_size, upto_end = (size_t)(r->end - slot);

    half[0] = bytes < upto_end ? bytes : upto_end;
    half[1] = bytes - half[0];
}

static unsigned char *advance(struct ring *r, unsigned char *slot, const size_t half[2])
{
    slot += half[0];
    return slot == r->end ? r->slots + half[1] : slot;
}

static size_t ring_offer_run(kc_chan_t *ch, const unsigned char *elems, size_t n)
{
    struct ring *r = (struct ring *)ch;
    size_t room = (size_t)ch->cap - r->count, half[2];

    n = n < room ? n : room;
    halves(r, r->free, n, half);
    if (half[0])
        memcpy(r->free, elems, half[0]);
    if (half[1])
        memcpy(r->slots, elems + half[0], half[1]);
    r->free = advance(r, r->free, half);
    r->count += n;
    return n;
}

static size_t ring_take_run(kc_chan_t *ch, unsigned char *elems, size_t n)
{
    struct ring *r = (struct ring *)ch;
    size_t half[2];

    n = n < r->count ? n : r->count;
    halves(r, r->first, n, half);
    if (elems && half[0])
        memcpy(elems, r->first, half[0]);
    if (elems && half[1])
        memcpy(elems + half[0], r->slots, half[1]);
    r->first = advance(r, r->first, half);
    r->count -= n;
    return n;
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
    return r->count ? r->first : NULL;
}

const struct kci_flavor kci_flavor_ring = {
    .name = "buffered",
    .direct = true,
    .size = ring_size,
    .init = ring_init,
    .offer = ring_offer,
    .take = ring_take,
    .offer_run = ring_offer_run,
    .take_run = ring_take_run,
    .room = ring_room,
    .len = ring_len,
    .front = ring_front,
};
