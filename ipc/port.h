/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * ipc/port.h — a transport's link, seen as bytes in order: hides whether it carries a stream or
 * frames, and whether readiness comes from a descriptor or from a kick.
 */
#ifndef IPC_PORT_H
#define IPC_PORT_H

#include <kcoro/transport.h>

#include "core/list.h"
#include "core/lock.h"

struct kc_rt;

struct kci_port {
    const kc_transport_ops_t *ops;
    kc_link_t *link; /* NULL: closed */
    /* from kci_port_settle on */
    struct kc_rt *rt; /* fixed; who waits is there */
    struct kci_lock lock;
    unsigned ready;          /* lock: kicks that nobody has waited for */
    struct kci_list waiters; /* lock: kci_waiter; their `elem` is the mask */
};

/* The transport of "scheme:rest", or `ops` if that is not NULL. 0, *port (no link), *env and
 * *rest; -EINVAL no colon; -ENOTSUP unknown scheme. */
int kci_port_find(const char *addr, const kc_transport_ops_t *ops, struct kci_port *port,
                  void **env, const char **rest);
/* The port lies where it will stay, and has its link: before the first of the calls below. */
void kci_port_settle(struct kci_port *p);
/* Send from `buf`, which holds n bytes of whole frames but perhaps begins inside one that was
 * partly sent. Bytes taken (>= 1), -EAGAIN, or fatal. */
ssize_t kci_port_send(struct kci_port *p, const unsigned char *buf, size_t n);
/* Bytes received (>= 1) into buf; -EAGAIN; -ECONNRESET at the end; -EPROTO a frame of more
 * than n. */
ssize_t kci_port_recv(struct kci_port *p, unsigned char *buf, size_t n);
/* Park until the link is ready for `ev`. The ready mask, or as kc_fd_wait. */
int kci_port_wait(struct kci_port *p, unsigned ev, kc_deadline_t dl);
void kci_port_close(struct kci_port *p);

/* unix:PATH */
extern const kc_transport_ops_t kci_transport_unix;

#endif
