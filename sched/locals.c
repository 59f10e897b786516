/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * sched/locals.c — values that a coroutine finds by key, and its children after it.
 *
 * A table is shared by all that inherited it and copied by who changes it; alone with it, one
 * changes it in place. So spawning costs one count, and a child keeps what its spawner had at
 * that moment. Looked through from the front: a handful of keys is what programs have.
 */
#include "sched/locals.h"

#include <kcoro/context.h>
#include <string.h>

#include "core/mem.h"
#include "sched/sched.h"

struct entry {
    const void *key;
    void *value;
};

struct kci_locals {
    _Atomic(unsigned) refs;
    unsigned n;
    struct entry at[];
};

struct kci_locals *kci_locals_ref(struct kci_locals *t)
{
    if (t)
        ka_add(&t->refs, 1, relaxed); // relaxed: the caller holds one already
    return t;
}

void kci_locals_unref(struct kci_locals *t)
{
    if (t && ka_sub(&t->refs, 1, acq_rel) == 1) // E-REF
        kci_free(t);
}

static unsigned find(const struct kci_locals *t, const void *key)
{
    unsigned i = 0;

    while (t && i < t->n && t->at[i].key != key)
        i++;
    return i;
}

/* A copy with room for one more. */
static struct kci_locals *copy(const struct kci_locals *t)
{
    unsigned n = t ? t->n : 0;
    struct kci_locals *fresh = kci_alloc(sizeof *fresh + (n + 1) * sizeof *fresh->at);

    if (!fresh)
        return NULL;
    ka_store(&fresh->refs, 1, relaxed); // relaxed: not shared yet
    fresh->n = n;
    if (n)
        memcpy(fresh->at, t->at, n * sizeof *t->at);
    return fresh;
}

int kc_local_set(const void *key, void *value)
{
    struct kc_co *self = kci_co_self();

    if (!key || !self)
        return key ? -EPERM : -EINVAL;
    struct kci_locals *t = self->locals;
    unsigned i = find(t, key);
    bool known = t && i < t->n;
    if (!known && !value)
        return 0;
    if (!known || ka_load(&t->refs, acquire) > 1) { // E-REF: the others have read it
        struct kci_locals *fresh = copy(t);
        if (!fresh)
            return -ENOMEM;
        kci_locals_unref(t);
        self->locals = t = fresh;
    }
    t->n += !known;
    t->at[i] = value ? (struct entry){ key, value } : t->at[--t->n];
    return 0;
}

void *kc_local_get(const void *key)
{
    const struct kc_co *self = kci_co_self();
    const struct kci_locals *t = self ? self->locals : NULL;
    unsigned i = find(t, key);

    return t && i < t->n ? t->at[i].value : NULL;
}
