/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * chan/blocks.c — unlimited: a chain of blocks of 64 elements.
 *
 * Picture     take → [ . . v v ] → [ v v v v ] → [ v . . . ] ← offer
 *                        ↑ first                     ↑ last holds `filled`
 * Invariants  count elements from head->[first] to tail->[filled); no block when count was
 *             never > 0
 *             an emptied head is freed, unless it is the only block: that one starts over
 * Memory      the block that the next offer needs is allocated by the sender before it takes
 *             the lock (grow_bytes is a hint); only when another sender used up the place in
 *             between does offer allocate under the lock.
 * Rejected    a growing ring: it copies everything, under the lock, each time it doubles.
 */

#include "chan/chan.h"
#include "core/mem.h"

enum { PER_BLOCK = 64 };

struct block {
    struct block *next;
    _Alignas(max_align_t) unsigned char elems[]; // the hook sees them in place
};

struct blocks {
    kc_chan_t base;
    struct block *head, *tail;
    size_t first;             /* in head */
    _Atomic(size_t) filled;   /* of tail; PER_BLOCK: full. Lock; read elsewhere as a hint */
    size_t count;
};

static size_t block_bytes(const kc_chan_t *ch)
{
    return sizeof(struct block) + PER_BLOCK * ch->elem_size;
}

static int blocks_size(const kc_chan_opts_t *o, size_t *bytes)
{
    *bytes = sizeof(struct blocks);
    return o->elem_size > (PTRDIFF_MAX / 2 - sizeof(struct block)) / PER_BLOCK ? -EOVERFLOW : 0;
}

static void blocks_init(kc_chan_t *ch)
{
    ka_store(&((struct blocks *)ch)->filled, PER_BLOCK, relaxed); // relaxed: not shared yet
}

static size_t blocks_grow_bytes(const kc_chan_t *ch)
{
    struct blocks *b = (struct blocks *)(uintptr_t)ch;
    return ka_load(&b->filled, relaxed) == PER_BLOCK ? block_bytes(ch) : 0; // relaxed: a hint
}

static int append(struct blocks *b, void **grow)
{
    struct block *fresh = grow && *grow ? *grow : kci_alloc(block_bytes(&b->base));

    if (!fresh)
        return -ENOMEM;
    if (grow)
        *grow = NULL;
    fresh->next = NULL;
    if (b->tail)
        b->tail->next = fresh;
    else
        b->head = fresh;
    b->tail = fresh;
    ka_store(&b->filled, 0, relaxed); // relaxed: under the lock
    return 0;
}

static int blocks_offer(kc_chan_t *ch, const void *elem, void **grow)
{
    struct blocks *b = (struct blocks *)ch;
    size_t filled = ka_load(&b->filled, relaxed); // relaxed: under the lock

    if (ch->max_bytes && (b->count + 1) * ch->elem_size > ch->max_bytes)
        return -ENOBUFS;
    if (filled == PER_BLOCK) {
        int rc = append(b, grow);
        if (rc)
            return rc;
        filled = 0;
    }
    kci_elem_copy(ch, b->tail->elems + filled * ch->elem_size, elem);
    ka_store(&b->filled, filled + 1, relaxed); // relaxed: under the lock
    b->count++;
    return 0;
}

static void *blocks_front(kc_chan_t *ch)
{
    struct blocks *b = (struct blocks *)ch;
    return b->count ? b->head->elems + b->first * ch->elem_size : NULL;
}

static void step(struct blocks *b)
{
    struct block *empty = b->head;

    b->count--;
    if (++b->first < PER_BLOCK && b->count)
        return;
    b->first = 0;
    if (empty != b->tail) {
        b->head = empty->next;
        kci_free(empty);
    } else {
        ka_store(&b->filled, 0, relaxed); // relaxed: under the lock
    }
}

static int blocks_take(kc_chan_t *ch, void *elem)
{
    const void *front = blocks_front(ch);

    if (!front)
        return -EAGAIN;
    if (elem)
        kci_elem_copy(ch, elem, front);
    step((struct blocks *)ch);
    return 0;
}

static size_t blocks_room(const kc_chan_t *ch)
{
    (void)ch;
    return SIZE_MAX;
}

static size_t blocks_len(const kc_chan_t *ch)
{
    return ((const struct blocks *)ch)->count;
}

static void blocks_destroy(kc_chan_t *ch)
{
    struct blocks *b = (struct blocks *)ch;

    for (struct block *it = b->head, *next; it; it = next) {
        next = it->next;
        kci_free(it);
    }
}

const struct kci_flavor kci_flavor_blocks = {
    .name = "unlimited",
    .direct = true,
    .size = blocks_size,
    .init = blocks_init,
    .offer = blocks_offer,
    .take = blocks_take,
    .room = blocks_room,
    .len = blocks_len,
    .grow_bytes = blocks_grow_bytes,
    .front = blocks_front,
    .destroy = blocks_destroy,
};
