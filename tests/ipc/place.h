/* SPDX-License-Identifier: BSD-3-Clause */
/* tests/ipc/place.h — what only tests of Unix sockets need. */
#ifndef TESTS_IPC_PLACE_H
#define TESTS_IPC_PLACE_H

#include <stddef.h>

/* A directory for sockets, removed by rmdir (so it must be empty then). */
void make_dir(char *dir, size_t n);

#endif
