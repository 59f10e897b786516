/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * lab/explore/strategy.c — who goes next, by the plan.
 *
 *   random   each candidate alike
 *   pct      random priorities, the highest goes; at `depth` random places the highest falls
 *            behind all others (Burckhardt et al., ASPLOS 2010)
 *   pos      each step of each coroutine draws a priority, the highest goes (partial order
 *            sampling without its resets of racing steps; Yuan et al., CAV 2018)
 *   sticky   whoever runs goes on, mostly
 *   listed   whoever runs goes on, else the lowest id; but for the deviations listed
 *   fuzz     a byte each, then as listed
 *
 * Why several: they find different bugs. Fixed-depth pct and random walk need thousands of
 * schedules for shapes that another finds in thirty; in turn they need the sum of the best.
 */
#include "lab/explore/run.h"
#include "sched/sched.h"

/* splitmix64's finalizer, Steele et al. 2014. */
uint64_t kci_mix(uint64_t a, uint64_t b)
{
    uint64_t x = a + b * 0x9E3779B97F4A7C15u;

    x = (x ^ x >> 30) * 0xBF58476D1CE4E5B9u;
    x = (x ^ x >> 27) * 0x94D049BB133111EBu;
    return x ^ x >> 31;
}

/* xorshift64*, Vigna 2016; the high bits. */
static uint64_t draw(struct kci_run *r)
{
    r->rng ^= r->rng >> 12;
    r->rng ^= r->rng << 25;
    r->rng ^= r->rng >> 27;
    return (r->rng * 0x2545F4914F6CDD1Du) >> 16;
}

static unsigned draw_below(struct kci_run *r, unsigned n)
{
    return (unsigned)(draw(r) % n);
}

void kci_strategy_begin(struct kci_run *r)
{
    unsigned length = r->plan.length ? r->plan.length : 1;

    for (unsigned i = 0; i < r->plan.depth && i < KCI_PCT_DEPTH; i++)
        r->change[i] = draw_below(r, length);
}

/* Below these are those that fell behind. */
static uint64_t fresh_priority(struct kci_run *r)
{
    return draw(r) + KCI_PCT_DEPTH;
}

void kci_strategy_born(struct kci_run *r, struct kci_actor *a)
{
    if (r->plan.strategy == KCI_PCT || r->plan.strategy == KCI_POS)
        a->priority = fresh_priority(r);
}

/* ---- priorities ---- */

static unsigned highest(struct kci_run *r, const struct kci_runnable *set,
                        const struct kc_co *self, struct kci_actor **who)
{
    unsigned i = self ? 1 : 0, best = 0;

    *who = self ? kci_actor_of(r, self) : NULL;
    for (const struct kc_co *co = set->head; co; co = co->next, i++)
        if (!*who || kci_actor_of(r, co)->priority > (*who)->priority) {
            *who = kci_actor_of(r, co);
            best = i;
        }
    return best;
}

static unsigned pct(struct kci_run *r, const struct kci_runnable *set, const struct kc_co *self)
{
    struct kci_actor *who;

    for (unsigned i = 0; i < r->plan.depth && i < KCI_PCT_DEPTH; i++)
        if (r->change[i] == r->nchoices) {
            (void)highest(r, set, self, &who);
            who->priority = i;
        }
    return highest(r, set, self, &who);
}

static unsigned pos(struct kci_run *r, const struct kci_runnable *set, const struct kc_co *self)
{
    struct kci_actor *who;
    unsigned i = highest(r, set, self, &who);

    who->priority = fresh_priority(r);
    return i;
}

/* ---- the others ---- */

static unsigned listed(struct kci_run *r, unsigned n)
{
    const struct kci_plan *p = &r->plan;

    while (r->next_dev < p->ndev && p->dev[r->next_dev].at < r->nchoices)
        r->next_dev++;
    if (r->next_dev == p->ndev || p->dev[r->next_dev].at != r->nchoices)
        return 0;
    unsigned took = p->dev[r->next_dev].took;
    return took < n ? took : 0; // the program is another one by now
}

static unsigned fuzzed(struct kci_run *r, unsigned n)
{
    return r->next_dev < r->plan.nbytes ? r->plan.bytes[r->next_dev++] % n : 0;
}

unsigned kci_strategy_turn(struct kci_run *r, const struct kci_runnable *set,
                           const struct kc_co *self)
{
    unsigned n = set->n + (self ? 1 : 0);

    switch (r->plan.strategy) {
    case KCI_PCT: return pct(r, set, self);
    case KCI_POS: return pos(r, set, self);
    case KCI_STICKY:
        if (self)
            return draw_below(r, 1000) < r->plan.leave ? 1 + draw_below(r, n - 1) : 0;
        return draw_below(r, n);
    case KCI_LISTED: return listed(r, n);
    case KCI_FUZZ: return fuzzed(r, n);
    default: return draw_below(r, n);
    }
}

unsigned kci_strategy_pick(struct kci_run *r, unsigned n)
{
    if (r->plan.strategy == KCI_LISTED)
        return listed(r, n);
    return r->plan.strategy == KCI_FUZZ ? fuzzed(r, n) : draw_below(r, n);
}
