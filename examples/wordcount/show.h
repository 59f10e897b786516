/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * show.h — all that is printed: notes and progress to standard error, the answer to standard
 * output.
 */
#ifndef WORDCOUNT_SHOW_H
#define WORDCOUNT_SHOW_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "tally.h"

/* What one worker did; the last one is the coordinator itself. */
struct share {
    uint64_t chunks;
    uint64_t bytes;
    uint32_t coroutines; /* started, in all processes that were this worker */
};

struct answer {
    struct tally tally;
    struct share *shares; /* workers + 1 */
    int workers;
    uint64_t chunks;
    uint64_t coroutines; /* started in the coordinator */
    uint64_t unreadable;
    uint64_t lost; /* workers that had to be replaced or done without */
    int64_t elapsed_ns;
};

struct progress {
    uint64_t done; /* bytes */
    uint64_t total;
    uint64_t unread; /* bytes of files that could not be read: nothing to wait for */
    int workers;
    int64_t elapsed_ns;
};

/* show_setup — look at the terminal, once, before anything else. */
void show_setup(void);

/* show_note — one line for the user: "wordcount: …". The progress bar makes room for it. */
void show_note(const char *format, ...) __attribute__((format(printf, 1, 2)));

/* show_bad — the note that a file could not be read. */
void show_bad(const char *path, int error);

/* show_progress — draw the bar if there is a terminal; show_progress_end — wipe it out. */
void show_progress(const struct progress *p);
void show_progress_end(void);

/* show_report, show_json — print the answer. Returns 0; -ENOMEM; an error of the output. */
int show_report(const struct answer *a, size_t top);
int show_json(const struct answer *a, size_t top);

#endif
