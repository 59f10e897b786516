/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * tests/fault/test_faults_process.c — a client whose calls fail one by one, and a server in
 * another process that nothing fails in: it outlives each of them, and ends with nothing left.
 */
#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#include "core/mem.h"
#include "tests/fault/kit.h"

static char dir[40], addr[64];
static int stop_fd[2]; /* the server ends when the other end is closed */

/* ---- the server ---- */

static int offer(void *out)
{
    for (int i = 0;; i++)
        KF_OK(kc_send((kc_chan_t *)out, &i));
}

static int swallow(void *in)
{
    for (;;)
        KF_OK(kc_recv((kc_chan_t *)in, NULL));
}

static int serve(void *unused)
{
    kc_ipc_listener_t *l;
    char c;

    (void)unused;
    kc_chan_t *in = kc_chan(int, 4), *out = kc_chan(int, 4);
    KF_OK(kc_ipc_listen(&l, addr, NULL));
    KF_OK(kc_ipc_export(l, "in", in, KC_PEER_SEND));
    KF_OK(kc_ipc_export(l, "out", out, KC_PEER_RECV));
    KF_OK(kc_spawn(NULL, offer, out, NULL));
    KF_OK(kc_spawn(NULL, swallow, in, NULL));
    ssize_t end = kc_read(stop_fd[0], &c, 1, KC_FOREVER);
    KF_OK(kc_ipc_listener_close(l));
    return kc_stop(end == 0 ? 0 : KF_WRONG);
}

static pid_t start_server(void)
{
    snprintf(dir, sizeof dir, "/tmp/kcoro-fault-XXXXXX");
    ck_assert_ptr_nonnull(mkdtemp(dir));
    snprintf(addr, sizeof addr, "unix:%s/s", dir);
    ck_assert_int_eq(pipe(stop_fd), 0);
    pid_t pid = fork();
    ck_assert_int_ge(pid, 0);
    if (pid)
        return pid;
    close(stop_fd[1]);
    int rc = kc_run(serve, NULL, &(kc_opts_t){ .workers = 1 });
    _exit(rc ? 1 : kci_mem_blocks_in_use() ? 2 : 0);
}

/* It is still there, and leaves nothing. */
static void end_server(pid_t pid)
{
    int status = 0;

    close(stop_fd[1]);
    close(stop_fd[0]);
    ck_assert_int_eq(waitpid(pid, &status, 0), pid);
    ck_assert_msg(WIFEXITED(status) && !WEXITSTATUS(status), "the server's status: %x", status);
    ck_assert_msg(rmdir(dir) == 0, "%s is not empty", dir);
}

/* ---- its client ---- */

static int open_as(kc_ipc_conn_t *c, const char *name, kc_chan_t **out)
{
    kc_ipc_chan_spec_t spec = { .elem_size = sizeof(int) };
    return kc_ipc_chan_open(c, name, &spec, out, kf_patience());
}

static int send_three(kc_ipc_conn_t *c)
{
    kc_chan_t *ch;
    int rc = open_as(c, "in", &ch);

    if (rc)
        return rc;
    for (int i = 0; i < 3 && rc == 0; i++)
        rc = kc_send(ch, &i, kf_patience());
    kc_chan_unref(ch);
    return rc;
}

static int recv_three(kc_ipc_conn_t *c)
{
    int rc = 0, v;
    kc_chan_t *ch;

    KF_OK(open_as(c, "out", &ch));
    for (int i = 0; i < 3 && rc == 0; i++) // in any order: some are back from who was lost
        rc = kc_recv(ch, &v, kf_patience());
    kc_chan_unref(ch);
    return rc;
}

static int be_client(void)
{
    const kc_ipc_opts_t patient = { .flags = KC_IPC_WAIT };
    kc_ipc_conn_t *c;

    KF_OK(kc_ipc_connect(&c, addr, &patient, kf_patience()));
    int rc = send_three(c);
    if (!rc)
        rc = recv_three(c);
    int closed = kc_ipc_close(c, kf_patience());
    return rc ? rc : closed;
}

static const struct kf_part part = { "kc_ipc_connect kc_ipc_chan_open kc_ipc_close", be_client,
                                     KF_REAL | KF_CALLS,
                                     { -ECONNRESET, -EPIPE, -ETIME } };

START_TEST(g5_whatever_fails_in_a_client_its_server_goes_on)
{
    pid_t server = start_server();

    kf_try(&part, 1);
    end_server(server);
}
END_TEST

SUITE("fault/process", CASE(g5_whatever_fails_in_a_client_its_server_goes_on))
