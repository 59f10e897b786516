/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * tests/model/parker.c — arch/linux/park.c: a wake is not lost, whenever it comes, and what was
 * done before it is seen (E-PARK), by each of several wakers.
 */
#include "arch/os.h"
#include "lab/kcmc/kcmc.h"

static struct kci_parker parker;
static int box[2]; /* of waker i */
static bool late;

static void name_them(void)
{
    kcmc_name(&parker.word, "word");
}

static void wake(void)
{
    box[kcmc_thread() - 1] = 42;
    kci_parker_wake(&parker);
}

static void wait(void)
{
    kcmc_assert(kci_parker_wait(&parker, INT64_MAX));
    kcmc_assert(box[0] == 42);
}

/* Out of time: the token is for the next wait. */
static void wait_twice(void)
{
    late = !kci_parker_wait(&parker, 2000);
    if (late)
        wait();
    else
        kcmc_assert(box[0] == 42);
}

static void twice_at_most(void)
{
    kcmc_outcome(late);
}

/* Two wakers, one token perhaps: then both are seen. */
static void wait_for_two(void)
{
    kcmc_assert(kci_parker_wait(&parker, INT64_MAX));
    if (kci_parker_wait(&parker, 2000)) // two tokens
        kcmc_assert(box[0] == 42 && box[1] == 42);
}

/* Again and again, each answered. */
static struct kci_parker answer;
static int number;

static void ping(void)
{
    for (int i = 1; i <= 2; i++) {
        number = i;
        kci_parker_wake(&parker);
        kcmc_assert(kci_parker_wait(&answer, INT64_MAX));
        kcmc_assert(number == -i);
    }
}

static void pong(void)
{
    for (int i = 1; i <= 2; i++) {
        kcmc_assert(kci_parker_wait(&parker, INT64_MAX));
        kcmc_assert(number == i);
        number = -i;
        kci_parker_wake(&answer);
    }
}

static const struct kcmc_model models[] = {
    { "a wake is not lost", .setup = name_them, .thread = { wait, wake },
      .preemptions = KCMC_UNBOUNDED },
    { "a wake that is late is for the next wait", .setup = name_them,
      .thread = { wait_twice, wake }, .check = twice_at_most, .preemptions = KCMC_UNBOUNDED,
      .outcomes = "0 1" },
    { "two wakers are both seen", .setup = name_them, .thread = { wait_for_two, wake, wake } },
    { "two wake each other", .setup = name_them, .thread = { ping, pong } },
};

KCMC_MAIN(models)
