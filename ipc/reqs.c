/* SPDX-License-Identifier: BSD-3-Clause */
/* ipc/reqs.c — see reqs.h. The free list is last in, first out: few slots stay warm. */
#include "ipc/reqs.h"

#include <errno.h>

#include "core/assert.h"
#include "core/mem.h"

int kci_reqs_init(struct kci_reqs *r, unsigned count)
{
    *r = (struct kci_reqs){ .slots = kci_zalloc(count * sizeof *r->slots), .count = count };
    if (!r->slots)
        return -ENOMEM;
    for (unsigned i = 0; i < count; i++)
        r->slots[i] = (struct kci_req){ .gen = 1, .next_free = (uint16_t)(i + 1) };
    return 0;
}

void kci_reqs_fini(struct kci_reqs *r)
{
    kci_free(r->slots);
    r->slots = NULL;
}

int kci_reqs_open(struct kci_reqs *r, void *owner, uint32_t *id)
{
    unsigned slot = r->free;

    if (slot == r->count)
        return -ENOBUFS;
    struct kci_req *q = &r->slots[slot];
    r->free = q->next_free;
    r->open++;
    q->owner = owner;
    *id = (uint32_t)q->gen << 16 | slot;
    return 0;
}

static struct kci_req *slot_of(const struct kci_reqs *r, uint32_t id)
{
    unsigned slot = id & 0xFFFF;
    struct kci_req *q = slot < r->count ? &r->slots[slot] : NULL;

    return q && q->owner && q->gen == id >> 16 ? q : NULL;
}

void *kci_reqs_find(const struct kci_reqs *r, uint32_t id)
{
    struct kci_req *q = slot_of(r, id);
    return q ? q->owner : NULL;
}

void kci_reqs_close(struct kci_reqs *r, uint32_t id)
{
    struct kci_req *q = slot_of(r, id);

    KCI_ASSERT(q);
    q->owner = NULL;
    if (!++q->gen) // generation 0 would make slot 0's id 0: none
        q->gen = 1;
    q->next_free = (uint16_t)r->free;
    r->free = id & 0xFFFF;
    r->open--;
}
