/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * ipc/api.c — kc_ipc_*: arguments are checked, references counted, coroutines waited for here.
 *
 * Whoever ends a connection waits until it is torn down before returning: then its channels say
 * -EPIPE and nobody uses the transport any more.
 */
#include <kcoro/time.h>
#include <string.h>

#include "ipc/conn.h"
#include "ipc/remote.h"

enum { RETRY_FIRST_US = 200, RETRY_MOST_US = 20000 };

/* ---- connect ---- */

static bool worth_retrying(int rc, unsigned flags)
{
    return rc == -EAGAIN || (flags & KC_IPC_WAIT && (rc == -ENOENT || rc == -ECONNREFUSED));
}

/* A full backlog, or with KC_IPC_WAIT nobody there: try again until dl, less and less often. */
static int open_link(struct kci_port *port, const char *rest, void *env, unsigned flags,
                     kc_deadline_t dl)
{
    int64_t pause = KC_US(RETRY_FIRST_US);
    int rc;

    while ((rc = port->ops->connect(rest, env, &port->link)) && worth_retrying(rc, flags)) {
        int late = kci_deadline_check(dl);
        if (late)
            return late;
        int64_t until = kc_in(pause).ns;
        if ((late = kc_sleep_until(kc_at(until < dl.ns ? until : dl.ns))))
            return late;
        pause = pause < KC_US(RETRY_MOST_US) ? pause * 2 : pause;
    }
    return rc;
}

static void await_gone(struct kc_ipc_conn *c)
{
    kc_shield(true);
    (void)kci_gate_wait(&c->gone, KC_FOREVER);
    kc_shield(false);
}

static int run_handshake(struct kc_ipc_conn *c, kc_deadline_t dl)
{
    int rc = kci_service_spawn(c->rt, kci_conn_main, kci_conn_ref(c), "ipc-conn");

    if (rc) {
        kci_port_close(&c->port);
        kci_conn_unref(c); // the coroutine's
        return rc;
    }
    rc = kci_gate_wait(&c->up, dl);
    if (rc) {
        kci_conn_fail(c, rc);
        await_gone(c);
    }
    return rc;
}

int kc_ipc_connect(kc_ipc_conn_t **out, const char *addr, const kc_ipc_opts_t *opts,
                   kc_deadline_t dl)
{
    static const kc_ipc_opts_t none;
    struct kci_port port;
    struct kc_ipc_conn *c;
    const char *rest;
    void *env;

    opts = opts ? opts : &none;
    if (!out || !addr || !kci_conn_opts_ok(opts))
        return -EINVAL;
    if (!kci_self_ticket() || !kci_co_self())
        return -EPERM;
    int rc = kci_self_enter();
    if (!rc)
        rc = kci_port_find(addr, opts->transport, &port, &env, &rest);
    if (!rc)
        rc = open_link(&port, rest, env, opts->flags, dl);
    if (!rc)
        rc = kci_conn_create(&c, port, opts, NULL);
    if (rc)
        return rc;
    rc = run_handshake(c, dl);
    if (rc)
        kci_conn_unref(c);
    else
        *out = c;
    return rc;
}

/* ---- close ---- */

static bool is_over(struct kc_ipc_conn *c)
{
    kci_conn_lock(c);
    bool over = c->state >= KCI_CONN_DOWN;
    kci_conn_unlock(c);
    return over;
}

int kc_ipc_close(kc_ipc_conn_t *c, kc_deadline_t drain)
{
    int rc = 0;

    if (!c)
        return -EINVAL;
    if (is_over(c)) { // by itself
        await_gone(c);
        kci_conn_unref(c);
        return 0;
    }
    if (drain.ns != KC_TRY.ns) {
        kci_conn_leave(c, -EPIPE);
        rc = kci_gate_wait(&c->gone, drain);
    }
    kci_conn_fail(c, -EPIPE);
    await_gone(c);
    if (!rc && drain.ns != KC_TRY.ns && c->unsettled)
        rc = c->why;
    kci_conn_unref(c);
    return rc;
}

int kc_ipc_why(const kc_ipc_conn_t *conn)
{
    struct kc_ipc_conn *c = (struct kc_ipc_conn *)(uintptr_t)conn; // the lock is not the value

    if (!c)
        return -EINVAL;
    kci_conn_lock(c);
    int why = c->state == KCI_CONN_GONE ? c->why : 0; // not before its channels say so too
    kci_conn_unlock(c);
    return why;
}

void kc_ipc_unref(kc_ipc_conn_t *c)
{
    kci_conn_unref(c);
}

/* ---- channels ---- */

static int check_spec(const char *name, const kc_ipc_chan_spec_t *spec)
{
    const unsigned all = KC_PEER_SEND | KC_PEER_RECV | KC_PEER_CLOSE;
    size_t n = name ? strlen(name) : 0;

    if (!n || n > KCI_WIRE_NAME || !spec || spec->dir & ~all)
        return -EINVAL;
    return spec->elem_size > KCI_ITEM_MOST ? -EMSGSIZE : 0;
}

int kc_ipc_chan_open(kc_ipc_conn_t *c, const char *name, const kc_ipc_chan_spec_t *spec,
                     kc_chan_t **out, kc_deadline_t dl)
{
    int rc = c && out ? check_spec(name, spec) : -EINVAL;

    if (!rc && !kci_self_ticket())
        rc = -EPERM;
    if (!rc)
        rc = kci_self_enter();
    return rc ? rc : kci_remote_open(c, name, spec, out, dl);
}

uint32_t kc_ipc_chan_id(const kc_chan_t *ch)
{
    const struct kci_lane *l = kci_remote_lane(ch);
    return l ? l->id : 0;
}
