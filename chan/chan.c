/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * chan/chan.c — life of a channel: create, close, cancel, count, release.
 *
 * Hand-over is in chan_source.c; storing is in the flavours.
 *
 * Locks   ch->lock. Waiters are claimed under it and finished after it; hooks run outside it.
 * Edges   E-REF   the last reference sees all that earlier holders did
 * Life    until nobody has a reference and nobody waits. Waiters are counted under the lock,
 *         which they hold anyway; a reference for each would cost two more locked instructions.
 *         Who was won does not come back to the channel, so the winner's partner counts it out.
 *         Where partners are elsewhere (flavours that are not direct) a waiter has a reference
 *         too: it keeps the channel in reach of those who will serve it.
 */
#include "chan/chan.h"

#include <kcoro/metrics.h>
#include <kcoro/scope.h>
#include <limits.h>

#include "core/assert.h"
#include "core/mem.h"

/* ---- create ---- */

static const struct kci_flavor *flavor_of(long cap)
{
    switch (cap) {
    case 0:
        return &kci_flavor_zero;
    case KC_CONFLATED:
        return &kci_flavor_latest;
    case KC_UNLIMITED:
        return &kci_flavor_blocks;
    default:
        return &kci_flavor_ring;
    }
}

/* Dropping takes a place to keep the others; a conflated channel drops the oldest anyway. */
static bool policy_fits(const kc_chan_opts_t *o)
{
    return o->overflow == KC_SUSPEND || o->cap >= 1 ||
           (o->cap == KC_CONFLATED && o->overflow == KC_DROP_OLDEST);
}

static int check(const kc_chan_opts_t *o)
{
    if (o->cap < KC_UNLIMITED || o->overflow < KC_SUSPEND || o->overflow > KC_DROP_LATEST)
        return -EINVAL;
    if (!policy_fits(o))
        return -EINVAL;
    if (o->flags & ~(KC_CHAN_ZREF | KC_CHAN_SPSC))
        return -EINVAL;
    if (o->flags & KC_CHAN_ZREF && o->elem_size)
        return -EINVAL;
    return o->elem_size > PTRDIFF_MAX / 2 ? -EOVERFLOW : 0;
}

static void fill_in(kc_chan_t *ch, const kc_chan_opts_t *o, const struct kci_flavor *fl)
{
    ka_store(&ch->refs, 1, relaxed); // relaxed: not shared yet
    ch->fl = fl;
    ch->elem_size = o->elem_size;
    ch->cap = o->cap;
    ch->overflow = o->cap == KC_CONFLATED ? KC_DROP_OLDEST : o->overflow;
    ch->caps = o->flags;
    ch->max_bytes = o->max_bytes;
    ch->on_undelivered = o->on_undelivered;
    ch->arg = o->arg;
    ch->name = o->name;
    ka_store(&ch->hint, KCI_HINT_RECV | KCI_HINT_SEND, relaxed); // relaxed: not shared yet
    ch->hungry = fl->grow_bytes || (ch->overflow == KC_DROP_OLDEST && o->on_undelivered);
    kci_list_init(&ch->senders);
    kci_list_init(&ch->receivers);
    kci_list_init(&ch->watchers);
    kci_list_init(&ch->returned);
}

int kci_chan_create(kc_chan_t **out, const kc_chan_opts_t *o, const struct kci_flavor *fl)
{
    size_t bytes, spare = o->on_undelivered ? o->elem_size : 0;
    int rc = fl->size(o, &bytes);

    if (rc || bytes > PTRDIFF_MAX - spare - _Alignof(max_align_t))
        return rc ? rc : -EOVERFLOW;
    bytes = (bytes + _Alignof(max_align_t) - 1) / _Alignof(max_align_t) * _Alignof(max_align_t);
    kc_chan_t *ch = kci_zalloc(bytes + spare);
    if (!ch)
        return -ENOMEM;
    fill_in(ch, o, fl);
    if (o->on_undelivered)
        ch->spare = (unsigned char *)ch + bytes;
    if (fl->init)
        fl->init(ch);
    *out = ch;
    return 0;
}

int kc_chan_make_ex(kc_chan_t **out, const kc_chan_opts_t *o)
{
    int rc = out && o ? check(o) : -EINVAL;

    if (rc)
        return rc;
    kc_chan_opts_t made = o->flags & KC_CHAN_ZREF ? kci_zref_options(o) : *o;
    return kci_chan_create(out, &made, flavor_of(o->cap));
}

int kc_chan_make(kc_chan_t **out, size_t elem_size, long cap)
{
    return kc_chan_make_ex(out, &(kc_chan_opts_t){ .cap = cap, .elem_size = elem_size });
}

static void drop_owned(void *ch)
{
    kc_chan_unref(ch);
}

kc_chan_t *kc_chan_owned(size_t elem_size, long cap)
{
    kc_scope_t *scope = kc_scope_current();
    kc_chan_t *ch = NULL;

    if (!scope)
        return NULL;
    int rc = kc_chan_make(&ch, elem_size, cap);
    if (!rc && (rc = kc_scope_own(scope, ch, drop_owned)))
        kc_chan_unref(ch);
    if (!rc)
        return ch;
    kc_scope_cancel(scope, rc);
    return NULL;
}

/* ---- close ---- */

void kci_chan_claim_all(kc_chan_t *ch, struct kci_list *queue, struct kci_list *won)
{
    struct kci_claim c;
    struct kci_waiter *wt;

    while ((wt = kci_chan_claim(ch, queue, &c)))
        kci_list_push(won, &wt->node);
}

bool kci_chan_close_locked(kc_chan_t *ch, int why, struct kci_list *woken)
{
    if (kci_chan_is_closed(ch))
        return false;
    ka_store(&ch->why, why ? why : 1, release); // E-CLOSE out
    kci_chan_claim_all(ch, &ch->senders, woken);
    kci_chan_claim_all(ch, &ch->receivers, woken);
    kci_queue_claim_all(&ch->watchers, woken);
    if (ch->fl->closed)
        ch->fl->closed(ch);
    kci_chan_changed(ch);
    return true;
}

int kc_chan_close_why(kc_chan_t *ch, int why)
{
    struct kci_list woken;

    if (!ch || why > 0)
        return -EINVAL;
    kci_self_point();
    kci_list_init(&woken);
    kci_lock(&ch->lock);
    bool mine = kci_chan_close_locked(ch, why, &woken);
    kci_unlock(&ch->lock);
    kci_waiters_finish(&woken, -EPIPE);
    return mine ? 0 : -EALREADY;
}

/* Move the oldest element to the spare place. Locked. */
static bool discard_one_locked(kc_chan_t *ch)
{
    if (!kci_list_empty(&ch->returned)) {
        struct kci_returned *r = KCI_OF(kci_list_pop(&ch->returned), struct kci_returned, node);
        if (ch->spare)
            kci_elem_copy(ch, ch->spare, r->elem);
        ch->nreturned--;
        kci_free(r);
    } else if (ch->fl->take(ch, ch->spare)) {
        return false;
    }
    ch->undelivered++;
    kci_chan_changed(ch);
    return true;
}

static void discard_all(kc_chan_t *ch)
{
    for (bool more = true; more;) {
        kci_lock(&ch->lock);
        more = discard_one_locked(ch);
        kci_unlock(&ch->lock);
        if (more)
            kci_chan_undelivered(ch, ch->spare, KC_UNDELIV_CANCELED);
    }
}

int kc_chan_cancel(kc_chan_t *ch, int why)
{
    struct kci_list woken;

    if (!ch || why > 0)
        return -EINVAL;
    kci_self_point();
    kci_list_init(&woken);
    kci_lock(&ch->lock);
    bool again = ch->cancelled;
    ch->cancelled = true;
    kci_chan_close_locked(ch, why, &woken);
    kci_unlock(&ch->lock);
    kci_waiters_finish(&woken, -EPIPE);
    if (again)
        return -EALREADY;
    discard_all(ch); // nobody else discards: cancelled was set once
    return 0;
}

int kc_chan_why(const kc_chan_t *ch)
{
    return ch ? ka_load(&((kc_chan_t *)(uintptr_t)ch)->why, acquire) : -EINVAL; // E-CLOSE in
}

int kc_chan_producers(kc_chan_t *ch, int delta)
{
    struct kci_list woken;

    if (!ch)
        return -EINVAL;
    kci_list_init(&woken);
    kci_lock(&ch->lock);
    long long n = (long long)ch->producers + delta;
    bool ok = n >= 0 && n <= INT_MAX;
    if (ok)
        ch->producers = (int)n;
    if (ok && n == 0 && delta < 0)
        kci_chan_close_locked(ch, 0, &woken);
    kci_unlock(&ch->lock);
    kci_waiters_finish(&woken, -EPIPE);
    return ok ? (int)n : -EINVAL;
}

/* ---- references ---- */

kc_chan_t *kc_chan_ref(kc_chan_t *ch)
{
    ka_add(&ch->refs, 1, relaxed); // relaxed: the caller holds one already
    return ch;
}

static void destroy(kc_chan_t *ch)
{
    void *elem;

    KCI_ASSERT(kci_list_empty(&ch->senders) && kci_list_empty(&ch->receivers));
    while (!kci_list_empty(&ch->returned)) {
        struct kci_returned *r = KCI_OF(kci_list_pop(&ch->returned), struct kci_returned, node);
        kci_chan_undelivered(ch, r->elem, KC_UNDELIV_DESTROYED);
        kci_free(r);
    }
    while ((elem = ch->fl->front(ch))) {
        kci_chan_undelivered(ch, elem, KC_UNDELIV_DESTROYED);
        ch->fl->take(ch, NULL);
    }
    if (ch->fl->destroy)
        ch->fl->destroy(ch);
    kci_free(ch);
}

/* Nobody can come any more; those who wait leave one by one, and the last one destroys. */
static void abandon(kc_chan_t *ch)
{
    kci_lock(&ch->lock);
    bool awaited = ch->parked;
    ch->orphan = true;
    kci_unlock(&ch->lock);
    if (!awaited)
        destroy(ch);
}

void kc_chan_unref(kc_chan_t *ch)
{
    if (ch && ka_sub(&ch->refs, 1, acq_rel) == 1) // E-REF
        abandon(ch);
}

void kci_chan_release(struct kci_clause *c)
{
    if (KCI_UNLIKELY(c->held))
        kc_chan_unref(c->obj);
    else if (KCI_UNLIKELY(c->last))
        destroy(c->obj);
}

void kci_chan_undelivered(kc_chan_t *ch, void *elem, unsigned reason)
{
    if (!ch->on_undelivered)
        return;
    kci_self_nopark(+1);
    ch->on_undelivered(elem, reason, ch->arg);
    kci_self_nopark(-1);
}

/* ---- snapshots ---- */

void kci_chan_publish(kc_chan_t *ch)
{
    bool closed = kci_chan_is_closed(ch);
    uint64_t hint = ka_load(&ch->hint, relaxed); // relaxed: under the lock

    hint = (hint & ~(uint64_t)(KCI_HINT_RECV | KCI_HINT_SEND)) + KCI_HINT_VERSION;
    if (closed || ch->nreturned || !kci_list_empty(&ch->senders) || ch->fl->len(ch))
        hint |= KCI_HINT_RECV;
    if (closed || ch->overflow != KC_SUSPEND || !kci_list_empty(&ch->receivers) ||
        ch->fl->room(ch))
        hint |= KCI_HINT_SEND;
    ka_store(&ch->hint, hint, release); // E-HINT
}

size_t kc_chan_len(const kc_chan_t *ch)
{
    kc_chan_t *c = (kc_chan_t *)(uintptr_t)ch; // the lock is not part of the value

    if (!c)
        return 0;
    kci_lock(&c->lock);
    size_t n = c->fl->len(c) + c->nreturned;
    kci_unlock(&c->lock);
    return n;
}

long kc_chan_cap(const kc_chan_t *ch)
{
    return ch ? ch->cap : 0;
}

unsigned kc_chan_caps(const kc_chan_t *ch)
{
    return ch ? ch->caps : 0;
}

static uint64_t queue_len(const struct kci_list *queue)
{
    uint64_t n = 0;

    for (const struct kci_list *it = queue->next; it != queue; it = it->next)
        n++;
    return n;
}

int kc_chan_stats(kc_chan_t *ch, struct kc_chan_stats *out)
{
    if (!ch || !out)
        return -EINVAL;
    kci_lock(&ch->lock);
    *out = (struct kc_chan_stats){
        .sends = ch->sends,
        .recvs = ch->recvs,
        .dropped = ch->dropped,
        .undelivered = ch->undelivered,
        .len = ch->fl->len(ch) + ch->nreturned,
        .send_waiters = queue_len(&ch->senders),
        .recv_waiters = queue_len(&ch->receivers),
    };
    kci_unlock(&ch->lock);
    return 0;
}
