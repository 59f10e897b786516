/* SPDX-License-Identifier: BSD-3-Clause */
/* tests/chan/test_produce.c — a channel that closes when the coroutine filling it ends. */
#include "core/mem.h"
#include "tests/chan/kit.h"

static int count_to(kc_chan_t *out, void *n)
{
    int rc = 0;

    for (int i = 0; i < *(int *)n && !rc; i++)
        rc = kc_send(out, &i);
    return rc;
}

static int fail_after_two(kc_chan_t *out, void *unused)
{
    int two = 2;

    (void)unused;
    must_eq(count_to(out, &two), 0);
    return -EIO;
}

static void closes(void)
{
    int n = 20, v, next;
    kc_scope_t s;

    for (long cap = -2; cap < 4; cap++) {
        open_scope(&s);
        kc_chan_t *ch = kc_scope_produce(&s, sizeof(int), cap, count_to, &n);
        ck_assert_ptr_nonnull(ch);
        for (next = 0; kc_recv(ch, &v) == 0; next++)
            must(cap == KC_CONFLATED || v == next);
        ck_assert(cap == KC_CONFLATED || next == n);
        ck_assert_int_eq(kc_chan_why(ch), 1);
        close_scope(&s, 0);
    }
}

START_TEST(r14_a_produced_channel_closes_when_its_producer_ends)
{
    try_workers(workers_of(_i), closes);
}
END_TEST

static void fails(void)
{
    kc_scope_t s;
    int v;

    ck_assert_int_eq(kc_scope_open(&s, &(kc_scope_opts_t){ .policy = KC_SUPERVISE }), 0);
    kc_chan_t *ch = kc_scope_produce(&s, sizeof(int), 0, fail_after_two, NULL);
    for (int i = 0; i < 2; i++) {
        ck_assert_int_eq(kc_recv(ch, &v), 0);
        ck_assert_int_eq(v, i);
    }
    ck_assert_int_eq(kc_recv(ch, &v), -EPIPE);
    ck_assert_int_eq(kc_chan_why(ch), -EIO); // why there was no more
    close_scope(&s, -EIO);
}

START_TEST(c8_a_producer_s_error_is_the_reason_of_the_close)
{
    try_workers(workers_of(_i), fails);
}
END_TEST

static void abandoned(void)
{
    int n = 1 << 30, v;
    kc_scope_t s;

    open_scope(&s);
    kc_chan_t *ch = kc_chan_ref(kc_scope_produce(&s, sizeof(int), 1, count_to, &n));
    ck_assert_int_eq(kc_recv(ch, &v), 0);
    ck_assert_int_eq(kc_scope_cancel(&s, 0), 0);
    close_scope(&s, -ECANCELED);
    ck_assert_int_eq(kc_chan_why(ch), -ECANCELED);
    kc_chan_unref(ch);
    // Disowned and dropped by the receiver, it stays as long as the producer needs it.
    open_scope(&s);
    ch = kc_scope_produce(&s, sizeof(int), 1, count_to, &n);
    ck_assert_int_eq(kc_scope_disown(&s, ch), 0);
    ck_assert_int_eq(kc_recv(ch, &v), 0);
    kc_chan_unref(ch);
    ck_assert_int_eq(kc_scope_cancel(&s, 0), 0);
    close_scope(&s, -ECANCELED);
    // A receiver that has had enough closes; the producer then ends by itself.
    ck_assert_int_eq(kc_scope_open(&s, &(kc_scope_opts_t){ .policy = KC_SUPERVISE }), 0);
    ch = kc_scope_produce(&s, sizeof(int), 1, count_to, &n);
    ck_assert_int_eq(kc_recv(ch, &v), 0);
    ck_assert_int_eq(kc_chan_close(ch), 0);
    close_scope(&s, -EPIPE);
}

START_TEST(t1_a_producer_ends_when_its_scope_or_its_channel_does)
{
    try_workers(workers_of(_i), abandoned);
}
END_TEST

static void refused(void)
{
    int n = 1, made = 0, rc;
    kc_scope_t s;

    open_scope(&s);
    ck_assert_ptr_null(kc_scope_produce(&s, 4, 0, NULL, NULL));
    close_scope(&s, -EINVAL);
    open_scope(&s);
    ck_assert_ptr_null(kc_scope_produce(&s, 4, -3, count_to, &n));
    close_scope(&s, -EINVAL);
    for (uint64_t nth = 1; !made; nth++) {
        open_scope(&s);
        kci_mem_fail_nth(nth);
        made = kc_scope_produce(&s, sizeof(int), 1, count_to, &n) != NULL;
        kci_mem_fail_nth(0);
        rc = kc_scope_close(&s);
        ck_assert_int_eq(rc, made ? 0 : -ENOMEM);
    }
}

START_TEST(g5_a_producer_that_cannot_start_cancels_its_scope)
{
    try_workers(1, refused);
}
END_TEST

SUITE("chan/produce",
      CASE_LOOP(r14_a_produced_channel_closes_when_its_producer_ends, WORKERS),
      CASE_LOOP(c8_a_producer_s_error_is_the_reason_of_the_close, WORKERS),
      CASE_LOOP(t1_a_producer_ends_when_its_scope_or_its_channel_does, WORKERS),
      CASE(g5_a_producer_that_cannot_start_cancels_its_scope))
