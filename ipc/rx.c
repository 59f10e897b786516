/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * ipc/rx.c — the receiving coroutine: bytes to frames to the objects they are about.
 *
 * It waits for nothing but bytes: not for tx, not for an application, not to slow down a
 * peer. Every long-lived deadlock of such protocols that we know of was a reader that stopped
 * reading. What may arrive has its place already: items in slots that our credit paid for,
 * control in bits and numbers of existing objects; what has no place breaks the protocol and
 * ends the connection, and nothing else. Frames that change nothing are counted: a peer that
 * sends only those is cut off.
 *
 * A read may bring hundreds of frames. Lanes they bring news for are collected and told once
 * per read (`fresh`), or earlier if a frame's meaning depends on it.
 */
#include <string.h>

#include "core/assert.h"
#include "ipc/conn.h"
#include "ipc/endpoint.h"
#include "ipc/listener.h"
#include "ipc/remote.h"

enum {
    USELESS_BURST = 4000,
    USELESS_PER_S = 1000,
    PING_PRICE = 50, /* in useless frames: 20 pings a second */
    LAST_ROUNDS = 64  /* reads after tx gave up */
};
#define SHAKE_NS KC_S(10)

/* ---- news ---- */

static void note_news(struct kc_ipc_conn *c, struct kci_lane *l)
{
    if (kci_list_empty(&l->fresh)) {
        kci_lane_ref(l);
        kci_list_push(&c->fresh, &l->fresh);
    }
}

static void tell_news(struct kc_ipc_conn *c)
{
    while (!kci_list_empty(&c->fresh)) {
        struct kci_lane *l = KCI_OF(kci_list_pop(&c->fresh), struct kci_lane, fresh);
        l->ops->news(l);
        kci_lane_unref(l);
    }
}

/* ---- what a peer may waste ---- */

static int useless(struct kc_ipc_conn *c, int64_t price)
{
    int64_t now = kc_now(), earned = (now - c->allowance_ns) / (KC_S(1) / USELESS_PER_S);

    if (earned > 0) {
        c->allowance += earned < USELESS_BURST ? earned : USELESS_BURST;
        c->allowance_ns = now;
    }
    if (c->allowance > USELESS_BURST)
        c->allowance = USELESS_BURST;
    c->allowance -= price;
    return c->allowance < 0 ? -EPROTO : 0;
}

/* ---- frames about a lane ---- */

enum verdict { HANDLE, DROP, BROKEN };

/* The lane a frame is about, with a reference. DROP: it was closed from here, and the peer
 * cannot know yet. */
static enum verdict lane_of(struct kc_ipc_conn *c, uint32_t id, struct kci_lane **out)
{
    enum verdict v = BROKEN;

    kci_conn_lock(c);
    struct kci_lane *l = kci_conn_find(c, id);
    if (l && l->state == KCI_LANE_CLOSING)
        v = DROP;
    else if (l && l->state == KCI_LANE_OPEN)
        v = HANDLE;
    *out = v == HANDLE ? kci_lane_ref(l) : NULL;
    kci_conn_unlock(c);
    return v;
}

/* Locked. Limits from a CREDIT frame or extension. */
static int take_limits(struct kci_lane *l, const struct kci_limits *limits)
{
    struct kci_credit trial = l->out;
    int rc = kci_credit_update(&trial, limits, l->out_sent);

    if (rc)
        return rc;
    if (trial.item_limit == l->out.item_limit)
        return -EALREADY;
    l->limits = *limits;
    l->has_limits = true;
    return 0;
}

/* Locked. Does this fragment continue what came before? */
static int check_fragment(const struct kci_lane *l, const struct kci_frame *f)
{
    bool first = f->flags & KCI_FLAG_FIRST, more = f->flags & KCI_FLAG_MORE;

    if (f->flags & KCI_FLAG_ABORT || l->in_ended || f->bytes > l->elem_bytes - l->in_bytes)
        return -EPROTO;
    if (l->in_bytes ? first : first != more) // a run begins with FIRST; a whole item: neither
        return -EPROTO;
    if (first && (f->aux != l->elem_bytes || !f->bytes))
        return -EPROTO;
    if (more != (l->in_bytes + f->bytes < l->elem_bytes) || (more && !f->bytes))
        return -EPROTO;
    return kci_grant_check(&l->in, f->seq, l->elem_bytes);
}

/* The bytes go to their slot without the lock: nobody else looks at it before `next` moves
 * on. */
static int take_item(struct kc_ipc_conn *c, struct kci_lane *l, const struct kci_frame *f)
{
    kci_conn_lock(c);
    bool refused = l->in_refused;
    int rc = refused ? 0 : check_fragment(l, f);
    kci_conn_unlock(c);
    if (rc || refused)
        return rc;
    if (f->bytes)
        memcpy(kci_lane_in_slot(l, l->in.next) + l->in_bytes, f->payload, f->bytes);
    kci_conn_lock(c);
    l->in_bytes += f->bytes;
    if (l->in_bytes == l->elem_bytes) {
        l->in_bytes = 0;
        kci_grant_arrived(&l->in, l->elem_bytes);
        note_news(c, l);
    }
    if (f->flags & KCI_FLAG_CREDIT && !take_limits(l, &f->limits))
        note_news(c, l);
    kci_conn_unlock(c);
    return 0;
}

static int end_input(struct kc_ipc_conn *c, struct kci_lane *l, uint32_t seq, int why)
{
    kci_conn_lock(c);
    bool all_here = !l->in_bytes && seq + 1 == (uint32_t)l->in.next;
    bool ok = !l->in_ended && (all_here || l->in_refused);
    if (ok) {
        l->in_ended = true;
        l->in_why = why;
        kci_lane_tell_last(l);
    }
    kci_conn_unlock(c);
    if (!ok)
        return -EPROTO;
    tell_news(c);
    l->ops->fin(l, why);
    return 0;
}

static int on_item(struct kc_ipc_conn *c, struct kci_lane *l, const struct kci_frame *f)
{
    int rc = take_item(c, l, f);

    if (!rc && f->flags & KCI_FLAG_LAST)
        rc = end_input(c, l, f->seq, 0);
    return rc;
}

static int on_fin(struct kc_ipc_conn *c, struct kci_lane *l, const struct kci_frame *f)
{
    return end_input(c, l, f->seq, kci_status_errno(f->aux));
}

static int on_reset(struct kc_ipc_conn *c, struct kci_lane *l, const struct kci_frame *f)
{
    tell_news(c);
    kci_conn_lock(c);
    int rc = l->out_refused ? -EPROTO : kci_credit_settle(&l->out, f->seq, l->out_sent);
    kci_conn_unlock(c);
    if (!rc)
        l->ops->reset(l, kci_status_errno(f->aux));
    return rc;
}

/* Only who opened a lane closes it. */
static int on_close(struct kc_ipc_conn *c, struct kci_lane *l, const struct kci_frame *f)
{
    if ((l->id & 1) == c->acceptor)
        return -EPROTO;
    tell_news(c);
    return kci_endpoint_close(l, f->seq, f->aux);
}

static int about_lane(struct kc_ipc_conn *c, const struct kci_frame *f,
                      int (*on)(struct kc_ipc_conn *, struct kci_lane *,
                                const struct kci_frame *))
{
    struct kci_lane *l;
    enum verdict v = lane_of(c, f->chan_id, &l);
    int rc = v == DROP ? 0 : v == HANDLE ? on(c, l, f) : -EPROTO;

    kci_lane_unref(l);
    return rc;
}

static int on_close_ack(struct kc_ipc_conn *c, const struct kci_frame *f)
{
    tell_news(c);
    kci_conn_lock(c);
    struct kci_lane *l = kci_conn_find(c, f->chan_id);
    bool ours = l && (l->id & 1) == c->acceptor;
    if (ours)
        kci_lane_ref(l);
    kci_conn_unlock(c);
    int rc = ours ? kci_remote_closed(l, f->seq) : -EPROTO;
    if (ours)
        kci_lane_unref(l);
    return rc;
}

static int credit_one(struct kc_ipc_conn *c, uint32_t id, const struct kci_limits *limits)
{
    kci_conn_lock(c);
    struct kci_lane *l = kci_conn_find(c, id);
    bool closing = l && l->state == KCI_LANE_CLOSING; // which the peer cannot know
    int rc = l && l->state == KCI_LANE_OPEN ? take_limits(l, limits) : -EALREADY;
    if (!rc)
        note_news(c, l);
    kci_conn_unlock(c);
    return rc != -EALREADY ? rc : closing ? 0 : useless(c, 1);
}

static int on_credit(struct kc_ipc_conn *c, const struct kci_frame *f)
{
    const unsigned char *in = f->payload;
    int rc = f->bytes && f->bytes % KCI_WIRE_ENTRY == 0 ? 0 : -EPROTO;

    for (uint32_t at = 0; at < f->bytes && !rc; at += KCI_WIRE_ENTRY) {
        struct kci_limits limits;
        uint32_t id;
        kci_entry_decode(in + at, &id, &limits);
        rc = credit_one(c, id, &limits);
    }
    return rc;
}

/* ---- frames about a request, or the connection ---- */

static int on_answer(struct kc_ipc_conn *c, const struct kci_frame *f)
{
    struct kci_opened opened;
    bool good = f->cmd == KCI_CMD_RES_OK;

    if (!(f->flags & KCI_FLAG_RESP) || (good && kci_opened_decode(f, &opened)))
        return -EPROTO;
    kci_conn_lock(c);
    struct kci_lane *l = kci_reqs_find(&c->reqs, f->req_id);
    bool ours = l && l->id == f->chan_id && !(l->want & KCI_WANT_OPEN); // it was sent
    if (ours)
        kci_lane_ref(l);
    kci_conn_unlock(c);
    if (!ours)
        return -EPROTO;
    int why = kci_status_errno(f->aux);
    int rc = kci_remote_answered(l, good ? 0 : why ? why : -EIO, good ? &opened : NULL);
    kci_lane_unref(l);
    return rc;
}

static int on_ping(struct kc_ipc_conn *c, const struct kci_frame *f)
{
    if (f->bytes < 8)
        return -EPROTO;
    kci_conn_lock(c);
    c->pong = kci_get64(f->payload); // the latest wins
    c->say |= KCI_SAY_PONG;
    kci_conn_unlock(c);
    return useless(c, PING_PRICE);
}

static int on_goaway(struct kc_ipc_conn *c, const struct kci_frame *f)
{
    int why = kci_status_errno(f->aux);

    if (why)
        return why;
    kci_conn_lock(c);
    bool again = c->peer_left;
    c->peer_left = true;
    kci_conn_unlock(c);
    if (again)
        return useless(c, 1);
    tell_news(c);
    kci_conn_leave(c, -EPIPE);
    return 0;
}

static int dispatch(struct kc_ipc_conn *c, const struct kci_frame *f)
{
    switch (f->cmd) {
    case KCI_CMD_ITEM:
        return about_lane(c, f, on_item);
    case KCI_CMD_CREDIT:
        return on_credit(c, f);
    case KCI_CMD_FIN:
        return about_lane(c, f, on_fin);
    case KCI_CMD_RESET:
        return about_lane(c, f, on_reset);
    case KCI_CMD_CLOSE:
        return about_lane(c, f, on_close);
    case KCI_CMD_CLOSE_ACK:
        return on_close_ack(c, f);
    case KCI_CMD_OPEN:
        return kci_endpoint_request(c, f);
    case KCI_CMD_RES_OK:
    case KCI_CMD_RES_ERR:
        return on_answer(c, f);
    case KCI_CMD_PING:
        return on_ping(c, f);
    case KCI_CMD_PONG:
        return useless(c, 1);
    case KCI_CMD_GOAWAY:
        return on_goaway(c, f);
    case KCI_CMD_HELLO:
        return -EPROTO; // once only
    default:
        return f->flags & KCI_FLAG_MUST ? -EPROTO : useless(c, 1);
    }
}

/* ---- time ---- */

/* When to look up although nothing arrived. */
static int64_t next_look(struct kc_ipc_conn *c, int64_t now)
{
    int64_t at = c->listener ? kci_endpoint_expire(c, now) : INT64_MAX;
    int64_t ping = c->keepalive_ns ? c->heard_ns + c->keepalive_ns : INT64_MAX;

    while (ping <= now)
        ping += c->keepalive_ns;
    return at < ping ? at : ping;
}

static int on_silence(struct kc_ipc_conn *c)
{
    int64_t silent = kc_now() - c->heard_ns;

    if (!c->keepalive_ns || silent < c->keepalive_ns)
        return 0;
    if (silent / 3 >= c->keepalive_ns)
        return -ECONNRESET;
    kci_conn_lock(c);
    c->say |= KCI_SAY_PING;
    kci_conn_unlock(c);
    return 0;
}

/* ---- bytes ---- */

static void compact(struct kci_bytes *b)
{
    if (b->head) {
        memmove(b->mem, b->mem + b->head, b->tail - b->head);
        b->tail -= b->head;
        b->head = 0;
    }
}

/* Why a wait was cancelled. */
static int cut_off(struct kc_ipc_conn *c, int rc)
{
    kci_conn_lock(c);
    if (c->tx_error)
        rc = c->tx_error;
    kci_conn_unlock(c);
    return rc;
}

/* Some bytes, whenever they come: 0, -ETIME at `until`, or why it ends. */
static int fill(struct kc_ipc_conn *c, int64_t until)
{
    struct kci_bytes *b = &c->inbox;

    compact(b);
    for (;;) {
        if (kc_canceled() && ++c->rounds > LAST_ROUNDS)
            return cut_off(c, -ECANCELED);
        ssize_t n = kci_port_recv(&c->port, b->mem + b->tail, b->cap - b->tail);
        if (n > 0) {
            b->tail += (size_t)n;
            c->heard_ns = kc_now();
            return 0;
        }
        if (n != -EAGAIN)
            return (int)n;
        int rc = kci_port_wait(&c->port, KC_RD, kc_at(until));
        if (rc < 0)
            return rc == -ECANCELED ? cut_off(c, rc) : rc;
    }
}

static bool is_over(struct kc_ipc_conn *c)
{
    kci_conn_lock(c);
    bool over = c->state >= KCI_CONN_DOWN;
    kci_conn_unlock(c);
    return over;
}

/* All whole frames of the buffer. */
static int parse(struct kc_ipc_conn *c)
{
    struct kci_bytes *b = &c->inbox;
    struct kci_frame f;
    ssize_t n = 1;
    int rc = 0;

    while (!rc && n) {
        n = kci_frame_decode(b->mem + b->head, b->tail - b->head, c->max_frame, &f);
        if (n > 0) {
            b->head += (size_t)n;
            rc = dispatch(c, &f);
        } else {
            rc = (int)n;
        }
    }
    tell_news(c);
    return rc;
}

/* ---- handshake ---- */

/* The preface: 0 when it is complete, -EAGAIN, -EPROTO at the first wrong byte. */
static int match_preface(struct kci_bytes *b)
{
    size_t n = b->tail - b->head;

    if (memcmp(b->mem + b->head, kci_wire_preface, n < KCI_WIRE_PREFACE ? n : KCI_WIRE_PREFACE))
        return -EPROTO;
    if (n < KCI_WIRE_PREFACE)
        return -EAGAIN;
    b->head += KCI_WIRE_PREFACE;
    return 0;
}

/* HELLO, or the peer's farewell: 0, -EAGAIN, or why it ends. */
static int match_hello(struct kc_ipc_conn *c)
{
    struct kci_bytes *b = &c->inbox;
    struct kci_frame f;
    ssize_t n = kci_frame_decode(b->mem + b->head, b->tail - b->head, KCI_FRAME_LEAST, &f);

    if (n <= 0)
        return n ? (int)n : -EAGAIN;
    b->head += (size_t)n;
    if (f.cmd == KCI_CMD_GOAWAY) {
        int why = kci_status_errno(f.aux);
        return why ? why : -ECONNRESET;
    }
    return f.cmd == KCI_CMD_HELLO ? kci_hello_decode(&f, &c->peer) : -EPROTO;
}

static int shake_hands(struct kc_ipc_conn *c)
{
    // A connector's caller has its own deadline.
    int64_t until = c->acceptor ? kc_in(SHAKE_NS).ns : INT64_MAX;
    bool prefaced = false;
    int rc;

    do {
        if ((rc = fill(c, until)))
            return rc;
        if (!prefaced)
            prefaced = !(rc = match_preface(&c->inbox));
        if (!rc)
            rc = match_hello(c);
    } while (rc == -EAGAIN);
    return rc;
}

/* A peer that nobody could be told of is sent away: it would be served, and never accepted. */
static int come_up(struct kc_ipc_conn *c)
{
    uint32_t most = c->peer.max_frame - KCI_WIRE_HEADER - KCI_WIRE_EXT;

    kci_conn_lock(c);
    c->fragment = most < KCI_FRAGMENT ? most : KCI_FRAGMENT;
    if (c->state == KCI_CONN_SHAKING)
        c->state = KCI_CONN_UP;
    kci_conn_unlock(c);
    return c->listener ? kci_listener_accepted(c->listener, c) : 0;
}

int kci_rx_run(struct kc_ipc_conn *c)
{
    c->heard_ns = c->allowance_ns = kc_now();
    c->allowance = USELESS_BURST;
    int rc = shake_hands(c);
    if (rc || (rc = come_up(c)))
        return rc;
    do {
        rc = parse(c);
        if (!rc)
            kc_yield(); // whom we woke may run
        if (!rc)
            rc = fill(c, next_look(c, kc_now()));
        if (rc == -ETIME)
            rc = on_silence(c);
    } while (!rc && !is_over(c));
    return rc ? rc : -EPIPE;
}
