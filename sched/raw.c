/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * sched/raw.c — bare coroutines: a context that is continued by a call instead of a scheduler.
 *
 * Picture   resumer ──resume──▶ A ──yield_to──▶ B        B inherits A's way back
 *              ◀────────────yield────────────────┘
 * States    IDLE may be resumed · ACTIVE runs, or has resumed who runs · ENDED
 * Life      the object lies at the top of its own stack. The pool of these stacks is there
 *           while there is a bare coroutine.
 * Waiting   is forbidden inside (as in a hook): the scheduler would save this stack as that of
 *           the coroutine that resumed us. It would work, but sanitizers would be told lies,
 *           and a generator could carry a half-finished wait to another coroutine.
 * Rejected  a pool for good: a process that is done with them keeps nothing.
 */
#include <kcoro/raw.h>
#include <pthread.h>
#include <string.h>

#include "core/assert.h"
#include "core/coro.h"
#include "core/stack.h"
#include "sched/wait.h"

enum state { IDLE, ACTIVE, ENDED };

/* Only who runs it, or is about to, touches it. */
struct kc_raw {
    struct kci_coro coro;
    struct kci_coro *back; /* while ACTIVE: who continues when it yields */
    enum state state;
    void *value;           /* in or out, at a switch */
    void **out;            /* ACTIVE: where the resumer wants what is yielded */
    bool *over;            /* ACTIVE: tells the resumer that fn has returned */
    void (*fn)(kc_raw_t *, void *);
    void *arg;
    struct kci_stack stack;
};

/* ---- stacks ---- */

static struct {
    pthread_mutex_t mutex;
    struct kci_stack_pool *pool;
    size_t users;
} stacks = { .mutex = PTHREAD_MUTEX_INITIALIZER };

static void release_locked(void)
{
    if (--stacks.users == 0) {
        kci_stack_pool_close(stacks.pool);
        stacks.pool = NULL;
    }
}

static int get_stack(size_t bytes, struct kci_stack *out)
{
    pthread_mutex_lock(&stacks.mutex);
    int rc = stacks.pool ? 0 : kci_stack_pool_create(&stacks.pool);
    if (!rc) {
        stacks.users++;
        rc = kci_stack_get(stacks.pool, bytes, out);
        if (rc)
            release_locked();
    }
    pthread_mutex_unlock(&stacks.mutex);
    return rc;
}

static void put_stack(const struct kci_stack *st)
{
    pthread_mutex_lock(&stacks.mutex);
    kci_stack_put(stacks.pool, st);
    release_locked();
    pthread_mutex_unlock(&stacks.mutex);
}

/* ---- switching ---- */

static void landed(void *unused)
{
    (void)unused;
}

/* From one context of this thread to another, which sees all that was done before. */
static void go(struct kci_coro *from, struct kci_coro *to)
{
    kci_note_out(to);
    kci_coro_switch(from, to, landed, NULL);
    kci_note_in(from);
}

static void raw_main(void *arg)
{
    struct kc_raw *co = arg;

    kci_note_in(&co->coro);
    co->fn(co, co->arg);
    co->state = ENDED;
    *co->over = true;
    kci_note_out(co->back);
    kci_coro_end(&co->coro, co->back, landed, NULL);
}

static void activate(struct kc_raw *co, void *in)
{
    co->state = ACTIVE;
    co->value = in;
}

/* Is the caller on its stack? It may be ACTIVE because of another one that it resumed. */
static bool runs(const struct kc_raw *co)
{
    const unsigned char *here = __builtin_frame_address(0);
    return co->state == ACTIVE && here >= co->stack.lo && here < co->stack.top;
}

/* ---- public ---- */

int kc_raw_create(kc_raw_t **out, void (*fn)(kc_raw_t *self, void *arg), void *arg,
                  const kc_attr_t *attr)
{
    size_t bytes = attr && attr->stack_size ? attr->stack_size : KCI_STACK_DEFAULT;
    struct kci_stack st;

    if (!out || !fn || (attr && attr->flags))
        return -EINVAL;
    int rc = get_stack(bytes < KCI_STACK_MIN ? KCI_STACK_MIN : bytes, &st);
    if (rc)
        return rc;
    struct kc_raw *co = (struct kc_raw *)(void *)(st.top - (sizeof *co + 63) / 64 * 64);
    memset(co, 0, sizeof *co);
    co->fn = fn;
    co->arg = arg;
    co->stack = st;
    kci_coro_init(&co->coro, st.lo, co, raw_main, co);
    *out = co;
    return 0;
}

int kc_raw_destroy(kc_raw_t *co)
{
    if (!co)
        return -EINVAL;
    if (co->state == ACTIVE)
        return -EBUSY;
    kci_coro_fini(&co->coro);
    put_stack(&co->stack);
    return 0;
}

int kc_raw_resume(kc_raw_t *co, void *in, void **out)
{
    struct kci_coro here;
    void *yielded = NULL;
    bool over = false;

    if (!co)
        return -EINVAL;
    if (co->state != IDLE)
        return co->state == ENDED ? -EPIPE : -EBUSY;
    kci_coro_thread(&here);
    activate(co, in);
    co->back = &here;
    co->out = &yielded;
    co->over = &over;
    kci_self_nopark(+1);
    go(&here, &co->coro);
    kci_self_nopark(-1);
    if (over)
        return -EPIPE;
    if (out)
        *out = yielded;
    return 0;
}

void *kc_raw_yield(kc_raw_t *self, void *out)
{
    if (!self || !runs(self))
        KCI_MISUSE("kc_raw_yield: only a bare coroutine that runs may yield");
    *self->out = out;
    self->state = IDLE;
    go(&self->coro, self->back);
    return self->value;
}

void *kc_raw_yield_to(kc_raw_t *self, kc_raw_t *next, void *in)
{
    if (!self || !runs(self))
        KCI_MISUSE("kc_raw_yield_to: only a bare coroutine that runs may yield");
    if (!next || next->state != IDLE)
        KCI_MISUSE("kc_raw_yield_to: the next one is running or has finished");
    activate(next, in);
    next->back = self->back;
    next->out = self->out;
    next->over = self->over;
    self->state = IDLE;
    go(&self->coro, &next->coro);
    return self->value;
}
