/* SPDX-License-Identifier: BSD-3-Clause */
#include <kcoro/kcoro.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <unistd.h>

/* 6 custom transport: one end of a SOCK_SEQPACKET pair (one datagram = one frame) */
struct pp { int fd; };
static int pp_connect(const char *a, void *env, kc_link_t **out) {
    struct pp *p = malloc(sizeof *p); (void)a;
    if (!p) return -ENOMEM;
    p->fd = *(int *)env; *out = (kc_link_t *)p; return 0;
}
static int pp_send(kc_link_t *l, const struct iovec *iov, int n) {
    struct msghdr m = { .msg_iov = (struct iovec *)iov, .msg_iovlen = (size_t)n };
    return sendmsg(((struct pp *)l)->fd, &m, MSG_DONTWAIT | MSG_NOSIGNAL) < 0 ? -errno : 0;   /* -EAGAIN: called again when writable */
}
static int pp_recv(kc_link_t *l, void **f, size_t *len) {
    int fd = ((struct pp *)l)->fd; char c;
    ssize_t n = recv(fd, &c, 1, MSG_PEEK | MSG_TRUNC | MSG_DONTWAIT);
    if (n <= 0) return n ? -errno : -ECONNRESET;
    if (!(*f = malloc((size_t)n))) return -ENOMEM;
    return (*len = (size_t)recv(fd, *f, (size_t)n, 0)), 0;
}
static void pp_free(kc_link_t *l, void *f) { (void)l; free(f); }
static int pp_poll(kc_link_t *l, int *fd, unsigned *ev) { *fd = ((struct pp *)l)->fd; *ev |= KC_RD; return 0; }
static void pp_close(kc_link_t *l) { close(((struct pp *)l)->fd); free(l); }
static const kc_transport_ops_t pp = { .abi = 1, .scheme = "pair", .connect = pp_connect, .send_frame = pp_send,
    .recv_frame = pp_recv, .free_frame = pp_free, .poll_handle = pp_poll, .close = pp_close };
static int sv[2];
KC_MAIN {
    kc_ipc_conn_t *c; int rc;
    if (socketpair(AF_UNIX, SOCK_SEQPACKET, 0, sv) < 0) return -errno;   /* sv[1] goes to the peer, here to nobody: */
    if ((rc = kc_transport_register(&pp, &sv[0])) < 0) return rc;
    rc = kc_ipc_connect(&c, "pair:0", NULL, kc_in(KC_S(1)));             /* … so the handshake times out */
    if (rc == -ETIME) { puts("no peer"); return 0; }
    return rc ? rc : kc_ipc_close(c, KC_FOREVER);
}
