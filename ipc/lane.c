/* SPDX-License-Identifier: BSD-3-Clause */
/* ipc/lane.c — see lane.h: what a lane has to send, and when it says so. */
#include "ipc/lane.h"

#include "core/assert.h"
#include "core/mem.h"
#include "ipc/conn.h"

void kci_lane_init(struct kci_lane *l, struct kc_ipc_conn *c, const struct kci_lane_ops *ops,
                   uint32_t elem_bytes)
{
    ka_store(&l->refs, 1, relaxed); // relaxed: not shared yet
    l->conn = kci_conn_ref(c);
    l->ops = ops;
    l->elem_bytes = elem_bytes;
    kci_grant_init(&l->in, 0, 0); // nothing may pass until it is open; it can also end before
    kci_credit_init(&l->out, 0, 0);
    kci_list_init(&l->control);
    kci_list_init(&l->ready);
    kci_list_init(&l->fresh);
}

struct kci_lane *kci_lane_ref(struct kci_lane *l)
{
    ka_add(&l->refs, 1, relaxed); // relaxed: the caller holds one already
    return l;
}

void kci_lane_unref(struct kci_lane *l)
{
    if (!l || ka_sub(&l->refs, 1, acq_rel) != 1) // E-REF
        return;
    struct kc_ipc_conn *c = l->conn;
    KCI_ASSERT(kci_list_empty(&l->control) && kci_list_empty(&l->ready));
    kci_free(l->in_slots);
    l->ops->destroy(l);
    kci_conn_unref(c);
}

/* ---- locked ---- */

bool kci_lane_has_items(const struct kci_lane *l)
{
    return l->state == KCI_LANE_OPEN && l->out_sent + 1 < l->out.next;
}

bool kci_lane_has_end(const struct kci_lane *l)
{
    return l->state == KCI_LANE_OPEN && ((l->fin_wanted && !l->fin_sent) || l->close_wanted);
}

void kci_lane_wake(struct kci_lane *l)
{
    if (!kci_list_empty(&l->ready))
        return;
    if (kci_lane_has_items(l)) {
        l->deficit = 0;
        kci_list_push(&l->conn->ready, &l->ready);
    } else if (kci_lane_has_end(l)) {
        kci_lane_want(l, KCI_WANT_END);
    }
}

void kci_lane_want(struct kci_lane *l, unsigned want)
{
    if (l->state == KCI_LANE_CLOSING || (l->state == KCI_LANE_GONE && want != KCI_WANT_ACK))
        return;
    l->want |= want;
    l->conn->urgent = true;
    if (kci_list_empty(&l->control))
        kci_list_push(&l->conn->control, &l->control);
}

void kci_lane_taken(struct kci_lane *l)
{
    kci_grant_take(&l->in, l->elem_bytes);
    kci_lane_tell_last(l);
    if (l->in_refused || l->in_closed)
        return;
    if (kci_grant_due(&l->in, l->elem_bytes)) {
        kci_lane_want(l, KCI_WANT_CREDIT);
    } else if (kci_grant_worth(&l->in) && !(l->want & KCI_WANT_CREDIT)) {
        // Taken along by the next flush, but no reason for one.
        bool urgent = l->conn->urgent;
        kci_lane_want(l, KCI_WANT_CREDIT);
        l->conn->urgent = urgent;
    }
}

void kci_lane_tell_last(struct kci_lane *l)
{
    if (l->in_ended && !kci_grant_staged(&l->in) && kci_grant_untold(&l->in))
        kci_lane_want(l, KCI_WANT_CREDIT);
}

void kci_lane_apply(struct kci_lane *l)
{
    if (!l->has_limits)
        return;
    l->has_limits = false;
    int rc = kci_credit_update(&l->out, &l->limits, l->out_sent);
    KCI_ASSERT(rc == 0); // checked when they came; since then only more was sent
}

void kci_lane_stop_output(struct kci_lane *l)
{
    l->out_refused = true;
    l->out_sent = l->out.next - 1;
    l->out_bytes = 0;
    l->fin_wanted = false;
}

void kci_lane_unlist(struct kci_lane *l)
{
    kci_list_remove(&l->control);
    kci_list_remove(&l->ready);
    l->want = 0;
}
