/* SPDX-License-Identifier: BSD-3-Clause */
/* tests/chan/test_typed.c — channels whose element type the compiler knows. */
#include <kcoro/typed.h>

#include "tests/chan/kit.h"

struct point {
    double x, y;
    char name[20];
};

KC_CHAN_TYPE(points, struct point)
KC_CHAN_TYPE(words, const char *)

static void round_trip(void)
{
    kc_chan_t *ch, *texts = words_owned(1);
    struct point p = { 1.5, -2.5, "here" }, q = { 0, 0, "" };
    const char *word = "";

    ck_assert_int_eq(points_make(&ch, 1), 0);
    ck_assert_int_eq(points_send(ch, p, KC_FOREVER), 0);
    ck_assert_int_eq(points_send(ch, p, KC_TRY), -EAGAIN);
    ck_assert_int_eq(points_recv(ch, &q, KC_FOREVER), 0);
    ck_assert(q.x == p.x && q.y == p.y && strcmp(q.name, "here") == 0);
    ck_assert_int_eq(words_send(texts, "word", KC_TRY), 0);
    check_sel(kc_select(KC_TRY, points_recv_case(ch, &q), words_recv_case(texts, &word)), 1, 0);
    ck_assert_str_eq(word, "word");
    check_sel(kc_select(KC_TRY, points_send_case(ch, &p)), 0, 0);
    ck_assert_int_eq(points_recv(ch, NULL, KC_TRY), 0);
    ck_assert_int_eq(points_make(&ch, -3), -EINVAL);
    ck_assert_int_eq(kc_chan_close(ch), 0);
    ck_assert_int_eq(points_recv(ch, &q, KC_FOREVER), -EPIPE);
    kc_chan_unref(ch);
}

START_TEST(b1_typed_calls_are_the_ordinary_ones)
{
    try_workers(workers_of(_i), round_trip);
}
END_TEST

SUITE("chan/typed", CASE_LOOP(b1_typed_calls_are_the_ordinary_ones, WORKERS))
