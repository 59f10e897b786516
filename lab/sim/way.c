/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * lab/sim/way.c — one direction of a simulated connection: pieces under way, and when they
 * arrive.
 *
 *     send → [ waits for the line: bytes_per_s ] → [ latency, jitter ] → arrived → read
 *            '------------------- held: at most buffer_bytes ------------------'
 *
 * When a piece arrives is settled when it is sent. A piece has arrived once the clock says so;
 * nothing has to happen at that moment unless somebody waits. So there is one timer for each
 * direction, armed only then, for the moment at which whoever waits could go on.
 *
 * Invariants  pieces are in the order of `at`; a stream's in the order they were sent as well
 *             the reader was told -EAGAIN ⇒ reader_waits, and unless nothing can come by itself
 *             the timer is armed for when something does (kci_sim_way_stir sees to it)
 */
#include "lab/sim/sim.h"

#include "core/mem.h"

#define RESEND_NS KC_MS(200)

static int64_t later(int64_t a, int64_t b)
{
    return a > b ? a : b;
}

struct kci_sim_end *kci_sim_reader(struct kci_sim_way *way)
{
    return &way->conn->end[way == &way->conn->way[0]];
}

struct kci_sim_end *kci_sim_writer(struct kci_sim_way *way)
{
    return &way->conn->end[way != &way->conn->way[0]];
}

void kci_sim_kick(struct kci_sim_end *e, unsigned ev)
{
    if (e->kick)
        e->kick(e->arg, ev);
}

/* ---- what there is to read ---- */

static bool is_stopped(const struct kci_sim_way *way, int64_t now)
{
    return way->cut || way->deaf || now < way->quiet_until;
}

struct kci_sim_piece *kci_sim_way_front(struct kci_sim_way *way, int64_t now)
{
    if (is_stopped(way, now) || kci_list_empty(&way->pieces))
        return NULL;
    struct kci_sim_piece *p = KCI_OF(way->pieces.next, struct kci_sim_piece, node);
    return p->at <= now ? p : NULL;
}

bool kci_sim_way_ended(const struct kci_sim_way *way, int64_t now)
{
    return kci_list_empty(&way->pieces) && way->fin_at <= now && !is_stopped(way, now);
}

/* The moment from which there is something for the reader; INT64_MAX: not by itself. */
static int64_t next_news(const struct kci_sim_way *way)
{
    int64_t at = way->fin_at;

    if (way->cut || way->deaf)
        return INT64_MAX;
    if (way->conn->listening && way == &way->conn->way[0])
        at = way->open_at;
    else if (!kci_list_empty(&way->pieces))
        at = KCI_OF(way->pieces.next, struct kci_sim_piece, node)->at;
    return at == INT64_MAX ? at : later(at, way->quiet_until);
}

static struct kci_sim_way *opposite(const struct kci_sim_way *way)
{
    return &way->conn->way[way == &way->conn->way[0]];
}

/* The moment from which whoever waits in vain to send to a peer that has left learns that. */
static int64_t farewell(const struct kci_sim_way *way)
{
    bool waits = opposite(way)->writer_waits && !way->cut && !way->deaf;
    return waits && way->fin_at != INT64_MAX ? later(way->fin_at, way->quiet_until) : INT64_MAX;
}

/* When somebody should be told something; INT64_MAX: never, as it looks. */
static int64_t next_word(const struct kci_sim_way *way)
{
    int64_t news = way->reader_waits ? next_news(way) : INT64_MAX, end = farewell(way);
    return news < end ? news : end;
}

/* Tell those who wait: the reader, or the listener of a connection that is still to be
 * accepted; and the same end's sender. */
static void tell(struct kci_sim_way *way, int64_t now)
{
    struct kci_sim_conn *c = way->conn;
    bool knocks = c->listening && way == &c->way[0];

    if (farewell(way) <= now) {
        opposite(way)->writer_waits = false;
        kci_sim_kick(kci_sim_reader(way), KC_WR);
    }
    if (way->reader_waits && next_news(way) <= now) {
        way->reader_waits = false;
        kci_sim_kick(knocks ? c->listening : kci_sim_reader(way), KC_RD);
    }
}

/* ---- sending ---- */

size_t kci_sim_way_room(const struct kci_sim_way *way)
{
    size_t cap = way->how.buffer_bytes ? way->how.buffer_bytes : KCI_SIM_BUFFER;
    return way->held < cap ? cap - way->held : 0;
}

/* When the last of so many bytes has left. */
static int64_t leave(struct kci_sim_way *way, size_t bytes, int64_t now)
{
    int64_t at = later(now, way->leave_at);

    if (way->how.bytes_per_s)
        at += (int64_t)(bytes * (uint64_t)KC_S(1) / way->how.bytes_per_s);
    way->leave_at = at;
    return at;
}

static void insert(struct kci_sim_way *way, struct kci_sim_piece *p)
{
    struct kci_list *before = way->pieces.prev;

    while (before != &way->pieces && KCI_OF(before, struct kci_sim_piece, node)->at > p->at)
        before = before->prev;
    kci_list_push(before->next, &p->node); // in front of what arrives later
    way->held += p->bytes;
}

static int64_t reorder_by(const kc_sim_link_t *how)
{
    return how->reorder_ns ? how->reorder_ns : 2 * (how->latency_ns + how->jitter_ns);
}

static int64_t arrival(struct kci_sim_way *way, const struct kci_sim_piece *p,
                       const struct kci_sim_fate *fate, int64_t now)
{
    int64_t at = leave(way, p->bytes, now) + fate->delay_ns;

    if (fate->drop && !way->conn->frames) {
        at += way->how.resend_ns ? way->how.resend_ns : RESEND_NS;
        kci_sim_note(way, KCI_SIM_DROP, p->bytes);
    }
    at = later(at, way->last_at);
    if (fate->reorder) {
        kci_sim_note(way, KCI_SIM_REORDER, p->bytes);
        return at + reorder_by(&way->how); // and the others do not wait for it
    }
    return way->last_at = at;
}

bool kci_sim_way_put(struct kci_sim_way *way, struct kci_sim_piece *p,
                     const struct kci_sim_fate *fate)
{
    int64_t now = kci_sim_now(way->conn->sim);
    bool frames = way->conn->frames;

    kci_sim_note(way, KCI_SIM_SEND, p->bytes);
    if (frames && fate->drop)
        kci_sim_note(way, KCI_SIM_DROP, p->bytes);
    if (way->mute || way->deaf || kci_sim_reader(way)->closed ||
        (frames && (fate->drop || way->cut))) {
        kci_sim_note(way, KCI_SIM_SWALLOW, p->bytes);
        way->held += way->deaf ? p->bytes : 0; // nobody will ever confirm it
        return false;
    }
    p->at = arrival(way, p, fate, now);
    insert(way, p);
    tell(way, now);
    return true;
}

void kci_sim_way_finish(struct kci_sim_way *way, int64_t delay_ns)
{
    int64_t now = kci_sim_now(way->conn->sim);

    if (way->mute)
        return;
    way->fin_at = later(later(now, way->leave_at) + delay_ns, way->last_at);
    tell(way, now);
}

/* ---- reading ---- */

void kci_sim_way_took(struct kci_sim_way *way, size_t bytes, int64_t now)
{
    kci_sim_note(way, KCI_SIM_READ, bytes);
    way->held -= bytes;
    if (way->how.read_pause_ns)
        way->quiet_until = now + way->how.read_pause_ns;
    if (way->writer_waits) {
        way->writer_waits = false;
        kci_sim_kick(kci_sim_writer(way), KC_WR);
    }
}

/* ---- the timer ---- */

static int64_t on_time(struct kci_timer *t)
{
    struct kci_sim_way *way = KCI_OF(t, struct kci_sim_way, timer);
    struct kc_sim *sim = way->conn->sim;

    kci_lock(&sim->lock);
    tell(way, kci_sim_now(sim));
    int64_t next = way->timer_at = next_word(way);
    kci_unlock(&sim->lock);
    return next == INT64_MAX ? 0 : next;
}

void kci_sim_way_stir(struct kci_sim_way *way)
{
    struct kc_sim *sim = way->conn->sim;

    kci_lock(&sim->lock);
    tell(way, kci_sim_now(sim));
    bool due = next_word(way) < way->timer_at;
    kci_unlock(&sim->lock);
    if (!due)
        return;
    kci_lock(&way->timer_lock);
    kci_timer_disarm(sim->timers, &way->timer);
    kci_lock(&sim->lock);
    int64_t at = way->timer_at = next_word(way);
    kci_unlock(&sim->lock);
    if (at != INT64_MAX)
        kci_timer_arm(sim->timers, &way->timer, at);
    kci_unlock(&way->timer_lock);
}

void kci_sim_way_still(struct kci_sim_way *way)
{
    kci_lock(&way->timer_lock);
    kci_timer_disarm(way->conn->sim->timers, &way->timer);
    kci_unlock(&way->timer_lock);
}

/* ---- life ---- */

void kci_sim_way_init(struct kci_sim_way *way, struct kci_sim_conn *conn)
{
    way->conn = conn;
    way->fin_at = way->timer_at = INT64_MAX;
    way->timer.fn = on_time;
    kci_list_init(&way->pieces);
}

void kci_sim_way_drain(struct kci_sim_way *way, struct kci_list *out)
{
    while (!kci_list_empty(&way->pieces))
        kci_list_push(out, kci_list_pop(&way->pieces));
}

void kci_sim_free_pieces(struct kci_list *pieces)
{
    while (!kci_list_empty(pieces))
        kci_free(KCI_OF(kci_list_pop(pieces), struct kci_sim_piece, node));
}
