/* SPDX-License-Identifier: BSD-3-Clause */
/* tests/sched/test_cancel.c — the tree of tokens, and what a triggered one does to waiting
 * calls. */
#include <kcoro/kcoro.h>
#include <pthread.h>
#include <stdlib.h>
#include <unistd.h>

#include "core/mem.h"
#include "tests/sched/kit.h"

static kc_cancel_t *token(kc_cancel_t *parent)
{
    kc_cancel_t *tk;

    ck_assert_int_eq(kc_cancel_create(&tk, parent), 0);
    return tk;
}

static void drop(kc_cancel_t *tk)
{
    kc_cancel_unref(tk);
}

static void check_all_gone(void)
{
    ck_assert_uint_eq(kci_mem_blocks_in_use(), 0);
}

/* ---- one token ---- */

START_TEST(t15_a_token_is_triggered_once_and_keeps_the_first_reason)
{
    kc_cancel_t *tk = token(NULL);

    ck_assert_int_eq(kc_cancel_check(tk), 0);
    ck_assert_int_eq(kc_cancel_why(tk), 0);
    ck_assert_int_eq(kc_cancel_trigger(tk, -EIO), 0);
    ck_assert_int_eq(kc_cancel_trigger(tk, -EPROTO), -EALREADY);
    ck_assert_int_eq(kc_cancel_check(tk), -ECANCELED);
    ck_assert_int_eq(kc_cancel_why(tk), -EIO);
    drop(tk);
    check_all_gone();
}
END_TEST

START_TEST(no_reason_means_ecanceled)
{
    kc_cancel_t *tk = token(NULL);

    kc_cancel_trigger(tk, 0);
    ck_assert_int_eq(kc_cancel_why(tk), -ECANCELED);
    drop(tk);
}
END_TEST

START_TEST(a_token_that_is_not_there_is_invalid)
{
    kc_cancel_t *tk;

    ck_assert_int_eq(kc_cancel_trigger(NULL, 0), -EINVAL);
    ck_assert_int_eq(kc_cancel_create(NULL, NULL), -EINVAL);
    kci_mem_fail_nth(1);
    ck_assert_int_eq(kc_cancel_create(&tk, NULL), -ENOMEM);
    kc_cancel_unref(NULL);
    check_all_gone();
}
END_TEST

/* ---- the tree ---- */

START_TEST(t3_t13_triggering_reaches_all_below_and_nobody_else)
{
    kc_cancel_t *top = token(NULL), *a = token(top), *b = token(top), *a1 = token(a);
    kc_cancel_t *a2 = token(a), *a11 = token(a1);

    ck_assert_int_eq(kc_cancel_trigger(a, -EIO), 0);
    ck_assert_int_eq(kc_cancel_check(a1), -ECANCELED);
    ck_assert_int_eq(kc_cancel_check(a2), -ECANCELED);
    ck_assert_int_eq(kc_cancel_check(a11), -ECANCELED);
    ck_assert_int_eq(kc_cancel_why(a11), -EIO);
    ck_assert_int_eq(kc_cancel_check(top), 0);
    ck_assert_int_eq(kc_cancel_check(b), 0);
    ck_assert_int_eq(kc_cancel_trigger(a11, -EPROTO), -EALREADY);
    ck_assert_int_eq(kc_cancel_trigger(top, -EPROTO), 0);
    ck_assert_int_eq(kc_cancel_why(b), -EPROTO);
    ck_assert_int_eq(kc_cancel_why(a), -EIO);
    kc_cancel_t *all[] = { a11, top, a, a2, b, a1 };
    for (int i = 0; i < 6; i++)
        drop(all[i]);
    check_all_gone();
}
END_TEST

START_TEST(t13_a_child_of_a_triggered_token_is_born_triggered)
{
    kc_cancel_t *top = token(NULL);

    kc_cancel_trigger(top, -EIO);
    kc_cancel_t *child = token(top), *grandchild = token(child);
    ck_assert_int_eq(kc_cancel_check(grandchild), -ECANCELED);
    ck_assert_int_eq(kc_cancel_why(grandchild), -EIO);
    ck_assert_int_eq(kc_cancel_trigger(child, 0), -EALREADY);
    drop(top);
    drop(child);
    drop(grandchild);
    check_all_gone();
}
END_TEST

START_TEST(a_child_keeps_its_parent_alive)
{
    kc_cancel_t *top = token(NULL), *child = token(top), *grandchild = token(child);

    drop(top);
    drop(child);
    ck_assert_uint_eq(kci_mem_blocks_in_use(), 3);
    ck_assert_int_eq(kc_cancel_check(grandchild), 0);
    drop(grandchild);
    check_all_gone();
}
END_TEST

/* ---- sizes, on the 64 KiB of a coroutine ---- */

#ifdef KCI_VALGRIND
enum { MANY = 10000 };
#else
enum { MANY = 100000 };
#endif

static int trigger_deep_tree(void *arg)
{
    kc_cancel_t **chain = arg;

    chain[0] = token(NULL);
    for (int i = 1; i < MANY; i++)
        chain[i] = token(chain[i - 1]);
    ck_assert_int_eq(kc_cancel_trigger(chain[0], -EIO), 0);
    ck_assert_int_eq(kc_cancel_why(chain[MANY - 1]), -EIO);
    for (int i = 0; i < MANY; i++)
        drop(chain[i]);
    return 0;
}

static int trigger_wide_tree(void *arg)
{
    kc_cancel_t **leaf = arg, *top = token(NULL);

    for (int i = 0; i < MANY; i++)
        leaf[i] = token(top);
    ck_assert_int_eq(kc_cancel_trigger(top, -EIO), 0);
    for (int i = 0; i < MANY; i++) {
        if (kc_cancel_why(leaf[i]) != -EIO)
            ck_abort_msg("leaf %d was not reached", i);
        drop(leaf[i]);
    }
    drop(top);
    return 0;
}

/* Nothing but the leaf keeps the chain alive: its end is the end of all. */
static int drop_deep_tree(void *arg)
{
    (void)arg;
    kc_cancel_t *leaf = token(NULL);
    for (int i = 1; i < MANY; i++) {
        kc_cancel_t *below = token(leaf);
        drop(leaf);
        leaf = below;
    }
    drop(leaf);
    return 0;
}

START_TEST(t3_a_tree_of_any_shape_is_triggered_and_dropped_on_a_small_stack)
{
    kc_fn shapes[] = { trigger_deep_tree, trigger_wide_tree, drop_deep_tree };
    kc_cancel_t **room = calloc(MANY, sizeof *room);

    ck_assert_int_eq(kt_run(1, shapes[_i], room), 0);
    free(room);
}
END_TEST

/* ---- threads ---- */

enum { ROUNDS = 2000 };

static kc_cancel_t *shared[ROUNDS];
static _Atomic(int) start, wins, disagreements;

static void *trigger_all(void *arg)
{
    int why = *(int *)arg;

    kt_count(&start);
    kt_until(&start, 3);
    for (int i = 0; i < ROUNDS; i++) {
        int rc = kc_cancel_trigger(shared[i], why);
        if (rc == 0)
            kt_count(&wins);
        // "Already" means that it is, not that it will be.
        if (kc_cancel_check(shared[i]) != -ECANCELED || kc_cancel_why(shared[i]) == 0)
            kt_count(&disagreements);
        if (rc == 0 && kc_cancel_why(shared[i]) != why)
            kt_count(&disagreements);
    }
    return NULL;
}

START_TEST(t15_of_several_threads_that_trigger_a_token_one_does)
{
    int why[3] = { -EIO, -EPROTO, -ENOENT };
    pthread_t threads[3];

    for (int i = 0; i < ROUNDS; i++)
        shared[i] = token(NULL);
    for (int i = 0; i < 3; i++)
        ck_assert_int_eq(pthread_create(&threads[i], NULL, trigger_all, &why[i]), 0);
    for (int i = 0; i < 3; i++)
        pthread_join(threads[i], NULL);
    ck_assert_int_eq(wins, ROUNDS);
    ck_assert_int_eq(disagreements, 0);
    for (int i = 0; i < ROUNDS; i++)
        drop(shared[i]);
    check_all_gone();
}
END_TEST

/* Children come and go below a token that another thread triggers at some moment. Each round is a
 * rendezvous of three threads, slow where they share a busy processor. */
enum { MEETINGS = 500 };

static kc_cancel_t *parent;
static _Atomic(int) begun, triggered, finished, missed;

static void *create_and_destroy(void *arg)
{
    (void)arg;
    for (int round = 1; round <= MEETINGS; round++) {
        kt_until(&begun, round);
        kc_cancel_t *kept = token(parent);
        for (int i = 0; i < 20; i++) {
            kc_cancel_t *child = token(parent), *grandchild = token(child);
            drop(child);
            drop(grandchild);
        }
        kt_until(&triggered, round);
        if (kc_cancel_check(kept) != -ECANCELED)
            kt_count(&missed);
        drop(kept);
        kt_count(&finished);
    }
    return NULL;
}

START_TEST(t4_tokens_may_come_and_go_while_their_parent_triggers)
{
    pthread_t threads[2];

    for (int i = 0; i < 2; i++)
        ck_assert_int_eq(pthread_create(&threads[i], NULL, create_and_destroy, NULL), 0);
    for (int round = 1; round <= MEETINGS; round++) {
        parent = token(NULL);
        ka_store(&begun, round, release);
        for (int i = 0; i < round % 50; i++)
            kt_pass();
        ck_assert_int_eq(kc_cancel_trigger(parent, 0), 0);
        ka_store(&triggered, round, release);
        kt_until(&finished, 2 * round);
        drop(parent);
    }
    for (int i = 0; i < 2; i++)
        pthread_join(threads[i], NULL);
    ck_assert_int_eq(missed, 0);
    check_all_gone();
}
END_TEST

/* ---- the ambient token ---- */

static int shields(void *arg)
{
    kc_scope_t s;

    (void)arg;
    ck_assert_int_eq(kc_scope_open(&s, NULL), 0);
    kc_scope_cancel(&s, 0);
    ck_assert_int_eq(kc_canceled(), -ECANCELED);
    kc_shield(true);
    kc_shield(true);
    ck_assert_int_eq(kc_canceled(), 0);
    kc_shield(false);
    ck_assert_int_eq(kc_canceled(), 0);
    ck_assert_int_eq(kc_sleep(KC_US(10)), 0);
    ck_assert_int_eq(kc_checkpoint(), 0);
    kc_shield(false);
    ck_assert_int_eq(kc_canceled(), -ECANCELED);
    ck_assert_int_eq(kc_checkpoint(), -ECANCELED);
    ck_assert_int_eq(kc_sleep(KC_US(10)), -ECANCELED);
    ck_assert_int_eq(kc_scope_close(&s), -ECANCELED);
    ck_assert_int_eq(kc_canceled(), 0);
    return 0;
}

START_TEST(t6_a_shield_hides_cancellation_and_nests)
{
    ck_assert_int_eq(kc_canceled(), 0);
    kc_shield(true); // nothing to hide on a plain thread
    ck_assert_int_eq(kt_run(kt_workers(_i), shields, NULL), 0);
}
END_TEST

/* ---- every call that waits ---- */

static int return_zero(void *arg)
{
    (void)arg;
    return 0;
}

static int stay_for_ever(void *gate)
{
    kt_until(gate, 1);
    return 0;
}

/* What the calls below wait for in vain. */
static struct {
    kc_chan_t *empty, *full;
    kc_co_t *endless;
    kc_scope_t *scope;
    int pipe[2];
    _Atomic(int) gate;
    kc_mutex_t taken, free;
    kc_cond_t quiet;
    kc_sem_t none;
    kc_wg_t group;
    kc_once_t once;
    kc_rwlock_t shelf;
    kc_event_t event;
    kc_barrier_t barrier;
    kc_future_t *never;
} vain;

static int call_sleep(void)
{
    return kc_sleep_until(KC_FOREVER);
}
static int call_sleep_long(void)
{
    return kc_sleep(KC_S(1000));
}
static int call_join(void)
{
    return kc_join(vain.endless, NULL, KC_FOREVER);
}
static int call_scope_wait(void)
{
    return kc_scope_wait(vain.scope, KC_FOREVER);
}
static int call_recv(void)
{
    return kc_chan_recv(vain.empty, NULL, KC_FOREVER);
}
static int call_recv_long(void)
{
    return kc_chan_recv(vain.empty, NULL, kc_in(KC_S(1000)));
}
static int call_send(void)
{
    return kc_chan_send(vain.full, "x", KC_FOREVER);
}
static int call_select(void)
{
    return kc_select(KC_FOREVER, KC_RECV(vain.empty, NULL), KC_SEND(vain.full, "x")).rc;
}
static int call_fd_wait(void)
{
    return kc_fd_wait(vain.pipe[0], KC_RD, KC_FOREVER);
}
static int call_read(void)
{
    char c;
    return (int)kc_read(vain.pipe[0], &c, 1, KC_FOREVER);
}
static int call_block(void)
{
    return kc_block(stay_for_ever, &vain.gate, NULL, KC_FOREVER);
}

static int call_mutex_lock(void)
{
    return kc_mutex_lock(&vain.taken, KC_FOREVER);
}
static int call_cond_wait(void)
{
    int rc = kc_mutex_lock(&vain.free, KC_FOREVER);

    if (rc)
        return rc;
    rc = kc_cond_wait(&vain.quiet, &vain.free, KC_FOREVER);
    kc_mutex_unlock(&vain.free);
    return rc;
}
static int call_sem_acquire(void)
{
    return kc_sem_acquire(&vain.none, 1, KC_FOREVER);
}
static int call_wg_wait(void)
{
    return kc_wg_wait(&vain.group, KC_FOREVER);
}
static int call_once(void)
{
    return kc_once(&vain.once, return_zero, NULL);
}
static int call_wrlock(void)
{
    return kc_rwlock_wrlock(&vain.shelf, KC_FOREVER);
}
static int call_event_wait(void)
{
    return kc_event_wait(&vain.event, KC_FOREVER);
}
static int call_barrier_wait(void)
{
    return kc_barrier_wait(&vain.barrier, KC_FOREVER);
}
static int call_await(void)
{
    return kc_future_await(vain.never, NULL, kc_in(KC_S(1000)));
}

static const struct {
    int (*call)(void);
    enum kci_why why;
} calls[] = {
    { call_sleep, KCI_WHY_SLEEP },      { call_sleep_long, KCI_WHY_SLEEP },
    { call_join, KCI_WHY_JOIN },        { call_scope_wait, KCI_WHY_SCOPE },
    { call_recv, KCI_WHY_CHAN_RECV },   { call_recv_long, KCI_WHY_CHAN_RECV },
    { call_send, KCI_WHY_CHAN_SEND },   { call_select, KCI_WHY_SELECT },
    { call_fd_wait, KCI_WHY_FD },       { call_read, KCI_WHY_FD },
    { call_block, KCI_WHY_BLOCK },      { call_mutex_lock, KCI_WHY_MUTEX },
    { call_cond_wait, KCI_WHY_COND },   { call_sem_acquire, KCI_WHY_SEM },
    { call_wg_wait, KCI_WHY_WG },       { call_once, KCI_WHY_ONCE },
    { call_await, KCI_WHY_FUTURE },     { call_wrlock, KCI_WHY_RWLOCK },
    { call_event_wait, KCI_WHY_EVENT }, { call_barrier_wait, KCI_WHY_BARRIER },
};
enum { CALLS = sizeof calls / sizeof *calls };

static int make_call(void *number)
{
    return calls[(intptr_t)number].call();
}

static void cancel_each_call(void)
{
    kc_scope_t s;

    for (int i = 0; i < CALLS; i++) {
        ck_assert_int_eq(kc_scope_open(&s, NULL), 0);
        kc_co_t *co = kt_spawn(make_call, KT_RESULT(i));
        kt_until_parked(co, calls[i].why);
        ck_assert_int_eq(kc_scope_cancel(&s, 0), 0);
        ck_assert_int_eq(calls[i].call(), -ECANCELED); // and on entry
        ck_assert_int_eq(kc_scope_close(&s), -ECANCELED);
        ck_assert_int_eq(kt_join(co), -ECANCELED);
    }
}

/* Holds vain.taken, and its turn at vain.once, until it is cancelled. */
static int occupy(void *arg)
{
    ck_assert_int_eq(kc_mutex_lock(&vain.taken, KC_FOREVER), 0);
    ck_assert_int_eq(kc_rwlock_rdlock(&vain.shelf, KC_FOREVER), 0);
    int rc = kc_once(&vain.once, kt_wait_for_ever, arg);
    ck_assert_int_eq(kc_rwlock_unlock(&vain.shelf), 0);
    ck_assert_int_eq(kc_mutex_unlock(&vain.taken), 0);
    return rc;
}

static kc_co_t *make_it_vain(void)
{
    vain.empty = kc_chan(char, 0);
    vain.full = kc_chan(char, 0);
    vain.endless = kt_spawn(kt_wait_for_ever, NULL);
    ck_assert_int_eq(kc_wg_add(&vain.group, 1), 0);
    ck_assert_int_eq(kc_barrier_init(&vain.barrier, 2), 0);
    ck_assert_int_eq(kc_future_create(&vain.never, 0), 0);
    kc_co_t *occupant = kt_spawn(occupy, NULL);
    kt_until_parked(occupant, KCI_WHY_SLEEP);
    return occupant;
}

static int cancel_calls(void *arg)
{
    kc_scope_t s;

    (void)arg;
    ck_assert_int_eq(pipe(vain.pipe), 0);
    ck_assert_int_eq(kc_scope_open(&s, NULL), 0);
    vain.scope = &s;
    kc_co_t *occupant = make_it_vain();
    cancel_each_call();
    ka_store(&vain.gate, 1, release);
    kc_scope_cancel(&s, 0);
    kc_co_unref(vain.endless);
    kc_co_unref(occupant);
    kc_future_unref(vain.never);
    ck_assert_int_eq(kc_scope_close(&s), -ECANCELED);
    close(vain.pipe[0]);
    close(vain.pipe[1]);
    return 0;
}

START_TEST(cancelling_ends_every_call_that_waits_and_forbids_new_ones)
{
    ck_assert_int_eq(kt_run(kt_workers(_i), cancel_calls, NULL), 0);
}
END_TEST

/* Also when they could be completed at once: the check comes first. */
static int cancel_ready_calls(void *arg)
{
    kc_scope_t s;
    char c = 0;
    int ret;

    (void)arg;
    ck_assert_int_eq(kc_scope_open(&s, NULL), 0);
    kc_chan_t *ch = kc_chan(char, 2);
    kc_co_t *ended = kt_spawn(return_zero, NULL);
    ck_assert_int_eq(kc_join(ended, &ret, KC_FOREVER), 0);
    ck_assert_int_eq(kc_send(ch, &c), 0);
    kc_scope_cancel(&s, 0);
    ck_assert_int_eq(kc_join(ended, &ret, KC_TRY), -ECANCELED);
    ck_assert_int_eq(kc_send(ch, &c, KC_TRY), -ECANCELED);
    ck_assert_int_eq(kc_recv(ch, &c, KC_TRY), -ECANCELED);
    ck_assert_int_eq(kc_select(KC_TRY, KC_RECV(ch, &c)).rc, -ECANCELED);
    ck_assert_int_eq(kc_sleep_until(kc_in(-1)), -ECANCELED);
    ck_assert_int_eq(kc_block(return_zero, NULL, &ret, KC_FOREVER), -ECANCELED);
    ck_assert_int_eq(kc_scope_wait(&s, KC_TRY), -ECANCELED);
    kc_co_unref(ended);
    ck_assert_int_eq(kc_scope_close(&s), -ECANCELED);
    return 0;
}

START_TEST(a_cancelled_caller_is_told_so_even_if_nothing_had_to_wait)
{
    ck_assert_int_eq(kt_run(kt_workers(_i), cancel_ready_calls, NULL), 0);
}
END_TEST

/* ---- a trigger and a wait that begin at the same time ---- */

static int sleep_and_report(void *arg)
{
    (void)arg;
    return kc_sleep_until(KC_FOREVER) == -ECANCELED ? 0 : -EIO;
}

static int race_with_parking(void *arg)
{
    (void)arg;
    for (int i = 0; i < 3000; i++) {
        kc_scope_t s;
        ck_assert_int_eq(kc_scope_open(&s, NULL), 0);
        kt_go(sleep_and_report, NULL);
        kt_go(sleep_and_report, NULL);
        for (int k = 0; k < i % 5; k++)
            kc_yield();
        kc_scope_cancel(&s, 0);
        ck_assert_int_eq(kc_scope_close(&s), -ECANCELED);
    }
    return 0;
}

START_TEST(nobody_sleeps_through_its_cancellation)
{
    ck_assert_int_eq(kt_run(kt_workers(_i), race_with_parking, NULL), 0);
}
END_TEST

SUITE("sched/cancel", CASE(t15_a_token_is_triggered_once_and_keeps_the_first_reason),
      CASE(no_reason_means_ecanceled), CASE(a_token_that_is_not_there_is_invalid),
      CASE(t3_t13_triggering_reaches_all_below_and_nobody_else),
      CASE(t13_a_child_of_a_triggered_token_is_born_triggered),
      CASE(a_child_keeps_its_parent_alive),
      CASE_LOOP(t3_a_tree_of_any_shape_is_triggered_and_dropped_on_a_small_stack, 3),
      CASE(t15_of_several_threads_that_trigger_a_token_one_does),
      CASE(t4_tokens_may_come_and_go_while_their_parent_triggers),
      CASE_WORKERS(t6_a_shield_hides_cancellation_and_nests),
      CASE_WORKERS(cancelling_ends_every_call_that_waits_and_forbids_new_ones),
      CASE_WORKERS(a_cancelled_caller_is_told_so_even_if_nothing_had_to_wait),
      CASE_WORKERS(nobody_sleeps_through_its_cancellation))
