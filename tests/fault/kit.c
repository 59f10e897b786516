/* SPDX-License-Identifier: BSD-3-Clause */
/* tests/fault/kit.c — see kit.h. */
#include "tests/fault/kit.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "arch/fiber_notes.h"
#include "core/fault.h"
#include "core/mem.h"

enum { MOST = 5000, DESCRIPTORS = 128, KEPT = 12 };

struct attempt {
    const struct kf_part *part;
    struct kci_fault_plan plan;
    int rc, again;
    uint64_t made;
};

kc_deadline_t kf_patience(void)
{
    return ka_load(&kci_fault_ask, acquire) ? kc_in(KC_MS(20)) : KC_FOREVER; // E-FAULT in
}

/* ---- what must be as before ---- */

int kf_descriptors(void)
{
    int n = 0;

    for (int fd = 0; fd < DESCRIPTORS; fd++)
        n += fcntl(fd, F_GETFD) >= 0;
    return n;
}

int kf_mappings(void)
{
    static char text[1 << 16];
    int fd = open("/proc/self/maps", O_RDONLY), lines = 0;
    ssize_t n;

    while (fd >= 0 && (n = read(fd, text, sizeof text)) > 0)
        for (ssize_t i = 0; i < n; i++)
            lines += text[i] == '\n';
    if (fd >= 0)
        close(fd);
    return lines;
}

/* ---- one attempt ---- */

/* In a scope of its own, which tells what cancelled it. */
static int in_scope(const struct kf_part *part)
{
    kc_scope_t s;
    int rc = kc_scope_open(&s, NULL);

    if (rc)
        return rc;
    rc = part->fn();
    int closed = kc_scope_close(&s);
    return rc == 0 || rc == -ECANCELED ? (closed ? closed : rc) : rc;
}

static int run_part(const struct kf_part *part)
{
    return part->flags & KF_THREAD ? part->fn() : in_scope(part);
}

static int attempt(void *arg)
{
    struct attempt *t = arg;

    kci_fault_install(&t->plan, 1);
    t->rc = run_part(t->part);
    t->made = kci_fault_made();
    kci_fault_install(NULL, 0);
    t->again = t->rc ? run_part(t->part) : 0;
    return 0;
}

static int run_attempt(struct attempt *t)
{
    const unsigned always = KC_RT_DETERMINISTIC | KC_RT_DEADLOCK_CHECK;
    unsigned clock = t->part->flags & KF_REAL ? 0 : KC_RT_VIRTUAL_TIME;

    if (t->part->flags & KF_THREAD)
        return attempt(t);
    return kc_run(attempt, t, &(kc_opts_t){ .flags = always | clock, .seed = 1 });
}

static bool allowed(const struct kf_part *part, int rc, int made)
{
    if (rc == 0 || rc == made)
        return true;
    for (size_t i = 0; i < KF_COUNT(part->also) && part->also[i]; i++)
        if (rc == part->also[i])
            return true;
    return false;
}

/* Mappings now, less those that the C library may keep. */
static int mappings_of(const struct kf_part *part)
{
    return KCI_NOTES ? 0 : kf_mappings() - (part->flags & KF_STARTS ? KEPT : 0);
}

static int before; /* mappings, after the warm-up */

/* One run with the plan of `text`; returns how many faults were made. */
static uint64_t try_plan(const struct kf_part *part, const char *text, int code)
{
    struct attempt t = { .part = part };
    const char *wrong = kci_fault_parse(text, &t.plan);
    int fds = kf_descriptors();

    if (getenv("KF_TRACE")) // for one that hangs
        fprintf(stderr, "%s with %s\n", part->names, text);
    if (wrong)
        ck_abort_msg("%s: expected %s", text, wrong);
    int rc = run_attempt(&t);
    int more_fds = kf_descriptors() - fds, more_maps = mappings_of(part) - before;
    if (rc || !allowed(part, t.rc, code) || t.again)
        ck_abort_msg("%s with %s: said %d (run %d), then without faults %d", part->names, text,
                     t.rc, rc, t.again);
    if (kci_mem_blocks_in_use() || more_fds || more_maps > 0)
        ck_abort_msg("%s with %s: said %d, left %d blocks, %d descriptors, %d mappings",
                     part->names, text, t.rc, (int)kci_mem_blocks_in_use(), more_fds, more_maps);
    return t.made;
}

/* ---- loops ---- */

/* Every call of `what`: alone, and with all behind it. Returns how many there were. */
static int loop(const struct kf_part *part, const char *what, int code)
{
    static const char *const modes[] = { "nth", "from" };
    char text[80];
    int n = 1;

    for (size_t mode = 0; mode < KF_COUNT(modes); mode++) {
        uint64_t made = 1;
        for (n = 1; made; n++) {
            if (n > MOST)
                ck_abort_msg("%s: no end of %s", part->names, what);
            snprintf(text, sizeof text, "%s:%s=%d", what, modes[mode], n);
            made = try_plan(part, text, code);
        }
    }
    return n - 2;
}

void kf_try_memory(const struct kf_part *part)
{
    int calls = loop(part, "malloc", -ENOMEM);

    calls += loop(part, "map", -ENOMEM);
    calls += loop(part, "thread", -EAGAIN);
    (void)loop(part, "guard", 0);
    if (!calls && !(part->flags & KF_CALLS))
        ck_abort_msg("%s: nothing in it can fail", part->names);
}

/* A system call, and what it may say. */
static const struct {
    const char *what;
    int code;
} calls[] = {
    { "sys.read:EINTR", 0 },
    { "sys.read:EAGAIN", 0 },
    { "sys.read:EIO", -EIO },
    { "sys.read:ECONNRESET", -ECONNRESET },
    { "sys.read:short", 0 },
    { "sys.write:EINTR", 0 },
    { "sys.write:EAGAIN", 0 },
    { "sys.write:EIO", -EIO },
    { "sys.write:EPIPE", -EPIPE },
    { "sys.write:ENOBUFS", -ENOBUFS },
    { "sys.write:short", 0 },
    { "sys.accept:EINTR", 0 },
    { "sys.accept:EAGAIN", 0 },
    { "sys.accept:ECONNABORTED", 0 },
    { "sys.accept:EMFILE", -EMFILE },
    { "sys.accept:ENOMEM", -ENOMEM },
    { "sys.connect:EINTR", 0 },
    { "sys.connect:EAGAIN", 0 },
    { "sys.connect:ECONNREFUSED", -ECONNREFUSED },
    { "sys.socket:EMFILE", -EMFILE },
    { "sys.socket:ENOBUFS", -ENOBUFS },
    { "sys.bind:EACCES", -EACCES },
    { "sys.bind:EADDRINUSE", -EADDRINUSE },
    { "sys.listen:EADDRINUSE", -EADDRINUSE },
    { "sys.open:EINTR", 0 },
    { "sys.open:EMFILE", -EMFILE },
    { "sys.open:EACCES", -EACCES },
    { "sys.close:EINTR", 0 },
    { "sys.close:EIO", -EIO },
    { "sys.fcntl:EBADF", -EBADF },
    { "sys.stat:ENOMEM", -ENOMEM },
    { "sys.stat:EACCES", -EACCES },
    { "sys.unlink:EACCES", -EACCES },
    { "sys.chmod:EPERM", -EPERM },
    { "sys.getsockopt:ENOBUFS", -ENOBUFS },
    { "sys.poll:EINTR", 0 },
    { "sys.poll:ENOMEM", -ENOMEM },
    { "sys.epoll_create:EMFILE", -EMFILE },
    { "sys.epoll_create:ENOMEM", -ENOMEM },
    { "sys.epoll_ctl:ENOMEM", -ENOMEM },
    { "sys.epoll_ctl:ENOSPC", -ENOSPC },
    { "sys.epoll_wait:EINTR", 0 },
    { "sys.eventfd:ENFILE", -ENFILE },
    { "sys.timerfd:EMFILE", -EMFILE },
    { "fd", -EMFILE },
};

void kf_try_calls(const struct kf_part *part)
{
    int sum = 0;

    for (size_t i = 0; i < KF_COUNT(calls); i++)
        sum += loop(part, calls[i].what, calls[i].code);
    if (!sum)
        ck_abort_msg("%s: makes no system call", part->names);
}

/* What only the first run leaves is the C library's: its heap, stacks of threads it keeps. */
static void warm_up(const struct kf_part *part)
{
    struct attempt t = { .part = part };

    for (int i = 0; i < 2; i++)
        if (run_attempt(&t) || t.rc)
            ck_abort_msg("%s: said %d without faults", part->names, t.rc);
    before = KCI_NOTES ? 0 : kf_mappings();
}

void kf_try(const struct kf_part *parts, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        warm_up(&parts[i]);
        kf_try_memory(&parts[i]);
        if (parts[i].flags & KF_CALLS)
            kf_try_calls(&parts[i]);
    }
}
