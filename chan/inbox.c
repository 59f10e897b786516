/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * chan/inbox.c — what an actor handles next: elements of its mailbox, and asks among them.
 *
 * The mailbox is an ordinary channel of messages, so that it can be selected on, exported and
 * counted like any other. An ask needs a place to send its reply, for which an element has no
 * room: it stays on the stack of who asked, in a list beside the mailbox under the mailbox's
 * lock, and remembers how many elements were before it.
 *
 * Picture     asks      ── 2 ─────── 5 ──   an ask is due when all elements before it have left
 *             mailbox   ● ● ● ● ●
 * Invariants  an element that leaves (received, evicted, discarded) counts once in gone()
 *             an empty mailbox makes every ask due, so the actor never sleeps over one
 * Edges       as the channel's: everything under its lock, replies through a future
 */
#include <string.h>

#include "chan/actor.h"
#include "sched/future.h"
#include "sched/sched.h"

struct ask {
    struct kci_list node; /* mailbox's lock */
    bool taken;           /* mailbox's lock; the actor has it: one handle of reply is its own */
    uint64_t after;       /* due when so many elements are gone */
    const void *msg;
    kc_future_t *reply;
};

struct kc_msg {
    kc_future_t *reply; /* NULL: nobody asked */
};

/* Elements that have ever been in the mailbox. Locked. */
static uint64_t entered(const kc_chan_t *ch)
{
    return ch->sends - (ch->overflow == KC_DROP_LATEST ? ch->dropped : 0);
}

/* Of these, those that have left it. Not counted at the exits: what a remote sender had on its
 * way is reported as undelivered too. Locked. */
static uint64_t gone(const kc_chan_t *ch)
{
    return entered(ch) - ch->fl->len(ch) - ch->nreturned;
}

/* ---- the source that an actor waits for: its mailbox, or an ask ---- */

/* The same clause, as one of the mailbox. */
static int as_receiver(struct kci_clause *c, int (*operation)(struct kci_clause *))
{
    kc_actor_t *a = c->obj;

    c->obj = a->mailbox;
    int rc = operation(c);
    c->obj = a;
    return rc;
}

static struct kci_lock *inbox_lock(void *obj)
{
    return &((kc_actor_t *)obj)->mailbox->lock;
}

static int inbox_prepare(struct kci_clause *c)
{
    return as_receiver(c, kci_recv_source.prepare);
}

static void inbox_cleanup(struct kci_clause *c)
{
    kci_recv_source.cleanup(c);
}

/* Locked. Afterwards who asked may leave at any time, and q with it. */
static kc_future_t *take(struct ask *q)
{
    q->taken = true;
    kci_list_remove(&q->node);
    return q->reply;
}

static bool take_ask(kc_actor_t *a)
{
    if (kci_list_empty(&a->asks) || a->mailbox->cancelled)
        return false;
    struct ask *first = KCI_OF(a->asks.next, struct ask, node);
    if (first->after > gone(a->mailbox))
        return false;
    kci_elem_copy(a->mailbox, a->msg, first->msg);
    a->asking = take(first);
    return true;
}

static int inbox_try(struct kci_clause *c)
{
    kc_actor_t *a = c->obj;

    a->asking = NULL;
    return take_ask(a) ? 0 : as_receiver(c, kci_recv_source.try);
}

static int inbox_arm(struct kci_clause *c)
{
    return as_receiver(c, kci_recv_source.arm);
}

static int inbox_disarm(struct kci_clause *c)
{
    return as_receiver(c, kci_recv_source.disarm);
}

static const struct kci_source inbox_source = {
    .why = KCI_WHY_ACTOR,
    .prepare = inbox_prepare,
    .cleanup = inbox_cleanup,
    .lock = inbox_lock,
    .try = inbox_try,
    .arm = inbox_arm,
    .disarm = inbox_disarm,
};

/* ---- the actor's side ---- */

static int handle(kc_actor_t *a)
{
    kc_msg_t m = { .reply = a->asking };
    int rc = a->o.on_msg(&m, a->msg, a->o.self);

    if (m.reply) {
        kc_future_set(m.reply, -EPIPE, NULL); // unless it was answered
        kc_future_unref(m.reply);
    }
    return rc;
}

int kci_actor_next(kc_actor_t *a, int *result)
{
    int rc;

    do
        rc = kci_source_wait(&inbox_source, a, a->msg, KC_FOREVER);
    while (rc == -EINTR); // woken for an ask
    if (!rc)
        *result = handle(a);
    return rc;
}

void kci_actor_dismiss(kc_actor_t *a)
{
    kc_future_t *reply;

    do {
        reply = NULL;
        kci_lock(&a->mailbox->lock);
        if (!kci_list_empty(&a->asks))
            reply = take(KCI_OF(a->asks.next, struct ask, node));
        kci_unlock(&a->mailbox->lock);
        if (reply)
            kc_future_set(reply, -EPIPE, NULL);
        kc_future_unref(reply);
    } while (reply);
}

int kc_actor_reply(kc_msg_t *m, int rc, const void *data, size_t n)
{
    if (!m || (!data && n))
        return -EINVAL;
    return m->reply ? kci_future_set_bytes(m->reply, rc, data, n) : 0;
}

/* ---- the other side ---- */

/* If the actor waits, make it look again. Locked. */
static void rouse(kc_actor_t *a, struct kci_claim *claim)
{
    claim->tk = NULL;
    KCI_EACH(it, &a->mailbox->receivers) {
        struct kci_waiter *wt = KCI_OF(it, struct kci_waiter, node);
        if (wt->elem == a->msg && kci_chan_claim_waiter(a->mailbox, wt, claim))
            return; // the hint may stay hopeful, as when a receiver withdraws
    }
}

static int post(kc_actor_t *a, struct ask *q)
{
    kc_chan_t *ch = a->mailbox;
    struct kci_claim claim = { 0 };

    kci_lock(&ch->lock);
    bool closed = kci_chan_is_closed(ch);
    if (!closed) {
        q->after = entered(ch);
        kci_list_push(&a->asks, &q->node);
        rouse(a, &claim);
    }
    kci_unlock(&ch->lock);
    kci_claim_finish(claim, -EINTR);
    return closed ? -EPIPE : 0;
}

/* Take it back. False: the actor has it, or had it. */
static bool withdraw(kc_actor_t *a, struct ask *q)
{
    kci_lock(&a->mailbox->lock);
    bool ours = !q->taken;
    kci_list_remove(&q->node);
    kci_unlock(&a->mailbox->lock);
    return ours;
}

static int ask(kc_actor_t *a, struct ask *q, void *reply, kc_deadline_t dl)
{
    kc_future_t *f = q->reply;
    int rc = kc_chan_why(a->mailbox) ? -EPIPE : kci_deadline_check(dl);

    if (!rc && !kci_self_ticket())
        rc = -EPERM;
    if (rc)
        return rc;
    kc_future_ref(f); // the actor's, once it has taken the ask
    rc = post(a, q);
    if (!rc)
        rc = kc_future_await(f, reply, dl);
    if (withdraw(a, q))
        kc_future_unref(f);
    return rc;
}

int kc_actor_ask(kc_actor_t *a, const void *msg, void *reply, size_t n, kc_deadline_t dl)
{
    struct ask q = { .msg = msg };
    int rc;

    kci_list_init(&q.node);
    if (!a || (!msg && a->o.msg_size) || (!reply && n))
        return -EINVAL;
    if (kci_actor_is_self(a))
        return -EDEADLK;
    if ((rc = kci_self_enter()) || (rc = kc_future_create(&q.reply, n)))
        return rc;
    rc = ask(a, &q, reply, dl);
    kc_future_unref(q.reply);
    return rc;
}
