/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * ipc/tx.c — the sending coroutine: turns the state of objects into frames.
 *
 * Each round first encodes control (answers, resets, credits, acknowledgements), then items,
 * lane by lane with deficit round robin (quantum = the biggest fragment, so every visit sends
 * something and the lag of a lane is bounded), until the buffer is full or nothing is left;
 * then one system call takes it all. Control goes first, but after 64 frames of it one lane
 * gets its turn.
 *
 * Items are copied into the buffer under the connection's lock, which is let go between lanes.
 * Rejected  gathering from where the items lie: saves a copy, but an item may be put back,
 *           reported or freed at any moment, and would have to be pinned while the socket is
 *           full.
 */
#include <string.h>

#include "core/assert.h"
#include "core/log.h"
#include "ipc/conn.h"
#include "ipc/endpoint.h"
#include "ipc/remote.h"

enum { CONTROL_RUN = 64 };
// The peer takes nothing for this long: it is stuck, or wants us to be.
#define STALL_NS KC_S(30)

/* ---- one frame ---- */

static size_t space(const struct kc_ipc_conn *c)
{
    return c->outbox.cap - c->outbox.tail;
}

/* Room for a frame of `bytes` payload? */
static bool fits(const struct kc_ipc_conn *c, size_t bytes)
{
    return space(c) >= KCI_WIRE_HEADER + KCI_WIRE_EXT + bytes + 8;
}

static void put(struct kc_ipc_conn *c, const struct kci_frame *f)
{
    KCI_ASSERT(kci_frame_size(f) <= space(c));
    kci_frame_encode(f, c->outbox.mem + c->outbox.tail);
    c->outbox.tail += kci_frame_size(f);
}

/* ---- control; locked ---- */

static void put_goaway(struct kc_ipc_conn *c)
{
    unsigned char last_slot[8] = { 0 };

    put(c, &(struct kci_frame){
               .cmd = KCI_CMD_GOAWAY, .aux = c->goaway, .payload = last_slot, .bytes = 4 });
    c->goaway_sent = true;
}

static void put_said(struct kc_ipc_conn *c)
{
    unsigned char opaque[8];
    unsigned say = c->say;

    c->say = 0;
    if (say & KCI_SAY_PONG) {
        kci_put64(opaque, c->pong);
        put(c, &(struct kci_frame){ .cmd = KCI_CMD_PONG, .payload = opaque, .bytes = 8 });
    }
    if (say & KCI_SAY_PING) {
        kci_put64(opaque, (uint64_t)c->heard_ns);
        put(c, &(struct kci_frame){ .cmd = KCI_CMD_PING, .payload = opaque, .bytes = 8 });
    }
    if (say & KCI_SAY_GOAWAY)
        put_goaway(c);
}

static void put_answer(struct kc_ipc_conn *c)
{
    struct kci_answer *a = KCI_OF(kci_list_pop(&c->answers), struct kci_answer, node);
    unsigned char payload[KCI_WIRE_OPENED];
    struct kci_frame f = { .flags = KCI_FLAG_RESP, .chan_id = a->chan_id, .req_id = a->req_id };

    if (a->rc) {
        f.cmd = KCI_CMD_RES_ERR;
        f.aux = kci_status_of(a->rc);
    } else {
        f.cmd = KCI_CMD_RES_OK;
        kci_endpoint_answered(a->ep, payload);
        f.payload = payload;
        f.bytes = sizeof payload;
    }
    a->req_id = 0;
    put(c, &f);
}

static void put_credits(struct kc_ipc_conn *c, struct kci_lane *l)
{
    unsigned char entry[KCI_WIRE_ENTRY];
    struct kci_limits limits;

    if (!kci_grant_untold(&l->in))
        return; // an item took it along
    kci_grant_tell(&l->in, &limits);
    kci_entry_encode(l->id, &limits, entry);
    put(c, &(struct kci_frame){
               .cmd = KCI_CMD_CREDIT, .payload = entry, .bytes = sizeof entry });
}

static void put_open(struct kc_ipc_conn *c, struct kci_lane *l)
{
    unsigned char payload[KCI_WIRE_OPEN + KCI_WIRE_NAME];
    struct kci_frame f = { .cmd = KCI_CMD_OPEN, .chan_id = l->id, .payload = payload };

    f.bytes = (uint32_t)kci_remote_request(l, payload, &f.req_id);
    put(c, &f);
}

/* FIN, CLOSE or both, behind the last item. */
static void put_end(struct kc_ipc_conn *c, struct kci_lane *l)
{
    struct kci_frame f = { .chan_id = l->id, .seq = (uint32_t)(l->out.next - 1) };

    if (l->fin_wanted && !l->fin_sent) {
        f.cmd = KCI_CMD_FIN;
        f.aux = kci_status_of(l->fin_why);
        l->fin_sent = true;
        put(c, &f);
    }
    if (l->close_wanted) {
        f.cmd = KCI_CMD_CLOSE;
        f.aux = (uint32_t)l->in.taken;
        l->state = KCI_LANE_CLOSING;
        kci_list_remove(&l->control);
        l->want = 0;
        put(c, &f);
    }
}

static void put_lane_control(struct kc_ipc_conn *c)
{
    struct kci_lane *l = KCI_OF(kci_list_pop(&c->control), struct kci_lane, control);
    unsigned want = l->want;
    struct kci_frame f = { .chan_id = l->id, .seq = (uint32_t)l->in.taken };

    l->want = 0;
    if (want & KCI_WANT_OPEN)
        put_open(c, l);
    if (want & KCI_WANT_CREDIT)
        put_credits(c, l);
    if (want & KCI_WANT_RESET) {
        f.cmd = KCI_CMD_RESET;
        f.aux = kci_status_of(l->refuse_why);
        put(c, &f);
    }
    if (want & KCI_WANT_ACK) {
        f.cmd = KCI_CMD_CLOSE_ACK;
        f.aux = 0;
        f.seq = (uint32_t)(l->in_refused ? l->in.taken : l->in.next - 1);
        put(c, &f);
        kci_endpoint_acked(l);
    }
    if (want & KCI_WANT_END && kci_lane_has_end(l) && !kci_lane_has_items(l))
        put_end(c, l);
}

static bool has_control(const struct kc_ipc_conn *c)
{
    return c->say || !kci_list_empty(&c->answers) || !kci_list_empty(&c->control);
}

/* Up to CONTROL_RUN objects' worth. Five frames at most each, none over a few hundred bytes. */
static void put_control(struct kc_ipc_conn *c)
{
    for (int i = 0; i < CONTROL_RUN && has_control(c) && fits(c, 1024); i++) {
        if (c->say)
            put_said(c);
        else if (!kci_list_empty(&c->answers))
            put_answer(c);
        else
            put_lane_control(c);
    }
    if (!has_control(c))
        c->urgent = false;
}

/* ---- items; locked ---- */

static uint32_t next_fragment(const struct kc_ipc_conn *c, const struct kci_lane *l)
{
    uint32_t rest = l->elem_bytes - l->out_bytes;
    return rest < c->fragment ? rest : c->fragment;
}

static void put_item(struct kc_ipc_conn *c, struct kci_lane *l)
{
    uint64_t seq = l->out_sent + 1;
    const unsigned char *elem = l->ops->out_elem(l, seq);
    struct kci_frame f = { .cmd = KCI_CMD_ITEM, .chan_id = l->id, .seq = (uint32_t)seq };

    f.bytes = next_fragment(c, l);
    f.payload = elem ? elem + l->out_bytes : NULL;
    if (l->out_bytes + f.bytes < l->elem_bytes) {
        f.flags |= KCI_FLAG_MORE;
        if (!l->out_bytes) {
            f.flags |= KCI_FLAG_FIRST;
            f.aux = l->elem_bytes;
        }
    }
    if (kci_grant_worth(&l->in) && !l->in_closed) {
        f.flags |= KCI_FLAG_CREDIT;
        kci_grant_tell(&l->in, &f.limits);
    }
    put(c, &f);
    l->deficit -= (int64_t)kci_frame_size(&f);
    l->out_bytes += f.bytes;
    if (l->out_bytes == l->elem_bytes) {
        l->out_bytes = 0;
        l->out_sent = seq;
    }
}

/* The first lane's turn. False: the buffer is full. */
static bool put_lane(struct kc_ipc_conn *c)
{
    struct kci_lane *l = KCI_OF(kci_list_pop(&c->ready), struct kci_lane, ready);
    bool full = false;

    l->deficit += KCI_FRAGMENT + KCI_WIRE_HEADER + KCI_WIRE_EXT;
    while (kci_lane_has_items(l) && l->deficit > 0 && !full) {
        full = !fits(c, next_fragment(c, l));
        if (!full)
            put_item(c, l);
    }
    if (full) // its turn goes on
        kci_list_push_front(&c->ready, &l->ready);
    else if (kci_lane_has_items(l))
        kci_list_push(&c->ready, &l->ready);
    else
        kci_lane_wake(l); // its end
    return !full;
}

/* ---- rounds ---- */

bool kci_tx_has_work(const struct kc_ipc_conn *c)
{
    if (c->state >= KCI_CONN_DOWN)
        return true;
    if (c->say || c->urgent || !kci_list_empty(&c->answers) || !kci_list_empty(&c->ready))
        return true;
    return kci_conn_may_say_goodbye(c) || kci_conn_is_finished(c);
}

/* Fill the buffer. 0: there is something to send; -EAGAIN: nothing; else why this ends. */
static int gather(struct kc_ipc_conn *c)
{
    int rc = 0;

    kci_conn_lock(c);
    if (kci_conn_may_say_goodbye(c)) {
        c->say |= KCI_SAY_GOAWAY;
        c->goaway = KCI_ST_OK;
    }
    bool busy = kci_tx_has_work(c);
    for (bool more = true; busy && more && c->state < KCI_CONN_DOWN;) {
        put_control(c);
        more = !kci_list_empty(&c->ready) && put_lane(c);
        kci_conn_unlock(c); // let others in between lanes
        kci_conn_lock(c);
    }
    if (c->state >= KCI_CONN_DOWN)
        rc = c->why;
    else if (!c->outbox.tail)
        rc = kci_conn_is_finished(c) ? -EPIPE : -EAGAIN;
    kci_conn_unlock(c);
    return rc;
}

/* Send the buffer without waiting: 0, -EAGAIN, or fatal. */
static int push(struct kc_ipc_conn *c)
{
    struct kci_bytes *b = &c->outbox;

    while (b->head < b->tail) {
        ssize_t n = kci_port_send(&c->port, b->mem + b->head, b->tail - b->head);
        if (n < 0)
            return (int)n;
        b->head += (size_t)n;
    }
    b->head = b->tail = 0;
    return 0;
}

static int flush(struct kc_ipc_conn *c)
{
    int rc;

    while ((rc = push(c)) == -EAGAIN) {
        rc = kci_port_wait(&c->port, KC_WR, kc_in(STALL_NS));
        if (rc < 0)
            return rc == -ETIME ? -ECONNRESET : rc;
    }
    return rc == -EPIPE ? -ECONNRESET : rc;
}

static void put_greeting(struct kc_ipc_conn *c)
{
    unsigned char payload[KCI_WIRE_HELLO];
    struct kci_hello h = {
        .major = KCI_WIRE_MAJOR,
        .lowest = KCI_WIRE_MAJOR,
        .max_frame = c->max_frame,
        .max_item = KCI_ITEM_MOST,
        .max_channels = KCI_LANES_MOST,
        .max_requests = KCI_REQS_MOST,
        .window_items = c->window,
        .window_bytes = (uint32_t)kci_window_bytes(false, 0),
        .budget = KCI_BUDGET_BYTES,
        .heartbeat_ms = (uint32_t)(c->keepalive_ns / KC_MS(1)),
    };

    for (int i = 0; i < 16; i += 8)
        kci_put64(h.session + i, c->rt->env.entropy(c->rt->env.ctx));
    kci_hello_encode(&h, payload);
    memcpy(c->outbox.mem, kci_wire_preface, KCI_WIRE_PREFACE);
    c->outbox.tail = KCI_WIRE_PREFACE;
    put(c, &(struct kci_frame){
               .cmd = KCI_CMD_HELLO, .payload = payload, .bytes = KCI_WIRE_HELLO });
}

/* Why we end is worth a last try, behind what was begun, if the socket takes it at once. */
static void say_why(struct kc_ipc_conn *c)
{
    struct kci_bytes *b = &c->outbox;
    bool told;

    kci_conn_lock(c);
    told = c->goaway_sent || (c->why != -EPROTO && c->why != -ENOTSUP && c->why != -ETIME);
    kci_conn_unlock(c);
    if (told || push(c))
        return;
    kci_conn_lock(c);
    c->goaway = kci_status_of(c->why);
    put_goaway(c);
    kci_conn_unlock(c);
    if (push(c))
        b->head = b->tail = 0;
}

/* We cannot write any more, but what the peer said before it left may say why: rx reads on. */
static void give_up(struct kc_ipc_conn *c, int rc)
{
    kci_conn_lock(c);
    c->tx_error = rc;
    struct kc_cancel *token = c->token;
    kc_cancel_ref(token);
    kci_conn_unlock(c);
    kc_cancel_trigger(token, -ECANCELED);
    kc_cancel_unref(token);
}

int kci_tx_main(void *conn)
{
    struct kc_ipc_conn *c = conn;
    int rc;

    put_greeting(c);
    do {
        rc = flush(c);
        if (!rc)
            rc = gather(c);
        if (rc == -EAGAIN)
            rc = kci_gate_wait(&c->tx_gate, KC_FOREVER);
    } while (!rc);
    if (rc == -ECONNRESET)
        give_up(c, rc);
    else if (rc != -ECANCELED)
        kci_conn_fail(c, rc);
    say_why(c);
    return 0;
}
