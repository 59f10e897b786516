/* SPDX-License-Identifier: BSD-3-Clause */
/* bench/ipc.h — the other process: kcoro-bench started again as a server. */
#ifndef BENCH_IPC_H
#define BENCH_IPC_H

#include <sys/types.h>

#include "bench/harness.h"

/* kcoro-bench --serve KIND ADDRESS BYTES: what a server process is started with. */
#define SERVE_OPTION "--serve"
int serve_main(int argc, char **argv);

/* Two processes, one CPU each, or both on one. */
enum { TWO_CPUS = 0, ONE_CPU = 1 };
/* Start a server; then keep the caller on its own CPU. 0 and *pid, or negative. */
int server_start(pid_t *pid, const char *kind, const char *address, size_t bytes, bool one_cpu);
/* Wait for its end. 0, or negative if it failed. */
int server_end(pid_t pid);

/* What both sides agree on. A message begins with a number. */
enum { ECHO_BYTES = 64, IN_FLIGHT_MOST = 256, LARGEST = 64 << 10 };

/* Blocking; 0 or negative. */
int write_all(int fd, const void *data, size_t n);
/* > 0: bytes; 0: the end; negative: failed. */
ssize_t read_some(int fd, void *data, size_t n);

/* Row fields, packed into .n. */
#define ECHO_N(in_flight, one_cpu) (2L * (in_flight) + (one_cpu))
int raw_echo(struct trial *t);
int raw_stream(struct trial *t);

#endif
