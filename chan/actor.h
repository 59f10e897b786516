/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * chan/actor.h — the actor, between the three files that make it: actor.c (its life), inbox.c
 * (what it handles next), notice.c (who is told of its end).
 */
#ifndef CHAN_ACTOR_H
#define CHAN_ACTOR_H

#include <kcoro/actor.h>
#include <kcoro/co.h>
#include <kcoro/sync.h>

#include "chan/chan.h"

struct kc_actor {
    _Atomic(unsigned) handles; /* the program's */
    _Atomic(unsigned) holds;   /* one for all handles, one for the coroutine */
    kc_actor_opts_t o;         /* fixed */
    kc_chan_t *mailbox;        /* fixed; a reference */
    kc_future_t *over;         /* fixed; its value: why it ended */
    _Atomic(kc_co_t *) co;     /* self: to be recognised, no reference */
    struct kci_list asks;      /* mailbox's lock: those that wait to be handled */
    struct kc_future *asking;  /* self: where the reply goes; NULL: nobody asked */
    bool started;              /* self: on_start has succeeded */
    int restarts;              /* self: since `since` */
    int64_t since;             /* self */
    struct kci_lock lock;      /* guards all below */
    kc_cancel_t *token;        /* of its scope, while it is open */
    bool cancelled, ended;
    int why;                   /* once one of them: the reason */
    struct kci_list notices;   /* until it has ended */
    _Alignas(max_align_t) unsigned char msg[]; /* self: the message being handled */
};

/* Is the caller the actor's own coroutine? */
bool kci_actor_is_self(kc_actor_t *a);

/* ---- inbox.c ---- */

/* Wait for the next message and handle it: what on_msg said in *result. 0, or the code that
 * ended the wait. Self. */
int kci_actor_next(kc_actor_t *a, int *result);
/* Nobody will be answered any more. The mailbox is closed. */
void kci_actor_dismiss(kc_actor_t *a);

/* ---- notice.c ---- */

/* Tell all of a list of notices. */
void kci_notices_send(struct kci_list *notices, kc_actor_t *a, int why);

#endif
