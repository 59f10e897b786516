/* SPDX-License-Identifier: BSD-3-Clause */
/* tests/sync/test_future.c — a result that is set once and read by any number. */
#include <string.h>

#include "core/mem.h"
#include "tests/sync/kit.h"

struct answer {
    long number;
    char text[24];
};

static const struct answer the_answer = { 42, "to all the questions" };

static bool is_the_answer(const struct answer *a)
{
    return a->number == the_answer.number && !strcmp(a->text, the_answer.text);
}

static kc_future_t *make(size_t size)
{
    kc_future_t *f = NULL;

    must_eq(kc_future_create(&f, size), 0);
    return f;
}

struct reader {
    struct guest guest;
    kc_future_t *f;
    kc_deadline_t dl;
    struct answer got;
};

static int read_it(void *arg)
{
    struct reader *r = arg;
    return kc_future_await(r->f, &r->got, r->dl);
}

static void start_reader(struct reader *r, kc_future_t *f, bool thread)
{
    *r = (struct reader){ .f = f, .dl = KC_FOREVER };
    guest_start(&r->guest, thread, read_it, r);
}

/* ---- many ---- */

enum { AWAITERS = 1000 };

static int many(void *arg)
{
    static struct reader r[AWAITERS];
    kc_future_t *f = make(sizeof(struct answer));

    (void)arg;
    for (int i = 0; i < AWAITERS; i++)
        start_reader(&r[i], f, i % 100 == 99);
    until_queued(f, AWAITERS);
    ck_assert_int_eq(kc_future_set(f, 7, &the_answer), 0);
    ck_assert_int_eq(kc_future_set(f, 8, &(struct answer){ 1, "late" }), -EALREADY);
    for (int i = 0; i < AWAITERS; i++) {
        must_eq(guest_join(&r[i].guest), 7);
        must(is_the_answer(&r[i].got));
    }
    start_reader(&r[0], f, false); // and whoever comes later
    ck_assert_int_eq(guest_join(&r[0].guest), 7);
    ck_assert(is_the_answer(&r[0].got));
    kc_future_unref(f);
    return 0;
}

START_TEST(l5_a_thousand_awaiters_get_the_first_result)
{
    ck_assert_int_eq(kt_run(kt_workers(_i), many, NULL), 0);
}
END_TEST

/* ---- what it says ---- */

static int any_result(void *arg)
{
    static const int results[] = { 0, 1, 1 << 30, -EIO, -EAGAIN, -ETIME, -ECANCELED, -EPIPE };
    struct reader r;

    for (int i = 0; i < 16; i++) {
        int rc = results[i / 2], v = 5;
        kc_future_t *f = make(0);
        if (i % 2) {
            start_reader(&r, f, arg != NULL);
            until_queued(f, 1);
        }
        ck_assert_int_eq(kc_future_set(f, rc, NULL), 0);
        if (i % 2)
            ck_assert_int_eq(guest_join(&r.guest), rc);
        ck_assert_int_eq(kc_future_await(f, &v, KC_TRY), rc);
        ck_assert_int_eq(v, 5);
        kc_future_unref(f);
    }
    return 0;
}

START_TEST(l5_any_number_may_be_a_result)
{
    ck_assert_int_eq(kt_run(kt_workers(_i), any_result, NULL), 0);
}
END_TEST

START_TEST(l5_any_number_may_be_a_result_for_threads)
{
    static int threads;
    ck_assert_int_eq(any_result(&threads), 0);
    ck_assert_uint_eq(kci_mem_blocks_in_use(), 0);
}
END_TEST

START_TEST(l5_a_future_says_what_is_wrong)
{
    kc_future_t *f = NULL;
    int v = 3;

    ck_assert_int_eq(kc_future_create(NULL, 0), -EINVAL);
    ck_assert_int_eq(kc_future_create(&f, SIZE_MAX), -EOVERFLOW);
    ck_assert_int_eq(kc_future_set(NULL, 0, &v), -EINVAL);
    ck_assert_int_eq(kc_future_await(NULL, &v, KC_TRY), -EINVAL);
    f = make(sizeof v);
    ck_assert_int_eq(kc_future_await(f, &v, KC_TRY), -EAGAIN);
    ck_assert_int_eq(kc_future_await(f, &v, kc_in(-1)), -ETIME);
    ck_assert_int_eq(kc_future_await(f, &v, kc_in(KC_US(100))), -ETIME);
    ck_assert_int_eq(kc_future_set(f, 0, NULL), -EINVAL); // a good result has its value
    ck_assert_int_eq(kc_future_set(f, -EIO, NULL), 0);    // a bad one need not
    ck_assert_int_eq(kc_future_await(f, &v, KC_FOREVER), -EIO);
    ck_assert_int_eq(v, 3);
    ck_assert_int_eq(kc_future_await(f, NULL, KC_FOREVER), -EIO);
    kc_future_unref(f);
    kc_future_unref(NULL);
    f = make(sizeof v);
    ck_assert_int_eq(kc_future_set(f, -EIO, &(int){ 9 }), 0); // a bad one may
    ck_assert_int_eq(kc_future_await(f, &v, KC_FOREVER), -EIO);
    ck_assert_int_eq(v, 9);
    kc_future_unref(f);
    ck_assert_uint_eq(kci_mem_blocks_in_use(), 0);
}
END_TEST

START_TEST(g5_a_future_that_cannot_be_made_says_enomem)
{
    kc_future_t *f = NULL;

    kci_mem_fail_nth(1);
    ck_assert_int_eq(kc_future_create(&f, 100), -ENOMEM);
    ck_assert_ptr_null(f);
    ck_assert_uint_eq(kci_mem_blocks_in_use(), 0);
}
END_TEST

/* ---- handles ---- */

static int dropped(void *arg)
{
    kc_future_t *f = make(sizeof(struct answer));
    struct reader r[4];

    (void)arg;
    ck_assert_ptr_eq(kc_future_ref(f), f);
    for (int i = 0; i < 4; i++)
        start_reader(&r[i], f, i % 2);
    until_queued(f, 4);
    kc_future_unref(f);
    ck_assert_int_eq(queued(f), 4); // there is one more handle
    kc_future_unref(f);
    for (int i = 0; i < 4; i++) {
        ck_assert_int_eq(guest_join(&r[i].guest), -EPIPE);
        ck_assert_int_eq(r[i].got.number, 0);
    }
    return 0;
}

START_TEST(l5_when_the_last_handle_goes_who_still_waits_gets_epipe)
{
    ck_assert_int_eq(kt_run(kt_workers(_i), dropped, NULL), 0);
}
END_TEST

static int set_and_let_go(void *f)
{
    int rc = kc_future_set(f, 0, &the_answer);

    kc_future_unref(f);
    return rc;
}

/* The reader has no handle of its own, and the only one goes right after the result came. */
static int set_then_gone(void *arg)
{
    (void)arg;
    for (int i = 0; i < 200; i++) {
        kc_future_t *f = make(sizeof(struct answer));
        struct reader r;
        struct guest g;
        start_reader(&r, f, i % 16 == 0);
        until_queued(f, 1);
        guest_start(&g, i % 16 == 8, set_and_let_go, f);
        must_eq(guest_join(&r.guest), 0);
        must(is_the_answer(&r.got));
        must_eq(guest_join(&g), 0);
    }
    return 0;
}

START_TEST(l5_a_result_reaches_who_waits_even_if_the_handle_goes_at_once)
{
    ck_assert_int_eq(kt_run(kt_workers(_i), set_then_gone, NULL), 0);
}
END_TEST

/* ---- leaving ---- */

static int cancelled(void *arg)
{
    kc_future_t *f = make(0);
    struct reader r;
    kc_scope_t s;

    (void)arg;
    ck_assert_int_eq(kc_scope_open(&s, NULL), 0);
    start_reader(&r, f, false);
    until_queued(f, 1);
    kc_scope_cancel(&s, 0);
    ck_assert_int_eq(kc_scope_close(&s), -ECANCELED);
    ck_assert_int_eq(guest_join(&r.guest), -ECANCELED);
    ck_assert_int_eq(queued(f), 0);
    ck_assert_int_eq(kc_future_set(f, 3, NULL), 0);
    ck_assert_int_eq(kc_future_await(f, NULL, KC_TRY), 3);
    kc_future_unref(f);
    return 0;
}

START_TEST(t16_a_cancelled_awaiter_leaves_the_future_to_others)
{
    ck_assert_int_eq(kt_run(kt_workers(_i), cancelled, NULL), 0);
}
END_TEST

SUITE("sync/future", CASE_WORKERS(l5_a_thousand_awaiters_get_the_first_result),
      CASE_WORKERS(l5_any_number_may_be_a_result),
      CASE(l5_any_number_may_be_a_result_for_threads), CASE(l5_a_future_says_what_is_wrong),
      CASE(g5_a_future_that_cannot_be_made_says_enomem),
      CASE_WORKERS(l5_when_the_last_handle_goes_who_still_waits_gets_epipe),
      CASE_WORKERS(l5_a_result_reaches_who_waits_even_if_the_handle_goes_at_once),
      CASE_WORKERS(t16_a_cancelled_awaiter_leaves_the_future_to_others))
