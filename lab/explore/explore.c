/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * lab/explore/explore.c — one schedule after the other, and what is said at the end.
 *
 * The portfolio takes the random strategies in turn, each schedule with a seed of its own, so
 * schedule n of seed s is the same whatever was run before it (but for pct, whose changes are
 * spread over the longest run so far). The first failure is kept as a
 * plan; at the end it is made short, run once more with its story, and told.
 */
#include "lab/explore/explore.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "arch/os.h"
#include "sched/sched.h"

enum { SCHEDULES = 1000, STEPS = 1000000, LEAVE = 100, PREEMPTIONS = 2 };

static const char *const names[] = {
    [KCI_RANDOM] = "random", [KCI_PCT] = "pct", [KCI_POS] = "pos", [KCI_STICKY] = "sticky",
    [KCI_PORTFOLIO] = "portfolio", [KCI_DFS] = "dfs", [KCI_LISTED] = "replay",
    [KCI_FUZZ] = "fuzz",
};

/* ---- what was asked for ---- */

static int complain(const struct kci_exploration *x, const char *what, const char *text,
                    const char *expected)
{
    if (!(x->flags & KC_EXPLORE_QUIET))
        fprintf(stderr, "kcoro: %s='%s': expected %s\n", what, text, expected);
    return -EINVAL;
}

/* "name" or "name:value" */
static bool is_named(const char *text, const char *name, const char **value)
{
    size_t n = strlen(name);

    *value = NULL;
    if (strncmp(text, name, n) != 0 || (text[n] && text[n] != ':'))
        return false;
    if (text[n])
        *value = text + n + 1;
    return true;
}

static bool read_value(struct kci_exploration *x, const char *value)
{
    char *end = NULL;

    if (!value)
        return true;
    if (x->strategy == KCI_DFS && !strncmp(value, "preemptions=", 12))
        value += 12;
    double n = strtod(value, &end);
    bool whole = n >= 0 && n <= 1000 && n == (double)(int)n;
    if (end == value || *end)
        return false;
    if (x->strategy == KCI_STICKY)
        x->leave = (unsigned)(n * 1000);
    else if (x->strategy == KCI_PCT)
        x->depth = (unsigned)n;
    else
        x->preemptions = (unsigned)n;
    return x->strategy == KCI_STICKY ? n > 0 && n <= 1
                                     : whole && (x->strategy != KCI_PCT || n <= KCI_PCT_DEPTH);
}

static int read_strategy(struct kci_exploration *x, const char *text)
{
    const char *value;

    for (enum kci_strategy s = KCI_RANDOM; text && s <= KCI_DFS; s++)
        if (is_named(text, names[s], &value)) {
            bool takes = s == KCI_PCT || s == KCI_STICKY || s == KCI_DFS;
            x->strategy = s;
            if ((!value || takes) && read_value(x, value))
                return 0;
        }
    return complain(x, "KCORO_STRATEGY", text,
                    "portfolio, random, pct[:0-8], pos, sticky[:P] or dfs[:preemptions]");
}

static int read_number(struct kci_exploration *x, const char *name, uint64_t given,
                       uint64_t deflt, uint64_t *out)
{
    const char *text = getenv(name);
    char *end;

    *out = given ? given : deflt;
    if (given || !text)
        return 0;
    *out = strtoull(text, &end, 0);
    if (*text < '0' || *text > '9' || *end || (deflt != 1 && !*out)) // no schedules are no test
        return complain(x, name, text, "a number");
    return 0;
}

static int read_replay(struct kci_exploration *x, const char *given)
{
    const char *text = given ? given : getenv("KCORO_REPLAY");

    if (!text)
        return 0;
    x->replays = true;
    x->found.dev = x->found_dev;
    if (kci_replay_read(text, &x->found, &x->found_hash, x->found_dev, KCI_CHOICES))
        return complain(x, "KCORO_REPLAY", text, "what the explorer printed: kc1:…");
    return 0;
}

static int read_options(struct kci_exploration *x, const kc_explore_opts_t *o)
{
    const char *strategy = o->strategy ? o->strategy : getenv("KCORO_STRATEGY");
    int rc;

    x->flags = o->flags;
    x->leave = LEAVE;
    x->preemptions = o->preemptions < 0 ? 0 : o->preemptions ? (unsigned)o->preemptions
                                                             : PREEMPTIONS;
    x->most_steps = o->steps ? o->steps : STEPS;
    if ((rc = read_strategy(x, strategy ? strategy : "portfolio")) ||
        (rc = read_number(x, "KCORO_SEED", o->seed, 1, &x->seed)) ||
        (rc = read_number(x, "KCORO_SCHEDULES", o->schedules, SCHEDULES, &x->schedules)))
        return rc;
    return read_replay(x, o->replay);
}

static void *map(size_t bytes, bool shared)
{
    return shared ? kci_os_map_shared(bytes) : kci_os_map(bytes);
}

int kci_explore_init(struct kci_exploration *x, const kc_explore_opts_t *opts, bool shared)
{
    static const kc_explore_opts_t none;
    const size_t bytes = sizeof *x->dev * KCI_CHOICES;

    x->run = kci_run_create(shared);
    x->sites = map(sizeof *x->sites, shared);
    x->dev = map(bytes, shared);
    x->found_dev = map(bytes, shared);
    if (x->run && x->sites && x->dev && x->found_dev)
        return read_options(x, opts ? opts : &none);
    return -ENOMEM;
}

void kci_explore_fini(struct kci_exploration *x)
{
    const size_t bytes = sizeof *x->dev * KCI_CHOICES;

    kci_run_destroy(x->run);
    if (x->sites)
        kci_os_unmap(x->sites, sizeof *x->sites);
    if (x->dev)
        kci_os_unmap(x->dev, bytes);
    if (x->found_dev)
        kci_os_unmap(x->found_dev, bytes);
}

/* ---- plans ---- */

/* The nth of a random strategy: all it draws comes from the seed and n. */
static struct kci_plan drawn(const struct kci_exploration *x, uint64_t n)
{
    enum kci_strategy s = x->strategy;
    struct kci_plan p = { .seed = kci_mix(x->seed, n), .leave = x->leave };

    p.strategy = s == KCI_PORTFOLIO ? (enum kci_strategy)(n % KCI_STRATEGIES) : s;
    if (p.strategy == KCI_PCT) {
        p.depth = x->depth ? x->depth : 1 + (unsigned)(kci_mix(p.seed, 2) % 3);
        p.length = x->longest ? x->longest : 64;
    }
    return p;
}

/* The plan of the nth run; false: there is none. */
static bool plan_for(struct kci_exploration *x, uint64_t n, struct kci_plan *out)
{
    if (x->strategy != KCI_DFS) {
        *out = drawn(x, n);
        return true;
    }
    *out = (struct kci_plan){ .strategy = KCI_LISTED, .seed = x->seed, .dev = x->dev };
    return n == 0 || kci_dfs_next(x->run, x->preemptions, x->dev, &out->ndev);
}

void kci_explore_once(struct kci_exploration *x, const struct kci_plan *plan)
{
    struct kci_story *story = x->run->story;

    kci_run_prepare(x->run, plan, x->most_steps);
    x->run->story = story;
    x->execute(x);
    if (x->run->nchoices > x->longest)
        x->longest = x->run->nchoices;
}

/* ---- failures ---- */

static void keep(struct kci_exploration *x)
{
    struct kci_run *r = x->run;
    kc_explore_result_t *res = x->result;

    if (res->failures++)
        return;
    res->first = res->schedules;
    x->failure = r->failure;
    x->found = r->plan;
    x->found_hash = (uint32_t)r->hash;
    if (r->plan.strategy == KCI_LISTED) // x->dev is needed for what follows
        memcpy(x->found_dev, r->plan.dev, r->plan.ndev * sizeof *r->plan.dev);
    x->found.dev = x->found_dev;
    snprintf(res->why, sizeof res->why, "%s", r->why);
    if (kci_replay_write(&x->found, x->found_hash, res->replay, sizeof res->replay) < 0)
        res->replay[0] = '\0';
}

static void write_dot(struct kci_story *story)
{
    const char *path = getenv("KCORO_DOT");
    FILE *out = path ? fopen(path, "w") : NULL;

    if (out) {
        kci_story_dot(story, out);
        fclose(out);
    } else if (path) {
        fprintf(stderr, "kcoro: KCORO_DOT='%s': cannot be written\n", path);
    }
}

static void tell(struct kci_exploration *x)
{
    struct kci_run *r = x->run;
    unsigned n = x->found.strategy == KCI_LISTED ? x->found.ndev : 0;

    if (r->failure)
        fprintf(stderr, "kcoro-explore: %s\n", r->why);
    if (n)
        fprintf(stderr, "  %u choice%s not the plain one:\n", n, n == 1 ? " is" : "s are");
    kci_story_print(r->story, stderr);
    if (r->failure == KCI_FAIL_DEADLOCK)
        write_dot(r->story);
}

/* The same plan with its story. */
static void retell(struct kci_exploration *x)
{
    struct kci_story *story = map(sizeof *story, true);

    x->run->story = story;
    kci_explore_once(x, &x->found);
    if (story && !(x->flags & KC_EXPLORE_QUIET))
        tell(x);
    x->run->story = NULL;
    kci_story_destroy(story);
}

static void check_same(const struct kci_exploration *x)
{
    if (x->found_hash && x->found_hash != (uint32_t)x->run->hash &&
        !(x->flags & KC_EXPLORE_QUIET))
        fprintf(stderr,
                "kcoro-explore: the run went another way than the one that was recorded "
                "(%08x, was %08x): another program, other input, or something that the "
                "laboratory does not control\n",
                (unsigned)(uint32_t)x->run->hash, (unsigned)x->found_hash);
}

/* What is there already stays, if it does not fit. */
static void spell(struct kci_exploration *x)
{
    char text[sizeof x->result->replay];

    x->found_hash = (uint32_t)x->run->hash;
    if (kci_replay_write(&x->found, x->found_hash, text, sizeof text) >= 0)
        memcpy(x->result->replay, text, sizeof text);
}

static void explain(struct kci_exploration *x)
{
    if (x->failure == KCI_FAIL_HANG) // each further run would hang as long
        return;
    if (x->failure != KCI_FAIL_CRASH)
        kci_shrink(x);
    retell(x);
    if (x->run->failure == x->failure) {
        snprintf(x->result->why, sizeof x->result->why, "%s", x->run->why);
        spell(x);
    }
}

/* ---- all of them ---- */

static void progress(const struct kci_exploration *x, bool done)
{
    static int64_t next;
    int64_t now = kci_os_now();

    if (x->flags & KC_EXPLORE_QUIET || !isatty(STDERR_FILENO) || (!done && now < next))
        return;
    next = now + KC_MS(200);
    if (done)
        fprintf(stderr, "\r%60s\r", "");
    else
        fprintf(stderr, "\rkcoro-explore: %" PRIu64 " of %" PRIu64 " schedules",
                x->result->schedules, x->schedules);
}

static int replay(struct kci_exploration *x)
{
    kc_explore_result_t *res = x->result;

    retell(x);
    check_same(x);
    res->schedules = 1;
    res->trace_hash = x->run->hash;
    res->failures = res->first = x->run->failure != KCI_FINE;
    snprintf(res->why, sizeof res->why, "%s", x->run->why);
    spell(x);
    return res->failures ? -EFAULT : 0;
}

static void run_all(struct kci_exploration *x)
{
    kc_explore_result_t *res = x->result;
    struct kci_plan plan;

    while (res->schedules < x->schedules) {
        if (!plan_for(x, res->schedules, &plan)) {
            res->exhausted = 1;
            break;
        }
        kci_explore_once(x, &plan);
        res->schedules++;
        res->trace_hash = kci_mix(res->trace_hash, x->run->hash);
        if (x->run->failure)
            keep(x);
        if (res->failures && (x->flags & KC_EXPLORE_FIRST || x->run->failure == KCI_FAIL_HANG))
            break;
        progress(x, false);
    }
    progress(x, true);
}

static void name_unreached(const struct kci_exploration *x)
{
    kc_explore_result_t *res = x->result;

    for (unsigned i = 0; i < x->sites->n; i++) {
        const struct kci_property_site *s = &x->sites->site[i];
        if (s->kind != KCI_SOMETIMES || s->held)
            continue;
        if (!res->why[0])
            snprintf(res->why, sizeof res->why, "%s:%d: kc_sometimes(%s) was never true",
                     s->file, s->line, s->text);
        if (!(x->flags & KC_EXPLORE_QUIET))
            fprintf(stderr, "kcoro-explore: %s:%d: kc_sometimes(%s) was never true\n", s->file,
                    s->line, s->text);
    }
}

int kci_explore(struct kci_exploration *x)
{
    unsigned there, held;

    *x->result = (kc_explore_result_t){ 0 };
    if (x->replays)
        return replay(x);
    run_all(x);
    if (x->result->failures)
        explain(x);
    kci_sites_count(x->sites, &there, &held);
    if (held < there)
        name_unreached(x);
    return x->result->failures || held < there ? -EFAULT : 0;
}

void kci_explore_summary(const struct kci_exploration *x, FILE *out)
{
    const kc_explore_result_t *res = x->result;
    unsigned there, held;

    fprintf(out, "kcoro-explore: %" PRIu64 " schedule%s (%s), %" PRIu64 " failure%s",
            res->schedules, res->schedules == 1 ? "" : "s",
            x->replays ? "replay" : names[x->strategy], res->failures,
            res->failures == 1 ? "" : "s");
    if (res->first && !x->replays)
        fprintf(out, ", first in schedule %" PRIu64, res->first);
    if (res->exhausted)
        fprintf(out, ", exhausted: all schedules with at most %u preemptions", x->preemptions);
    kci_sites_count(x->sites, &there, &held);
    if (there && !x->replays)
        fprintf(out, ", %u/%u sometimes reached", held, there);
    fprintf(out, ", trace %016" PRIx64 ", seed %" PRIu64, res->trace_hash,
            x->replays ? x->found.seed : x->seed);
    if (res->replay[0])
        fprintf(out, ", replay %s", res->replay);
    fputc('\n', out);
}
