/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * bench/ipc.c — remote channels between two processes: echo with n in flight, and one way.
 *
 * Each side has one worker, on a CPU of its own. The server ends when the client closes the
 * channel "in". Every message begins with a number: an echo must bring back
 * the same ones in the same order, a stream ends with 0 and is answered with the sum.
 */
#include "bench/ipc.h"

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

enum { PATIENCE_S = 10 };

/* ---- client ---- */

struct client {
    char dir[32], address[48];
    pid_t server;
    kc_ipc_conn_t *conn;
    kc_chan_t *in, *out;
};

static int connect_to(struct client *c, size_t bytes)
{
    kc_ipc_opts_t wait = { .flags = KC_IPC_WAIT };
    kc_ipc_chan_spec_t spec = { .elem_size = bytes };
    kc_deadline_t dl = kc_in(KC_S(PATIENCE_S));
    int rc = kc_ipc_connect(&c->conn, c->address, &wait, dl);

    if (!rc)
        rc = kc_ipc_chan_open(c->conn, "in", &spec, &c->in, dl);
    if (!rc)
        rc = kc_ipc_chan_open(c->conn, "out", &spec, &c->out, dl);
    return rc;
}

static int client_open(struct client *c, const char *kind, size_t bytes, bool one_cpu)
{
    *c = (struct client){ .dir = "/tmp/kcoro-bench-XXXXXX" };
    if (!mkdtemp(c->dir))
        return -errno;
    snprintf(c->address, sizeof c->address, "unix:%s/s", c->dir);
    int rc = server_start(&c->server, kind, c->address, bytes, one_cpu);
    return rc ? rc : connect_to(c, bytes);
}

static void remove_dir(const char *dir)
{
    static const char *const left[] = { "s", "s.lock" };
    char path[64];

    for (size_t i = 0; i < sizeof left / sizeof left[0]; i++) {
        snprintf(path, sizeof path, "%s/%s", dir, left[i]);
        unlink(path);
    }
    rmdir(dir);
}

static int client_close(struct client *c)
{
    int rc = c->in ? kc_chan_close(c->in) : -ENOENT;

    kc_chan_unref(c->in);
    kc_chan_unref(c->out);
    if (c->conn)
        kc_ipc_close(c->conn, kc_in(KC_S(PATIENCE_S)));
    int ended = c->server ? server_end(c->server) : 0;
    remove_dir(c->dir);
    return rc ? rc : ended;
}

/* ---- rows ---- */

/* Up to `in_flight` on their way; us[i], unless NULL, is how long message i took. */
static int echo_all(struct client *c, long ops, long in_flight, double *us)
{
    uint64_t out[ECHO_BYTES / 8] = { 0 }, back[ECHO_BYTES / 8] = { 0 };
    int64_t sent_at = 0;
    int rc = 0;

    for (long sent = 0, got = 0; got < ops && !rc;) {
        while (sent < ops && sent - got < in_flight && !rc) {
            out[0] = (uint64_t)++sent;
            sent_at = us ? clock_ns() : 0;
            rc = kc_send(c->in, out);
        }
        if (rc || (rc = kc_recv(c->out, back)))
            break;
        if (us)
            us[got] = (double)(clock_ns() - sent_at) / 1e3;
        if (back[0] != (uint64_t)++got)
            return -EBADMSG;
    }
    return rc;
}

static int echo_timed(struct trial *t, struct client *c, double *us)
{
    clock_start(t);
    int rc = echo_all(c, t->ops, t->n / 2, us);
    clock_stop(t);
    if (us && !rc)
        t->value[0] = percentile(us, t->ops, 0.5);
    return rc;
}

static int finish(struct trial *t, struct client *c, int rc)
{
    int closed = client_close(c);

    if (rc == -EBADMSG)
        return wrong(t, "not what was sent");
    return rc || closed ? failed(t, rc ? "the exchange" : "the end", rc ? rc : closed) : 0;
}

static int ipc_echo(struct trial *t)
{
    bool latency = t->n / 2 == 1;
    double *us = latency ? calloc((size_t)t->ops, sizeof *us) : NULL;
    struct client c;

    if (latency && !us)
        return failed(t, "calloc", -ENOMEM);
    int rc = client_open(&c, "echo", ECHO_BYTES, t->n % 2 == ONE_CPU);
    if (!rc)
        rc = echo_timed(t, &c, us);
    free(us);
    return finish(t, &c, rc);
}

static int send_all(struct client *c, long ops, uint64_t *message, uint64_t *sum)
{
    int rc = 0;

    for (long i = 1; i <= ops && !rc; i++) {
        message[0] = (uint64_t)i;
        rc = kc_send(c->in, message);
    }
    message[0] = 0;
    if (rc || (rc = kc_send(c->in, message)) || (rc = kc_recv(c->out, message)))
        return rc;
    *sum = message[0];
    return 0;
}

static int ipc_stream(struct trial *t)
{
    static uint64_t message[LARGEST / 8];
    uint64_t sum = 0, ops = (uint64_t)t->ops;
    struct client c;
    int rc = client_open(&c, "stream", (size_t)t->n, TWO_CPUS);

    clock_start(t);
    if (!rc)
        rc = send_all(&c, t->ops, message, &sum);
    clock_stop(t);
    if (!rc && sum != ops * (ops + 1) / 2)
        rc = -EBADMSG;
    return finish(t, &c, rc);
}

static const struct row rows[] = {
    { "ipc.echo64.1", NULL, in_us, ipc_echo, 1, ECHO_N(1, TWO_CPUS), 2000, 0 },
    { "ipc.echo64.1", "floor", in_us, raw_echo, 0, ECHO_N(1, TWO_CPUS), 2000, PINNED },
    { "ipc.echo64.1.onecpu", NULL, in_us, ipc_echo, 1, ECHO_N(1, ONE_CPU), 5000, 0 },
    { "ipc.echo64.1.onecpu", "floor", in_us, raw_echo, 0, ECHO_N(1, ONE_CPU), 5000, PINNED },
    { "ipc.echo64.64", NULL, in_k_per_s, ipc_echo, 1, ECHO_N(64, TWO_CPUS), 100000, 0 },
    { "ipc.echo64.64", "floor", in_k_per_s, raw_echo, 0, ECHO_N(64, TWO_CPUS), 200000, PINNED },
    { "ipc.echo64.256", NULL, in_k_per_s, ipc_echo, 1, ECHO_N(256, TWO_CPUS), 200000, 0 },
    { "ipc.echo64.256", "floor", in_k_per_s, raw_echo, 0, ECHO_N(256, TWO_CPUS), 500000,
      PINNED },
    { "ipc.stream.64", NULL, in_k_per_s, ipc_stream, 1, 64, 500000, 0 },
    { "ipc.stream.64", "floor", in_k_per_s, raw_stream, 0, 64, 4000000, PINNED },
    { "ipc.stream.1k", NULL, in_k_per_s, ipc_stream, 1, 1024, 100000, 0 },
    { "ipc.stream.1k", "floor", in_k_per_s, raw_stream, 0, 1024, 300000, PINNED },
    { "ipc.stream.64k", NULL, in_k_per_s, ipc_stream, 1, LARGEST, 5000, 0 },
    { "ipc.stream.64k", "floor", in_k_per_s, raw_stream, 0, LARGEST, 10000, PINNED },
};
const struct group bench_ipc = GROUP(rows);
