/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * kcoro/sim.h — a simulated network inside one process: test a distributed program whole.
 *
 * A world belongs to the runtime that made it. In it kc_ipc_listen, kc_ipc_connect and
 * everything above them work over addresses that lead nowhere else:
 *
 *     listen    "sim:NAME"           a byte stream          "simframes:NAME"       frames
 *     connect   "sim:FROM>NAME"      FROM: the connecting   "simframes:FROM>NAME"
 *               "sim:NAME"           node, else nameless    "simframes:NAME"
 *
 * Names tell a network's nodes apart; they need not be declared. With KC_RT_VIRTUAL_TIME time
 * passes only while everybody waits, so an hour of silence costs nothing, and a run repeats
 * exactly: same program, same seeds (the runtime's and the world's), same trace. All chance
 * comes from the world's seed, or from the explorer when that runs the program.
 *
 * A byte stream is reliable and in order, as TCP is: what a network loses, doubles or overtakes
 * below it, a program sees as time, or as a reset. A transport of frames hides nothing: frames
 * may be lost, doubled and overtaken. kcoro's own connections want every frame once and in
 * order; give those links delays, but no drop_ppm, dup_ppm or reorder_ppm, unless you test how
 * a connection ends (-EPROTO) or starves.
 */
#ifndef KCORO_SIM_H
#define KCORO_SIM_H

#include <kcoro/base.h>

KCI_BEGIN

typedef struct kc_sim kc_sim_t;

/* KC_SIM_TAIL: jitter has a long tail (exponential with mean jitter_ns, cut off at 16 times
 * that) instead of being even between 0 and jitter_ns. */
#define KC_SIM_TAIL 0x1u
/* KC_SIM_EXACT: each call moves exactly most_bytes while there are as many, instead of a number
 * drawn from 1 to most_bytes. To try every way of cutting a stream. */
#define KC_SIM_EXACT 0x2u

/* How one direction of a link behaves; zero is a perfect one: at once, and without a limit.
 * "ppm" is how often in a million calls. */
typedef struct {
    int64_t latency_ns;    /* each way, at least */
    int64_t jitter_ns;     /* added to it, drawn */
    uint64_t bytes_per_s;  /* bandwidth; 0: unlimited */
    uint32_t buffer_bytes; /* sent and not read yet, then -EAGAIN; 0: 256 KiB. At least
                             * bandwidth times round trip, or it is what limits */
    uint32_t most_bytes;   /* streams: short reads and writes; 0: none */
    int64_t read_pause_ns; /* a slow reader: after each read nothing comes for so long */
    uint32_t drop_ppm;     /* streams: resent, so it and all behind it come resend_ns later;
                             * frames: lost */
    uint32_t dup_ppm;      /* frames only: comes twice */
    uint32_t reorder_ppm;  /* frames only: comes reorder_ns later than it should, and others
                             * overtake it */
    uint32_t reset_ppm;    /* the connection breaks, -ECONNRESET for both */
    int64_t resend_ns;     /* 0: 200 ms */
    int64_t reorder_ns;    /* 0: twice latency and jitter */
    unsigned flags;        /* KC_SIM_TAIL, KC_SIM_EXACT */
    uintptr_t reserved[4];
} kc_sim_link_t;

/* What happened so far. */
typedef struct {
    uint64_t connects; /* connections made */
    uint64_t sends;    /* calls that took something: pieces of a stream, or frames */
    uint64_t reads;    /* calls that gave something */
    uint64_t sent_bytes, read_bytes;
    uint64_t lost_bytes; /* swallowed: frames dropped, or sent to or by who has vanished, or to
                          * who had closed */
    uint64_t drops, dups, reorders, resets, shorts; /* how often each was drawn; shorts: calls
                                                     * that moved less than they could */
    uint64_t full;                                  /* sends that found no room */
    uint64_t trace; /* of all events, with their moments, in order: equal for equal runs */
    uint64_t reserved[4];
} kc_sim_stats_t;

/*
 * kc_sim_create — give this runtime a world, whose links behave like *link (NULL: perfect).
 *
 * It ends with the runtime. Creating the first one registers the schemes "sim" and "simframes".
 *
 * Returns  0; -EINVAL; -EEXIST this runtime has one; -EPERM outside a coroutine; -ENOMEM
 * Runs on  coroutine
 */
KC_EXPORT KC_MUST_CHECK int kc_sim_create(kc_sim_t **out, uint64_t seed,
                                          const kc_sim_link_t *link);

/*
 * kc_sim_link — from now on what `from` sends to `to` travels like this, whoever of the two
 * connected; connections that exist included, what is under way not. NULL is any node; the
 * latest call that fits a pair counts.
 *
 * Returns  0; -EINVAL; -ENOMEM
 * Runs on  coroutine, plain thread, like all below
 */
KC_EXPORT KC_MUST_CHECK int kc_sim_link(kc_sim_t *w, const char *from, const char *to,
                                        const kc_sim_link_t *link);
/*
 * kc_sim_cut, kc_sim_heal — a partition, in one direction: nothing that `from` sends reaches
 * `to` any more, or does again. Streams keep what was sent and deliver it once healed, unless
 * somebody gave up; frames are lost. Connecting does not fail, it hangs. NULL is any node.
 *
 * Returns  0; -EINVAL; -ENOMEM
 */
KC_EXPORT KC_MUST_CHECK int kc_sim_cut(kc_sim_t *w, const char *from, const char *to);
KC_EXPORT KC_MUST_CHECK int kc_sim_heal(kc_sim_t *w, const char *from, const char *to);
/* kc_sim_reset — break all connections between a and b (NULL: any), both ends learn it at once.
 * Returns how many; -EINVAL */
KC_EXPORT int kc_sim_reset(kc_sim_t *w, const char *a, const char *b);
/* kc_sim_vanish — the node's machine loses power: on the connections it has nothing leaves it
 * any more, no farewell either, and what is sent to it stays unread, while its peers believe in
 * it. Its coroutines do not notice: end them yourself. New connections work.
 * Returns how many connections it had; -EINVAL */
KC_EXPORT int kc_sim_vanish(kc_sim_t *w, const char *node);
/* kc_sim_stats — what happened so far. Returns 0; -EINVAL */
KC_EXPORT int kc_sim_stats(kc_sim_t *w, kc_sim_stats_t *out);

KCI_END
#endif
