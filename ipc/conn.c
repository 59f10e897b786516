/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * ipc/conn.c — a connection's life, and its tables.
 *
 *     create → main: [ open a scope → tx, home → rx until it ends → join tx ] → tear down
 *
 * Ending is one step for everybody: kci_conn_fail notes the first reason and cancels main's
 * scope; all waits of rx and tx end, main joins them, and then nobody else uses the link, the
 * tables or the lanes' queues, so that tearing down needs no further care.
 *
 * Teardown phases  leave_listener  the listener forgets us
 *                  drop_pending    OPENs that still waited for a name
 *                  lose_lanes      handles are closed; what they had under way is reported
 *                  lose_endpoints  the home coroutine puts back and delivers the rest
 *                  close the link, free the buffers, GONE
 * Why home is apart  tx may wait for a peer that does not read; what that peer has sent must
 *                    still reach the exported channels, also after its death.
 */
#include "ipc/conn.h"

#include <string.h>

#include "core/assert.h"
#include "core/log.h"
#include "core/mem.h"
#include "ipc/endpoint.h"
#include "ipc/ipc.h"
#include "ipc/listener.h"
#include "ipc/remote.h"

// More pings than this allows would count as a flood.
#define KEEPALIVE_LEAST_NS KC_MS(100)

/* ---- gates ---- */

static int is_up(struct kci_gate *g)
{
    struct kc_ipc_conn *c = KCI_OF(g, struct kc_ipc_conn, up);

    if (c->state == KCI_CONN_SHAKING)
        return -EAGAIN;
    return c->state < KCI_CONN_DOWN ? 0 : c->why;
}

static int is_gone(struct kci_gate *g)
{
    return KCI_OF(g, struct kc_ipc_conn, gone)->state == KCI_CONN_GONE ? 0 : -EAGAIN;
}

static int tx_has_work(struct kci_gate *g)
{
    return kci_tx_has_work(KCI_OF(g, struct kc_ipc_conn, tx_gate)) ? 0 : -EAGAIN;
}

static int home_has_work(struct kci_gate *g)
{
    struct kc_ipc_conn *c = KCI_OF(g, struct kc_ipc_conn, home_gate);
    bool over = c->state == KCI_CONN_GONE && kci_list_empty(&c->endpoints);

    return over || !kci_list_empty(&c->home_work) ? 0 : -EAGAIN;
}

void kci_conn_unlock(struct kc_ipc_conn *c)
{
    struct kci_list won;

    kci_list_init(&won);
    kci_gate_check(&c->tx_gate, &won);
    kci_gate_check(&c->home_gate, &won);
    kci_gate_check(&c->up, &won);
    kci_gate_check(&c->gone, &won);
    kci_unlock(&c->lock);
    kci_waiters_finish(&won, 0);
}

/* ---- create, free ---- */

static void init_lists(struct kc_ipc_conn *c)
{
    kci_gate_init(&c->up, &c->lock, is_up);
    kci_gate_init(&c->gone, &c->lock, is_gone);
    kci_gate_init(&c->tx_gate, &c->lock, tx_has_work);
    kci_gate_init(&c->home_gate, &c->lock, home_has_work);
    kci_list_init(&c->in_listener);
    kci_list_init(&c->control);
    kci_list_init(&c->ready);
    kci_list_init(&c->answers);
    kci_list_init(&c->endpoints);
    kci_list_init(&c->home_work);
    kci_list_init(&c->fresh);
    for (unsigned i = 0; i < KCI_REQS_MOST; i++)
        kci_list_init(&c->answer[i].node);
}

bool kci_conn_opts_ok(const kc_ipc_opts_t *o)
{
    uint32_t f = o->max_frame;

    bool frame_ok = !f || (f >= KCI_FRAME_LEAST && f <= KCI_FRAME_MOST);
    return frame_ok && !(o->flags & ~KC_IPC_WAIT) && o->keepalive_ns >= 0 && o->grace_ns >= 0;
}

static void set_options(struct kc_ipc_conn *c, const kc_ipc_opts_t *o)
{
    c->window = o->window ? o->window : KCI_WINDOW_ITEMS;
    if (c->window > KCI_WINDOW_MOST)
        c->window = KCI_WINDOW_MOST;
    c->max_frame = o->max_frame ? o->max_frame : KCI_FRAME_DEFAULT;
    c->keepalive_ns = o->keepalive_ns;
    if (c->keepalive_ns && c->keepalive_ns < KEEPALIVE_LEAST_NS)
        c->keepalive_ns = KEEPALIVE_LEAST_NS;
    c->grace_ns = o->grace_ns ? o->grace_ns : KC_MS(100);
    c->budget = KCI_LENT_BYTES;
    c->next_expiry = INT64_MAX;
}

static int make_buffer(struct kci_bytes *b, size_t cap)
{
    *b = (struct kci_bytes){ .mem = kci_alloc(cap), .cap = cap };
    return b->mem ? 0 : -ENOMEM;
}

static void free_buffers(struct kc_ipc_conn *c)
{
    kci_free(c->inbox.mem);
    kci_free(c->outbox.mem);
    c->inbox.mem = c->outbox.mem = NULL;
}

/* Two frames fit, so that a whole one always lies behind what was not parsed yet. */
static int allocate(struct kc_ipc_conn *c)
{
    int rc = make_buffer(&c->inbox, 2 * ((size_t)c->max_frame + 8));

    if (!rc)
        rc = make_buffer(&c->outbox, KCI_OUT_BYTES);
    return rc ? rc : kci_reqs_init(&c->reqs, KCI_REQS_MOST);
}

int kci_conn_create(struct kc_ipc_conn **out, struct kci_port port, const kc_ipc_opts_t *opts,
                    struct kc_ipc_listener *listener)
{
    struct kc_ipc_conn *c = kci_zalloc(sizeof *c);

    if (!c) {
        kci_port_close(&port);
        return -ENOMEM;
    }
    ka_store(&c->refs, 1, relaxed); // relaxed: not shared yet
    c->rt = kc_rt_current();
    c->port = port;
    c->listener = listener;
    c->acceptor = listener != NULL;
    set_options(c, opts);
    init_lists(c);
    kci_ipc_track(&c->tracked);
    int rc = allocate(c);
    if (rc) {
        kci_port_close(&c->port);
        kci_conn_unref(c);
        return rc;
    }
    kci_port_settle(&c->port);
    *out = c;
    return 0;
}

struct kc_ipc_conn *kci_conn_ref(struct kc_ipc_conn *c)
{
    ka_add(&c->refs, 1, relaxed); // relaxed: the caller holds one already
    return c;
}

void kci_conn_unref(struct kc_ipc_conn *c)
{
    if (!c || ka_sub(&c->refs, 1, acq_rel) != 1) // E-REF
        return;
    kci_ipc_untrack(&c->tracked);
    free_buffers(c);
    kci_reqs_fini(&c->reqs);
    kci_free(c);
}

/* ---- tables ---- */

static unsigned index_of(uint32_t id)
{
    return id >> 1 & 0xFFFFF;
}

static bool is_mine(const struct kc_ipc_conn *c, uint32_t id)
{
    return (id & 1) == c->acceptor; // bit 0: opened by the acceptor
}

int kci_conn_add_mine(struct kc_ipc_conn *c, struct kci_lane *l)
{
    unsigned most = c->peer.max_channels;

    if (most > KCI_LANES_MOST)
        most = KCI_LANES_MOST;
    if (c->nmine >= most)
        return -ENOBUFS;
    while (c->mine[c->cursor % most])
        c->cursor++;
    unsigned i = c->cursor++ % most;
    uint32_t generation = ++c->generation[i] & 0x7FF;
    l->id = generation << 21 | i << 1 | c->acceptor;
    c->mine[i] = kci_lane_ref(l);
    c->nmine++;
    return 0;
}

int kci_conn_add_theirs(struct kc_ipc_conn *c, struct kci_lane *l, uint32_t id)
{
    unsigned i = index_of(id);

    if (is_mine(c, id) || (i < KCI_LANES_MOST && c->theirs[i]))
        return -EPROTO;
    if (i >= KCI_LANES_MOST)
        return -ENOBUFS;
    l->id = id;
    c->theirs[i] = kci_lane_ref(l);
    c->ntheirs++;
    return 0;
}

struct kci_lane *kci_conn_find(struct kc_ipc_conn *c, uint32_t id)
{
    unsigned i = index_of(id);
    struct kci_lane *l = NULL;

    if (i < KCI_LANES_MOST)
        l = is_mine(c, id) ? c->mine[i] : c->theirs[i];
    return l && l->id == id ? l : NULL;
}

void kci_conn_remove(struct kc_ipc_conn *c, struct kci_lane *l)
{
    bool mine = is_mine(c, l->id);
    struct kci_lane **slot = &(mine ? c->mine : c->theirs)[index_of(l->id)];

    KCI_ASSERT(*slot == l);
    *slot = NULL;
    *(mine ? &c->nmine : &c->ntheirs) -= 1;
    l->state = KCI_LANE_GONE;
}

void kci_conn_answer(struct kc_ipc_conn *c, uint32_t req_id, int rc, struct kci_endpoint *ep)
{
    struct kci_answer *a = &c->answer[req_id & 0xFFFF];

    KCI_ASSERT(a->req_id == req_id && kci_list_empty(&a->node));
    a->rc = rc;
    a->ep = ep;
    kci_list_push(&c->answers, &a->node);
}

static bool endpoints_are_settled(const struct kc_ipc_conn *c)
{
    for (unsigned i = 0, left = c->ntheirs; left; i++) {
        const struct kci_lane *l = c->theirs[i];
        if (!l)
            continue;
        left--;
        if (!l->out_refused && (!l->fin_sent || l->out.taken + 1 < l->out.next))
            return false;
    }
    return true;
}

bool kci_conn_may_say_goodbye(const struct kc_ipc_conn *c)
{
    return c->state == KCI_CONN_LEAVING && !c->goaway_sent && !(c->say & KCI_SAY_GOAWAY) &&
           !c->nmine && (c->peer_left || endpoints_are_settled(c));
}

bool kci_conn_is_finished(const struct kc_ipc_conn *c)
{
    return c->state == KCI_CONN_LEAVING && c->goaway_sent && !c->nmine && !c->ntheirs;
}

/* ---- ending ---- */

/* What the connection says about itself when the other side merely kept its word. */
static int reason(const struct kc_ipc_conn *c, int why)
{
    bool parted = c->state == KCI_CONN_LEAVING && (c->peer_left || c->goaway_sent);
    return parted && why == -ECONNRESET ? -EPIPE : why;
}

void kci_conn_fail(struct kc_ipc_conn *c, int why)
{
    struct kc_cancel *token = NULL;

    kci_conn_lock(c);
    if (c->state < KCI_CONN_DOWN) {
        c->why = reason(c, why);
        c->state = KCI_CONN_DOWN;
        token = c->token;
        KCI_LOG(KCI_LOG_IPC, "connection %p ends: %d", (void *)c, c->why);
    }
    if (token)
        kc_cancel_ref(token);
    kci_conn_unlock(c);
    if (token) {
        kc_cancel_trigger(token, -ECANCELED);
        kc_cancel_unref(token);
    }
}

/* The lane at index i of mine, with a reference; NULL. */
static struct kci_lane *mine_at(struct kc_ipc_conn *c, unsigned i)
{
    kci_conn_lock(c);
    struct kci_lane *l = c->mine[i] ? kci_lane_ref(c->mine[i]) : NULL;
    kci_conn_unlock(c);
    return l;
}

void kci_conn_leave(struct kc_ipc_conn *c, int why)
{
    kci_conn_lock(c);
    bool first = c->state == KCI_CONN_UP;
    if (first)
        c->state = KCI_CONN_LEAVING;
    KCI_EACH(it, &c->endpoints)
        kci_endpoint_stir(KCI_OF(it, struct kci_endpoint, node));
    kci_conn_unlock(c);
    for (unsigned i = 0; first && i < KCI_LANES_MOST; i++) {
        struct kci_lane *l = mine_at(c, i);
        if (l)
            kci_remote_leave(l, why);
        kci_lane_unref(l);
    }
}

/* ---- main ---- */

static void lose_lanes(struct kc_ipc_conn *c)
{
    for (unsigned i = 0; i < KCI_LANES_MOST; i++) {
        kci_conn_lock(c);
        struct kci_lane *l = c->mine[i];
        if (l) {
            kci_conn_remove(c, l);
            kci_lane_unlist(l);
        }
        kci_conn_unlock(c);
        if (l)
            l->ops->lost(l, c->why);
        kci_lane_unref(l);
    }
}

/* The table gives its references back; the home coroutine has its own. */
static void lose_endpoints(struct kc_ipc_conn *c)
{
    for (unsigned i = 0; i < KCI_LANES_MOST; i++) {
        kci_conn_lock(c);
        struct kci_lane *l = c->theirs[i];
        if (l)
            kci_conn_remove(c, l);
        kci_conn_unlock(c);
        kci_lane_unref(l);
    }
    kci_conn_lock(c);
    KCI_EACH(it, &c->endpoints) {
        struct kci_endpoint *ep = KCI_OF(it, struct kci_endpoint, node);
        kci_lane_unlist(&ep->lane);
        ep->lost = true;
        kci_endpoint_stir(ep);
    }
    kci_conn_unlock(c);
}

static void tear_down(struct kc_ipc_conn *c)
{
    if (c->listener) {
        kci_listener_forget(c->listener, c);
        kci_endpoint_drop_pending(c);
    }
    kci_port_close(&c->port);
    lose_lanes(c);
    lose_endpoints(c);
    kci_conn_lock(c);
    struct kc_cancel *token = c->token;
    c->token = NULL;
    c->state = KCI_CONN_GONE;
    kci_conn_unlock(c);
    kc_cancel_unref(token);
    free_buffers(c);
}

static int start_home(struct kc_ipc_conn *c)
{
    int rc = kci_service_spawn(c->rt, kci_home_main, kci_conn_ref(c), "ipc-home");

    if (rc)
        kci_conn_unref(c);
    return rc;
}

static int run(struct kc_ipc_conn *c, kc_scope_t *s)
{
    kc_attr_t attr = { .name = "ipc-tx" };

    kci_conn_lock(c);
    c->token = kc_scope_token(s);
    kc_cancel_ref(c->token);
    bool over = c->state == KCI_CONN_DOWN;
    kci_conn_unlock(c);
    if (over) // before it began
        return c->why;
    int rc = kc_scope_spawn(s, NULL, kci_tx_main, c, 0, &attr);
    if (!rc && c->acceptor)
        rc = start_home(c);
    return rc ? rc : kci_rx_run(c);
}

int kci_conn_main(void *conn)
{
    struct kc_ipc_conn *c = conn;
    kc_scope_t s;
    int rc = kc_scope_open(&s, &(kc_scope_opts_t){ .policy = KC_SUPERVISE });

    if (rc) {
        kci_conn_fail(c, rc);
    } else {
        kci_conn_fail(c, run(c, &s));
        kc_scope_close(&s);
    }
    tear_down(c);
    kci_conn_unref(c);
    return 0;
}
