/* SPDX-License-Identifier: BSD-3-Clause */
/* lab/explore/replay.c — the format is in replay.h. Writing allocates nothing: it is also done
 * when the program crashed. */
#include "lab/explore/replay.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct text {
    char *at;
    size_t left;
    bool full;
};

/* By hand: a signal handler may not print. */
static void put(struct text *t, const char *s)
{
    size_t n = strlen(s);

    if (t->full || n >= t->left) {
        t->full = true;
        return;
    }
    memcpy(t->at, s, n + 1);
    t->at += n;
    t->left -= n;
}

static void put_number(struct text *t, uint64_t n, unsigned base)
{
    char digits[24], *p = digits + sizeof digits - 1;

    *p = '\0';
    do {
        *--p = "0123456789abcdef"[n % base];
        n /= base;
    } while (n);
    put(t, p);
}

static void put_deviations(struct text *t, const struct kci_plan *p)
{
    for (uint32_t i = 0; i < p->ndev && !t->full; i++) {
        put(t, i ? "," : "x");
        put_number(t, p->dev[i].at, 10);
        put(t, ".");
        put_number(t, p->dev[i].took, 10);
    }
    if (!p->ndev)
        put(t, "x");
}

static void put_plan(struct text *t, const struct kci_plan *p)
{
    switch (p->strategy) {
    case KCI_PCT:
        put(t, "pct=");
        put_number(t, p->depth, 10);
        put(t, ".");
        put_number(t, p->length, 10);
        break;
    case KCI_POS: put(t, "pos"); break;
    case KCI_STICKY:
        put(t, "sticky=");
        put_number(t, p->leave, 10);
        break;
    case KCI_LISTED: put_deviations(t, p); break;
    default: put(t, "random");
    }
}

int kci_replay_write(const struct kci_plan *plan, uint32_t hash, char *out, size_t bytes)
{
    struct text t = { out, bytes, false };

    put(&t, "kc1:");
    put_number(&t, plan->seed, 10);
    put(&t, ":");
    put_plan(&t, plan);
    put(&t, ":");
    put_number(&t, hash, 16);
    return t.full ? -EOVERFLOW : (int)(t.at - out);
}

/* ---- reading ---- */

static bool eat(const char **s, const char *word)
{
    size_t n = strlen(word);

    if (strncmp(*s, word, n) != 0)
        return false;
    *s += n;
    return true;
}

static bool eat_number(const char **s, int base, uint64_t most, uint64_t *out)
{
    char *end;

    // strtoull would take signs and spaces
    if (!strchr(base == 16 ? "0123456789abcdef" : "0123456789", **s) || !**s)
        return false;
    *out = strtoull(*s, &end, base);
    *s = end;
    return *out <= most;
}

static bool eat_unsigned(const char **s, unsigned *out)
{
    uint64_t n;

    if (!eat_number(s, 10, UINT32_MAX, &n))
        return false;
    *out = (unsigned)n;
    return true;
}

static bool eat_deviations(const char **s, struct kci_plan *p, struct kci_deviation *dev,
                           uint32_t most)
{
    unsigned at, took;

    p->strategy = KCI_LISTED;
    p->dev = dev;
    if (**s == ':' || !**s)
        return true;
    do {
        if (p->ndev == most || !eat_unsigned(s, &at) || !eat(s, ".") || !eat_unsigned(s, &took))
            return false;
        if (!took || (p->ndev && at <= dev[p->ndev - 1].at))
            return false;
        dev[p->ndev++] = (struct kci_deviation){ at, took };
    } while (eat(s, ","));
    return true;
}

static bool eat_plan(const char **s, struct kci_plan *p, struct kci_deviation *dev,
                     uint32_t most)
{
    if (eat(s, "x"))
        return eat_deviations(s, p, dev, most);
    if (eat(s, "random")) {
        p->strategy = KCI_RANDOM;
        return true;
    }
    if (eat(s, "pos")) {
        p->strategy = KCI_POS;
        return true;
    }
    if (eat(s, "sticky=")) {
        p->strategy = KCI_STICKY;
        return eat_unsigned(s, &p->leave);
    }
    p->strategy = KCI_PCT;
    return eat(s, "pct=") && eat_unsigned(s, &p->depth) && eat(s, ".") &&
           eat_unsigned(s, &p->length);
}

int kci_replay_read(const char *text, struct kci_plan *out, uint32_t *hash,
                    struct kci_deviation *dev, uint32_t most)
{
    const char *s = text;
    uint64_t h = 0;

    *out = (struct kci_plan){ 0 };
    if (!eat(&s, "kc1:") || !eat_number(&s, 10, UINT64_MAX, &out->seed) || !eat(&s, ":") ||
        !eat_plan(&s, out, dev, most))
        return -EINVAL;
    if (eat(&s, ":") && !eat_number(&s, 16, UINT32_MAX, &h))
        return -EINVAL;
    *hash = (uint32_t)h;
    return *s ? -EINVAL : 0;
}

uint32_t kci_deviations(const struct kci_run *r, struct kci_deviation *out)
{
    uint32_t n = 0;

    for (uint32_t i = 0; i < r->nchoices; i++)
        if (r->taken[i].took)
            out[n++] = (struct kci_deviation){ i, r->taken[i].took };
    return n;
}
