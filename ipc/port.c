/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * ipc/port.c — the transports by scheme, and a link seen as bytes in order.
 *
 * A transport of frames gets exactly one frame with each call (the preface counts as one);
 * what it delivers is copied into the connection's read buffer, where it is parsed like a
 * stream, so that everything above is the same for both kinds.
 *
 * Waiting: with a descriptor as io/ does it; else for a kick, which is noted in `ready` if
 * nobody waits yet, so that one between -EAGAIN and the wait is not lost. A note that is out of
 * date costs one call in vain.
 *
 * Registering happens a few times in a program's life, so the table is small, static, never
 * shrinks, and needs no memory that somebody would have to give back.
 */
#include "ipc/port.h"

#include <string.h>
#include <sys/uio.h>

#include "core/lock.h"
#include "io/reactor.h"
#include "ipc/wire.h"
#include "sched/sched.h"
#include "sched/source.h"

enum { SCHEMES = 16 };

static struct {
    struct kci_lock lock;
    size_t count;
    struct {
        const kc_transport_ops_t *ops;
        void *env;
    } known[SCHEMES];
} registry = { .count = 1, .known = { { &kci_transport_unix, NULL } } };

/* ---- by scheme ---- */

static bool carries_bytes(const kc_transport_ops_t *ops)
{
    return ops->send_frames && ops->recv_bytes;
}

static bool is_complete(const kc_transport_ops_t *ops)
{
    if (!ops || ops->abi != 1 || !ops->scheme || !*ops->scheme || strchr(ops->scheme, ':'))
        return false;
    bool frames = ops->send_frame && ops->recv_frame && ops->free_frame;
    return (frames || carries_bytes(ops)) && ops->connect && ops->close &&
           (ops->poll_handle || ops->set_kick) && !ops->listen == !ops->accept;
}

/* Where a scheme stands, or would stand. Locked. */
static size_t index_of(const char *scheme, size_t bytes)
{
    size_t i = 0;

    while (i < registry.count && (strlen(registry.known[i].ops->scheme) != bytes ||
                                  memcmp(registry.known[i].ops->scheme, scheme, bytes)))
        i++;
    return i;
}

int kc_transport_register(const kc_transport_ops_t *ops, void *env)
{
    int rc = 0;

    if (!is_complete(ops))
        return -EINVAL;
    kci_lock(&registry.lock);
    size_t i = index_of(ops->scheme, strlen(ops->scheme));
    if (i < registry.count && registry.known[i].ops != ops)
        rc = -EEXIST;
    else if (i == SCHEMES)
        rc = -ENOMEM;
    if (!rc) {
        registry.known[i].ops = ops;
        registry.known[i].env = env;
        registry.count += i == registry.count;
    }
    kci_unlock(&registry.lock);
    return rc;
}

int kci_port_find(const char *addr, const kc_transport_ops_t *ops, struct kci_port *port,
                  void **env, const char **rest)
{
    const char *colon = addr ? strchr(addr, ':') : NULL;

    if (!colon || (ops && !is_complete(ops)))
        return -EINVAL;
    *port = (struct kci_port){ .ops = ops };
    *env = NULL;
    *rest = colon + 1;
    kci_lock(&registry.lock);
    size_t i = index_of(addr, (size_t)(colon - addr));
    if (i < registry.count && (!ops || registry.known[i].ops == ops)) {
        port->ops = registry.known[i].ops;
        *env = registry.known[i].env;
    }
    kci_unlock(&registry.lock);
    return port->ops ? 0 : -ENOTSUP;
}

/* ---- bytes ---- */

ssize_t kci_port_send(struct kci_port *p, const unsigned char *buf, size_t n)
{
    struct iovec iov = { (void *)(uintptr_t)buf, n };

    if (carries_bytes(p->ops))
        return p->ops->send_frames(p->link, &iov, 1);
    iov.iov_len = kci_frame_size_at(buf); // frames are never taken in part
    int rc = p->ops->send_frame(p->link, &iov, 1);
    return rc ? rc : (ssize_t)iov.iov_len;
}

static ssize_t recv_one(struct kci_port *p, unsigned char *buf, size_t n)
{
    void *frame = NULL;
    size_t len = 0;
    int rc = p->ops->recv_frame(p->link, &frame, &len);

    if (rc)
        return rc;
    if (len && len <= n)
        memcpy(buf, frame, len);
    p->ops->free_frame(p->link, frame);
    return len && len <= n ? (ssize_t)len : -EPROTO;
}

ssize_t kci_port_recv(struct kci_port *p, unsigned char *buf, size_t n)
{
    return carries_bytes(p->ops) ? p->ops->recv_bytes(p->link, buf, n) : recv_one(p, buf, n);
}

/* ---- readiness ---- */

static unsigned mask_of(const void *arg)
{
    return (unsigned)(uintptr_t)arg;
}

static struct kci_lock *kick_lock(void *obj)
{
    return &((struct kci_port *)obj)->lock;
}

static int kick_try(struct kci_clause *c)
{
    struct kci_port *p = c->obj;
    unsigned got = p->ready & mask_of(c->arg);

    p->ready &= ~got;
    return got ? (int)got : -EAGAIN;
}

static int kick_arm(struct kci_clause *c)
{
    kci_list_push(&((struct kci_port *)c->obj)->waiters, &c->wt.node);
    return 0;
}

/* While somebody outside may kick, the program is neither stuck nor are all of it at rest. */
static void kick_hold(void *obj)
{
    struct kci_port *p = obj;

    if (!(p->ops->caps & KC_LINK_INSIDE))
        ka_add(&p->rt->outside, 1, seq_cst); // E-IDLE: before parking
}

static void kick_release(struct kci_clause *c)
{
    struct kci_port *p = c->obj;

    if (!(p->ops->caps & KC_LINK_INSIDE))
        ka_sub(&p->rt->outside, 1, seq_cst); // E-IDLE
}

static const struct kci_source kick_source = {
    .why = KCI_WHY_LINK,
    .any_rc = true,
    .lock = kick_lock,
    .try = kick_try,
    .arm = kick_arm,
    .disarm = kci_clause_dequeue,
    .hold = kick_hold,
    .release = kick_release,
};

/* Those that p->ready concerns, which they take along. Locked. */
static void claim_ready(struct kci_port *p, struct kci_list *won)
{
    struct kci_claim c;

    KCI_EACH(it, &p->waiters) {
        struct kci_waiter *wt = KCI_OF(it, struct kci_waiter, node);
        unsigned got = p->ready & mask_of(wt->elem);
        if (!got || !kci_waiter_claim(wt, &c))
            continue;
        p->ready &= ~got;
        kci_list_push(won, &wt->node);
    }
}

static void kick(void *port, unsigned ev)
{
    struct kci_port *p = port;
    struct kci_list won;

    kci_list_init(&won);
    kci_lock(&p->lock);
    p->ready |= ev;
    claim_ready(p, &won);
    kci_unlock(&p->lock);
    kci_waiters_finish(&won, (int)ev);
}

void kci_port_settle(struct kci_port *p)
{
    p->rt = kc_rt_current();
    p->lock = (struct kci_lock){ 0 };
    p->ready = 0;
    kci_list_init(&p->waiters);
    if (p->ops->set_kick)
        p->ops->set_kick(p->link, kick, p);
}

int kci_port_wait(struct kci_port *p, unsigned ev, kc_deadline_t dl)
{
    int fd = -1;

    if (p->ops->set_kick)
        return kci_source_wait(&kick_source, p, (void *)(uintptr_t)ev, dl);
    int rc = p->ops->poll_handle(p->link, &fd, &ev);
    return rc ? rc : kci_fd_wait_more(fd, ev & (KC_RD | KC_WR), dl);
}

void kci_port_close(struct kci_port *p)
{
    unsigned ev = KC_RD;
    int fd = -1;

    if (!p->link)
        return;
    // The transport closes the descriptor itself, so the poll set must forget it first.
    if (!p->ops->set_kick && !p->ops->poll_handle(p->link, &fd, &ev))
        kci_fd_forget(fd);
    p->ops->close(p->link);
    p->link = NULL;
}
