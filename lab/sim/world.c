/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * lab/sim/world.c — the simulated network as its user sees it: rules, partitions, disasters,
 * counters.
 *
 * Rules    what was said about a pair of nodes, the latest last; a pair's behaviour is that of
 *          the latest rule that fits, its partition likewise. Saying something about the same
 *          names again replaces the rule, so their number is bounded by the program's names.
 * Trace    a hash (FNV-1a over words) of all events with their moments. Two runs with the same
 *          trace did the same on the network, in the same order, at the same times.
 */
#include <string.h>

#include "core/mem.h"
#include "lab/sim/sim.h"

enum { MILLION = 1000000 };

/* Of two kinds: how a link behaves, or whether it is cut. */
struct rule {
    struct kci_list node;
    bool cuts, cut;
    kc_sim_link_t how;
    const char *from, *to; /* NULL: any; behind the struct */
    char names[];
};

/* ---- life ---- */

struct kc_sim *kci_sim_here(void)
{
    struct kc_rt *rt = kc_rt_current();
    return rt ? rt->ext[KCI_EXT_SIM] : NULL;
}

struct kc_sim *kci_sim_ref(struct kc_sim *sim)
{
    ka_add(&sim->refs, 1, relaxed); // relaxed: the caller holds one already
    return sim;
}

void kci_sim_unref(struct kc_sim *sim)
{
    if (ka_sub(&sim->refs, 1, acq_rel) != 1) // E-REF
        return;
    while (!kci_list_empty(&sim->rules))
        kci_free(KCI_OF(kci_list_pop(&sim->rules), struct rule, node));
    kci_timers_unref(sim->timers);
    kci_free(sim);
}

void kci_sim_unplug(struct kc_rt *rt)
{
    if (rt->ext[KCI_EXT_SIM])
        kci_sim_unref(rt->ext[KCI_EXT_SIM]);
    rt->ext[KCI_EXT_SIM] = NULL;
}

static bool is_sane(const kc_sim_link_t *l)
{
    return l->latency_ns >= 0 && l->jitter_ns >= 0 && l->read_pause_ns >= 0 &&
           l->resend_ns >= 0 && l->reorder_ns >= 0 && l->drop_ppm <= MILLION &&
           l->dup_ppm <= MILLION && l->reorder_ppm <= MILLION && l->reset_ppm <= MILLION &&
           !(l->flags & ~(KC_SIM_TAIL | KC_SIM_EXACT));
}

static int create(struct kc_sim **out, struct kc_rt *rt, uint64_t seed)
{
    struct kc_sim *sim = kci_zalloc(sizeof *sim);

    if (!sim)
        return -ENOMEM;
    sim->rt = rt;
    sim->timers = rt->timers;
    kci_timers_ref(sim->timers);
    sim->born_ns = kci_rt_now(rt);
    ka_store(&sim->refs, 1, relaxed);      // relaxed: not shared yet
    ka_store(&sim->random, seed, relaxed); // relaxed: as above
    sim->stats.trace = 0xCBF29CE484222325u;
    kci_list_init(&sim->rules);
    kci_list_init(&sim->conns);
    kci_list_init(&sim->listening);
    *out = sim;
    return 0;
}

int kc_sim_create(kc_sim_t **out, uint64_t seed, const kc_sim_link_t *link)
{
    struct kc_co *self = kci_co_self();
    struct kc_sim *sim;

    if (!out || (link && !is_sane(link)))
        return -EINVAL;
    if (!self)
        return -EPERM;
    if (self->rt->ext[KCI_EXT_SIM])
        return -EEXIST;
    int rc = kc_transport_register(&kci_transport_sim, NULL);
    if (!rc)
        rc = kc_transport_register(&kci_transport_simframes, NULL);
    if (!rc)
        rc = create(&sim, self->rt, seed);
    if (!rc && link && (rc = kc_sim_link(sim, NULL, NULL, link)))
        kci_sim_unref(sim);
    if (!rc)
        *out = self->rt->ext[KCI_EXT_SIM] = sim;
    return rc;
}

/* ---- what happens ---- */

int64_t kci_sim_now(const struct kc_sim *sim)
{
    return kci_rt_now(sim->rt);
}

static void mix(struct kc_sim *sim, uint64_t word)
{
    sim->stats.trace = (sim->stats.trace ^ word) * 0x100000001B3u;
}

static void count(kc_sim_stats_t *st, enum kci_sim_event what, size_t bytes)
{
    switch (what) {
    case KCI_SIM_CONNECT:
        st->connects++;
        break;
    case KCI_SIM_SEND:
        st->sends++;
        st->sent_bytes += bytes;
        break;
    case KCI_SIM_READ:
        st->reads++;
        st->read_bytes += bytes;
        break;
    case KCI_SIM_DROP:
        st->drops++;
        break;
    case KCI_SIM_DUP:
        st->dups++;
        break;
    case KCI_SIM_REORDER:
        st->reorders++;
        break;
    case KCI_SIM_RESET:
        st->resets++;
        break;
    case KCI_SIM_SWALLOW:
        st->lost_bytes += bytes;
        break;
    default:
        break;
    }
}

void kci_sim_note(struct kci_sim_way *way, enum kci_sim_event what, size_t bytes)
{
    struct kci_sim_conn *c = way->conn;
    struct kc_sim *sim = c->sim;

    count(&sim->stats, what, bytes);
    mix(sim, (uint64_t)(kci_sim_now(sim) - sim->born_ns));
    mix(sim, (uint64_t)c->id << 8 | (uint64_t)(way != &c->way[0]) << 7 | what);
    mix(sim, bytes);
}

int kc_sim_stats(kc_sim_t *w, kc_sim_stats_t *out)
{
    if (!w || !out)
        return -EINVAL;
    kci_lock(&w->lock);
    *out = w->stats;
    kci_unlock(&w->lock);
    return 0;
}

/* ---- rules ---- */

static bool fits(const char *pattern, const char *name)
{
    return !pattern || !strcmp(pattern, name);
}

static bool same(const char *a, const char *b)
{
    return a == b || (a && b && !strcmp(a, b));
}

static const char *sender(const struct kci_sim_way *way)
{
    return way == &way->conn->way[0] ? way->conn->from : way->conn->to;
}

static const char *receiver(const struct kci_sim_way *way)
{
    return way == &way->conn->way[0] ? way->conn->to : way->conn->from;
}

static bool rule_fits(const struct rule *r, const struct kci_sim_way *way)
{
    return fits(r->from, sender(way)) && fits(r->to, receiver(way));
}

static void heal(struct kci_sim_way *way)
{
    int64_t soon = kci_sim_now(way->conn->sim) + way->how.latency_ns;

    way->cut = false;
    if (soon > way->quiet_until) // what waited is sent again
        way->quiet_until = soon;
}

static void obey(struct kci_sim_way *way, const struct rule *r)
{
    if (!rule_fits(r, way))
        return;
    if (!r->cuts)
        way->how = r->how;
    else if (r->cut)
        way->cut = true;
    else if (way->cut)
        heal(way);
}

void kci_sim_apply(struct kci_sim_way *way)
{
    KCI_EACH(it, &way->conn->sim->rules)
        obey(way, KCI_OF(it, struct rule, node));
    way->quiet_until = 0; // nothing was under way
}

static const char *copy_name(char **to, const char *name)
{
    size_t n = name ? strlen(name) + 1 : 0;
    char *at = *to;

    if (name)
        memcpy(at, name, n);
    *to += n;
    return name ? at : NULL;
}

static struct rule *make_rule(const char *from, const char *to)
{
    size_t n = (from ? strlen(from) + 1 : 0) + (to ? strlen(to) + 1 : 0);
    struct rule *r = kci_zalloc(sizeof *r + n);
    char *at = r ? r->names : NULL;

    if (!r)
        return NULL;
    r->from = copy_name(&at, from);
    r->to = copy_name(&at, to);
    return r;
}

/* The rule that says as much about the same pair, taken out; NULL. Locked. */
static struct rule *take_same(struct kc_sim *sim, const struct rule *r)
{
    KCI_EACH(it, &sim->rules) {
        struct rule *old = KCI_OF(it, struct rule, node);
        if (old->cuts == r->cuts && same(old->from, r->from) && same(old->to, r->to)) {
            kci_list_remove(it);
            return old;
        }
    }
    return NULL;
}

/* The directions in turn, each with its connection kept; NULL: no more. Stirring takes other
 * locks, so each is looked up anew. */
static struct kci_sim_way *next_to_stir(struct kc_sim *sim, unsigned *after)
{
    KCI_EACH(it, &sim->conns) {
        struct kci_sim_conn *c = KCI_OF(it, struct kci_sim_conn, node);
        if (2 * c->id + 1 < *after)
            continue;
        unsigned which = 2 * c->id < *after;
        *after = 2 * c->id + which + 1;
        c->open += 2; // kept: neither end's closing frees it
        return &c->way[which];
    }
    return NULL;
}

static void stir_all(struct kc_sim *sim)
{
    struct kci_sim_way *way;
    unsigned after = 0;

    for (;;) {
        kci_lock(&sim->lock);
        way = next_to_stir(sim, &after);
        kci_unlock(&sim->lock);
        if (!way)
            return;
        kci_sim_way_stir(way);
        kci_sim_let_go(way->conn, 2);
    }
}

static int add_rule(struct kc_sim *sim, struct rule *r)
{
    if (!r)
        return -ENOMEM;
    kci_lock(&sim->lock);
    struct rule *old = take_same(sim, r);
    kci_list_push(&sim->rules, &r->node);
    KCI_EACH(it, &sim->conns) {
        struct kci_sim_conn *c = KCI_OF(it, struct kci_sim_conn, node);
        obey(&c->way[0], r);
        obey(&c->way[1], r);
    }
    kci_unlock(&sim->lock);
    kci_free(old);
    stir_all(sim);
    return 0;
}

int kc_sim_link(kc_sim_t *w, const char *from, const char *to, const kc_sim_link_t *link)
{
    struct rule *r;

    if (!w || !link || !is_sane(link))
        return -EINVAL;
    if ((r = make_rule(from, to)))
        r->how = *link;
    return add_rule(w, r);
}

static int set_cut(struct kc_sim *w, const char *from, const char *to, bool cut)
{
    struct rule *r;

    if (!w)
        return -EINVAL;
    if ((r = make_rule(from, to))) {
        r->cuts = true;
        r->cut = cut;
    }
    return add_rule(w, r);
}

int kc_sim_cut(kc_sim_t *w, const char *from, const char *to)
{
    return set_cut(w, from, to, true);
}

int kc_sim_heal(kc_sim_t *w, const char *from, const char *to)
{
    return set_cut(w, from, to, false);
}

/* ---- disasters ---- */

static bool is_between(const struct kci_sim_conn *c, const char *a, const char *b)
{
    return (fits(a, c->from) && fits(b, c->to)) || (fits(a, c->to) && fits(b, c->from));
}

int kc_sim_reset(kc_sim_t *w, const char *a, const char *b)
{
    int n = 0;

    if (!w)
        return -EINVAL;
    kci_lock(&w->lock);
    KCI_EACH(it, &w->conns) {
        struct kci_sim_conn *c = KCI_OF(it, struct kci_sim_conn, node);
        if (c->reset || !is_between(c, a, b))
            continue;
        kci_sim_break(c);
        n++;
    }
    kci_unlock(&w->lock);
    return n;
}

int kc_sim_vanish(kc_sim_t *w, const char *node)
{
    int n = 0;

    if (!w || !node)
        return -EINVAL;
    kci_lock(&w->lock);
    KCI_EACH(it, &w->conns) {
        struct kci_sim_conn *c = KCI_OF(it, struct kci_sim_conn, node);
        for (int i = 0; i < 2; i++) {
            c->way[i].mute = c->way[i].mute || !strcmp(sender(&c->way[i]), node);
            c->way[i].deaf = c->way[i].deaf || !strcmp(receiver(&c->way[i]), node);
        }
        n += is_between(c, node, NULL);
    }
    kci_unlock(&w->lock);
    return n;
}
