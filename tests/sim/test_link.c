/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * tests/sim/test_link.c — simulated links do what they are told to, at the moment they should.
 */
#include "tests/sim/kit.h"

static unsigned char out, in; /* what was sent and received last */

/* ---- time ---- */

static void one_way(struct net *n)
{
    must_eq(age(n), KC_MS(5)); // until it was accepted
    must_eq(put_bytes(&n->a, 10, &out), 0);
    must_eq(get_bytes(&n->b, 1, &in, kc_in(KC_MS(5) - 1)), -ETIME);
    must_eq(get_bytes(&n->b, 10, &in, kc_in(KC_US(1))), 0);
    must_eq(age(n), KC_MS(10));
    must_eq(put_bytes(&n->b, 1, &out), 0);
    must_eq(get_bytes(&n->a, 1, &in, KC_FOREVER), 0);
    must_eq(age(n), KC_MS(15));
}

START_TEST(n1_bytes_arrive_after_the_latency_and_not_before)
{
    try_net("sim", &(kc_sim_link_t){ .latency_ns = KC_MS(5) }, one_way);
}
END_TEST

static void a_hundred_kilobytes(struct net *n)
{
    must_eq(put_bytes(&n->a, 100000, &out), 0);
    must_eq(age(n), 0); // all of it fits the buffer
    must_eq(get_bytes(&n->b, 50000, &in, KC_FOREVER), 0);
    must_eq(age(n) / KC_MS(1), 50);
    must_eq(get_bytes(&n->b, 50000, &in, KC_FOREVER), 0);
    must_eq(age(n) / KC_MS(1), 100);
}

START_TEST(n1_a_line_passes_so_many_bytes_a_second)
{
    try_net("sim", &(kc_sim_link_t){ .bytes_per_s = 1000000 }, a_hundred_kilobytes);
}
END_TEST

static const kc_sim_link_t even = { .latency_ns = KC_MS(1), .jitter_ns = KC_MS(8) };
static const kc_sim_link_t tail = { .jitter_ns = KC_MS(4), .flags = KC_SIM_TAIL };

static void how_late(struct net *n)
{
    int64_t sum = 0, most = 0;

    for (int i = 0; i < 4000; i++) {
        int64_t began = kc_now();
        must_eq(put_bytes(&n->a, 1, &out), 0);
        must_eq(get_bytes(&n->b, 1, &in, KC_FOREVER), 0);
        int64_t took = kc_now() - began;
        must(took >= n->link->latency_ns);
        sum += took - n->link->latency_ns;
        most = took > most ? took : most;
    }
    int64_t mean = sum / 4000;
    // Standard errors are 37 and 63 µs; the tail's logarithm is 4 % too long.
    must(mean > KC_MS(4) - KC_US(600) && mean < KC_MS(4) + KC_US(600));
    if (n->link->flags & KC_SIM_TAIL)
        must(most > KC_MS(20) && most <= KC_MS(64));
    else
        must(most > KC_MS(8) && most <= KC_MS(9));
}

START_TEST(n1_jitter_is_even_or_has_a_tail)
{
    try_net("sim", _i ? &tail : &even, how_late);
}
END_TEST

/* ---- room ---- */

static void fill_it(struct net *n)
{
    static const unsigned char some[200];

    must_eq(kci_port_send(&n->a, some, 60), 60);
    must_eq(kci_port_send(&n->a, some, 60), 40); // what fits
    must_eq(kci_port_send(&n->a, some, 1), -EAGAIN);
    must_eq(kci_port_wait(&n->a, KC_WR, kc_in(KC_S(9))), -ETIME);
    unsigned char got[30];
    must_eq(kci_port_recv(&n->b, got, 30), 30);
    must(kci_port_wait(&n->a, KC_WR, KC_TRY) > 0);
    must_eq(kci_port_send(&n->a, some, 200), 30);
    must_eq(stats_now(n).full, 1);
}

START_TEST(n2_a_full_buffer_says_so_until_some_is_read)
{
    try_net("sim", &(kc_sim_link_t){ .latency_ns = 1, .buffer_bytes = 100 }, fill_it);
}
END_TEST

static void pieces(struct net *n)
{
    unsigned char buf[64] = { 0 };
    uint32_t most = n->link->most_bytes;
    size_t sum = 0;

    for (int i = 0; i < 50; i++) {
        ssize_t sent = kci_port_send(&n->a, buf, sizeof buf);
        must(sent >= 1 && sent <= most);
        must(!(n->link->flags & KC_SIM_EXACT) || sent == most);
        sum += (size_t)sent;
    }
    while (sum) {
        ssize_t got = kci_port_recv(&n->b, buf, sizeof buf);
        must(got >= 1 && got <= most);
        sum -= (size_t)got;
    }
    must_eq(stats_now(n).shorts, 50);
}

START_TEST(n3_reads_and_writes_are_cut_short)
{
    kc_sim_link_t link = { .most_bytes = 7, .flags = _i ? KC_SIM_EXACT : 0 };
    try_net("sim", &link, pieces);
}
END_TEST

static void slowly(struct net *n)
{
    must_eq(put_bytes(&n->a, 10, &out), 0);
    must_eq(get_bytes(&n->b, 10, &in, KC_FOREVER), 0);
    must_eq(age(n), KC_MS(18)); // ten reads, nine pauses
}

START_TEST(n2_a_slow_reader_reads_now_and_then)
{
    kc_sim_link_t link = { .most_bytes = 1,
                           .flags = KC_SIM_EXACT,
                           .read_pause_ns = KC_MS(2) };
    try_net("sim", &link, slowly);
}
END_TEST

/* ---- what a network does to a stream, and to frames ---- */

static void through_losses(struct net *n)
{
    for (int i = 0; i < 200; i++)
        must_eq(put_bytes(&n->a, 50, &out), 0);
    must_eq(get_bytes(&n->b, 200 * 50, &in, KC_FOREVER), 0); // all, in order
    must(stats_now(n).drops > 50);
    must(age(n) >= KC_MS(30));
}

START_TEST(n4_what_a_stream_loses_comes_late)
{
    kc_sim_link_t link = { .drop_ppm = 500000, .resend_ns = KC_MS(30), .latency_ns = 1 };
    try_net("sim", &link, through_losses);
}
END_TEST

enum { FRAMES = 2000 };

static void count_frames(struct net *n)
{
    static int seen[FRAMES];
    int64_t got, last = -1;
    uint64_t total = 0, again = 0, late = 0;

    for (uint32_t i = 0; i < FRAMES; i++) {
        must_eq(put_frame(&n->a, i), 0);
        must_eq(kc_sleep(KC_US(100)), 0);
    }
    while ((got = get_frame(&n->b, kc_in(KC_S(1)))) >= 0) {
        total++;
        again += seen[got]++ > 0;
        late += got < last;
        last = got > last ? got : last;
    }
    must_eq(got, -ETIME);
    kc_sim_stats_t st = stats_now(n);
    must_eq(total, FRAMES - st.drops + st.dups); // a dropped frame's twin arrives
    must(st.drops > FRAMES / 20 && st.dups > FRAMES / 20 && st.reorders > FRAMES / 20);
    must(again > FRAMES / 40 && late > FRAMES / 40);
}

START_TEST(n4_frames_are_lost_doubled_and_overtaken)
{
    kc_sim_link_t link = {
        .latency_ns = KC_MS(1), .drop_ppm = 100000, .dup_ppm = 100000, .reorder_ppm = 100000
    };
    try_net("simframes", &link, count_frames);
}
END_TEST

static void frames_in_order(struct net *n)
{
    for (uint32_t i = 0; i < FRAMES; i++)
        must_eq(put_frame(&n->a, i), 0);
    for (uint32_t i = 0; i < FRAMES; i++)
        must_eq(get_frame(&n->b, KC_FOREVER), i);
}

START_TEST(n4_frames_that_are_only_late_keep_their_order)
{
    kc_sim_link_t link = { .jitter_ns = KC_MS(9), .buffer_bytes = 1 << 20 };
    try_net("simframes", &link, frames_in_order);
}
END_TEST

/* ---- partitions ---- */

static void cut_and_heal(struct net *n)
{
    must_eq(put_bytes(&n->a, 5, &out), 0); // under way
    must_eq(kc_sim_cut(n->w, "a", "b"), 0);
    must_eq(put_bytes(&n->a, 5, &out), 0);
    must_eq(get_bytes(&n->b, 1, &in, kc_in(KC_S(60))), -ETIME);
    unsigned char back = 0, there = 0;
    must_eq(put_bytes(&n->b, 1, &back), 0); // the other direction
    must_eq(get_bytes(&n->a, 1, &there, kc_in(KC_MS(5))), 0);
    must_eq(kc_sim_heal(n->w, NULL, NULL), 0);
    must_eq(get_bytes(&n->b, 10, &in, kc_in(KC_MS(5) + 1)), 0);
}

START_TEST(n5_a_partition_has_a_direction_and_holds_a_stream_until_it_heals)
{
    try_net("sim", &(kc_sim_link_t){ .latency_ns = KC_MS(5) }, cut_and_heal);
}
END_TEST

static void cut_frames(struct net *n)
{
    must_eq(put_frame(&n->a, 1), 0);
    must_eq(kc_sim_cut(n->w, NULL, NULL), 0);
    must_eq(put_frame(&n->a, 2), 0);
    must_eq(kc_sim_heal(n->w, NULL, NULL), 0);
    must_eq(put_frame(&n->a, 3), 0);
    must_eq(get_frame(&n->b, KC_FOREVER), 1); // it was past the cut
    must_eq(get_frame(&n->b, KC_FOREVER), 3);
    must_eq(stats_now(n).lost_bytes, 24);
}

START_TEST(n5_a_partition_loses_frames)
{
    try_net("simframes", &(kc_sim_link_t){ .latency_ns = KC_MS(5) }, cut_frames);
}
END_TEST

static void connect_cut(struct net *n)
{
    struct kci_port c, d;

    must_eq(kc_sim_cut(n->w, "c", "b"), 0);
    must_eq(try_connect(n, &c, "c>b"), 0);
    must_eq(put_bytes(&c, 3, &out), 0);
    must_eq(accept_one(n, &d, kc_in(KC_S(60))), -ETIME);
    must_eq(kc_sim_heal(n->w, "c", "b"), 0);
    must_eq(accept_one(n, &d, kc_in(KC_MS(20))), 0);
    must_eq(get_bytes(&d, 3, &in, KC_FOREVER), 0);
    kci_port_close(&c);
    kci_port_close(&d);
}

START_TEST(n5_connecting_through_a_partition_takes_until_it_heals)
{
    try_net("sim", &(kc_sim_link_t){ .latency_ns = KC_MS(5) }, connect_cut);
}
END_TEST

/* ---- ends ---- */

static void farewell(struct net *n)
{
    must_eq(put_bytes(&n->a, 7, &out), 0);
    kci_port_close(&n->a);
    must_eq(put_bytes(&n->b, 1, &out), 0); // it cannot know yet
    must_eq(get_bytes(&n->b, 7, &in, KC_FOREVER), 0);
    must_eq(get_bytes(&n->b, 1, &in, KC_FOREVER), -ECONNRESET);
    must_eq(put_bytes(&n->b, 1, &out), -EPIPE);
}

START_TEST(n6_a_stream_ends_after_its_last_byte)
{
    try_net("sim", &(kc_sim_link_t){ .latency_ns = KC_MS(5) }, farewell);
}
END_TEST

static void reset_it(struct net *n)
{
    must_eq(put_bytes(&n->a, 7, &out), 0);
    must_eq(kc_sim_reset(n->w, "b", "a"), 1); // whoever connected
    must_eq(kc_sim_reset(n->w, NULL, NULL), 0);
    must_eq(get_bytes(&n->b, 1, &in, KC_FOREVER), -ECONNRESET);
    must_eq(put_bytes(&n->a, 1, &out), -ECONNRESET);
}

START_TEST(n6_a_reset_ends_both_ends_at_once)
{
    try_net("sim", NULL, reset_it);
}
END_TEST

static void until_reset(struct net *n)
{
    int sent = 0, rc;

    while (!(rc = put_bytes(&n->a, 1, &out)))
        sent++;
    must_eq(rc, -ECONNRESET);
    must(sent < 5000); // 1 in 100
    must_eq(stats_now(n).resets, 1);
}

START_TEST(n6_connections_break_by_chance)
{
    try_net("sim", &(kc_sim_link_t){ .reset_ppm = 10000 }, until_reset);
}
END_TEST

static void power_cut(struct net *n)
{
    static const unsigned char some[100];

    must_eq(put_bytes(&n->a, 3, &out), 0);
    must_eq(kc_sim_vanish(n->w, "a"), 1);
    must_eq(put_bytes(&n->a, 3, &out), 0);            // into nowhere
    kci_port_close(&n->a);                            // without a word
    must_eq(get_bytes(&n->b, 3, &in, KC_FOREVER), 0); // what had left
    must_eq(get_bytes(&n->b, 1, &in, kc_in(KC_S(3600))), -ETIME);
    must_eq(kci_port_send(&n->b, some, 100), 50); // as much as fits the buffer
    must_eq(kci_port_send(&n->b, some, 100), -EAGAIN);
    must_eq(kci_port_wait(&n->b, KC_WR, kc_in(KC_S(3600))), -ETIME);
}

START_TEST(n7_who_vanishes_says_nothing_and_takes_nothing)
{
    try_net("sim", &(kc_sim_link_t){ .latency_ns = 5, .buffer_bytes = 50 }, power_cut);
}
END_TEST

SUITE("sim/link", CASE(n1_bytes_arrive_after_the_latency_and_not_before),
      CASE(n1_a_line_passes_so_many_bytes_a_second),
      CASE_LOOP(n1_jitter_is_even_or_has_a_tail, 2),
      CASE(n2_a_full_buffer_says_so_until_some_is_read),
      CASE_LOOP(n3_reads_and_writes_are_cut_short, 2),
      CASE(n2_a_slow_reader_reads_now_and_then), CASE(n4_what_a_stream_loses_comes_late),
      CASE(n4_frames_are_lost_doubled_and_overtaken),
      CASE(n4_frames_that_are_only_late_keep_their_order),
      CASE(n5_a_partition_has_a_direction_and_holds_a_stream_until_it_heals),
      CASE(n5_a_partition_loses_frames),
      CASE(n5_connecting_through_a_partition_takes_until_it_heals),
      CASE(n6_a_stream_ends_after_its_last_byte), CASE(n6_a_reset_ends_both_ends_at_once),
      CASE(n6_connections_break_by_chance),
      CASE(n7_who_vanishes_says_nothing_and_takes_nothing))
