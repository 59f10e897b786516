/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * tests/fault/test_faults_ipc.c — a server and a client over a real socket: each allocation and
 * system call of either fails.
 */
#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#include "tests/fault/kit.h"

static char dir[40], addr[64];

static void make_place(void)
{
    snprintf(dir, sizeof dir, "/tmp/kcoro-fault-XXXXXX");
    ck_assert_ptr_nonnull(mkdtemp(dir));
    snprintf(addr, sizeof addr, "unix:%s/s", dir);
}

/* What a listener could not remove: only where removing was made to fail. */
static void clear_place(void)
{
    char path[64];

    snprintf(path, sizeof path, "%s/s", dir);
    unlink(path);
    snprintf(path, sizeof path, "%s/s.lock", dir);
    unlink(path);
}

struct rig {
    kc_ipc_listener_t *l;
    kc_ipc_conn_t *c, *served;
    kc_chan_t *home, *far; /* the exported channel, and the client's view of it */
};

/* Closing never fails for want of anything. */
static int let_go(struct rig *r, int rc)
{
    kc_chan_unref(r->far);
    kc_chan_unref(r->home);
    if (r->c && kc_ipc_close(r->c, KC_TRY) == -EINVAL)
        rc = KF_WRONG;
    kc_ipc_unref(r->served);
    if (r->l && kc_ipc_listener_close(r->l))
        rc = KF_WRONG;
    clear_place();
    return rc;
}

static int listen_at(struct rig *r)
{
    return kc_ipc_listen(&r->l, addr, NULL);
}

static int listening(void)
{
    struct rig r = { 0 };
    return let_go(&r, listen_at(&r));
}

static int stale(void)
{
    struct rig r = { 0 };
    char path[64];

    snprintf(path, sizeof path, "%s/s", dir);
    if (symlink("nothing", path)) // stands in for what is in the way
        return KF_WRONG;
    int rc = listen_at(&r);
    return let_go(&r, rc == -EADDRINUSE ? 0 : rc ? rc : KF_WRONG);
}

/* Wait for an element, or for either end of the connection to break: what a server says and
 * what it hears need not fail on both sides. */
static int await(struct rig *r, kc_chan_t *ch, void *elem)
{
    kc_deadline_t dl = kf_patience();
    int rc, why;

    do {
        rc = kc_recv(ch, elem, kc_in(KC_US(200)));
        why = kc_ipc_why(r->c);
        why = why || !r->served ? why : kc_ipc_why(r->served);
    } while (rc == -ETIME && !why && kc_now() < dl.ns);
    return rc == -ETIME && why ? why : rc;
}

/* The server may lose its end before it can tell of it; then the client's ends too. */
static int meet(struct rig *r)
{
    kc_deadline_t dl = kf_patience();
    int rc, why;

    KF_OK(listen_at(r));
    KF_OK(kc_ipc_connect(&r->c, addr, NULL, dl));
    do {
        rc = kc_ipc_accept(r->l, &r->served, kc_in(KC_US(200)));
        why = kc_ipc_why(r->c);
    } while (rc == -ETIME && !why && kc_now() < dl.ns);
    return rc == -ETIME && why ? why : rc;
}

static int connecting(void)
{
    struct rig r = { 0 };
    return let_go(&r, meet(&r));
}

static int open_channel(struct rig *r, unsigned rights)
{
    kc_ipc_chan_spec_t spec = { .elem_size = sizeof(int) };

    KF_OK(meet(r));
    KF_OK(kc_chan_make(&r->home, sizeof(int), 4));
    KF_OK(kc_ipc_export(r->l, "name", r->home, rights));
    return kc_ipc_chan_open(r->c, "name", &spec, &r->far, kf_patience());
}

/* Six elements, each received before the next is sent. */
static int six(struct rig *r, kc_chan_t *from, kc_chan_t *to)
{
    int got;

    for (int i = 0; i < 6; i++) {
        KF_OK(kc_send(from, &i, kf_patience()));
        KF_OK(await(r, to, &got));
        if (got != i)
            return KF_WRONG;
    }
    return 0;
}

static int sending(void)
{
    struct rig r = { 0 };
    int rc = open_channel(&r, KC_PEER_SEND | KC_PEER_CLOSE);
    if (!rc)
        rc = six(&r, r.far, r.home);
    if (!rc && kc_chan_close(r.far))
        rc = KF_WRONG;
    return let_go(&r, rc);
}

static int receiving(void)
{
    struct rig r = { 0 };
    int rc = open_channel(&r, KC_PEER_RECV);
    return let_go(&r, rc ? rc : six(&r, r.home, r.far));
}

static const struct kf_part parts[] = {
    { "kc_ipc_listen kc_ipc_listener_close", listening, KF_REAL | KF_CALLS, { -EADDRINUSE } },
    { "kc_ipc_listen", stale, KF_REAL | KF_CALLS, { 0 } },
    { "kc_ipc_connect kc_ipc_accept", connecting, KF_REAL | KF_CALLS,
      { -ECONNRESET, -EPIPE, -EADDRINUSE, -ETIME } },
    { "kc_ipc_export kc_ipc_chan_open kc_ipc_close", sending, KF_REAL | KF_CALLS,
      { -ECONNRESET, -EPIPE, -EADDRINUSE, -ETIME } },
    { "kc_ipc_chan_open", receiving, KF_REAL | KF_CALLS, { -ECONNRESET, -EPIPE, -EADDRINUSE, -ETIME } },
};

START_TEST(g5_whatever_fails_between_server_and_client_leaves_nothing)
{
    make_place();
    kf_try(&parts[_i], 1);
    rmdir(dir);
}
END_TEST

SUITE("fault/ipc", CASE_LOOP(g5_whatever_fails_between_server_and_client_leaves_nothing,
                             (int)KF_COUNT(parts)))
