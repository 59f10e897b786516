/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * kcoro/ipc.h — channels between processes.
 *
 * One process listens and exports channels by name; another connects and opens them. What it
 * gets is a kc_chan_t: kc_send, kc_recv and kc_select work as on a local one. Addresses are
 * "scheme:rest"; built in: "unix:PATH".
 *
 * When the peer dies every pending and later operation says -EPIPE and kc_chan_why -ECONNRESET.
 * An element sent with result 0 may then be lost with the peer: at most once, see docs/wire.md.
 */
#ifndef KCORO_IPC_H
#define KCORO_IPC_H

#include <kcoro/base.h>
#include <kcoro/chan.h>
#include <kcoro/transport.h>

KCI_BEGIN

typedef struct kc_ipc_listener kc_ipc_listener_t;
typedef struct kc_ipc_conn kc_ipc_conn_t;

/* KC_IPC_WAIT: kc_ipc_connect retries a missing or refusing address until its deadline. */
#define KC_IPC_WAIT 0x1u

/* What a peer may do with an exported channel. */
#define KC_PEER_SEND 0x1u  /* send into it */
#define KC_PEER_RECV 0x2u  /* receive from it */
#define KC_PEER_CLOSE 0x4u /* close it for everybody; without: only its own handle */

/* Zero means the default everywhere. */
typedef struct {
    uint32_t window;      /* elements in flight per channel and direction; 0: 256 */
    uint32_t max_frame;   /* bytes per frame accepted; 0: 64 KiB; 4 KiB to 1 MiB */
    int64_t keepalive_ns; /* ping after this much silence; 0: none */
    int64_t grace_ns;     /* how long an unknown name is waited for; 0: 100 ms */
    unsigned flags;       /* KC_IPC_* */
    uint32_t max_peers;   /* listener: peers at once; 0: 256, see docs/wire.md */
    const kc_transport_ops_t *transport; /* instead of the address's scheme; NULL: by scheme */
    uintptr_t reserved[4];
} kc_ipc_opts_t;

/* How to open a channel. elem_size must equal the exported one's. */
typedef struct {
    size_t elem_size;
    long cap;         /* reserved: the exported channel's counts */
    int overflow;     /* reserved */
    unsigned dir;     /* KC_PEER_SEND | KC_PEER_RECV; 0: all the export allows */
    uint32_t window;  /* elements; 0: the connection's */
    void (*on_undelivered)(void *elem, unsigned reason, void *arg);
    void *arg;
    uintptr_t reserved[4];
} kc_ipc_chan_spec_t;

/*
 * kc_ipc_listen — accept and serve peers at `addr` until kc_ipc_listener_close or the runtime's
 * end.
 *
 * A stale socket file is replaced only after a lock proved that its owner is dead.
 *
 * Returns  0; -EADDRINUSE a live owner; -EINVAL -ENOTSUP (scheme) -ENAMETOOLONG -ENOMEM -EMFILE
 *          -EACCES …; -EPERM outside a coroutine
 * Runs on  coroutine
 */
KC_EXPORT KC_MUST_CHECK int kc_ipc_listen(kc_ipc_listener_t **out, const char *addr,
                                          const kc_ipc_opts_t *opts);
/* kc_ipc_accept — learn of the next peer (served already). The caller gets a reference.
 * Returns  0; -EAGAIN -ETIME -ECANCELED; -EPIPE the listener was closed */
KC_EXPORT KC_MUST_CHECK int kc_ipc_accept(kc_ipc_listener_t *l, kc_ipc_conn_t **out,
                                          kc_deadline_t dl);
/* kc_ipc_listener_close — stop listening, abort its connections, free it. Returns 0;
 * -EINVAL. */
KC_EXPORT int kc_ipc_listener_close(kc_ipc_listener_t *l);
/* kc_ipc_export — let peers open ch as `name` (shares ch; name is copied, 1 to 255 bytes).
 * Returns  0; -EEXIST; -EINVAL; -ENOMEM; -ENOTSUP a channel of descriptors */
KC_EXPORT int kc_ipc_export(kc_ipc_listener_t *l, const char *name, kc_chan_t *ch,
                            unsigned rights);

/*
 * kc_ipc_connect — connect and shake hands. The caller gets a reference.
 *
 * Returns  0; -ENOENT -ECONNREFUSED at once (see KC_IPC_WAIT); -ETIME -ECANCELED; -EPROTO not a
 *          kcoro peer; -ENOTSUP no common version, or unknown scheme; -ECONNRESET; -ENOMEM …
 * Runs on  coroutine
 * Cancel   yes
 */
KC_EXPORT KC_MUST_CHECK int kc_ipc_connect(kc_ipc_conn_t **out, const char *addr,
                                           const kc_ipc_opts_t *opts, kc_deadline_t dl);
/* kc_ipc_close — send what is queued until `drain` (KC_TRY: drop it), end the connection,
 * drop the caller's reference. Its channels say -EPIPE. Returns 0; -ETIME not all was sent;
 * -EINVAL */
KC_EXPORT int kc_ipc_close(kc_ipc_conn_t *c, kc_deadline_t drain);
/* kc_ipc_why — Returns 0 while alive, else the reason it ended: -ECONNRESET, -EPROTO, -EPIPE
 * … */
KC_EXPORT int kc_ipc_why(const kc_ipc_conn_t *c);
/* kc_ipc_unref — drop a reference; the connection itself lives on. Returns nothing. */
KC_EXPORT void kc_ipc_unref(kc_ipc_conn_t *c);

/*
 * kc_ipc_chan_open — open the peer's exported channel `name`. The caller gets a reference.
 *
 * Returns  0; -ENOENT not exported within the peer's grace time; -EACCES; -EMSGSIZE the element
 *          size differs or is over the peer's limit; -EPIPE the connection ended; -ENOBUFS a
 *          limit; -EAGAIN -ETIME -ECANCELED -EINVAL -ENOMEM
 * Runs on  coroutine
 * Cancel   yes
 */
KC_EXPORT KC_MUST_CHECK int kc_ipc_chan_open(kc_ipc_conn_t *c, const char *name,
                                             const kc_ipc_chan_spec_t *spec, kc_chan_t **out,
                                             kc_deadline_t dl);
/* kc_ipc_chan_id — Returns the wire id of a remote channel, 0 for a local one. */
KC_EXPORT uint32_t kc_ipc_chan_id(const kc_chan_t *ch);

KCI_END
#endif
