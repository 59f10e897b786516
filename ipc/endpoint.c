/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * ipc/endpoint.c — the home's end: admitting a peer to an exported channel, and letting it go.
 *
 * What happens in between, the moving of items, is home.c. Admission decides all memory the
 * peer can make us hold for this channel: the slots for what it sends are allocated here, the
 * places for what it has not taken yet are counted here, and both are charged to the
 * connection's budget until the endpoint is gone.
 *
 * An OPEN of a name that nobody exported yet waits with the listener, at most for the grace
 * time: a server may accept peers before it has set up everything. rx looks at the clock,
 * kc_ipc_export at the name; both take entries out under the listener's lock, so each is
 * answered once.
 */
#include "ipc/endpoint.h"

#include <string.h>

#include "core/mem.h"
#include "ipc/conn.h"

static struct kci_endpoint *endpoint_of(struct kci_lane *l)
{
    return (struct kci_endpoint *)l;
}

void kci_endpoint_stir(struct kci_endpoint *ep)
{
    if (kci_list_empty(&ep->work))
        kci_list_push(&ep->lane.conn->home_work, &ep->work);
}

/* ---- what the connection tells it ---- */

static void endpoint_news(struct kci_lane *l)
{
    kci_conn_lock(l->conn);
    kci_lane_apply(l);
    kci_endpoint_stir(endpoint_of(l));
    kci_conn_unlock(l->conn);
}

static void endpoint_fin(struct kci_lane *l, int why)
{
    (void)why; // in the lane: acted upon once the last item is delivered
    endpoint_news(l);
}

static void endpoint_reset(struct kci_lane *l, int why)
{
    (void)why; // the peer's affair; what it did not take is put back
    kci_conn_lock(l->conn);
    kci_lane_stop_output(l);
    kci_endpoint_stir(endpoint_of(l));
    kci_conn_unlock(l->conn);
}

static const void *endpoint_out_elem(struct kci_lane *l, uint64_t seq)
{
    struct kci_endpoint *ep = endpoint_of(l);
    return ep->kept[seq % ep->nkept]->elem;
}

static void endpoint_destroy(struct kci_lane *l)
{
    struct kci_endpoint *ep = endpoint_of(l);

    for (uint32_t i = 0; ep->kept && i < ep->nkept; i++)
        kci_free(ep->kept[i]);
    kci_free(ep->kept);
    kc_chan_unref(ep->home);
    kci_free(ep);
}

static const struct kci_lane_ops endpoint_ops = {
    .news = endpoint_news,
    .fin = endpoint_fin,
    .reset = endpoint_reset,
    .out_elem = endpoint_out_elem,
    .destroy = endpoint_destroy,
};

int kci_endpoint_close(struct kci_lane *l, uint32_t seq, uint32_t aux)
{
    struct kci_endpoint *ep = endpoint_of(l);
    int rc = 0;

    kci_conn_lock(l->conn);
    bool all_here = seq == (uint32_t)(l->in.next - 1) && !l->in_bytes;
    if (l->state != KCI_LANE_OPEN || !(all_here || l->in_refused))
        rc = -EPROTO;
    if (!rc && !l->out_refused)
        rc = kci_credit_settle(&l->out, aux, l->out_sent);
    if (!rc) {
        kci_conn_remove(l->conn, l);
        kci_lane_unlist(l);
        kci_lane_stop_output(l);
        kci_lane_want(l, KCI_WANT_ACK);
        ep->closed = true;
        kci_endpoint_stir(ep);
    }
    kci_conn_unlock(l->conn);
    if (!rc)
        kci_lane_unref(l); // the table's
    return rc;
}

void kci_endpoint_answered(struct kci_endpoint *ep, unsigned char *payload)
{
    struct kci_lane *l = &ep->lane;
    struct kci_opened o = { .rights = ep->rights,
                            .elem_bytes = l->elem_bytes,
                            .window_items = (uint32_t)l->in.items,
                            .window_bytes = (uint32_t)l->in.bytes,
                            .cap = kc_chan_cap(ep->home) };

    kci_opened_encode(&o, payload);
    l->state = KCI_LANE_OPEN;
    kci_lane_wake(l);
    kci_endpoint_stir(ep);
}

void kci_endpoint_acked(struct kci_lane *l)
{
    endpoint_of(l)->acked = true;
    kci_endpoint_stir(endpoint_of(l));
}

/* ---- admission ---- */

static void init_op(struct kci_endpoint *ep, struct kci_op *op)
{
    kci_ticket_init(&op->tk, kci_home_wake);
    op->ep = ep;
}

/* Items of a window of `wish`; 0: not one. KCI_SHARE_BYTES of it are everybody's due; the
 * rest is lent from *left, of which nobody gets more than a quarter unless a single item
 * takes more. */
static uint32_t fit(uint32_t wish, bool asked, uint64_t elem_bytes, uint64_t *left)
{
    uint64_t most = kci_window_bytes(asked, elem_bytes), cost = kci_item_cost(elem_bytes);

    if (cost > KCI_SHARE_BYTES + *left)
        return 0;
    if (most > KCI_SHARE_BYTES + *left / 4)
        most = KCI_SHARE_BYTES + *left / 4;
    uint32_t n = kci_window_fit(wish, elem_bytes, most);
    *left -= n * cost > KCI_SHARE_BYTES ? n * cost - KCI_SHARE_BYTES : 0;
    return n;
}

static uint32_t smaller(uint32_t a, uint32_t b)
{
    return a < b ? a : b;
}

/* Both windows, by what the opener asks for and grants, our options, and the budget. */
static int size_windows(struct kci_endpoint *ep, const struct kci_open *o)
{
    struct kci_lane *l = &ep->lane;
    struct kc_ipc_conn *c = l->conn;
    uint32_t wish = o->wish_items ? smaller(o->wish_items, c->window) : c->window, n = 0;
    bool sends = ep->rights & KC_PEER_SEND, receives = ep->rights & KC_PEER_RECV;
    uint64_t cost = kci_item_cost(l->elem_bytes);

    kci_conn_lock(c);
    uint64_t left = c->budget;
    if (sends)
        n = fit(wish, o->wish_items, l->elem_bytes, &left);
    if (receives)
        ep->nkept = fit(smaller(o->window_items, c->window), true, l->elem_bytes, &left);
    bool ok = (n || !sends) && (ep->nkept || !receives) && c->nendpoints < KCI_LANES_MOST;
    if (ok) {
        ep->charge = c->budget - left;
        c->budget = left;
    }
    kci_conn_unlock(c);
    kci_grant_init(&l->in, n, n * cost);
    kci_credit_init(&l->out, o->window_items, o->window_bytes);
    return ok ? 0 : -ENOBUFS;
}

static int allocate(struct kci_endpoint *ep)
{
    size_t in = ep->lane.in.items * ep->lane.elem_bytes;

    if (in && !(ep->lane.in_slots = kci_alloc(in)))
        return -ENOMEM;
    if (ep->nkept && !(ep->kept = kci_zalloc(ep->nkept * sizeof *ep->kept)))
        return -ENOMEM;
    return 0;
}

static int check(const struct kci_open *o, const struct kci_export *ex, unsigned *rights)
{
    const unsigned both = KC_PEER_SEND | KC_PEER_RECV;

    *rights = ex->rights & ((o->rights & both ? o->rights : both) | KC_PEER_CLOSE);
    if (!(*rights & both))
        return -EACCES;
    if (o->elem_bytes != ex->ch->elem_size || o->elem_bytes > KCI_ITEM_MOST)
        return -EMSGSIZE;
    bool sane = o->window_items && o->window_items <= KCI_WINDOW_MOST &&
                o->window_bytes >= kci_item_cost(o->elem_bytes);
    return sane || !(*rights & KC_PEER_RECV) ? 0 : -EINVAL;
}

static int create(struct kc_ipc_conn *c, const struct kci_open *o, const struct kci_export *ex,
                  struct kci_endpoint **out)
{
    unsigned rights;
    int rc = check(o, ex, &rights);
    struct kci_endpoint *ep = rc ? NULL : kci_zalloc(sizeof *ep);

    if (!ep)
        return rc ? rc : -ENOMEM;
    kci_lane_init(&ep->lane, c, &endpoint_ops, o->elem_bytes);
    kci_list_init(&ep->node);
    kci_list_init(&ep->work);
    init_op(ep, &ep->send);
    init_op(ep, &ep->recv);
    init_op(ep, &ep->watch);
    ep->rights = rights;
    ep->home = kc_chan_ref(ex->ch);
    rc = size_windows(ep, o);
    if (!rc)
        rc = allocate(ep);
    *out = ep;
    return rc;
}

/* Make it known, or say why not. 0, or -EPROTO. */
static int publish(struct kc_ipc_conn *c, struct kci_endpoint *ep, int rc, uint32_t req_id,
                   uint32_t chan_id)
{
    kci_conn_lock(c);
    if (!rc && c->state >= KCI_CONN_LEAVING)
        rc = -EPIPE;
    if (!rc)
        rc = kci_conn_add_theirs(c, &ep->lane, chan_id);
    if (!rc) {
        kci_list_push(&c->endpoints, &ep->node); // our reference goes with it
        c->nendpoints++;
    } else if (ep) {
        c->budget += ep->charge;
    }
    if (rc != -EPROTO)
        kci_conn_answer(c, req_id, rc, ep);
    kci_conn_unlock(c);
    if (rc && ep)
        kci_lane_unref(&ep->lane);
    return rc == -EPROTO ? rc : 0;
}

static int admit(struct kc_ipc_conn *c, const struct kci_open *o, const struct kci_export *ex,
                 uint32_t req_id, uint32_t chan_id)
{
    struct kci_endpoint *ep = NULL;
    int rc = create(c, o, ex, &ep);

    return publish(c, ep, rc, req_id, chan_id);
}

/* ---- requests ---- */

static int claim_slot(struct kc_ipc_conn *c, const struct kci_frame *f)
{
    unsigned slot = f->req_id & 0xFFFF;
    int rc = -EPROTO;

    kci_conn_lock(c);
    if (f->req_id && slot < KCI_REQS_MOST && !c->answer[slot].req_id) {
        c->answer[slot].req_id = f->req_id;
        c->answer[slot].chan_id = f->chan_id;
        rc = 0;
    }
    kci_conn_unlock(c);
    return rc;
}

static struct kci_pending *pending_for(struct kc_ipc_conn *c, const struct kci_frame *f,
                                       const struct kci_open *o)
{
    struct kci_pending *p = kci_zalloc(sizeof *p);

    if (!p)
        return NULL;
    kci_list_init(&p->node);
    p->conn = c;
    p->expires_ns = kc_in(c->grace_ns).ns;
    p->req_id = f->req_id;
    p->chan_id = f->chan_id;
    p->open = *o;
    memcpy(p->name, o->name, o->name_bytes);
    p->open.name = p->name;
    return p;
}

static int look_up(struct kc_ipc_conn *c, const struct kci_frame *f, const struct kci_open *o)
{
    struct kci_pending *p = pending_for(c, f, o);
    struct kci_export ex;
    int64_t expires = p ? p->expires_ns : 0; // once it waits, p may go at any moment
    int rc = p ? kci_listener_find(c->listener, p, &ex) : -ENOMEM;

    if (rc == -ENOENT) {
        if (expires < c->next_expiry)
            c->next_expiry = expires;
        return 0;
    }
    kci_free(p);
    if (rc)
        return publish(c, NULL, rc, f->req_id, f->chan_id);
    rc = admit(c, o, &ex, f->req_id, f->chan_id);
    kc_chan_unref(ex.ch);
    return rc;
}

int kci_endpoint_request(struct kc_ipc_conn *c, const struct kci_frame *f)
{
    struct kci_open o;
    int rc = claim_slot(c, f);

    if (!rc)
        rc = kci_open_decode(f, &o);
    if (rc == -EPROTO)
        return rc;
    if (!rc && !c->listener)
        rc = -ENOENT;
    return rc ? publish(c, NULL, rc, f->req_id, f->chan_id) : look_up(c, f, &o);
}

void kci_endpoint_late(struct kci_pending *p, const struct kci_export *ex)
{
    int rc = admit(p->conn, &p->open, ex, p->req_id, p->chan_id);

    if (rc)
        kci_conn_fail(p->conn, rc);
    kci_free(p);
}

int64_t kci_endpoint_expire(struct kc_ipc_conn *c, int64_t now_ns)
{
    struct kci_pending *p;

    if (c->next_expiry > now_ns)
        return c->next_expiry;
    while ((p = kci_listener_expired(c->listener, c, now_ns, &c->next_expiry))) {
        publish(c, NULL, -ENOENT, p->req_id, p->chan_id);
        kci_free(p);
    }
    return c->next_expiry;
}

void kci_endpoint_drop_pending(struct kc_ipc_conn *c)
{
    struct kci_pending *p;
    int64_t none;

    while ((p = kci_listener_expired(c->listener, c, INT64_MAX, &none)))
        kci_free(p);
}
