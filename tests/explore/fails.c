/* SPDX-License-Identifier: BSD-3-Clause */
/* tests/explore/fails.c WAY — a program that fails in one way, on some schedules or on all. */
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "tests/explore/bugs.h"

static int never_told(void *unused)
{
    (void)unused;
    kc_shield(true); // no cancellation ends it
    (void)!kc_recv(kc_chan(char, 0), NULL);
    return 0;
}

static int crash(void *first)
{
    kc_point();
    if (++*(int *)first == 2)
        abort();
    kc_point();
    --*(int *)first;
    return 0;
}

static int leak(void)
{
    kc_chan_t *ch;
    return kc_chan_make(&ch, 1, 1);
}

static int hang(void)
{
    int fd[2];
    char c;
    return pipe(fd) ? -EIO : (int)kc_read(fd[0], &c, 1, KC_FOREVER);
}

KC_MAIN
{
    const char *way = argc == 2 ? argv[1] : "";
    int n = 0;

    if (!strcmp(way, "deadlock"))
        return bugs_sync[0].program(NULL);
    if (!strcmp(way, "stuck"))
        return never_told(NULL);
    if (!strcmp(way, "crash"))
        return bugs_together((kc_fn[]){ crash, crash }, 2, &n);
    if (!strcmp(way, "leak"))
        return leak();
    if (!strcmp(way, "hang"))
        return hang();
    if (!strcmp(way, "exit"))
        exit(0);
    return strcmp(way, "status") ? 0 : -ERANGE;
}
