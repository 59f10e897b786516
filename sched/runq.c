/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * sched/runq.c — the ring and the shared list.
 *
 * Invariants  head <= tail <= head + KCI_RING, modulo 2^32
 *             the owner alone writes tail and slots; a slot is rewritten only after head passed
 *             it
 * Edges       E-RING   tail release → acquire: slots, and all that was done before a coroutine
 *                      was made ready
 *             E-CLAIM  head CAS release → acquire: a thief has copied before the owner reuses
 * Source      the ring of Go's and Tokio's schedulers. Rejected: the Chase–Lev deque, whose
 *             owner takes the newest: we keep one newest apart (the lifo slot) and want age
 *             order here.
 */
#include "sched/runq.h"

#include "sched/sched.h"

static uint32_t used(uint32_t head, uint32_t tail)
{
    return tail - head;
}

static struct kc_co *slot_get(struct kci_ring *r, uint32_t i)
{
    return ka_load(&r->slot[i % KCI_RING], relaxed); // relaxed: ordered by head and tail
}

static void slot_put(struct kci_ring *r, uint32_t i, struct kc_co *co)
{
    ka_store(&r->slot[i % KCI_RING], co, relaxed); // relaxed: published by tail
}

bool kci_ring_push(struct kci_ring *r, struct kc_co *co)
{
    uint32_t tail = ka_load(&r->tail, relaxed); // relaxed: only the owner writes it
    uint32_t head = ka_load(&r->head, acquire); // E-CLAIM in

    if (used(head, tail) == KCI_RING)
        return false;
    slot_put(r, tail, co);
    ka_store(&r->tail, tail + 1, release); // E-RING out
    return true;
}

struct kc_co *kci_ring_pop(struct kci_ring *r)
{
    uint32_t tail = ka_load(&r->tail, relaxed); // relaxed: only the owner writes it
    uint32_t head = ka_load(&r->head, acquire); // E-CLAIM in

    while (head != tail) {
        struct kc_co *co = slot_get(r, head);
        if (ka_cas(&r->head, &head, head + 1, acq_rel, acquire)) // E-CLAIM out
            return co;
    }
    return NULL;
}

/* Copy half of `from` behind own tail and claim it. Returns how many, UINT32_MAX: try again. */
static uint32_t grab(struct kci_ring *to, uint32_t to_tail, struct kci_ring *from)
{
    uint32_t head = ka_load(&from->head, acquire); // E-CLAIM in
    uint32_t tail = ka_load(&from->tail, acquire); // E-RING in
    uint32_t n = used(head, tail);

    if (n > KCI_RING)
        return UINT32_MAX; // head moved on between the two loads
    n -= n / 2;
    for (uint32_t i = 0; i < n; i++)
        slot_put(to, to_tail + i, slot_get(from, head + i));
    if (n && !ka_cas(&from->head, &head, head + n, acq_rel, relaxed)) // E-CLAIM out
        return UINT32_MAX;
    return n;
}

struct kc_co *kci_ring_steal(struct kci_ring *to, struct kci_ring *from)
{
    uint32_t tail = ka_load(&to->tail, relaxed); // relaxed: we own it
    uint32_t n = UINT32_MAX;

    for (int tries = 0; n == UINT32_MAX && tries < 4; tries++)
        n = grab(to, tail, from);
    if (n == 0 || n == UINT32_MAX)
        return NULL;
    struct kc_co *co = slot_get(to, tail + n - 1);
    ka_store(&to->tail, tail + n - 1, release); // E-RING out
    return co;
}

KCI_OWNER_ONLY struct kc_co *kci_ring_spill(struct kci_ring *r, uint32_t *n)
{
    uint32_t head = ka_load(&r->head, acquire); // E-CLAIM in
    uint32_t count = used(head, ka_load(&r->tail, relaxed)) / 2; // relaxed: own tail
    struct kc_co *first = NULL, **link = &first;

    *n = 0;
    if (!count || !ka_cas(&r->head, &head, head + count, acq_rel, relaxed)) // E-CLAIM out
        return NULL;
    for (uint32_t i = 0; i < count; i++, link = &(*link)->next)
        *link = slot_get(r, head + i);
    *link = NULL;
    *n = count;
    return first;
}

uint32_t kci_ring_len(struct kci_ring *r)
{
    uint32_t head = ka_load(&r->head, acquire); // E-CLAIM in
    uint32_t n = used(head, ka_load(&r->tail, acquire)); // E-RING in
    return n > KCI_RING ? 0 : n;
}

KCI_OWNER_ONLY
void kci_inject_push(struct kci_inject *q, struct kc_co *first, struct kc_co *last, uint32_t n)
{
    last->next = NULL;
    kci_lock(&q->lock);
    if (q->tail)
        q->tail->next = first;
    else
        q->head = first;
    q->tail = last;
    ka_add(&q->len, n, seq_cst); // E-IDLE out: read by a worker before it sleeps
    kci_unlock(&q->lock);
}

KCI_OWNER_ONLY struct kc_co *kci_inject_pop(struct kci_inject *q)
{
    if (!ka_load(&q->len, seq_cst)) // E-IDLE in
        return NULL;
    kci_lock(&q->lock);
    struct kc_co *co = q->head;
    if (co) {
        q->head = co->next;
        if (!q->head)
            q->tail = NULL;
        ka_sub(&q->len, 1, relaxed); // relaxed: written under the lock
    }
    kci_unlock(&q->lock);
    return co;
}
