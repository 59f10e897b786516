/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * kcoro/transport.h — how frames travel: a small table that anyone can fill.
 *
 * All members are non-blocking: -EAGAIN means "poll, then call again". They are called by one
 * coroutine at a time per direction. Reading and writing may happen at the same time.
 */
#ifndef KCORO_TRANSPORT_H
#define KCORO_TRANSPORT_H

#include <kcoro/base.h>
#include <kcoro/io.h>

struct iovec;

KCI_BEGIN

/* A transport's own idea of a connection or of a listening point. */
typedef struct kc_link kc_link_t;

typedef struct kc_transport_ops {
    int abi;            /* 1 */
    const char *scheme; /* "unix": the part of an address before the colon; borrowed for ever */
    unsigned caps;      /* none yet; 0 */

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
     * KC_WR) and may be widened. 0, or fatal. A listening link: readable = acceptable. */
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
    void *reserved[4];
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
