/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * lab/sim/meet.c — simulated connections: how they begin and end.
 *
 * Connecting makes the whole connection at once and puts it before the listening point, which
 * learns of it when the first packet would arrive. Until it is accepted the connector may send
 * already.
 *
 * A connection is freed by who closes its second end; whoever looks at it in between without
 * being an end counts as one (`open`).
 */
#include <string.h>

#include "core/mem.h"
#include "lab/sim/sim.h"

static kc_link_t *link_of(struct kci_sim_end *e)
{
    return (kc_link_t *)(void *)e;
}

/* ---- listening ---- */

/* Locked. */
static struct kci_sim_end *find(struct kc_sim *sim, const char *name, bool frames)
{
    KCI_EACH(it, &sim->listening) {
        struct kci_sim_end *e = KCI_OF(it, struct kci_sim_end, node);
        if (e->frames == frames && !strcmp(e->name, name))
            return e;
    }
    return NULL;
}

static int sim_listen(const char *addr, bool frames, kc_link_t **out)
{
    struct kc_sim *sim = kci_sim_here();
    size_t n = strlen(addr) + 1;

    if (n == 1 || strchr(addr, '>'))
        return -EINVAL;
    if (!sim)
        return -ENETDOWN;
    struct kci_sim_end *e = kci_zalloc(sizeof *e + n);
    if (!e)
        return -ENOMEM;
    e->sim = kci_sim_ref(sim);
    e->frames = frames;
    e->name = memcpy(e + 1, addr, n);
    kci_lock(&sim->lock);
    bool taken = find(sim, addr, frames);
    if (!taken)
        kci_list_push(&sim->listening, &e->node);
    kci_unlock(&sim->lock);
    if (taken) {
        kci_sim_unref(sim);
        kci_free(e);
        return -EADDRINUSE;
    }
    *out = link_of(e);
    return 0;
}

int kci_sim_listen_stream(const char *addr, void *env, kc_link_t **out)
{
    (void)env;
    return sim_listen(addr, false, out);
}

int kci_sim_listen_frames(const char *addr, void *env, kc_link_t **out)
{
    (void)env;
    return sim_listen(addr, true, out);
}

/* A connection that has arrived. Locked. */
static struct kci_sim_conn *arrived(struct kci_sim_end *e)
{
    int64_t now = kci_sim_now(e->sim);

    KCI_EACH(it, &e->sim->conns) {
        struct kci_sim_conn *c = KCI_OF(it, struct kci_sim_conn, node);
        if (c->listening == e && !c->way[0].cut && c->way[0].open_at <= now &&
            c->way[0].quiet_until <= now)
            return c;
    }
    return NULL;
}

/* The next one from id *after on that has knocked, but cannot be accepted at the moment: it is
 * to knock again. */
static struct kci_sim_conn *unheard(struct kci_sim_end *e, unsigned *after)
{
    struct kci_sim_conn *found = NULL;

    kci_lock(&e->sim->lock);
    KCI_EACH(it, &e->sim->conns) {
        struct kci_sim_conn *c = KCI_OF(it, struct kci_sim_conn, node);
        if (found || c->id < *after || c->listening != e || c->way[0].reader_waits)
            continue;
        *after = c->id + 1;
        c->way[0].reader_waits = true;
        c->open++;
        found = c;
    }
    kci_unlock(&e->sim->lock);
    return found;
}

static void listen_on(struct kci_sim_end *e)
{
    struct kci_sim_conn *c;
    unsigned after = 0;

    while ((c = unheard(e, &after))) {
        kci_sim_way_stir(&c->way[0]);
        kci_sim_let_go(c, 1);
    }
}

int kci_sim_accept(kc_link_t *listening, kc_link_t **out)
{
    struct kci_sim_end *e = kci_sim_end_of(listening);

    kci_lock(&e->sim->lock);
    struct kci_sim_conn *c = arrived(e);
    if (c) {
        c->listening = NULL;
        c->way[0].reader_waits = false;
        kci_sim_note(&c->way[0], KCI_SIM_ACCEPT, 0);
    }
    kci_unlock(&e->sim->lock);
    if (!c) {
        listen_on(e);
        return -EAGAIN;
    }
    *out = link_of(&c->end[1]);
    return 0;
}

/* ---- connecting ---- */

static struct kci_sim_conn *make_conn(struct kc_sim *sim, const char *from, size_t from_bytes,
                                      const char *to)
{
    size_t n = strlen(to) + 1;
    struct kci_sim_conn *c = kci_zalloc(sizeof *c + from_bytes + 1 + n);

    if (!c)
        return NULL;
    c->sim = kci_sim_ref(sim);
    c->from = memcpy(c + 1, from, from_bytes);
    c->to = memcpy(c->from + from_bytes + 1, to, n);
    c->open = 2;
    for (int i = 0; i < 2; i++) {
        c->end[i].sim = sim;
        c->end[i].conn = c;
        kci_sim_way_init(&c->way[i], c);
    }
    return c;
}

/* Knock: true if somebody listens. */
static bool knock(struct kci_sim_conn *c)
{
    struct kc_sim *sim = c->sim;

    kci_lock(&sim->lock);
    kci_sim_apply(&c->way[0]);
    kci_sim_apply(&c->way[1]);
    kc_sim_link_t how = c->way[0].how;
    kci_unlock(&sim->lock);
    int64_t delay = kci_sim_delay(sim, &how);
    kci_lock(&sim->lock);
    c->listening = find(sim, c->to, c->frames);
    bool heard = c->listening;
    if (heard) {
        c->id = (unsigned)sim->stats.connects;
        c->way[0].open_at = kci_sim_now(sim) + delay;
        c->way[0].reader_waits = true;
        kci_list_push(&sim->conns, &c->node);
        kci_sim_note(&c->way[0], KCI_SIM_CONNECT, 0);
    }
    kci_unlock(&sim->lock);
    return heard;
}

static int sim_connect(const char *addr, bool frames, kc_link_t **out)
{
    struct kc_sim *sim = kci_sim_here();
    const char *arrow = strchr(addr, '>'), *to = arrow ? arrow + 1 : addr;

    if (!*to || strchr(to, '>'))
        return -EINVAL;
    if (!sim)
        return -ENETDOWN;
    struct kci_sim_conn *c = make_conn(sim, addr, arrow ? (size_t)(arrow - addr) : 0, to);
    if (!c)
        return -ENOMEM;
    c->frames = frames;
    kci_list_init(&c->node);
    if (!knock(c)) {
        kci_sim_let_go(c, 2);
        return -ENOENT;
    }
    kci_sim_way_stir(&c->way[0]);
    *out = link_of(&c->end[0]);
    return 0;
}

int kci_sim_connect_stream(const char *addr, void *env, kc_link_t **out)
{
    (void)env;
    return sim_connect(addr, false, out);
}

int kci_sim_connect_frames(const char *addr, void *env, kc_link_t **out)
{
    (void)env;
    return sim_connect(addr, true, out);
}

/* ---- the end ---- */

void kci_sim_break(struct kci_sim_conn *c)
{
    c->reset = true;
    kci_sim_note(&c->way[0], KCI_SIM_RESET, 0);
    for (int i = 0; i < 2; i++)
        kci_sim_kick(&c->end[i], KC_RD | KC_WR);
}

void kci_sim_let_go(struct kci_sim_conn *c, unsigned n)
{
    struct kc_sim *sim = c->sim;
    struct kci_list left;

    kci_list_init(&left);
    kci_lock(&sim->lock);
    bool last = !(c->open -= n);
    if (last)
        kci_list_remove(&c->node);
    kci_unlock(&sim->lock);
    if (!last)
        return;
    for (int i = 0; i < 2; i++) {
        kci_sim_way_still(&c->way[i]);
        kci_sim_way_drain(&c->way[i], &left);
    }
    kci_sim_free_pieces(&left);
    kci_free(c);
    kci_sim_unref(sim);
}

static void close_end(struct kci_sim_end *e)
{
    struct kc_sim *sim = e->sim;
    struct kci_sim_way *out = kci_sim_outward(e);
    struct kci_list unread;

    kci_lock(&sim->lock);
    kc_sim_link_t how = out->how;
    kci_unlock(&sim->lock);
    int64_t delay = kci_sim_delay(sim, &how);
    kci_list_init(&unread);
    kci_lock(&sim->lock);
    e->closed = true;
    e->kick = NULL;
    kci_sim_note(out, KCI_SIM_CLOSE, 0);
    kci_sim_way_finish(out, delay);
    kci_sim_way_drain(kci_sim_inward(e), &unread);
    kci_sim_inward(e)->reader_waits = false;
    kci_unlock(&sim->lock);
    kci_sim_free_pieces(&unread);
    kci_sim_way_stir(out);
    kci_sim_let_go(e->conn, 1);
}

/* One that waits before a listening point that closes; NULL. */
static struct kci_sim_conn *refuse_one(struct kci_sim_end *e)
{
    struct kci_sim_conn *found = NULL;

    kci_lock(&e->sim->lock);
    KCI_EACH(it, &e->sim->conns) {
        struct kci_sim_conn *c = KCI_OF(it, struct kci_sim_conn, node);
        if (c->listening != e || found)
            continue;
        c->listening = NULL;
        kci_sim_break(c);
        found = c;
    }
    kci_unlock(&e->sim->lock);
    return found;
}

static void close_listening(struct kci_sim_end *e)
{
    struct kci_sim_conn *c;

    kci_lock(&e->sim->lock);
    kci_list_remove(&e->node);
    e->kick = NULL;
    kci_unlock(&e->sim->lock);
    while ((c = refuse_one(e)))
        kci_sim_let_go(c, 1); // the acceptor's end, which nobody ever held
    kci_sim_unref(e->sim);
    kci_free(e);
}

void kci_sim_close(kc_link_t *l)
{
    struct kci_sim_end *e = kci_sim_end_of(l);

    if (e->conn)
        close_end(e);
    else
        close_listening(e);
}
