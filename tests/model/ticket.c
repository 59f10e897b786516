/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * tests/model/ticket.c — sched/wait.c, source.c and self.c: of delivery, deadline, cancellation
 * and a second source exactly one ends a wait (E-WAKE); who delivers in vain keeps the element;
 * a claim that comes late misses the next wait; a cancellation is not slept through (E-CANCEL).
 */
#include "sched/source.h"
#include "tests/model/threads.h"

/* A source as small as can be: one element, handed over under a lock. */
struct box {
    struct kci_lock lock;
    struct kci_list waiters;
    int value; /* lock */
    int count; /* lock; that often */
};

static struct box box[2];
static struct kci_scope scope;
static int got[KCMC_THREADS]; /* by thread t */

static struct kci_lock *box_lock(void *obj)
{
    return &((struct box *)obj)->lock;
}

static int box_try(struct kci_clause *c)
{
    struct box *b = c->obj;

    if (!b->count)
        return -EAGAIN;
    *(int *)c->arg = b->value;
    b->count--;
    return 0;
}

static int box_arm(struct kci_clause *c)
{
    kci_list_push(&((struct box *)c->obj)->waiters, &c->wt.node);
    return 0;
}

static const struct kci_source box_source = {
    .lock = box_lock,
    .try = box_try,
    .arm = box_arm,
    .disarm = kci_clause_dequeue,
};

static void deliver(unsigned i, int value)
{
    struct box *b = &box[i];
    struct kci_claim claim;

    kci_lock(&b->lock);
    struct kci_waiter *wt = kci_queue_claim(&b->waiters, &claim);
    b->value = value;
    if (wt)
        *(int *)wt->elem = value;
    else
        b->count++;
    kci_unlock(&b->lock);
    kci_claim_finish(claim, 0);
}

static kc_deadline_t soon(void)
{
    return (kc_deadline_t){ 2000 };
}

static kc_deadline_t never(void)
{
    return (kc_deadline_t){ INT64_MAX };
}

static int take(unsigned i, kc_deadline_t dl)
{
    return kci_source_wait(&box_source, &box[i], &got[kcmc_thread()], dl);
}

static void setup(void)
{
    for (unsigned i = 0; i < 2; i++) {
        kci_list_init(&box[i].waiters);
        kcmc_name(&box[i].lock.held, i ? "lock 1" : "lock 0");
    }
}

static void setup_scope(void)
{
    setup();
    model_scope(&scope);
    model_coroutine(0, &scope);
    kcmc_name(&scope.token.triggered, "triggered");
    kcmc_name(&scope.token.why, "why");
    kcmc_name(&scope.token.lock.held, "token's lock");
}

/* ---- thread against thread ---- */

static void takes(void)
{
    kcmc_assert(take(0, never()) == 0);
    kcmc_assert(got[kcmc_thread()] == 42);
}

static void delivers(void)
{
    deliver(0, 42);
}

/* Late or not, the element is taken once: now or with the next wait. */
static void takes_in_time_or_later(void)
{
    int rc = take(0, soon());

    kcmc_assert(rc == 0 || rc == -ETIME);
    if (rc)
        takes();
    else
        kcmc_assert(got[0] == 42);
}

static void delivers_twice(void)
{
    deliver(0, 42);
    deliver(0, 42);
}

/* Its own deadline twice: the first claimer may still be about to claim. */
static void takes_one_of_two(void)
{
    if (take(0, soon()) == 0)
        got[0] = 0;
    takes();
}

static void nothing_left(void)
{
    kcmc_assert(!box[0].count && kci_list_empty(&box[0].waiters));
}

/* ---- two sources behind one ticket, as a select has it ---- */

static void takes_either(void)
{
    struct kci_ticket *tk = kci_self_ticket();
    struct kci_waiter wt[2];
    int value = 0;
    uint64_t gen = kci_self_open(tk);

    kci_lock(&box[0].lock);
    kci_lock(&box[1].lock);
    for (int i = 0; i < 2; i++) {
        kci_waiter_init(&wt[i], tk, gen, &value);
        wt[i].index = i;
        kci_list_push(&box[i].waiters, &wt[i].node);
    }
    kci_unlock(&box[1].lock);
    kci_unlock(&box[0].lock);
    kcmc_assert(kci_self_park(tk, soon(), KCI_WHY_SELECT, NULL) == (tk->index < 0 ? -ETIME : 0));
    int won = tk->index;
    for (int i = 0; i < 2; i++) {
        kci_lock(&box[i].lock);
        kci_list_remove(&wt[i].node);
        kci_unlock(&box[i].lock);
    }
    kcmc_assert(won < 0 ? !value : value == 10 + won);
}

static void delivers_0(void)
{
    deliver(0, 10);
}

static void delivers_1(void)
{
    deliver(1, 11);
}

static void both_are_empty(void)
{
    kcmc_assert(kci_list_empty(&box[0].waiters) && kci_list_empty(&box[1].waiters));
    kcmc_outcome((unsigned)(box[0].count * 10 + box[1].count)); // that were not taken
}

/* ---- a coroutine and its token ---- */

static void takes_or_is_cancelled(void)
{
    int rc = take(0, never());

    kcmc_assert(rc == 0 || rc == -ECANCELED);
    kcmc_assert(rc ? got[0] == 0 : got[0] == 42);
    kcmc_outcome(rc ? 1 : 0);
}

static void is_cancelled(void)
{
    kcmc_assert(take(0, never()) == -ECANCELED);
    kcmc_assert(kc_cancel_why(&scope.token) == -EPIPE);
}

static void cancels(void)
{
    kcmc_assert(kc_cancel_trigger(&scope.token, -EPIPE) == 0);
}

static void cancels_too(void)
{
    int rc = kc_cancel_trigger(&scope.token, -EPIPE);

    kcmc_assert(rc == 0 || (rc == -EALREADY && kc_cancel_check(&scope.token)));
}

static void delivered_or_kept(void)
{
    kcmc_assert(kci_list_empty(&box[0].waiters));
    kcmc_assert((got[0] == 42) + box[0].count == 1);
}

/* A shield: the cancellation has to wait, the next wait hears of it. */
static void takes_shielded(void)
{
    kc_shield(true);
    takes();
    kc_shield(false);
}

/* The token is the observed one, but entered beside the scope's. */
static struct kc_cancel entered_token;
static struct kci_entered entered;

static void setup_entered(void)
{
    setup_scope();
    kci_cancel_init(&entered_token, NULL, NULL);
    struct kc_co *co = model_coroutine(0, &scope);
    entered.tk = &entered_token;
    entered.member.tk = &co->tk;
    kci_list_push(&entered_token.members, &entered.member.node);
    co->entered = &entered;
}

static void cancels_entered(void)
{
    kcmc_assert(kc_cancel_trigger(&entered_token, 0) == 0);
}

static void hears_it(void)
{
    kcmc_assert(take(0, never()) == -ECANCELED);
}

static const struct kcmc_model models[] = {
    { "an element finds the thread that waits for it", .setup = setup,
      .thread = { takes, delivers }, .check = nothing_left },
    { "each of two waiting threads gets one element", .setup = setup,
      .thread = { takes, takes, delivers_twice }, .check = nothing_left, .preemptions = 1 },
    { "a late element waits for the next wait", .setup = setup,
      .thread = { takes_in_time_or_later, delivers }, .check = nothing_left },
    { "a claim that comes late misses the next wait", .setup = setup,
      .thread = { takes_one_of_two, delivers_twice }, .preemptions = 2 },
    { "of two sources and a deadline one wins", .setup = setup,
      .thread = { takes_either, delivers_0, delivers_1 }, .check = both_are_empty,
      .preemptions = 2, .outcomes = "1 10 11" },
    { "a cancellation is not slept through", .setup = setup_scope,
      .thread = { is_cancelled, cancels } },
    { "a cancellation through an entered token is not either", .setup = setup_entered,
      .thread = { hears_it, cancels_entered } },
    { "of delivery and cancellation one wins", .setup = setup_scope,
      .thread = { takes_or_is_cancelled, delivers, cancels }, .check = delivered_or_kept,
      .preemptions = 2 },
    { "only one of two cancels, and both find it done", .setup = setup_scope,
      .thread = { is_cancelled, cancels_too, cancels_too }, .preemptions = 1 },
    { "a shielded wait is not cancelled", .setup = setup_scope,
      .thread = { takes_shielded, delivers, cancels }, .preemptions = 2 },
};

KCMC_MAIN(models)
