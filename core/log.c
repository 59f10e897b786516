/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * core/log.c — one line, one write: lines of several workers do not mix.
 */
#include "core/log.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

unsigned kci_log_areas;

static const struct {
    const char *name;
    unsigned bits;
} areas[] = {
    { "sched", KCI_LOG_SCHED }, { "chan", KCI_LOG_CHAN }, { "io", KCI_LOG_IO },
    { "ipc", KCI_LOG_IPC },     { "all", ~0u },
};
#define AREAS (sizeof areas / sizeof *areas)

static unsigned area_bits(const char *word, size_t n)
{
    for (size_t i = 0; i < AREAS; i++)
        if (strlen(areas[i].name) == n && !memcmp(areas[i].name, word, n))
            return areas[i].bits;
    fprintf(stderr, "kcoro: KCORO_DEBUG: unknown area '%.*s' (sched, chan, io, ipc, all)\n",
            (int)n, word);
    return 0;
}

void kci_log_init(const char *list)
{
    for (size_t n; list && *list; list += n + (list[n] == ',')) {
        n = strcspn(list, ",");
        if (n)
            kci_log_areas |= area_bits(list, n);
    }
}

void kci_log_line(enum kci_log_area area, const char *fmt, ...)
{
    char line[512];
    size_t used = 0;
    va_list args;

    for (size_t i = 0; i < AREAS; i++)
        if (areas[i].bits == (unsigned)area)
            used = (size_t)snprintf(line, sizeof line, "kcoro %s: ", areas[i].name);
    va_start(args, fmt);
    int n = vsnprintf(line + used, sizeof line - used - 1, fmt, args);
    va_end(args);
    if (n < 0)
        return;
    used += (size_t)n;
    if (used > sizeof line - 2)
        used = sizeof line - 2;
    line[used++] = '\n';
    ssize_t unused = write(STDERR_FILENO, line, used); // a lost log line is not an error
    (void)unused;
}
