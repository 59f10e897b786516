/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * tests/explore/bugs_memory.c — planted bugs around lifetimes: lock-free lists, references,
 * things that are not given back on one way out of many.
 */
#include <stddef.h>

#include "tests/explore/bugs.h"

/* ---- ABA: a stack whose head is compared by address only ---- */

struct node {
    struct node *next;
    bool used; /* on loan */
};

struct stack {
    struct node *head, node[3];
};

static bool swing(struct stack *s, struct node *from, struct node *to)
{
    if (s->head != from)
        return false;
    s->head = to;
    return true;
}

static struct node *pop(struct stack *s)
{
    for (;;) {
        struct node *top = s->head;
        if (!top)
            return NULL;
        struct node *below = top->next;
        kc_point(); // between the look and the compare-and-swap
        if (swing(s, top, below)) {
            kc_always(!top->used);
            top->used = true;
            return top;
        }
    }
}

static void push(struct stack *s, struct node *n)
{
    n->used = false;
    n->next = s->head;
    s->head = n;
}

static int pop_one(void *arg)
{
    pop(arg);
    return 0;
}

/* pop A, pop B, push A: the head is A again, but B is on loan. */
static int pop_two_push_one(void *arg)
{
    struct node *a = pop(arg), *b = pop(arg);

    kc_point();
    if (a)
        push(arg, a);
    kc_point();
    (void)b;
    return 0;
}

static int check_stack(struct stack *s)
{
    for (struct node *n = s->head; n; n = n->next)
        kc_always(!n->used);
    return 0;
}

static int aba(void *arg)
{
    struct stack s = { .head = &s.node[0],
                       .node = { { &s.node[1], false }, { &s.node[2], false }, { NULL, false } } };

    (void)arg;
    int rc = bugs_together((kc_fn[]){ pop_one, pop_two_push_one }, 2, &s);
    return rc ? rc : check_stack(&s);
}

/* ---- the last reference, counted without care ---- */

struct counted {
    int refs, freed;
};

static int drop_reference(void *arg)
{
    struct counted *c = arg;

    c->refs--;
    kc_point();
    if (c->refs == 0)
        c->freed++; // both may see zero
    kc_always(c->freed <= 1);
    return 0;
}

static int freed_twice(void *arg)
{
    struct counted c = { 2, 0 };
    (void)arg;
    return bugs_together((kc_fn[]){ drop_reference, drop_reference }, 2, &c);
}

/* ---- an entry used after it was evicted ---- */

struct cache {
    kc_mutex_t lock;
    int users;
    bool there;
};

static int use_entry(void *arg)
{
    struct cache *c = arg;

    bugs_must(kc_mutex_lock(&c->lock, KC_FOREVER));
    bool hit = c->there;
    bugs_must(kc_mutex_unlock(&c->lock));
    if (!hit)
        return 0;
    kc_point();
    c->users++; // too late: not under the lock that found it
    kc_point();
    kc_always(c->there);
    c->users--;
    return 0;
}

static int evict_entry(void *arg)
{
    struct cache *c = arg;

    bugs_must(kc_mutex_lock(&c->lock, KC_FOREVER));
    if (c->users == 0)
        c->there = false;
    bugs_must(kc_mutex_unlock(&c->lock));
    return 0;
}

static int evicted_in_use(void *arg)
{
    struct cache c = { .there = true };
    (void)arg;
    return bugs_together((kc_fn[]){ use_entry, evict_entry }, 2, &c);
}

/* ---- a handle that is given back on one way out only ---- */

static int nothing(void *arg)
{
    (void)arg;
    return kc_checkpoint();
}

static int join_or_leave(void *arg)
{
    kc_co_t *child;
    int rc = kc_spawn(&child, nothing, NULL, NULL);

    (void)arg;
    if (rc)
        return rc;
    if (kc_join(child, NULL, KC_TRY) == -EAGAIN)
        return 0; // the handle stays
    kc_co_unref(child);
    return 0;
}

static int leaked_handle(void *arg)
{
    return bugs_together((kc_fn[]){ join_or_leave }, 1, arg);
}

/* ---- a channel that nobody owns when its maker is cancelled ---- */

static int make_channel(void *arg)
{
    kc_chan_t *ch;
    int rc = kc_chan_make(&ch, sizeof(int), 1);

    (void)arg;
    if (rc)
        return rc;
    if (kc_checkpoint() < 0)
        return 0; // the channel stays
    kc_chan_unref(ch);
    return 0;
}

static int cancelled_maker(void *arg)
{
    kc_scope_t s;

    (void)arg;
    bugs_must(kc_scope_open(&s, NULL));
    bugs_must(kc_scope_spawn(&s, NULL, make_channel, NULL, 0, NULL));
    kc_point();
    bugs_must(kc_scope_cancel(&s, -ECANCELED));
    (void)kc_scope_close(&s);
    return 0;
}

#define BUG(fn, within, why) { #fn, fn, within, why }

const struct bug bugs_memory[] = {
    BUG(aba, 100, "kc_always"),
    BUG(freed_twice, 20, "kc_always"),
    BUG(evicted_in_use, 20, "kc_always"),
    BUG(leaked_handle, 20, "leak"),
    BUG(cancelled_maker, 50, "leak"),
};
const unsigned bugs_memory_count = sizeof bugs_memory / sizeof bugs_memory[0];
