/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * sched/scope.h — the body of a scope: its token, its children, what it owns.
 *
 * Lock: everything below `token` is under token.lock unless it says otherwise.
 */
#ifndef SCHED_SCOPE_H
#define SCHED_SCOPE_H

#include <kcoro/scope.h>

#include "sched/cancel.h"
#include "sched/results.h"

struct kc_co;
struct kc_rt;

struct kci_owned {
    struct kci_owned *next;
    void *obj;
    void (*drop)(void *);
};

struct kci_scope {
    struct kc_cancel token; /* first: the scope's memory lives as long as its token */
    kc_scope_t *handle;     /* the caller's; fixed */
    struct kc_rt *rt;       /* fixed */
    struct kc_co *owner;    /* who opened it; NULL for the service scope; fixed */
    struct kci_scope *outer; /* fixed */
    int policy;             /* fixed */
    unsigned limit;         /* fixed */
    unsigned live;          /* children that have not ended */
    unsigned rest;          /* joiners are woken once live <= rest */
    bool keeps;             /* what children returned, for kc_scope_next; fixed */
    struct kci_results results;
    int first_error;
    bool succeeded;         /* a child returned >= 0 */
    bool closed;            /* the last child has been joined: nobody may enter */
    struct kci_list joiners; /* waiters for live <= rest */
    struct kci_list askers; /* waiters for the next result; then there is none */
    struct kci_owned *owned;
    const char *name;
};

/* A scope without owner or handle. Freed through its token. */
struct kci_scope *kci_scope_create(struct kc_rt *rt, struct kc_cancel *parent);
/* Count a child in, and make it observe the token. 0; -ECANCELED; -EAGAIN over the limit;
 * -ENOMEM. */
int kci_scope_enter(struct kci_scope *s, struct kci_member *m);
/* The child co ended with ret. The scope may be gone on return. */
void kci_scope_leave(struct kci_scope *s, struct kc_co *co, int ret);
/* Wait until only `rest` children are left, whatever happens. */
void kci_scope_join(struct kci_scope *s, unsigned rest);
static inline struct kci_scope *kci_scope_body(const kc_scope_t *s)
{
    return s ? (struct kci_scope *)s->kci_body : NULL;
}

#endif
