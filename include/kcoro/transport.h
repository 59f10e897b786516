/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * kcoro/transport.h — how frames travel: a small table that anyone can fill.
 *
 * All members are non-blocking: -EAGAIN means "wait, then call again". They are called by one
 * coroutine at a time per direction. Reading and writing may happen at the same time.
 *
 * How a connection waits is the transport's choice: a link with a descriptor names it
 * (poll_handle), one without is given a function to call (set_kick).
 */
#ifndef KCORO_TRANSPORT_H
#define KCORO_TRANSPORT_H

#include <kcoro/base.h>
#include <kcoro/io.h>

struct iovec;

KCI_BEGIN

/* A transport's own idea of a connection or of a listening point. */
typedef struct kc_link kc_link_t;

/*
 * caps of a transport with set_kick. KC_LINK_INSIDE: every kick comes out of the runtime
 * itself, from its coroutines and timers. Waiting for one is then like waiting on a channel: a
 * virtual clock may jump meanwhile, and a deadlock is found. Without it somebody outside may
 * kick at any moment, as with a descriptor, and neither happens.
 */
#define KC_LINK_INSIDE 0x1u

typedef struct kc_transport_ops {
    int abi;            /* 1 */
    const char *scheme; /* "unix": the part of an address before the colon; borrowed for ever */
    unsigned caps;      /* KC_LINK_INSIDE or 0; other bits are ignored */

    /* Connect to the part behind the colon. 0 and *out; -EAGAIN is not allowed: start, and
     * let the first send report. Any other errno fails kc_ipc_connect. `env` as registered. */
    int (*connect)(const char *addr, void *env, kc_link_t **out);
    /* Listen; 0 and *out. NULL: this transport only connects. */
    int (*listen)(const char *addr, void *env, kc_link_t **out);
    /* One waiting peer: 0 and *out, -EAGAIN none. NULL iff listen is NULL. */
    int (*accept)(kc_link_t *listening, kc_link_t **out);
    /* One whole frame, gathered from n pieces: 0 all taken, -EAGAIN nothing taken, else
     * fatal. */
    int (*send_frame)(kc_link_t *l, const struct iovec *iov, int n);
    /* One whole frame: 0 and *frame, *len (yours until free_frame), -EAGAIN, else fatal
     * (-ECONNRESET at the end). */
    int (*recv_frame)(kc_link_t *l, void **frame, size_t *len);
    void (*free_frame)(kc_link_t *l, void *frame);
    /* Which descriptor to poll; *ev comes in as what the connection wants to do (KC_RD,
     * KC_WR) and may be widened. 0, or fatal. A listening link: readable = acceptable. NULL
     * only with set_kick. */
    int (*poll_handle)(kc_link_t *l, int *fd, unsigned *ev);
    /* Free the link and its descriptor. Called once; no other call is running. */
    void (*close)(kc_link_t *l);

    /* Optional, for byte streams; used instead of the frame members when both are set.
     * send_frames (many frames, one call): bytes taken (>= 1), -EAGAIN, else fatal.
     * recv_bytes: bytes (>= 1), -EAGAIN, -ECONNRESET at the end. */
    ssize_t (*send_frames)(kc_link_t *l, const struct iovec *iov, int n);
    ssize_t (*recv_bytes)(kc_link_t *l, void *buf, size_t n);
    /* Optional: stop whoever polls or is about to use the link (shutdown(2)). */
    void (*interrupt)(kc_link_t *l);
    /* Optional, instead of poll_handle, which is not called then. Called once for each link,
     * before any member but connect, listen and accept; it cannot fail. From now until `close`
     * is called, call kick(arg, ev) whenever a member that said -EAGAIN is worth another call:
     * KC_RD for receiving and accepting, KC_WR for sending, both when the link breaks. kick
     * waits for nothing and calls no member, so it may be called from any thread, timer or
     * member, under locks of the transport, and too often: that costs one call in vain. */
    void (*set_kick)(kc_link_t *l, void (*kick)(void *arg, unsigned ev), void *arg);
    void *reserved[3];
} kc_transport_ops_t;

/*
 * kc_transport_register — make addresses "scheme:…" use `ops`, with `env` handed to its
 * members.
 *
 * Returns  0, also when the same ops come again (env replaced); -EEXIST another has the scheme;
 *          -EINVAL a required member is missing or abi is unknown; -ENOMEM
 * Runs on  coroutine, plain thread
 */
KC_EXPORT KC_MUST_CHECK int kc_transport_register(const kc_transport_ops_t *ops, void *env);

KCI_END
#endif
