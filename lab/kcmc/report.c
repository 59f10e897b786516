/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * lab/kcmc/report.c — a failing execution as a story: who did what, in which order, where.
 *
 * Places are resolved by addr2line, in one go; without it they are addresses. The program must
 * not be position independent.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "lab/kcmc/state.h"

enum { HEAD = 200, TAIL = 40 }; // steps of a story that would be endless

const char *kcmc_verdict_name(enum kcmc_verdict v)
{
    static const char *const names[] = { "ok",       "assertion", "data race", "use after free",
                                         "deadlock", "livelock",  "too much" };
    return names[v];
}

void kcmc_name(const volatile void *p, const char *name)
{
    if (K->nnames == NAMES)
        return;
    K->name[K->nnames].addr = (uintptr_t)p;
    K->name[K->nnames++].name = name;
}

void kcmc_tell(const char *what, uintptr_t addr, uint64_t value, unsigned late, int order,
               void *site)
{
    if (!K->telling || K->told > STEPS)
        return;
    K->step[K->told++] = (struct step){ .thread = (uint8_t)K->self, .what = what, .addr = addr,
                                        .value = value, .late = (uint16_t)late, .order = order,
                                        .site = site };
}

static const char *name_of(uintptr_t addr, char *room, size_t bytes)
{
    if (!addr)
        return "";
    for (unsigned i = 0; i < K->nnames; i++)
        if (K->name[i].addr == addr)
            return K->name[i].name;
    (void)snprintf(room, bytes, "%#lx", (unsigned long)addr);
    return room;
}

/* One line of addr2line's; the last parts of a path are enough. */
static void next_place(FILE *from, char *line, int bytes)
{
    if (!from || !fgets(line, bytes, from)) {
        (void)snprintf(line, (size_t)bytes, "?");
        return;
    }
    line[strcspn(line, " \n")] = '\0';
    char *slash = strrchr(line, '/');
    while (slash && slash > line && slash[-1] != '/')
        slash--;
    if (slash && slash > line)
        memmove(line, slash, strlen(slash) + 1);
}

/* Ask for the places of all steps and of the fault, in this order. */
static FILE *places(void)
{
    size_t room = 64 + 20 * ((size_t)K->told + 1);
    char *command = malloc(room), *end = command;

    if (!command)
        return NULL;
    end += sprintf(end, "addr2line -e /proc/%ld/exe", (long)getpid());
    for (unsigned i = 0; i <= K->told; i++) {
        void *site = i < K->told ? K->step[i].site : K->fault_site[0];
        end += sprintf(end, " %lx", (unsigned long)site - (site != NULL));
    }
    (void)fflush(stdout);
    FILE *pipe = popen(command, "r");
    free(command);
    return pipe;
}

static void print_step(unsigned i, const char *place)
{
    static const char *const orders[] = { "relaxed", "consume", "acquire",
                                          "release", "acq_rel", "seq_cst" };
    const struct step *s = &K->step[i];
    char room[24], behind[32] = "", line[128];
    bool known = s->addr || !strcmp(s->what, "fence");

    if (s->late)
        (void)snprintf(behind, sizeof behind, ", %u behind", (unsigned)s->late);
    int n = snprintf(line, sizeof line, "%s %s", s->what, name_of(s->addr, room, sizeof room));
    if (s->addr)
        n += snprintf(line + n, sizeof line - (size_t)n, " = %#lx", (unsigned long)s->value);
    if (known)
        (void)snprintf(line + n, sizeof line - (size_t)n, " (%s%s)", orders[s->order], behind);
    printf("%4u  %*s%u  %-56s %s\n", i + 1, (int)(4 * s->thread), "", (unsigned)s->thread, line,
           place);
}

/* The choices, up to the last that was not the first alternative. */
static void print_replay(void)
{
    unsigned n = K->depth;

    while (n && !K->choice[n - 1].at)
        n--;
    printf("replay: KCMC_REPLAY='");
    for (unsigned i = 0; i < n; i++)
        printf(i ? " %u" : "%u", (unsigned)K->choice[i].at);
    printf("' with the argument '%s'\n\n", K->model->name);
}

void kcmc_story(void)
{
    FILE *from = places();
    char place[512];

    printf("\n%s: %s\n", K->model->name, kcmc_verdict_name(K->verdict));
    for (unsigned i = 0; i < K->told; i++) {
        next_place(from, place, sizeof place);
        if (i < HEAD || i + TAIL >= K->told)
            print_step(i, place);
        else if (i == HEAD)
            printf("      ...\n");
    }
    next_place(from, place, sizeof place);
    printf("      %s%s%s\n", K->fault, K->fault_site[0] ? "  at " : "",
           K->fault_site[0] ? place : "");
    if (from)
        (void)pclose(from);
    print_replay();
}
