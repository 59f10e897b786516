/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * arch/linux/poll.c — a pollset is an epoll instance and an eventfd that interrupts it.
 *
 * One-shot  Every descriptor is registered with EPOLLONESHOT: after its report the kernel keeps
 *           it, disabled, so arming again is one EPOLL_CTL_MOD. Only the first time costs an
 *           extra call, and closing a descriptor cleans up by itself.
 * Kick      The eventfd is watched for edges: each write is one edge, collected by one wait.
 *           Nobody ever reads it. (Its counter would overflow after 2^64 kicks.)
 * Alarm     The set is itself a descriptor that can be polled. A timerfd in it, watched for
 *           edges too, makes it readable at a time.
 * Keys      go through the kernel. The kick has the one key that callers may not use.
 */
#define _GNU_SOURCE

#include "arch/os.h"

#include <errno.h>
#include <limits.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/syscall.h>
#include <sys/timerfd.h>
#include <time.h>
#include <unistd.h>

#include "arch/fault.h"

#ifndef SYS_epoll_pwait2
#define SYS_epoll_pwait2 441
#endif

enum { BATCH = 64 };
static const uint64_t key_kick = UINT64_MAX;

struct kci_pollset {
    int ep;
    int kick;
    int alarm; /* a timerfd, once somebody polls the set itself; -1: none */
};

static int control(struct kci_pollset *ps, int how, int fd, struct epoll_event *e)
{
    return kci_fails(KCI_FAULT_EPOLL_CTL) ? -1 : epoll_ctl(ps->ep, how, fd, e);
}

static int watch_edges(struct kci_pollset *ps, int fd)
{
    struct epoll_event e = { .events = EPOLLIN | EPOLLET, .data.u64 = key_kick };

    return control(ps, EPOLL_CTL_ADD, fd, &e);
}

static int open_set(void)
{
    return kci_fails(KCI_FAULT_EPOLL_CREATE) ? -1 : epoll_create1(EPOLL_CLOEXEC);
}

static int open_kick(void)
{
    return kci_fails(KCI_FAULT_EVENTFD) ? -1 : eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
}

int kci_pollset_create(struct kci_pollset **out)
{
    struct kci_pollset *ps = kci_fails(KCI_FAULT_MALLOC) ? NULL : malloc(sizeof *ps);

    if (!ps)
        return -ENOMEM;
    ps->kick = ps->alarm = -1;
    if ((ps->ep = open_set()) < 0 || (ps->kick = open_kick()) < 0 ||
        watch_edges(ps, ps->kick) != 0) {
        int rc = -errno;
        kci_pollset_destroy(ps);
        return rc;
    }
    *out = ps;
    return 0;
}

void kci_pollset_destroy(struct kci_pollset *ps)
{
    if (ps->alarm >= 0)
        (void)close(ps->alarm);
    if (ps->kick >= 0)
        (void)close(ps->kick);
    if (ps->ep >= 0)
        (void)close(ps->ep);
    free(ps);
}

static uint32_t to_epoll(unsigned ev)
{
    return ((ev & KCI_POLL_RD) ? EPOLLIN | EPOLLRDHUP : 0u) |
           ((ev & KCI_POLL_WR) ? EPOLLOUT : 0u) | ((ev & KCI_POLL_HUP) ? EPOLLRDHUP : 0u);
}

static unsigned from_epoll(uint32_t events)
{
    return ((events & EPOLLIN) ? KCI_POLL_RD : 0u) | ((events & EPOLLOUT) ? KCI_POLL_WR : 0u) |
           ((events & (EPOLLHUP | EPOLLRDHUP)) ? KCI_POLL_HUP : 0u) |
           ((events & EPOLLERR) ? KCI_POLL_ERR : 0u);
}

int kci_pollset_arm(struct kci_pollset *ps, int fd, unsigned ev, uint64_t key)
{
    struct epoll_event e = { .events = to_epoll(ev) | EPOLLONESHOT, .data.u64 = key };

    if (key == key_kick)
        return -EINVAL;
    // Two threads may both find the descriptor new; the loser's ADD then becomes a MOD.
    for (;;) {
        if (control(ps, EPOLL_CTL_MOD, fd, &e) == 0)
            return 0;
        int rc = kci_os_error();
        if (rc != -ENOENT)
            return rc;
        if (control(ps, EPOLL_CTL_ADD, fd, &e) == 0)
            return 0;
        if ((rc = kci_os_error()) != -EEXIST)
            return rc;
    }
}

void kci_pollset_forget(struct kci_pollset *ps, int fd)
{
    struct epoll_event unused = { 0 };

    (void)control(ps, EPOLL_CTL_DEL, fd, &unused);
}

/* Nanoseconds from now until then; -1: for ever. */
static int64_t time_left(int64_t until_ns)
{
    if (until_ns == INT64_MAX)
        return -1;
    if (until_ns <= 0)
        return 0;
    int64_t left = until_ns - kci_os_now();
    return left > 0 ? left : 0;
}

/* Before Linux 5.11: milliseconds, rounded up so that we never wake too early and spin. */
static int wait_ms(int ep, struct epoll_event *events, int max, int64_t left_ns)
{
    int64_t ms = left_ns < 0 ? -1 : left_ns / 1000000 + (left_ns % 1000000 != 0);

    return epoll_wait(ep, events, max, ms < INT_MAX ? (int)ms : INT_MAX);
}

static int wait_ns(int ep, struct epoll_event *events, int max, int64_t left_ns)
{
    static _Atomic(bool) missing;

    if (left_ns <= 0 || ka_load(&missing, relaxed)) // relaxed: a stale answer costs one call
        return wait_ms(ep, events, max, left_ns);

    struct timespec ts = { (time_t)(left_ns / 1000000000), (long)(left_ns % 1000000000) };
    long n = syscall(SYS_epoll_pwait2, ep, events, max, &ts, NULL, (size_t)0);
    if (n >= 0 || (errno != ENOSYS && errno != EPERM)) // sandboxes say EPERM
        return (int)n;
    ka_store(&missing, true, relaxed); // relaxed: as above
    return wait_ms(ep, events, max, left_ns);
}

int kci_pollset_wait(struct kci_pollset *ps, struct kci_poll_event *out, int max,
                     int64_t until_ns)
{
    struct epoll_event events[BATCH];
    int most = max < BATCH ? max : BATCH, count = 0;
    int n = kci_fails(KCI_FAULT_EPOLL_WAIT) ? -1 : wait_ns(ps->ep, events, most,
                                                           time_left(until_ns));

    for (int i = 0; i < n; i++) { // n < 0: interrupted by a signal, which is nothing ready
        if (events[i].data.u64 == key_kick)
            continue;
        out[count].key = events[i].data.u64;
        out[count++].ev = from_epoll(events[i].events);
    }
    return count;
}

void kci_pollset_kick(struct kci_pollset *ps)
{
    const uint64_t one = 1;
    ssize_t n;

    do
        n = write(ps->kick, &one, sizeof one);
    while (n < 0 && kci_os_error() == -EINTR);
}

static int alarm_open(struct kci_pollset *ps)
{
    int fd = -1;

    if (!kci_fails(KCI_FAULT_TIMERFD))
        fd = timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC | TFD_NONBLOCK);
    if (fd < 0)
        return kci_os_error();
    if (watch_edges(ps, fd) != 0) {
        int rc = kci_os_error();
        (void)close(fd);
        return rc;
    }
    ps->alarm = fd;
    return 0;
}

int kci_pollset_fd(struct kci_pollset *ps, int64_t wake_ns)
{
    int64_t at = wake_ns == INT64_MAX ? 0 : wake_ns < 1 ? 1 : wake_ns; // 0: off
    struct itimerspec when = { .it_value = { at / 1000000000, (long)(at % 1000000000) } };
    int rc = ps->alarm < 0 ? alarm_open(ps) : 0;

    if (rc)
        return rc;
    // A timer that is set anew forgets that it had expired.
    return timerfd_settime(ps->alarm, TFD_TIMER_ABSTIME, &when, NULL) ? kci_os_error() : ps->ep;
}
