/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * ipc/remote.c — handles: the flavour of channel whose other end is in another process.
 *
 * Sending copies the element into a slot that the peer's credit pays for; receiving pops an
 * item that our own credit paid for. Neither waits for the network: without credit, or
 * without an item, the caller parks in the channel's queue like everywhere else, and the
 * receiving coroutine serves it when credit or items come. So select, deadlines and
 * cancellation are those of any channel.
 *
 * Locks       conn->lock, inside the channel's. What offer, take, room and len look at
 *             *shrinks* only under the channel's lock (dead, out_refused): a serving loop may
 *             rely on room.
 * Visibility  items and limits become visible in `news`, under the channel's lock, where who
 *             waits longest is served first.
 * End         the handle and its lane part when the last reference goes: the lane stays until
 *             what was accepted is sent and the peer has acknowledged CLOSE.
 */
#include "ipc/remote.h"

#include <string.h>

#include "chan/chan.h"
#include "core/mem.h"
#include "ipc/conn.h"
#include "ipc/ipc.h"

struct remote {
    struct kci_lane lane;    /* first */
    struct kci_list tracked; /* see ipc/ipc.h */
    struct kci_gate answered;
    unsigned char *slots;    /* nslots; opener, before the handle is given out */
    uint32_t nslots;         /* most items in flight: their window, or what we hold */
    /* conn->lock */
    kc_chan_t *ch;           /* NULL: the last reference is gone; borrowed */
    bool has_answer;
    int answer;
    unsigned rights;
    int64_t cap;             /* of the exported channel */
    uint64_t shown;          /* items that `take` may see */
    bool dead;               /* also the channel's lock: nothing is sent or received any more */
    bool quiet;              /* closing the handle tells the peer nothing */
    uint32_t req_id;
    struct kci_open request;
    char name[KCI_WIRE_NAME + 1];
};

/* The channel object: flavours are made before their lane is known. */
struct handle {
    kc_chan_t base;
    struct remote *r;
};

static struct remote *remote_of(struct kci_lane *l)
{
    return (struct remote *)l;
}

static struct remote *behind(const kc_chan_t *ch)
{
    return ((const struct handle *)ch)->r;
}

static unsigned char *out_slot(const struct remote *r, uint64_t seq)
{
    return r->slots + seq % r->nslots * r->lane.elem_bytes;
}

/* ---- the flavour ---- */

static int handle_size(const kc_chan_opts_t *o, size_t *bytes)
{
    (void)o;
    *bytes = sizeof(struct handle);
    return 0;
}

/* Locked. */
static int may_send(const struct remote *r)
{
    if (!(r->rights & KC_PEER_SEND))
        return -EACCES;
    if (r->dead || r->lane.out_refused)
        return -EPIPE;
    bool room = r->lane.out.next - 1 - r->lane.out.taken < r->nslots;
    return room && kci_credit_allows(&r->lane.out, r->lane.elem_bytes) ? 0 : -EAGAIN;
}

static int handle_offer(kc_chan_t *ch, const void *elem, void **grow)
{
    struct remote *r = behind(ch);

    (void)grow;
    kci_conn_lock(r->lane.conn);
    int rc = may_send(r);
    if (!rc) {
        uint64_t seq = kci_credit_spend(&r->lane.out, ch->elem_size);
        if (ch->elem_size)
            memcpy(out_slot(r, seq), elem, ch->elem_size);
        kci_lane_wake(&r->lane);
    }
    kci_conn_unlock(r->lane.conn);
    return rc;
}

/* Locked. */
static uint64_t staged(const struct remote *r)
{
    return r->dead || !(r->rights & KC_PEER_RECV) ? 0 : r->shown - r->lane.in.taken;
}

static int handle_take(kc_chan_t *ch, void *elem)
{
    struct remote *r = behind(ch);
    struct kci_lane *l = &r->lane;

    kci_conn_lock(l->conn);
    int rc = !(r->rights & KC_PEER_RECV) ? -EACCES : staged(r) ? 0 : -EAGAIN;
    if (!rc) {
        if (elem && ch->elem_size)
            memcpy(elem, kci_lane_in_slot(l, l->in.taken + 1), ch->elem_size);
        kci_lane_taken(l);
    }
    kci_conn_unlock(l->conn);
    return rc;
}

static size_t handle_room(const kc_chan_t *ch)
{
    struct remote *r = behind(ch);

    kci_conn_lock(r->lane.conn);
    size_t n = !may_send(r); // the next one; who serves senders asks again
    kci_conn_unlock(r->lane.conn);
    return n;
}

static size_t handle_len(const kc_chan_t *ch)
{
    struct remote *r = behind(ch);

    kci_conn_lock(r->lane.conn);
    size_t n = (size_t)staged(r);
    kci_conn_unlock(r->lane.conn);
    return n;
}

/* Items that nobody here took go back to their home with CLOSE, not to the hook. */
static void *handle_front(kc_chan_t *ch)
{
    (void)ch;
    return NULL;
}

static void handle_closed(kc_chan_t *ch)
{
    struct remote *r = behind(ch);
    int why = kc_chan_why(ch);

    kci_conn_lock(r->lane.conn);
    r->lane.in_closed = true;
    if (!r->quiet) {
        r->lane.fin_wanted = true;
        r->lane.fin_why = why > 0 ? 0 : why;
        kci_lane_wake(&r->lane);
    }
    kci_conn_unlock(r->lane.conn);
}

static void handle_destroy(kc_chan_t *ch)
{
    struct remote *r = behind(ch);
    struct kci_lane *l = &r->lane;

    kci_conn_lock(l->conn);
    r->ch = NULL;
    l->close_wanted = true; // while OPENING: sent once the answer is known
    kci_lane_wake(l);
    kci_conn_unlock(l->conn);
    kci_lane_unref(l);
}

static const struct kci_flavor flavor_remote = {
    .name = "remote",
    .size = handle_size,
    .offer = handle_offer,
    .take = handle_take,
    .room = handle_room,
    .len = handle_len,
    .front = handle_front,
    .closed = handle_closed,
    .destroy = handle_destroy,
};

const struct kci_lane *kci_remote_lane(const kc_chan_t *ch)
{
    return ch && ch->fl == &flavor_remote ? &behind(ch)->lane : NULL;
}

/* ---- reaching the handle from the connection ---- */

/* A reference, unless the last one is gone. */
static kc_chan_t *handle_ref(struct remote *r)
{
    kc_chan_t *ch;

    kci_conn_lock(r->lane.conn); // its destruction begins under this lock
    ch = r->ch;
    unsigned refs = ch ? ka_load(&ch->refs, relaxed) : 0; // relaxed: the exchange decides
    while (refs && !ka_cas(&ch->refs, &refs, refs + 1, relaxed, relaxed)) // relaxed: as above
        continue;
    kci_conn_unlock(r->lane.conn);
    return refs ? ch : NULL;
}

static void lock_both(struct remote *r, kc_chan_t *ch)
{
    kci_lock(&ch->lock);
    kci_conn_lock(r->lane.conn);
}

static void remote_news(struct kci_lane *l)
{
    struct remote *r = remote_of(l);
    kc_chan_t *ch = handle_ref(r);
    struct kci_list won;

    if (!ch)
        return;
    kci_list_init(&won);
    lock_both(r, ch);
    kci_lane_apply(l);
    r->shown = l->in.next - 1;
    kci_conn_unlock(l->conn);
    kci_chan_serve_receivers(ch, &won);
    kci_chan_serve_senders(ch, &won);
    kci_unlock(&ch->lock);
    kci_waiters_finish(&won, 0);
    kc_chan_unref(ch);
}

static void remote_fin(struct kci_lane *l, int why)
{
    struct remote *r = remote_of(l);
    kc_chan_t *ch = handle_ref(r);

    if (!ch)
        return;
    kci_conn_lock(l->conn);
    r->quiet = true;
    kci_conn_unlock(l->conn);
    kc_chan_close_why(ch, why);
    kc_chan_unref(ch);
}

/* Items (first, last] reach nobody, except perhaps those up to `sent`. Nothing else looks at
 * their slots any more. */
static void report(struct remote *r, kc_chan_t *ch, uint64_t first, uint64_t last,
                   uint64_t sent)
{
    kci_lock(&ch->lock);
    ch->undelivered += last - first;
    kci_unlock(&ch->lock);
    for (uint64_t seq = first + 1; seq <= last; seq++)
        kci_chan_undelivered(ch, r->slots ? out_slot(r, seq) : NULL,
                             KC_UNDELIV_LINK | (seq <= sent ? KC_UNDELIV_MAYBE : 0));
}

static void remote_reset(struct kci_lane *l, int why)
{
    struct remote *r = remote_of(l);
    kc_chan_t *ch = handle_ref(r);
    struct kci_list woken;

    if (!ch) {
        kci_conn_lock(l->conn);
        kci_lane_stop_output(l);
        kci_conn_unlock(l->conn);
        return;
    }
    kci_list_init(&woken);
    lock_both(r, ch);
    kci_lane_stop_output(l);
    uint64_t taken = l->out.taken, last = l->out.next - 1;
    bool receives = r->rights & KC_PEER_RECV;
    r->quiet = true;
    kci_conn_unlock(l->conn);
    if (receives) // what is left at home still comes; then FIN closes the handle
        kci_chan_claim_all(ch, &ch->senders, &woken);
    else // in the section that refuses, so that nobody finds it refused without the reason
        kci_chan_close_locked(ch, why, &woken);
    kci_unlock(&ch->lock);
    kci_waiters_finish(&woken, -EPIPE);
    report(r, ch, taken, last, 0);
    kc_chan_unref(ch);
}

/* Nothing can be sent or received through the handle from now on. */
static void kill_handle(struct remote *r, kc_chan_t *ch, int why)
{
    struct kci_list woken;

    kci_list_init(&woken);
    lock_both(r, ch);
    r->dead = r->quiet = true;
    kci_conn_unlock(r->lane.conn);
    kci_chan_close_locked(ch, why, &woken); // as in remote_reset
    kci_unlock(&ch->lock);
    kci_waiters_finish(&woken, -EPIPE);
}

static void fail_opening(struct remote *r, int why)
{
    struct kci_list won;

    kci_list_init(&won);
    kci_conn_lock(r->lane.conn);
    if (!r->has_answer) {
        r->has_answer = true;
        r->answer = why;
    }
    kci_gate_check(&r->answered, &won);
    kci_conn_unlock(r->lane.conn);
    kci_waiters_finish(&won, 0);
}

static void remote_lost(struct kci_lane *l, int why)
{
    struct remote *r = remote_of(l);
    kc_chan_t *ch = handle_ref(r);

    fail_opening(r, -EPIPE);
    if (ch)
        kill_handle(r, ch, why);
    kci_conn_lock(l->conn);
    bool open = !l->out_refused && l->out.taken + 1 < l->out.next;
    l->conn->unsettled |= open;
    kci_conn_unlock(l->conn);
    if (ch && open) // nobody else has the lane any more
        report(r, ch, l->out.taken, l->out.next - 1, l->out_sent);
    if (ch)
        kc_chan_unref(ch);
}

void kci_remote_leave(struct kci_lane *l, int why)
{
    struct remote *r = remote_of(l);
    kc_chan_t *ch = handle_ref(r);

    if (ch)
        kill_handle(r, ch, why);
    kci_conn_lock(l->conn);
    l->close_wanted = true;
    kci_lane_wake(l);
    kci_conn_unlock(l->conn);
    if (ch)
        kc_chan_unref(ch);
}

int kci_remote_closed(struct kci_lane *l, uint32_t seq)
{
    struct remote *r = remote_of(l);

    kci_conn_lock(l->conn);
    int rc = l->state == KCI_LANE_CLOSING ? 0 : -EPROTO;
    bool refused = l->out_refused;
    if (!rc && !refused)
        rc = kci_credit_settle(&l->out, seq, l->out_sent);
    if (!rc)
        kci_conn_remove(l->conn, l);
    uint64_t taken = l->out.taken, last = l->out.next - 1;
    kci_conn_unlock(l->conn);
    if (rc)
        return rc;
    kc_chan_t *ch = handle_ref(r);
    if (ch && !refused)
        report(r, ch, taken, last, 0);
    if (ch)
        kc_chan_unref(ch);
    kci_lane_unref(l); // the table's
    return 0;
}

static const void *remote_out_elem(struct kci_lane *l, uint64_t seq)
{
    struct remote *r = remote_of(l);
    return r->slots ? out_slot(r, seq) : NULL;
}

static void remote_destroy(struct kci_lane *l)
{
    struct remote *r = remote_of(l);

    kci_ipc_untrack(&r->tracked);
    kci_free(r->slots);
    kci_free(r);
}

static const struct kci_lane_ops remote_ops = {
    .news = remote_news,
    .fin = remote_fin,
    .reset = remote_reset,
    .lost = remote_lost,
    .out_elem = remote_out_elem,
    .destroy = remote_destroy,
};

/* ---- opening ---- */

size_t kci_remote_request(struct kci_lane *l, unsigned char *payload, uint32_t *req_id)
{
    struct remote *r = remote_of(l);

    *req_id = r->req_id;
    return kci_open_encode(&r->request, payload);
}

/* Locked. */
static int accept_answer(struct remote *r, const struct kci_opened *o)
{
    struct kci_lane *l = &r->lane;

    if (o->elem_bytes != l->elem_bytes || o->window_items > KCI_WINDOW_MOST)
        return -EPROTO;
    r->rights = o->rights;
    r->cap = o->cap;
    kci_credit_init(&l->out, o->window_items, o->window_bytes);
    l->state = KCI_LANE_OPEN;
    kci_lane_wake(l); // CLOSE, if the opener has given up
    return 0;
}

int kci_remote_answered(struct kci_lane *l, int rc, const struct kci_opened *opened)
{
    struct remote *r = remote_of(l);
    struct kc_ipc_conn *c = l->conn;
    struct kci_list won;
    int bad = 0;

    kci_list_init(&won);
    kci_conn_lock(c);
    kci_reqs_close(&c->reqs, r->req_id);
    if (opened)
        bad = accept_answer(r, opened);
    else
        kci_conn_remove(c, l);
    r->has_answer = true;
    r->answer = bad ? bad : rc;
    kci_gate_check(&r->answered, &won);
    kci_conn_unlock(c);
    kci_waiters_finish(&won, 0);
    if (!opened)
        kci_lane_unref(l); // the table's
    return bad;
}

static int has_answer(struct kci_gate *g)
{
    struct remote *r = KCI_OF(g, struct remote, answered);
    return r->has_answer ? r->answer : -EAGAIN;
}

static int slots_for(unsigned char **out, uint64_t items, uint32_t elem_bytes)
{
    *out = items && elem_bytes ? kci_alloc(items * elem_bytes) : NULL;
    return items && elem_bytes && !*out ? -ENOMEM : 0;
}

static void fill_in(struct remote *r, const char *name, const kc_ipc_chan_spec_t *spec)
{
    struct kci_lane *l = &r->lane;
    uint64_t cost = kci_item_cost(l->elem_bytes);
    uint32_t wish = kci_window_fit(spec->window ? spec->window : l->conn->window, l->elem_bytes,
                                   kci_window_bytes(spec->window, l->elem_bytes));

    kci_grant_init(&l->in, wish, wish * cost);
    strcpy(r->name, name);
    r->request = (struct kci_open){
        .elem_bytes = l->elem_bytes,
        .rights = spec->dir,
        .window_items = wish,
        .window_bytes = (uint32_t)(wish * cost),
        .wish_items = spec->window,
        .name = r->name,
        .name_bytes = (uint32_t)strlen(name),
    };
}

/* A handle and its lane, both unknown to the connection. */
static int create(struct kc_ipc_conn *c, const char *name, const kc_ipc_chan_spec_t *spec,
                  kc_chan_t **out)
{
    struct remote *r = kci_zalloc(sizeof *r);
    kc_chan_opts_t opts = { .elem_size = spec->elem_size,
                            .on_undelivered = spec->on_undelivered,
                            .arg = spec->arg };

    if (!r)
        return -ENOMEM;
    kci_lane_init(&r->lane, c, &remote_ops, (uint32_t)spec->elem_size);
    kci_gate_init(&r->answered, &c->lock, has_answer);
    kci_ipc_track(&r->tracked);
    fill_in(r, name, spec);
    int rc = slots_for(&r->lane.in_slots, r->lane.in.items, r->lane.elem_bytes);
    if (!rc)
        rc = kci_chan_create(out, &opts, &flavor_remote);
    if (rc) {
        kci_lane_unref(&r->lane);
        return rc;
    }
    ((struct handle *)*out)->r = r;
    (*out)->caps |= KC_CHAN_REMOTE;
    r->ch = *out;
    return 0;
}

static int request(struct remote *r)
{
    struct kci_lane *l = &r->lane;
    struct kc_ipc_conn *c = l->conn;

    kci_conn_lock(c);
    int rc = c->state == KCI_CONN_UP ? 0 : -EPIPE;
    if (!rc && l->elem_bytes > c->peer.max_item)
        rc = -EMSGSIZE;
    if (!rc)
        rc = kci_reqs_open(&c->reqs, l, &r->req_id);
    if (!rc && (rc = kci_conn_add_mine(c, l)))
        kci_reqs_close(&c->reqs, r->req_id);
    if (!rc)
        kci_lane_want(l, KCI_WANT_OPEN);
    kci_conn_unlock(c);
    return rc;
}

/* Before the handle is given out: room for what it may send. */
static int finish(struct remote *r, kc_chan_t *ch)
{
    struct kci_lane *l = &r->lane;

    ch->cap = (long)r->cap;
    if (!(r->rights & KC_PEER_SEND) || !l->out.items)
        return 0;
    uint32_t n = kci_window_fit((uint32_t)l->out.items, l->elem_bytes,
                                kci_window_bytes(true, l->elem_bytes));
    int rc = slots_for(&r->slots, n, l->elem_bytes);
    kci_conn_lock(l->conn);
    r->nslots = rc ? 0 : n;
    kci_conn_unlock(l->conn);
    return rc;
}

int kci_remote_open(struct kc_ipc_conn *c, const char *name, const kc_ipc_chan_spec_t *spec,
                    kc_chan_t **out, kc_deadline_t dl)
{
    kc_chan_t *ch;
    int rc = create(c, name, spec, &ch);

    if (rc)
        return rc;
    struct remote *r = behind(ch);
    rc = request(r);
    if (!rc)
        rc = kci_gate_wait(&r->answered, dl);
    if (!rc)
        rc = finish(r, ch);
    if (rc)
        kc_chan_unref(ch);
    else
        *out = ch;
    return rc;
}
