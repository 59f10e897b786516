/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * tests/sim/test_peers.c — programs of many nodes: remote channels over a network that is slow,
 * cut, and loses its members.
 */
#include <stdio.h>
#include <string.h>

#include "arch/fiber_notes.h"
#include "tests/ipc/kit.h"

#include <kcoro/sim.h>

static kc_sim_t *world;

struct play {
    const kc_sim_link_t *link;
    int (*body)(void *arg);
    uint64_t seed;
    kc_sim_stats_t stats;
};

static int play_main(void *arg)
{
    struct play *p = arg;

    must_eq(kc_sim_create(&world, p->seed, p->link), 0);
    int rc = p->body(NULL);
    must_eq(kc_sim_stats(world, &p->stats), 0);
    return rc;
}

static void play(struct play *p)
{
    kc_opts_t opts = { .flags = KC_RT_VIRTUAL_TIME | KC_RT_DEADLOCK_CHECK, .seed = p->seed };

    ck_assert_int_eq(kc_run(play_main, p, &opts), 0);
    check_nothing_left();
}

static void try_play(const kc_sim_link_t *link, int (*body)(void *arg))
{
    play(&(struct play){ .link = link, .body = body, .seed = test_seed() });
}

static kc_ipc_conn_t *connect_to(const char *addr, int64_t keepalive_ns)
{
    kc_ipc_opts_t opts = { .keepalive_ns = keepalive_ns, .max_frame = 4096 };
    kc_ipc_conn_t *c;
    int rc;

    while ((rc = kc_ipc_connect(&c, addr, &opts, KC_FOREVER)) == -ECONNRESET)
        must_eq(kc_sleep(KC_MS(20)), 0); // too many at once
    must_eq(rc, 0);
    return c;
}

static kc_chan_t *open_at(kc_ipc_conn_t *c, const char *name, uint32_t window)
{
    kc_ipc_chan_spec_t spec = { .elem_size = 4, .window = window };
    kc_chan_t *ch;

    must_eq(kc_ipc_chan_open(c, name, &spec, &ch, KC_FOREVER), 0);
    return ch;
}

/* A server at "sim:server" with one channel, "x". */
static kc_ipc_listener_t *serve(kc_chan_t **home, long cap, unsigned rights,
                                const kc_ipc_opts_t *opts)
{
    kc_ipc_listener_t *l;

    must_eq(kc_ipc_listen(&l, "sim:server", opts), 0);
    must_eq(kc_chan_make(home, 4, cap), 0);
    must_eq(kc_ipc_export(l, "x", *home, rights), 0);
    return l;
}

/* ---- credits and select over a long line ---- */

static int drain(void *arg)
{
    kc_chan_t *ch = *(kc_chan_t **)arg;
    int n = 0;

    while (kc_chan_recv(ch, NULL, KC_FOREVER) == 0)
        n++;
    return n;
}

static int64_t time_of(uint32_t window, int items)
{
    kc_chan_t *home;
    kc_ipc_listener_t *l = serve(&home, 1, KC_PEER_SEND | KC_PEER_CLOSE, NULL);
    kc_ipc_conn_t *c = connect_to("sim:client>server", 0);
    kc_chan_t *ch = open_at(c, "x", window);
    kc_co_t *co;
    int taken;

    int64_t began = kc_now();
    must_eq(kc_spawn_copy(&co, drain, &home, sizeof home, NULL), 0);
    for (int i = 0; i < items; i++)
        must_eq(kc_send(ch, &i), 0);
    int64_t took = kc_now() - began;
    must_eq(kc_chan_close(ch), 0);
    must_eq(kc_join(co, &taken, KC_FOREVER), 0);
    must_eq(taken, items);
    kc_co_unref(co);
    kc_chan_unref(ch);
    kc_chan_unref(home);
    must_eq(kc_ipc_close(c, KC_FOREVER), 0);
    must_eq(kc_ipc_listener_close(l), 0);
    return took;
}

static int windows(void *arg)
{
    (void)arg;
    must_eq(time_of(64, 64), 0);             // paid for in advance
    must_eq(time_of(1, 11), 10 * KC_MS(20)); // a round trip each
    int64_t took = time_of(64, 64 * 11);     // credit comes by half windows
    must(took >= 10 * KC_MS(20) / 2 && took <= 10 * KC_MS(20) * 2);
    return 0;
}

START_TEST(n2_a_window_is_what_a_round_trip_can_carry)
{
    try_play(&(kc_sim_link_t){ .latency_ns = KC_MS(10) }, windows);
}
END_TEST

static int two_sources(void *arg)
{
    kc_chan_t *home, *other, *near;
    kc_ipc_listener_t *l = serve(&home, 4, KC_PEER_RECV, NULL);
    int v = 0, seven = 7, eight = 8;

    (void)arg;
    must_eq(kc_chan_make(&other, 4, 4), 0);
    must_eq(kc_ipc_export(l, "y", other, KC_PEER_RECV), 0);
    must_eq(kc_chan_make(&near, 4, 4), 0);
    kc_ipc_conn_t *c = connect_to("sim:client>server", 0);
    kc_chan_t *x = open_at(c, "x", 1), *y = open_at(c, "y", 1);
    must_eq(kc_send(other, &seven), 0);
    int64_t began = kc_now();
    kc_sel_t s = kc_select(kc_in(KC_MS(9)), KC_RECV(x, &v), KC_RECV(y, &v), KC_RECV(near, &v));
    must_eq(s.rc, -ETIME); // it is still on its way
    s = kc_select(KC_FOREVER, KC_RECV(x, &v), KC_RECV(y, &v), KC_RECV(near, &v));
    must_eq(s.i, 1);
    must_eq(v, 7);
    must_eq(kc_now() - began, KC_MS(10));
    must_eq(kc_send(near, &eight), 0); // no line to travel
    s = kc_select(KC_TRY, KC_RECV(x, &v), KC_RECV(y, &v), KC_RECV(near, &v));
    must_eq(s.i, 2);
    for (kc_chan_t **p = (kc_chan_t *[]){ home, other, near, x, y, NULL }; *p; p++)
        kc_chan_unref(*p);
    must_eq(kc_ipc_close(c, KC_FOREVER), 0);
    return kc_ipc_listener_close(l);
}

START_TEST(n8_a_select_hears_of_remote_channels_after_their_latency)
{
    try_play(&(kc_sim_link_t){ .latency_ns = KC_MS(10) }, two_sources);
}
END_TEST

/* ---- peers that are gone ---- */

static int half_open(void *arg)
{
    const int64_t beat = KC_MS(500);
    kc_chan_t *home;
    kc_ipc_listener_t *l =
        serve(&home, 4, KC_PEER_RECV, &(kc_ipc_opts_t){ .keepalive_ns = beat });
    kc_ipc_conn_t *c = connect_to("sim:client>server", 0), *served;
    kc_chan_t *ch = open_at(c, "x", 4);
    int v = 1;

    (void)arg;
    must_eq(kc_ipc_accept(l, &served, KC_FOREVER), 0);
    must_eq(kc_sleep(KC_S(600)), 0);
    must_eq(kc_ipc_why(served), 0); // idle, but it answers
    must_eq(kc_send(home, &v), 0);
    must_eq(kc_sleep(KC_MS(50)), 0);
    must_eq(kc_chan_len(ch), 1);
    must_eq(kc_sim_vanish(world, "client"), 1);
    int64_t began = kc_now();
    must_eq(kc_ipc_close(c, KC_TRY), 0); // nobody hears of it
    while (!kc_ipc_why(served))
        must_eq(kc_sleep(KC_MS(10)), 0);
    int64_t took = kc_now() - began;
    must_eq(kc_ipc_why(served), -ECONNRESET);
    must(took >= 2 * beat && took <= 4 * beat);
    must_eq(take(home), 1); // what it had prefetched is back
    kc_ipc_unref(served);
    kc_chan_unref(ch);
    kc_chan_unref(home);
    return kc_ipc_listener_close(l);
}

START_TEST(n7_a_heartbeat_finds_a_peer_that_vanished)
{
    try_play(&(kc_sim_link_t){ .latency_ns = KC_MS(10) }, half_open);
}
END_TEST

static int undetected(void *arg)
{
    kc_chan_t *home;
    kc_ipc_listener_t *l = serve(&home, 4, KC_PEER_RECV, NULL);
    kc_ipc_conn_t *c = connect_to("sim:client>server", 0), *served;
    kc_chan_t *ch = open_at(c, "x", 4);

    (void)arg;
    must_eq(kc_ipc_accept(l, &served, KC_FOREVER), 0);
    must_eq(kc_sim_vanish(world, "client"), 1);
    must_eq(kc_ipc_close(c, KC_TRY), 0);
    must_eq(kc_sleep(KC_S(24 * 3600)), 0);
    must_eq(kc_ipc_why(served), 0); // nothing was sent, so nothing is missed
    kc_ipc_unref(served);
    kc_chan_unref(ch);
    kc_chan_unref(home);
    return kc_ipc_listener_close(l);
}

START_TEST(n7_without_a_heartbeat_silence_is_just_silence)
{
    try_play(&(kc_sim_link_t){ .latency_ns = KC_MS(10) }, undetected);
}
END_TEST

/* ---- partitions ---- */

enum { ITEMS = 300 };

static int trickle(void *arg)
{
    kc_chan_t *ch = *(kc_chan_t **)arg;

    for (int i = 0; i < ITEMS; i++) {
        must_eq(kc_send(ch, &i), 0);
        must_eq(kc_sleep(KC_MS(10)), 0);
    }
    return 0;
}

static int short_partition(void *arg)
{
    kc_chan_t *home;
    kc_ipc_listener_t *l = serve(&home, KC_UNLIMITED, KC_PEER_SEND, NULL);
    kc_ipc_conn_t *c = connect_to("sim:client>server", KC_S(2));
    kc_chan_t *ch = open_at(c, "x", 16);
    kc_scope_t s;

    (void)arg;
    must_eq(kc_scope_open(&s, NULL), 0);
    must_eq(kc_scope_spawn(&s, NULL, trickle, &ch, sizeof ch, NULL), 0);
    must_eq(kc_sleep(KC_MS(500)), 0);
    must_eq(kc_sim_cut(world, "client", "server"), 0); // the server is still heard, but …
    must_eq(kc_sleep(KC_S(1)), 0);
    size_t before = kc_chan_len(home);
    must(before >= 45 && before <= 50);
    must_eq(kc_sim_cut(world, "server", "client"), 0);
    must_eq(kc_sleep(KC_S(1)), 0);
    must_eq(kc_chan_len(home), before);
    must_eq(kc_sim_heal(world, NULL, NULL), 0);
    for (int i = 0; i < ITEMS; i++)
        must_eq(take(home), i);
    must_eq(kc_scope_close(&s), 0);
    must_eq(kc_ipc_why(c), 0);
    kc_chan_unref(ch);
    kc_chan_unref(home);
    must_eq(kc_ipc_close(c, KC_FOREVER), 0);
    return kc_ipc_listener_close(l);
}

START_TEST(n5_a_partition_that_heals_in_time_loses_and_reorders_nothing)
{
    try_play(&(kc_sim_link_t){ .latency_ns = KC_MS(5), .jitter_ns = KC_MS(2) },
             short_partition);
}
END_TEST

static int long_partition(void *arg)
{
    const int64_t beat = KC_MS(200);
    kc_chan_t *home;
    kc_ipc_listener_t *l =
        serve(&home, 4, KC_PEER_SEND, &(kc_ipc_opts_t){ .keepalive_ns = beat });
    kc_ipc_conn_t *c = connect_to("sim:client>server", beat), *served;
    kc_chan_t *ch = open_at(c, "x", 4);
    int v = 5;

    (void)arg;
    must_eq(kc_ipc_accept(l, &served, KC_FOREVER), 0);
    must_eq(kc_sim_cut(world, NULL, NULL), 0);
    must_eq(kc_sleep(4 * beat), 0);
    must_eq(kc_ipc_why(c), -ECONNRESET);      // both sides know,
    must_eq(kc_ipc_why(served), -ECONNRESET); // each by itself
    must_eq(put(ch, 1), -EPIPE);
    kc_chan_unref(ch);
    kc_ipc_unref(served);
    must_eq(kc_ipc_close(c, KC_TRY), 0);
    must_eq(kc_ipc_connect(&c, "sim:client>server", NULL, kc_in(KC_S(5))), -ETIME);
    must_eq(kc_sim_heal(world, NULL, NULL), 0);
    c = connect_to("sim:client>server", beat);
    ch = open_at(c, "x", 4);
    must_eq(kc_send(ch, &v), 0);
    must_eq(take(home), 5);
    kc_chan_unref(ch);
    kc_chan_unref(home);
    must_eq(kc_ipc_close(c, KC_FOREVER), 0);
    return kc_ipc_listener_close(l);
}

START_TEST(n5_after_a_partition_that_lasts_both_sides_part_and_meet_again)
{
    try_play(&(kc_sim_link_t){ .latency_ns = KC_MS(5) }, long_partition);
}
END_TEST

/* ---- every way of cutting a stream ---- */

static uint32_t cut_at;

static int in_pieces(void *arg)
{
    kc_sim_link_t link = { .latency_ns = 1000, .most_bytes = cut_at, .flags = KC_SIM_EXACT };

    (void)arg;
    must_eq(kc_sim_link(world, NULL, NULL, &link), 0);
    must(time_of(4, 30) > 0);
    return 0;
}

START_TEST(n3_a_conversation_may_be_cut_anywhere)
{
    cut_at = (uint32_t)_i + 1;
    try_play(NULL, in_pieces);
}
END_TEST

/* ---- frames that are lost, doubled, overtaken ---- */

static int unreliable(void *arg)
{
    kc_ipc_opts_t opts = { .keepalive_ns = KC_MS(200) };
    kc_ipc_chan_spec_t spec = { .elem_size = 4 };
    kc_ipc_listener_t *l;
    kc_ipc_conn_t *c;
    kc_chan_t *home, *ch;
    int last = -1, rc;

    (void)arg;
    must_eq(kc_ipc_listen(&l, "simframes:server", &opts), 0);
    must_eq(kc_chan_make(&home, 4, KC_UNLIMITED), 0);
    must_eq(kc_ipc_export(l, "x", home, KC_PEER_SEND), 0);
    for (int round = 0; round < 20; round++) {
        if (kc_ipc_connect(&c, "simframes:client>server", &opts, kc_in(KC_S(5))))
            continue;
        ch = NULL;
        rc = kc_ipc_chan_open(c, "x", &spec, &ch, kc_in(KC_S(5)));
        for (int i = 0; rc == 0 && i < 500; i++)
            rc = kc_chan_send(ch, &(int){ round * 1000 + i }, kc_in(KC_S(5)));
        if (rc != -ETIME && kc_ipc_why(c))
            must(kc_ipc_why(c) == -EPROTO || kc_ipc_why(c) == -ECONNRESET);
        (void)!kc_ipc_close(c, kc_in(KC_S(1)));
        kc_chan_unref(ch);
    }
    for (int v; (v = get(home)) >= 0; last = v)
        must(v > last); // whatever is lost, nothing comes twice or out of turn
    must(last > 0);
    kc_chan_unref(home);
    return kc_ipc_listener_close(l);
}

START_TEST(n4_on_unreliable_frames_a_connection_ends_and_delivers_nothing_twice)
{
    static const kc_sim_link_t links[] = { { .drop_ppm = 20000 },
                                           { .dup_ppm = 20000 },
                                           { .reorder_ppm = 20000 } };
    kc_sim_link_t link = links[_i];

    link.latency_ns = KC_MS(1);
    try_play(&link, unreliable);
}
END_TEST

/* ---- a thousand peers ---- */

/* Fewer with sanitizers, which spend a second on every 25. */
enum { PEERS = KCI_NOTES ? 100 : 1000, EACH = 10 };

static int peer(void *arg)
{
    int me = *(int *)arg;
    char addr[40];

    snprintf(addr, sizeof addr, "sim:peer%d>server", me);
    kc_ipc_conn_t *c = connect_to(addr, 0);
    kc_chan_t *ch = open_at(c, "x", 4);
    for (int i = 0; i < EACH; i++)
        must_eq(kc_chan_send(ch, &(int){ me * EACH + i }, KC_FOREVER), 0);
    kc_chan_unref(ch);
    return kc_ipc_close(c, KC_FOREVER);
}

static int thousand(void *arg)
{
    static unsigned char seen[PEERS * EACH];
    static int last[PEERS];
    kc_ipc_opts_t opts = { .max_peers = PEERS, .max_frame = 4096 };
    kc_chan_t *home;
    kc_ipc_listener_t *l = serve(&home, 64, KC_PEER_SEND, &opts);
    struct kc_chan_stats st;
    kc_scope_t s;

    (void)arg;
    memset(seen, 0, sizeof seen);
    for (int i = 0; i < PEERS; i++)
        last[i] = -1;
    must_eq(kc_scope_open(&s, NULL), 0);
    for (int i = 0; i < PEERS; i++)
        must_eq(kc_scope_spawn(&s, NULL, peer, &i, sizeof i, NULL), 0);
    for (int i = 0; i < PEERS * EACH; i++) {
        int v = take(home);
        must(v >= 0 && v < PEERS * EACH && !seen[v]++);
        must(v > last[v / EACH]); // each peer's in order
        last[v / EACH] = v;
    }
    must_eq(kc_scope_close(&s), 0);
    must_eq(get(home), -EAGAIN);
    must_eq(kc_chan_stats(home, &st), 0);
    must_eq(st.sends, PEERS * EACH);
    must_eq(st.recvs, PEERS * EACH);
    must_eq(st.undelivered + st.dropped, 0);
    kc_chan_unref(home);
    return kc_ipc_listener_close(l);
}

static const kc_sim_link_t internet = { .latency_ns = KC_MS(20),
                                        .jitter_ns = KC_MS(10),
                                        .bytes_per_s = 1000000,
                                        .most_bytes = 500,
                                        .drop_ppm = 10000,
                                        .flags = KC_SIM_TAIL };

START_TEST(n10_a_thousand_peers_and_not_an_element_too_few_or_too_many)
{
    try_play(&internet, thousand);
}
END_TEST

START_TEST(p8_a_program_of_many_peers_repeats_with_its_seed)
{
    static struct play p[3];
    uint64_t seed = test_seed();

    for (int i = 0; i < 3; i++) {
        p[i] = (struct play){ .link = &internet,
                              .body = long_partition,
                              .seed = seed + i / 2 };
        play(&p[i]);
    }
    ck_assert(!memcmp(&p[0].stats, &p[1].stats, sizeof p[0].stats));
    ck_assert_uint_ne(p[0].stats.trace, p[2].stats.trace);
}
END_TEST

SUITE("sim/peers", CASE(n2_a_window_is_what_a_round_trip_can_carry),
      CASE(n8_a_select_hears_of_remote_channels_after_their_latency),
      CASE(n7_a_heartbeat_finds_a_peer_that_vanished),
      CASE(n7_without_a_heartbeat_silence_is_just_silence),
      CASE(n5_a_partition_that_heals_in_time_loses_and_reorders_nothing),
      CASE(n5_after_a_partition_that_lasts_both_sides_part_and_meet_again),
      CASE_LOOP(n3_a_conversation_may_be_cut_anywhere, 64),
      CASE_LOOP(n4_on_unreliable_frames_a_connection_ends_and_delivers_nothing_twice, 3),
      CASE(n10_a_thousand_peers_and_not_an_element_too_few_or_too_many),
      CASE(p8_a_program_of_many_peers_repeats_with_its_seed))
