/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * lab/kcmc/search.c — one execution after the other.
 *
 * Threads are fibers. Each atomic operation begins with the choice who goes on; whichever
 * choices an execution makes (who, which store a load reads, does a timeout strike) lie on one
 * stack. The next execution begins anew, makes the same choices but for the last one that has
 * an alternative left, and there takes the next. No states are stored.
 *
 * Bound     switching away from a thread that could go on is a preemption; most faults need
 *           very few (Musuvathi, Qadeer: Iterative Context Bounding, 2007).
 * Waiting   a thread in kcmc_wait goes on when something that its loop has read has news. A
 *           loop that reads one location reads something newer then; one that reads several and
 *           finds all as before is given up: another execution lets it wait longer.
 * Why plain accesses are no steps   an execution in which their order mattered has a race, and
 *           is reported for that.
 */
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "arch/ctx.h"
#include "lab/kcmc/state.h"

enum { EXECUTIONS = 20000000 };

struct state *kcmc_state;

/* The linker's: where static data begins and ends. */
extern char __data_start[], _end[];
static char *as_begun;

void kcmc_init(void)
{
    size_t bytes = (size_t)(_end - __data_start);

    kcmc_state = calloc(1, sizeof *kcmc_state);
    as_begun = malloc(bytes);
    if (!kcmc_state || !as_begun)
        abort();
    memcpy(as_begun, __data_start, bytes);
}

static void nothing(void *arg)
{
    (void)arg;
}

/* ---- choices ---- */

unsigned kcmc_choose(unsigned n)
{
    if (n == 1)
        return 0;
    if (K->depth == CHOICES)
        kcmc_fault(KCMC_TOO_MUCH, NULL, "more than %d choices", CHOICES);
    struct choice *c = &K->choice[K->depth++];
    if (K->depth > K->nchoices) {
        K->nchoices = K->depth;
        *c = (struct choice){ 0, (uint16_t)n };
    }
    if (!c->of && c->at < n)
        c->of = (uint16_t)n; // replayed
    if (c->of != n)
        kcmc_fault(KCMC_TOO_MUCH, NULL, "choice %u is not what it was: %u, was %u", K->depth, n,
                   c->of);
    return c->at;
}

/* To the next path. False: that was the last one. */
static bool next_path(void)
{
    while (K->nchoices && K->choice[K->nchoices - 1].at + 1 == K->choice[K->nchoices - 1].of)
        K->nchoices--;
    if (!K->nchoices)
        return false;
    K->choice[K->nchoices - 1].at++;
    return true;
}

/* ---- threads ---- */

unsigned kcmc_thread(void)
{
    return K->self;
}

static bool has_news(const struct thread *t)
{
    for (unsigned i = 0; i < t->nreads; i++)
        if (kcmc_is_news(t, t->reads[i].loc))
            return true;
    return !t->nreads;
}

static bool can_go_on(const struct thread *t)
{
    return !t->ended && (!t->waiting || has_news(t)) && (!t->ready || t->ready(t->ready_arg));
}

static void switch_to(unsigned t)
{
    void **from = &K->thread[K->self].sp;

    if (t == K->self)
        return;
    K->self = t;
    kci_ctx_switch(from, K->thread[t].sp, nothing, NULL);
}

/* The execution is over. */
static void leave(void)
{
    void *unused;

    K->running = false;
    kci_ctx_switch(&unused, K->main_sp, nothing, NULL);
    abort(); // nobody goes on with it
}

/* One of those who can go on; KCMC_THREADS: nobody can. */
static unsigned pick(void)
{
    unsigned who[KCMC_THREADS], n = 0;
    bool mine = can_go_on(&K->thread[K->self]);

    if (mine)
        who[n++] = K->self;
    bool stay = mine && !K->thread[K->self].waiting && K->preemptions >= K->bound;
    for (unsigned i = 0; i < K->threads && !stay; i++)
        if (i != K->self && can_go_on(&K->thread[i]))
            who[n++] = i;
    if (!n)
        return KCMC_THREADS;
    unsigned t = who[kcmc_choose(n)];
    K->preemptions += mine && t != K->self && !K->thread[K->self].waiting;
    return t;
}

static void go_on(void)
{
    unsigned t = pick();

    if (t == KCMC_THREADS)
        kcmc_fault(KCMC_DEADLOCK, NULL, "all threads wait");
    switch_to(t);
}

void kcmc_point(void)
{
    if (++K->nsteps > STEPS)
        kcmc_fault(KCMC_LIVELOCK, NULL, "more than %d steps", STEPS);
    go_on();
}

static bool all_ended(void)
{
    for (unsigned i = 0; i < K->threads; i++)
        if (!K->thread[i].ended)
            return false;
    return true;
}

static void run_thread(void *arg)
{
    unsigned t = (unsigned)(uintptr_t)arg;

    K->model->thread[t]();
    K->thread[t].ended = true;
    if (all_ended())
        leave();
    go_on();
    abort(); // it has ended
}

/* ---- waiting ---- */

static bool is_among(const struct read *r, const struct read *old, unsigned n)
{
    for (unsigned i = 0; i < n; i++)
        if (old[i].loc == r->loc && old[i].index == r->index)
            return true;
    return false;
}

/* Has it read nothing since it last waited that it had not read before that? */
static bool is_in_vain(const struct thread *t)
{
    for (unsigned i = 0; i < t->nreads; i++)
        if (!is_among(&t->reads[i], t->before, t->nbefore))
            return false;
    return t->nreads;
}

void kcmc_wait(void)
{
    if (!K->running)
        return;
    struct thread *t = &K->thread[K->self];
    if (is_in_vain(t))
        leave();
    t->waiting = true;
    kcmc_tell("wait", 0, 0, 0, __ATOMIC_RELAXED, __builtin_return_address(0));
    kcmc_point();
    t->waiting = false;
    if (t->nreads == 1 && t->reads[0].index == t->cur.at[t->reads[0].loc])
        kcmc_step_on(t, t->reads[0].loc);
    memcpy(t->before, t->reads, sizeof t->before);
    t->nbefore = t->nreads;
    t->nreads = 0;
}

void kcmc_block(bool (*ready)(void *), void *arg)
{
    struct thread *t = &K->thread[K->self];

    t->ready = ready;
    t->ready_arg = arg;
    kcmc_tell("sleep", 0, 0, 0, __ATOMIC_RELAXED, __builtin_return_address(0));
    kcmc_point();
    t->ready = NULL;
    kcmc_tell("awake", 0, 0, 0, __ATOMIC_RELAXED, __builtin_return_address(0));
}

/* ---- faults ---- */

void kcmc_fault(enum kcmc_verdict v, void *site, const char *fmt, ...)
{
    va_list args;

    if (K->verdict == KCMC_OK) {
        K->verdict = v;
        K->fault_site[0] = site;
        va_start(args, fmt);
        (void)vsnprintf(K->fault, sizeof K->fault, fmt, args);
        va_end(args);
    }
    if (K->running)
        leave();
    if (v == KCMC_TOO_MUCH)
        abort();
}

void kcmc_fail(const char *what, const char *file, int line)
{
    kcmc_fault(KCMC_ASSERT, NULL, "%s:%d: %s", file, line, what);
}

void kcmc_outcome(unsigned value)
{
    unsigned i = 0;

    while (i < K->noutcomes && K->outcome[i] < value)
        i++;
    if ((i < K->noutcomes && K->outcome[i] == value) || K->noutcomes == OUTCOMES)
        return;
    memmove(&K->outcome[i + 1], &K->outcome[i], (K->noutcomes - i) * sizeof K->outcome[0]);
    K->outcome[i] = value;
    K->noutcomes++;
}

/* ---- one execution, and all of them ---- */

static void begin(void)
{
    memcpy(__data_start, as_begun, (size_t)(_end - __data_start));
    kcmc_memory_reset();
    K->verdict = KCMC_OK;
    K->depth = K->nsteps = K->told = K->preemptions = K->nnames = 0;
    K->arena_used = 0;
    unsigned n = 0;
    for (; n < KCMC_THREADS && K->model->thread[n]; n++)
        K->thread[n].sp = kci_ctx_make(K->stack[n] + STACK_BYTES, run_thread,
                                       (void *)(uintptr_t)n);
    K->threads = n;
}

static void execute(void)
{
    begin();
    if (K->model->setup)
        K->model->setup();
    unsigned first = kcmc_choose(K->threads);
    K->self = first;
    K->running = true;
    kci_ctx_switch(&K->main_sp, K->thread[first].sp, nothing, NULL);
    K->running = false;
    if (K->verdict == KCMC_OK && all_ended() && K->model->check)
        K->model->check();
    K->executions++;
    if (K->nsteps > K->longest)
        K->longest = K->nsteps;
}

static void begin_model(const struct kcmc_model *m, bool quiet)
{
    const char *bound = getenv("KCMC_PREEMPTIONS");

    K->model = m;
    K->bound = m->preemptions ? m->preemptions : KCMC_PREEMPTIONS;
    if (bound)
        K->bound = (unsigned)strtoul(bound, NULL, 10);
    K->quiet = quiet;
    K->telling = false;
    K->nchoices = K->longest = K->noutcomes = 0;
    K->executions = 0;
}

static const char *outcomes(void)
{
    char *to = K->outcomes;

    *to = '\0';
    for (unsigned i = 0; i < K->noutcomes; i++)
        to += sprintf(to, i ? " %u" : "%u", K->outcome[i] % 100000);
    return K->outcomes;
}

struct kcmc_result kcmc_run(const struct kcmc_model *m, bool quiet)
{
    begin_model(m, quiet);
    do {
        execute();
        if (K->executions == EXECUTIONS && K->verdict == KCMC_OK) {
            K->verdict = KCMC_TOO_MUCH;
            break;
        }
    } while (K->verdict == KCMC_OK && next_path());
    struct kcmc_result r = { K->verdict, K->executions, K->longest, outcomes() };
    if (r.verdict != KCMC_OK && !quiet) {
        K->telling = true;
        execute();
        kcmc_story();
    }
    return r;
}

void kcmc_replay(const struct kcmc_model *m, const char *choices)
{
    begin_model(m, false);
    for (char *end; *choices; choices = *end ? end + 1 : end) {
        unsigned long at = strtoul(choices, &end, 10);
        K->choice[K->nchoices++] = (struct choice){ (uint16_t)at, 0 };
        if (K->nchoices == CHOICES)
            break;
    }
    K->telling = true;
    execute();
    kcmc_story();
}
