/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * core/fault_text.c — reads KCORO_FAULT: rule{,rule}, where
 *
 *   rule  what{:detail}     what    malloc map guard thread fd sys.NAME sys.*
 *                           detail  nth=N from=N p=P ERROR short
 */
#include <errno.h>
#include <string.h>

#include "core/fault.h"

#define BIT(site) ((uint32_t)1 << KCI_FAULT_##site)
#define SYS (BIT(SITES) - BIT(READ))
#define FDS                                                                                    \
    (BIT(SOCKET) | BIT(ACCEPT) | BIT(OPEN) | BIT(EPOLL_CREATE) | BIT(EVENTFD) | BIT(TIMERFD))

static const struct {
    const char *name;
    uint32_t sites;
    int answer; /* unless another is asked for; 0: it must be */
} whats[] = {
    { "malloc", BIT(MALLOC), -ENOMEM },
    { "map", BIT(MAP), -ENOMEM },
    { "guard", BIT(GUARD), -ENOMEM },
    { "thread", BIT(THREAD), -EAGAIN },
    { "fd", FDS, -EMFILE },
    { "sys.*", SYS, 0 },
    { "sys.read", BIT(READ), 0 },
    { "sys.write", BIT(WRITE), 0 },
    { "sys.accept", BIT(ACCEPT), 0 },
    { "sys.connect", BIT(CONNECT), 0 },
    { "sys.socket", BIT(SOCKET), 0 },
    { "sys.bind", BIT(BIND), 0 },
    { "sys.listen", BIT(LISTEN), 0 },
    { "sys.open", BIT(OPEN), 0 },
    { "sys.close", BIT(CLOSE), 0 },
    { "sys.fcntl", BIT(FCNTL), 0 },
    { "sys.stat", BIT(STAT), 0 },
    { "sys.unlink", BIT(UNLINK), 0 },
    { "sys.chmod", BIT(CHMOD), 0 },
    { "sys.getsockopt", BIT(GETSOCKOPT), 0 },
    { "sys.poll", BIT(POLL), 0 },
    { "sys.epoll_create", BIT(EPOLL_CREATE), 0 },
    { "sys.epoll_ctl", BIT(EPOLL_CTL), 0 },
    { "sys.epoll_wait", BIT(EPOLL_WAIT), 0 },
    { "sys.eventfd", BIT(EVENTFD), 0 },
    { "sys.timerfd", BIT(TIMERFD), 0 },
};

#define BYTES (BIT(READ) | BIT(WRITE))
#define FILES (BIT(OPEN) | BIT(STAT) | BIT(UNLINK) | BIT(CHMOD))

/* An error, and the calls that may say so: with sys.* it stays away from the others. */
static const struct {
    const char *name;
    int code;
    uint32_t sites;
} errors[] = {
    { "EACCES", EACCES, FILES | BIT(BIND) | BIT(CONNECT) },
    { "EADDRINUSE", EADDRINUSE, BIT(BIND) | BIT(LISTEN) },
    { "EAGAIN", EAGAIN, BYTES | BIT(ACCEPT) | BIT(CONNECT) },
    { "EBADF", EBADF, SYS },
    { "ECONNABORTED", ECONNABORTED, BIT(ACCEPT) },
    { "ECONNREFUSED", ECONNREFUSED, BIT(CONNECT) },
    { "ECONNRESET", ECONNRESET, BYTES | BIT(CONNECT) },
    { "EINTR", EINTR, BYTES | BIT(ACCEPT) | BIT(CONNECT) | BIT(OPEN) | BIT(CLOSE) | BIT(POLL) |
                          BIT(EPOLL_WAIT) },
    { "EINVAL", EINVAL, SYS },
    { "EIO", EIO, BYTES | FILES | BIT(CLOSE) },
    { "EMFILE", EMFILE, FDS },
    { "ENFILE", ENFILE, FDS },
    { "ENOBUFS", ENOBUFS, BYTES | BIT(ACCEPT) | BIT(SOCKET) | BIT(CONNECT) },
    { "ENOENT", ENOENT, FILES | BIT(BIND) | BIT(CONNECT) },
    { "ENOMEM", ENOMEM, BYTES | FDS | BIT(EPOLL_CTL) | BIT(POLL) | BIT(STAT) | BIT(UNLINK) },
    { "ENOSPC", ENOSPC, BIT(WRITE) | BIT(OPEN) | BIT(EPOLL_CTL) },
    { "EPERM", EPERM, SYS },
    { "EPIPE", EPIPE, BIT(WRITE) },
    { "EPROTO", EPROTO, BIT(ACCEPT) },
    { "ETIMEDOUT", ETIMEDOUT, BYTES | BIT(CONNECT) },
};
#define COUNT(a) (sizeof(a) / sizeof *(a))

static const char no_what[] = "malloc, map, guard, thread, fd, sys.* or sys.CALL, as in "
                              "malloc:nth=17,sys.read:EINTR:p=.05";
static const char no_detail[] = "nth=N, from=N, p=P, short or an error like EINTR behind :";
static const char no_number[] = "a whole number from 1 behind nth= and from=";
static const char no_chance[] = "a number from 0 to 1 like .05 behind p=";
static const char no_answer[] = "an error like EINTR, or short, with each system call";
static const char no_short[] = "short with sys.read, sys.write or sys.* only";
static const char only_one_way[] = "no error with malloc, map, guard and thread";
static const char too_many[] = "at most 8 rules";

/* A word of the text: [at, at + n). */
struct word {
    const char *at;
    size_t n;
};

static bool is(struct word w, const char *name)
{
    return strlen(name) == w.n && !memcmp(name, w.at, w.n);
}

/* Does the word begin with `key`? Then *value is the rest of it. */
static bool begins(struct word w, const char *key, struct word *value)
{
    size_t n = strlen(key);

    if (w.n < n || memcmp(key, w.at, n))
        return false;
    *value = (struct word){ w.at + n, w.n - n };
    return true;
}

static bool number(struct word w, uint64_t *out)
{
    uint64_t n = 0;

    for (size_t i = 0; i < w.n; i++) {
        if (w.at[i] < '0' || w.at[i] > '9' || n > UINT64_MAX / 10 - 1)
            return false;
        n = n * 10 + (uint64_t)(w.at[i] - '0');
    }
    *out = n;
    return n > 0;
}

/* Not strtod: its decimal point depends on the locale. */
static bool chance(struct word w, uint32_t *out)
{
    uint64_t sum = 0, digits = 0;
    bool fraction = false;
    uint32_t unit = KCI_FAULT_ALWAYS;

    for (size_t i = 0; i < w.n; i++) {
        if (w.at[i] == '.' && !fraction) {
            fraction = true;
            continue;
        }
        if (w.at[i] < '0' || w.at[i] > '9' || sum > KCI_FAULT_ALWAYS)
            return false;
        uint32_t digit = (uint32_t)(w.at[i] - '0');
        unit = fraction ? unit / 10 : unit;
        sum = fraction ? sum + (uint64_t)digit * unit
                       : sum * 10 + (uint64_t)digit * KCI_FAULT_ALWAYS;
        digits++;
    }
    *out = (uint32_t)sum;
    return digits && sum <= KCI_FAULT_ALWAYS;
}

static const char *read_answer(struct word w, struct kci_fault_rule *r)
{
    if (is(w, "short")) {
        r->answer = KCI_FAULT_SHORT;
        r->sites &= BYTES;
        return r->sites ? NULL : no_short;
    }
    for (size_t i = 0; i < COUNT(errors); i++)
        if (is(w, errors[i].name)) {
            r->answer = -errors[i].code;
            r->sites &= r->sites == SYS ? errors[i].sites : SYS;
            return r->sites ? NULL : only_one_way;
        }
    return no_detail;
}

static const char *read_detail(struct word w, struct kci_fault_rule *r)
{
    struct word value;

    if (begins(w, "nth=", &value) || begins(w, "from=", &value)) {
        if (!number(value, &r->from))
            return no_number;
        r->to = *w.at == 'n' ? r->from : UINT64_MAX;
        return NULL;
    }
    if (begins(w, "p=", &value))
        return chance(value, &r->chance) ? NULL : no_chance;
    return read_answer(w, r);
}

static const char *read_what(struct word w, struct kci_fault_rule *r)
{
    for (size_t i = 0; i < COUNT(whats); i++)
        if (is(w, whats[i].name)) {
            r->sites = whats[i].sites;
            r->answer = whats[i].answer;
            return NULL;
        }
    return no_what;
}

static const char *read_rule(struct word rule, struct kci_fault_rule *r)
{
    const char *end = rule.at + rule.n, *at = rule.at, *wrong = NULL;

    *r = (struct kci_fault_rule){ .from = 1, .to = UINT64_MAX, .chance = KCI_FAULT_ALWAYS };
    for (bool first = true; !wrong && at <= end; first = false) {
        struct word w = { at, strcspn(at, ":,") };
        wrong = first ? read_what(w, r) : read_detail(w, r);
        at += w.n + 1;
    }
    return wrong || r->answer ? wrong : no_answer;
}

const char *kci_fault_parse(const char *text, struct kci_fault_plan *out)
{
    const char *wrong = NULL;

    out->rules = 0;
    for (const char *at = text; !wrong; at += strcspn(at, ",") + 1) {
        struct word rule = { at, strcspn(at, ",") };
        if (out->rules == KCI_FAULT_RULES)
            return too_many;
        wrong = read_rule(rule, &out->rule[out->rules++]);
        if (!at[rule.n])
            break;
    }
    return wrong;
}
