/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * lab/kcmc/state.h — what the checker knows; one object, outside the program's static data,
 * which is put back before every execution.
 *
 * memory.c  who may read what, and who raced       search.c  which execution comes next
 * hooks.c   what compilers call                    report.c  the story of a failure
 */
#ifndef LAB_KCMC_STATE_H
#define LAB_KCMC_STATE_H

#include "lab/kcmc/kcmc.h"

enum {
    LOCS = 96,          /* atomic objects of one execution */
    MESSAGES = 3000,    /* stores to them */
    GRANULES = 1 << 13, /* words with a plain or atomic access */
    STEPS = 1500,       /* operations: beyond it, it does not end */
    CHOICES = 4000,
    NAMES = 64,
    OUTCOMES = 64,
    READS = 8, /* locations that one waiting loop reads */
    SITES = 1024,
    WEAK = 256,
    STACK_BYTES = 64 * 1024,
    ARENA_BYTES = 64 * 1024,
};

/*
 * What a thread knows: for each location the oldest message that it may still read, for each
 * thread the last of its plain accesses that are ordered before.
 */
struct view {
    uint16_t at[LOCS];
    uint16_t clock[KCMC_THREADS];
};

/* A store to an atomic object, and what whoever acquires it learns. */
struct message {
    uint64_t value;
    uint16_t prev; /* of this location; they are numbered from 0 */
    uint16_t index;
    struct view view;
};

struct loc {
    uintptr_t addr;
    unsigned size;
    uint16_t last;  /* message */
    uint16_t floor; /* older ones are gone: a plain write started anew */
    bool stale;     /* there was a plain write since */
    uint16_t reads[KCMC_THREADS], writes[KCMC_THREADS]; /* clocks, against plain accesses */
};

struct byte {
    uint8_t writer;
    bool freed;
    uint16_t write; /* the writer's clock; 0: never */
    uint16_t read[KCMC_THREADS];
};

/* Eight bytes of memory. */
struct granule {
    uintptr_t key;
    unsigned era; /* of another execution: empty */
    uint8_t loc[8]; /* 1 + the location that begins there; 0: none */
    struct byte byte[8];
};

struct read {
    uint16_t loc, index;
};

struct thread {
    void *sp;
    bool ended;
    struct view cur; /* what it must not read below */
    struct view acq; /* what an acquire fence would add */
    struct view rel; /* as of its last release fence */
    bool waiting;    /* kcmc_wait */
    bool (*ready)(void *); /* kcmc_block */
    void *ready_arg;
    struct read reads[READS]; /* since it last waited, the newest of each location */
    struct read before[READS]; /* when it last waited */
    unsigned nreads, nbefore;
};

/* One line of the story. */
struct step {
    uint8_t thread;
    const char *what;
    uintptr_t addr;
    uint64_t value;
    uint16_t late; /* a load: so many stores behind the newest */
    int order;
    void *site;
};

struct choice {
    uint16_t at, of;
};

/* An atomic operation of the code. */
struct site {
    void *addr;
    const char *what;
    int order, fail;
};

/* An experiment: this site uses a weaker order. */
struct weak {
    void *site;
    int order;
    bool is_fail; /* that of a failing compare-exchange */
};

struct state {
    const struct kcmc_model *model;
    enum kcmc_verdict verdict;
    bool running; /* a thread of the model is, as opposed to setup or check */
    bool telling; /* record steps */
    bool quiet;
    void *main_sp;

    unsigned threads, self, era;
    unsigned preemptions, bound;
    struct thread thread[KCMC_THREADS];
    struct view sc; /* what sequentially consistent operations agree on */

    struct loc loc[LOCS];
    unsigned nlocs;
    struct message message[MESSAGES];
    unsigned nmessages;
    struct granule granule[GRANULES];

    struct choice choice[CHOICES];
    unsigned nchoices, depth; /* depth: how many this execution has made */
    unsigned nsteps, longest;
    uint64_t executions;

    struct step step[STEPS + 1];
    unsigned told;
    char fault[256];
    void *fault_site[2];

    struct { uintptr_t addr; const char *name; } name[NAMES];
    unsigned nnames;
    unsigned outcome[OUTCOMES], noutcomes;
    char outcomes[OUTCOMES * 6];

    struct site site[SITES];
    unsigned nsites;
    bool collecting; /* them */
    struct weak weak[WEAK];
    unsigned nweak;

    size_t arena_used;
    _Alignas(64) unsigned char arena[ARENA_BYTES];
    _Alignas(64) unsigned char stack[KCMC_THREADS][STACK_BYTES];
};

extern struct state *kcmc_state;
#define K kcmc_state

/* ---- memory.c; value in and out are those of an object of `size` bytes ---- */

void kcmc_memory_reset(void);
uint64_t kcmc_load(uintptr_t addr, unsigned size, int order, void *site);
/* A relaxed load of the newest; no step of its own. */
uint64_t kcmc_look(uintptr_t addr, unsigned size, void *site);
void kcmc_store(uintptr_t addr, unsigned size, uint64_t value, int order, void *site);
/* Atomically make it next(old, arg); returns old. */
typedef uint64_t kcmc_next(uint64_t old, uint64_t arg);
uint64_t kcmc_rmw(uintptr_t addr, unsigned size, kcmc_next *next, uint64_t arg, int order,
                  void *site);
/* True: it was *expected and is `value`; else it is told what was read. */
bool kcmc_cas(uintptr_t addr, unsigned size, uint64_t *expected, uint64_t value,
              const int order[2], void *site);
void kcmc_fence(int order, void *site);
void kcmc_plain(uintptr_t addr, size_t size, bool write, void *site);
/* Is there a message of a location that thread t may read and has not, with another value? */
bool kcmc_is_news(const struct thread *t, unsigned loc);
/* The thread waits for one location: what it reads there next is newer. */
void kcmc_step_on(struct thread *t, unsigned loc);

/* ---- search.c ---- */

/* Before an atomic operation: who goes on? */
void kcmc_point(void);
/* This execution shows a fault. Does not return while a thread runs. */
void kcmc_fault(enum kcmc_verdict v, void *site, const char *fmt, ...)
    __attribute__((format(printf, 3, 4)));
/* The order to use at a site. */
int kcmc_order(void *site, const char *what, int order, int fail, bool is_fail);
/* Once; remembers the program's static data. */
void kcmc_init(void);
/* The one execution that `choices` names, told step by step. */
void kcmc_replay(const struct kcmc_model *m, const char *choices);

/* ---- report.c ---- */

void kcmc_tell(const char *what, uintptr_t addr, uint64_t value, unsigned late, int order,
               void *site);
void kcmc_story(void);
const char *kcmc_verdict_name(enum kcmc_verdict v);

#endif
