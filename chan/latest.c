/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * chan/latest.c — conflated: one slot; chan.c replaces its element (KC_DROP_OLDEST) when it is
 * full.
 */

#include "chan/chan.h"

struct latest {
    kc_chan_t base;
    bool full;
    _Alignas(max_align_t) unsigned char elem[]; // the hook sees it in place
};

static int latest_size(const kc_chan_opts_t *o, size_t *bytes)
{
    *bytes = sizeof(struct latest) + o->elem_size;
    return 0;
}

static int latest_offer(kc_chan_t *ch, const void *elem, void **grow)
{
    struct latest *l = (struct latest *)ch;

    (void)grow;
    if (l->full)
        return -EAGAIN;
    kci_elem_copy(ch, l->elem, elem);
    l->full = true;
    return 0;
}

static int latest_take(kc_chan_t *ch, void *elem)
{
    struct latest *l = (struct latest *)ch;

    if (!l->full)
        return -EAGAIN;
    if (elem)
        kci_elem_copy(ch, elem, l->elem);
    l->full = false;
    return 0;
}

static size_t latest_room(const kc_chan_t *ch)
{
    return !((const struct latest *)ch)->full;
}

static size_t latest_len(const kc_chan_t *ch)
{
    return ((const struct latest *)ch)->full;
}

static void *latest_front(kc_chan_t *ch)
{
    struct latest *l = (struct latest *)ch;
    return l->full ? l->elem : NULL;
}

const struct kci_flavor kci_flavor_latest = {
    .name = "conflated",
    .direct = true,
    .size = latest_size,
    .offer = latest_offer,
    .take = latest_take,
    .room = latest_room,
    .len = latest_len,
    .front = latest_front,
};
