/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * bench/ipc_raw.c — the floor under ipc.c: the same exchange over a bare socket pair.
 *
 * Both sides move as many whole messages per system call as the number in flight allows, and do
 * nothing else.
 */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "bench/ipc.h"

static unsigned char buffer[LARGEST];

struct line {
    pid_t server;
    int fd;
};

static int line_open(struct line *l, const char *kind, bool one_cpu)
{
    uint64_t ready;
    char address[16];
    int sv[2];

    if (socketpair(AF_UNIX, SOCK_STREAM, 0, sv))
        return -errno;
    snprintf(address, sizeof address, "%d", sv[1]);
    // The server inherits both ends; it would never see the end of file through its own copy.
    int flags = fcntl(sv[0], F_GETFD);
    fcntl(sv[0], F_SETFD, flags | FD_CLOEXEC);
    l->fd = sv[0];
    int rc = server_start(&l->server, kind, address, 0, one_cpu);
    close(sv[1]);
    if (!rc && read_some(l->fd, &ready, sizeof ready) != sizeof ready)
        rc = server_end(l->server) ? -EPIPE : -EPROTO;
    if (rc)
        close(sv[0]);
    return rc;
}

static int line_close(struct line *l)
{
    close(l->fd);
    return server_end(l->server);
}

/* Messages are whole at both ends, since the server echoes what it got in order. */
static int send_batch(int fd, long first, long count)
{
    for (long i = 0; i < count; i++) {
        uint64_t number = (uint64_t)(first + i);
        memcpy(buffer + i * ECHO_BYTES, &number, sizeof number);
    }
    return write_all(fd, buffer, (size_t)count * ECHO_BYTES);
}

/* Takes what is there, at least one message. Returns how many, all numbered from `first` on. */
static long recv_batch(int fd, long first, long most)
{
    size_t have = 0;

    do {
        ssize_t n = read_some(fd, buffer + have, (size_t)most * ECHO_BYTES - have);
        if (n <= 0)
            return n < 0 ? (long)n : -EPROTO;
        have += (size_t)n;
    } while (have % ECHO_BYTES);
    for (size_t i = 0; i < have / ECHO_BYTES; i++) {
        uint64_t number;
        memcpy(&number, buffer + i * ECHO_BYTES, sizeof number);
        if (number != (uint64_t)first + i)
            return -EBADMSG;
    }
    return (long)(have / ECHO_BYTES);
}

static int echo_all(int fd, long ops, long in_flight, double *us)
{
    for (long sent = 0, got = 0; got < ops;) {
        long more = in_flight - (sent - got);
        int64_t began = us ? clock_ns() : 0;
        more = more < ops - sent ? more : ops - sent;
        int rc = more ? send_batch(fd, sent, more) : 0;
        if (rc)
            return rc;
        sent += more;
        long n = recv_batch(fd, got, sent - got);
        if (n < 0)
            return (int)n;
        if (us)
            us[got] = (double)(clock_ns() - began) / 1e3;
        got += n;
    }
    return 0;
}

static int finish(struct trial *t, struct line *l, int rc)
{
    int closed = line_close(l);

    if (rc == -EBADMSG)
        return wrong(t, "not what was sent");
    return rc || closed ? failed(t, "a socket pair", rc ? rc : closed) : 0;
}

int raw_echo(struct trial *t)
{
    bool latency = t->n / 2 == 1;
    double *us = latency ? calloc((size_t)t->ops, sizeof *us) : NULL;
    struct line l;
    int rc = latency && !us ? -ENOMEM : line_open(&l, "raw-echo", t->n % 2 == ONE_CPU);

    if (rc) {
        free(us);
        return failed(t, "a socket pair", rc);
    }
    clock_start(t);
    rc = echo_all(l.fd, t->ops, t->n / 2, us);
    clock_stop(t);
    if (us && !rc)
        t->value[0] = percentile(us, t->ops, 0.5);
    free(us);
    return finish(t, &l, rc);
}

int raw_stream(struct trial *t)
{
    uint64_t bytes = (uint64_t)t->ops * (uint64_t)t->n, answer;
    struct line l;
    int rc = line_open(&l, "raw-drain", TWO_CPUS);

    if (rc)
        return failed(t, "a socket pair", rc);
    clock_start(t);
    rc = write_all(l.fd, &bytes, sizeof bytes);
    for (uint64_t left = bytes; left > 0 && !rc;) {
        size_t n = left < LARGEST ? (size_t)left : LARGEST;
        rc = write_all(l.fd, buffer, n);
        left -= n;
    }
    if (!rc && read_some(l.fd, &answer, sizeof answer) != sizeof answer)
        rc = -EPROTO;
    clock_stop(t);
    return finish(t, &l, rc);
}
