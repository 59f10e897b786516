/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * chan/chan_source.c — sending and receiving: the one place where hand-over is written.
 *
 * A send meets a waiting receiver, else the flavour stores the element, else the drop policy
 * takes it, else the sender waits. A receive takes the oldest element and lets the first
 * waiting sender into the freed place, else meets a waiting sender, else waits. kc_chan_send,
 * kc_chan_recv and select are all these two sources.
 *
 * Edges   E-HAND  element bytes: copied under the lock, or before the partner's ticket is done
 */
#include <kcoro/zref.h>

#include "chan/chan.h"
#include "core/assert.h"
#include "core/mem.h"

/* From sender's memory to receiver's. Locked. */
static void pass(kc_chan_t *ch, void *to, const void *from)
{
    if (to)
        kci_elem_copy(ch, to, from);
    ch->sends++;
    ch->recvs++;
}

static bool evicts(const kc_chan_t *ch)
{
    return ch->overflow == KC_DROP_OLDEST;
}

/* ---- send ---- */

/* Not under the lock: a block to grow by, or a place for the element that goes to the hook. */
static KCI_NOINLINE int feed(struct kci_clause *c)
{
    kc_chan_t *ch = c->obj;
    size_t bytes = ch->fl->grow_bytes ? ch->fl->grow_bytes(ch) : 0;

    if (evicts(ch) && ch->on_undelivered)
        bytes = ch->elem_size ? ch->elem_size : 1;
    c->scratch = bytes ? kci_alloc(bytes) : NULL;
    return bytes && !c->scratch ? -ENOMEM : 0;
}

static int send_prepare(struct kci_clause *c)
{
    return KCI_UNLIKELY(((kc_chan_t *)c->obj)->hungry) ? feed(c) : 0;
}

static void send_cleanup(struct kci_clause *c)
{
    if (c->scratch)
        kci_free(c->scratch);
}

/* No room: what the policy says. Locked. */
static int overflow(kc_chan_t *ch, struct kci_clause *c)
{
    if (ch->overflow == KC_SUSPEND)
        return -EAGAIN;
    if (evicts(ch)) {
        int rc = ch->fl->take(ch, ch->on_undelivered ? c->scratch : NULL);
        KCI_ASSERT(rc == 0);
        rc = ch->fl->offer(ch, c->arg, NULL);
        KCI_ASSERT(rc == 0);
        c->extra = ch->cap == KC_CONFLATED ? KC_UNDELIV_CONFLATED : KC_UNDELIV_OLDEST;
    } else {
        c->extra = KC_UNDELIV_LATEST;
    }
    ch->sends++;
    ch->dropped++;
    ch->undelivered++;
    return 0;
}

static KCI_ALWAYS_INLINE int send_now(kc_chan_t *ch, struct kci_clause *c)
{
    struct kci_waiter *to;

    c->extra = 0;
    if (kci_chan_is_closed(ch))
        return -EPIPE;
    if (!kci_list_empty(&ch->receivers) && ch->fl->direct &&
        (to = kci_chan_claim(ch, &ch->receivers, &c->woken))) {
        pass(ch, to->elem, c->arg);
        return 0;
    }
    int rc = ch->fl->offer(ch, c->arg, &c->scratch);
    if (rc == 0)
        ch->sends++;
    return rc == -EAGAIN ? overflow(ch, c) : rc;
}

static inline int send_try(struct kci_clause *c)
{
    int rc = send_now(c->obj, c);

    if (rc == 0)
        kci_chan_changed(c->obj);
    return rc;
}

static int arm_on(struct kci_clause *c, struct kci_list *queue, bool is_send)
{
    kc_chan_t *ch = c->obj;

    if (ch->fl->start && c->shared)
        return -ENOTSUP; // its verdict could come after another clause has won
    c->wt.is_send = is_send;
    kci_list_push(queue, &c->wt.node);
    int rc = ch->fl->start ? ch->fl->start(ch, &c->wt) : 0;
    if (rc) {
        kci_list_remove(&c->wt.node);
        return rc;
    }
    ch->parked++;
    if ((c->held = !ch->fl->direct))
        kc_chan_ref(ch); // who would serve it, a connection, has only a borrowed one
    if (KCI_UNLIKELY(ch->watched))
        kci_chan_awaited(ch, is_send);
    return 0;
}

static int send_arm(struct kci_clause *c)
{
    return arm_on(c, &((kc_chan_t *)c->obj)->senders, true);
}

static int chan_disarm(struct kci_clause *c)
{
    kc_chan_t *ch = c->obj;
    int rc = ch->fl->withdraw ? ch->fl->withdraw(ch, &c->wt) : 0;

    if (rc)
        return rc;
    kci_list_remove(&c->wt.node); // the hint may stay hopeful: whoever tries sets it right
    c->last = --ch->parked == 0 && ch->orphan;
    return 0;
}

static int send_settle(struct kci_clause *c, int rc)
{
    void *elem = c->extra == KC_UNDELIV_LATEST ? c->arg : c->scratch;

    if (rc == 0 && c->extra)
        kci_chan_undelivered(c->obj, elem, c->extra);
    return rc;
}

/* A descriptor is moved: the receiver, the channel or the hook has it now. */
static int send_desc_settle(struct kci_clause *c, int rc)
{
    (void)send_settle(c, rc);
    if (rc == 0)
        memset(c->arg, 0, sizeof(kc_zdesc_t));
    return rc;
}

/* ---- receive ---- */

static bool take_returned(kc_chan_t *ch, void *to, struct kci_returned **out)
{
    if (KCI_LIKELY(kci_list_empty(&ch->returned)))
        return false;
    *out = KCI_OF(kci_list_pop(&ch->returned), struct kci_returned, node);
    ch->nreturned--;
    if (to)
        kci_elem_copy(ch, to, (*out)->elem);
    return true;
}

/* Let the first waiting sender store its element, if there is room. Locked. */
static struct kci_waiter *admit_one(kc_chan_t *ch, struct kci_claim *claim)
{
    struct kci_waiter *from = NULL;

    claim->tk = NULL;
    if (!kci_list_empty(&ch->senders) && ch->fl->room(ch))
        from = kci_chan_claim(ch, &ch->senders, claim);
    if (from) {
        int rc = ch->fl->offer(ch, from->elem, NULL);
        KCI_ASSERT(rc == 0);
        ch->sends++;
    }
    return from;
}

static KCI_ALWAYS_INLINE int recv_now(kc_chan_t *ch, struct kci_clause *c)
{
    struct kci_waiter *from;
    struct kci_returned *r;

    if (ch->cancelled)
        return -EPIPE; // also while kc_chan_cancel is still discarding
    if (take_returned(ch, c->arg, &r)) {
        c->scratch = r;
        ch->recvs++;
        return 0;
    }
    int rc = ch->fl->take(ch, c->arg);
    if (rc == 0) {
        ch->recvs++;
        if (!kci_list_empty(&ch->senders) && ch->fl->direct)
            admit_one(ch, &c->woken);
        return 0;
    }
    if (rc == -EAGAIN && ch->fl->direct &&
        (from = kci_chan_claim(ch, &ch->senders, &c->woken))) {
        pass(ch, c->arg, from->elem);
        return 0;
    }
    return rc == -EAGAIN && kci_chan_is_closed(ch) ? -EPIPE : rc;
}

static inline int recv_try(struct kci_clause *c)
{
    int rc = recv_now(c->obj, c);

    if (rc == 0)
        kci_chan_changed(c->obj);
    return rc;
}

static int recv_prepare(struct kci_clause *c)
{
    c->scratch = NULL;
    return 0;
}

static void recv_cleanup(struct kci_clause *c)
{
    if (c->scratch)
        kci_free(c->scratch);
}

static int recv_arm(struct kci_clause *c)
{
    return arm_on(c, &((kc_chan_t *)c->obj)->receivers, false);
}

/* ---- both ---- */

static struct kci_lock *chan_lock(void *obj)
{
    return &((kc_chan_t *)obj)->lock;
}

const struct kci_source kci_send_source = {
    .why = KCI_WHY_CHAN_SEND,
    .prepare = send_prepare,
    .cleanup = send_cleanup,
    .lock = chan_lock,
    .try = send_try,
    .arm = send_arm,
    .disarm = chan_disarm,
    .settle = send_settle,
    .release = kci_chan_release,
};

const struct kci_source kci_send_desc_source = {
    .why = KCI_WHY_CHAN_SEND,
    .prepare = send_prepare,
    .cleanup = send_cleanup,
    .lock = chan_lock,
    .try = send_try,
    .arm = send_arm,
    .disarm = chan_disarm,
    .settle = send_desc_settle,
    .release = kci_chan_release,
};

const struct kci_source kci_recv_source = {
    .why = KCI_WHY_CHAN_RECV,
    .prepare = recv_prepare,
    .cleanup = recv_cleanup,
    .lock = chan_lock,
    .try = recv_try,
    .arm = recv_arm,
    .disarm = chan_disarm,
    .release = kci_chan_release,
};

int kc_chan_send(kc_chan_t *ch, const void *elem, kc_deadline_t dl)
{
    if (!ch || (!elem && ch->elem_size))
        return -EINVAL;
    if (KCI_UNLIKELY(kci_chan_is_zref(ch)))
        return -ENOTSUP;
    return kci_source_wait(&kci_send_source, ch, (void *)(uintptr_t)elem, dl);
}

int kc_chan_recv(kc_chan_t *ch, void *elem, kc_deadline_t dl)
{
    if (!ch)
        return -EINVAL;
    if (KCI_UNLIKELY(kci_chan_is_zref(ch)))
        return -ENOTSUP;
    return kci_source_wait(&kci_recv_source, ch, elem, dl);
}

/* ---- elements and room that come from elsewhere ---- */

void kci_chan_serve_senders(kc_chan_t *ch, struct kci_list *won)
{
    struct kci_waiter *wt;
    struct kci_claim claim;

    while ((wt = admit_one(ch, &claim)))
        kci_list_push(won, &wt->node);
}

void kci_chan_serve_receivers(kc_chan_t *ch, struct kci_list *won)
{
    struct kci_claim claim;
    struct kci_waiter *wt;
    struct kci_returned *r;

    while (ch->fl->len(ch) + ch->nreturned &&
           (wt = kci_chan_claim(ch, &ch->receivers, &claim))) {
        if (take_returned(ch, wt->elem, &r)) {
            kci_free(r);
        } else {
            int rc = ch->fl->take(ch, wt->elem);
            KCI_ASSERT(rc == 0);
        }
        ch->recvs++;
        kci_list_push(won, &wt->node);
    }
}

/* In front of what was put back before, in the order of the list. Locked. */
static void push_front_all(kc_chan_t *ch, struct kci_list *elems)
{
    while (!kci_list_empty(elems)) {
        struct kci_list *newest = elems->prev;
        kci_list_remove(newest);
        kci_list_push_front(&ch->returned, newest);
        ch->nreturned++;
        ch->recvs--; // it was counted when it was taken
    }
}

/* Nobody will receive from ch any more. */
static void discard_returned(kc_chan_t *ch, struct kci_list *elems)
{
    while (!kci_list_empty(elems)) {
        struct kci_returned *r = KCI_OF(kci_list_pop(elems), struct kci_returned, node);
        kci_lock(&ch->lock);
        ch->recvs--;
        ch->undelivered++;
        kci_unlock(&ch->lock);
        kci_chan_undelivered(ch, r->elem, KC_UNDELIV_CANCELED);
        kci_free(r);
    }
}

void kci_chan_give_back_all(kc_chan_t *ch, struct kci_list *elems)
{
    struct kci_list won;

    kci_list_init(&won);
    kci_lock(&ch->lock);
    if (!ch->cancelled) {
        push_front_all(ch, elems);
        kci_chan_serve_receivers(ch, &won);
        kci_chan_changed(ch);
    }
    kci_unlock(&ch->lock);
    kci_waiters_finish(&won, 0);
    discard_returned(ch, elems);
}

void kci_chan_give_back(kc_chan_t *ch, struct kci_returned *r)
{
    struct kci_list one;

    kci_list_init(&one);
    kci_list_push(&one, &r->node);
    kci_chan_give_back_all(ch, &one);
}
