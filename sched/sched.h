/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * sched/sched.h — coroutine, worker, runtime: the three objects of scheduling, and what the
 * layers above may call.
 *
 * Fields say who writes them. "owner" is the worker a coroutine runs on or the worker itself;
 * "self" is the coroutine.
 */
#ifndef SCHED_SCHED_H
#define SCHED_SCHED_H

#include <kcoro/co.h>
#include <kcoro/metrics.h>
#include <kcoro/runtime.h>
#include <pthread.h>

#include "arch/os.h"
#include "core/coro.h"
#include "core/env.h"
#include "core/stack.h"
#include "sched/locals.h"
#include "sched/poller.h"
#include "sched/pool.h"
#include "sched/runq.h"
#include "sched/scope.h"
#include "sched/timer.h"
#include "sched/wait.h"

enum { KCI_BUDGET = 256, KCI_LIFO_RUNS = 16, KCI_TICK = 61, KCI_WORKERS_MOST = 1024 };

struct kci_deferred {
    struct kci_deferred *next;
    void (*fn)(void *);
    void *arg;
};

/* Lives at the top of its own stack; freed with it when the last reference goes. */
struct kc_co {
    struct kci_coro coro;     /* valid while suspended */
    struct kc_co *next;       /* the queue it stands in */
    kc_fn fn;                 /* fixed */
    void *arg;                /* fixed */
    struct kc_rt *rt;         /* fixed */
    struct kci_ticket tk;
    struct kci_timer timer;   /* self: deadline of the current wait */
    struct kci_scope *scope;  /* self: innermost open scope, its ambient token */
    struct kci_scope *home;   /* fixed: the scope it was spawned in */
    struct kci_member member; /* of scope's token */
    struct kci_entered *entered; /* self: tokens observed beside it, the newest first */
    bool told;                /* self: that it was cancelled, once at least */
    int budget;               /* self */
    int quota;                /* fixed: what budget begins with */
    struct kci_worker *pin;   /* self: the only worker that may run it; NULL: any */
    unsigned pins;            /* self: nesting of kc_pin */
    struct kci_worker *confined; /* self: by its dispatcher; what pin is without kc_pin */
    struct kci_locals *locals; /* self */
    bool on_pool;             /* fixed: its function runs on the blocking pool */
    bool detached;            /* fixed */
    unsigned shield;          /* self: nesting */
    unsigned nopark;          /* self: inside an undelivered hook */
    unsigned rotate;          /* self: clause behind the last winner of a rotating select */
    struct kci_deferred *deferred; /* self */
    _Atomic(int) why;         /* self: enum kci_why while parked, for dumps */
    _Atomic(const void *) what; /* self: the object waited on, for dumps */
    uint64_t id;              /* fixed */
    const char *name;         /* fixed */
    struct kci_stack stack;   /* fixed */
    struct kci_stack_pool *stacks; /* fixed; outlives the runtime if a handle does */
    _Atomic(unsigned) refs;
    struct kci_lock lock;     /* guards the three below */
    bool ended;
    int ret;
    struct kci_list joiners;
    bool permit;              /* lock: kc_unpark came first */
    struct kci_list parkers;  /* lock: itself, in kc_park or not yet started */
    struct kci_waiter *start; /* fixed; KC_CO_PARKED: stands in parkers until it starts */
};

struct kci_worker {
    struct kc_rt *rt;      /* fixed */
    unsigned id;           /* fixed */
    struct kc_co *cur;     /* owner: running coroutine; NULL in the worker's own loop */
    struct kci_coro base;  /* owner: the thread's own stack */
    uint32_t tick;         /* owner: scheduling decisions so far */
    unsigned lifo_runs;    /* owner: times in a row the newest went first */
    uint64_t rng;          /* owner */
    bool searching;        /* owner */
    pthread_t thread;      /* fixed; not for worker 0 of kc_run */
    KCI_ALIGNED(KCI_CACHE_LINE) _Atomic(struct kc_co *) lifo; /* owner puts; monitor may take */
    _Atomic(uint32_t) seq; /* owner: switches; read by the monitor */
    struct kci_inject bound; /* any puts, owner takes: what must run here */
    struct kci_ring ring;
    KCI_ALIGNED(KCI_CACHE_LINE) struct kci_parker parker;
    struct kci_worker *idle_next; /* rt->idle_lock */
    bool idle;                    /* rt->idle_lock: counted in nidle, may be picked */
    _Atomic(uint64_t) stat_switches, stat_steals, stat_parks; /* owner */
};

/* Pointers that layers above keep with the runtime. */
enum kci_ext { KCI_EXT_IO, KCI_EXT_IPC, KCI_EXT_SIM, KCI_EXT_COUNT };

struct kc_rt {
    /* fixed after start */
    unsigned nworkers;
    struct kci_worker *workers;
    struct kci_env env;
    struct kci_poller poller;
    struct kci_stack_pool *stacks;
    size_t stack_bytes;
    int budget, no_budget; /* operations before a yield; the same with KC_CO_NOBUDGET */
    unsigned flags; /* KC_RT_* */
    bool caller_works; /* worker 0 is the thread in kc_run, or in kc_rt_poll */
    bool driven; /* … in kc_rt_poll */
    void (*unplug)(struct kc_rt *rt);
    void *ext[KCI_EXT_COUNT];

    struct kci_timers *timers; /* fixed; outlives the runtime if a token does */
    struct kci_pool pool;
    struct kci_inject inject;
    _Atomic(int64_t) virtual_ns; /* the clock, with KC_RT_VIRTUAL_TIME */

    /* idle protocol: sched/idle.c */
    struct kci_lock idle_lock;
    struct kci_worker *idle_head;   /* parked on their own parker */
    struct kci_worker *poller_sleeper; /* the one asleep in poller.wait */
    int64_t poll_until;             /* when it will wake by itself */
    _Atomic(uint32_t) nidle, nsearching;
    _Atomic(uint32_t) polling;      /* somebody is in poller.wait */
    _Atomic(int) stop;
    _Atomic(uint32_t) foreign;      /* other threads inside kci_ready */
    _Atomic(uint32_t) outside;      /* waits that another thread may end; not descriptors */

    /* sched/explored.c */
    struct kci_runnable can;   /* with a laboratory: out of the queues, not running */
    uint32_t points;           /* so far */
    struct kci_list settlers;  /* idle_lock: in kc_test_wait_idle */

    /* sched/drive.c */
    _Atomic(int) driving;      /* somebody polls or moves the clock; guards the next two */
    bool lies, fd_wanted;
    int64_t advance_to;        /* before `advancing` */
    _Atomic(int) advancing;
    struct kci_parker advanced;

    /* monitor: sched/monitor.c */
    pthread_t monitor;
    bool has_monitor;
    struct kci_parker monitor_parker;
    _Atomic(int) monitor_asleep;

    struct kci_scope *service; /* library coroutines: connections, … */
    /* runtime/: the program's part */
    kc_fn user_fn;             /* fixed; NULL: none, wait for shutdown */
    void *user_arg;            /* fixed */
    struct kci_scope *root;    /* supervisor, before `ready`; a reference until the end */
    int root_rc;               /* supervisor, before `finished` */
    struct kc_cancel *shutdown; /* fixed; NULL with kc_run */
    struct kci_parker ready, finished;
    _Atomic(int64_t) stop_code; /* kc_stop: nonzero once called */
    _Atomic(int) deadlocked;
    _Atomic(uint64_t) next_id;
    _Atomic(uint64_t) stat_spawned, stat_completed, stat_injects, stat_wakes;
};

/* ---- worker.c: who runs ---- */

struct kci_worker *kci_worker_self(void);
void kci_worker_set_self(struct kci_worker *w);
/* The running coroutine; NULL on other threads and in a worker's own loop. */
struct kc_co *kci_co_self(void);
/* Say that cur runs (NULL: the worker's own loop). Returns who did until now. */
struct kc_co *kci_worker_pretend(struct kc_co *cur);
/* Make co runnable. It must be suspended, or about to be with its context saved. Any thread. */
void kci_ready(struct kc_co *co);
/* The same, to run on w next, whether or not it stays there. */
void kci_ready_at(struct kci_worker *w, struct kc_co *co);
/* Suspend the running coroutine, which opened its ticket, until it is made ready. */
void kci_sched_park(struct kc_co *self);
void kci_sched_yield(struct kc_co *self);
/* The same, for next, which is runnable and in no queue. */
void kci_sched_yield_to(struct kc_co *self, struct kc_co *next);
/* Go on where self->pin says. */
void kci_sched_move(struct kc_co *self);
/* Run co, which is new, in the place of self, which goes on when co first waits. */
void kci_sched_run_first(struct kc_co *self, struct kc_co *co);
KCI_NORETURN void kci_sched_exit(struct kc_co *self);
/* From the worker's own stack: give it to co, and to whoever follows; returns how many had a
 * turn until it came back. */
int kci_worker_run(struct kci_worker *w, struct kc_co *co);
/* A worker's thread: run until rt->stop. */
void kci_worker_loop(struct kci_worker *w);
uint64_t kci_worker_random(struct kci_worker *w);

/* ---- explored.c: a laboratory has the turns ---- */

/* Does rt's laboratory choose who goes on? */
static inline bool kci_is_explored(const struct kc_rt *rt)
{
    return rt->env.lab && rt->env.lab->next;
}
/* Who it lets go on now that nobody runs; NULL: nobody can. */
struct kc_co *kci_explored_next(struct kci_worker *w);
/* self has used up its budget: others may go first. In a laboratory that is a point. */
void kci_sched_point(struct kc_co *self);
/* With a virtual clock: has somebody waited for everybody else to wait (kc_test_wait_idle)?
 * Lets them go on. */
bool kci_idle_settled(struct kc_rt *rt);

/* ---- idle.c: who sleeps ---- */

/* Something was made runnable; wake one sleeper unless somebody is searching already. */
void kci_wake_one(struct kc_rt *rt);
/* The same behind a fence: for work that no running worker will come across by itself. */
void kci_wake_one_fenced(struct kc_rt *rt);
void kci_wake_all(struct kc_rt *rt);
/* Something was put where only w takes it. */
void kci_wake_worker(struct kci_worker *w);
/* Something to run, found in the other places or after sleeping; NULL: stop. */
struct kc_co *kci_find(struct kci_worker *w);
/* The same without sleeping; NULL also when there is nothing at the moment. */
struct kc_co *kci_find_now(struct kci_worker *w);
/* The only worker, asleep in name: wakers kick the poller. Returns whether there is work left,
 * so that it must not be left alone. */
bool kci_idle_enter(struct kci_worker *w);
void kci_idle_leave(struct kci_worker *w);
/* Nobody outside the workers will make anything runnable, and nobody has. */
bool kci_is_quiet(struct kc_rt *rt);
/* Nothing can run: with a virtual clock, go on to the next timer. False: that is not for us. */
bool kci_jump_clock(struct kc_rt *rt);
/* Fire the timers that are due. */
void kci_expire_due(struct kc_rt *rt);
/* Poll descriptors without sleeping, unless somebody is at it. */
void kci_poll_now(struct kc_rt *rt);

/* ---- monitor.c ---- */
int kci_monitor_start(struct kc_rt *rt);
void kci_monitor_stop(struct kc_rt *rt);
void kci_monitor_wake(struct kc_rt *rt);

/* ---- co.c ---- */
struct kci_spawn {
    struct kci_scope *scope;
    kc_fn fn;
    const void *args;
    size_t args_bytes; /* 0: pass args itself */
    const kc_attr_t *attr;
    bool inherits; /* the caller's locals */
};
/* 0 and *out (with a reference, unless out is NULL); codes as kc_spawn. */
int kci_co_spawn(struct kc_rt *rt, const struct kci_spawn *how, struct kc_co **out);
/* What wakes a coroutine's own ticket: by it such a ticket is known. */
void kci_co_wake(struct kci_ticket *tk);
/* It has been left for good, its stack is free. */
void kci_co_left(struct kc_co *co);
/* A coroutine of the library itself, which outlives the program's scopes. */
int kci_service_spawn(struct kc_rt *rt, kc_fn fn, void *arg, const char *name);

/* ---- permit.c: KC_CO_PARKED ---- */
/* Not shared yet: it will start when unparked or cancelled. */
void kci_permit_await_start(struct kc_co *co);
/* It runs. */
void kci_permit_started(struct kc_co *co);

/* ---- dispatch.c ---- */
/* kc_block that nobody leaves before fn is over. */
int kci_block_wholly(kc_fn fn, void *arg, int *ret);

/* ---- self.c ---- */
/* Does co, which is the caller, observe a triggered token? */
bool kci_co_cancelled(struct kc_co *co);

/* ---- start.c ---- */
struct kci_config {
    unsigned workers;
    size_t stack_bytes;
    int budget;
    unsigned flags;
    uint64_t seed;
    bool caller_works, driven;
    struct kci_env env;
    /* Make the poller, and whatever else of the layers above belongs to a runtime. */
    int (*plug)(struct kc_rt *rt);
    void (*unplug)(struct kc_rt *rt);
    kc_fn first; /* the first coroutine; its argument is the runtime */
    kc_fn user_fn;
    void *user_arg;
    struct kc_cancel *shutdown;
};
int kci_rt_start(struct kc_rt **out, const struct kci_config *cfg);
/* After the first coroutine called kci_rt_stop. */
void kci_rt_stop(struct kc_rt *rt);
void kci_rt_join_workers(struct kc_rt *rt);
void kci_rt_free(struct kc_rt *rt);
int64_t kci_rt_now(struct kc_rt *rt);
/* A virtual clock, which never goes back. */
void kci_rt_set_clock(struct kc_rt *rt, int64_t ns);

#endif
