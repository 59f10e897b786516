/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * arch/posix/poll.c — a pollset over poll(2), for systems without anything better.
 *
 * Picture     slots, one per descriptor number, under the lock     view: what poll() is looking
 *               at 0   1   2   3   4   5                                pipe  1   4
 *             [   | a |   |   | a |   ]  ── copied by wait ──→      [ r  | r | w ]
 *
 * Invariants
 *   one-shot  a reported slot is no longer armed
 *   no-stale  a result of poll() counts only for a slot armed before the view was taken:
 *             `since` is the round it was armed in, and each view begins a new round. Otherwise
 *             a descriptor forgotten, closed and armed anew during poll() would inherit the old
 *             answer
 *   no-miss   whoever arms while poll() runs writes to the pipe, and wait takes a new view
 *   no-hold   so does whoever forgets: a kernel keeps a file open while poll() looks at it, and
 *             the other end of a socket would not learn that it was closed
 * Locks       everything under ps->lock, except that the waiter owns the view while it polls.
 *             Arming may need a bigger view; it leaves one in `spare` for the waiter to take.
 * Cost        one round is linear in the highest descriptor.
 */
#include "arch/os.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <pthread.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "arch/fault.h"

struct slot {
    uint64_t key;
    uint64_t since;
    unsigned ev;
    bool armed;
};

struct kci_pollset {
    pthread_mutex_t lock;
    struct slot *slots;
    struct pollfd *view;  // the waiter's; room + 1
    struct pollfd *spare; // a bigger view, or NULL
    size_t room;          // slots
    size_t first;         // where collecting begins, so that low numbers do not starve others
    uint64_t round;
    int pipe[2];
    bool polling;
    bool kicked;
};

/* ---- life ---- */

static int pipe_open(int fds[2])
{
    if (kci_fails(KCI_FAULT_EPOLL_CREATE) || pipe(fds) != 0)
        return -errno;
    for (int i = 0; i < 2; i++) {
        (void)fcntl(fds[i], F_SETFD, FD_CLOEXEC);
        (void)fcntl(fds[i], F_SETFL, O_NONBLOCK);
    }
    return 0;
}

int kci_pollset_create(struct kci_pollset **out)
{
    struct kci_pollset *ps = kci_fails(KCI_FAULT_MALLOC) ? NULL : calloc(1, sizeof *ps);
    struct pollfd *view = kci_fails(KCI_FAULT_MALLOC) ? NULL : malloc(sizeof *view);
    int rc = ps && view ? pipe_open(ps->pipe) : -ENOMEM;

    if (rc) {
        free(view);
        free(ps);
        return rc;
    }
    (void)pthread_mutex_init(&ps->lock, NULL);
    ps->view = view;
    *out = ps;
    return 0;
}

void kci_pollset_destroy(struct kci_pollset *ps)
{
    (void)pthread_mutex_destroy(&ps->lock);
    (void)close(ps->pipe[0]);
    (void)close(ps->pipe[1]);
    free(ps->spare);
    free(ps->view);
    free(ps->slots);
    free(ps);
}

/* ---- arming ---- */

/* Can fd be waited for? Disks never keep anyone waiting in the sense of poll(). */
static int check_kind(int fd)
{
    struct stat st;

    if (kci_fails(KCI_FAULT_EPOLL_CTL) || fstat(fd, &st) != 0)
        return kci_os_error();
    return S_ISREG(st.st_mode) || S_ISDIR(st.st_mode) ? -EPERM : 0;
}

/* Make a slot for fd, and a view that can hold them all. */
static int grow_locked(struct kci_pollset *ps, int fd)
{
    size_t room = ps->room ? ps->room : 16;

    if ((size_t)fd < ps->room)
        return 0;
    while (room <= (size_t)fd)
        room *= 2;
    struct pollfd *spare = NULL;
    if (!kci_fails(KCI_FAULT_MALLOC))
        spare = malloc((room + 1) * sizeof *spare);
    struct slot *slots = spare ? realloc(ps->slots, room * sizeof *slots) : NULL;
    if (!slots) {
        free(spare);
        return -ENOMEM;
    }
    for (size_t i = ps->room; i < room; i++)
        slots[i] = (struct slot){ 0 };
    free(ps->spare);
    ps->spare = spare;
    ps->slots = slots;
    ps->room = room;
    return 0;
}

static void interrupt_locked(struct kci_pollset *ps)
{
    // A full pipe interrupts as well as one more byte would.
    if (ps->polling)
        (void)!write(ps->pipe[1], "", 1);
}

int kci_pollset_arm(struct kci_pollset *ps, int fd, unsigned ev, uint64_t key)
{
    int rc = key == UINT64_MAX ? -EINVAL : check_kind(fd);

    if (rc)
        return rc;
    (void)pthread_mutex_lock(&ps->lock);
    rc = grow_locked(ps, fd);
    if (rc == 0) {
        ps->slots[fd] =
            (struct slot){ .key = key, .since = ps->round, .ev = ev, .armed = true };
        interrupt_locked(ps);
    }
    (void)pthread_mutex_unlock(&ps->lock);
    return rc;
}

void kci_pollset_forget(struct kci_pollset *ps, int fd)
{
    (void)pthread_mutex_lock(&ps->lock);
    if (fd >= 0 && (size_t)fd < ps->room && ps->slots[fd].armed) {
        ps->slots[fd].armed = false;
        interrupt_locked(ps);
    }
    (void)pthread_mutex_unlock(&ps->lock);
}

void kci_pollset_kick(struct kci_pollset *ps)
{
    (void)pthread_mutex_lock(&ps->lock);
    ps->kicked = true;
    interrupt_locked(ps);
    (void)pthread_mutex_unlock(&ps->lock);
}

/* ---- waiting ---- */

static short to_poll(unsigned ev)
{
    return (short)(((ev & KCI_POLL_RD) ? POLLIN : 0) | ((ev & KCI_POLL_WR) ? POLLOUT : 0));
}

static unsigned from_poll(short revents)
{
    return ((revents & POLLIN) ? KCI_POLL_RD : 0u) | ((revents & POLLOUT) ? KCI_POLL_WR : 0u) |
           ((revents & POLLHUP) ? KCI_POLL_HUP : 0u) |
           ((revents & (POLLERR | POLLNVAL)) ? KCI_POLL_ERR : 0u);
}

/* Copy what is armed; returns the entries to poll. */
static size_t view_take_locked(struct kci_pollset *ps)
{
    size_t n = 1;

    if (ps->spare) {
        free(ps->view);
        ps->view = ps->spare;
        ps->spare = NULL;
    }
    ps->view[0] = (struct pollfd){ .fd = ps->pipe[0], .events = POLLIN };
    for (size_t fd = 0; fd < ps->room; fd++)
        if (ps->slots[fd].armed)
            ps->view[n++] =
                (struct pollfd){ .fd = (int)fd, .events = to_poll(ps->slots[fd].ev) };
    ps->round++;
    ps->polling = true;
    return n;
}

/* One entry that poll() had something to say about. */
static bool report_locked(struct kci_pollset *ps, const struct pollfd *pf,
                          struct kci_poll_event *out)
{
    struct slot *sl = &ps->slots[pf->fd];

    if (!pf->revents || !sl->armed || sl->since == ps->round)
        return false;
    sl->armed = false;
    out->key = sl->key;
    out->ev = from_poll(pf->revents);
    return true;
}

static int view_collect_locked(struct kci_pollset *ps, size_t n, struct kci_poll_event *out,
                               int max)
{
    size_t others = n - 1; // without the pipe
    int count = 0;

    for (size_t k = 0; k < others && count < max; k++) {
        size_t i = (ps->first + k) % others;
        if (report_locked(ps, &ps->view[1 + i], &out[count]) && ++count == max)
            ps->first = i + 1;
    }
    return count;
}

static void pipe_drain(int fd)
{
    char bytes[64];

    while (read(fd, bytes, sizeof bytes) == (ssize_t)sizeof bytes)
        ;
}

/* Rounded up, so that we never wake too early and spin; -1: for ever. */
static int ms_left(int64_t until_ns)
{
    if (until_ns == INT64_MAX)
        return -1;
    int64_t left = until_ns > 0 ? until_ns - kci_os_now() : 0;
    if (left <= 0)
        return 0;
    int64_t ms = left / 1000000 + (left % 1000000 != 0);
    return ms < INT_MAX ? (int)ms : INT_MAX;
}

/* One look at everything armed. True when the wait is over, with *count events. */
static bool wait_round(struct kci_pollset *ps, struct kci_poll_event *out, int max,
                       int64_t until_ns, int *count)
{
    (void)pthread_mutex_lock(&ps->lock);
    size_t n = view_take_locked(ps);
    int timeout = ps->kicked ? 0 : ms_left(until_ns);
    (void)pthread_mutex_unlock(&ps->lock);

    int ready = kci_fails(KCI_FAULT_EPOLL_WAIT) ? -1 : poll(ps->view, (nfds_t)n, timeout);

    (void)pthread_mutex_lock(&ps->lock);
    ps->polling = false;
    bool over = ready < 0 || timeout == 0 || ps->kicked;
    pipe_drain(ps->pipe[0]);
    *count = ready > 0 ? view_collect_locked(ps, n, out, max) : 0;
    ps->kicked = false;
    (void)pthread_mutex_unlock(&ps->lock);
    return over || *count > 0;
}

int kci_pollset_wait(struct kci_pollset *ps, struct kci_poll_event *out, int max,
                     int64_t until_ns)
{
    int count;

    while (!wait_round(ps, out, max, until_ns, &count))
        ;
    return count;
}

int kci_pollset_fd(struct kci_pollset *ps, int64_t wake_ns)
{
    (void)ps;
    (void)wake_ns;
    return -ENOTSUP;
}
