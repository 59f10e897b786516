/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * sched/dispatch.c — running a block of code elsewhere: confined to one worker, or on a thread
 * of the blocking pool.
 *
 * Confinement is the same binding as pinning, chosen by the runtime instead of by where one
 * happens to be; it nests, and gives way to a pin that the program set.
 */
#include <kcoro/context.h>
#include <kcoro/io.h>

#include "sched/sched.h"

int kci_block_wholly(kc_fn fn, void *arg, int *ret)
{
    kc_shield(true); // fn uses arg until it is over, so nobody may leave before
    int rc = kc_block(fn, arg, ret, KC_FOREVER);
    kc_shield(false);
    return rc;
}

static void confine(struct kc_co *self, struct kci_worker *w)
{
    self->confined = w;
    if (self->pins)
        return;
    if (self->pin)
        kci_note_out(self->pin);
    self->pin = w;
    if (w && w != kci_worker_self())
        kci_sched_move(self);
    if (w)
        kci_note_in(w);
}

static int run_confined(struct kc_co *self, struct kci_worker *w, kc_fn fn, void *arg)
{
    struct kci_worker *before = self->confined;

    confine(self, w);
    int ret = fn(arg);
    confine(self, before);
    return ret;
}

int kc_with_dispatcher(int dispatcher, kc_fn fn, void *arg, int *ret)
{
    struct kc_co *self = kci_co_self();
    int rc;

    if (!fn || dispatcher < KC_DISPATCH_DEFAULT || dispatcher > KC_DISPATCH_UNCONFINED)
        return -EINVAL;
    if (!self || self->nopark)
        return -EPERM;
    if ((rc = kci_self_enter()))
        return rc;
    if (dispatcher == KC_DISPATCH_IO)
        return kci_block_wholly(fn, arg, ret);
    struct kci_worker *w =
        dispatcher == KC_DISPATCH_SINGLE ? &self->rt->workers[0] : NULL;
    if (w && self->pins && self->pin != w)
        return -EPERM;
    rc = run_confined(self, w, fn, arg);
    if (ret)
        *ret = rc;
    return 0;
}
