/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * chan/actor.c — the life of an actor.
 *
 * Life    started → handles messages, perhaps restarted → its scope joined → mailbox cancelled,
 *         so what is left goes to the hook → askers dismissed → on_stop → monitors told →
 *         joiners told
 * Why it ends, the first that applies: it was cancelled; a scope around it was; it failed; its
 *         mailbox was closed and is drained.
 * Counts  handles and holds as in sched/future.c: the coroutine keeps the memory, not the
 *         mailbox open
 * Locks   a->lock is innermost; the asks are under the mailbox's
 */
#include "chan/actor.h"

#include <kcoro/scope.h>
#include <string.h>

#include "core/mem.h"
#include "sched/sched.h"

enum { MAILBOX = 64 };

bool kci_actor_is_self(kc_actor_t *a)
{
    kc_co_t *self = kci_co_self();
    return self && ka_load(&a->co, relaxed) == self; // relaxed: only our own write can match
}

/* ---- its coroutine ---- */

/* From now on kc_actor_cancel reaches what it waits for; NULL: no longer. Returns why it has
 * been cancelled, or 0. */
static int show_token(kc_actor_t *a, kc_cancel_t *token)
{
    kci_lock(&a->lock);
    a->token = token;
    int why = a->cancelled ? a->why : 0;
    kci_unlock(&a->lock);
    return why;
}

static int begin(kc_actor_t *a)
{
    int rc = a->o.on_start ? a->o.on_start(a->o.self) : 0;

    a->started |= rc >= 0;
    return rc < 0 ? rc : 0;
}

/* Until it fails (negative), or there is nothing more to come (0). */
static int serve(kc_actor_t *a)
{
    int result = 0;

    while (result >= 0)
        if (kci_actor_next(a, &result))
            return 0; // closed and drained, or cancelled
    return result;
}

/* One more within the window? */
static bool may_restart(kc_actor_t *a)
{
    int64_t now = kc_now(), window = a->o.restart_window_ns;

    if (!a->restarts || (window && now - a->since >= window)) {
        a->since = now;
        a->restarts = 0;
    }
    if (a->o.max_restarts && a->restarts >= a->o.max_restarts)
        return false;
    if (a->restarts < INT32_MAX)
        a->restarts++;
    return true;
}

static bool restarts(kc_actor_t *a, int failure)
{
    bool wanted = a->o.restart == KC_RESTART_ALWAYS ||
                  (a->o.restart == KC_RESTART_ON_ERROR && failure != -ECANCELED);

    return wanted && kc_checkpoint() == 0 && may_restart(a);
}

static int why_ended(kc_actor_t *a, int failure)
{
    int why = kc_canceled() ? kc_cancel_why(a->token) : failure;

    if (!why)
        why = kc_chan_why(a->mailbox);
    return why < 0 ? why : 0; // 1 is a close without a reason
}

static int live(kc_actor_t *a)
{
    int failure;

    do
        if (!(failure = begin(a)))
            failure = serve(a);
    while (failure && restarts(a, failure));
    return why_ended(a, failure);
}

/* live, in a scope of its own, which is joined. */
static int live_in_scope(kc_actor_t *a)
{
    kc_scope_t scope;
    kc_scope_opts_t opts = { .policy = KC_SUPERVISE, .name = a->o.name };
    int why = kc_scope_open(&scope, &opts);

    if (why)
        return why;
    if ((why = show_token(a, kc_scope_token(&scope))))
        kc_scope_cancel(&scope, why);
    why = live(a);
    int cancelled = show_token(a, NULL);
    why = cancelled ? cancelled : why;
    if (why)
        kc_scope_cancel(&scope, why);
    int closed = kc_scope_close(&scope);
    return why ? why : closed; // an error of what it had started counts as its own
}

static void release(kc_actor_t *a)
{
    if (ka_sub(&a->holds, 1, acq_rel) != 1) // E-REF
        return;
    kc_chan_unref(a->mailbox);
    kc_future_unref(a->over);
    kci_free(a);
}

static void tell_end(kc_actor_t *a, int why)
{
    struct kci_list notices;

    kci_list_init(&notices);
    kci_lock(&a->lock);
    a->ended = true;
    if (a->cancelled)
        why = a->why; // also if that came when it was leaving
    a->why = why;
    kci_list_splice(&notices, &a->notices);
    kci_unlock(&a->lock);
    kci_notices_send(&notices, a, why);
    kc_future_set(a->over, 0, &why);
}

static int actor_main(void *arg)
{
    kc_actor_t *a = arg;

    ka_store(&a->co, kci_co_self(), relaxed); // relaxed: see kci_actor_is_self
    int why = live_in_scope(a);
    kc_chan_cancel(a->mailbox, why);
    kci_actor_dismiss(a);
    kc_shield(true);
    if (a->started && a->o.on_stop)
        a->o.on_stop(why, a->o.self);
    kc_shield(false);
    ka_store(&a->co, NULL, relaxed); // relaxed: its memory may soon be another coroutine
    tell_end(a, why);
    release(a);
    return 0; // a failure is not the scope's
}

/* ---- start ---- */

static int check(const kc_actor_opts_t *o)
{
    if (!o->on_msg || o->restart < KC_RESTART_NEVER || o->restart > KC_RESTART_ALWAYS)
        return -EINVAL;
    if (o->max_restarts < 0 || o->restart_window_ns < 0)
        return -EINVAL;
    return o->msg_size > PTRDIFF_MAX / 2 ? -EOVERFLOW : 0;
}

static int make_mailbox(kc_actor_t *a)
{
    kc_chan_opts_t o = { .cap = a->o.mailbox ? a->o.mailbox : MAILBOX,
                         .elem_size = a->o.msg_size,
                         .overflow = a->o.overflow,
                         .on_undelivered = a->o.on_undelivered,
                         .arg = a->o.self,
                         .name = a->o.name };
    return kc_chan_make_ex(&a->mailbox, &o);
}

static int create(kc_actor_t **out, const kc_actor_opts_t *o)
{
    kc_actor_t *a = kci_alloc(sizeof *a + o->msg_size);

    if (!a)
        return -ENOMEM;
    memset(a, 0, sizeof *a);
    ka_store(&a->handles, 1, relaxed); // relaxed: not shared yet
    ka_store(&a->holds, 2, relaxed);   // relaxed: not shared yet
    a->o = *o;
    kci_list_init(&a->asks);
    kci_list_init(&a->notices);
    int rc = make_mailbox(a);
    if (!rc && (rc = kc_future_create(&a->over, sizeof(int))))
        kc_chan_unref(a->mailbox);
    if (rc)
        kci_free(a);
    else
        *out = a;
    return rc;
}

int kc_actor_start(kc_actor_t **out, const kc_actor_opts_t *o)
{
    kc_attr_t attr = { .name = o ? o->name : NULL };
    int rc;

    if (!out)
        return -EINVAL;
    *out = NULL;
    if ((rc = o ? check(o) : -EINVAL))
        return rc;
    if (!kci_co_self())
        return -EPERM;
    if ((rc = create(out, o)))
        return rc;
    kc_actor_t *a = *out;
    if ((rc = kc_spawn(NULL, actor_main, a, &attr))) {
        *out = NULL;
        ka_store(&a->holds, 1, relaxed); // relaxed: nobody else knows it
        release(a);
    }
    return rc;
}

/* ---- telling, ending, waiting ---- */

int kc_actor_tell(kc_actor_t *a, const void *msg, kc_deadline_t dl)
{
    if (!a)
        return -EINVAL;
    if (dl.ns != INT64_MAX || !kci_actor_is_self(a))
        return kc_chan_send(a->mailbox, msg, dl);
    int rc = kc_chan_send(a->mailbox, msg, KC_TRY); // nobody else could make room
    return rc == -EAGAIN ? -EDEADLK : rc;
}

int kc_actor_cancel(kc_actor_t *a, int why)
{
    kc_cancel_t *token = NULL;

    if (!a || why > 0)
        return -EINVAL;
    why = why ? why : -ECANCELED;
    kci_lock(&a->lock);
    bool late = a->cancelled || a->ended;
    if (!late) {
        a->cancelled = true;
        a->why = why;
        if ((token = a->token))
            kc_cancel_ref(token);
    }
    kci_unlock(&a->lock);
    if (late)
        return -EALREADY;
    if (token)
        kc_cancel_trigger(token, why);
    kc_cancel_unref(token);
    kc_chan_close_why(a->mailbox, why); // the actor discards, so that joining it waits for that
    return 0;
}

int kc_actor_join(kc_actor_t *a, int *why, kc_deadline_t dl)
{
    int ended = 0;

    if (!a)
        return -EINVAL;
    if (kci_actor_is_self(a))
        return -EDEADLK;
    int rc = kc_future_await(a->over, &ended, dl);
    if (!rc && why)
        *why = ended;
    return rc;
}

int kc_actor_stop(kc_actor_t *a, kc_deadline_t dl)
{
    if (!a)
        return -EINVAL;
    if (kci_actor_is_self(a))
        return -EDEADLK;
    kc_chan_close(a->mailbox);
    return kc_actor_join(a, NULL, dl);
}

/* ---- handles ---- */

kc_chan_t *kc_actor_mailbox(kc_actor_t *a)
{
    return a ? a->mailbox : NULL;
}

kc_actor_t *kc_actor_ref(kc_actor_t *a)
{
    ka_add(&a->handles, 1, relaxed); // relaxed: the caller holds one already
    return a;
}

void kc_actor_unref(kc_actor_t *a)
{
    if (!a || ka_sub(&a->handles, 1, acq_rel) != 1) // E-REF
        return;
    kc_chan_close(a->mailbox);
    release(a);
}
