/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * files.h — which files to count, in which order.
 *
 * A named file is taken as it is, a pipe or a device too. A named directory is walked, its
 * entries in byte order of their names:
 *   regular files           taken
 *   directories             walked
 *   links to regular files  taken, under the name of the link (so the file may count twice)
 *   everything else         skipped: links to directories (they may lead in circles) and to
 *                           nothing, pipes (they may never end), devices, sockets
 */
#ifndef WORDCOUNT_FILES_H
#define WORDCOUNT_FILES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct file {
    char *path;
    uint64_t size; /* as the file system told; what is read counts */
};

/* A name that could not be looked at. */
struct bad_name {
    char *path;
    int error;
};

/* What to leave out of directories: lists that end with NULL, or NULL for none. */
struct leave_out {
    const char *const *names; /* directly below the directory that was named */
    const char *const *ends;  /* of names, everywhere */
};

/* Zeroed: empty. */
struct files {
    struct file *list;
    size_t count;
    size_t room;
    uint64_t bytes; /* sum of the sizes */
    struct bad_name *bad;
    size_t bad_count;
    size_t bad_room;
};

/*
 * files_add — append a file, or what is in a directory and below. `out` may be NULL.
 *
 * Returns  0, also if something could not be read (see bad); -ENOMEM
 */
int files_add(struct files *f, const char *path, const struct leave_out *out);
void files_fini(struct files *f);

#endif
