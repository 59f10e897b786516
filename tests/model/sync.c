/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * tests/model/sync.c — sched/once.c and sched/mutex.c: the fast paths against the slow ones. A
 * function runs once, and whoever finds that without the lock sees what it did (E-ONCE). A mutex
 * is held by one, and handed over with all that was done (E-MUTEX).
 */
#include <kcoro/sync.h>

#include "tests/model/threads.h"

static kc_deadline_t never(void)
{
    return (kc_deadline_t){ INT64_MAX };
}

/* ---- once ---- */

static kc_once_t once;
static int made; /* by the function */
static bool has_failed;

static int make(void *arg)
{
    (void)arg;
    made++;
    return 7;
}

static int make_at_second_try(void *arg)
{
    if (has_failed)
        return make(arg);
    has_failed = true;
    return -EIO;
}

static void use(void)
{
    kcmc_assert(kc_once(&once, make, NULL) == 7);
    kcmc_assert(made == 1);
}

static void use_twice(void)
{
    use();
    use();
}

static void use_what_may_fail(void)
{
    int rc = kc_once(&once, make_at_second_try, NULL);

    kcmc_assert(rc == 7 ? made == 1 : rc == -EIO);
}

static void made_if_two_tried(void)
{
    kcmc_assert(made == 1 && has_failed);
}

/* ---- mutex ---- */

static kc_mutex_t mutex;
static int count; /* mutex */
static struct kci_scope scope;

static void add(void)
{
    kcmc_assert(kc_mutex_lock(&mutex, never()) == 0);
    count++;
    kcmc_assert(kc_mutex_unlock(&mutex) == 0);
}

static void add_twice(void)
{
    add();
    add();
}

static void add_if_in_time(void)
{
    int rc = kc_mutex_lock(&mutex, (kc_deadline_t){ 2000 });

    kcmc_assert(rc == 0 || rc == -ETIME);
    if (rc)
        return;
    count++;
    kcmc_assert(kc_mutex_unlock(&mutex) == 0);
}

static void two(void)
{
    kcmc_assert(count == 2);
}

static void three(void)
{
    kcmc_assert(count == 3);
}

static void is_free(void)
{
    kcmc_outcome((unsigned)count);
    kcmc_assert(kc_mutex_lock(&mutex, (kc_deadline_t){ INT64_MIN }) == 0);
}

static void coroutines(void)
{
    model_scope(&scope);
    model_coroutine(0, &scope);
    model_coroutine(1, &scope);
}

/* One touch: who has taken it may give its memory back, whatever the last owner still does. */
static kc_mutex_t *given;

static void give(void)
{
    given = kcmc_alloc(sizeof *given);
}

static void hold(void)
{
    kcmc_assert(kc_mutex_lock(given, never()) == 0);
    count++;
    kcmc_assert(kc_mutex_unlock(given) == 0);
}

static void hold_and_free(void)
{
    kcmc_assert(kc_mutex_lock(given, never()) == 0);
    bool last = count == 1;
    kcmc_assert(kc_mutex_unlock(given) == 0);
    if (last) // the other one is through
        kcmc_free(given);
}

static const struct kcmc_model models[] = {
    { "a function runs once", .thread = { use, use } },
    { "and is not run again", .thread = { use_twice, use }, .preemptions = 2 },
    { "who fails leaves it to the next", .thread = { use_what_may_fail, use_what_may_fail },
      .check = made_if_two_tried },
    { "of two threads one holds the mutex", .thread = { add, add }, .check = two },
    { "of two coroutines one holds the mutex", .setup = coroutines, .thread = { add, add },
      .check = two },
    { "it is handed over again", .thread = { add_twice, add }, .check = three },
    { "of three threads one holds it", .thread = { add, add, add }, .check = three,
      .preemptions = 1 },
    { "who is late leaves it free", .thread = { add_if_in_time, add }, .check = is_free,
      .outcomes = "1 2" },
    { "who has it last may free it", .setup = give, .thread = { hold, hold_and_free } },
};

KCMC_MAIN(models)
