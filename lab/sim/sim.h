/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * lab/sim/sim.h — a simulated network: world, connections, their two directions.
 *
 *     world ── conns ── conn ── end[0] the connector's   way[0] connector → acceptor
 *           └─ listening        end[1] the acceptor's    way[1] acceptor → connector
 *
 * Locks   sim->lock guards everything that is not fixed. Held while kicking, which takes a leaf
 *         below it; not while drawing, allocating, or touching timers. way->timer_lock is
 *         outside sim->lock.
 */
#ifndef LAB_SIM_SIM_H
#define LAB_SIM_SIM_H

#include <kcoro/sim.h>
#include <kcoro/transport.h>

#include "core/list.h"
#include "core/lock.h"
#include "sched/sched.h"
#include "sched/timer.h"

enum { KCI_SIM_BUFFER = 256 << 10 };

/* What is written into the trace. */
enum kci_sim_event {
    KCI_SIM_CONNECT = 1,
    KCI_SIM_ACCEPT,
    KCI_SIM_SEND,
    KCI_SIM_READ,
    KCI_SIM_DROP,
    KCI_SIM_DUP,
    KCI_SIM_REORDER,
    KCI_SIM_RESET,
    KCI_SIM_CLOSE,
    KCI_SIM_SWALLOW
};

/* Bytes that were sent with one call. */
struct kci_sim_piece {
    struct kci_list node; /* way->pieces */
    int64_t at;           /* arrives */
    size_t bytes, read;
    unsigned char mem[];
};

/* One end of a connection, or a listening point: what the transport's users hold. */
struct kci_sim_end {
    struct kc_sim *sim;             /* fixed */
    struct kci_sim_conn *conn;      /* fixed; NULL: listening */
    void (*kick)(void *, unsigned); /* lock, like its argument; NULL: nobody to tell (yet) */
    void *arg;
    bool closed;
    /* listening */
    struct kci_list node; /* sim->listening */
    bool frames;          /* fixed */
    char *name;           /* fixed */
};

/* One direction. */
struct kci_sim_way {
    struct kci_sim_conn *conn; /* fixed */
    kc_sim_link_t how;
    struct kci_list pieces;          /* by `at` */
    size_t held;                     /* bytes sent and not read */
    int64_t leave_at;                /* when the line is free again */
    int64_t last_at;                 /* when the last piece arrives */
    int64_t quiet_until;             /* nothing is given out before */
    int64_t open_at;                 /* way[0]: when the listener learns of the connection */
    int64_t fin_at;                  /* when the reader learns of the end; INT64_MAX: never */
    bool cut, mute, deaf;            /* partition; sender, reader have vanished */
    bool reader_waits, writer_waits; /* were told -EAGAIN, and want to be kicked */
    struct kci_lock timer_lock;
    struct kci_timer timer; /* timer_lock; kicks the reader */
    int64_t timer_at;       /* sim->lock: INT64_MAX: not armed, or about to be */
};

struct kci_sim_conn {
    struct kci_list node; /* sim->conns */
    struct kc_sim *sim;
    unsigned id; /* fixed, like the next three */
    bool frames;
    char *from, *to; /* who connected to whom */
    struct kci_sim_end end[2];
    struct kci_sim_way way[2];
    struct kci_sim_end
        *listening; /* where it waits to be accepted; NULL: it was, or never will */
    unsigned open;  /* ends that are not closed */
    bool reset;
};

struct kc_sim {
    struct kc_rt *rt;          /* fixed */
    struct kci_timers *timers; /* fixed; a reference */
    int64_t born_ns;           /* fixed */
    _Atomic(unsigned) refs; /* the runtime's, and one for each connection and listening point */
    _Atomic(uint64_t) random;
    struct kci_lock lock;
    struct kci_list rules, conns, listening;
    kc_sim_stats_t stats;
};

/* What chance has in store for one call; drawn with no lock held. */
struct kci_sim_fate {
    int64_t delay_ns; /* latency and jitter */
    int64_t dup_delay_ns;
    size_t most; /* bytes */
    bool drop, dup, reorder, reset;
};

/* ---- chance.c ---- */

/* A number in [0, n). */
uint64_t kci_sim_random(struct kc_sim *sim, uint64_t n);
/* How long `how` takes. */
int64_t kci_sim_delay(struct kc_sim *sim, const kc_sim_link_t *how);
/* How many of `bytes` a call moves. */
size_t kci_sim_portion(struct kc_sim *sim, const kc_sim_link_t *how, size_t bytes);
/* For a call that would send `bytes`. */
struct kci_sim_fate kci_sim_fate(struct kc_sim *sim, const kc_sim_link_t *how, size_t bytes,
                                 bool frames);

/* ---- world.c ---- */

struct kc_sim *kci_sim_here(void); /* of the current runtime; NULL */
struct kc_sim *kci_sim_ref(struct kc_sim *sim);
void kci_sim_unref(struct kc_sim *sim);
/* The runtime ends. */
void kci_sim_unplug(struct kc_rt *rt);
int64_t kci_sim_now(const struct kc_sim *sim);
/* Locked: count and remember. */
void kci_sim_note(struct kci_sim_way *way, enum kci_sim_event what, size_t bytes);
/* Locked: how this direction behaves, by the rules so far. */
void kci_sim_apply(struct kci_sim_way *way);

/* ---- way.c; locked unless said otherwise ---- */

void kci_sim_way_init(struct kci_sim_way *way, struct kci_sim_conn *conn);
/* The two ends of a direction. */
struct kci_sim_end *kci_sim_reader(struct kci_sim_way *way);
struct kci_sim_end *kci_sim_writer(struct kci_sim_way *way);
/* Did the farewell arrive? */
bool kci_sim_way_ended(const struct kci_sim_way *way, int64_t now);
/* The first piece, if it has arrived; NULL: nothing yet. */
struct kci_sim_piece *kci_sim_way_front(struct kci_sim_way *way, int64_t now);
/* Room for so many bytes more. */
size_t kci_sim_way_room(const struct kci_sim_way *way);
/* Send the piece on its way, or swallow it (then it is the caller's again): true if it left. */
bool kci_sim_way_put(struct kci_sim_way *way, struct kci_sim_piece *p,
                     const struct kci_sim_fate *fate);
/* So many bytes were read. */
void kci_sim_way_took(struct kci_sim_way *way, size_t bytes, int64_t now);
/* No more pieces; the reader learns of it after delay_ns. */
void kci_sim_way_finish(struct kci_sim_way *way, int64_t delay_ns);
/* Move all pieces to `out`, to be freed. */
void kci_sim_way_drain(struct kci_sim_way *way, struct kci_list *out);
void kci_sim_free_pieces(struct kci_list *pieces);
void kci_sim_kick(struct kci_sim_end *e, unsigned ev);
/* Unlocked: something about the direction has changed that a waiting reader should know. */
void kci_sim_way_stir(struct kci_sim_way *way);
/* Unlocked, for good. */
void kci_sim_way_still(struct kci_sim_way *way);

/* ---- meet.c ---- */

int kci_sim_listen_stream(const char *addr, void *env, kc_link_t **out);
int kci_sim_listen_frames(const char *addr, void *env, kc_link_t **out);
int kci_sim_connect_stream(const char *addr, void *env, kc_link_t **out);
int kci_sim_connect_frames(const char *addr, void *env, kc_link_t **out);
int kci_sim_accept(kc_link_t *listening, kc_link_t **out);
void kci_sim_close(kc_link_t *l);
/* Locked: break it. */
void kci_sim_break(struct kci_sim_conn *conn);
/* n of those who hold it do not any more. */
void kci_sim_let_go(struct kci_sim_conn *conn, unsigned n);

static inline struct kci_sim_end *kci_sim_end_of(kc_link_t *l)
{
    return (struct kci_sim_end *)(void *)l;
}

/* The directions that an end sends and receives on. */
static inline struct kci_sim_way *kci_sim_outward(struct kci_sim_end *e)
{
    return &e->conn->way[e == &e->conn->end[1]];
}
static inline struct kci_sim_way *kci_sim_inward(struct kci_sim_end *e)
{
    return &e->conn->way[e == &e->conn->end[0]];
}

/* ---- link.c ---- */

extern const kc_transport_ops_t kci_transport_sim, kci_transport_simframes;

#endif
