/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * lab/kcmc/memory.c — the memory of C11, as views.
 *
 * Stores to an atomic object are messages, in the order in which they were executed. A thread
 * has a view: for each object the oldest message it may still read. A load reads any from there
 * on, which is a choice to try; an acquiring load adds the message's view to the thread's. A
 * release store puts the thread's view into its message, a relaxed one that of the last release
 * fence; a read-modify-write reads the last message and hands its view on (release sequence).
 * Sequentially consistent fences share one more view, as do sequentially consistent operations
 * on the same object.
 *
 * Plain accesses carry the thread's clock, which is part of views: an access that is not in the
 * view of whoever comes next raced.
 *
 * Not here  load buffering (a load never reads a store that comes later), and a store never
 *           slips in before one that was executed earlier. Models stay small without them.
 * Source    the promise-free part of Kang et al., A Promising Semantics (2017).
 */
#include <string.h>

#include "lab/kcmc/state.h"

static bool acquires(int order)
{
    return order == __ATOMIC_ACQUIRE || order == __ATOMIC_CONSUME ||
           order == __ATOMIC_ACQ_REL || order == __ATOMIC_SEQ_CST;
}

static bool releases(int order)
{
    return order == __ATOMIC_RELEASE || order == __ATOMIC_ACQ_REL || order == __ATOMIC_SEQ_CST;
}

static void join(struct view *to, const struct view *from)
{
    for (unsigned i = 0; i < LOCS; i++)
        to->at[i] = to->at[i] > from->at[i] ? to->at[i] : from->at[i];
    for (unsigned i = 0; i < KCMC_THREADS; i++)
        to->clock[i] = to->clock[i] > from->clock[i] ? to->clock[i] : from->clock[i];
}

static struct thread *self(void)
{
    return &K->thread[K->self];
}

/* ---- real memory: the newest values ---- */

static uint64_t raw_load(uintptr_t addr, unsigned size)
{
    uint64_t value = 0;
    memcpy(&value, (void *)addr, size); // little end first, as on every machine we run on
    return value;
}

static void raw_store(uintptr_t addr, unsigned size, uint64_t value)
{
    memcpy((void *)addr, &value, size);
}

/* ---- granules and locations ---- */

void kcmc_memory_reset(void)
{
    K->era++;
    K->nlocs = K->nmessages = 0;
    memset(&K->sc, 0, sizeof K->sc);
    for (unsigned i = 0; i < KCMC_THREADS; i++) {
        struct thread *t = &K->thread[i];
        memset(t, 0, sizeof *t);
        t->cur.clock[i] = t->acq.clock[i] = 1; // 0 is in every view
    }
}

static struct granule *granule_at(uintptr_t addr)
{
    uintptr_t key = addr >> 3;

    for (size_t i = key * 0x9E3779B97F4A7C15u >> 20, end = i + GRANULES; i < end; i++) {
        struct granule *g = &K->granule[i % GRANULES];
        if (g->era == K->era && g->key == key)
            return g;
        if (g->era != K->era) {
            memset(g, 0, sizeof *g);
            g->key = key;
            g->era = K->era;
            return g;
        }
    }
    kcmc_fault(KCMC_TOO_MUCH, NULL, "more than %d words of memory", GRANULES);
    return NULL;
}

static struct message *message_new(struct loc *l, uint64_t value)
{
    if (K->nmessages == MESSAGES)
        kcmc_fault(KCMC_TOO_MUCH, NULL, "more than %d stores", MESSAGES);
    struct message *m = &K->message[K->nmessages];
    m->value = value;
    m->prev = l->last;
    m->index = (uint16_t)(K->message[l->last].index + 1);
    l->last = (uint16_t)K->nmessages++;
    return m;
}

/* It begins with what memory holds, which everybody knows. */
static unsigned loc_new(uintptr_t addr, unsigned size)
{
    if (K->nlocs == LOCS || K->nmessages == MESSAGES)
        kcmc_fault(KCMC_TOO_MUCH, NULL, "more than %d atomic objects", LOCS);
    struct loc *l = &K->loc[K->nlocs];
    *l = (struct loc){ .addr = addr, .size = size, .last = (uint16_t)K->nmessages };
    struct message *m = &K->message[K->nmessages++];
    *m = (struct message){ .value = raw_load(addr, size), .prev = l->last };
    return K->nlocs++;
}

static void unordered(uintptr_t addr, void *site, const char *what, unsigned with)
{
    kcmc_fault(KCMC_RACE, site, "%s at %p by thread %u, not ordered with thread %u's", what,
               (void *)addr, K->self, with);
}

/* Plain accesses against one of ours. */
static void check_byte(const struct byte *b, uintptr_t addr, bool write, void *site)
{
    const struct view *cur = &self()->cur;

    if (b->freed)
        kcmc_fault(KCMC_FREED, site, "access at %p to memory that was freed", (void *)addr);
    if (b->write && b->writer != K->self && b->write > cur->clock[b->writer])
        unordered(addr, site, write ? "a write after a write" : "a read after a write",
                  b->writer);
    for (unsigned u = 0; write && u < K->threads; u++)
        if (u != K->self && b->read[u] > cur->clock[u])
            unordered(addr, site, "a write after a read", u);
}

/* Atomic accesses against a plain one of ours. */
static void check_loc(const struct loc *l, bool write, void *site)
{
    const struct view *cur = &self()->cur;

    for (unsigned u = 0; u < K->threads; u++) {
        if (u == K->self)
            continue;
        if (l->writes[u] > cur->clock[u])
            unordered(l->addr, site, "a plain access after an atomic store", u);
        if (write && l->reads[u] > cur->clock[u])
            unordered(l->addr, site, "a plain write after an atomic load", u);
    }
}

static struct loc *loc_of(uintptr_t addr, unsigned size, bool write, void *site)
{
    struct granule *g = granule_at(addr);
    unsigned at = addr & 7;

    for (unsigned i = at; i < at + size; i++)
        check_byte(&g->byte[i], addr, write, site);
    if (!g->loc[at])
        g->loc[at] = (uint8_t)(1 + loc_new(addr, size));
    struct loc *l = &K->loc[g->loc[at] - 1];
    if (l->size != size)
        kcmc_fault(KCMC_TOO_MUCH, site, "atomic accesses of two sizes at %p", (void *)addr);
    if (l->stale) { // ordered before us, or check_byte would have complained
        struct message *m = message_new(l, raw_load(addr, size));
        memset(&m->view, 0, sizeof m->view);
        l->floor = m->index;
        l->stale = false;
    }
    (write ? l->writes : l->reads)[K->self] = self()->cur.clock[K->self];
    return l;
}

static unsigned id(const struct loc *l)
{
    return (unsigned)(l - K->loc);
}

void kcmc_plain(uintptr_t addr, size_t size, bool write, void *site)
{
    uint16_t clock = self()->cur.clock[K->self];

    for (uintptr_t p = addr; p < addr + size; p++) {
        struct granule *g = granule_at(p);
        struct byte *b = &g->byte[p & 7];
        check_byte(b, p, write, site);
        if (g->loc[p & 7]) {
            struct loc *l = &K->loc[g->loc[p & 7] - 1];
            check_loc(l, write, site);
            l->stale |= write;
        }
        if (write) {
            b->write = clock;
            b->writer = (uint8_t)K->self;
        } else {
            b->read[K->self] = clock;
        }
    }
}

/* ---- loads ---- */

static const struct message *nth(const struct loc *l, unsigned index)
{
    const struct message *m = &K->message[l->last];

    while (m->index > index)
        m = &K->message[m->prev];
    return m;
}

static unsigned oldest(const struct loc *l, int order)
{
    unsigned floor = self()->cur.at[id(l)];

    floor = floor > l->floor ? floor : l->floor;
    if (order == __ATOMIC_SEQ_CST && K->sc.at[id(l)] > floor)
        floor = K->sc.at[id(l)];
    return floor;
}

/* The last READS different ones, oldest first. */
static void note_read(struct thread *t, unsigned loc, unsigned index)
{
    unsigned i = 0;

    while (i < t->nreads && t->reads[i].loc != loc)
        i++;
    if (i == READS)
        i = 0;
    else if (i == t->nreads)
        t->nreads++;
    memmove(&t->reads[i], &t->reads[i + 1], (t->nreads - 1 - i) * sizeof t->reads[0]);
    t->reads[t->nreads - 1] = (struct read){ (uint16_t)loc, (uint16_t)index };
}

static void read_message(struct loc *l, const struct message *m, int order)
{
    struct thread *t = self();

    t->cur.at[id(l)] = t->acq.at[id(l)] = m->index;
    join(&t->acq, &m->view);
    if (acquires(order))
        join(&t->cur, &m->view);
    if (order == __ATOMIC_SEQ_CST && K->sc.at[id(l)] < m->index)
        K->sc.at[id(l)] = m->index;
    note_read(t, id(l), m->index);
}

uint64_t kcmc_load(uintptr_t addr, unsigned size, int order, void *site)
{
    if (!K->running)
        return raw_load(addr, size);
    kcmc_point();
    struct loc *l = loc_of(addr, size, false, site);
    unsigned last = K->message[l->last].index;
    unsigned late = kcmc_choose(last - oldest(l, order) + 1);
    const struct message *m = nth(l, last - late);
    read_message(l, m, order);
    kcmc_tell("load", addr, m->value, late, order, site);
    return m->value;
}

uint64_t kcmc_look(uintptr_t addr, unsigned size, void *site)
{
    struct loc *l = loc_of(addr, size, false, site);
    const struct message *m = &K->message[l->last];

    read_message(l, m, __ATOMIC_RELAXED);
    kcmc_tell("look", addr, m->value, 0, __ATOMIC_RELAXED, site);
    return m->value;
}

/* ---- stores ---- */

/* Append; `from` is the message that a read-modify-write has read. */
static void write_message(struct loc *l, uint64_t value, int order, const struct message *from)
{
    struct thread *t = self();
    struct message *m = message_new(l, value);
    unsigned n = id(l);

    t->cur.at[n] = t->acq.at[n] = m->index;
    m->view = releases(order) ? t->cur : t->rel;
    m->view.at[n] = m->index;
    if (from)
        join(&m->view, &from->view);
    if (order == __ATOMIC_SEQ_CST)
        K->sc.at[n] = m->index;
    t->acq.clock[K->self] = ++t->cur.clock[K->self];
    raw_store(l->addr, l->size, value);
}

void kcmc_store(uintptr_t addr, unsigned size, uint64_t value, int order, void *site)
{
    if (!K->running) {
        raw_store(addr, size, value);
        return;
    }
    kcmc_point();
    write_message(loc_of(addr, size, true, site), value, order, NULL);
    kcmc_tell("store", addr, value, 0, order, site);
}

uint64_t kcmc_rmw(uintptr_t addr, unsigned size, kcmc_next *next, uint64_t arg, int order,
                  void *site)
{
    if (!K->running) {
        uint64_t old = raw_load(addr, size);
        raw_store(addr, size, next(old, arg));
        return old;
    }
    kcmc_point();
    struct loc *l = loc_of(addr, size, true, site);
    const struct message *from = &K->message[l->last];
    uint64_t mask = size == 8 ? UINT64_MAX : ((uint64_t)1 << 8 * size) - 1;
    uint64_t value = next(from->value, arg) & mask;
    read_message(l, from, order);
    write_message(l, value, order, from);
    kcmc_tell("change", addr, value, 0, order, site);
    return from->value;
}

/* Older messages that would make it fail, newest first; late counts from the last. */
static unsigned failures(const struct loc *l, uint64_t expected, int order, uint16_t *late)
{
    const struct message *m = &K->message[l->last];
    unsigned last = m->index, floor = oldest(l, order), n = 0;

    for (; m->index >= floor; m = &K->message[m->prev]) {
        if (m->value != expected && n < 32)
            late[n++] = (uint16_t)(last - m->index);
        if (m->index == 0)
            break;
    }
    return n;
}

bool kcmc_cas(uintptr_t addr, unsigned size, uint64_t *expected, uint64_t value,
              const int order[2], void *site)
{
    uint16_t late[32];

    if (!K->running) {
        uint64_t old = raw_load(addr, size);
        bool same = old == *expected;
        raw_store(addr, size, same ? value : old);
        *expected = old;
        return same;
    }
    kcmc_point();
    struct loc *l = loc_of(addr, size, true, site);
    const struct message *from = &K->message[l->last];
    bool can = from->value == *expected;
    unsigned n = failures(l, *expected, order[1], late);
    unsigned pick = kcmc_choose(n + can);
    if (can && pick == 0) {
        read_message(l, from, order[0]);
        write_message(l, value, order[0], from);
        kcmc_tell("swap", addr, value, 0, order[0], site);
        return true;
    }
    pick = late[pick - can];
    from = nth(l, from->index - pick);
    read_message(l, from, order[1]);
    kcmc_tell("no swap", addr, from->value, pick, order[1], site);
    *expected = from->value;
    return false;
}

void kcmc_fence(int order, void *site)
{
    if (!K->running)
        return;
    kcmc_point();
    struct thread *t = self();
    if (acquires(order))
        join(&t->cur, &t->acq);
    if (order == __ATOMIC_SEQ_CST) {
        join(&K->sc, &t->cur);
        t->cur = K->sc;
        join(&t->acq, &t->cur);
    }
    if (releases(order)) {
        t->rel = t->cur;
        t->acq.clock[K->self] = ++t->cur.clock[K->self];
    }
    kcmc_tell("fence", 0, 0, 0, order, site);
}

/* ---- waiting ---- */

bool kcmc_is_news(const struct thread *t, unsigned loc)
{
    const struct loc *l = &K->loc[loc];
    unsigned at = t->cur.at[loc] > l->floor ? t->cur.at[loc] : l->floor;
    uint64_t known = nth(l, at)->value;

    for (const struct message *m = &K->message[l->last]; m->index > at;
         m = &K->message[m->prev])
        if (m->value != known)
            return true;
    return l->stale;
}

void kcmc_step_on(struct thread *t, unsigned loc)
{
    if (t->cur.at[loc] < K->message[K->loc[loc].last].index)
        t->acq.at[loc] = ++t->cur.at[loc];
}

/* ---- memory that comes and goes ---- */

void *kcmc_alloc(size_t bytes)
{
    size_t begin = K->arena_used, rounded = (bytes + 31) / 16 * 16;

    if (begin + rounded > ARENA_BYTES)
        kcmc_fault(KCMC_TOO_MUCH, NULL, "more than %d bytes allocated", ARENA_BYTES);
    K->arena_used += rounded;
    memcpy(K->arena + begin, &bytes, sizeof bytes);
    memset(K->arena + begin + 16, 0, bytes);
    return K->arena + begin + 16;
}

void kcmc_free(void *p)
{
    size_t bytes;

    if (!p || !K->running)
        return;
    memcpy(&bytes, (unsigned char *)p - 16, sizeof bytes);
    kcmc_point();
    void *site = __builtin_return_address(0);
    kcmc_plain((uintptr_t)p, bytes, true, site); // whoever used it is ordered before
    for (size_t i = 0; i < bytes; i++)
        granule_at((uintptr_t)p + i)->byte[((uintptr_t)p + i) & 7].freed = true;
    kcmc_tell("free", (uintptr_t)p, bytes, 0, __ATOMIC_RELAXED, site);
}
