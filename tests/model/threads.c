/* SPDX-License-Identifier: BSD-3-Clause */
/* tests/model/threads.c — see threads.h. */
#include "tests/model/threads.h"

#include "core/assert.h"
#include "core/mem.h"

static struct kc_co co[KCMC_THREADS];
static struct kci_parker worker[KCMC_THREADS];
static bool is_co[KCMC_THREADS];
static void *id[KCMC_THREADS]; /* addresses: the last bit is not part of one */

static void not_freed(struct kc_cancel *tk)
{
    (void)tk;
}

void model_scope(struct kci_scope *scope)
{
    kci_cancel_init(&scope->token, NULL, not_freed);
}

struct kc_co *model_coroutine(unsigned t, struct kci_scope *scope)
{
    struct kc_co *c = &co[t];

    c->scope = scope;
    c->budget = c->quota = 1000000;
    c->member.tk = &c->tk;
    kci_ticket_init(&c->tk, kci_co_wake);
    kci_list_push(&scope->token.members, &c->member.node);
    kcmc_name(&c->tk.word, "ticket");
    is_co[t] = true;
    return c;
}

/* ---- what sched/worker.c is to a coroutine ---- */

struct kc_co *kci_co_self(void)
{
    return is_co[kcmc_thread()] ? &co[kcmc_thread()] : NULL;
}

struct kci_worker *kci_worker_self(void)
{
    return NULL;
}

const void *kci_self_id(void)
{
    struct kc_co *c = kci_co_self();
    return c ? (const void *)c : (const void *)&id[kcmc_thread()];
}

/* What is on a stack is there for whoever runs it next. */
void kci_sched_park(struct kc_co *self)
{
    self->id++;
    if (!kci_ticket_park(&self->tk))
        (void)kci_parker_wait(&worker[self - co], INT64_MAX);
}

void kci_co_wake(struct kci_ticket *tk)
{
    struct kc_co *c = KCI_OF(tk, struct kc_co, tk);

    c->id++;
    kci_parker_wake(&worker[c - co]);
}

/* ---- what no model comes to ---- */

KCI_NORETURN void kci_panic(const char *kind, const char *what, const char *file, int line)
{
    (void)kind;
    kcmc_fail(what, file, line);
    __builtin_unreachable();
}

void kci_sched_point(struct kc_co *self)
{
    (void)self;
    kcmc_assert(!"no model's coroutine runs out of budget");
}

void kci_self_point(void)
{
}

uint64_t kci_worker_random(struct kci_worker *w)
{
    (void)w;
    return 0;
}

int64_t kc_now(void)
{
    return kci_os_now();
}

kc_rt_t *kc_rt_current(void)
{
    return NULL;
}
