/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * bench/ipc_server.c — the other process: this program again, started with a hidden option.
 *
 * Kinds: "echo" and "stream" over remote channels, "raw-echo" and "raw-drain" over a socket
 * pair. Each ends by itself when its client goes away.
 */
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "bench/ipc.h"
#include "bench/machine.h"

extern char **environ;

int server_start(pid_t *pid, const char *kind, const char *address, size_t bytes, bool one_cpu)
{
    char size[24];
    const char *argv[] = { "kcoro-bench", SERVE_OPTION, kind, address, size, NULL };

    snprintf(size, sizeof size, "%zu", bytes);
    machine_pin(true);
    if (!one_cpu)
        machine_pin_first();
    int rc =
        posix_spawn(pid, "/proc/self/exe", NULL, NULL, (char *const *)(uintptr_t)argv, environ);
    machine_pin(true);
    return -rc;
}

int server_end(pid_t pid)
{
    int status;

    while (waitpid(pid, &status, 0) < 0)
        if (errno != EINTR)
            return -ECHILD;
    return status == 0 ? 0 : -EPIPE;
}

/* ---- over remote channels ---- */

struct service {
    const char *kind, *address;
    size_t bytes;
    kc_chan_t *in, *out;
};

static int echo(const struct service *s, uint64_t *message)
{
    int rc;

    while (!(rc = kc_recv(s->in, message)) && !(rc = kc_send(s->out, message))) {}
    return rc;
}

static int add_up(const struct service *s, uint64_t *message)
{
    uint64_t sum = 0;
    int rc;

    while (!(rc = kc_recv(s->in, message))) {
        sum += message[0];
        if (message[0])
            continue;
        message[0] = sum;
        sum = 0;
        if ((rc = kc_send(s->out, message)))
            break;
    }
    return rc;
}

static int export_both(struct service *s, kc_ipc_listener_t *l)
{
    int rc = kc_ipc_export(l, "in", s->in, KC_PEER_SEND | KC_PEER_CLOSE);
    return rc ? rc : kc_ipc_export(l, "out", s->out, KC_PEER_RECV);
}

static int serve(void *arg)
{
    static uint64_t message[LARGEST / 8];
    struct service *s = arg;
    kc_ipc_listener_t *l;

    s->in = kc_chan_owned(s->bytes, IN_FLIGHT_MOST);
    s->out = kc_chan_owned(s->bytes, IN_FLIGHT_MOST);
    if (!s->in || !s->out)
        return -ENOMEM;
    int rc = kc_ipc_listen(&l, s->address, NULL);
    if (rc)
        return rc;
    if (!(rc = export_both(s, l)))
        rc = !strcmp(s->kind, "echo") ? echo(s, message) : add_up(s, message);
    kc_ipc_listener_close(l);
    return rc == -EPIPE ? 0 : rc; // the client closed it: the usual end
}

/* ---- over a socket pair ---- */

static unsigned char buffer[LARGEST];

int write_all(int fd, const void *data, size_t n)
{
    const char *p = data;

    while (n > 0) {
        ssize_t done = write(fd, p, n);
        if (done < 0 && errno != EINTR)
            return -errno;
        p += done > 0 ? done : 0;
        n -= done > 0 ? (size_t)done : 0;
    }
    return 0;
}

ssize_t read_some(int fd, void *data, size_t n)
{
    ssize_t done;

    do
        done = read(fd, data, n);
    while (done < 0 && errno == EINTR);
    return done < 0 ? -errno : done;
}

static int raw_echo_server(int fd)
{
    ssize_t n;
    int rc = 0;

    while (!rc && (n = read_some(fd, buffer, LARGEST)) > 0)
        rc = write_all(fd, buffer, (size_t)n);
    return rc ? rc : (int)n;
}

/* The client says first how many bytes will come, and is told when all are here. */
static int raw_drain_server(int fd)
{
    uint64_t left, zero = 0;
    ssize_t n = read_some(fd, &left, sizeof left);

    if (n != sizeof left)
        return -EPROTO;
    for (; left > 0; left -= (uint64_t)n)
        if ((n = read_some(fd, buffer, LARGEST)) <= 0)
            return -EPROTO;
    return write_all(fd, &zero, sizeof zero);
}

static int raw_serve(const char *kind, int fd)
{
    uint64_t ready = 0;
    int rc = write_all(fd, &ready, sizeof ready);

    if (!rc)
        rc = !strcmp(kind, "raw-echo") ? raw_echo_server(fd) : raw_drain_server(fd);
    return rc;
}

int serve_main(int argc, char **argv)
{
    if (argc != 5)
        return EXIT_FAILURE;
    struct service s = { argv[2], argv[3], strtoul(argv[4], NULL, 10), NULL, NULL };
    if (!strncmp(s.kind, "raw-", 4))
        return raw_serve(s.kind, atoi(s.address)) ? EXIT_FAILURE : EXIT_SUCCESS;
    kc_opts_t opts = { .workers = 1 };
    int rc = s.bytes <= LARGEST ? kc_run(serve, &s, &opts) : -EINVAL;
    if (rc)
        fprintf(stderr, "kcoro-bench: server: %s\n", kc_strerror(rc));
    return rc ? EXIT_FAILURE : EXIT_SUCCESS;
}
