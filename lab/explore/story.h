/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * lab/explore/story.h — what happened in a run, in an order and in words that a person follows.
 *
 * Recorded only when a failing schedule is run once more: each event looks at the stack.
 */
#ifndef LAB_EXPLORE_STORY_H
#define LAB_EXPLORE_STORY_H

#include <stdio.h>

#include "lab/explore/run.h"

enum { KCI_STORY_EVENTS = 1 << 14, KCI_STORY_FRAMES = 14, KCI_STORY_NAME = 24 };

enum kci_event_kind {
    KCI_EVENT_DOES,   /* an operation begins */
    KCI_EVENT_WAITS,  /* it has to wait */
    KCI_EVENT_SPAWNS, /* object: the child's id */
    KCI_EVENT_ENDS,
    KCI_EVENT_STUCK   /* it will wait for ever */
};

struct kci_site {
    int n;
    void *pc[KCI_STORY_FRAMES];
};

struct kci_event {
    enum kci_event_kind kind;
    uint32_t id;
    bool preempts;      /* the first after another one was left that could have gone on */
    int why;            /* enum kci_why */
    uintptr_t object;
    struct kci_site site;
};

struct kci_story {
    uint32_t nevents; /* that happened; the last KCI_STORY_EVENTS are there */
    uint32_t running;
    bool preempted; /* by the one that runs, which has not been told of yet */
    struct kci_event event[KCI_STORY_EVENTS];
    struct kci_site due[KCI_ACTORS];   /* the operation each is about to begin */
    struct kci_site spawn[KCI_ACTORS]; /* where each comes from */
    struct kci_site wait[KCI_ACTORS];  /* where each waits, last */
    char name[KCI_ACTORS][KCI_STORY_NAME];
    kc_fn fn[KCI_ACTORS];
};

struct kci_story *kci_story_create(bool shared);
void kci_story_destroy(struct kci_story *s);

void kci_story_born(struct kci_story *s, const struct kc_co *co);
void kci_story_turn(struct kci_story *s, const struct kc_co *self, const struct kc_co *next);
void kci_story_waits(struct kci_story *s, const struct kc_co *co);
void kci_story_stuck(struct kci_story *s, const struct kc_co *co);
void kci_story_note(struct kci_story *s, uint64_t id, enum kci_event_kind kind);

/* ---- story_print.c ---- */
void kci_story_print(struct kci_story *s, FILE *out);
/* Who waits for whom, for Graphviz. */
void kci_story_dot(struct kci_story *s, FILE *out);

/* ---- sites.c ---- */
struct kci_place {
    char op[40];    /* the library's function, or "" */
    char where[96]; /* "file.c:12", or "function+0x1c" */
};
/* Say where each of n sites is; one look into each program file. */
void kci_sites_resolve(const struct kci_site *const *sites, size_t n, struct kci_place *out);
/* A function's own name; "" if it has none. */
void kci_sites_name(kc_fn fn, char *out, size_t bytes);

#endif
