/* SPDX-License-Identifier: BSD-3-Clause */
/* tests/sched/test_raw.c — bare coroutines, outside and inside of others. */
#include <kcoro/raw.h>
#include <pthread.h>
#include <signal.h>

#include "core/mem.h"
#include "core/stack.h"
#include "tests/sched/kit.h"

#define NUMBER(n) ((void *)(intptr_t)(n))

static kc_raw_t *made(void (*fn)(kc_raw_t *, void *), void *arg)
{
    kc_raw_t *co;

    ck_assert_int_eq(kc_raw_create(&co, fn, arg, NULL), 0);
    return co;
}

/* What it yields for `in`; -1000 when there is nothing more. */
static intptr_t next_of(kc_raw_t *co, intptr_t in)
{
    void *out = NUMBER(-1);
    int rc = kc_raw_resume(co, NUMBER(in), &out);

    if (rc == 0)
        return (intptr_t)out;
    ck_assert_int_eq(rc, -EPIPE);
    ck_assert_int_eq((intptr_t)out, -1); // untouched
    return -1000;
}

/* Twice whatever comes in, `arg` times. */
static void twice(kc_raw_t *self, void *arg)
{
    double sum = 0; // floating point survives a switch
    intptr_t in = 0;

    for (intptr_t i = 0; i < (intptr_t)arg; i++) {
        sum += 0.5;
        in = (intptr_t)kc_raw_yield(self, NUMBER(2 * in));
    }
    ck_assert(sum == 0.5 * (double)(intptr_t)arg);
}

static int values(void *unused)
{
    kc_raw_t *co = made(twice, NUMBER(4));

    (void)unused;
    ck_assert_int_eq(next_of(co, 99), 0); // the first `in` reaches nobody
    for (intptr_t i = 1; i < 4; i++)
        ck_assert_int_eq(next_of(co, i), 2 * i);
    ck_assert_int_eq(next_of(co, 1), -1000);
    ck_assert_int_eq(next_of(co, 1), -1000); // and so it stays
    ck_assert_int_eq(kc_raw_resume(co, NULL, NULL), -EPIPE);
    ck_assert_int_eq(kc_raw_destroy(co), 0);
    return 0;
}

START_TEST(values_go_in_and_come_out)
{
    ck_assert_int_eq(values(NULL), 0);
    ck_assert_uint_eq(kci_mem_blocks_in_use(), 0);
    ck_assert_int_eq(kt_run(kt_workers(_i), values, NULL), 0);
}
END_TEST

/* ---- in coroutines that move between workers ---- */

static int moving(void *arg)
{
    kc_raw_t *co = made(twice, NUMBER(1 << 20));

    (void)arg;
    next_of(co, 0);
    for (intptr_t i = 1; i < 200; i++) {
        ck_assert_int_eq(next_of(co, i), 2 * i);
        kc_yield();
    }
    return kc_raw_destroy(co);
}

static int several(void *unused)
{
    (void)unused;
    for (int i = 0; i < 8; i++)
        kt_go(moving, NULL);
    return 0;
}

START_TEST(generators_move_with_the_coroutine_that_resumes_them)
{
    ck_assert_int_eq(kt_run(kt_workers(_i), several, NULL), 0);
}
END_TEST

static void *resume_once(void *co)
{
    return NUMBER(next_of(co, 21));
}

START_TEST(a_generator_goes_from_thread_to_thread)
{
    kc_raw_t *co = made(twice, NUMBER(5));
    pthread_t thread;
    void *out;

    next_of(co, 0);
    for (int i = 0; i < 4; i++) {
        ck_assert_int_eq(pthread_create(&thread, NULL, resume_once, co), 0);
        pthread_join(thread, &out);
        ck_assert_int_eq((intptr_t)out, i < 4 ? 42 : -1000);
    }
    ck_assert_int_eq(kc_raw_destroy(co), 0);
    ck_assert_uint_eq(kci_mem_blocks_in_use(), 0);
}
END_TEST

/* ---- nested ---- */

enum { DEEP = 100 };

/* Yields what the one below yields, plus one. */
static void level(kc_raw_t *self, void *depth)
{
    kc_raw_t *below = (intptr_t)depth ? made(level, NUMBER((intptr_t)depth - 1)) : NULL;

    for (intptr_t i = 0; i < 5; i++)
        kc_raw_yield(self, NUMBER(below ? next_of(below, 0) + 1 : i));
    if (below) {
        ck_assert_int_eq(next_of(below, 0), -1000); // lets those further down go
        ck_assert_int_eq(kc_raw_destroy(below), 0);
    }
}

static int nested(void *unused)
{
    kc_raw_t *top = made(level, NUMBER(DEEP));

    (void)unused;
    for (intptr_t i = 0; i < 5; i++)
        ck_assert_int_eq(next_of(top, 0), i + DEEP);
    ck_assert_int_eq(next_of(top, 0), -1000);
    ck_assert_int_eq(kc_raw_destroy(top), 0);
    return 0;
}

START_TEST(generators_nest_a_hundred_deep)
{
    ck_assert_int_eq(nested(NULL), 0);
    ck_assert_int_eq(kt_run(kt_workers(_i), nested, NULL), 0);
}
END_TEST

/* Numbers from 2 on; then, for each prime, those that it does not divide. */
static void naturals(kc_raw_t *self, void *unused)
{
    (void)unused;
    for (intptr_t i = 2;; i++)
        kc_raw_yield(self, NUMBER(i));
}

struct filter {
    kc_raw_t *from;
    intptr_t prime;
};

static void filtered(kc_raw_t *self, void *arg)
{
    struct filter *f = arg;

    for (;;) {
        intptr_t n = next_of(f->from, 0);
        if (n % f->prime)
            kc_raw_yield(self, NUMBER(n));
    }
}

START_TEST(b14_a_prime_sieve_of_generators)
{
    static const int primes[] = { 2, 3, 5, 7, 11, 13, 17, 19, 23, 29, 31, 37, 41, 43, 47, 53 };
    enum { N = sizeof primes / sizeof primes[0] };
    struct filter f[N];
    kc_raw_t *co = made(naturals, NULL), *all[N + 1] = { co };

    for (int i = 0; i < N; i++) {
        intptr_t p = next_of(co, 0);
        ck_assert_int_eq(p, primes[i]);
        f[i] = (struct filter){ co, p };
        all[i + 1] = co = made(filtered, &f[i]);
    }
    for (int i = 0; i <= N; i++) // none of them has finished
        ck_assert_int_eq(kc_raw_destroy(all[i]), 0);
    ck_assert_uint_eq(kci_mem_blocks_in_use(), 0);
}
END_TEST

START_TEST(one_destroyed_before_its_end_gives_its_stack_back)
{
    kc_raw_t *keep = made(twice, NUMBER(2));
    uint64_t blocks = 0;

    for (int i = 0; i < 1000; i++) {
        kc_raw_t *co = made(twice, NUMBER(10));
        if (i % 2)
            next_of(co, 0);
        ck_assert_int_eq(kc_raw_destroy(co), 0);
        if (i == 10)
            blocks = kci_mem_blocks_in_use();
    }
    ck_assert_uint_eq(kci_mem_blocks_in_use(), blocks); // nothing grew
    ck_assert_int_eq(kc_raw_destroy(keep), 0);
    ck_assert_uint_eq(kci_mem_blocks_in_use(), 0);
}
END_TEST

/* ---- from one to the next ---- */

struct ring {
    kc_raw_t *co[3];
    int turns;
};

static void pass_on(kc_raw_t *self, void *arg)
{
    struct ring *r = arg;
    int me = self == r->co[0] ? 0 : self == r->co[1] ? 1 : 2;
    intptr_t got = 0;

    for (;;) {
        r->turns++;
        if (r->turns % 10 == 0)
            got = (intptr_t)kc_raw_yield(self, NUMBER(r->turns));
        else if (r->turns > 45)
            return;
        else
            got = (intptr_t)kc_raw_yield_to(self, r->co[(me + 1) % 3], NUMBER(r->turns));
        ck_assert_int_ge(got, 0);
    }
}

static int around(void *unused)
{
    struct ring r = { .turns = 0 };
    void *out;

    (void)unused;
    for (int i = 0; i < 3; i++)
        r.co[i] = made(pass_on, &r);
    // Whoever the way ended at yields; the one resumed here has long passed it on.
    for (int i = 1; i <= 4; i++) {
        ck_assert_int_eq(kc_raw_resume(r.co[i % 3], NUMBER(0), &out), 0);
        ck_assert_int_eq((intptr_t)out, 10 * i);
    }
    ck_assert_int_eq(kc_raw_resume(r.co[0], NULL, NULL), -EPIPE); // one has returned
    for (int i = 0; i < 3; i++)
        ck_assert_int_eq(kc_raw_destroy(r.co[i]), 0);
    return 0;
}

START_TEST(yield_to_goes_on_as_another_and_comes_back_to_the_first_resumer)
{
    ck_assert_int_eq(around(NULL), 0);
    ck_assert_int_eq(kt_run(kt_workers(_i), around, NULL), 0);
}
END_TEST

/* ---- what is refused ---- */

static void resume_all(kc_raw_t *self, void *outer)
{
    ck_assert_int_eq(kc_raw_resume(self, NULL, NULL), -EBUSY);
    ck_assert_int_eq(kc_raw_destroy(self), -EBUSY);
    ck_assert_int_eq(kc_raw_resume(outer, NULL, NULL), -EBUSY);
    ck_assert_int_eq(kc_raw_destroy(outer), -EBUSY);
}

static void outer_one(kc_raw_t *self, void *unused)
{
    kc_raw_t *inner = made(resume_all, self);

    (void)unused;
    ck_assert_int_eq(kc_raw_resume(inner, NULL, NULL), -EPIPE);
    ck_assert_int_eq(kc_raw_destroy(inner), 0);
}

START_TEST(what_runs_cannot_be_resumed_or_destroyed)
{
    const kc_attr_t flags = { .flags = 1u << 30 }, large = { .stack_size = KCI_STACK_MAX + 1 };
    kc_raw_t *co = made(outer_one, NULL);

    ck_assert_int_eq(kc_raw_resume(co, NULL, NULL), -EPIPE);
    ck_assert_int_eq(kc_raw_destroy(co), 0);
    ck_assert_int_eq(kc_raw_create(NULL, outer_one, NULL, NULL), -EINVAL);
    ck_assert_int_eq(kc_raw_create(&co, NULL, NULL, NULL), -EINVAL);
    ck_assert_int_eq(kc_raw_create(&co, outer_one, NULL, &flags), -EINVAL);
    ck_assert_int_eq(kc_raw_create(&co, outer_one, NULL, &large), -EINVAL);
    ck_assert_int_eq(kc_raw_resume(NULL, NULL, NULL), -EINVAL);
    ck_assert_int_eq(kc_raw_destroy(NULL), -EINVAL);
    ck_assert_uint_eq(kci_mem_blocks_in_use(), 0);
}
END_TEST

START_TEST(g5_without_memory_none_is_made_and_nothing_stays)
{
    kc_raw_t *co = NULL;
    int rc = -ENOMEM;

    for (uint64_t nth = 1; rc == -ENOMEM; nth++) {
        kci_mem_fail_nth(nth);
        rc = kc_raw_create(&co, twice, NULL, NULL);
        kci_mem_fail_nth(0);
        if (rc)
            ck_assert_uint_eq(kci_mem_blocks_in_use(), 0);
        ck_assert_uint_lt(nth, 20);
    }
    ck_assert_int_eq(rc, 0);
    ck_assert_int_eq(kc_raw_destroy(co), 0);
}
END_TEST

static void tries_to_wait(kc_raw_t *self, void *arg)
{
    kc_chan_t *ch = arg;
    int v = 7;

    ck_assert_int_eq(kc_chan_send(ch, &v, KC_FOREVER), 0); // there is room
    ck_assert_int_eq(kc_chan_send(ch, &v, KC_FOREVER), -EPERM);
    ck_assert_int_eq(kc_sleep(KC_MS(1)), -EPERM);
    kc_raw_yield(self, NULL);
    ck_assert_int_eq(kc_chan_send(ch, &v, KC_FOREVER), -EPERM);
}

static int waits(void *unused)
{
    kc_chan_t *ch;
    int v;

    (void)unused;
    ck_assert_int_eq(kc_chan_make(&ch, sizeof(int), 1), 0);
    kc_raw_t *co = made(tries_to_wait, ch);
    ck_assert_int_eq(next_of(co, 0), 0);
    ck_assert_int_eq(kc_sleep(KC_US(1)), 0); // who resumed it may wait in between
    ck_assert_int_eq(next_of(co, 0), -1000);
    ck_assert_int_eq(kc_chan_recv(ch, &v, KC_FOREVER), 0);
    ck_assert_int_eq(kc_chan_recv(ch, &v, kc_in(KC_US(1))), -ETIME); // and behind it
    ck_assert_int_eq(kc_raw_destroy(co), 0);
    kc_chan_unref(ch);
    return 0;
}

START_TEST(r9_inside_a_generator_waiting_says_eperm)
{
    ck_assert_int_eq(waits(NULL), 0);
    ck_assert_int_eq(kt_run(kt_workers(_i), waits, NULL), 0);
}
END_TEST

START_TEST(yielding_from_outside_aborts)
{
    kc_raw_yield(made(twice, NULL), NULL);
}
END_TEST

static void yields_for_another(kc_raw_t *self, void *other)
{
    (void)self;
    kc_raw_yield(other, NULL);
}

static void resumes_a_culprit(kc_raw_t *self, void *unused)
{
    (void)unused;
    kc_raw_resume(made(yields_for_another, self), NULL, NULL);
}

START_TEST(yielding_for_who_resumed_us_aborts)
{
    kc_raw_resume(made(resumes_a_culprit, NULL), NULL, NULL);
}
END_TEST

SUITE("sched/raw", CASE_WORKERS(values_go_in_and_come_out),
      CASE_WORKERS(generators_move_with_the_coroutine_that_resumes_them),
      CASE(a_generator_goes_from_thread_to_thread), CASE_WORKERS(generators_nest_a_hundred_deep),
      CASE(b14_a_prime_sieve_of_generators),
      CASE(one_destroyed_before_its_end_gives_its_stack_back),
      CASE_WORKERS(yield_to_goes_on_as_another_and_comes_back_to_the_first_resumer),
      CASE(what_runs_cannot_be_resumed_or_destroyed),
      CASE(g5_without_memory_none_is_made_and_nothing_stays),
      CASE_WORKERS(r9_inside_a_generator_waiting_says_eperm),
      CASE_SIGNAL(yielding_from_outside_aborts, SIGABRT),
      CASE_SIGNAL(yielding_for_who_resumed_us_aborts, SIGABRT))
