/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * tests/ipc/test_transport.c — transports of frames instead of bytes, brought by the program;
 * and the register of schemes.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <sys/un.h>
#include <unistd.h>

#include "ipc/wire.h"
#include "tests/ipc/kit.h"

/* ---- "seq": one datagram of a SOCK_SEQPACKET socket is one frame ---- */

struct seq {
    int fd;
    char *path; /* listening */
};

/* What a frame transport may rely on: each call carries one frame, whole. */
static _Atomic(int) frames_sent, not_a_frame;

static int seq_wrap(int fd, const char *path, kc_link_t **out)
{
    struct seq *s = calloc(1, sizeof *s);

    s->fd = fd;
    s->path = path ? strdup(path) : NULL;
    *out = (kc_link_t *)s;
    return 0;
}

static int seq_socket(const char *addr, struct sockaddr_un *sa)
{
    *sa = (struct sockaddr_un){ .sun_family = AF_UNIX };
    strcpy(sa->sun_path, addr);
    return socket(AF_UNIX, SOCK_SEQPACKET, 0);
}

static int seq_connect(const char *addr, void *env, kc_link_t **out)
{
    struct sockaddr_un sa;
    int fd = seq_socket(addr, &sa);

    (void)env;
    if (connect(fd, (struct sockaddr *)&sa, sizeof sa)) {
        int rc = -errno;
        close(fd);
        return rc;
    }
    return seq_wrap(fd, NULL, out);
}

static int seq_listen(const char *addr, void *env, kc_link_t **out)
{
    struct sockaddr_un sa;
    int fd = seq_socket(addr, &sa);

    (void)env;
    must(fcntl(fd, F_SETFL, O_NONBLOCK) == 0);
    if (bind(fd, (struct sockaddr *)&sa, sizeof sa) || listen(fd, 8)) {
        int rc = -errno;
        close(fd);
        return rc;
    }
    return seq_wrap(fd, addr, out);
}

static int seq_accept(kc_link_t *l, kc_link_t **out)
{
    int fd = accept(((struct seq *)l)->fd, NULL, NULL);

    return fd < 0 ? -errno : seq_wrap(fd, NULL, out);
}

static void check_frame(const struct iovec *iov, int n)
{
    struct kci_frame f;

    ka_add(&frames_sent, 1, relaxed); // relaxed: a counter
    must_eq(n, 1);
    if (!memcmp(iov->iov_base, kci_wire_preface, 4) && iov->iov_len == KCI_WIRE_PREFACE)
        return;
    if (kci_frame_decode(iov->iov_base, iov->iov_len, 1 << 20, &f) != (ssize_t)iov->iov_len)
        ka_add(&not_a_frame, 1, relaxed); // relaxed: a counter
}

static int seq_send(kc_link_t *l, const struct iovec *iov, int n)
{
    struct msghdr m = { .msg_iov = (struct iovec *)(uintptr_t)iov, .msg_iovlen = (size_t)n };

    if (sendmsg(((struct seq *)l)->fd, &m, MSG_DONTWAIT | MSG_NOSIGNAL) < 0)
        return -errno;
    check_frame(iov, n);
    return 0;
}

static int seq_recv(kc_link_t *l, void **f, size_t *len)
{
    int fd = ((struct seq *)l)->fd;
    char c;
    ssize_t n = recv(fd, &c, 1, MSG_PEEK | MSG_TRUNC | MSG_DONTWAIT);

    if (n <= 0)
        return n ? -errno : -ECONNRESET;
    *f = malloc((size_t)n);
    *len = (size_t)recv(fd, *f, (size_t)n, 0);
    return 0;
}

static void seq_free(kc_link_t *l, void *f)
{
    (void)l;
    free(f);
}

static int seq_poll(kc_link_t *l, int *fd, unsigned *ev)
{
    (void)ev;
    *fd = ((struct seq *)l)->fd;
    return 0;
}

static void seq_close(kc_link_t *l)
{
    struct seq *s = (struct seq *)l;

    close(s->fd);
    if (s->path)
        unlink(s->path);
    free(s->path);
    free(s);
}

static const kc_transport_ops_t seq = { .abi = 1, .scheme = "seq", .connect = seq_connect,
                                        .listen = seq_listen, .accept = seq_accept,
                                        .send_frame = seq_send, .recv_frame = seq_recv,
                                        .free_frame = seq_free, .poll_handle = seq_poll,
                                        .close = seq_close };

static void over_frames(struct rig *r)
{
    memcpy(r->addr, "seq:", 4);
    memmove(r->addr + 4, r->addr + 5, strlen(r->addr + 5) + 1); // "unix:" is one longer
    must_eq(kc_transport_register(&seq, NULL), 0);
    rig_listen(r);
    rig_connect(r);
    kc_chan_t *home = export_chan(r, "x", 50000, 2, KC_PEER_SEND | KC_PEER_RECV);
    kc_chan_t *ch = open_chan(r, "x", 50000, 0);
    unsigned char *a = malloc(50000), *b = malloc(50000);
    for (int i = 0; i < 50; i++) {
        memset(a, i, 50000);
        must_eq(kc_chan_send(ch, a, KC_FOREVER), 0);
        must_eq(kc_chan_recv(ch, b, KC_FOREVER), 0);
        must(!memcmp(a, b, 50000));
    }
    free(a);
    free(b);
    must_eq(kc_chan_close(home), 0);
    must_eq(kc_chan_recv(ch, NULL, KC_FOREVER), -EPIPE);
    must_eq(kc_ipc_close(r->c, KC_FOREVER), 0);
    r->c = NULL;
    must(ka_load(&frames_sent, relaxed) > 300); // relaxed: all is over
    must_eq(ka_load(&not_a_frame, relaxed), 0); // relaxed: as above
}

START_TEST(a_transport_of_frames_carries_one_in_each_call)
{
    try_plain(_i, over_frames);
}
END_TEST

/* ---- the register ---- */

static int never_connect(const char *addr, void *env, kc_link_t **out)
{
    (void)addr;
    (void)out;
    return *(int *)env;
}

static void schemes(struct rig *r)
{
    static int env = -EHOSTUNREACH, other_env = -ENETDOWN;
    static kc_transport_ops_t mine, other;
    kc_ipc_listener_t *l;
    kc_ipc_conn_t *c;

    (void)r;
    mine = other = seq;
    mine.scheme = other.scheme = "mine";
    mine.connect = never_connect;
    mine.listen = NULL;
    must_eq(kc_transport_register(&mine, &env), -EINVAL); // accept without listen
    mine.accept = NULL;
    must_eq(kc_transport_register(&mine, &env), 0);
    must_eq(kc_ipc_connect(&c, "mine:x", NULL, KC_FOREVER), -EHOSTUNREACH);
    must_eq(kc_transport_register(&mine, &other_env), 0);
    must_eq(kc_ipc_connect(&c, "mine:x", NULL, KC_FOREVER), -ENETDOWN);
    must_eq(kc_transport_register(&other, NULL), -EEXIST);
    must_eq(kc_ipc_listen(&l, "mine:x", NULL), -ENOTSUP);
    must_eq(kc_ipc_connect(&c, "yours:x", NULL, KC_FOREVER), -ENOTSUP);
    must_eq(kc_ipc_connect(&c, "x", NULL, KC_FOREVER), -EINVAL);
    must_eq(kc_ipc_connect(&c, ":x", NULL, KC_FOREVER), -ENOTSUP);
}

static int says_efault(const char *addr, void *env, kc_link_t **out)
{
    (void)addr;
    (void)out;
    return env ? -EINVAL : -EFAULT; // given directly, it has no environment
}

static void direct(struct rig *r)
{
    static kc_transport_ops_t unheard;
    kc_ipc_conn_t *c;

    (void)r;
    unheard = seq;
    unheard.connect = says_efault;
    kc_ipc_opts_t opts = { .transport = &unheard };
    must_eq(kc_ipc_connect(&c, "whatever:x", &opts, KC_FOREVER), -EFAULT);
    unheard.abi = 2;
    must_eq(kc_ipc_connect(&c, "whatever:x", &opts, KC_FOREVER), -EINVAL);
    must_eq(kc_transport_register(&unheard, NULL), -EINVAL);
    must_eq(kc_transport_register(NULL, NULL), -EINVAL);
}

START_TEST(a_scheme_finds_its_transport_and_its_latest_environment)
{
    try_plain(_i, schemes);
}
END_TEST

START_TEST(options_may_name_a_transport_that_is_not_registered)
{
    try_plain(_i, direct);
}
END_TEST

SUITE("ipc/transport", CASE_LOOP(a_transport_of_frames_carries_one_in_each_call, WORKERS),
      CASE(a_scheme_finds_its_transport_and_its_latest_environment),
      CASE(options_may_name_a_transport_that_is_not_registered))
