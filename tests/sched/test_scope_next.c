/* SPDX-License-Identifier: BSD-3-Clause */
/* tests/sched/test_scope_next.c — results one by one, whom a scope waits for, and how many it
 * holds. */
#include <kcoro/metrics.h>
#include <pthread.h>
#include <string.h>

#include "core/mem.h"
#include "tests/sched/kit.h"

static void open_scope(kc_scope_t *s, kc_scope_opts_t opts)
{
    ck_assert_int_eq(kc_scope_open(s, &opts), 0);
}

/* ---- K7 ---- */

enum { MANY = 300 };

static _Atomic(int) turn, gate, counter;

static int end_in_turn(void *number)
{
    int n = (int)(intptr_t)number;

    kt_until(&turn, n); // n of them may end
    return n;
}

static int in_order(void *arg)
{
    uint64_t ids[MANY + 1], id;
    kc_scope_t s;
    int ret;

    (void)arg;
    ka_store(&turn, 0, relaxed);
    open_scope(&s, (kc_scope_opts_t){ 0 });
    ck_assert_int_eq(kc_scope_next(&s, &id, &ret, KC_FOREVER), -ECHILD);
    for (int i = MANY; i >= 1; i--) {
        kc_co_t *co = kt_spawn(end_in_turn, KT_RESULT(i));
        ids[i] = kc_co_id(co);
        kc_co_unref(co);
    }
    ck_assert_int_eq(kc_scope_next(&s, &id, &ret, KC_TRY), -EAGAIN);
    ck_assert_int_eq(kc_scope_next(&s, &id, &ret, kc_in(KC_US(10))), -ETIME);
    for (int i = 1; i <= MANY; i++) {
        ka_store(&turn, i, release);
        ck_assert_int_eq(kc_scope_next(&s, &id, &ret, KC_FOREVER), 0);
        ck_assert_int_eq(ret, i);
        ck_assert_uint_eq(id, ids[i]);
    }
    ck_assert_int_eq(kc_scope_next(&s, &id, &ret, KC_FOREVER), -ECHILD);
    return kc_scope_close(&s);
}

START_TEST(k7_results_come_in_the_order_of_ending_each_once)
{
    ck_assert_int_eq(kt_run(kt_workers(_i), in_order, NULL), 0);
}
END_TEST

static int all_at_once(void *arg)
{
    bool seen[MANY] = { false };
    kc_scope_t s;
    int ret;

    (void)arg;
    open_scope(&s, (kc_scope_opts_t){ .policy = KC_SUPERVISE });
    for (int i = 0; i < MANY; i++)
        kt_go(kt_return, KT_RESULT(i % 2 ? -i : i));
    if (MANY % 4 == 0) // those that ended before anybody asked count too
        ck_assert_int_eq(kc_scope_wait(&s, KC_FOREVER), 0);
    for (int i = 0; i < MANY; i++) {
        ck_assert_int_eq(kc_scope_next(&s, NULL, &ret, KC_FOREVER), 0);
        int n = ret < 0 ? -ret : ret;
        ck_assert(!seen[n]);
        seen[n] = true;
    }
    ck_assert_int_eq(kc_scope_next(&s, NULL, NULL, KC_TRY), -ECHILD);
    ck_assert_int_lt(kc_scope_close(&s), 0);
    return 0;
}

START_TEST(k7_what_ended_before_anybody_asked_is_told_too)
{
    ck_assert_int_eq(kt_run(kt_workers(_i), all_at_once, NULL), 0);
}
END_TEST

static int ask(void *scope)
{
    int rc, n = 0;

    while ((rc = kc_scope_next(scope, NULL, NULL, KC_FOREVER)) == 0)
        n++;
    ck_assert_int_eq(rc, -ECHILD);
    return n;
}

static void *ask_from_a_thread(void *scope)
{
    return KT_RESULT(ask(scope));
}

/* Two coroutines of another scope and a thread share the results of one. */
static int many_askers(void *arg)
{
    kc_scope_t s, askers;
    pthread_t thread;
    void *n;

    (void)arg;
    open_scope(&s, (kc_scope_opts_t){ 0 });
    kt_go(end_in_turn, KT_RESULT(1));
    open_scope(&askers, (kc_scope_opts_t){ 0 });
    kc_co_t *a = kt_spawn(ask, &s), *b = kt_spawn(ask, &s);
    kt_until_parked(a, KCI_WHY_SCOPE);
    kt_until_parked(b, KCI_WHY_SCOPE);
    ck_assert_int_eq(pthread_create(&thread, NULL, ask_from_a_thread, &s), 0);
    for (int i = 0; i < MANY; i++)
        ck_assert_int_eq(kc_scope_spawn(&s, NULL, kt_return, NULL, 0, NULL), 0);
    ka_store(&turn, 1, release);
    int told = kt_join(a) + kt_join(b);
    ck_assert_int_eq(kc_scope_close(&askers), 0);
    pthread_join(thread, &n);
    ck_assert_int_eq(told + (int)(intptr_t)n, MANY + 1);
    return kc_scope_close(&s);
}

START_TEST(k7_of_several_who_ask_each_result_goes_to_one)
{
    ck_assert_int_eq(kt_run(kt_workers(_i), many_askers, NULL), 0);
}
END_TEST

static int forgetful(void *arg)
{
    kc_scope_t s;

    (void)arg;
    ck_assert_int_eq(kc_scope_open(&s, &(kc_scope_opts_t){ .flags = 2 }), -EINVAL);
    memset(&s, 0, sizeof s);
    ck_assert_int_eq(kc_scope_next(&s, NULL, NULL, KC_TRY), -EINVAL);
    open_scope(&s, (kc_scope_opts_t){ .flags = KC_SCOPE_FORGET });
    size_t before = 0;
    for (int round = 0; round < 3; round++) {
        for (int i = 0; i < 1000; i++)
            kt_go(kt_return, NULL);
        ck_assert_int_eq(kc_scope_wait(&s, KC_FOREVER), 0);
        if (round > 0) // the first one has filled the depot of stacks
            ck_assert_uint_eq(kci_mem_blocks_in_use(), before);
        before = kci_mem_blocks_in_use();
    }
    ck_assert_int_eq(kc_scope_next(&s, NULL, NULL, KC_TRY), -ENOTSUP);
    return kc_scope_close(&s);
}

START_TEST(a_scope_that_forgets_keeps_nothing_for_its_ended_children)
{
    ck_assert_int_eq(kt_run(1, forgetful, NULL), 0);
}
END_TEST

static int spawn_without_memory(void *arg)
{
    kc_rt_t *rt = kc_rt_current();
    struct kc_rt_stats before, after;
    kc_scope_t s;

    (void)arg;
    open_scope(&s, (kc_scope_opts_t){ .limit = 1 });
    ck_assert_int_eq(kc_rt_stats(rt, &before), 0);
    kci_mem_fail_nth(1);
    ck_assert_int_eq(kc_spawn(NULL, kt_return, NULL, NULL), -ENOMEM);
    kt_go(kt_return, NULL);
    ck_assert_int_eq(kc_spawn(NULL, kt_return, NULL, NULL), -EAGAIN);
    ck_assert_int_eq(kc_rt_stats(rt, &after), 0);
    ck_assert_uint_eq(after.spawned - before.spawned, 1); // what was not started is not counted
    return kc_scope_close(&s);
}

START_TEST(a_child_whose_result_has_no_place_is_refused_and_not_counted)
{
    ck_assert_int_eq(kt_run(1, spawn_without_memory, NULL), 0);
}
END_TEST

/* ---- a producer and its channel ---- */

static int produce_three(kc_chan_t *ch, void *rc)
{
    for (int i = 0; i < 3; i++)
        ck_assert_int_eq(kc_send(ch, &i), 0);
    return (int)(intptr_t)rc;
}

static int drain(kc_chan_t *ch)
{
    int n = 0, v, rc;

    while ((rc = kc_recv(ch, &v)) == 0)
        ck_assert_int_eq(v, n++);
    ck_assert_int_eq(rc, -EPIPE);
    return n;
}

static int consume_what_is_produced(void *arg)
{
    kc_scope_t s;

    (void)arg;
    open_scope(&s, (kc_scope_opts_t){ .policy = KC_SUPERVISE });
    kc_chan_t *ch = kc_scope_produce(&s, sizeof(int), 0, produce_three, NULL);
    ck_assert_int_eq(drain(ch), 3);
    ck_assert_int_eq(kc_chan_why(ch), 1);
    ch = kc_scope_produce(&s, sizeof(int), 5, produce_three, KT_RESULT(-EIO));
    ck_assert_int_eq(drain(ch), 3);
    ck_assert_int_eq(kc_chan_why(ch), -EIO);
    ck_assert_int_eq(kc_scope_close(&s), -EIO);

    open_scope(&s, (kc_scope_opts_t){ 0 });
    ck_assert_ptr_null(kc_scope_produce(&s, sizeof(int), 0, NULL, NULL));
    ck_assert_ptr_null(kc_scope_produce(&s, sizeof(int), 0, produce_three, NULL));
    ck_assert_int_eq(kc_scope_close(&s), -EINVAL);
    return 0;
}

START_TEST(a_producers_channel_is_closed_when_it_ends)
{
    ck_assert_int_eq(kt_run(kt_workers(_i), consume_what_is_produced, NULL), 0);
}
END_TEST

/* ---- who may wait for whom ---- */

static kc_scope_t *outer_scope, *inner_scope;

static int wait_for_ones_own_scope(void *arg)
{
    (void)arg;
    ck_assert_int_eq(kc_scope_wait(kc_scope_current(), KC_FOREVER), -EDEADLK);
    ck_assert_int_eq(kc_scope_wait(inner_scope, KC_FOREVER), -EDEADLK);
    ck_assert_int_eq(kc_scope_wait(outer_scope, KC_FOREVER), -EDEADLK);
    ck_assert_int_eq(kc_scope_next(outer_scope, NULL, NULL, KC_FOREVER), -EDEADLK);
    return 0;
}

static int open_an_inner_scope(void *beside)
{
    kc_scope_t s;

    open_scope(&s, (kc_scope_opts_t){ 0 });
    inner_scope = &s;
    kt_go(wait_for_ones_own_scope, NULL);
    ck_assert_int_eq(kc_scope_wait(&s, KC_FOREVER), 0);
    ck_assert_int_eq(kc_scope_wait(beside, KC_FOREVER), 0); // which does not wait for us
    return kc_scope_close(&s);
}

static int who_waits_for_whom(void *arg)
{
    kc_scope_t beside, s;

    (void)arg;
    ck_assert_int_eq(kc_scope_wait(kc_scope_current(), KC_FOREVER), -EDEADLK); // the root's
    open_scope(&beside, (kc_scope_opts_t){ 0 });
    kt_go(kt_return, NULL);
    open_scope(&s, (kc_scope_opts_t){ 0 });
    outer_scope = &s;
    kt_go(open_an_inner_scope, &beside);
    ck_assert_int_eq(kc_scope_close(&s), 0);
    return kc_scope_close(&beside);
}

START_TEST(waiting_for_a_scope_that_waits_for_oneself_is_refused)
{
    ck_assert_int_eq(kt_run(kt_workers(_i), who_waits_for_whom, NULL), 0);
}
END_TEST

/* ---- K5, K6, K9, K10 ---- */

static int spawn_until_cancelled(void *scope)
{
    int rc = kc_scope_spawn(scope, NULL, kt_count, (void *)&counter, 0, NULL);

    ck_assert_int_eq(rc, 0); // the scope is closing, but we are still in it
    kt_until(&gate, 1);
    return kc_scope_spawn(scope, NULL, kt_count, (void *)&counter, 0, NULL);
}

static kc_co_t *late;

static int cancel_while_closing(void *scope)
{
    kt_until(&counter, 1);
    kc_scope_cancel(scope, -EIO);
    ka_store(&gate, 1, release);
    return 0;
}

static int spawn_into_closing(void *arg)
{
    kc_scope_t s;

    (void)arg;
    ka_store(&counter, 0, relaxed);
    ka_store(&gate, 0, relaxed);
    open_scope(&s, (kc_scope_opts_t){ 0 });
    kt_go(cancel_while_closing, &s);
    late = kt_spawn(spawn_until_cancelled, &s);
    ck_assert_int_eq(kc_scope_close(&s), -EIO);
    ck_assert_int_eq(kt_join(late), -ECANCELED);
    ck_assert_int_eq(counter, 1);
    ck_assert_int_eq(kc_scope_spawn(&s, NULL, kt_return, NULL, 0, NULL), -EINVAL);
    return 0;
}

START_TEST(k5_a_closing_scope_takes_children_of_its_children_until_it_is_cancelled)
{
    ck_assert_int_eq(kt_run(kt_workers(_i), spawn_into_closing, NULL), 0);
}
END_TEST

static _Atomic(int) alive, most_alive;

static int be_alive(void *arg)
{
    (void)arg;
    int now = ka_add(&alive, 1, acq_rel) + 1, most = ka_load(&most_alive, relaxed);
    while (now > most && !ka_cas(&most_alive, &most, now, acq_rel, relaxed)) {}
    kc_yield();
    ka_sub(&alive, 1, acq_rel);
    return 0;
}

static int keep_to_the_limit(void *arg)
{
    enum { LIMIT = 5 };
    int refused = 0;
    kc_scope_t s;

    (void)arg;
    ka_store(&most_alive, 0, relaxed);
    open_scope(&s, (kc_scope_opts_t){ .limit = LIMIT });
    for (int started = 0; started < 2000;) {
        int rc = kc_spawn(NULL, be_alive, NULL, NULL);
        ck_assert(rc == 0 || rc == -EAGAIN);
        started += rc == 0;
        refused += rc != 0;
        if (rc) // the way to wait for room
            ck_assert_int_eq(kc_scope_next(&s, NULL, NULL, KC_FOREVER), 0);
    }
    ck_assert_int_gt(refused, 0);
    ck_assert_int_le(most_alive, LIMIT);
    return kc_scope_close(&s);
}

START_TEST(k6_never_more_than_the_limit_are_alive)
{
    ck_assert_int_eq(kt_run(kt_workers(_i), keep_to_the_limit, NULL), 0);
}
END_TEST

static int branch(void *level)
{
    int left = (int)(intptr_t)level;

    kt_count((void *)&counter);
    for (int i = 0; i < 3 && left > 0; i++)
        kt_go(branch, KT_RESULT(left - 1));
    return 0;
}

static int grow_a_tree(void *arg)
{
    kc_scope_t s;
    int n = 0;

    (void)arg;
    ka_store(&counter, 0, relaxed);
    open_scope(&s, (kc_scope_opts_t){ 0 });
    kt_go(branch, KT_RESULT(5));
    while (kc_scope_next(&s, NULL, NULL, KC_FOREVER) == 0)
        n++;
    ck_assert_int_eq(n, 364); // 1 + 3 + … + 243
    ck_assert_int_eq(counter, 364);
    return kc_scope_close(&s);
}

START_TEST(k9_grandchildren_belong_to_the_scope_they_were_started_in)
{
    ck_assert_int_eq(kt_run(kt_workers(_i), grow_a_tree, NULL), 0);
}
END_TEST

static int open_and_close_many(void *arg)
{
    kc_scope_t s;

    (void)arg;
    size_t before = kci_mem_blocks_in_use();
    for (int i = 0; i < 10000; i++) {
        open_scope(&s, (kc_scope_opts_t){ 0 });
        if (i % 4 == 0)
            kt_go(kt_return, NULL);
        ck_assert_int_eq(kc_scope_close(&s), 0);
        if (kci_mem_blocks_in_use() != before)
            ck_abort_msg("scope %d left something behind", i);
    }
    return 0;
}

START_TEST(k10_ten_thousand_scopes_leave_nothing_behind)
{
    ck_assert_int_eq(kt_run(kt_workers(_i), open_and_close_many, NULL), 0);
}
END_TEST

SUITE("sched/scope_next", CASE_WORKERS(k7_results_come_in_the_order_of_ending_each_once),
      CASE_WORKERS(k7_what_ended_before_anybody_asked_is_told_too),
      CASE_WORKERS(k7_of_several_who_ask_each_result_goes_to_one),
      CASE(a_scope_that_forgets_keeps_nothing_for_its_ended_children),
      CASE(a_child_whose_result_has_no_place_is_refused_and_not_counted),
      CASE_WORKERS(a_producers_channel_is_closed_when_it_ends),
      CASE_WORKERS(waiting_for_a_scope_that_waits_for_oneself_is_refused),
      CASE_WORKERS(k5_a_closing_scope_takes_children_of_its_children_until_it_is_cancelled),
      CASE_WORKERS(k6_never_more_than_the_limit_are_alive),
      CASE_WORKERS(k9_grandchildren_belong_to_the_scope_they_were_started_in),
      CASE_WORKERS(k10_ten_thousand_scopes_leave_nothing_behind))
