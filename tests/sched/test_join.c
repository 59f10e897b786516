/* SPDX-License-Identifier: BSD-3-Clause */
/* tests/sched/test_join.c — waiting for the end of a coroutine, from everywhere and for
 * long. */
#include <pthread.h>

#include "arch/os.h"
#include "core/mem.h"
#include "tests/sched/kit.h"

/* Ends with `result` once somebody opens the gate. */
struct gated {
    _Atomic(int) open;
    int result;
    int written; // plain: the end of a coroutine publishes what it did
};

static int wait_at_gate(void *arg)
{
    struct gated *g = arg;

    kt_until(&g->open, 1);
    g->written = g->result * 2;
    return g->result;
}

/* ---- before and after the end ---- */

static int join_both_ways(void *arg)
{
    struct gated g = { .result = 21 };
    int ret = -1;

    (void)arg;
    kc_co_t *co = kt_spawn(wait_at_gate, &g);
    ck_assert_int_eq(kc_join(co, &ret, KC_TRY), -EAGAIN);
    ck_assert_int_eq(kc_join(co, &ret, kc_in(-1)), -ETIME);
    ck_assert_int_eq(kc_join(co, &ret, kc_in(KC_MS(1))), -ETIME);
    ck_assert_int_eq(ret, -1);
    ka_store(&g.open, 1, release);
    ck_assert_int_eq(kc_join(co, &ret, KC_FOREVER), 0);
    ck_assert_int_eq(ret, 21);
    ck_assert_int_eq(g.written, 42);
    // The end does not go away: no deadline is too short for it.
    for (int i = 0; i < 3; i++) {
        ret = -1;
        ck_assert_int_eq(kc_join(co, &ret, i == 0 ? KC_TRY : kc_in(-1)), 0);
        ck_assert_int_eq(ret, 21);
    }
    ck_assert_int_eq(kc_join(co, NULL, KC_FOREVER), 0);
    kc_co_unref(co);
    return 0;
}

START_TEST(joining_waits_for_the_end_and_gives_the_result_as_often_as_asked)
{
    ck_assert_int_eq(kt_run(kt_workers(_i), join_both_ways, NULL), 0);
}
END_TEST

static int join_nobody(void *arg)
{
    (void)arg;
    ck_assert_int_eq(kc_join(NULL, NULL, KC_FOREVER), -EINVAL);
    ck_assert_int_eq(kc_join(kc_self(), NULL, KC_FOREVER), -EDEADLK);
    ck_assert_int_eq(kc_join(kc_self(), NULL, KC_TRY), -EDEADLK);
    return 0;
}

START_TEST(joining_oneself_is_a_deadlock_and_joining_nobody_is_invalid)
{
    ck_assert_int_eq(kt_run(1, join_nobody, NULL), 0);
}
END_TEST

/* ---- many joiners ---- */

struct crowd {
    kc_co_t *co;
    _Atomic(int) joined;
};

static int join_in_crowd(void *arg)
{
    struct crowd *c = arg;
    int ret = 0;

    if (kc_join(c->co, &ret, KC_FOREVER) || ret != 7)
        return -EIO;
    return kt_count(&c->joined);
}

static int many_join_one(void *arg)
{
    enum { MANY = 200 };
    struct gated g = { .result = 7 };
    struct crowd c = { .joined = 0 };
    kc_co_t *joiners[MANY];

    (void)arg;
    c.co = kt_spawn(wait_at_gate, &g);
    for (int i = 0; i < MANY; i++)
        joiners[i] = kt_spawn(join_in_crowd, &c);
    for (int i = 0; i < MANY; i++)
        kt_until_parked(joiners[i], KCI_WHY_JOIN);
    ck_assert_int_eq(c.joined, 0);
    ka_store(&g.open, 1, release);
    for (int i = 0; i < MANY; i++)
        ck_assert_int_eq(kt_join(joiners[i]), 0);
    ck_assert_int_eq(c.joined, MANY);
    kc_co_unref(c.co);
    return 0;
}

START_TEST(all_who_join_one_coroutine_get_its_result)
{
    ck_assert_int_eq(kt_run(kt_workers(_i), many_join_one, NULL), 0);
}
END_TEST

/* ---- the joiner gives up ---- */

static int join_until_cancelled(void *co)
{
    int ret = 5, rc = kc_join(co, &ret, KC_FOREVER);
    return rc == -ECANCELED && ret == 5 ? 0 : -EIO;
}

static int cancel_a_joiner(void *arg)
{
    struct gated g = { .result = 1 };
    kc_co_t *co = kt_spawn(wait_at_gate, &g);
    kc_scope_t s;

    (void)arg;
    ck_assert_int_eq(kc_scope_open(&s, NULL), 0);
    kc_co_t *joiner = kt_spawn(join_until_cancelled, co);
    kt_until_parked(joiner, KCI_WHY_JOIN);
    ck_assert_int_eq(kc_scope_cancel(&s, -EIO), 0);
    ck_assert_int_eq(kc_scope_close(&s), -EIO);
    ck_assert_int_eq(kt_join(joiner), 0);
    ka_store(&g.open, 1, release);
    ck_assert_int_eq(kt_join(co), 1);
    return 0;
}

START_TEST(a_cancelled_joiner_leaves_and_the_coroutine_goes_on)
{
    ck_assert_int_eq(kt_run(kt_workers(_i), cancel_a_joiner, NULL), 0);
}
END_TEST

/* Deadline and end at about the same time: whatever wins, nothing is lost and nobody hangs. */
static int race_with_deadline(void *arg)
{
    int ended = 0, late = 0;

    (void)arg;
    for (int i = 0; i < 300; i++) {
        struct gated g = { .result = 1, .open = i % 3 == 0 };
        kc_co_t *co = kt_spawn(wait_at_gate, &g);
        int rc = kc_join(co, NULL, kc_in(KC_US(i % 50)));
        ended += rc == 0;
        late += rc == -ETIME;
        ka_store(&g.open, 1, release);
        ck_assert_int_eq(kt_join(co), 1);
    }
    ck_assert_int_eq(ended + late, 300);
    return 0;
}

START_TEST(a_deadline_close_to_the_end_gives_one_answer)
{
    ck_assert_int_eq(kt_run(kt_workers(_i), race_with_deadline, NULL), 0);
}
END_TEST

/* ---- plain threads ---- */

struct outsider {
    kc_co_t *co;
    struct gated *gate;
    _Atomic(int) done;
    int try_rc, time_rc, rc, ret, written;
};

static void *join_from_outside(void *arg)
{
    struct outsider *o = arg;

    o->try_rc = kc_join(o->co, &o->ret, KC_TRY);
    o->time_rc = kc_join(o->co, &o->ret, kc_in(KC_MS(2)));
    ka_store(&o->gate->open, 1, release);
    o->rc = kc_join(o->co, &o->ret, KC_FOREVER);
    o->written = o->gate->written;
    ka_store(&o->done, 1, release);
    return NULL;
}

static int be_joined_from_outside(void *arg)
{
    struct gated g = { .result = -3 };
    struct outsider o = { .gate = &g };
    pthread_t thread;
    kc_scope_t s;

    (void)arg;
    ck_assert_int_eq(kc_scope_open(&s, &(kc_scope_opts_t){ .policy = KC_SUPERVISE }), 0);
    o.co = kt_spawn(wait_at_gate, &g);
    ck_assert_int_eq(pthread_create(&thread, NULL, join_from_outside, &o), 0);
    kt_until(&o.done, 1);
    pthread_join(thread, NULL);
    ck_assert_int_eq(o.try_rc, -EAGAIN);
    ck_assert_int_eq(o.time_rc, -ETIME);
    ck_assert_int_eq(o.rc, 0);
    ck_assert_int_eq(o.ret, -3);
    ck_assert_int_eq(o.written, -6);
    kc_co_unref(o.co);
    ck_assert_int_eq(kc_scope_close(&s), -3);
    return 0;
}

START_TEST(a_plain_thread_joins_too)
{
    ck_assert_int_eq(kt_run(kt_workers(_i), be_joined_from_outside, NULL), 0);
}
END_TEST

/* ---- handles that outlive their runtime ---- */

static int leave_handles(void *out)
{
    kc_co_t **handles = out;

    handles[0] = kt_spawn(kt_return, KT_RESULT(11));
    handles[1] = kt_spawn(kt_return, KT_RESULT(22));
    kc_co_ref(handles[1]);
    handles[2] = kc_self();
    kc_co_ref(handles[2]);
    return 33;
}

START_TEST(a_handle_can_be_joined_after_its_runtime_has_ended)
{
    kc_co_t *handles[3];
    int ret;

    int rc = kc_run(leave_handles, handles, &(kc_opts_t){ .workers = kt_workers(_i) });
    ck_assert_int_eq(rc, 33);
    for (int i = 0; i < 3; i++) {
        ck_assert_int_eq(kc_join(handles[i], &ret, KC_FOREVER), 0);
        ck_assert_int_eq(ret, 11 * (i + 1));
    }
    kc_co_unref(handles[0]);
    kc_co_unref(handles[1]);
    kc_co_unref(handles[2]);
    ck_assert_uint_gt(kci_mem_blocks_in_use(), 0);
    kc_co_unref(handles[1]);
    ck_assert_uint_eq(kci_mem_blocks_in_use(), 0);
}
END_TEST

SUITE("sched/join", CASE_WORKERS(joining_waits_for_the_end_and_gives_the_result_as_often_as_asked),
      CASE(joining_oneself_is_a_deadlock_and_joining_nobody_is_invalid),
      CASE_WORKERS(all_who_join_one_coroutine_get_its_result),
      CASE_WORKERS(a_cancelled_joiner_leaves_and_the_coroutine_goes_on),
      CASE_WORKERS(a_deadline_close_to_the_end_gives_one_answer),
      CASE_WORKERS(a_plain_thread_joins_too),
      CASE_WORKERS(a_handle_can_be_joined_after_its_runtime_has_ended))
