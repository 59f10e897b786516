/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * core/stack.c — slabs of stack slots and the depot of free ones.
 *
 * Invariants  a slot is carved (guarded) once and then only moves between its user and the
 *             depot
 *             free[c] links slots through a kci_stack stored just below their top
 *             out = slots in use; a closed pool with out == 0 is freed
 * Locks       pool->lock, held for pointer moves; mapping and guarding happen outside it
 *             the process never has more than PROTECTS_MOST guards that cost mappings: beyond
 *             that stacks go without, and are counted, so that memory can still be mapped
 * Rejected    one mmap and mprotect per stack: two mappings each, and vm.max_map_count (65,530)
 *             ends the program at 32,753 stacks. A guard marker costs none where the kernel has
 *             it.
 *             Strides of a power of two: every stack top would share one set of the TLB.
 */
#include "core/stack.h"

#include <errno.h>
#include <string.h>

#include "arch/fiber_notes.h"
#include "arch/os.h"
#include "core/assert.h"
#include "core/lock.h"
#include "core/log.h"
#include "core/mem.h"

enum { CLASSES = 4, SLOTS_FIRST = 16, SLOTS_MOST = 1024 };

/* Two mappings each, and vm.max_map_count is 65,530: the rest is left to the program. */
enum { PROTECTS_MOST = 20000 };
static _Atomic(unsigned) protects;

static const size_t class_bytes[CLASSES] = { (size_t)16 << 10, (size_t)64 << 10,
                                             (size_t)256 << 10, (size_t)1 << 20 };

struct slab {
    struct slab *next;
    unsigned char *base;
    size_t bytes;
    unsigned slots, carved;
};

struct free_slot {
    struct free_slot *next;
    struct kci_stack st;
};

struct kci_stack_pool {
    struct kci_lock lock;
    bool closed;
    unsigned protects; /* of its slabs' slots */
    struct free_slot *free[CLASSES];
    struct slab *slabs[CLASSES];
    uint64_t out;
    struct kci_stack_stats stats;
};

int kci_stack_pool_create(struct kci_stack_pool **out)
{
    *out = kci_zalloc(sizeof **out);
    return *out ? 0 : -ENOMEM;
}

static void forget_slots(struct free_slot *f)
{
    for (; f; f = f->next)
        kci_note_stack_gone(f->st.valgrind_id);
}

static void pool_free(struct kci_stack_pool *pool)
{
    for (int c = 0; c < CLASSES; c++) {
        forget_slots(pool->free[c]);
        for (struct slab *s = pool->slabs[c], *next; s; s = next) {
            next = s->next;
            kci_note_stacks_gone(s->base, s->bytes);
            kci_os_unmap(s->base, s->bytes);
            kci_free(s);
        }
    }
    ka_sub(&protects, pool->protects, relaxed); // relaxed: a budget, a little late is fine
    kci_free(pool);
}

void kci_stack_pool_close(struct kci_stack_pool *pool)
{
    kci_lock(&pool->lock);
    pool->closed = true;
    bool last = pool->out == 0;
    kci_unlock(&pool->lock);
    if (last)
        pool_free(pool);
}

int kci_stack_class(size_t bytes)
{
    for (int c = 0; c < CLASSES; c++)
        if (bytes <= class_bytes[c])
            return c;
    return -1;
}

static size_t stride(int cls)
{
    return class_bytes[cls] + kci_os_page_bytes();
}

static struct slab *slab_create(int cls, unsigned slots)
{
    struct slab *s = kci_zalloc(sizeof *s);
    if (!s)
        return NULL;
    s->slots = slots;
    s->bytes = stride(cls) * slots;
    s->base = kci_os_map(s->bytes);
    if (!s->base) {
        kci_free(s);
        return NULL;
    }
    kci_note_stacks(s->base, s->bytes);
    return s;
}

/* Give the slot its guard and fill in *out. Returns whether it is guarded. */
static bool slot_prepare(unsigned char *base, size_t bytes, int cls, struct kci_stack *out)
{
    size_t guard = kci_os_page_bytes();
    bool spare = ka_load(&protects, relaxed) < PROTECTS_MOST; // relaxed: as in pool_free
    enum kci_guard how = kci_os_guard(base, guard, spare);

    out->protects = how == KCI_GUARD_PROTECT;
    if (out->protects)
        ka_add(&protects, 1, relaxed); // relaxed: as in pool_free
    out->lo = base + guard;
    out->top = base + bytes;
    out->cls = (short)cls;
    out->valgrind_id = kci_note_stack(out->lo, out->top);
    return how != KCI_GUARD_NONE;
}

static void count_unguarded(struct kci_stack_pool *pool)
{
    kci_lock(&pool->lock);
    uint64_t n = ++pool->stats.unguarded;
    kci_unlock(&pool->lock);
    if (n == 1)
        KCI_LOG(KCI_LOG_SCHED, "a stack has no guard page: mappings are getting scarce "
                               "(vm.max_map_count); an overflow there would go unseen");
}

static void count_protected(struct kci_stack_pool *pool)
{
    kci_lock(&pool->lock);
    pool->protects++;
    kci_unlock(&pool->lock);
}

/* The next uncarved slot of the newest slab, or NULL. Under pool->lock. */
static unsigned char *carve_locked(struct kci_stack_pool *pool, int cls)
{
    struct slab *s = pool->slabs[cls];

    if (!s || s->carved == s->slots)
        return NULL;
    pool->out++;
    pool->stats.carved++;
    return s->base + stride(cls) * s->carved++;
}

static unsigned char *carve(struct kci_stack_pool *pool, int cls)
{
    kci_lock(&pool->lock);
    unsigned char *base = carve_locked(pool, cls);
    struct slab *newest = pool->slabs[cls];
    unsigned slots = newest ? newest->slots * 2 : SLOTS_FIRST;
    kci_unlock(&pool->lock);
    if (base)
        return base;

    struct slab *s = slab_create(cls, slots > SLOTS_MOST ? SLOTS_MOST : slots);
    if (!s)
        return NULL;
    kci_lock(&pool->lock);
    // Another thread may have added one too; then the older keeps its uncarved rest unused.
    s->next = pool->slabs[cls];
    pool->slabs[cls] = s;
    base = carve_locked(pool, cls);
    kci_unlock(&pool->lock);
    return base;
}

static int get_own_mapping(struct kci_stack_pool *pool, size_t bytes, struct kci_stack *out)
{
    size_t page = kci_os_page_bytes();
    size_t whole = (bytes + page - 1) / page * page + page;
    unsigned char *base = kci_os_map(whole);

    if (!base)
        return -ENOMEM;
    kci_note_stacks(base, whole);
    if (!slot_prepare(base, whole, -1, out))
        count_unguarded(pool);
    kci_lock(&pool->lock);
    pool->out++;
    pool->stats.carved++;
    kci_unlock(&pool->lock);
    return 0;
}

static bool get_free(struct kci_stack_pool *pool, int cls, struct kci_stack *out)
{
    kci_lock(&pool->lock);
    struct free_slot *f = pool->free[cls];
    if (f) {
        pool->free[cls] = f->next;
        pool->out++;
        *out = f->st;
    }
    kci_unlock(&pool->lock);
    return f != NULL;
}

int kci_stack_get(struct kci_stack_pool *pool, size_t bytes, struct kci_stack *out)
{
    int cls = kci_stack_class(bytes);

    if (bytes > KCI_STACK_MAX)
        return -EINVAL;
    if (cls < 0)
        return get_own_mapping(pool, bytes, out);
    if (get_free(pool, cls, out))
        return 0;
    unsigned char *base = carve(pool, cls);
    if (!base)
        return -ENOMEM;
    if (!slot_prepare(base, stride(cls), cls, out))
        count_unguarded(pool);
    if (out->protects)
        count_protected(pool);
    return 0;
}

void kci_stack_wrap(void *memory, size_t bytes, struct kci_stack *out)
{
    uintptr_t top = ((uintptr_t)memory + bytes) & ~(uintptr_t)15;

    out->lo = memory;
    out->top = (unsigned char *)top;
    out->cls = KCI_STACK_GUEST;
    out->valgrind_id = kci_note_stack(out->lo, out->top);
}

void kci_stack_unwrap(const struct kci_stack *st)
{
    kci_note_stack_gone(st->valgrind_id);
    kci_note_memory(st->lo, (size_t)(st->top - st->lo));
}

static void put_own_mapping(const struct kci_stack *st)
{
    size_t page = kci_os_page_bytes();
    size_t whole = (size_t)(st->top - st->lo) + page;

    if (st->protects)
        ka_sub(&protects, 1, relaxed); // relaxed: as in pool_free
    kci_note_stack_gone(st->valgrind_id);
    kci_note_stacks_gone(st->lo - page, whole);
    kci_os_unmap(st->lo - page, whole);
}

void kci_stack_put(struct kci_stack_pool *pool, const struct kci_stack *st)
{
    struct kci_stack copy = *st; // *st may lie on the very stack that is given back
    struct free_slot *f = (struct free_slot *)(void *)copy.top - 1;

    if (copy.cls < 0)
        put_own_mapping(&copy);
    else
        f->st = copy;
    kci_lock(&pool->lock);
    KCI_ASSERT(pool->out > 0);
    if (copy.cls >= 0) {
        f->next = pool->free[copy.cls];
        pool->free[copy.cls] = f;
    }
    bool last = --pool->out == 0 && pool->closed;
    kci_unlock(&pool->lock);
    if (last)
        pool_free(pool);
}

struct kci_stack_stats kci_stack_stats(struct kci_stack_pool *pool)
{
    kci_lock(&pool->lock);
    struct kci_stack_stats s = pool->stats;
    kci_unlock(&pool->lock);
    return s;
}
