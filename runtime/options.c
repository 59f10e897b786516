/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * runtime/options.c — what the program asked for, what the environment says, what we choose.
 *
 * A malformed variable is an error, not a default: a misspelt KCORO_WORKERS would otherwise be
 * noticed as a slow program, hours later.
 */
#include "runtime/options.h"

#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/fault.h"
#include "core/log.h"
#include "io/sys.h"
#include "lab/explore/lab.h"
#include "lab/explore/property.h"

/* Sanitizers widen every frame; give their builds the room. */
#define STACK_DEFAULT (KCI_NOTES ? KCI_STACK_DEFAULT * 4 : KCI_STACK_DEFAULT)

static const char help[] =
    "kcoro reads these environment variables:\n"
    "  KCORO_WORKERS=n        worker threads, 1 to 1024 (default: usable CPUs)\n"
    "  KCORO_SCHED=parallel   many workers (default)\n"
    "  KCORO_SCHED=single     one worker, choices drawn from the seed: runs repeat\n"
    "  KCORO_SCHED=explore    run the program under many schedules, tell why one fails\n"
    "  KCORO_SCHED=chaos      many workers, disturbed at random\n"
    "  KCORO_SCHEDULES=n      explore: how many (default: 1000)\n"
    "  KCORO_STRATEGY=name    explore: portfolio (default), random, pct, pos, sticky, dfs\n"
    "  KCORO_REPLAY=kc1:...   run one schedule that explore printed, with its story\n"
    "  KCORO_DOT=file         explore: who waits for whom in a deadlock, for Graphviz\n"
    "  KCORO_SEED=n           the seed (default: random)\n"
    "  KCORO_CLOCK=virtual    one worker and a clock that jumps to the next timer\n"
    "  KCORO_DEBUG=area,...   log to standard error: sched, chan, io, ipc, all\n"
    "  KCORO_GUARD=mark|protect|none   how stacks are guarded (default: the best that works)\n"
    "  KCORO_FAULT=rule,...   calls that fail: malloc, map, guard, thread, fd, sys.CALL or\n"
    "                         sys.*, with :nth=N, :from=N or :p=.05 (chance), and for sys an\n"
    "                         error like :EINTR, or :short (docs/faults.md)\n"
    "  KCORO_HELP=1           print this\n";

static int64_t real_now(void *ctx)
{
    (void)ctx;
    return kci_os_now();
}

static uint64_t real_entropy(void *ctx)
{
    (void)ctx;
    return kci_os_entropy();
}

static const struct kci_env real_env = {
    .now = real_now,
    .entropy = real_entropy,
    .read = kci_sys_read,
    .write = kci_sys_write,
};

static int bad(const char *name, const char *value, const char *expected)
{
    fprintf(stderr, "kcoro: %s='%s': expected %s\n", name, value, expected);
    return -EINVAL;
}

/* 1 and *out when the variable is set, 0 when not, -EINVAL when it is no number in [lo, hi]. */
static int number(const char *name, uint64_t lo, uint64_t hi, uint64_t *out)
{
    const char *text = getenv(name);
    char expected[64], *end;

    if (!text)
        return 0;
    unsigned long long n = strtoull(text, &end, 0); // out of range saturates, and fails below
    if (*text >= '0' && *text <= '9' && !*end && n >= lo && n <= hi) {
        *out = n;
        return 1;
    }
    snprintf(expected, sizeof expected, "a number from %llu to %llu", (unsigned long long)lo,
             (unsigned long long)hi);
    return bad(name, text, expected);
}

static int read_mode(unsigned *flags)
{
    const char *sched = getenv("KCORO_SCHED"), *clock = getenv("KCORO_CLOCK");

    if (sched && !strcmp(sched, "single"))
        *flags |= KC_RT_DETERMINISTIC;
    else if (sched && strcmp(sched, "parallel") && strcmp(sched, "explore") &&
             strcmp(sched, "chaos"))
        return bad("KCORO_SCHED", sched, "parallel, single, explore or chaos");
    if (clock && !strcmp(clock, "virtual"))
        *flags |= KC_RT_VIRTUAL_TIME;
    else if (clock && strcmp(clock, "real"))
        return bad("KCORO_CLOCK", clock, "real or virtual");
    return 0;
}

bool kci_options_explore(void)
{
    const char *sched = getenv("KCORO_SCHED");
    return !kci_lab_run() && ((sched && !strcmp(sched, "explore")) || getenv("KCORO_REPLAY"));
}

static void disturb(struct kci_config *out)
{
    const char *sched = getenv("KCORO_SCHED");

    if (sched && !strcmp(sched, "chaos"))
        kci_chaos_configure(out);
}

/* arch/ reads it, where no error can be told. */
static int check_guard(void)
{
    const char *guard = getenv("KCORO_GUARD");

    if (!guard || !strcmp(guard, "mark") || !strcmp(guard, "protect") || !strcmp(guard, "none"))
        return 0;
    return bad("KCORO_GUARD", guard, "mark, protect or none");
}

static int choose_workers(const kc_opts_t *o, struct kci_config *out)
{
    uint64_t n = o->workers == KC_WORKERS_NONE ? 1 : (uint64_t)o->workers;
    int rc = o->workers ? 1 : number("KCORO_WORKERS", 1, KCI_WORKERS_MOST, &n);

    if (rc < 0)
        return rc;
    if (rc == 0)
        n = kci_os_cpus();
    if (out->flags & (KC_RT_DETERMINISTIC | KC_RT_VIRTUAL_TIME))
        n = 1;
    out->driven = o->workers == KC_WORKERS_NONE;
    out->workers = (unsigned)(n > KCI_WORKERS_MOST ? KCI_WORKERS_MOST : n);
    return 0;
}

static int choose_seed(const kc_opts_t *o, struct kci_config *out)
{
    if (kci_lab_run()) { // what is drawn is the schedule's to draw; faults repeat
        out->seed = 1;
        return 0;
    }
    out->seed = o->seed;
    int rc = o->seed ? 1 : number("KCORO_SEED", 0, UINT64_MAX, &out->seed);
    if (rc == 0)
        out->seed = out->env.entropy(out->env.ctx);
    return rc < 0 ? rc : 0;
}

static int read_faults(uint64_t seed)
{
    const char *text = getenv("KCORO_FAULT");
    struct kci_fault_plan plan;
    const char *expected = text ? kci_fault_parse(text, &plan) : NULL;

    if (expected)
        return bad("KCORO_FAULT", text, expected);
    if (text)
        kci_fault_install(&plan, seed);
    return 0;
}

static int check(const kc_opts_t *o)
{
    const unsigned known = KC_RT_DEADLOCK_CHECK | KC_RT_DETERMINISTIC | KC_RT_VIRTUAL_TIME;

    if (o->workers < KC_WORKERS_NONE || o->workers > KCI_WORKERS_MOST || o->flags & ~known)
        return -EINVAL;
    return o->stack_size > KCI_STACK_MAX ? -EINVAL : 0;
}

int kci_options_resolve(const kc_opts_t *opts, struct kci_config *out)
{
    static const kc_opts_t none;
    const kc_opts_t *o = opts ? opts : &none;
    int rc = check(o);

    if (rc)
        return rc;
    if (getenv("KCORO_HELP"))
        fputs(help, stderr);
    kci_log_init(getenv("KCORO_DEBUG"));
    *out = (struct kci_config){ .env = real_env, .flags = o->flags };
    out->stack_bytes = o->stack_size ? o->stack_size : STACK_DEFAULT;
    disturb(out);
    out->budget = o->budget < 0 ? INT_MAX : o->budget ? o->budget : KCI_BUDGET;
    if ((rc = check_guard()) || (rc = read_mode(&out->flags)) || (rc = choose_workers(o, out)))
        return rc;
    if ((rc = choose_seed(o, out)))
        return rc;
    return read_faults(out->seed);
}
