/* SPDX-License-Identifier: BSD-3-Clause */
/* tests/ipc/place.c — the rig's place: a Unix socket in a directory of its own. See kit.h. */
#include "tests/ipc/place.h"

#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "tests/ipc/kit.h"

void make_dir(char *dir, size_t n)
{
    snprintf(dir, n, "/tmp/kcoro-ipc-XXXXXX");
    ck_assert_ptr_nonnull(mkdtemp(dir));
}

void place_prepare(struct rig *r, kc_opts_t *opts)
{
    (void)opts;
    make_dir(r->dir, sizeof r->dir);
    snprintf(r->addr, sizeof r->addr, "unix:%s/s", r->dir);
}

bool place_skips(int variant)
{
    (void)variant;
    return false;
}

void place_enter(struct rig *r, int variant)
{
    (void)r;
    (void)variant;
}

void place_leave(struct rig *r)
{
    ck_assert_msg(rmdir(r->dir) == 0, "%s is not empty", r->dir);
}

void let_run(void)
{
    kc_yield();
    sched_yield();
}
