/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * kcoro/actor.h — an actor: a coroutine with a mailbox, which handles one message at a time.
 *
 * It is a child of the scope it was started in, and ends when it is stopped, when it is
 * cancelled, or when it fails and is not restarted. Failing is told to those who join or
 * monitor it, not to the scope. What on_msg starts with kc_go belongs to the actor, which waits
 * for it at its end.
 */
#ifndef KCORO_ACTOR_H
#define KCORO_ACTOR_H

#include <kcoro/base.h>
#include <kcoro/chan.h>

KCI_BEGIN

typedef struct kc_actor kc_actor_t;
/* The message being handled: who wants a reply. Valid until on_msg returns. */
typedef struct kc_msg kc_msg_t;

/* After which failures on_start runs again. A failure is a negative result of on_start or
 * on_msg; -ECANCELED is one for KC_RESTART_ALWAYS only. No cancelled actor is restarted. */
enum {
    KC_RESTART_NEVER = 0,    /* the first failure ends it */
    KC_RESTART_ON_ERROR = 1, /* errors are expected, and state can be made anew */
    KC_RESTART_ALWAYS = 2    /* whatever happens, somebody must be there */
};

/* What a monitor receives. */
typedef struct {
    kc_actor_t *actor; /* which; not a handle: compare it, no more */
    int why;           /* as kc_actor_join's */
} kc_actor_exit_t;

/* Zero means the default everywhere; on_msg must be there. */
typedef struct {
    const char *name;  /* for dumps; borrowed while it lives */
    size_t msg_size;   /* bytes of a message */
    long mailbox;      /* capacity as of a channel; 0: 64 */
    int overflow;      /* KC_SUSPEND, KC_DROP_OLDEST, KC_DROP_LATEST */
    int (*on_start)(void *self);  /* before the first message, and after each failure */
    int (*on_msg)(kc_msg_t *m, const void *data, void *self); /* negative: failed */
    void (*on_stop)(int why, void *self); /* once, last, behind a shield, if it had started */
    void *self;        /* passed to all of them */
    int restart;       /* KC_RESTART_* */
    int max_restarts;  /* most of them within a window; 0: no limit */
    int64_t restart_window_ns; /* from a first restart on; 0: the actor's whole life */
    /* As of a channel, with arg = self: messages that were told and never handled. */
    void (*on_undelivered)(void *msg, unsigned reason, void *self);
    uintptr_t reserved[4];
} kc_actor_opts_t;

/*
 * kc_actor_start — start an actor in the current scope; the caller gets the first handle.
 *
 * *out is set before the actor runs, so that it may know itself.
 *
 * Returns  0; else *out is NULL: -EINVAL; -EPERM outside a coroutine; -ENOMEM -EAGAIN
 *          -ECANCELED as kc_spawn; -EOVERFLOW
 * Runs on  coroutine
 */
KC_EXPORT KC_MUST_CHECK int kc_actor_start(kc_actor_t **out, const kc_actor_opts_t *opts);

/*
 * kc_actor_tell — put a message into the mailbox.
 *
 * Returns  as kc_chan_send; -EPIPE it has ended, or is about to. -EDEADLK the actor itself,
 *          without a deadline, and its mailbox is full
 * Runs on, Threads, Cancel, Memory   as kc_chan_send
 */
KC_EXPORT KC_MUST_CHECK int kc_actor_tell(kc_actor_t *a, const void *msg, kc_deadline_t dl);

/*
 * kc_actor_ask — a message that is answered: wait for the reply, up to n bytes of it.
 *
 * It is handled behind what is in the mailbox, of which it needs no place. If the caller leaves
 * before that it is not handled; if it leaves later the reply is dropped.
 *
 * Returns  the rc of the reply, its bytes in `reply` (NULL for n 0), the others left alone;
 *          -EPIPE the actor has ended, or on_msg returned without a reply; -EDEADLK the actor
 *          itself; -EAGAIN (KC_TRY, always) -ETIME -ECANCELED -ENOMEM -EPERM -EINVAL
 * Runs on  coroutine, plain thread
 * Cancel   yes; whether the message was handled is then not known
 * Cost     one allocation
 */
KC_EXPORT KC_MUST_CHECK int kc_actor_ask(kc_actor_t *a, const void *msg, void *reply, size_t n,
                                         kc_deadline_t dl);

/* kc_actor_reply — answer the message that on_msg was called with; never waits.
 * Returns  0, also if nobody asked or who asked has left; -EALREADY; -EMSGSIZE who asked has
 *          room for fewer than n bytes: nothing was sent; -EINVAL */
KC_EXPORT int kc_actor_reply(kc_msg_t *m, int rc, const void *data, size_t n);

/*
 * kc_actor_stop — close the mailbox, let the actor handle what is in it, wait for its end.
 *
 * Returns  0 it has ended, however it did; -EAGAIN -ETIME -ECANCELED it goes on by itself, and
 *          its mailbox is closed; -EDEADLK the actor itself: nothing was done; -EPERM -EINVAL
 * Runs on  coroutine, plain thread
 */
KC_EXPORT int kc_actor_stop(kc_actor_t *a, kc_deadline_t dl);

/* kc_actor_cancel — end it soon: its calls say -ECANCELED, what is in the mailbox goes to
 * on_undelivered, who asked gets -EPIPE. Does not wait. why <= 0; 0 means -ECANCELED.
 * Returns  0; -EALREADY it was cancelled before, or has ended; -EINVAL */
KC_EXPORT int kc_actor_cancel(kc_actor_t *a, int why);

/*
 * kc_actor_join — wait for its end.
 *
 * Returns  0 and *why (if not NULL): 0 stopped; the failure; why it, its scope or its mailbox
 *          was cancelled. -EAGAIN -ETIME -ECANCELED -EDEADLK (itself) -EPERM -EINVAL
 * Runs on  coroutine, plain thread
 */
KC_EXPORT KC_MUST_CHECK int kc_actor_join(kc_actor_t *a, int *why, kc_deadline_t dl);

/*
 * kc_actor_monitor — send one kc_actor_exit_t to `exits` when it ends; at once if it has.
 *
 * The actor does not wait for room. A notice for which there is none stays until somebody
 * receives it, exits is closed, or the scope of who sends it (the actor, or the caller) closes.
 *
 * Returns  0; -ENOMEM; -EINVAL, also when the elements of exits have another size
 * Runs on  coroutine; a plain thread waits for room if the actor has ended
 */
KC_EXPORT KC_MUST_CHECK int kc_actor_monitor(kc_actor_t *a, kc_chan_t *exits);

/* kc_actor_mailbox — to send to, select on, watch or close; its elements are messages, and the
 * actor alone receives. Returns the channel, borrowed while there are handles. */
KC_EXPORT kc_chan_t *kc_actor_mailbox(kc_actor_t *a);

/* Handles; ref Returns a. When the last one goes the mailbox is closed, so the actor ends once
 * it has handled what is there. Any thread. */
KC_EXPORT kc_actor_t *kc_actor_ref(kc_actor_t *a);
KC_EXPORT void kc_actor_unref(kc_actor_t *a);

KCI_END
#endif
