/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * lab/explore/story.c — remembers who did what from where.
 *
 * An operation is told when its coroutine is let through the point before it, not when it
 * arrived there: that is the order in which effects happen. The runtime's own supervisor, the
 * first coroutine, is nobody's business.
 */
#include "lab/explore/story.h"

#include <string.h>

#include "arch/os.h"
#include "sched/sched.h"

enum { SUPERVISOR = 1 };

struct kci_story *kci_story_create(bool shared)
{
    const size_t bytes = sizeof(struct kci_story);
    return shared ? kci_os_map_shared(bytes) : kci_os_map(bytes);
}

void kci_story_destroy(struct kci_story *s)
{
    if (s)
        kci_os_unmap(s, sizeof *s);
}

static uint32_t slot(const struct kc_co *co)
{
    return co->id < KCI_ACTORS ? (uint32_t)co->id : 0;
}

static struct kci_event *add(struct kci_story *s, enum kci_event_kind kind, uint32_t id)
{
    static struct kci_event nowhere;

    if (id <= SUPERVISOR)
        return &nowhere;
    struct kci_event *e = &s->event[s->nevents++ % KCI_STORY_EVENTS];
    *e = (struct kci_event){ .kind = kind, .id = id, .preempts = s->preempted };
    s->preempted = false;
    return e;
}

static struct kci_site here(void)
{
    struct kci_site site;

    site.n = kci_os_backtrace(site.pc, KCI_STORY_FRAMES);
    return site;
}

void kci_story_born(struct kci_story *s, const struct kc_co *co)
{
    uint32_t id = slot(co);

    s->spawn[id] = here();
    s->fn[id] = co->fn;
    if (co->name)
        strncpy(s->name[id], co->name, KCI_STORY_NAME - 1);
    struct kci_event *e = add(s, KCI_EVENT_SPAWNS, s->running);
    e->object = id;
    e->site = s->spawn[id];
}

void kci_story_turn(struct kci_story *s, const struct kc_co *self, const struct kc_co *next)
{
    uint32_t id = slot(next);

    if (self)
        s->due[slot(self)] = here();
    s->preempted |= self && self != next && slot(self) > SUPERVISOR;
    s->running = id;
    if (s->due[id].n)
        add(s, KCI_EVENT_DOES, id)->site = s->due[id];
    s->due[id].n = 0;
}

static void note_wait(struct kci_story *s, const struct kc_co *co, enum kci_event_kind kind)
{
    struct kci_event *e = add(s, kind, slot(co));

    e->why = ka_load(&co->why, relaxed);               // relaxed: one worker
    e->object = (uintptr_t)ka_load(&co->what, relaxed); // relaxed: one worker
    e->site = s->wait[slot(co)];
}

void kci_story_waits(struct kci_story *s, const struct kc_co *co)
{
    s->wait[slot(co)] = here();
    note_wait(s, co, KCI_EVENT_WAITS);
}

void kci_story_stuck(struct kci_story *s, const struct kc_co *co)
{
    note_wait(s, co, KCI_EVENT_STUCK);
}

void kci_story_note(struct kci_story *s, uint64_t id, enum kci_event_kind kind)
{
    add(s, kind, id < KCI_ACTORS ? (uint32_t)id : 0);
}
