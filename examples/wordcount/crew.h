/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * crew.h — worker processes and the private directory with their sockets.
 *
 * All workers have the read end of one pipe, the lifeline, as standard input. Nobody ever
 * writes to it; when the coordinator ends, however it ends, they read the end of the file and
 * end too. The last one then removes what may be left of the directory.
 */
#ifndef WORDCOUNT_CREW_H
#define WORDCOUNT_CREW_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

enum { CREW_DIR = 80, CREW_ADDRESS = CREW_DIR + 20, CREW_MAX = 200 };

struct crew {
    const char *program; /* argv[0], borrowed */
    char dir[CREW_DIR];  /* "" while there is none */
    int lifeline[2];
    unsigned started; /* names of sockets are never used twice */
};

/* Before crew_init; crew_cut and crew_fini may be called. */
#define CREW_NONE ((struct crew){ .lifeline = { -1, -1 } })

/* crew_init — make the directory and the lifeline.
 * Returns 0; negative errno, then nothing is left */
int crew_init(struct crew *c, const char *program);

/* crew_start — start a worker that will listen at `address`.
 * Returns its pid; negative errno */
pid_t crew_start(struct crew *c, char address[CREW_ADDRESS]);

/* crew_cut — the lifeline ends: all workers will. */
void crew_cut(struct crew *c);

/* crew_has_ended — whether the process has ended; it still waits for crew_reap. */
bool crew_has_ended(pid_t pid);

/* crew_reap — wait for the end of a worker; kill it at once, or `gently`: after two seconds.
 * Returns its wait status, or -1 */
int crew_reap(pid_t pid, bool gently);

/* crew_fini — remove the directory, close the lifeline. */
void crew_fini(struct crew *c);

/* crew_sweep — remove the directory of an address of crew_start's; others are not touched. */
void crew_sweep(const char *address);

#endif
