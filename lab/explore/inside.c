/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * lab/explore/inside.c — runs in this process, one after the other.
 *
 * Crash   a run that crashes takes the process with it. Before it does, a line says which
 *         schedule that was: the handler only writes what replay.c spells without allocating.
 *         It has no stack of its own (POSIX leaves that to X/Open), so of a stack overflow
 *         nothing is said.
 */
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "core/mem.h"
#include "lab/explore/explore.h"
#include "lab/explore/lab.h"

void kci_lab_check_leaks(struct kci_run *r, uint64_t before)
{
    uint64_t left = kci_mem_blocks_in_use();

    if (left > before)
        kci_run_fail(r, KCI_FAIL_LEAK,
                     "leak: %llu of the library's objects (channels, handles, tokens) were not "
                     "given back",
                     (unsigned long long)(left - before));
}

void kci_lab_configure(struct kci_config *cfg)
{
    struct kci_run *r = kci_lab_run();

    if (!r)
        return;
    kci_run_forget_actors(r); // of a runtime before this one
    cfg->workers = 1;
    cfg->flags |= KC_RT_DETERMINISTIC | KC_RT_VIRTUAL_TIME | KC_RT_DEADLOCK_CHECK;
    cfg->env.lab = &kci_run_lab;
    cfg->env.lab_ctx = r;
}

/* ---- one run ---- */

static void execute(struct kci_exploration *x)
{
    struct kci_run *r = x->run;
    uint64_t before = kci_mem_blocks_in_use();

    kci_lab_enter(r, x->sites);
    int rc = kc_run(x->fn, x->arg, NULL);
    kci_lab_enter(NULL, NULL);
    if (rc < 0)
        kci_run_fail(r, KCI_FAIL_RESULT, "the function returned %d: %s", rc, kc_strerror(rc));
    if (!(x->flags & KC_EXPLORE_KEEPS))
        kci_lab_check_leaks(r, before);
}

/* ---- crashes ---- */

static const int crashes[] = { SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGABRT };
enum { CRASHES = sizeof crashes / sizeof crashes[0] };

static void say(const char *text)
{
    ssize_t unused = write(STDERR_FILENO, text, strlen(text)); // nobody else to tell
    (void)unused;
}

static void on_crash(int sig)
{
    char text[1024];
    struct kci_run *r = kci_lab_run();

    if (r && kci_replay_write(&r->plan, 0, text, sizeof text) > 0) {
        say("kcoro-explore: the program crashed; to repeat it: KCORO_REPLAY=");
        say(text);
        say("\n");
    }
    signal(sig, SIG_DFL);
    raise(sig);
}

static void catch_crashes(struct sigaction *before)
{
    struct sigaction act = { .sa_handler = on_crash, .sa_flags = SA_NODEFER };

    sigemptyset(&act.sa_mask);
    for (int i = 0; i < CRASHES; i++)
        sigaction(crashes[i], &act, &before[i]);
}

static void leave_crashes(const struct sigaction *before)
{
    for (int i = 0; i < CRASHES; i++)
        sigaction(crashes[i], &before[i], NULL);
}

/* ---- public ---- */

static int explore(struct kci_exploration *x)
{
    struct sigaction before[CRASHES];

    x->execute = execute;
    catch_crashes(before);
    int rc = kci_explore(x);
    leave_crashes(before);
    if ((rc || x->replays) && !(x->flags & KC_EXPLORE_QUIET))
        kci_explore_summary(x, stderr);
    return rc;
}

int kc_test_explore(kc_fn fn, void *arg, const kc_explore_opts_t *opts,
                    kc_explore_result_t *result)
{
    kc_explore_result_t unasked;
    struct kci_exploration x = { .fn = fn, .arg = arg };

    if (!fn)
        return -EINVAL;
    if (kci_worker_self() || kci_lab_run())
        return -EPERM;
    x.result = result ? result : &unasked;
    int rc = kci_explore_init(&x, opts, false);
    if (!rc)
        rc = explore(&x);
    kci_explore_fini(&x);
    return rc;
}

int kc_test_fuzz(kc_fn fn, void *arg, const void *bytes, size_t n)
{
    static const kc_explore_opts_t opts;
    kc_explore_result_t result;
    struct kci_exploration x = { .fn = fn, .arg = arg, .result = &result };

    if (!fn || (!bytes && n))
        return -EINVAL;
    if (kci_worker_self() || kci_lab_run())
        return -EPERM;
    int rc = kci_explore_init(&x, &opts, false);
    if (!rc) {
        x.found = (struct kci_plan){
            .strategy = KCI_FUZZ, .seed = 1, .bytes = bytes, .nbytes = n
        };
        x.execute = execute;
        kci_run_prepare(x.run, &x.found, x.most_steps);
        execute(&x);
        rc = x.run->failure ? -EFAULT : 0;
        if (rc)
            fprintf(stderr, "kcoro-explore: %s\n", x.run->why);
    }
    kci_explore_fini(&x);
    return rc;
}

int kc_test_run(kc_fn fn, void *arg, const kc_opts_t *opts, uint64_t *trace_hash)
{
    if (!fn)
        return -EINVAL;
    if (kci_worker_self() || kci_lab_run())
        return -EPERM;
    struct kci_run *r = kci_run_create(false);
    if (!r)
        return -ENOMEM;
    struct kci_plan plan = { .strategy = KCI_RANDOM, .seed = 1 };
    if (opts && opts->seed)
        plan.seed = opts->seed;
    kci_run_prepare(r, &plan, UINT64_MAX);
    kci_lab_enter(r, NULL);
    int rc = kc_run(fn, arg, opts);
    kci_lab_enter(NULL, NULL);
    if (trace_hash)
        *trace_hash = r->hash;
    if (rc >= 0 && (r->failure == KCI_FAIL_DEADLOCK || r->failure == KCI_FAIL_LOST_WAKEUP))
        rc = -EDEADLK; // and abandoned
    if (rc >= 0 && r->failure == KCI_FAIL_PROPERTY)
        rc = -EFAULT;
    kci_run_destroy(r);
    return rc;
}
