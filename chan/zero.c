/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * chan/zero.c — rendezvous: nothing is ever stored, sender and receiver meet.
 */
#include "chan/chan.h"

static int zero_size(const kc_chan_opts_t *o, size_t *bytes)
{
    (void)o;
    *bytes = sizeof(kc_chan_t);
    return 0;
}

static int zero_offer(kc_chan_t *ch, const void *elem, void **grow)
{
    (void)ch;
    (void)elem;
    (void)grow;
    return -EAGAIN;
}

static int zero_take(kc_chan_t *ch, void *elem)
{
    (void)ch;
    (void)elem;
    return -EAGAIN;
}

static size_t zero_none(const kc_chan_t *ch)
{
    (void)ch;
    return 0;
}

static void *zero_front(kc_chan_t *ch)
{
    (void)ch;
    return NULL;
}

const struct kci_flavor kci_flavor_zero = {
    .name = "rendezvous",
    .direct = true,
    .size = zero_size,
    .offer = zero_offer,
    .take = zero_take,
    .room = zero_none,
    .len = zero_none,
    .front = zero_front,
};
