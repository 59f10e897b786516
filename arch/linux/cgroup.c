/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * arch/linux/cgroup.c — the processor quota, from control groups version 1 and 2.
 *
 *   /proc/self/cgroup        0::/a/b                       our place in the tree (version 2)
 *                            4:cpu,cpuacct:/a/b            the same (version 1)
 *   /sys/fs/cgroup/a/b/cpu.max             200000 100000   2 processors, or "max …": no limit
 *   /sys/fs/cgroup/cpu/a/b/cpu.cfs_quota_us     200000     and …period_us; -1: no limit
 *
 * Every ancestor limits us too, so the answer is the smallest on the way to the root. Starting
 * at a folder that does not exist is fine: inside a container the path is often the host's,
 * while the mount shows only our own subtree, whose limit is then found at the root.
 *
 * Rejected: parsing /proc/self/mountinfo. The mount points are these on every system that runs
 * containers; elsewhere we find no quota and use all processors.
 */
#include "arch/linux/cgroup.h"

#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { PATH_BYTES = 4096 };

/* The beginning of a file as a string; false if it cannot be read. */
static bool slurp(const char *path, char *text, size_t bytes)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    size_t n = 0;
    ssize_t got = 0;

    if (fd < 0)
        return false;
    while (n < bytes - 1) {
        got = read(fd, text + n, bytes - 1 - n);
        if (got < 0 && errno == EINTR)
            continue;
        if (got <= 0)
            break;
        n += (size_t)got;
    }
    text[n] = '\0';
    (void)close(fd);
    return got >= 0;
}

/* folder/name as a string; false if it is not there. */
static bool slurp_in(const char *folder, const char *name, char *text, size_t bytes)
{
    char path[PATH_BYTES];
    int n = snprintf(path, sizeof path, "%s/%s", folder, name);

    return n > 0 && (size_t)n < sizeof path && slurp(path, text, bytes);
}

static unsigned ratio_up(long long quota, long long period)
{
    if (quota <= 0 || period <= 0)
        return 0;
    long long cpus = quota / period + (quota % period != 0);
    return cpus < 65536 ? (unsigned)cpus : 0; // more than any machine has: no limit
}

static unsigned quota_v2(const char *folder)
{
    char text[64], *end;

    if (!slurp_in(folder, "cpu.max", text, sizeof text))
        return 0;
    long long quota = strtoll(text, &end, 10); // "max" reads as 0: no limit
    return ratio_up(quota, strtoll(end, NULL, 10));
}

static unsigned quota_v1(const char *folder)
{
    char quota[64], period[64];

    if (!slurp_in(folder, "cpu.cfs_quota_us", quota, sizeof quota) ||
        !slurp_in(folder, "cpu.cfs_period_us", period, sizeof period))
        return 0;
    return ratio_up(strtoll(quota, NULL, 10), strtoll(period, NULL, 10));
}

static unsigned least(unsigned a, unsigned b)
{
    if (!a || !b)
        return a + b; // 0 is no limit
    return a < b ? a : b;
}

/* The smallest quota on the way from mount/path up to mount. */
static unsigned least_up(const char *root, const char *mount, const char *path,
                         unsigned (*quota)(const char *folder))
{
    char folder[PATH_BYTES];
    int n = snprintf(folder, sizeof folder, "%s%s%s", root, mount, path);
    size_t stop = strlen(root) + strlen(mount);
    unsigned cpus = 0;

    if (n < 0 || (size_t)n >= sizeof folder)
        return 0;
    for (;;) {
        cpus = least(cpus, quota(folder));
        char *slash = strrchr(folder + stop, '/');
        if (!slash)
            return cpus;
        *slash = '\0';
    }
}

/* Is `word` one of the comma-separated names in [list, end)? */
static bool listed(const char *list, const char *end, const char *word)
{
    size_t n = strlen(word);

    for (const char *p = list; p + n <= end; p++)
        if (strncmp(p, word, n) == 0 && (p == list || p[-1] == ',') &&
            (p + n == end || p[n] == ','))
            return true;
    return false;
}

/* One line of /proc/self/cgroup: hierarchy:controllers:path. */
static unsigned line_cpus(const char *root, const char *line)
{
    const char *names = strchr(line, ':');
    const char *path = names ? strchr(names + 1, ':') : NULL;

    if (!path)
        return 0;
    if (path == names + 1)
        return least_up(root, "/sys/fs/cgroup", path + 1, quota_v2);
    if (!listed(names + 1, path, "cpu"))
        return 0;
    return least(least_up(root, "/sys/fs/cgroup/cpu", path + 1, quota_v1),
                 least_up(root, "/sys/fs/cgroup/cpu,cpuacct", path + 1, quota_v1));
}

unsigned kci_cgroup_cpus(const char *root)
{
    char text[PATH_BYTES], *rest = text;
    unsigned cpus = 0;

    if (!slurp_in(root, "proc/self/cgroup", text, sizeof text))
        return 0;
    while (*rest) {
        char *line = rest;
        rest += strcspn(rest, "\n");
        if (*rest)
            *rest++ = '\0';
        cpus = least(cpus, line_cpus(root, line));
    }
    return cpus;
}
