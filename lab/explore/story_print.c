/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * lab/explore/story_print.c — the interleaving as a table, one column for each coroutine, and
 * who waits for whom as a graph.
 *
 * Objects are numbered in the order in which they appear: addresses say nothing to a reader.
 */
#include <stdlib.h>
#include <string.h>

#include "lab/explore/story.h"
#include "sched/wait.h"

enum { SHOWN = 60, COLUMNS = 4, WIDTH = 32, OBJECTS = 64, CELL = 200 };

static const char *const things[KCI_WHY_COUNT] = {
    [KCI_WHY_CHAN_SEND] = "room in channel", [KCI_WHY_CHAN_RECV] = "channel",
    [KCI_WHY_SELECT] = "select",             [KCI_WHY_SLEEP] = "the clock",
    [KCI_WHY_JOIN] = "the end of coroutine", [KCI_WHY_SCOPE] = "the children of scope",
    [KCI_WHY_FD] = "descriptor",             [KCI_WHY_BLOCK] = "a blocking call",
    [KCI_WHY_PARK] = "kc_unpark",            [KCI_WHY_IPC] = "a peer",
    [KCI_WHY_MUTEX] = "mutex",               [KCI_WHY_COND] = "condition",
    [KCI_WHY_SEM] = "semaphore",             [KCI_WHY_WG] = "wait group",
    [KCI_WHY_ONCE] = "once",                 [KCI_WHY_RWLOCK] = "rwlock",
    [KCI_WHY_EVENT] = "event",               [KCI_WHY_BARRIER] = "barrier",
    [KCI_WHY_FUTURE] = "future",             [KCI_WHY_REGION] = "region",
    [KCI_WHY_ACTOR] = "actor",               [KCI_WHY_SHUTDOWN] = "shutdown",
    [KCI_WHY_SETTLE] = "all others to wait",
};

struct printer {
    struct kci_story *s;
    FILE *out;
    uint32_t first, n;          /* events shown */
    struct kci_place *places;   /* of each shown */
    uintptr_t object[OBJECTS];
    unsigned nobjects;
    uint32_t column[COLUMNS];   /* ids */
    unsigned ncolumns;          /* COLUMNS + 1: too many, a list instead */
};

static const struct kci_event *event(const struct printer *p, uint32_t i)
{
    return &p->s->event[(p->first + i) % KCI_STORY_EVENTS];
}

/* ---- names ---- */

static const char *name_of(struct printer *p, uint32_t id)
{
    char *name = p->s->name[id];

    if (!*name && p->s->fn[id])
        kci_sites_name(p->s->fn[id], name, KCI_STORY_NAME);
    return *name ? name : "coroutine";
}

static unsigned number_of(struct printer *p, uintptr_t object)
{
    unsigned i = 0;

    while (i < p->nobjects && p->object[i] != object)
        i++;
    if (i == p->nobjects && i < OBJECTS)
        p->object[p->nobjects++] = object;
    return i + 1;
}

static bool has_number(int why)
{
    return why == KCI_WHY_CHAN_SEND || why == KCI_WHY_CHAN_RECV ||
           (why >= KCI_WHY_MUTEX && why <= KCI_WHY_REGION);
}

static int say_thing(struct printer *p, const struct kci_event *e, char *cell, size_t bytes)
{
    const char *what = e->why > 0 && e->why < KCI_WHY_COUNT ? things[e->why] : NULL;

    if (has_number(e->why) && e->object)
        return snprintf(cell, bytes, "%s %u", what ? what : "something",
                        number_of(p, e->object));
    return snprintf(cell, bytes, "%s", what ? what : "something");
}

/* ---- cells ---- */

static void say(struct printer *p, uint32_t i, char *cell)
{
    const struct kci_event *e = event(p, i);
    const struct kci_place *at = &p->places[i];
    const char *waits = e->kind == KCI_EVENT_STUCK ? "STUCK, waits for " : "waits for ";
    int n;

    switch (e->kind) {
    case KCI_EVENT_SPAWNS:
        snprintf(cell, CELL, "starts %s #%u  %s", name_of(p, (uint32_t)e->object),
                 (unsigned)e->object, at->where);
        return;
    case KCI_EVENT_ENDS: snprintf(cell, CELL, "ends"); return;
    case KCI_EVENT_DOES:
        snprintf(cell, CELL, "%s  %s", at->op[0] ? at->op : "goes on", at->where);
        return;
    default:
        n = snprintf(cell, CELL, "%s", waits);
        n += say_thing(p, e, cell + n, CELL - (size_t)n);
        if (e->kind == KCI_EVENT_STUCK)
            snprintf(cell + n, CELL - (size_t)n, "  %s", at->where);
    }
}

static bool find_columns(struct printer *p)
{
    p->ncolumns = 0;
    for (uint32_t i = 0; i < p->n; i++) {
        uint32_t id = event(p, i)->id;
        unsigned c = 0;
        while (c < p->ncolumns && p->column[c] != id)
            c++;
        if (c == COLUMNS)
            return false;
        if (c == p->ncolumns)
            p->column[p->ncolumns++] = id;
    }
    return true;
}

static void print_head(struct printer *p)
{
    char cell[CELL];

    fprintf(p->out, "  %5s", "step");
    for (unsigned c = 0; c < p->ncolumns; c++) {
        snprintf(cell, sizeof cell, "%s #%u", name_of(p, p->column[c]), (unsigned)p->column[c]);
        fprintf(p->out, "  %-*s", c + 1 < p->ncolumns ? WIDTH : 0, cell);
    }
    fputc('\n', p->out);
}

/* The point behind a spawn is no operation of its own. */
static bool is_echo(const struct printer *p, uint32_t i)
{
    const char *op = p->places[i].op;
    return event(p, i)->kind == KCI_EVENT_DOES && !event(p, i)->preempts &&
           (!strcmp(op, "kc_go") || strstr(op, "spawn"));
}

static void print_row(struct printer *p, uint32_t i, bool columns)
{
    uint32_t id = event(p, i)->id;
    char cell[CELL];
    int indent = 0;

    say(p, i, cell);
    while (columns && p->column[indent] != id)
        indent++;
    const char *mark = event(p, i)->preempts ? "*" : " ";
    if (columns)
        fprintf(p->out, "  %5u %s%*s%s\n", (unsigned)(p->first + i + 1), mark,
                indent * (WIDTH + 2), "", cell);
    else
        fprintf(p->out, "  %5u %s%-16s #%-4u %s\n", (unsigned)(p->first + i + 1), mark,
                name_of(p, id), (unsigned)id, cell);
}

/* ---- all of it ---- */

static bool resolve(struct printer *p)
{
    const struct kci_site **sites = calloc(p->n + 1, sizeof *sites);

    p->places = calloc(p->n + 1, sizeof *p->places);
    if (sites && p->places) {
        for (uint32_t i = 0; i < p->n; i++)
            sites[i] = &event(p, i)->site;
        kci_sites_resolve(sites, p->n, p->places);
    }
    free(sites);
    return p->places != NULL;
}

static struct printer printer(struct kci_story *s, FILE *out)
{
    uint32_t n = s->nevents < SHOWN ? s->nevents : SHOWN;
    return (struct printer){ .s = s, .out = out, .first = s->nevents - n, .n = n };
}

void kci_story_print(struct kci_story *s, FILE *out)
{
    struct printer p = printer(s, out);

    if (!p.n || !resolve(&p))
        return;
    bool columns = find_columns(&p);
    if (p.first)
        fprintf(out, "  … %u earlier steps\n", (unsigned)p.first);
    if (columns)
        print_head(&p);
    for (uint32_t i = 0; i < p.n; i++)
        if (!is_echo(&p, i))
            print_row(&p, i, columns);
    fprintf(out, "  (* another coroutine was left here although it could have gone on)\n");
    free(p.places);
}

void kci_story_dot(struct kci_story *s, FILE *out)
{
    struct printer p = printer(s, out);
    char thing[CELL];

    if (!resolve(&p))
        return;
    fprintf(out, "digraph waits {\n    rankdir=LR;\n");
    for (uint32_t i = 0; i < p.n; i++) {
        const struct kci_event *e = event(&p, i);
        if (e->kind != KCI_EVENT_STUCK)
            continue;
        say_thing(&p, e, thing, sizeof thing);
        fprintf(out, "    \"%s #%u\" [shape=box];\n    \"%s #%u\" -> \"%s\" [label=\"%s\"];\n",
                name_of(&p, e->id), (unsigned)e->id, name_of(&p, e->id), (unsigned)e->id,
                thing, p.places[i].where);
    }
    fprintf(out, "}\n");
    free(p.places);
}
