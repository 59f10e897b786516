/* SPDX-License-Identifier: BSD-3-Clause */
/* What program 4 leaves to its reader: the job, the result, the work. */
#ifndef P4_READER_H
#define P4_READER_H

#include <errno.h>
#include <stdbool.h>

struct job {
    int id;
};
struct res {
    int id;
    int val;
};

static bool work_fails;

static int work(const struct job *j, struct res *r)
{
    if (work_fails)
        return -EDOM;
    r->id = j->id;
    r->val = j->id * j->id;
    return 0;
}

#endif
