/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * io/reactor.c — descriptors and their waiters, over the system's poll set.
 *
 * Each descriptor has an entry with a list of waiters and their masks. A wait is a clause of
 * kci_fd_source, alone or in a select: it adds itself and arms the poll set, once, for the
 * union of all masks; an event wakes whom it concerns and arms again for the rest. On a thread
 * outside of any runtime a single wait is poll(2); a select is lent a reactor (io/helper.c).
 *
 * Invariants  an entry with waiters is armed for at least their masks, or its event is being
 *             handled
 * Locks       entry.lock (rank fd): list and arming. Winners are finished outside it.
 * Why one-shot, at the price of a system call a wait: a program may close a descriptor behind
 *             our back and get the same number again. Arming anew notices; a registration kept
 *             from before would sleep for ever.
 */
#include "io/reactor.h"

#include <poll.h>
#include <pthread.h>
#include <unistd.h>

#include "arch/fault.h"
#include "core/assert.h"
#include "core/mem.h"
#include "io/helper.h"

enum { CHUNK = 256, CHUNKS = 4096, EVENTS = 64 };

struct entry {
    struct kci_lock lock;
    int fd;                  /* fixed */
    struct kci_reactor *r;   /* fixed */
    uint32_t armed;          /* lock: how often; an event of an earlier time is out of date */
    struct kci_list waiters; /* lock: kci_waiter; their `elem` is the mask */
    unsigned closing;        /* lock: kc_fd_close is between forgetting and closing */
};

struct kci_reactor {
    struct kci_list node; /* reactors_mutex */
    struct kci_pollset *ps;
    _Atomic(uint32_t) nwaiting;
    _Atomic(struct entry *) chunk[CHUNKS]; /* allocated on first use, freed at the end */
};

/* All reactors of the process: a descriptor may be waited for in any of them when it is
 * closed. */
static pthread_mutex_t reactors_mutex = PTHREAD_MUTEX_INITIALIZER;
static struct kci_list reactors = { &reactors, &reactors };

/* ---- entries ---- */

static struct entry *chunk_create(struct kci_reactor *r, size_t c)
{
    struct entry *fresh = kci_zalloc(sizeof *fresh * CHUNK), *expected = NULL;

    for (int i = 0; fresh && i < CHUNK; i++) {
        fresh[i].fd = (int)c * CHUNK + i;
        fresh[i].r = r;
        kci_list_init(&fresh[i].waiters);
    }
    if (fresh && !ka_cas(&r->chunk[c], &expected, fresh, acq_rel, acquire)) { // E-CHUNK
        kci_free(fresh);
        fresh = expected;
    }
    return fresh;
}

static struct entry *entry_of(struct kci_reactor *r, int fd, bool create)
{
    size_t c = (size_t)fd / CHUNK;

    if (fd < 0 || c >= CHUNKS)
        return NULL;
    struct entry *chunk = ka_load(&r->chunk[c], acquire); // E-CHUNK in
    if (!chunk && create)
        chunk = chunk_create(r, c);
    return chunk ? &chunk[fd % CHUNK] : NULL;
}

/* What a clause wants to hear of travels as its argument. */
static unsigned mask_of(const void *arg)
{
    return (unsigned)(uintptr_t)arg;
}

static void *as_arg(unsigned ev)
{
    return (void *)(uintptr_t)ev;
}

static unsigned wanted(const struct entry *e)
{
    unsigned ev = 0;

    for (const struct kci_list *it = e->waiters.next; it != &e->waiters; it = it->next)
        ev |= mask_of(KCI_OF(it, struct kci_waiter, node)->elem);
    return ev;
}

/* Hear once of `ev`. An event that was fetched before, but not handled yet, is out of date from
 * now on: if the descriptor is still ready there will be another. Else it would wake who waits
 * for what was consumed meanwhile, or for another file of the same number. Locked. */
static int arm(struct entry *e, unsigned ev)
{
    uint32_t time = e->armed + 1;
    int rc = kci_pollset_arm(e->r->ps, e->fd, ev, (uint64_t)time << 32 | (uint32_t)e->fd);

    if (!rc)
        e->armed = time;
    return rc;
}

/* ---- events ---- */

/* What a waiter for `want` learns from `ev`; 0: nothing. */
static unsigned relevant(unsigned ev, unsigned want)
{
    return ev & (want | KC_HUP | KC_ERR);
}

static void collect(struct entry *e, unsigned ev, struct kci_list *won)
{
    struct kci_claim c;

    KCI_EACH(it, &e->waiters) {
        struct kci_waiter *wt = KCI_OF(it, struct kci_waiter, node);
        if (!relevant(ev, mask_of(wt->elem)))
            continue;
        kci_list_remove(&wt->node);
        if (kci_ticket_claim(wt->tk, wt->gen, &c))
            kci_list_push(won, &wt->node);
    }
}

static void finish(struct kci_list *won, unsigned ev)
{
    while (!kci_list_empty(won)) {
        struct kci_waiter *wt = KCI_OF(kci_list_pop(won), struct kci_waiter, node);
        int ready = (int)relevant(ev, mask_of(wt->elem));
        kci_claim_finish((struct kci_claim){ wt->tk, 0, wt->index }, ready);
    }
}

static void handle(struct kci_reactor *r, const struct kci_poll_event *pe)
{
    struct entry *e = entry_of(r, (int)(uint32_t)pe->key, false);
    struct kci_list won, lost;

    KCI_ASSERT(e);
    kci_list_init(&won);
    kci_list_init(&lost);
    kci_lock(&e->lock);
    bool current = (uint32_t)(pe->key >> 32) == e->armed;
    if (current)
        collect(e, pe->ev, &won);
    unsigned rest = current ? wanted(e) : 0;
    // A failure means the descriptor is gone: its waiters must not sleep for ever.
    if (rest && arm(e, rest))
        kci_queue_claim_all(&e->waiters, &lost);
    kci_unlock(&e->lock);
    finish(&won, pe->ev);
    kci_waiters_finish(&lost, -EBADF);
}

void kci_reactor_wait(void *ctx, int64_t until_ns)
{
    struct kci_reactor *r = ctx;
    struct kci_poll_event events[EVENTS];
    int n = kci_pollset_wait(r->ps, events, EVENTS, until_ns);

    for (int i = 0; i < n; i++)
        handle(r, &events[i]);
}

void kci_reactor_kick(void *ctx)
{
    kci_pollset_kick(((struct kci_reactor *)ctx)->ps);
}

static int reactor_fd(void *ctx, int64_t wake_ns)
{
    return kci_pollset_fd(((struct kci_reactor *)ctx)->ps, wake_ns);
}

static bool reactor_busy(void *ctx)
{
    struct kci_reactor *r = ctx;
    return ka_load(&r->nwaiting, seq_cst); // E-IDLE: counted before parking
}

void kci_reactor_destroy(void *ctx)
{
    struct kci_reactor *r = ctx;

    pthread_mutex_lock(&reactors_mutex);
    kci_list_remove(&r->node);
    pthread_mutex_unlock(&reactors_mutex);
    for (size_t c = 0; c < CHUNKS; c++)
        kci_free(ka_load(&r->chunk[c], relaxed)); // relaxed: all workers have ended
    kci_pollset_destroy(r->ps);
    kci_free(r);
}

int kci_reactor_create(struct kci_reactor **out)
{
    struct kci_reactor *r = kci_zalloc(sizeof *r);
    int rc = r ? kci_pollset_create(&r->ps) : -ENOMEM;

    if (rc) {
        kci_free(r);
        return rc;
    }
    pthread_mutex_lock(&reactors_mutex);
    kci_list_push(&reactors, &r->node);
    pthread_mutex_unlock(&reactors_mutex);
    *out = r;
    return 0;
}

int kci_reactor_plug(struct kc_rt *rt)
{
    struct kci_reactor *r;
    int rc = kci_reactor_create(&r);

    if (rc)
        return rc;
    rt->ext[KCI_EXT_IO] = r;
    rt->poller = (struct kci_poller){ .ctx = r,
                                      .wait = kci_reactor_wait,
                                      .kick = kci_reactor_kick,
                                      .fd = reactor_fd,
                                      .busy = reactor_busy,
                                      .destroy = kci_reactor_destroy };
    return 0;
}

/* ---- waiting ---- */

static short poll_bits(unsigned ev)
{
    return (short)((ev & KC_RD ? POLLIN : 0) | (ev & KC_WR ? POLLOUT : 0));
}

/* poll(2) one descriptor: the ready mask, 0 after timeout_ms or a signal, -EBADF -ENOMEM. */
static int poll_one(int fd, unsigned ev, int timeout_ms)
{
    struct pollfd p = { .fd = fd, .events = poll_bits(ev) };

    int n = kci_fails(KCI_FAULT_POLL) ? -1 : poll(&p, 1, timeout_ms);
    int rc = n < 0 ? kci_os_error() : 0;

    if (n <= 0)
        return rc == -EINTR || rc == -EAGAIN ? 0 : rc;
    if (p.revents & POLLNVAL)
        return -EBADF;
    return (p.revents & POLLIN ? (int)KC_RD : 0) | (p.revents & POLLOUT ? (int)KC_WR : 0) |
           (p.revents & POLLHUP ? (int)KC_HUP : 0) | (p.revents & POLLERR ? (int)KC_ERR : 0);
}

/* Until dl, in milliseconds for poll(2): rounded up, at most a minute at a time. */
static int poll_ms(int64_t left_ns)
{
    int64_t ms = left_ns / 1000000 + 1;
    return left_ns <= 0 ? 0 : ms > 60000 ? 60000 : (int)ms;
}

static int thread_wait(int fd, unsigned ev, kc_deadline_t dl)
{
    for (;;) {
        int64_t left = dl.ns == INT64_MAX ? KC_S(60) : dl.ns - kc_now();
        int ready = poll_one(fd, ev, poll_ms(left));
        if (ready || left <= 0)
            return ready ? ready : -ETIME;
    }
}

/* Lock an entry whose descriptor nobody is closing: once closed, arming says -EBADF. */
static void lock_to_wait(struct entry *e)
{
    kci_lock(&e->lock);
    while (e->closing) {
        kci_unlock(&e->lock);
        kci_os_yield_thread();
        kci_lock(&e->lock);
    }
}

/* ---- a descriptor as something to select on ---- */

/* Stands in for the entry of a clause that will not be armed: it is ready, or its caller may
 * not wait. */
static struct entry nowhere;

/* The reactor that serves the caller; the clause keeps a lent one until cleanup. */
static int serving(struct kci_clause *c, struct kci_reactor **out)
{
    struct kc_co *self = kci_co_self();
    int rc = 0;

    if (self)
        *out = self->rt->ext[KCI_EXT_IO];
    else if (!(rc = kci_helper_get(out)))
        c->scratch = *out;
    return rc;
}

/* A select's clause comes with the descriptor + 1 as its object. It is looked at here, once:
 * system calls have no place under the locks. What becomes ready later is found by arming. */
static int fd_prepare(struct kci_clause *c)
{
    int fd = (int)(intptr_t)c->obj - 1, ready = poll_one(fd, mask_of(c->arg), 0);
    struct kci_reactor *r;

    if (ready < 0 && ready != -EBADF)
        return ready; // no answer, so nothing for this clause to fire with
    c->obj = &nowhere;
    c->extra = (unsigned)ready;
    if (ready || !kci_self_ticket())
        return 0;
    int rc = serving(c, &r);
    if (rc)
        return rc;
    struct entry *e = entry_of(r, fd, true);
    if (!e) {
        kci_helper_put(c->scratch);
        return -ENOMEM;
    }
    lock_to_wait(e);
    kci_unlock(&e->lock);
    c->obj = e;
    return 0;
}

static void fd_cleanup(struct kci_clause *c)
{
    kci_helper_put(c->scratch);
}

static struct kci_lock *fd_lock(void *obj)
{
    return &((struct entry *)obj)->lock;
}

static int fd_try(struct kci_clause *c)
{
    int ready = (int)c->extra;
    return ready ? ready : -EAGAIN;
}

static int fd_arm(struct kci_clause *c)
{
    struct entry *e = c->obj;

    if (e->closing) // since this clause was prepared
        return -EBADF;
    kci_list_push(&e->waiters, &c->wt.node);
    int rc = arm(e, wanted(e));
    if (rc)
        kci_list_remove(&c->wt.node);
    return rc;
}

/* A program with somebody here is not stuck. Counted while the caller still runs, so before
 * anybody can find all idle. */
static void fd_hold(void *obj)
{
    ka_add(&((struct entry *)obj)->r->nwaiting, 1, seq_cst); // E-IDLE: before parking
}

static void fd_release(struct kci_clause *c)
{
    ka_sub(&((struct entry *)c->obj)->r->nwaiting, 1, seq_cst); // E-IDLE
}

const struct kci_source kci_fd_source = {
    .why = KCI_WHY_FD,
    .any_rc = true,
    .prepare = fd_prepare,
    .cleanup = fd_cleanup,
    .lock = fd_lock,
    .try = fd_try,
    .arm = fd_arm,
    .disarm = kci_clause_dequeue,
    .hold = fd_hold,
    .release = fd_release,
};

static int coroutine_wait(struct kc_co *self, int fd, unsigned ev, kc_deadline_t dl)
{
    struct entry *e = entry_of(self->rt->ext[KCI_EXT_IO], fd, true);
    struct kci_clause c;

    if (!e)
        return -ENOMEM;
    kci_clause_init(&c, &kci_fd_source, e, as_arg(ev));
    lock_to_wait(e);
    int rc = kci_clause_wait_locked(&c, dl);
    return rc == -EPERM ? (int)ev : rc; // a kind of file that is always ready
}

int kci_fd_wait_more(int fd, unsigned ev, kc_deadline_t dl)
{
    struct kc_co *self = kci_co_self();
    int rc = kci_deadline_check(dl);

    if (rc)
        return rc;
    if (!kci_self_ticket())
        return -EPERM;
    return self ? coroutine_wait(self, fd, ev, dl) : thread_wait(fd, ev, dl);
}

size_t kci_fd_waiters(int fd)
{
    struct kc_co *self = kci_co_self();
    struct entry *e = self ? entry_of(self->rt->ext[KCI_EXT_IO], fd, false) : NULL;
    size_t n = 0;

    if (!e)
        return 0;
    kci_lock(&e->lock);
    KCI_EACH(it, &e->waiters)
        n++;
    kci_unlock(&e->lock);
    return n;
}

int kci_fd_ready(int fd, unsigned ev)
{
    return poll_one(fd, ev, 0);
}

int kc_fd_wait(int fd, unsigned ev, kc_deadline_t dl)
{
    if (fd < 0)
        return -EBADF;
    if (!ev || ev & ~(KC_RD | KC_WR))
        return -EINVAL;
    int rc = kci_self_enter();
    if (rc || (rc = poll_one(fd, ev, 0)))
        return rc;
    return kci_fd_wait_more(fd, ev, dl);
}

/* ---- closing ---- */

/* Wake who waits, and let nobody start to wait until end_close. */
static void begin_close(struct kci_reactor *r, int fd, struct kci_list *won)
{
    struct entry *e = entry_of(r, fd, true);

    if (!e) // out of memory: then nobody can wait for it here either
        return;
    kci_lock(&e->lock);
    e->closing++;
    kci_queue_claim_all(&e->waiters, won);
    kci_pollset_forget(r->ps, fd);
    kci_unlock(&e->lock);
}

static void end_close(struct kci_reactor *r, int fd)
{
    struct entry *e = entry_of(r, fd, false);

    if (!e)
        return;
    kci_lock(&e->lock);
    e->closing -= e->closing > 0; // not begun: the entry is younger
    kci_unlock(&e->lock);
}

static int none(int fd)
{
    (void)fd;
    return 0;
}

/* A close that fails has closed all the same. */
static int close_it(int fd)
{
    int rc = close(fd);
    return kci_fails(KCI_FAULT_CLOSE) ? -1 : rc;
}

/* Call how(fd) while nobody waits for fd. Returns its errno, negative. */
static int without_waiters(int fd, int (*how)(int))
{
    struct kci_list won;

    kci_list_init(&won);
    pthread_mutex_lock(&reactors_mutex);
    KCI_EACH(it, &reactors)
        begin_close(KCI_OF(it, struct kci_reactor, node), fd, &won);
    int rc = how(fd) ? kci_os_error() : 0;
    KCI_EACH(it, &reactors)
        end_close(KCI_OF(it, struct kci_reactor, node), fd);
    pthread_mutex_unlock(&reactors_mutex);
    kci_waiters_finish(&won, -EBADF);
    return rc;
}

void kci_fd_forget(int fd)
{
    (void)without_waiters(fd, none);
}

int kc_fd_close(int fd)
{
    if (fd < 0)
        return -EBADF;
    int rc = without_waiters(fd, close_it);
    // After EINTR the descriptor is closed on Linux; closing again could hit somebody else's.
    return rc == -EINTR ? 0 : rc;
}
