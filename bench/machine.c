/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * bench/machine.c — facts about the machine from /proc, and pinning.
 *
 * A fact that cannot be read is left empty or 0: a benchmark should run in a container that
 * hides them. CPUs are chosen among those the process was started with (taskset, cgroups).
 */
#define _GNU_SOURCE
#include "bench/machine.h"

#include <sched.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/utsname.h>
#include <time.h>
#include <unistd.h>

#if defined(__clang__)
#define COMPILER "clang " __clang_version__
#elif defined(__GNUC__)
#define COMPILER "gcc " __VERSION__
#else
#define COMPILER "unknown"
#endif

/* The text behind "key : " of the first line in `path` that begins with key. */
static bool read_field(const char *path, const char *key, char *out, size_t size)
{
    FILE *f = fopen(path, "r");
    char line[256];
    bool found = false;

    while (f && !found && fgets(line, sizeof line, f)) {
        char *value = strchr(line, ':');
        if (value && !strncmp(line, key, strlen(key))) {
            value += 1 + strspn(value + 1, " \t");
            value[strcspn(value, "\n")] = 0;
            snprintf(out, size, "%s", value);
            found = true;
        }
    }
    if (f)
        fclose(f);
    return found;
}

void machine_describe(struct machine *m)
{
    struct utsname sys;
    time_t now = time(NULL);

    *m = (struct machine){ .cores = sysconf(_SC_NPROCESSORS_ONLN) };
    if (!read_field("/proc/cpuinfo", "model name", m->cpu, sizeof m->cpu))
        snprintf(m->cpu, sizeof m->cpu, "unknown");
    if (uname(&sys) == 0)
        snprintf(m->kernel, sizeof m->kernel, "%.40s %.40s", sys.sysname, sys.release);
    snprintf(m->compiler, sizeof m->compiler, "%.100s", COMPILER);
    strftime(m->date, sizeof m->date, "%Y-%m-%dT%H:%M:%SZ", gmtime(&now));
}

static const cpu_set_t *granted(void)
{
    static cpu_set_t cpus;

    if (CPU_COUNT(&cpus) == 0)
        sched_getaffinity(0, sizeof cpus, &cpus);
    return &cpus;
}

static void stay_on(int cpu)
{
    cpu_set_t one;

    CPU_ZERO(&one);
    if (cpu >= 0)
        CPU_SET((unsigned)cpu, &one);
    sched_setaffinity(0, sizeof one, &one); // if it fails, a row is only less steady
}

int machine_first_cpu(void)
{
    const cpu_set_t *all = granted();

    for (int i = 0; i < CPU_SETSIZE; i++)
        if (CPU_ISSET((unsigned)i, all))
            return i;
    return -1;
}

int machine_last_cpu(void)
{
    const cpu_set_t *all = granted();
    int i = CPU_SETSIZE - 1;

    while (i >= 0 && !CPU_ISSET((unsigned)i, all))
        i--;
    return i;
}

void machine_pin_first(void)
{
    stay_on(machine_first_cpu());
}

void machine_pin(bool pinned)
{
    if (pinned)
        stay_on(machine_last_cpu());
    else
        sched_setaffinity(0, sizeof *granted(), granted());
}

size_t machine_resident(void)
{
    FILE *f = fopen("/proc/self/statm", "r");
    unsigned long resident = 0;

    if (f) {
        if (fscanf(f, "%*u %lu", &resident) != 1)
            resident = 0;
        fclose(f);
    }
    return resident * (size_t)sysconf(_SC_PAGESIZE);
}

size_t machine_available(void)
{
    char text[64];
    unsigned long kib = 0;

    if (read_field("/proc/meminfo", "MemAvailable", text, sizeof text) &&
        sscanf(text, "%lu", &kib) == 1)
        return (size_t)kib * 1024;
    return 0;
}

static int64_t nanoseconds(struct timeval tv)
{
    return tv.tv_sec * INT64_C(1000000000) + tv.tv_usec * INT64_C(1000);
}

int64_t machine_cpu_ns(void)
{
    struct timespec ts;

    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &ts);
    return ts.tv_sec * INT64_C(1000000000) + ts.tv_nsec;
}

/* Ours, and our children's that have ended. */
static int64_t own_ns(void)
{
    struct rusage self, children;

    getrusage(RUSAGE_SELF, &self);
    getrusage(RUSAGE_CHILDREN, &children);
    return nanoseconds(self.ru_utime) + nanoseconds(self.ru_stime) +
           nanoseconds(children.ru_utime) + nanoseconds(children.ru_stime);
}

int64_t machine_foreign_ns(void)
{
    unsigned long long user, nice, system, irq, softirq, stolen, ticks = 0;
    FILE *f = fopen("/proc/stat", "r");

    if (!f)
        return 0;
    if (fscanf(f, "cpu %llu %llu %llu %*u %*u %llu %llu %llu", &user, &nice, &system, &irq,
               &softirq, &stolen) == 6)
        ticks = user + nice + system + irq + softirq + stolen;
    fclose(f);
    return (int64_t)(ticks * (1000000000ull / (unsigned long)sysconf(_SC_CLK_TCK))) - own_ns();
}
