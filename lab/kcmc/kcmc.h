/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * lab/kcmc/kcmc.h — a model checker for code that runs on weak memory.
 *
 * Code compiled with -fsanitize=thread calls a function for every atomic operation, fence and
 * plain access. Here those functions are ours: a model runs its threads as fibers of one
 * thread, again and again, until every order of their atomic operations and every value that a
 * load may read under C11 was tried; within a bound on how often a thread that could go on is
 * preempted.
 *
 *     static _Atomic(int) ready;
 *     static int box;
 *     static void sender(void)   { box = 42; ka_store(&ready, 1, release); }
 *     static void receiver(void) { if (ka_load(&ready, acquire)) kcmc_assert(box == 42); }
 *
 *     static const struct kcmc_model models[] = {
 *         { .name = "what_is_released_is_seen", .thread = { sender, receiver } },
 *     };
 *     KCMC_MAIN(models)
 *
 * Every execution begins with the program's static data as it was when main began.
 */
#ifndef LAB_KCMC_KCMC_H
#define LAB_KCMC_KCMC_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { KCMC_THREADS = 4, KCMC_PREEMPTIONS = 3, KCMC_UNBOUNDED = 1000 };

enum kcmc_verdict {
    KCMC_OK,        /* all executions within the bounds are as they should be */
    KCMC_ASSERT,    /* kcmc_assert */
    KCMC_RACE,      /* two plain accesses, or a plain and an atomic one, not ordered */
    KCMC_FREED,     /* access to memory that kcmc_free took back */
    KCMC_DEADLOCK,  /* nobody can go on: a lost wake-up perhaps */
    KCMC_LIVELOCK,  /* an execution does not end */
    KCMC_TOO_MUCH,  /* more executions, locations … than there is room for */
};

struct kcmc_model {
    const char *name; /* a sentence */
    void (*setup)(void);                /* alone, before the threads; may be NULL */
    void (*thread[KCMC_THREADS])(void); /* up to the first NULL */
    void (*check)(void);                /* alone, after them; may be NULL */
    unsigned preemptions;               /* 0: KCMC_PREEMPTIONS */
    bool large; /* weaken.py leaves it out */
    enum kcmc_verdict expect;
    const char *outcomes; /* what kcmc_outcome was told, ascending: "0 1 11"; NULL: any */
};

struct kcmc_result {
    enum kcmc_verdict verdict;
    uint64_t executions; /* until the fault, or all */
    unsigned steps;      /* of the longest */
    const char *outcomes;
};

/* Try every execution. Prints the story of the first that fails, unless told not to. */
struct kcmc_result kcmc_run(const struct kcmc_model *m, bool quiet);

/*
 * The main function of a program of models: runs all, or those whose names begin with an
 * argument, compares with what each expects, prints a line for each. Returns an exit status.
 *
 * KCMC_REPLAY=<string>: the one execution that a report named, step by step.
 * KCMC_PREEMPTIONS=<n>: another bound, for those who have time.
 * --sites, --weaken: for lab/kcmc/weaken.py, see there.
 */
int kcmc_main(int argc, char **argv, const struct kcmc_model *models, size_t n);
/* All of a program: main. */
#define KCMC_MAIN(models)                                                                      \
    int main(int argc, char **argv)                                                            \
    {                                                                                          \
        return kcmc_main(argc, argv, models, sizeof(models) / sizeof *(models));               \
    }

/* ---- for the code of models ---- */

void kcmc_fail(const char *what, const char *file, int line);
#define kcmc_assert(x) ((x) ? (void)0 : kcmc_fail(#x, __FILE__, __LINE__))

/* Which thread runs: 0 … KCMC_THREADS - 1. */
unsigned kcmc_thread(void);
/* In a loop that waits: go on when what the loop has read may read differently. */
void kcmc_wait(void);
/* Sleep until ready(arg), which looks at memory as it is: not an operation of the model. */
void kcmc_block(bool (*ready)(void *), void *arg);
/* A number below n: each is tried. */
unsigned kcmc_choose(unsigned n);
/* What an execution amounts to; collected over all of them. From check. */
void kcmc_outcome(unsigned value);
/* Memory that is never used twice in one execution. Zeroed. */
void *kcmc_alloc(size_t bytes);
void kcmc_free(void *p);
/* A name for the story. */
void kcmc_name(const volatile void *p, const char *name);

#endif
