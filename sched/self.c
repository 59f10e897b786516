/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * sched/self.c — the calling coroutine or plain thread, seen as somebody who can wait.
 *
 * A coroutine waits by giving its worker to the next one; a thread by sleeping on its parker.
 * All above this file sees only tickets.
 */
#include <kcoro/time.h>

#include "sched/sched.h"

struct thread_self {
    struct kci_ticket tk;
    struct kci_parker parker;
    int nopark;
    bool ready;
};

static KCI_THREAD_LOCAL struct thread_self thread_self KCI_OF_EACH;

static void thread_wake(struct kci_ticket *tk)
{
    kci_parker_wake(&KCI_OF(tk, struct thread_self, tk)->parker);
}

static struct kci_ticket *thread_ticket(void)
{
    struct thread_self *me = KCI_MINE(thread_self);

    if (me->nopark)
        return NULL;
    if (!me->ready) {
        kci_ticket_init(&me->tk, thread_wake);
        kci_parker_init(&me->parker);
        me->ready = true;
    }
    return &me->tk;
}

struct kci_ticket *kci_self_ticket(void)
{
    struct kc_co *co = kci_co_self();

    if (co)
        return co->nopark ? NULL : &co->tk;
    return kci_worker_self() ? NULL : thread_ticket(); // a worker's own loop runs callbacks
}

KCI_NOINLINE const void *kci_self_thread(void)
{
    return KCI_MINE(thread_self);
}

void kci_self_nopark(int delta)
{
    struct kc_co *co = kci_co_self();

    if (co)
        co->nopark += (unsigned)delta;
    else
        KCI_MINE(thread_self)->nopark += delta;
}

/* Whose ticket is it? NULL: a thread's, or an endpoint's. Cheaper than asking who runs. */
static struct kc_co *co_of(struct kci_ticket *tk)
{
    return tk->wake == kci_co_wake ? KCI_OF(tk, struct kc_co, tk) : NULL;
}

uint64_t kci_self_open(struct kci_ticket *tk)
{
    struct kc_co *co = co_of(tk);
    return kci_ticket_open(tk, co && co->shield);
}

void kci_self_abandon(struct kci_ticket *tk)
{
    uint64_t gen = ka_load(&tk->word, relaxed) >> KCI_TK_GEN_SHIFT; // relaxed: our own
    struct kci_claim c;

    if (kci_ticket_claim(tk, gen, &c))
        kci_claim_finish(c, -ECANCELED);
    else // a canceller was faster and will finish, and nobody else knows the ticket
        while (!kci_ticket_is_done(tk))
            kci_cpu_pause();
}

bool kci_co_cancelled(struct kc_co *co)
{
    if (co->shield)
        return false;
    // A sequentially consistent load costs nothing extra on the CPUs we know.
    bool yes = ka_load(&co->scope->token.triggered, seq_cst) || // E-CANCEL open
               (KCI_UNLIKELY(co->entered) && kci_entered_triggered(co->entered));
    co->told |= yes;
    return yes;
}

static int co_park(struct kc_co *co, kc_deadline_t dl)
{
    uint64_t gen = ka_load(&co->tk.word, relaxed) >> KCI_TK_GEN_SHIFT; // relaxed: our own
    struct kci_claim c;

    if (kci_co_cancelled(co) && kci_ticket_claim(&co->tk, gen, &c))
        kci_claim_finish(c, -ECANCELED);
    if (kci_ticket_is_done(&co->tk))
        return co->tk.rc;
    if (dl.ns != INT64_MAX) {
        co->timer.tk = &co->tk;
        co->timer.gen = gen;
        co->timer.index = -1;
        co->timer.rc = -ETIME;
        kci_timer_arm(co->rt->timers, &co->timer, dl.ns);
    }
    kci_sched_park(co);
    if (dl.ns != INT64_MAX)
        kci_timer_disarm(co->rt->timers, &co->timer);
    co->told |= co->tk.rc == -ECANCELED && co->tk.index < 0;
    return co->tk.rc;
}

static int thread_park(struct thread_self *me, kc_deadline_t dl)
{
    uint64_t gen = ka_load(&me->tk.word, relaxed) >> KCI_TK_GEN_SHIFT; // relaxed: our own
    struct kci_claim c;

    if (kci_ticket_park(&me->tk) || kci_parker_wait(&me->parker, dl.ns))
        return me->tk.rc;
    if (kci_ticket_claim(&me->tk, gen, &c)) {
        ka_store(&me->tk.word, c.word | KCI_TK_CLAIMED | KCI_TK_DONE, release); // E-WAKE self
        me->tk.index = -1;
        return me->tk.rc = -ETIME;
    }
    kci_parker_wait(&me->parker, INT64_MAX); // somebody won just now and will wake us
    return me->tk.rc;
}

int kci_self_park(struct kci_ticket *tk, kc_deadline_t dl, enum kci_why why, const void *what)
{
    struct kc_co *co = co_of(tk);
    int rc;

    if (!co)
        return thread_park(KCI_OF(tk, struct thread_self, tk), dl);
    ka_store(&co->what, what, relaxed);   // relaxed: dumps only
    ka_store(&co->why, (int)why, relaxed); // relaxed: dumps only
    rc = co_park(co, dl);
    ka_store(&co->why, KCI_WHY_NONE, relaxed); // relaxed: dumps only
    co->budget = co->quota; // whoever waits does not hog
    return rc;
}

static inline int enter(struct kc_co *co)
{
    if (!co)
        return 0;
    if (KCI_UNLIKELY(--co->budget <= 0) && !co->nopark) {
        kci_sched_point(co);
        co->budget = co->quota;
    }
    return kci_co_cancelled(co) ? -ECANCELED : 0;
}

int kci_self_enter(void)
{
    return enter(kci_co_self());
}

int kci_self_enter_as(const void **self)
{
    struct kc_co *co = kci_co_self(); // one look-up for both: a mutex's fast path feels it

    *self = co ? co : kci_self_id();
    return enter(co);
}

uint64_t kci_random(void)
{
    struct kci_worker *w = kci_worker_self();
    return w ? kci_worker_random(w) : kci_os_entropy();
}

int kci_deadline_check(kc_deadline_t dl)
{
    if (dl.ns == INT64_MIN)
        return -EAGAIN;
    return dl.ns == INT64_MAX || kc_now() < dl.ns ? 0 : -ETIME;
}

int kc_checkpoint(void)
{
    return kci_self_enter();
}

static int park_until(struct kci_ticket *tk, kc_deadline_t dl)
{
    kci_self_open(tk);
    return kci_self_park(tk, dl, KCI_WHY_SLEEP, NULL);
}

int kc_sleep_until(kc_deadline_t dl)
{
    struct kci_ticket *tk = kci_self_ticket();
    int rc;

    if ((rc = kci_self_enter()))
        return rc;
    if (kci_deadline_check(dl))
        return 0;
    if (!tk)
        return -EPERM;
    rc = park_until(tk, dl);
    return rc == -ETIME ? 0 : rc;
}
