/* SPDX-License-Identifier: BSD-3-Clause */
/* coord.h — the coordinator: workers, chunks and counts brought together. */
#ifndef WORDCOUNT_COORD_H
#define WORDCOUNT_COORD_H

#include "files.h"
#include "show.h"

/*
 * coord_run — count the words of all files with `workers` worker processes of `program`.
 *
 * Files that cannot be read are named on standard error and counted in out->unreadable; workers
 * that are lost cost time, never words.
 *
 * Returns  0 and the answer, which the caller gives back with coord_free; negative errno
 */
int coord_run(const struct files *files, int workers, const char *program, struct answer *out);
void coord_free(struct answer *a);

#endif
