/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * lab/explore/property.c — which run is going on in this process, and what holds in it.
 *
 * One at a time: an exploration is a program's whole attention. Properties may be asked on the
 * thread of a kc_block while the one worker waits for it, never at the same time as it.
 */
#include "lab/explore/property.h"

#include <string.h>

int kci_lab_on;

static struct kci_run *the_run;
static struct kci_sites *the_sites;

void kci_lab_enter(struct kci_run *run, struct kci_sites *sites)
{
    the_run = run;
    the_sites = sites;
    kci_lab_on = run != NULL;
}

struct kci_run *kci_lab_run(void)
{
    return the_run;
}

static struct kci_property_site *find(struct kci_sites *s, const char *file, int line,
                                      const char *text)
{
    for (unsigned i = 0; i < s->n; i++)
        if (s->site[i].line == line && !strcmp(s->site[i].file, file) &&
            !strcmp(s->site[i].text, text))
            return &s->site[i];
    if (s->n == KCI_SITES)
        return NULL;
    s->site[s->n] = (struct kci_property_site){ .text = text, .file = file, .line = line };
    return &s->site[s->n++];
}

void kci_property(enum kci_property kind, bool holds, const char *text, const char *file,
                  int line)
{
    if (!the_run)
        return;
    if (kind == KCI_ALWAYS ? !holds : kind == KCI_NEVER && holds)
        kci_run_fail(the_run, KCI_FAIL_PROPERTY, "%s:%d: kc_%s(%s) is broken", file, line,
                     kind == KCI_ALWAYS ? "always" : "never", text);
    struct kci_property_site *site = the_sites ? find(the_sites, file, line, text) : NULL;
    if (!site)
        return;
    site->kind = kind;
    site->held += holds;
}

void kci_sites_count(const struct kci_sites *s, unsigned *there, unsigned *held)
{
    *there = *held = 0;
    for (unsigned i = 0; i < s->n; i++)
        if (s->site[i].kind == KCI_SOMETIMES) {
            ++*there;
            *held += s->site[i].held > 0;
        }
}
