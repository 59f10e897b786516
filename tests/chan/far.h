/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * tests/chan/far.h — a flavour whose answers come later, from elsewhere.
 *
 * Nothing is stored in the channel: each operation waits until a far end, told what to do
 * through a side channel, picks it up (from then on it cannot be taken back) and decides
 * about it. It is the asynchronous half of chan/flavor.h, start and withdraw, with a partner
 * that tests can direct.
 */
#ifndef TESTS_CHAN_FAR_H
#define TESTS_CHAN_FAR_H

#include "chan/chan.h"
#include "tests/chan/kit.h"

enum { FAR_OPS = 16 }; /* at most so many operations at once; then start says -ENOBUFS */

/* What the far end is told. */
struct far_order {
    enum { FAR_PICK_SEND, FAR_PICK_RECV, FAR_DECIDE } what;
    int rc;    /* FAR_DECIDE: the verdict on the oldest operation picked */
    int value; /* what a receiver that is accepted gets */
};

/* A channel of ints whose far end is a coroutine of scope s. */
kc_chan_t *far_open(kc_scope_t *s);
/* The far end stops; the channel is released. */
void far_close(kc_chan_t *ch);
/* Tell the far end, and wait until it has done it. */
void far_tell(kc_chan_t *ch, struct far_order order);

/* Operations that wait to be picked up; that were; withdrawals that came too late. */
int far_waiting(kc_chan_t *ch);
int far_picked(kc_chan_t *ch);
int far_late(kc_chan_t *ch);
/* Sum of the elements that the far end accepted, and of those it handed out. */
long far_accepted(kc_chan_t *ch);
long far_handed_out(kc_chan_t *ch);

/* From any coroutine: pick the oldest send or receive that waits; false: there is none. */
bool far_pick(kc_chan_t *ch, bool send);
/* Decide about the oldest one picked. Waits for its owner if that is on its way to withdraw. */
void far_decide(kc_chan_t *ch, int rc, int value);

#endif
