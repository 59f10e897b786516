/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * chan/region.c — registered memory: known by a number, counted by the descriptors into it.
 *
 * Life        registered → closing (first kc_region_unregister: no new descriptors) → gone
 *             (nobody uses it: one unregister has won) → freed with the last reference
 * Invariants  users counts the wrapped descriptors, not their slices, which share one of them
 *             a region that is gone is not in the table
 * Locks       table_lock, then none; region.lock (rank as a channel's). Backends are called
 *             outside both.
 * Edges       E-REF, E-LOCK
 */
#include "chan/zref.h"

#include "core/list.h"
#include "core/mem.h"
#include "sched/source.h"

enum { BUCKETS = 64 };

struct kci_region {
    struct kci_list node; /* table_lock */
    _Atomic(unsigned) refs; /* the table's, and whoever looked it up */
    uint64_t id;          /* fixed, like all up to `lock` */
    unsigned char *addr;
    size_t len;
    const kc_region_backend_t *backend;
    void *env, *handle;
    struct kci_lock lock;
    size_t users;            /* lock */
    bool closing, gone;      /* lock */
    struct kci_list waiters; /* lock: who unregisters it */
};

static struct kci_lock table_lock;
static struct kci_list table[BUCKETS]; /* table_lock; a bucket is zero until it is used */
static uint64_t last_id;               /* table_lock */

static void unref(struct kci_region *r)
{
    if (ka_sub(&r->refs, 1, acq_rel) == 1) // E-REF
        kci_free(r);
}

static void ref(struct kci_region *r)
{
    ka_add(&r->refs, 1, relaxed); // relaxed: the caller, or the table's lock, holds one
}

static struct kci_list *bucket_locked(uint64_t id)
{
    struct kci_list *b = &table[id % BUCKETS];

    if (!b->next)
        kci_list_init(b);
    return b;
}

/* A reference; NULL: no such region. */
static struct kci_region *find(uint64_t id)
{
    struct kci_region *found = NULL;

    kci_lock(&table_lock);
    KCI_EACH(it, bucket_locked(id)) {
        struct kci_region *r = KCI_OF(it, struct kci_region, node);
        if (r->id == id)
            found = r;
    }
    if (found)
        ref(found);
    kci_unlock(&table_lock);
    return found;
}

/* From now on it is in use: nobody detaches it before kci_region_leave. */
static int enter(struct kci_region *r)
{
    kci_lock(&r->lock);
    int rc = r->closing ? -ENOENT : 0;
    if (!rc)
        r->users++;
    kci_unlock(&r->lock);
    return rc;
}

int kc_region_register(uint64_t *id, void *addr, size_t len, const kc_region_backend_t *backend,
                       void *env)
{
    if (!id || !addr || !len)
        return -EINVAL;
    struct kci_region *r = kci_zalloc(sizeof *r);
    if (!r)
        return -ENOMEM;
    r->addr = addr;
    r->len = len;
    r->backend = backend;
    r->env = env;
    ka_store(&r->refs, 1, relaxed); // relaxed: not shared yet
    kci_list_init(&r->waiters);
    int rc = backend && backend->attach ? backend->attach(addr, len, env, &r->handle) : 0;
    if (rc) {
        kci_free(r);
        return rc;
    }
    kci_lock(&table_lock);
    *id = r->id = ++last_id;
    kci_list_push(bucket_locked(r->id), &r->node);
    kci_unlock(&table_lock);
    return 0;
}

int kc_region_export(uint64_t id, void *out, size_t *size)
{
    struct kci_region *r = out && size ? find(id) : NULL;

    if (!r)
        return out && size ? -ENOENT : -EINVAL;
    if (enter(r)) {
        unref(r);
        return -ENOENT;
    }
    bool can = r->backend && r->backend->share;
    int rc = can ? r->backend->share(r->handle, r->env, out, size) : -ENOTSUP;
    kci_region_leave(r);
    return rc;
}

/* ---- descriptors ---- */

int kc_region_desc(uint64_t id, size_t offset, size_t n, kc_zdesc_t *out)
{
    struct kci_region *r = out ? find(id) : NULL;
    int rc;

    if (!r)
        return out ? -ENOENT : -EINVAL;
    if (offset > r->len || n > r->len - offset)
        rc = -EINVAL;
    else
        rc = enter(r);
    if (rc) {
        unref(r);
        return rc;
    }
    kc_zdesc_t d = {
        .addr = r->addr + offset, .len = n, .region_id = id, .offset = offset
    };
    if ((rc = kci_zdesc_count(&d, r)))
        kci_region_leave(r);
    else
        *out = d;
    return rc;
}

/* Nobody uses it and somebody waits for that: the first has it, the others come too late.
 * Locked. */
static void hand_over(struct kci_region *r, struct kci_claim *first, struct kci_list *late)
{
    if (!kci_queue_claim(&r->waiters, first))
        return;
    r->gone = true;
    kci_queue_claim_all(&r->waiters, late);
}

void kci_region_leave(struct kci_region *r)
{
    struct kci_claim first = { 0 };
    struct kci_list late;

    kci_list_init(&late);
    kci_lock(&r->lock);
    if (--r->users == 0)
        hand_over(r, &first, &late);
    kci_unlock(&r->lock);
    kci_claim_finish(first, 0);
    kci_waiters_finish(&late, -ENOENT);
    unref(r);
}

/* ---- the end, as something to wait for ---- */

static struct kci_lock *region_lock(void *obj)
{
    return &((struct kci_region *)obj)->lock;
}

static int region_try(struct kci_clause *c)
{
    struct kci_region *r = c->obj;

    r->closing = true;
    if (r->gone)
        return -ENOENT;
    if (r->users)
        return -EAGAIN;
    r->gone = true;
    return 0;
}

static int region_arm(struct kci_clause *c)
{
    kci_list_push(&((struct kci_region *)c->obj)->waiters, &c->wt.node);
    return 0;
}

static const struct kci_source region_source = {
    .why = KCI_WHY_REGION,
    .lock = region_lock,
    .try = region_try,
    .arm = region_arm,
    .disarm = kci_clause_dequeue,
};

/* The caller's wait has won: nobody else can reach it by its number or a descriptor. */
static void forget(struct kci_region *r)
{
    kci_lock(&table_lock);
    kci_list_remove(&r->node);
    kci_unlock(&table_lock);
    if (r->backend && r->backend->detach)
        r->backend->detach(r->handle, r->env);
    unref(r); // the table's
}

int kc_region_unregister(uint64_t id, kc_deadline_t dl)
{
    struct kci_region *r = find(id);

    if (!r)
        return -ENOENT;
    int rc = kci_source_wait(&region_source, r, NULL, dl);
    if (!rc)
        forget(r);
    unref(r);
    return rc;
}
