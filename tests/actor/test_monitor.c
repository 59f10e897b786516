/* SPDX-License-Identifier: BSD-3-Clause */
/* tests/actor/test_monitor.c — one notice for each monitor, whenever it was set up. */
#include <kcoro/metrics.h>

#include "core/mem.h"
#include "tests/actor/kit.h"

static kc_chan_t *exits_of(long cap)
{
    kc_chan_t *ch;

    must_eq(kc_chan_make(&ch, sizeof(kc_actor_exit_t), cap), 0);
    return ch;
}

static void expect(kc_chan_t *exits, kc_actor_t *a, int why)
{
    kc_actor_exit_t e = { NULL, 1 };

    must_eq(kc_recv(exits, &e, KC_FOREVER), 0);
    ck_assert_ptr_eq(e.actor, a);
    ck_assert_int_eq(e.why, why);
}

static void expect_no_more(kc_chan_t *exits)
{
    kc_actor_exit_t e;

    ck_assert_int_eq(kc_recv(exits, &e, KC_TRY), -EAGAIN);
}

/* ---- once ---- */

static void once(long cap, int why)
{
    struct diary d = { .stop_why = 1 };
    kc_actor_opts_t o = diary_opts(&d);
    kc_chan_t *exits = exits_of(cap), *others = exits_of(4);

    diary_start(&d, &o);
    ck_assert_int_eq(kc_actor_monitor(d.actor, exits), 0);
    ck_assert_int_eq(kc_actor_monitor(d.actor, others), 0);
    expect_no_more(exits); // it is alive
    if (why)
        order(&d, FAIL, why);
    ck_assert_int_eq(kc_actor_stop(d.actor, KC_FOREVER), 0);
    expect(exits, d.actor, why);
    expect_no_more(exits);
    ck_assert_int_eq(kc_actor_monitor(d.actor, exits), 0); // dead already
    expect(exits, d.actor, why);
    expect_no_more(exits);
    expect(others, d.actor, why);
    expect_no_more(others);
    ck_assert_int_eq(diary_end(&d), why);
    kc_chan_unref(exits);
    kc_chan_unref(others);
}

static int each_once(void *arg)
{
    (void)arg;
    once(1, 0);
    once(1, -EIO);
    once(KC_UNLIMITED, -EIO);
    once(0, 0); // there is never room: the notice waits
    once(0, -EIO);
    return 0;
}

START_TEST(a5_a_monitor_gets_one_notice_also_of_the_dead)
{
    ck_assert_int_eq(kt_run(kt_workers(_i), each_once, NULL), 0);
}
END_TEST

/* Monitors set up while the actor ends: some before, some after, each told once. */
static int monitor_it(void *arg)
{
    struct diary *d = arg;
    kc_chan_t *exits = exits_of(1);
    kc_actor_exit_t e;

    must_eq(kc_actor_monitor(d->actor, exits), 0);
    must_eq(kc_recv(exits, &e, KC_FOREVER), 0);
    must_eq(e.why, -EIO);
    must_eq(kc_actor_join(d->actor, NULL, KC_FOREVER), 0);
    must_eq(kc_recv(exits, &e, KC_TRY), -EAGAIN);
    kc_chan_unref(exits);
    return 0;
}

static int race(void *arg)
{
    (void)arg;
    for (int i = 0; i < 100; i++) {
        struct diary d = { .stop_why = 1 };
        kc_actor_opts_t o = diary_opts(&d);
        struct guest g[4];
        diary_start(&d, &o);
        for (int k = 0; k < 4; k++) {
            if (k == i % 5)
                order(&d, FAIL, -EIO);
            guest_start(&g[k], k == 3 && i % 16 == 0, monitor_it, &d);
        }
        if (i % 5 == 4)
            order(&d, FAIL, -EIO);
        for (int k = 0; k < 4; k++)
            must_eq(guest_join(&g[k]), 0);
        must_eq(diary_end(&d), -EIO);
    }
    return 0;
}

START_TEST(a5_a_monitor_set_up_while_the_actor_ends_is_told_once)
{
    ck_assert_int_eq(kt_run(kt_workers(_i), race, NULL), 0);
}
END_TEST

/* ---- notices that nobody takes ---- */

static int many_exits(void *arg)
{
    enum { ACTORS = 5 };
    struct diary d[ACTORS];
    kc_chan_t *exits = exits_of(2);
    kc_actor_exit_t e;

    (void)arg;
    for (int i = 0; i < ACTORS; i++) {
        d[i] = (struct diary){ .stop_why = 1 };
        kc_actor_opts_t o = diary_opts(&d[i]);
        diary_start(&d[i], &o);
        ck_assert_int_eq(kc_actor_monitor(d[i].actor, exits), 0);
    }
    for (int i = 0; i < ACTORS; i++) // none of them waits for room
        ck_assert_int_eq(kc_actor_stop(d[i].actor, KC_FOREVER), 0);
    for (int i = 0; i < ACTORS; i++) { // and each notice gets there
        ck_assert_int_eq(kc_recv(exits, &e, KC_FOREVER), 0);
        ck_assert_ptr_eq(e.actor, d[i].actor);
    }
    expect_no_more(exits);
    for (int i = 0; i < ACTORS; i++)
        ck_assert_int_eq(diary_end(&d[i]), 0);
    kc_chan_unref(exits);
    return 0;
}

START_TEST(a5_an_actor_does_not_wait_for_its_monitor)
{
    ck_assert_int_eq(kt_run(kt_workers(_i), many_exits, NULL), 0);
}
END_TEST

/* Left over when the scope closes, or when the channel does; and taken at the same time. */
static int receive_one(void *exits)
{
    kc_actor_exit_t e;
    int rc = kc_recv(exits, &e, KC_FOREVER);

    must(rc == 0 || rc == -EPIPE);
    return rc;
}

static void leave_over(int i)
{
    struct diary d = { .stop_why = 1 };
    kc_actor_opts_t o = diary_opts(&d);
    kc_chan_t *exits = exits_of(0);
    struct kc_chan_stats st;
    struct guest g;
    kc_scope_t s;

    if (i % 4 == 3) // outside the scope that closes
        guest_start(&g, false, receive_one, exits);
    must_eq(kc_scope_open(&s, NULL), 0);
    diary_start(&d, &o);
    must_eq(kc_actor_monitor(d.actor, exits), 0);
    must_eq(kc_actor_stop(d.actor, KC_FOREVER), 0);
    must_eq(kc_actor_monitor(d.actor, exits), 0);
    if (i % 4 == 1)
        must_eq(kc_chan_close(exits), 0);
    must_eq(kc_scope_close(&s), 0);
    must_eq(kc_chan_stats(exits, &st), 0);
    must_eq(st.send_waiters, 0);
    kc_chan_close(exits);
    if (i % 4 == 3)
        guest_join(&g);
    must_eq(diary_end(&d), 0);
    kc_chan_unref(exits);
}

static int left_over(void *arg)
{
    (void)arg;
    for (int i = 0; i < 200; i++)
        leave_over(i);
    return 0;
}

START_TEST(a5_a_notice_that_nobody_takes_goes_with_the_scope)
{
    ck_assert_int_eq(kt_run(kt_workers(_i), left_over, NULL), 0);
}
END_TEST

/* ---- what it says ---- */

static int refusals(void *arg)
{
    struct diary d = { .stop_why = 1 };
    kc_actor_opts_t o = diary_opts(&d);
    kc_chan_t *exits = exits_of(1), *wrong;

    (void)arg;
    ck_assert_int_eq(kc_chan_make(&wrong, 1, 1), 0);
    diary_start(&d, &o);
    ck_assert_int_eq(kc_actor_monitor(NULL, exits), -EINVAL);
    ck_assert_int_eq(kc_actor_monitor(d.actor, NULL), -EINVAL);
    ck_assert_int_eq(kc_actor_monitor(d.actor, wrong), -EINVAL);
    ck_assert_int_eq(ask_it(&d, ANSWER, 1, &(int){ 0 }, KC_FOREVER), 1); // all is in place
    kci_mem_fail_nth(1);
    ck_assert_int_eq(kc_actor_monitor(d.actor, exits), -ENOMEM);
    kci_mem_fail_nth(0);
    ck_assert_int_eq(kc_actor_stop(d.actor, KC_FOREVER), 0);
    expect_no_more(exits);
    ck_assert_int_eq(diary_end(&d), 0);
    kc_chan_unref(exits);
    kc_chan_unref(wrong);
    return 0;
}

START_TEST(a5_a_monitor_needs_a_channel_of_exits)
{
    ck_assert_int_eq(kt_run(kt_workers(_i), refusals, NULL), 0);
}
END_TEST

SUITE("actor/monitor", CASE_WORKERS(a5_a_monitor_gets_one_notice_also_of_the_dead),
      CASE_WORKERS(a5_a_monitor_set_up_while_the_actor_ends_is_told_once),
      CASE_WORKERS(a5_an_actor_does_not_wait_for_its_monitor),
      CASE_WORKERS(a5_a_notice_that_nobody_takes_goes_with_the_scope),
      CASE_WORKERS(a5_a_monitor_needs_a_channel_of_exits))
