/* SPDX-License-Identifier: BSD-3-Clause */
/* bench/machine.h — where the numbers come from, and who else used it. Linux. */
#ifndef BENCH_MACHINE_H
#define BENCH_MACHINE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct machine {
    char cpu[128];
    long cores;
    char kernel[128];
    char compiler[128];
    char date[32]; /* UTC, ISO 8601 */
};
void machine_describe(struct machine *m);

/* Keep the calling thread, and what it starts, on the last of the CPUs this process was given;
 * or on all of them again. */
void machine_pin(bool pinned);
/* Keep it on the first of them. */
void machine_pin_first(void);
/* Their numbers; -1: not known. */
int machine_first_cpu(void);
int machine_last_cpu(void);

/* Resident memory of this process, in bytes, page tables not counted. 0: not known. */
size_t machine_resident(void);
/* Memory that can be had without swapping, in bytes. 0: not known. */
size_t machine_available(void);
/* CPU time that this process has used, in nanoseconds. */
int64_t machine_cpu_ns(void);
/* CPU time that others have used so far, all CPUs together, in nanoseconds. Stolen counts. */
int64_t machine_foreign_ns(void);

#endif
