/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * tests/ipc/test_unix.c — unix:PATH: the files it makes, takes over, and removes; a socket that
 * moves little at a time, and two runtimes that meet at one.
 */
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <sys/un.h>
#include <unistd.h>

#include "ipc/port.h"
#include "tests/ipc/kit.h"

static const char *path_of(struct rig *r)
{
    return strchr(r->addr, ':') + 1;
}

static bool exists(const char *path, const char *suffix)
{
    struct stat st;
    char name[80];

    snprintf(name, sizeof name, "%s%s", path, suffix);
    return lstat(name, &st) == 0;
}

static void files(struct rig *r)
{
    struct stat st;

    rig_listen(r);
    must_eq(lstat(path_of(r), &st), 0);
    must(S_ISSOCK(st.st_mode));
    must_eq(st.st_mode & 0777, 0600);
    must(exists(path_of(r), ".lock"));
    must_eq(kc_ipc_listener_close(r->l), 0);
    r->l = NULL;
    must(!exists(path_of(r), "") && !exists(path_of(r), ".lock"));
}

START_TEST(a_socket_is_for_its_owner_only_and_goes_with_its_listener)
{
    try_plain(_i, files);
}
END_TEST

static void twice(struct rig *r)
{
    kc_ipc_listener_t *l;

    for (int i = 0; i < 3; i++) {
        rig_listen(r);
        must_eq(kc_ipc_listen(&l, r->addr, NULL), -EADDRINUSE);
        must_eq(kc_ipc_listen(&l, r->addr, NULL), -EADDRINUSE);
        rig_connect(r); // the first is unharmed
        must_eq(kc_ipc_close(r->c, KC_TRY), 0);
        kc_ipc_unref(r->served);
        must_eq(kc_ipc_listener_close(r->l), 0);
        r->c = r->served = NULL;
        r->l = NULL;
    }
}

START_TEST(two_listeners_of_one_process_cannot_share_an_address)
{
    try_plain(_i, twice);
}
END_TEST

static int bind_only(const char *path)
{
    struct sockaddr_un sa = { .sun_family = AF_UNIX };
    int fd = socket(AF_UNIX, SOCK_STREAM, 0);

    strcpy(sa.sun_path, path);
    must_eq(bind(fd, (struct sockaddr *)&sa, sizeof sa), 0);
    return fd;
}

static void stale(struct rig *r)
{
    close(bind_only(path_of(r))); // as its owner's death leaves it
    rig_listen(r);
    rig_connect(r);
}

START_TEST(a_socket_whose_owner_is_gone_is_replaced)
{
    try_plain(_i, stale);
}
END_TEST

static void strangers(struct rig *r)
{
    kc_ipc_listener_t *l;
    int fd = bind_only(path_of(r));

    must_eq(listen(fd, 1), 0); // alive, though it knows nothing of our locks
    must_eq(kc_ipc_listen(&l, r->addr, NULL), -EADDRINUSE);
    close(fd);
    must_eq(unlink(path_of(r)), 0);

    fd = open(path_of(r), O_CREAT | O_WRONLY, 0600); // no socket at all
    must(fd >= 0);
    close(fd);
    must_eq(kc_ipc_listen(&l, r->addr, NULL), -EADDRINUSE);
    must(exists(path_of(r), ""));
    must_eq(unlink(path_of(r)), 0);
}

START_TEST(what_does_not_belong_to_us_is_never_removed)
{
    try_plain(_i, strangers);
}
END_TEST

static void bad_addresses(struct rig *r)
{
    kc_ipc_listener_t *l;
    kc_ipc_conn_t *c;
    char name[300] = "unix:/tmp/";

    memset(name + 10, 'x', 200);
    must_eq(kc_ipc_listen(&l, name, NULL), -ENAMETOOLONG);
    must_eq(kc_ipc_connect(&c, name, NULL, KC_FOREVER), -ENAMETOOLONG);
    must_eq(kc_ipc_listen(&l, "unix:", NULL), -EINVAL);
    must_eq(kc_ipc_listen(&l, "unix:/nonexistent/s", NULL), -ENOENT);
    must_eq(kc_ipc_connect(&c, r->addr, NULL, KC_FOREVER), -ENOENT);
    must_eq(kc_ipc_connect(&c, r->addr, &(kc_ipc_opts_t){ .flags = KC_IPC_WAIT },
                           kc_in(KC_MS(20))), -ETIME);
    must_eq(kc_ipc_connect(&c, r->addr, &(kc_ipc_opts_t){ .max_frame = 100 }, KC_FOREVER),
            -EINVAL);
    must_eq(kc_ipc_listen(&l, r->addr, &(kc_ipc_opts_t){ .max_frame = 2 << 20 }), -EINVAL);
}

START_TEST(bad_addresses_have_their_own_codes)
{
    try_plain(_i, bad_addresses);
}
END_TEST

static int listen_later(void *arg)
{
    struct rig *r = *(struct rig **)arg;

    for (int i = 0; i < 100; i++)
        let_run();
    rig_listen(r);
    return 0;
}

static void waits(struct rig *r)
{
    kc_scope_t s;

    must_eq(kc_scope_open(&s, NULL), 0);
    must_eq(kc_scope_spawn(&s, NULL, listen_later, &r, sizeof r, NULL), 0);
    r->client.flags = KC_IPC_WAIT;
    must_eq(kc_ipc_connect(&r->c, r->addr, &r->client, KC_FOREVER), 0);
    must_eq(kc_scope_close(&s), 0);
}

START_TEST(connecting_may_wait_for_a_server)
{
    try_plain(_i, waits);
}
END_TEST

static void nobody_answers(struct rig *r)
{
    kc_ipc_conn_t *c;
    int fd = bind_only(path_of(r));

    must_eq(listen(fd, 1), 0);
    must_eq(kc_ipc_connect(&c, r->addr, NULL, kc_in(KC_MS(20))), -ETIME);
    must_eq(kc_ipc_connect(&c, r->addr, NULL, KC_TRY), -EAGAIN);
    close(fd);
    must_eq(unlink(path_of(r)), 0);
}

START_TEST(a_handshake_that_nobody_answers_ends_at_the_deadline)
{
    try_plain(_i, nobody_answers);
}
END_TEST

static void accepting(struct rig *r)
{
    kc_ipc_conn_t *c[20], *served;

    rig_listen(r);
    must_eq(kc_ipc_accept(r->l, &served, KC_TRY), -EAGAIN);
    must_eq(kc_ipc_accept(r->l, &served, kc_in(KC_MS(5))), -ETIME);
    for (int i = 0; i < 20; i++)
        must_eq(kc_ipc_connect(&c[i], r->addr, NULL, KC_FOREVER), 0);
    for (int i = 0; i < 16; i++) { // the latest are remembered
        must_eq(kc_ipc_accept(r->l, &served, KC_FOREVER), 0);
        kc_ipc_unref(served);
    }
    for (int i = 0; i < 20; i++) // all are served
        must_eq(kc_ipc_close(c[i], KC_FOREVER), 0);
}

START_TEST(connections_are_served_though_nobody_accepts_them)
{
    try_plain(_i, accepting);
}
END_TEST

/* ---- a network that moves a few bytes at a time ---- */

static _Atomic(unsigned) dribble_turn;
static int dribble_most; /* bytes per call */

/* Every third call moves nothing. */
static size_t dribble_bytes(size_t n)
{
    unsigned turn = ka_add(&dribble_turn, 1, relaxed); // relaxed: chance
    size_t most = turn % 3 ? turn % (unsigned)dribble_most + 1 : 0;
    return n < most ? n : most;
}

static ssize_t dribble_send(kc_link_t *l, const struct iovec *iov, int n)
{
    struct iovec part = { iov->iov_base, dribble_bytes(iov->iov_len) };

    (void)n;
    return part.iov_len ? kci_transport_unix.send_frames(l, &part, 1) : -EAGAIN;
}

static ssize_t dribble_recv(kc_link_t *l, void *buf, size_t n)
{
    n = dribble_bytes(n);
    return n ? kci_transport_unix.recv_bytes(l, buf, n) : -EAGAIN;
}

static int flood_one_way(void *arg)
{
    kc_chan_t *ch = *(kc_chan_t **)arg;
    unsigned char elem[300];

    for (int i = 0; i < 150; i++) {
        memset(elem, i, sizeof elem);
        must_eq(kc_chan_send(ch, elem, KC_FOREVER), 0);
    }
    return 0;
}

static void both_flood(struct rig *r)
{
    kc_chan_t *in = export_chan(r, "in", 300, 0, KC_PEER_SEND);
    kc_chan_t *out = export_chan(r, "out", 300, 0, KC_PEER_RECV);
    kc_chan_t *to = open_chan(r, "in", 300, 0), *from = open_chan(r, "out", 300, 0);
    unsigned char elem[300], want[300];
    kc_scope_t s;

    must_eq(kc_scope_open(&s, NULL), 0);
    must_eq(kc_scope_spawn(&s, NULL, flood_one_way, &to, sizeof to, NULL), 0);
    must_eq(kc_scope_spawn(&s, NULL, flood_one_way, &out, sizeof out, NULL), 0);
    for (int i = 0; i < 150; i++) {
        memset(want, i, sizeof want);
        must_eq(kc_chan_recv(in, elem, KC_FOREVER), 0);
        must(!memcmp(elem, want, sizeof elem));
        must_eq(kc_chan_recv(from, elem, KC_FOREVER), 0);
        must(!memcmp(elem, want, sizeof elem));
    }
    must_eq(kc_scope_close(&s), 0);
    must_eq(kc_ipc_close(r->c, KC_FOREVER), 0);
    r->c = NULL;
}

START_TEST(a_network_that_moves_a_few_bytes_at_a_time_is_only_slow)
{
    static kc_transport_ops_t dribble;

    dribble = kci_transport_unix;
    dribble.send_frames = dribble_send;
    dribble.recv_bytes = dribble_recv;
    dribble_most = _i < WORKERS ? 1 : 40;
    kc_ipc_opts_t opts = { .transport = &dribble };
    try_rig_with(_i, &opts, &opts, both_flood);
}
END_TEST

/* ---- another runtime ---- */

struct party {
    struct rig *r;
    _Atomic(int) over;
};

static int other_runtime(void *arg)
{
    struct party *p = arg;
    struct rig *r = p->r;
    kc_ipc_chan_spec_t spec = { .elem_size = 4 };
    kc_ipc_conn_t *c;
    kc_chan_t *ch;

    must_eq(kc_ipc_connect(&c, r->addr, NULL, KC_FOREVER), 0);
    must_eq(kc_ipc_chan_open(c, "x", &spec, &ch, KC_FOREVER), 0);
    for (int i = 0; i < 200; i++) {
        must_eq(kc_send(ch, &i), 0);
        must_eq(take(ch), i);
    }
    kc_chan_unref(ch);
    must_eq(kc_ipc_close(c, KC_FOREVER), 0);
    ka_store(&p->over, 1, release); // E-OVER
    return 0;
}

static void two_runtimes(struct rig *r)
{
    struct party p = { .r = r };
    kc_rt_t *rt;

    rig_listen(r);
    export_chan(r, "x", 4, 4, KC_PEER_SEND | KC_PEER_RECV);
    must_eq(kc_rt_create(&rt, &(kc_opts_t){ .workers = 2 }), 0);
    must_eq(kc_rt_spawn(rt, other_runtime, &p), 0);
    until(ka_load(&p.over, acquire)); // E-OVER
    must_eq(kc_rt_shutdown(rt, KC_FOREVER), 0);
}

START_TEST(two_runtimes_of_one_process_can_be_peers)
{
    try_plain(_i, two_runtimes);
}
END_TEST

SUITE("ipc/unix", CASE_LOOP(a_socket_is_for_its_owner_only_and_goes_with_its_listener, WORKERS),
      CASE_LOOP(two_listeners_of_one_process_cannot_share_an_address, WORKERS),
      CASE_LOOP(a_socket_whose_owner_is_gone_is_replaced, WORKERS),
      CASE_LOOP(what_does_not_belong_to_us_is_never_removed, WORKERS),
      CASE_LOOP(bad_addresses_have_their_own_codes, WORKERS),
      CASE_LOOP(connecting_may_wait_for_a_server, WORKERS),
      CASE_LOOP(a_handshake_that_nobody_answers_ends_at_the_deadline, WORKERS),
      CASE_LOOP(connections_are_served_though_nobody_accepts_them, WORKERS),
      CASE_LOOP(a_network_that_moves_a_few_bytes_at_a_time_is_only_slow, 2 * WORKERS),
      CASE_LOOP(two_runtimes_of_one_process_can_be_peers, WORKERS))
