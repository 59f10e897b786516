/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * lab/explore/run.c — answers what an explored runtime asks, and writes it down.
 *
 * Patience  a coroutine that could go on for ever (polling in a loop) is left after as many
 *           points in a row as the ordinary budget allows: schedules that no scheduler would
 *           produce are not worth exploring.
 * Endless   a run with too many steps fails and is cancelled; one that does not end then
 *           either is abandoned: its coroutines stay where they are, for ever.
 * Hash      ids and numbers of candidates only, never an address or a time.
 */
#include "lab/explore/run.h"

#include <kcoro/chan.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "arch/os.h"
#include "core/assert.h"
#include "lab/explore/story.h"
#include "sched/sched.h"

enum { PATIENCE = 10000 }; // points, for a cancelled run to end

struct kci_run *kci_run_create(bool shared)
{
    const size_t bytes = sizeof(struct kci_run);
    return shared ? kci_os_map_shared(bytes) : kci_os_map(bytes);
}

void kci_run_destroy(struct kci_run *r)
{
    if (r)
        kci_os_unmap(r, sizeof *r);
}

void kci_run_forget_actors(struct kci_run *r)
{
    memset(r->actor, 0, (r->nactors + 1) * sizeof r->actor[0]);
    r->nactors = 0;
}

void kci_run_prepare(struct kci_run *r, const struct kci_plan *plan, uint64_t most_steps)
{
    kci_run_forget_actors(r);
    memset(r, 0, offsetof(struct kci_run, actor));
    r->plan = *plan;
    r->most_steps = most_steps;
    r->rng = kci_mix(plan->seed, 1) | 1;
    r->hash = 0xcbf29ce484222325u; // FNV-1a's
    kci_strategy_begin(r);
}

void kci_run_fail(struct kci_run *r, enum kci_failure what, const char *fmt, ...)
{
    va_list args;

    if (r->failure)
        return;
    r->failure = what;
    va_start(args, fmt);
    vsnprintf(r->why, sizeof r->why, fmt, args);
    va_end(args);
}

static void remember(struct kci_run *r, uint64_t what)
{
    r->hash = (r->hash ^ what) * 0x100000001b3u;
}

/* The story ends with the failure: what cancellation does then is none of it. */
static bool is_told(const struct kci_run *r)
{
    return r->story && !r->failure;
}

/* ---- actors ---- */

struct kci_actor *kci_actor_of(struct kci_run *r, const struct kc_co *co)
{
    return &r->actor[co->id < KCI_ACTORS ? co->id : 0];
}

static void born(void *ctx, struct kc_co *co)
{
    struct kci_run *r = ctx;
    struct kci_actor *a = kci_actor_of(r, co);

    if (a == r->actor)
        kci_run_fail(r, KCI_FAIL_LIMIT, "more than %d coroutines", KCI_ACTORS - 1);
    if (r->nactors < a - r->actor)
        r->nactors = (uint32_t)(a - r->actor);
    *a = (struct kci_actor){ co, co->name, co->fn, 0 };
    kci_strategy_born(r, a);
    remember(r, co->id << 8 | 1);
    if (is_told(r))
        kci_story_born(r->story, co);
}

static void ended(void *ctx, struct kc_co *co)
{
    struct kci_run *r = ctx;

    kci_actor_of(r, co)->co = NULL;
    remember(r, co->id << 8 | 2);
    if (is_told(r))
        kci_story_note(r->story, co->id, KCI_EVENT_ENDS);
}

static void waits(void *ctx, struct kc_co *co)
{
    struct kci_run *r = ctx;

    remember(r, co->id << 8 | 3); // not why: those numbers change as the library grows
    if (is_told(r))
        kci_story_waits(r->story, co);
}

/* ---- turns ---- */

/* Returns whether it must be abandoned, having been told before. */
static bool end_it(struct kci_run *r, struct kc_rt *rt)
{
    kci_run_fail(r, KCI_FAIL_ENDLESS, "no end after %llu points", (unsigned long long)r->steps);
    struct kc_co *cur = kci_worker_pretend(NULL); // it is not the program that cancels
    if (r->told_to_end)
        kci_rt_stop(rt);
    else if (rt->root)
        kc_cancel_trigger(&rt->root->token, -ETIME);
    kci_worker_pretend(cur);
    bool again = r->told_to_end;
    r->told_to_end = true;
    r->most_steps = r->steps + PATIENCE;
    return again;
}

static struct kc_co *take(struct kci_runnable *set, unsigned i)
{
    struct kc_co **at = &set->head, *co;

    while (i--)
        at = &(*at)->next;
    co = *at;
    *at = co->next;
    set->n--;
    return co;
}

static void write_down(struct kci_run *r, unsigned n, unsigned took, bool stays)
{
    if (r->nchoices == KCI_CHOICES) {
        kci_run_fail(r, KCI_FAIL_LIMIT, "more than %d choices", KCI_CHOICES);
        return;
    }
    r->taken[r->nchoices++] = (struct kci_taken){ (uint16_t)n, (uint16_t)took, stays };
}

static struct kc_co *next(void *ctx, struct kci_runnable *set, struct kc_co *self)
{
    struct kci_run *r = ctx;
    bool stays = self && (r->stretch < KCI_BUDGET || !set->n);
    unsigned n = set->n + stays, i = 0;

    if (++r->steps > r->most_steps && end_it(r, (self ? self : set->head)->rt))
        return NULL;
    if (n > 1) {
        i = kci_strategy_turn(r, set, stays ? self : NULL);
        write_down(r, n, i, stays);
    }
    struct kc_co *co = stays && i == 0 ? self : take(set, i - stays);
    r->stretch = co == self ? r->stretch + 1 : 0;
    remember(r, co->id << 16 | (uint64_t)n << 2);
    if (is_told(r))
        kci_story_turn(r->story, self, co);
    return co;
}

static unsigned choose(void *ctx, enum kci_choice what, unsigned n, unsigned deflt)
{
    struct kci_run *r = ctx;

    (void)what, (void)deflt;
    if (n < 2)
        return 0;
    unsigned i = kci_strategy_pick(r, n);
    write_down(r, n, i, false);
    remember(r, (uint64_t)i << 8 | 5);
    return i;
}

/* ---- the end of the road ---- */

/* It waits for what is there already: that is our fault, not the program's. */
static bool sleeps_through(const struct kc_co *co)
{
    int why = ka_load(&co->why, relaxed); // relaxed: one worker
    kc_chan_t *ch = (kc_chan_t *)(uintptr_t)ka_load(&co->what, relaxed); // relaxed: as above

    return why == KCI_WHY_CHAN_RECV && ch && kc_chan_len(ch) > 0;
}

static bool is_program(const struct kc_co *co)
{
    return co->home != co->rt->service || co->detached;
}

static void stuck(void *ctx)
{
    struct kci_run *r = ctx;
    unsigned waiting = 0; // its root is cancelled then, which should end it
    uint32_t sleeper = 0;

    for (uint32_t id = 1; id <= r->nactors; id++) {
        const struct kc_co *co = r->actor[id].co;
        if (!co)
            continue;
        waiting += is_program(co);
        if (is_told(r))
            kci_story_stuck(r->story, co);
        if (sleeps_through(co))
            sleeper = id;
    }
    if (sleeper)
        kci_run_fail(r, KCI_FAIL_LOST_WAKEUP,
                     "lost wake-up: coroutine %u waits for a channel that holds something",
                     (unsigned)sleeper);
    if (r->most_steps > r->steps + PATIENCE)
        r->most_steps = r->steps + PATIENCE;
    kci_run_fail(r, KCI_FAIL_DEADLOCK, "deadlock: %u coroutine%s wait, and none can go on",
                 waiting, waiting == 1 ? "" : "s");
}

const struct kci_lab kci_run_lab = {
    .next = next,
    .choose = choose,
    .born = born,
    .ended = ended,
    .waits = waits,
    .stuck = stuck,
};
