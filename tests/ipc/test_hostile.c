/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * tests/ipc/test_hostile.c — peers that break the protocol: their connection ends, with a
 * reason, and nobody else notices.
 */
#include <string.h>

#include "tests/ipc/raw.h"

static struct raw peer;

/* A well-behaved client beside the hostile ones still gets its answers. */
static void check_others_live(struct rig *r)
{
    kc_chan_t *ch = open_chan(r, "echo", 4, 0);

    for (int i = 0; i < 10; i++) {
        must_eq(put(ch, i), 0);
        must_eq(take(ch), i);
    }
    drop_chan(r, ch);
}

static void export_echo(struct rig *r)
{
    export_chan(r, "echo", 4, 8, KC_PEER_SEND | KC_PEER_RECV);
    export_chan(r, "in", 4, 0, KC_PEER_SEND);
    export_chan(r, "out", 4, 8, KC_PEER_RECV);
}

/* ---- before HELLO ---- */

static void garbage(struct rig *r)
{
    static const char *const greetings[] = { "GET / HTTP/1.1\r\n\r\n", "\x89PNG\r\n\x1a\n",
                                             "\x89KCO\n\x1a\n\n......", "x" };
    export_echo(r);
    for (int i = 0; i < 4; i++) {
        raw_connect(&peer, r);
        raw_bytes(&peer, greetings[i], strlen(greetings[i]));
        raw_expect_end(&peer, KCI_ST_EPROTO);
        raw_close(&peer);
    }
    check_others_live(r);
}

START_TEST(a_wrong_preface_is_answered_with_eproto)
{
    try_rig(_i, garbage);
}
END_TEST

static void first_frame(const struct kci_frame *f, uint32_t status, struct rig *r)
{
    raw_connect(&peer, r);
    raw_bytes(&peer, kci_wire_preface, KCI_WIRE_PREFACE);
    raw_send(&peer, f);
    raw_expect_end(&peer, status);
    raw_close(&peer);
}

static void bad_hello(struct rig *r)
{
    unsigned char payload[KCI_WIRE_HELLO] = { 9, 0, 9, 0, 88 }, empty[KCI_WIRE_HELLO] = { 0 };

    export_echo(r);
    first_frame(&(struct kci_frame){ .cmd = KCI_CMD_HELLO, .payload = payload, .bytes = 88 },
                KCI_ST_ENOTSUP, r);
    first_frame(&(struct kci_frame){ .cmd = KCI_CMD_HELLO, .payload = empty, .bytes = 4 },
                KCI_ST_EPROTO, r);
    first_frame(&(struct kci_frame){ .cmd = KCI_CMD_OPEN, .payload = empty, .bytes = 40 },
                KCI_ST_EPROTO, r);
    first_frame(&(struct kci_frame){ .cmd = 4711, .payload = empty, .bytes = 40 },
                KCI_ST_EPROTO, r);
    check_others_live(r);
}

START_TEST(only_an_acceptable_hello_may_come_first)
{
    try_rig(_i, bad_hello);
}
END_TEST

static void byte_by_byte(struct rig *r)
{
    unsigned char hello[KCI_WIRE_PREFACE + KCI_WIRE_HEADER + KCI_WIRE_HELLO];
    struct kci_hello h = { .major = 1, .lowest = 1, .max_frame = 4096, .max_channels = 4 };
    struct kci_frame f = { .cmd = KCI_CMD_HELLO, .bytes = KCI_WIRE_HELLO };
    unsigned char payload[KCI_WIRE_HELLO];

    export_echo(r);
    kci_hello_encode(&h, payload);
    f.payload = payload;
    memcpy(hello, kci_wire_preface, KCI_WIRE_PREFACE);
    kci_frame_encode(&f, hello + KCI_WIRE_PREFACE);
    raw_connect(&peer, r);
    for (size_t i = 0; i < sizeof hello; i++) {
        raw_bytes(&peer, hello + i, 1);
        let_run();
    }
    raw_send(&peer, &(struct kci_frame){ .cmd = KCI_CMD_PING, .payload = "12345678",
                                         .bytes = 8 });
    raw_expect(&peer, KCI_CMD_PONG, &f);
    must(!memcmp(f.payload, "12345678", 8));
    raw_close(&peer);
}

START_TEST(a_handshake_in_single_bytes_is_one)
{
    try_rig(_i, byte_by_byte);
}
END_TEST

/* ---- after HELLO ---- */

enum { ID = 1u << 21 };

/* Send f on an open channel to `name`: the connection must end with EPROTO. */
static void must_break(struct rig *r, const char *name, const struct kci_frame *f)
{
    raw_connect(&peer, r);
    raw_open(&peer, name, ID);
    raw_send(&peer, f);
    raw_expect_end(&peer, KCI_ST_EPROTO);
    raw_close(&peer);
}

static void bad_items(struct rig *r)
{
    static const unsigned char elem[64];
    struct kci_frame item = { .cmd = KCI_CMD_ITEM, .chan_id = ID, .seq = 1, .payload = elem,
                              .bytes = 4 };
    struct kci_frame f;

    export_echo(r);
#define BREAK(...) f = item, __VA_ARGS__, must_break(r, "in", &f)
    BREAK(f.seq = 2);
    BREAK(f.seq = 0);
    BREAK(f.bytes = 3);
    BREAK(f.bytes = 5);
    BREAK(f.bytes = 0);
    BREAK(f.chan_id = ID + 2);
    BREAK(f.chan_id = ID * 2);
    BREAK(f.chan_id = ID + 1);
    BREAK(f.flags = KCI_FLAG_ABORT);
    BREAK(f.flags = KCI_FLAG_MORE);
    BREAK(f.flags = KCI_FLAG_FIRST, f.aux = 4);
    BREAK(f.flags = KCI_FLAG_FIRST | KCI_FLAG_MORE, f.aux = 4);
    BREAK(f.flags = KCI_FLAG_FIRST | KCI_FLAG_MORE, f.aux = 4, f.bytes = 0);
    BREAK(f.flags = KCI_FLAG_FIRST | KCI_FLAG_MORE, f.aux = UINT32_MAX, f.bytes = 2);
    BREAK(f.flags = 0x8000);
#undef BREAK
    must_break(r, "out", &item); // may not send
    check_others_live(r);
}

START_TEST(an_item_that_is_not_expected_ends_the_connection)
{
    try_rig(_i, bad_items);
}
END_TEST

static void bad_control(struct rig *r)
{
    unsigned char entry[KCI_WIRE_ENTRY];
    struct kci_limits beyond = { .rx_next = 5, .item_limit = 9, .byte_limit = 1000 };

    export_echo(r);
    kci_entry_encode(ID, &beyond, entry);
#define BREAK(...) must_break(r, "out", &(struct kci_frame){ __VA_ARGS__ })
    BREAK(.cmd = KCI_CMD_CREDIT, .payload = entry, .bytes = 24); // took what was never sent
    BREAK(.cmd = KCI_CMD_CREDIT, .payload = entry, .bytes = 23);
    BREAK(.cmd = KCI_CMD_CREDIT);
    BREAK(.cmd = KCI_CMD_HELLO);
    BREAK(.cmd = KCI_CMD_PING);
    BREAK(.cmd = KCI_CMD_FIN, .chan_id = ID, .seq = 1);
    BREAK(.cmd = KCI_CMD_FIN, .chan_id = 0);
    BREAK(.cmd = KCI_CMD_RESET, .chan_id = ID, .seq = 1);
    BREAK(.cmd = KCI_CMD_CLOSE, .chan_id = ID, .seq = 1);
    BREAK(.cmd = KCI_CMD_CLOSE, .chan_id = ID, .aux = 1);
    BREAK(.cmd = KCI_CMD_CLOSE_ACK, .chan_id = ID);
    BREAK(.cmd = KCI_CMD_RES_OK, .flags = KCI_FLAG_RESP, .chan_id = ID, .req_id = 1u << 16);
    BREAK(.cmd = KCI_CMD_RES_ERR, .flags = KCI_FLAG_RESP, .chan_id = ID, .req_id = 1u << 16);
    BREAK(.cmd = KCI_CMD_RES_ERR, .chan_id = ID, .req_id = 1u << 16);
    BREAK(.cmd = 4711, .flags = KCI_FLAG_MUST);
    BREAK(.cmd = KCI_CMD_OPEN, .chan_id = ID + 2, .req_id = 2u << 16);
    BREAK(.cmd = KCI_CMD_OPEN, .chan_id = ID + 2, .req_id = 0, .payload = entry, .bytes = 24);
    BREAK(.cmd = KCI_CMD_OPEN, .chan_id = ID + 2, .req_id = 2u << 16 | 300);
#undef BREAK
    check_others_live(r);
}

START_TEST(a_control_frame_out_of_place_ends_the_connection)
{
    try_rig(_i, bad_control);
}
END_TEST

static void twice(struct rig *r)
{
    static const unsigned char elem[4];
    struct kci_frame f;

    export_echo(r);
    // The same number for two channels.
    raw_connect(&peer, r);
    raw_open(&peer, "in", ID);
    unsigned char payload[64];
    struct kci_open o = { .elem_bytes = 4, .window_items = 4, .window_bytes = 272,
                          .name = "out", .name_bytes = 3 };
    f = (struct kci_frame){ .cmd = KCI_CMD_OPEN, .chan_id = ID, .req_id = 2u << 16,
                            .payload = payload };
    f.bytes = (uint32_t)kci_open_encode(&o, payload);
    raw_send(&peer, &f);
    raw_expect_end(&peer, KCI_ST_EPROTO);
    raw_close(&peer);

    // More items than were granted: a rendezvous takes none.
    raw_connect(&peer, r);
    raw_open(&peer, "in", ID);
    for (uint32_t i = 1; i <= 257; i++)
        raw_send(&peer, &(struct kci_frame){ .cmd = KCI_CMD_ITEM, .chan_id = ID, .seq = i,
                                             .payload = elem, .bytes = 4 });
    raw_expect_end(&peer, KCI_ST_EPROTO);
    raw_close(&peer);

    // An item after the last one, and after CLOSE.
    static const uint16_t ends[] = { KCI_CMD_FIN, KCI_CMD_CLOSE };
    for (int i = 0; i < 2; i++) {
        raw_connect(&peer, r);
        raw_open(&peer, "in", ID);
        raw_send(&peer, &(struct kci_frame){ .cmd = ends[i], .chan_id = ID });
        raw_send(&peer, &(struct kci_frame){ .cmd = KCI_CMD_ITEM, .chan_id = ID, .seq = 1,
                                             .payload = elem, .bytes = 4 });
        raw_expect_end(&peer, KCI_ST_EPROTO);
        raw_close(&peer);
    }
    check_others_live(r);
}

START_TEST(what_is_legal_once_is_not_legal_twice)
{
    try_rig(_i, twice);
}
END_TEST

static void unknown(struct rig *r)
{
    struct kci_frame f;

    export_echo(r);
    raw_connect(&peer, r);
    raw_open(&peer, "out", ID);
    for (int i = 0; i < 1000; i++)
        raw_send(&peer, &(struct kci_frame){ .cmd = 0x8000, .flags = 0xC0, .chan_id = 77,
                                             .payload = "12345678", .bytes = 8 });
    raw_send(&peer, &(struct kci_frame){ .cmd = KCI_CMD_PING, .payload = "abcdefgh",
                                         .bytes = 8 });
    raw_expect(&peer, KCI_CMD_PONG, &f);
    raw_close(&peer);
}

START_TEST(unknown_commands_and_low_flags_are_ignored)
{
    try_rig(_i, unknown);
}
END_TEST

static void flood(struct rig *r, const struct kci_frame *f)
{
    struct kci_frame g;

    raw_connect(&peer, r);
    raw_open(&peer, "out", ID);
    for (int i = 0; i < 20000; i++)
        raw_send(&peer, f);
    while (raw_recv(&peer, &g)) // whatever it was answered, it ends
        must(g.cmd == KCI_CMD_PONG || (g.cmd == KCI_CMD_GOAWAY && g.aux == KCI_ST_EPROTO));
    raw_close(&peer);
}

static void floods(struct rig *r)
{
    unsigned char entry[KCI_WIRE_ENTRY];
    struct kci_limits old = { .rx_next = 1, .item_limit = 5, .byte_limit = 272 };

    export_echo(r);
    kci_entry_encode(ID, &old, entry);
    flood(r, &(struct kci_frame){ .cmd = 0x8000 });
    flood(r, &(struct kci_frame){ .cmd = KCI_CMD_PING, .payload = "abcdefgh", .bytes = 8 });
    flood(r, &(struct kci_frame){ .cmd = KCI_CMD_PONG, .payload = "abcdefgh", .bytes = 8 });
    flood(r, &(struct kci_frame){ .cmd = KCI_CMD_CREDIT, .payload = entry, .bytes = 24 });
    check_others_live(r);
}

START_TEST(a_peer_that_only_wastes_time_is_cut_off)
{
    try_rig(_i, floods);
}
END_TEST

static void many_opens(struct rig *r)
{
    unsigned char payload[64];
    struct kci_open o = { .elem_bytes = 4, .window_items = 65536, .window_bytes = UINT32_MAX,
                          .wish_items = 65536, .name = "echo", .name_bytes = 4 };
    struct kci_frame f;
    int opened = 0, refused = 0;

    export_echo(r);
    raw_connect(&peer, r);
    raw_greet(&peer);
    size_t n = kci_open_encode(&o, payload);
    for (uint32_t i = 0; i < 1200; i++) {
        raw_send(&peer, &(struct kci_frame){ .cmd = KCI_CMD_OPEN, .chan_id = ID + 2 * i,
                                             .req_id = (i + 1) << 16, .payload = payload,
                                             .bytes = (uint32_t)n });
        do
            must(raw_recv(&peer, &f));
        while (f.cmd != KCI_CMD_RES_OK && f.cmd != KCI_CMD_RES_ERR);
        opened += f.cmd == KCI_CMD_RES_OK;
        refused += f.cmd == KCI_CMD_RES_ERR;
    }
    must_eq(opened, 1024);
    must_eq(refused, 1200 - 1024);
    raw_close(&peer);
    check_others_live(r);
}

START_TEST(there_is_a_limit_to_what_one_peer_may_open)
{
    try_rig_with(_i, &(kc_ipc_opts_t){ .window = 65536 }, NULL, many_opens);
}
END_TEST

static void vanishing(struct rig *r)
{
    uint64_t seed = test_seed();

    export_echo(r);
    for (int i = 0; i < 200; i++) {
        raw_connect(&peer, r);
        if (roll(&seed, 4))
            raw_open(&peer, "echo", ID);
        if (roll(&seed, 2)) // half a frame
            raw_bytes(&peer, "\x20\0\0\0\x15", roll(&seed, 5) + 1);
        raw_close(&peer);
    }
    check_others_live(r);
}

START_TEST(peers_may_vanish_at_any_moment)
{
    try_rig(_i, vanishing);
}
END_TEST

static void mutated(struct rig *r)
{
    uint64_t seed = test_seed();
    struct kci_frame f;
    unsigned char payload[64], out[256];

    export_echo(r);
    export_chan(r, "noise", 4, 8, KC_PEER_SEND | KC_PEER_RECV);
    for (int i = 0; i < 300; i++) {
        raw_connect(&peer, r);
        raw_open(&peer, roll(&seed, 2) ? "noise" : "out", ID);
        for (int k = 0; k < 20; k++) {
            static const uint16_t cmds[] = { 1, 3, 4, 5, 16, 17, 18, 19, 20, 21, 22, 50, 51 };
            f = (struct kci_frame){ .cmd = cmds[roll(&seed, 13)],
                                    .flags = (uint16_t)(roll(&seed, 4) ? 0 : roll(&seed, 64)),
                                    .chan_id = ID + (uint32_t)roll(&seed, 3),
                                    .req_id = (uint32_t)roll(&seed, 3) << 16,
                                    .seq = (uint32_t)roll(&seed, 4),
                                    .aux = (uint32_t)roll(&seed, 4),
                                    .payload = payload,
                                    .bytes = (uint32_t)roll(&seed, 2) * 4 };
            for (int b = 0; b < 64; b++)
                payload[b] = (unsigned char)roll(&seed, 256);
            f.bytes = roll(&seed, 3) ? f.bytes : (uint32_t)roll(&seed, 64);
            kci_frame_encode(&f, out);
            if (!roll(&seed, 10))
                out[roll(&seed, kci_frame_size(&f))] ^= 1u << roll(&seed, 8);
            (void)raw_try_bytes(&peer, out, kci_frame_size(&f));
        }
        raw_close(&peer);
    }
    check_others_live(r);
}

START_TEST(mutated_conversations_harm_nobody_else)
{
    try_rig(_i, mutated);
}
END_TEST

SUITE("ipc/hostile", CASE_LOOP(a_wrong_preface_is_answered_with_eproto, WORKERS),
      CASE_LOOP(only_an_acceptable_hello_may_come_first, WORKERS),
      CASE_LOOP(a_handshake_in_single_bytes_is_one, WORKERS),
      CASE_LOOP(an_item_that_is_not_expected_ends_the_connection, WORKERS),
      CASE_LOOP(a_control_frame_out_of_place_ends_the_connection, WORKERS),
      CASE_LOOP(what_is_legal_once_is_not_legal_twice, WORKERS),
      CASE_LOOP(unknown_commands_and_low_flags_are_ignored, WORKERS),
      CASE_LOOP(a_peer_that_only_wastes_time_is_cut_off, WORKERS),
      CASE_LOOP(there_is_a_limit_to_what_one_peer_may_open, WORKERS),
      CASE_LOOP(peers_may_vanish_at_any_moment, WORKERS),
      CASE_LOOP(mutated_conversations_harm_nobody_else, WORKERS))
