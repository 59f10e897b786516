/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * ipc/listener.c — accepting peers, and what is exported to them.
 *
 * The listener's coroutine accepts; connections are children of its scope, so that closing it
 * is one cancel and one join. Nobody has to call kc_ipc_accept: connections are served at
 * once and merely announced through a channel that forgets the oldest.
 */
#include "ipc/listener.h"

#include <kcoro/time.h>
#include <string.h>

#include "core/log.h"
#include "core/mem.h"
#include "ipc/conn.h"
#include "ipc/endpoint.h"
#include "ipc/ipc.h"

enum { PEERS_MOST = 256, SHAKING_LEAST = 4, SHAKING_SHARE = 16, ANNOUNCED_MOST = 16 };

struct exported {
    struct kci_list node;
    struct kci_export what;
    char name[];
};

struct kc_ipc_listener {
    struct kci_list registered; /* first; see ipc/ipc.h */
    struct kci_lock lock;
    struct kc_rt *rt;
    struct kci_port port;
    kc_ipc_opts_t opts;
    kc_chan_t *announced; /* kc_ipc_conn_t *, with a reference */
    struct kci_list exports; /* lock; they are never taken back */
    struct kci_list pending; /* lock: kci_pending */
    struct kci_list conns;   /* lock: kc_ipc_conn.in_listener */
    unsigned nconns;
    struct kc_cancel *token; /* lock: of the coroutine's scope */
    bool closing, over;      /* lock */
    struct kci_gate gone;
};

/* ---- exports ---- */

static struct exported *find_locked(struct kc_ipc_listener *l, const char *name)
{
    KCI_EACH(it, &l->exports) {
        struct exported *e = KCI_OF(it, struct exported, node);
        if (!strcmp(e->name, name))
            return e;
    }
    return NULL;
}

int kci_listener_find(struct kc_ipc_listener *l, struct kci_pending *p, struct kci_export *out)
{
    kci_lock(&l->lock);
    struct exported *e = find_locked(l, p->name);
    if (e) {
        *out = e->what;
        kc_chan_ref(out->ch);
    } else {
        kci_list_push(&l->pending, &p->node);
    }
    kci_unlock(&l->lock);
    return e ? 0 : -ENOENT;
}

struct kci_pending *kci_listener_expired(struct kc_ipc_listener *l, struct kc_ipc_conn *c,
                                         int64_t now_ns, int64_t *next)
{
    struct kci_pending *found = NULL;

    *next = INT64_MAX;
    kci_lock(&l->lock);
    KCI_EACH(it, &l->pending) {
        struct kci_pending *p = KCI_OF(it, struct kci_pending, node);
        if (p->conn != c)
            continue;
        if (p->expires_ns <= now_ns) {
            kci_list_remove(it);
            found = p;
            break;
        }
        if (p->expires_ns < *next)
            *next = p->expires_ns;
    }
    kci_unlock(&l->lock);
    return found;
}

/* One that waits for `name`, taken out, with a reference to its connection; NULL. */
static struct kci_pending *take_named(struct kc_ipc_listener *l, const char *name)
{
    struct kci_pending *found = NULL;

    kci_lock(&l->lock);
    KCI_EACH(it, &l->pending) {
        struct kci_pending *p = KCI_OF(it, struct kci_pending, node);
        if (!strcmp(p->name, name)) {
            kci_list_remove(it);
            kci_conn_ref(p->conn);
            found = p;
            break;
        }
    }
    kci_unlock(&l->lock);
    return found;
}

static struct exported *make_export(const char *name, kc_chan_t *ch, unsigned rights)
{
    size_t n = strlen(name) + 1;
    struct exported *e = kci_alloc(sizeof *e + n);

    if (!e)
        return NULL;
    e->what = (struct kci_export){ ch, rights };
    memcpy(e->name, name, n);
    return e;
}

static int add_export(struct kc_ipc_listener *l, struct exported *e)
{
    kci_lock(&l->lock);
    int rc = find_locked(l, e->name) ? -EEXIST : 0;
    if (!rc) {
        kc_chan_ref(e->what.ch);
        kci_list_push(&l->exports, &e->node);
    }
    kci_unlock(&l->lock);
    return rc;
}

int kc_ipc_export(kc_ipc_listener_t *l, const char *name, kc_chan_t *ch, unsigned rights)
{
    const unsigned all = KC_PEER_SEND | KC_PEER_RECV | KC_PEER_CLOSE;
    size_t n = name ? strlen(name) : 0;
    struct kci_pending *p;
    struct kc_ipc_conn *c;

    if (!l || !ch || !n || n > KCI_WIRE_NAME || rights & ~all)
        return -EINVAL;
    if (kc_chan_caps(ch) & KC_CHAN_ZREF)
        return -ENOTSUP; // addresses mean nothing to a peer
    struct exported *e = make_export(name, ch, rights);
    int rc = e ? add_export(l, e) : -ENOMEM;
    if (rc) {
        kci_free(e);
        return rc;
    }
    // Whoever asks from now on finds it; these asked before.
    while ((p = take_named(l, name))) {
        c = p->conn;
        kci_endpoint_late(p, &e->what);
        kci_conn_unref(c);
    }
    return 0;
}

/* ---- connections ---- */

int kci_listener_accepted(struct kc_ipc_listener *l, struct kc_ipc_conn *c)
{
    kci_conn_ref(c);
    int rc = kc_chan_send(l->announced, &c, KC_TRY);
    if (rc)
        kci_conn_unref(c);
    return rc;
}

void kci_listener_forget(struct kc_ipc_listener *l, struct kc_ipc_conn *c)
{
    kci_lock(&l->lock);
    kci_list_remove(&c->in_listener);
    l->nconns--;
    kci_unlock(&l->lock);
}

/* May one more come? */
static bool has_room(struct kc_ipc_listener *l)
{
    unsigned shaking = 0, most = l->opts.max_peers ? l->opts.max_peers : PEERS_MOST;

    kci_lock(&l->lock);
    KCI_EACH(it, &l->conns) {
        struct kc_ipc_conn *c = KCI_OF(it, struct kc_ipc_conn, in_listener);
        kci_lock(&c->lock);
        shaking += c->state == KCI_CONN_SHAKING;
        kci_unlock(&c->lock);
    }
    unsigned share = most / SHAKING_SHARE;
    bool room = l->nconns < most && shaking < (share > SHAKING_LEAST ? share : SHAKING_LEAST);
    kci_unlock(&l->lock);
    return room;
}

static int serve(struct kc_ipc_listener *l, kc_scope_t *s, kc_link_t *link)
{
    struct kci_port port = { .ops = l->port.ops, .link = link };
    kc_attr_t attr = { .name = "ipc-conn" };
    struct kc_ipc_conn *c;
    int rc = kci_conn_create(&c, port, &l->opts, l);

    if (rc)
        return rc;
    kci_lock(&l->lock);
    kci_list_push(&l->conns, &c->in_listener);
    l->nconns++;
    kci_unlock(&l->lock);
    rc = kc_scope_spawn(s, NULL, kci_conn_main, c, 0, &attr); // with our reference
    if (rc) {
        kci_listener_forget(l, c);
        kci_port_close(&c->port);
        kci_conn_unref(c);
    }
    return rc;
}

/* Out of descriptors or memory: the peer stays in the backlog, where it is still readable. */
static int pause_accepting(int rc)
{
    KCI_LOG(KCI_LOG_IPC, "accept: %d, trying again soon", rc);
    return kc_sleep(KC_MS(10));
}

static int accept_one(struct kc_ipc_listener *l, kc_scope_t *s)
{
    kc_link_t *link;
    int rc = l->port.ops->accept(l->port.link, &link);

    if (rc == -EAGAIN) {
        rc = kci_port_wait(&l->port, KC_RD, KC_FOREVER);
        return rc < 0 ? rc : 0;
    }
    if (rc)
        return rc == -EBADF || rc == -EINVAL ? rc : pause_accepting(rc);
    if (has_room(l)) {
        rc = serve(l, s, link);
        return rc == -ECANCELED ? rc : 0;
    }
    kci_port_close(&(struct kci_port){ .ops = l->port.ops, .link = link });
    return kc_checkpoint();
}

/* ---- life ---- */

static int is_gone(struct kci_gate *g)
{
    return KCI_OF(g, struct kc_ipc_listener, gone)->over ? 0 : -EAGAIN;
}

static void note_over(struct kc_ipc_listener *l)
{
    struct kci_list won;

    kci_list_init(&won);
    kci_lock(&l->lock);
    struct kc_cancel *token = l->token;
    l->token = NULL;
    l->over = true;
    kci_gate_check(&l->gone, &won);
    kci_unlock(&l->lock);
    kc_cancel_unref(token);
    kci_waiters_finish(&won, 0); // and l may be gone
}

static void accept_all(struct kc_ipc_listener *l, kc_scope_t *s)
{
    kci_lock(&l->lock);
    bool closing = l->closing;
    l->token = kc_scope_token(s);
    kc_cancel_ref(l->token);
    kci_unlock(&l->lock);
    int rc = closing ? -EPIPE : 0;
    while (!rc)
        rc = accept_one(l, s);
    kc_scope_cancel(s, rc);
}

static int listener_main(void *arg)
{
    struct kc_ipc_listener *l = arg;
    kc_scope_t s;

    if (!kc_scope_open(&s, &(kc_scope_opts_t){ .policy = KC_SUPERVISE })) {
        accept_all(l, &s);
        kc_scope_close(&s);
    }
    kci_port_close(&l->port);
    kc_chan_close(l->announced);
    note_over(l);
    return 0;
}

static void drop_announced(void *elem, unsigned reason, void *arg)
{
    (void)reason;
    (void)arg;
    kci_conn_unref(*(struct kc_ipc_conn **)elem);
}

static int create(struct kc_ipc_listener **out, const kc_ipc_opts_t *opts)
{
    struct kc_ipc_listener *l = kci_zalloc(sizeof *l);
    kc_chan_opts_t announced = { .cap = ANNOUNCED_MOST,
                                 .elem_size = sizeof(struct kc_ipc_conn *),
                                 .overflow = KC_DROP_OLDEST,
                                 .on_undelivered = drop_announced };
    int rc = l ? kc_chan_make_ex(&l->announced, &announced) : -ENOMEM;

    if (rc) {
        kci_free(l);
        return rc;
    }
    l->rt = kc_rt_current();
    l->opts = *opts;
    kci_list_init(&l->registered);
    kci_list_init(&l->exports);
    kci_list_init(&l->pending);
    kci_list_init(&l->conns);
    kci_gate_init(&l->gone, &l->lock, is_gone);
    *out = l;
    return 0;
}

void kci_listener_free(struct kci_list *registered)
{
    struct kc_ipc_listener *l = KCI_OF(registered, struct kc_ipc_listener, registered);

    KCI_EACH(it, &l->exports) {
        struct exported *e = KCI_OF(it, struct exported, node);
        kc_chan_unref(e->what.ch);
        kci_free(e);
    }
    kci_port_close(&l->port);
    kc_chan_unref(l->announced);
    kci_free(l);
}

static int start(struct kc_ipc_listener *l, const char *addr)
{
    const char *rest;
    void *env;
    int rc = kci_port_find(addr, l->opts.transport, &l->port, &env, &rest);

    if (!rc && !l->port.ops->listen)
        rc = -ENOTSUP;
    if (!rc)
        rc = l->port.ops->listen(rest, env, &l->port.link);
    if (rc)
        return rc;
    kci_port_settle(&l->port);
    return kci_service_spawn(l->rt, listener_main, l, "ipc-listener");
}

int kc_ipc_listen(kc_ipc_listener_t **out, const char *addr, const kc_ipc_opts_t *opts)
{
    static const kc_ipc_opts_t none;
    struct kc_ipc_listener *l;

    opts = opts ? opts : &none;
    if (!out || !addr || !kci_conn_opts_ok(opts))
        return -EINVAL;
    if (!kci_co_self())
        return -EPERM;
    int rc = create(&l, opts);
    if (rc)
        return rc;
    if ((rc = start(l, addr))) {
        kci_listener_free(&l->registered);
        return rc;
    }
    kci_ipc_register(l->rt, &l->registered);
    *out = l;
    return 0;
}

int kc_ipc_accept(kc_ipc_listener_t *l, kc_ipc_conn_t **out, kc_deadline_t dl)
{
    return l && out ? kc_chan_recv(l->announced, out, dl) : -EINVAL;
}

int kc_ipc_listener_close(kc_ipc_listener_t *l)
{
    if (l && !kci_self_ticket())
        return -EPERM;
    if (!l || !kci_ipc_unregister(l->rt, &l->registered))
        return -EINVAL;
    kci_lock(&l->lock);
    struct kc_cancel *token = l->token;
    l->closing = true;
    if (token)
        kc_cancel_ref(token);
    kci_unlock(&l->lock);
    if (token) {
        kc_cancel_trigger(token, -EPIPE);
        kc_cancel_unref(token);
    }
    kc_shield(true);
    int rc = kci_gate_wait(&l->gone, KC_FOREVER);
    kc_shield(false);
    if (!rc)
        kci_listener_free(&l->registered);
    return rc;
}
