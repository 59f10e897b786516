/* SPDX-License-Identifier: BSD-3-Clause */
/* halt.c — a signal becomes a byte in a pipe. */
#include "halt.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stddef.h>
#include <stdlib.h>
#include <unistd.h>

#include <kcoro/kcoro.h>

static const int caught[] = { SIGHUP, SIGINT, SIGQUIT, SIGTERM };
enum { CAUGHT = sizeof caught / sizeof caught[0] };

static struct sigaction before[CAUGHT];
static int ends[2] = { -1, -1 };
static volatile sig_atomic_t came;

static void on_signal(int sig)
{
    int saved = errno;
    unsigned char byte = (unsigned char)sig;

    came = sig;
    ssize_t n = write(ends[1], &byte, 1); // full: then there is a byte to read already
    (void)n;
    errno = saved;
}

static int open_pipe(void)
{
    if (pipe(ends) < 0)
        return -errno;
    for (int i = 0; i < 2; i++)
        if (fcntl(ends[i], F_SETFD, FD_CLOEXEC) < 0 || fcntl(ends[i], F_SETFL, O_NONBLOCK) < 0)
            return -errno;
    return 0;
}

static void close_pipe(void)
{
    for (int i = 0; i < 2; i++) {
        if (ends[i] >= 0)
            close(ends[i]);
        ends[i] = -1;
    }
}

int halt_catch(void)
{
    struct sigaction act = { .sa_handler = on_signal, .sa_flags = SA_RESTART };

    int rc = open_pipe();
    if (rc < 0) {
        close_pipe();
        return rc;
    }
    sigemptyset(&act.sa_mask);
    for (size_t i = 0; i < CAUGHT; i++)
        if (sigaction(caught[i], NULL, &before[i]) == 0 && before[i].sa_handler != SIG_IGN)
            sigaction(caught[i], &act, NULL);
    return 0;
}

int halt_wait(void)
{
    unsigned char byte;
    ssize_t n = kc_read(ends[0], &byte, 1, KC_FOREVER);
    return n == 1 ? byte : n < 0 ? (int)n : -EPIPE;
}

void halt_release(void)
{
    if (ends[0] < 0)
        return;
    for (size_t i = 0; i < CAUGHT; i++)
        sigaction(caught[i], &before[i], NULL);
    close_pipe();
    if (came)
        halt_now(came);
}

void halt_now(int sig)
{
    sigset_t one;

    signal(sig, SIG_DFL);
    sigemptyset(&one);
    sigaddset(&one, sig);
    pthread_sigmask(SIG_UNBLOCK, &one, NULL);
    raise(sig);
    _exit(128 + sig); // not reached: the default action of all four ends the process
}
