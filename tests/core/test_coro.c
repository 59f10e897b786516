/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * tests/core/test_coro.c — contexts that are left and continued, without any scheduler.
 *
 * A switch orders nothing for ThreadSanitizer, on purpose; `go` tells it about the order, as
 * the scheduler does with its run queues.
 */
#include <pthread.h>

#include "core/coro.h"
#include "core/mem.h"
#include "core/stack.h"
#include "tests/support/suite.h"

enum { STACK_BYTES = 256 << 10 };

struct maker {
    struct kci_coro coro, *back;
    struct kci_stack stack;
    _Atomic(int) given;
    _Atomic(int) ended;
    int rounds;
};

static struct kci_stack_pool *pool;
static _Atomic(int) posts;

static void count_post(void *arg)
{
    (void)arg;
    ka_add(&posts, 1, relaxed);
}

static void ended(void *arg)
{
    ka_store(&((struct maker *)arg)->ended, 1, relaxed);
}

static void go(struct kci_coro *from, struct kci_coro *to)
{
    kci_note_out(&pool);
    kci_coro_switch(from, to, count_post, NULL);
    kci_note_in(&pool);
}

/* Gives 0, 1, 2 … to whoever continued it; its own state lives on its own stack. */
static void make_numbers(void *arg)
{
    struct maker *m = arg;
    volatile double half = 0;

    kci_note_in(&pool);
    for (int i = 0; i < m->rounds; i++) {
        ka_store(&m->given, (int)(half * 2), relaxed);
        half += 0.5;
        go(&m->coro, m->back);
    }
    struct kci_coro *back = m->back;
    kci_note_out(&pool);
    kci_coro_end(&m->coro, back, ended, m);
}

static void maker_init(struct maker *m, struct kci_coro *back, int rounds)
{
    ck_assert_int_eq(kci_stack_get(pool, STACK_BYTES, &m->stack), 0);
    m->back = back;
    m->rounds = rounds;
    kci_coro_init(&m->coro, m->stack.lo, m->stack.top, make_numbers, m);
}

static void maker_fini(struct maker *m)
{
    ck_assert_int_eq(m->ended, 1);
    kci_coro_fini(&m->coro);
    kci_stack_put(pool, &m->stack);
}

static void begin(void)
{
    ck_assert_int_eq(kci_stack_pool_create(&pool), 0);
}

static void end(void)
{
    kci_stack_pool_close(pool);
    ck_assert_uint_eq(kci_mem_blocks_in_use(), 0);
}

START_TEST(a_context_goes_on_where_it_was_left)
{
    struct kci_coro self;
    struct maker m = { .ended = 0 };

    begin();
    kci_coro_thread(&self);
    maker_init(&m, &self, 100);
    for (int i = 0; i < 100; i++) {
        go(&self, &m.coro);
        ck_assert_int_eq(m.given, i);
    }
    ck_assert_int_eq(m.ended, 0);
    go(&self, &m.coro);
    maker_fini(&m);
    end();
}
END_TEST

START_TEST(every_switch_runs_its_callback_once)
{
    struct kci_coro self;
    struct maker m = { .ended = 0 };

    begin();
    kci_coro_thread(&self);
    maker_init(&m, &self, 10);
    for (int i = 0; i < 10; i++) {
        go(&self, &m.coro);
        ck_assert_int_eq(posts, 2 * i + 2);
    }
    go(&self, &m.coro);
    ck_assert_int_eq(posts, 21); // the last way back ran `ended`
    maker_fini(&m);
    end();
}
END_TEST

START_TEST(many_contexts_take_turns)
{
    enum { MANY = 100 };
    static struct maker makers[MANY];
    struct kci_coro self;

    begin();
    kci_coro_thread(&self);
    for (int i = 0; i < MANY; i++)
        maker_init(&makers[i], &self, 20);
    for (int round = 0; round <= 20; round++)
        for (int i = 0; i < MANY; i++) {
            go(&self, &makers[i].coro);
            ck_assert_int_eq(makers[i].given, round < 20 ? round : 19);
        }
    for (int i = 0; i < MANY; i++)
        maker_fini(&makers[i]);
    end();
}
END_TEST

START_TEST(a_stack_serves_one_context_after_the_other)
{
    struct kci_coro self;

    begin();
    kci_coro_thread(&self);
    for (int i = 0; i < 1000; i++) {
        struct maker m = { .ended = 0 };
        maker_init(&m, &self, 1);
        go(&self, &m.coro);
        go(&self, &m.coro);
        maker_fini(&m);
    }
    ck_assert_uint_eq(kci_stack_stats(pool).carved, 1);
    end();
}
END_TEST

static void *continue_once(void *arg)
{
    struct maker *m = arg;
    struct kci_coro self;

    kci_coro_thread(&self);
    m->back = &self;
    go(&self, &m->coro);
    return NULL;
}

START_TEST(another_thread_may_continue_it)
{
    struct maker m = { .ended = 0 };
    pthread_t thread;

    begin();
    maker_init(&m, NULL, 10);
    for (int i = 0; i <= 10; i++) {
        ck_assert_int_eq(pthread_create(&thread, NULL, continue_once, &m), 0);
        pthread_join(thread, NULL);
        ck_assert_int_eq(m.given, i < 10 ? i : 9);
    }
    maker_fini(&m);
    end();
}
END_TEST

SUITE("core/coro", CASE(a_context_goes_on_where_it_was_left),
      CASE(every_switch_runs_its_callback_once), CASE(many_contexts_take_turns),
      CASE(a_stack_serves_one_context_after_the_other), CASE(another_thread_may_continue_it))
