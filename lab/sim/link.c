/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * lab/sim/link.c — "sim:" and "simframes:", the transports of a simulated network.
 *
 * Each call decides its fate first, with no lock held, and then acts under the world's.
 */
#include <string.h>
#include <stdint.h>
#include <sys/uio.h>

#include "core/mem.h"
#include "lab/sim/sim.h"

enum { PACKET = 1460 };

/* ---- sending ---- */

static size_t length(const struct iovec *iov, int n)
{
    size_t bytes = 0;

    for (int i = 0; i < n; i++)
        bytes += iov[i].iov_len;
    return bytes;
}

/* 0 and how many bytes may be sent, and how the link behaves; -EAGAIN, or why it is over. */
static int may_send(struct kci_sim_end *e, size_t bytes, size_t *room, kc_sim_link_t *how)
{
    struct kci_sim_way *way = kci_sim_outward(e);
    int rc = 0;

    kci_lock(&e->sim->lock);
    *room = kci_sim_way_room(way);
    *how = way->how;
    if (e->conn->reset)
        rc = -ECONNRESET;
    else if (kci_sim_inward(e)->fin_at <= kci_sim_now(e->sim) && !kci_sim_inward(e)->cut &&
             !kci_sim_inward(e)->deaf)
        rc = -EPIPE;
    else if (!*room || (e->conn->frames && *room < bytes && way->held))
        rc = -EAGAIN;
    if (rc == -EAGAIN) {
        way->writer_waits = true;
        e->sim->stats.full++;
    }
    kci_unlock(&e->sim->lock);
    if (rc == -EAGAIN)
        kci_sim_way_stir(kci_sim_inward(e)); // by which the peer's farewell comes
    return rc;
}

static struct kci_sim_piece *piece_of(const struct iovec *iov, size_t bytes)
{
    struct kci_sim_piece *p = kci_alloc(sizeof *p + bytes);

    if (!p)
        return NULL;
    p->bytes = bytes;
    p->read = 0;
    for (size_t at = 0; at < bytes; iov++) {
        size_t n = iov->iov_len < bytes - at ? iov->iov_len : bytes - at;
        memcpy(p->mem + at, iov->iov_base, n);
        at += n;
    }
    return p;
}

/* Send p, and once more if that is its fate. */
static int dispatch(struct kci_sim_end *e, struct kci_sim_piece *p, struct kci_sim_piece *twin,
                    const struct kci_sim_fate *fate)
{
    struct kci_sim_way *way = kci_sim_outward(e);
    struct kci_sim_fate again = { .delay_ns = fate->dup_delay_ns };

    kci_lock(&e->sim->lock);
    if (fate->reset && !e->conn->reset)
        kci_sim_break(e->conn);
    int rc = e->conn->reset ? -ECONNRESET : 0;
    if (!rc && kci_sim_way_put(way, p, fate))
        p = NULL;
    if (!rc && twin) {
        kci_sim_note(way, KCI_SIM_DUP, twin->bytes);
        if (kci_sim_way_put(way, twin, &again))
            twin = NULL;
    }
    kci_unlock(&e->sim->lock);
    kci_free(p);
    kci_free(twin);
    if (!rc)
        kci_sim_way_stir(way);
    return rc;
}

static size_t least(size_t a, size_t b)
{
    return a < b ? a : b;
}

/* A piece arrives as a whole. Where the line takes its time, that must not be long: what passes
 * in a millisecond, or a packet. */
static size_t stretch(const kc_sim_link_t *how)
{
    uint64_t n = how->bytes_per_s / 1000;
    return !how->bytes_per_s ? SIZE_MAX : n > PACKET ? (size_t)n : PACKET;
}

static ssize_t stream_send(kc_link_t *l, const struct iovec *iov, int n)
{
    struct kci_sim_end *e = kci_sim_end_of(l);
    size_t bytes = length(iov, n), room;
    kc_sim_link_t how;
    int rc = may_send(e, bytes, &room, &how);

    if (rc)
        return rc;
    bytes = least(bytes, least(room, stretch(&how)));
    struct kci_sim_fate fate = kci_sim_fate(e->sim, &how, bytes, false);
    if (fate.most < bytes) {
        kci_lock(&e->sim->lock);
        e->sim->stats.shorts++;
        kci_unlock(&e->sim->lock);
    }
    struct kci_sim_piece *p = piece_of(iov, fate.most);
    rc = p ? dispatch(e, p, NULL, &fate) : -ENOMEM;
    return rc ? rc : (ssize_t)fate.most;
}

static int frames_send(kc_link_t *l, const struct iovec *iov, int n)
{
    struct kci_sim_end *e = kci_sim_end_of(l);
    struct kci_sim_piece *p, *twin = NULL;
    size_t bytes = length(iov, n), room;
    kc_sim_link_t how;
    int rc = may_send(e, bytes, &room, &how);

    if (rc)
        return rc;
    struct kci_sim_fate fate = kci_sim_fate(e->sim, &how, bytes, true);
    if (!(p = piece_of(iov, bytes)) || (fate.dup && !(twin = piece_of(iov, bytes)))) {
        kci_free(p);
        return -ENOMEM;
    }
    return dispatch(e, p, twin, &fate);
}

/* ---- receiving ---- */

/* There is nothing: why? The reader wants to be told when there is. Locked. */
static int nothing(struct kci_sim_way *way, int64_t now)
{
    if (kci_sim_way_ended(way, now))
        return -ECONNRESET;
    way->reader_waits = true;
    return -EAGAIN;
}

/* Copy out what has arrived, at most n bytes; pieces that are used up go to `used`. Locked. */
static size_t copy_arrived(struct kci_sim_way *way, unsigned char *to, size_t n, int64_t now,
                           struct kci_list *used)
{
    struct kci_sim_piece *p;
    size_t done = 0;

    while (done < n && (p = kci_sim_way_front(way, now))) {
        size_t some = p->bytes - p->read < n - done ? p->bytes - p->read : n - done;
        memcpy(to + done, p->mem + p->read, some);
        p->read += some;
        done += some;
        if (p->read < p->bytes)
            break;
        kci_list_remove(&p->node);
        kci_list_push(used, &p->node);
    }
    return done;
}

static ssize_t stream_recv(kc_link_t *l, void *buf, size_t n)
{
    struct kci_sim_end *e = kci_sim_end_of(l);
    struct kci_sim_way *way = kci_sim_inward(e);
    struct kci_list used;

    kci_lock(&e->sim->lock);
    kc_sim_link_t how = way->how;
    kci_unlock(&e->sim->lock);
    size_t most = kci_sim_portion(e->sim, &how, n);
    kci_list_init(&used);
    kci_lock(&e->sim->lock);
    int64_t now = kci_sim_now(e->sim);
    size_t got = e->conn->reset ? 0 : copy_arrived(way, buf, most, now, &used);
    ssize_t rc = (ssize_t)got;
    if (e->conn->reset)
        rc = -ECONNRESET;
    else if (got)
        kci_sim_way_took(way, got, now);
    else
        rc = nothing(way, now);
    kci_unlock(&e->sim->lock);
    kci_sim_free_pieces(&used);
    if (rc == -EAGAIN)
        kci_sim_way_stir(way);
    return rc;
}

static int frames_recv(kc_link_t *l, void **frame, size_t *len)
{
    struct kci_sim_end *e = kci_sim_end_of(l);
    struct kci_sim_way *way = kci_sim_inward(e);

    kci_lock(&e->sim->lock);
    int64_t now = kci_sim_now(e->sim);
    struct kci_sim_piece *p = e->conn->reset ? NULL : kci_sim_way_front(way, now);
    int rc = e->conn->reset ? -ECONNRESET : p ? 0 : nothing(way, now);
    if (p) {
        kci_list_remove(&p->node);
        *frame = p->mem;
        *len = p->bytes;
        kci_sim_way_took(way, p->bytes, now);
    }
    kci_unlock(&e->sim->lock);
    if (rc == -EAGAIN)
        kci_sim_way_stir(way);
    return rc;
}

static void frames_free(kc_link_t *l, void *frame)
{
    (void)l;
    kci_free(KCI_OF(frame, struct kci_sim_piece, mem));
}

/* ---- the transports ---- */

static void sim_interrupt(kc_link_t *l)
{
    struct kci_sim_end *e = kci_sim_end_of(l);

    kci_lock(&e->sim->lock);
    if (e->conn && !e->conn->reset)
        kci_sim_break(e->conn);
    kci_unlock(&e->sim->lock);
}

static void sim_set_kick(kc_link_t *l, void (*kick)(void *, unsigned), void *arg)
{
    struct kci_sim_end *e = kci_sim_end_of(l);

    kci_lock(&e->sim->lock);
    e->kick = kick;
    e->arg = arg;
    if (e->conn && e->conn->reset)
        kci_sim_kick(e, KC_RD | KC_WR);
    kci_unlock(&e->sim->lock);
}

const kc_transport_ops_t kci_transport_sim = {
    .abi = 1,
    .scheme = "sim",
    .caps = KC_LINK_INSIDE,
    .connect = kci_sim_connect_stream,
    .listen = kci_sim_listen_stream,
    .accept = kci_sim_accept,
    .close = kci_sim_close,
    .send_frames = stream_send,
    .recv_bytes = stream_recv,
    .interrupt = sim_interrupt,
    .set_kick = sim_set_kick,
};

const kc_transport_ops_t kci_transport_simframes = {
    .abi = 1,
    .scheme = "simframes",
    .caps = KC_LINK_INSIDE,
    .connect = kci_sim_connect_frames,
    .listen = kci_sim_listen_frames,
    .accept = kci_sim_accept,
    .send_frame = frames_send,
    .recv_frame = frames_recv,
    .free_frame = frames_free,
    .close = kci_sim_close,
    .interrupt = sim_interrupt,
    .set_kick = sim_set_kick,
};
