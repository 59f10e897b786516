/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * ipc/home.c — the home coroutine: moves items between a connection's endpoints and the
 * exported channels, and cleans up after peers.
 *
 * An endpoint stands in the exported channel's queues like any local coroutine, with three
 * operations that nobody waits for: `send` delivers what the peer sent, one at a time, in
 * order; `recv` fetches for the peer while its credit lasts; `watch` learns of the channel's
 * end. Their wake function only notes that they are over and puts the endpoint on the work
 * list; all else happens here, in one coroutine, so an endpoint needs no further protection,
 * and one channel's endpoints can wake each other without recursion.
 *
 * Life        started → … → stopped (the peer takes no more: what it did not take was put
 *             back, in order, at the front) and delivered (what it sent was taken, or
 *             refused) → freed
 * Lost peers  what had arrived is still delivered, as the sender was told 0; so this
 *             coroutine may outlive the connection. The runtime's end cuts that short,
 *             through the channel's hook.
 * Rejected    continuing in the wake function: it runs on somebody else's stack, which two
 *             channels bridged in a ring could make arbitrarily deep.
 *             tx doing this: it may be waiting for a peer that does not read.
 */
#include <string.h>

#include "core/mem.h"
#include "ipc/conn.h"
#include "ipc/endpoint.h"

enum { BURST = 64 }; /* items moved before another endpoint gets its turn */

/* ---- learning of a channel's end ---- */

static struct kci_lock *watch_lock(void *obj)
{
    return &((kc_chan_t *)obj)->lock;
}

static int watch_try(struct kci_clause *c)
{
    return kci_chan_is_closed(c->obj) ? -EPIPE : -EAGAIN;
}

static int watch_arm(struct kci_clause *c)
{
    kci_list_push(&((kc_chan_t *)c->obj)->watchers, &c->wt.node);
    return 0;
}

static const struct kci_source watch_source = {
    .why = KCI_WHY_IPC,
    .lock = watch_lock,
    .try = watch_try,
    .arm = watch_arm,
    .disarm = kci_clause_dequeue,
};

/* ---- operations ---- */

void kci_home_wake(struct kci_ticket *tk)
{
    struct kci_op *op = KCI_OF(tk, struct kci_op, tk);
    struct kc_ipc_conn *c = op->ep->lane.conn;

    kci_conn_lock(c);
    op->done = true;
    kci_endpoint_stir(op->ep);
    kci_conn_unlock(c);
}

/* The operation's code, or -EINPROGRESS. */
static int start(struct kci_op *op, const struct kci_source *src, void *arg)
{
    kci_clause_init(&op->clause, src, op->ep->home, arg);
    int rc = kci_clause_start(&op->clause, &op->tk);
    op->armed = rc == -EINPROGRESS;
    return rc;
}

/* Is it over? Then *rc is its code. */
static bool is_over(struct kci_op *op, int *rc)
{
    struct kc_ipc_conn *c = op->ep->lane.conn;

    kci_conn_lock(c);
    bool done = op->done;
    op->done = false;
    kci_conn_unlock(c);
    if (done) {
        *rc = kci_clause_settle(&op->clause, &op->tk);
        op->armed = false;
    }
    return done;
}

/* Take it back. False: its end is on the way. */
static bool stop(struct kci_op *op)
{
    if (op->armed && kci_clause_stop(&op->clause, &op->tk))
        op->armed = false;
    return !op->armed;
}

/* ---- from the peer to the channel ---- */

/* Items (first, last] of the peer reach nobody, and nobody is left to be told. */
static void report(struct kci_endpoint *ep, uint64_t first, uint64_t last)
{
    kci_lock(&ep->home->lock);
    ep->home->undelivered += last - first;
    kci_unlock(&ep->home->lock);
    for (uint64_t seq = first + 1; seq <= last; seq++)
        kci_chan_undelivered(ep->home, kci_lane_in_slot(&ep->lane, seq), KC_UNDELIV_LINK);
}

/* The channel takes no more. */
static void refuse(struct kci_endpoint *ep, int why)
{
    struct kci_lane *l = &ep->lane;

    kci_conn_lock(l->conn);
    bool first = !l->in_refused && ep->rights & KC_PEER_SEND;
    bool tell = !ep->lost && !ep->closed;
    if (first) {
        l->in_refused = true;
        l->refuse_why = why;
        if (tell)
            kci_lane_want(l, KCI_WANT_RESET);
    }
    uint64_t taken = l->in.taken, last = l->in.next - 1;
    kci_conn_unlock(l->conn);
    if (first && !tell)
        report(ep, taken, last);
}

static int home_why(const struct kci_endpoint *ep)
{
    int why = kc_chan_why(ep->home);
    return why > 0 ? 0 : why;
}

static void sent(struct kci_endpoint *ep, int rc)
{
    struct kci_lane *l = &ep->lane;

    if (rc) {
        refuse(ep, rc == -EPIPE ? home_why(ep) : rc);
        return;
    }
    kci_conn_lock(l->conn);
    kci_lane_taken(l);
    kci_conn_unlock(l->conn);
}

/* The oldest item that arrived and was not taken: true and *elem. */
static bool next_in(struct kci_endpoint *ep, void **elem)
{
    struct kci_lane *l = &ep->lane;

    kci_conn_lock(l->conn);
    bool some = !l->in_refused && kci_grant_staged(&l->in);
    if (some)
        *elem = l->in_slots ? kci_lane_in_slot(l, l->in.taken + 1) : NULL;
    kci_conn_unlock(l->conn);
    return some;
}

/* The peer ended its direction, and may end the channel with it. */
static void pass_fin_on(struct kci_endpoint *ep)
{
    struct kci_lane *l = &ep->lane;

    kci_conn_lock(l->conn);
    bool now = l->in_ended && !kci_grant_staged(&l->in) && !ep->closes_home;
    int why = l->in_why;
    kci_conn_unlock(l->conn);
    if (!now || !(ep->rights & KC_PEER_CLOSE))
        return;
    ep->closes_home = true;
    kc_chan_close_why(ep->home, why);
}

/* False: there is more, but others first. */
static bool deliver(struct kci_endpoint *ep)
{
    void *elem;

    for (int i = 0; !ep->send.armed && next_in(ep, &elem); i++) {
        if (i == BURST)
            return false;
        int rc = start(&ep->send, &kci_send_source, elem);
        if (rc != -EINPROGRESS)
            sent(ep, rc);
    }
    if (!ep->send.armed && ep->home_closed)
        refuse(ep, home_why(ep));
    if (!ep->send.armed)
        pass_fin_on(ep);
    return true;
}

/* ---- from the channel to the peer ---- */

/* The place for the next item: true and *slot, if one may be fetched. */
static bool next_out(struct kci_endpoint *ep, struct kci_returned ***slot)
{
    struct kci_lane *l = &ep->lane;

    if (!(ep->rights & KC_PEER_RECV))
        return false;
    kci_conn_lock(l->conn);
    bool may = l->state == KCI_LANE_OPEN && !l->out_refused && !l->fin_wanted &&
               l->conn->state == KCI_CONN_UP && kci_credit_allows(&l->out, l->elem_bytes) &&
               l->out.next - 1 - l->out.taken < ep->nkept;
    if (may)
        *slot = &ep->kept[l->out.next % ep->nkept];
    kci_conn_unlock(l->conn);
    return may;
}

static bool has_place(struct kci_endpoint *ep, struct kci_returned **slot)
{
    struct kci_returned *fresh;

    if (*slot) // of an item that the peer has taken
        return true;
    fresh = kci_alloc(sizeof *fresh + ep->lane.elem_bytes);
    if (!fresh)
        return false;
    kci_list_init(&fresh->node);
    kci_conn_lock(ep->lane.conn);
    *slot = fresh;
    kci_conn_unlock(ep->lane.conn);
    return true;
}

/* No more items for the peer. */
static void end_output(struct kci_endpoint *ep, int why)
{
    struct kci_lane *l = &ep->lane;

    kci_conn_lock(l->conn);
    if (!l->fin_wanted && !l->out_refused) {
        l->fin_wanted = true;
        l->fin_why = why;
        kci_lane_wake(l);
    }
    kci_conn_unlock(l->conn);
}

static void got(struct kci_endpoint *ep, int rc)
{
    struct kci_lane *l = &ep->lane;

    if (rc) {
        end_output(ep, rc == -EPIPE ? home_why(ep) : rc);
        return;
    }
    kci_conn_lock(l->conn);
    kci_credit_spend(&l->out, l->elem_bytes);
    kci_lane_wake(l);
    kci_conn_unlock(l->conn);
}

static bool fetch(struct kci_endpoint *ep)
{
    struct kci_returned **slot;

    for (int i = 0; !ep->recv.armed && next_out(ep, &slot); i++) {
        if (i == BURST)
            return false;
        int rc = has_place(ep, slot) ? start(&ep->recv, &kci_recv_source, (*slot)->elem)
                                     : -ENOBUFS;
        if (rc != -EINPROGRESS)
            got(ep, rc);
    }
    return true;
}

/* The newest item that the peer has not taken, out of its slot; NULL. */
static struct kci_returned *take_kept(struct kci_endpoint *ep)
{
    struct kci_lane *l = &ep->lane;
    struct kci_returned *r = NULL;

    kci_conn_lock(l->conn);
    if (l->out.next - 1 > l->out.taken) {
        struct kci_returned **slot = &ep->kept[--l->out.next % ep->nkept];
        r = *slot;
        *slot = NULL;
    }
    kci_conn_unlock(l->conn);
    return r;
}

/* The peer takes no more. */
static void put_back(struct kci_endpoint *ep)
{
    struct kci_returned *r;
    struct kci_list kept;

    if (ep->stopped || !stop(&ep->recv))
        return;
    ep->stopped = true;
    kci_list_init(&kept);
    while ((r = take_kept(ep))) // the newest first, so that the oldest ends up in front
        kci_list_push_front(&kept, &r->node);
    kci_chan_give_back_all(ep->home, &kept);
}

/* ---- life ---- */

static void collect(struct kci_endpoint *ep)
{
    int rc;

    if (is_over(&ep->send, &rc))
        sent(ep, rc);
    if (is_over(&ep->recv, &rc))
        got(ep, rc);
    if (is_over(&ep->watch, &rc))
        ep->home_closed = true;
}

static void begin(struct kci_endpoint *ep)
{
    if (ep->started)
        return;
    ep->started = true;
    ep->home_closed = start(&ep->watch, &watch_source, NULL) == -EPIPE;
}

struct view {
    bool peer_ended; /* it takes no more */
    bool leaving;
    bool over;       /* no word to or from the peer is outstanding */
    bool delivered;
};

static struct view look(struct kci_endpoint *ep)
{
    struct kci_lane *l = &ep->lane;
    struct view v;

    kci_conn_lock(l->conn);
    v.peer_ended = ep->lost || ep->closed || l->out_refused;
    v.leaving = l->conn->state == KCI_CONN_LEAVING;
    v.over = ep->lost || (ep->closed && ep->acked);
    v.delivered = l->in_refused || !kci_grant_staged(&l->in);
    kci_conn_unlock(l->conn);
    return v;
}

static void release(struct kci_endpoint *ep)
{
    struct kc_ipc_conn *c = ep->lane.conn;

    kci_conn_lock(c);
    kci_list_remove(&ep->node);
    kci_list_remove(&ep->work);
    kci_lane_unlist(&ep->lane);
    c->budget += ep->charge;
    c->nendpoints--;
    kci_conn_unlock(c);
    kci_lane_unref(&ep->lane);
}

static void tend(struct kci_endpoint *ep, bool cut_short)
{
    begin(ep);
    collect(ep);
    if (cut_short && stop(&ep->send))
        refuse(ep, -ECANCELED);
    bool all = cut_short || deliver(ep);
    all = fetch(ep) && all;
    struct view v = look(ep);
    if (v.peer_ended)
        put_back(ep);
    else if (v.leaving && stop(&ep->recv))
        end_output(ep, -EPIPE);
    if (v.over && v.delivered && ep->stopped && !ep->send.armed && stop(&ep->watch)) {
        release(ep);
    } else if (!all) {
        kci_conn_lock(ep->lane.conn);
        kci_endpoint_stir(ep);
        kci_conn_unlock(ep->lane.conn);
    }
}

/* ---- the coroutine ---- */

static struct kci_endpoint *next_work(struct kc_ipc_conn *c)
{
    struct kci_endpoint *ep = NULL;

    kci_conn_lock(c);
    if (!kci_list_empty(&c->home_work))
        ep = KCI_OF(kci_list_pop(&c->home_work), struct kci_endpoint, work);
    kci_conn_unlock(c);
    return ep;
}

/* The runtime ends. Wait until nobody else touches the endpoints, then have them all looked
 * at. */
static void cut_all_short(struct kc_ipc_conn *c)
{
    kc_shield(true);
    kci_gate_wait(&c->gone, KC_FOREVER);
    kci_conn_lock(c);
    KCI_EACH(it, &c->endpoints)
        kci_endpoint_stir(KCI_OF(it, struct kci_endpoint, node));
    kci_conn_unlock(c);
}

int kci_home_main(void *conn)
{
    struct kc_ipc_conn *c = conn;
    struct kci_endpoint *ep;
    bool cut_short = false;

    for (;;) {
        int rc = kci_gate_wait(&c->home_gate, KC_FOREVER);
        if (rc && !cut_short) {
            cut_short = true;
            cut_all_short(c);
        } else if ((ep = next_work(c))) {
            tend(ep, cut_short);
        } else {
            break; // gone, and nothing left
        }
    }
    if (cut_short)
        kc_shield(false);
    kci_conn_unref(c);
    return 0;
}
