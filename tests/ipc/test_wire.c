/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * tests/ipc/test_wire.c — the bytes of docs/wire.md, and what a decoder makes of others.
 */
#include <kcoro/ipc.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "ipc/wire.h"
#include "tests/ipc/kit.h"

/* ---- golden bytes; the same stand in docs/wire.md ---- */

static size_t from_hex(const char *hex, unsigned char *out)
{
    size_t n = 0;

    for (; *hex; hex += 2, n++) {
        while (*hex == ' ')
            hex++;
        unsigned byte;
        must_eq(sscanf(hex, "%2x", &byte), 1);
        out[n] = (unsigned char)byte;
    }
    return n;
}

static void check_golden(const struct kci_frame *f, const char *hex)
{
    unsigned char want[256], got[256];
    struct kci_frame back;
    size_t n = from_hex(hex, want);

    ck_assert_uint_eq(kci_frame_size(f), n);
    kci_frame_encode(f, got);
    ck_assert_mem_eq(got, want, n);
    ck_assert_int_eq(kci_frame_decode(got, n, 65536, &back), (int)n);
    ck_assert_uint_eq(back.cmd, f->cmd);
    ck_assert_uint_eq(back.flags, f->flags);
    ck_assert_uint_eq(back.chan_id, f->chan_id);
    ck_assert_uint_eq(back.req_id, f->req_id);
    ck_assert_uint_eq(back.seq, f->seq);
    ck_assert_uint_eq(back.aux, f->aux);
    ck_assert_uint_eq(back.bytes, f->bytes);
    if (f->bytes)
        ck_assert_mem_eq(back.payload, f->payload, f->bytes);
}

START_TEST(the_preface_is_eight_bytes_that_text_does_not_contain)
{
    unsigned char want[8];

    from_hex("89 4b 43 4f 0d 0a 1a 0a", want);
    ck_assert_mem_eq(kci_wire_preface, want, 8);
    ck_assert_uint_eq(kci_frame_size_at(kci_wire_preface), 8);
}
END_TEST

START_TEST(hello_is_88_bytes_after_its_header)
{
    struct kci_hello h = { .major = 1,
                           .lowest = 1,
                           .max_frame = 65536,
                           .max_item = 16 << 20,
                           .max_channels = 1024,
                           .max_requests = 256,
                           .window_items = 256,
                           .window_bytes = 262144,
                           .budget = 64 << 20,
                           .heartbeat_ms = 5000 };
    struct kci_hello back;
    unsigned char payload[KCI_WIRE_HELLO], again[KCI_WIRE_HELLO];

    for (int i = 0; i < 16; i++)
        h.session[i] = (unsigned char)i;
    kci_hello_encode(&h, payload);
    struct kci_frame f = { .cmd = KCI_CMD_HELLO, .payload = payload, .bytes = sizeof payload };
    check_golden(&f, "6c000000 0100 0000 00000000 00000000 00000000 00000000"
                     "0100 0100 58000000 0000000000000000 0000000000000000"
                     "00000100 00000001 00040000 00010000 00010000 00000400"
                     "0000000400000000 000102030405060708090a0b0c0d0e0f"
                     "00000000 88130000 0000000000000000");
    ck_assert_int_eq(kci_hello_decode(&f, &back), 0);
    kci_hello_encode(&back, again); // the structs themselves have padding
    ck_assert_mem_eq(again, payload, sizeof payload);
}
END_TEST

START_TEST(open_names_a_channel_and_sizes_its_windows)
{
    struct kci_open o = { .elem_bytes = 4,
                          .rights = KC_PEER_SEND,
                          .window_items = 256,
                          .window_bytes = 17408,
                          .wish_items = 8,
                          .name = "in",
                          .name_bytes = 2 };
    struct kci_open back;
    unsigned char payload[64];
    struct kci_frame f = { .cmd = KCI_CMD_OPEN, .chan_id = 0x00200000, .req_id = 0x00010000 };

    f.payload = payload;
    f.bytes = (uint32_t)kci_open_encode(&o, payload);
    check_golden(&f, "36000000 1000 0000 00002000 00000100 00000000 00000000"
                     "04000000 01000000 00010000 00440000 08000000 00000000"
                     "0200 0000 00000000 696e 000000000000");
    ck_assert_int_eq(kci_open_decode(&f, &back), 0);
    ck_assert_uint_eq(back.elem_bytes, 4);
    ck_assert_uint_eq(back.rights, KC_PEER_SEND);
    ck_assert_uint_eq(back.window_items, 256);
    ck_assert_uint_eq(back.window_bytes, 17408);
    ck_assert_uint_eq(back.wish_items, 8);
    ck_assert_uint_eq(back.name_bytes, 2);
    ck_assert_mem_eq(back.name, "in", 2);
}
END_TEST

START_TEST(the_answer_grants_rights_and_a_window)
{
    struct kci_opened o = { .rights = KC_PEER_SEND,
                            .elem_bytes = 4,
                            .window_items = 8,
                            .window_bytes = 544,
                            .cap = -1 };
    struct kci_opened back;
    unsigned char payload[KCI_WIRE_OPENED];

    kci_opened_encode(&o, payload);
    struct kci_frame f = { .cmd = KCI_CMD_RES_OK,
                           .flags = KCI_FLAG_RESP,
                           .chan_id = 0x00200000,
                           .req_id = 0x00010000,
                           .payload = payload,
                           .bytes = sizeof payload };
    check_golden(&f, "34000000 3200 0100 00002000 00000100 00000000 00000000"
                     "01000000 04000000 08000000 20020000 ffffffffffffffff 0000000000000000");
    ck_assert_int_eq(kci_opened_decode(&f, &back), 0);
    ck_assert_mem_eq(&back, &o, sizeof o);
}
END_TEST

START_TEST(the_other_frames_look_as_documented)
{
    unsigned char entry[KCI_WIRE_ENTRY];
    struct kci_limits limits = { 130, 385, 26112 };

    kci_entry_encode(0x00200000, &limits, entry);
    check_golden(&(struct kci_frame){ .cmd = KCI_CMD_CREDIT, .payload = entry, .bytes = 24 },
                 "2c000000 1600 0000 00000000 00000000 00000000 00000000"
                 "00002000 00000000 82000000 81010000 0066000000000000");
    check_golden(&(struct kci_frame){ .cmd = KCI_CMD_ITEM, .chan_id = 0x00200000, .seq = 1,
                                      .payload = "\x07\0\0\0", .bytes = 4 },
                 "18000000 1500 0000 00002000 00000000 01000000 00000000 07000000 00000000");
    check_golden(&(struct kci_frame){ .cmd = KCI_CMD_ITEM,
                                      .flags = KCI_FLAG_CREDIT | KCI_FLAG_FIRST | KCI_FLAG_MORE,
                                      .chan_id = 0x00200000, .seq = 2, .aux = 20,
                                      .limits = limits, .payload = "01234567", .bytes = 8 },
                 "2c000000 1500 1600 00002000 00000000 02000000 14000000"
                 "82000000 81010000 0066000000000000 3031323334353637");
    check_golden(&(struct kci_frame){ .cmd = KCI_CMD_FIN, .chan_id = 0x00200000, .seq = 9,
                                      .aux = KCI_ST_ECANCELED },
                 "14000000 1300 0000 00002000 00000000 09000000 03000000");
    check_golden(&(struct kci_frame){ .cmd = KCI_CMD_RESET, .chan_id = 0x00200001, .seq = 7,
                                      .aux = KCI_ST_EPIPE },
                 "14000000 1400 0000 01002000 00000000 07000000 04000000");
    check_golden(&(struct kci_frame){ .cmd = KCI_CMD_CLOSE, .chan_id = 0x00200000, .seq = 9,
                                      .aux = 3 },
                 "14000000 1100 0000 00002000 00000000 09000000 03000000");
    check_golden(&(struct kci_frame){ .cmd = KCI_CMD_CLOSE_ACK, .chan_id = 0x00200000,
                                      .seq = 9 },
                 "14000000 1200 0000 00002000 00000000 09000000 00000000");
    check_golden(&(struct kci_frame){ .cmd = KCI_CMD_RES_ERR, .flags = KCI_FLAG_RESP,
                                      .chan_id = 0x00200000, .req_id = 0x00010000,
                                      .aux = KCI_ST_ENOENT },
                 "14000000 3300 0100 00002000 00000100 00000000 0b000000");
}
END_TEST

START_TEST(connection_frames_look_as_documented)
{
    unsigned char opaque[8];

    kci_put64(opaque, 0x1122334455667788u);
    check_golden(&(struct kci_frame){ .cmd = KCI_CMD_PING, .payload = opaque, .bytes = 8 },
                 "1c000000 0400 0000 00000000 00000000 00000000 00000000 8877665544332211");
    check_golden(&(struct kci_frame){ .cmd = KCI_CMD_PONG, .payload = opaque, .bytes = 8 },
                 "1c000000 0500 0000 00000000 00000000 00000000 00000000 8877665544332211");
    check_golden(&(struct kci_frame){ .cmd = KCI_CMD_GOAWAY, .aux = KCI_ST_EPROTO,
                                      .payload = "\0\0\0\0", .bytes = 4 },
                 "18000000 0300 0000 00000000 00000000 00000000 0d000000 00000000 00000000");
}
END_TEST

/* ---- status ---- */

START_TEST(status_codes_are_our_own_and_come_back)
{
    static const int codes[] = { 0,        -EAGAIN,  -ETIME,   -ECANCELED, -EPIPE,
                                 -ECONNRESET, -EINVAL, -ENOTSUP, -EMSGSIZE, -ENOBUFS,
                                 -EACCES,  -ENOENT,  -EEXIST,  -EPROTO };

    for (unsigned i = 0; i < sizeof codes / sizeof *codes; i++) {
        ck_assert_uint_eq(kci_status_of(codes[i]), i);
        ck_assert_int_eq(kci_status_errno(i), codes[i]);
    }
    ck_assert_int_eq(kci_status_errno(kci_status_of(-4711)), -4711);
    ck_assert_int_eq(kci_status_errno(kci_status_of(INT32_MIN + 1)), INT32_MIN + 1);
    ck_assert_int_eq(kci_status_errno(300), -EIO);
    ck_assert_int_eq(kci_status_errno(KCI_ST_PRIVATE), -EIO);
    ck_assert_int_eq(kci_status_errno(UINT32_MAX), -EIO);
}
END_TEST

/* ---- refusals ---- */

static ssize_t decode_with(uint32_t len, uint16_t flags, size_t n)
{
    unsigned char in[64] = { 0 };
    struct kci_frame f;

    for (int i = 0; i < 4; i++)
        in[i] = (unsigned char)(len >> 8 * i);
    in[6] = (unsigned char)flags;
    in[7] = (unsigned char)(flags >> 8);
    return kci_frame_decode(in, n, 4096, &f);
}

START_TEST(lengths_outside_their_range_are_errors_before_the_bytes_come)
{
    ck_assert_int_eq(decode_with(20, 0, 24), 24);
    ck_assert_int_eq(decode_with(21, 0, 32), 32);
    ck_assert_int_eq(decode_with(20, 0, 23), 0);
    ck_assert_int_eq(decode_with(21, 0, 31), 0);
    ck_assert_int_eq(decode_with(4096, 0, 4), 0);
    static const uint32_t bad[] = { 0,       1,          4,           19,        4097,
                                    0x10000, 0x1000000u, 0x7FFFFFFFu, 0x80000000u, UINT32_MAX };
    for (unsigned i = 0; i < sizeof bad / sizeof *bad; i++)
        ck_assert_int_eq(decode_with(bad[i], 0, 4), -EPROTO);
}
END_TEST

START_TEST(unknown_low_flags_are_ignored_and_high_ones_are_errors)
{
    ck_assert_int_eq(decode_with(20, 0xC0, 24), 24);
    ck_assert_int_eq(decode_with(20, KCI_FLAG_MUST, 24), 24);
    for (unsigned flag = 0x100; flag <= 0x8000; flag <<= 1)
        if (flag != KCI_FLAG_MUST)
            ck_assert_int_eq(decode_with(20, (uint16_t)flag, 24), -EPROTO);
    ck_assert_int_eq(decode_with(20, KCI_FLAG_CREDIT, 24), -EPROTO); // limits do not fit
    ck_assert_int_eq(decode_with(36, KCI_FLAG_CREDIT, 40), 40);
}
END_TEST

static int hello_after(int at, int value, uint32_t bytes)
{
    unsigned char payload[KCI_WIRE_HELLO + 16] = { 0 };
    struct kci_hello h = { .major = 1, .lowest = 1, .max_frame = 4096 }, back;

    kci_hello_encode(&h, payload);
    payload[at] = (unsigned char)value;
    return kci_hello_decode(
        &(struct kci_frame){ .cmd = KCI_CMD_HELLO, .payload = payload, .bytes = bytes }, &back);
}

START_TEST(a_hello_with_another_major_or_demands_is_refused)
{
    ck_assert_int_eq(hello_after(0, 1, 88), 0);
    ck_assert_int_eq(hello_after(0, 9, 88), 0);         // speaks 9 down to 1
    ck_assert_int_eq(hello_after(2, 2, 88), -ENOTSUP);  // lowest major 2
    ck_assert_int_eq(hello_after(0, 0, 88), -ENOTSUP);  // highest major 0
    ck_assert_int_eq(hello_after(16, 1, 88), -ENOTSUP); // requires a feature
    ck_assert_int_eq(hello_after(8, 255, 88), 0);       // offers any
    ck_assert_int_eq(hello_after(25, 0x0F, 88), -EPROTO); // max_frame below the least
    ck_assert_int_eq(hello_after(4, 87, 88), -EPROTO);
    ck_assert_int_eq(hello_after(4, 89, 88), -EPROTO);
    ck_assert_int_eq(hello_after(0, 1, 87), -EPROTO);
    ck_assert_int_eq(hello_after(0, 1, 7), -EPROTO);
    ck_assert_int_eq(hello_after(0, 1, 96), 0);         // two empty TLVs
    ck_assert_int_eq(hello_after(89, 0x80, 96), -ENOTSUP); // a critical one
    ck_assert_int_eq(hello_after(90, 9, 96), -EPROTO);  // longer than there is
    ck_assert_int_eq(hello_after(0, 1, 90), -EPROTO);   // half a TLV
}
END_TEST

static int open_after(int at, int value, uint32_t bytes)
{
    unsigned char payload[64] = { 0 };
    struct kci_open o = { .elem_bytes = 4, .name = "name", .name_bytes = 4 }, back;

    kci_open_encode(&o, payload);
    payload[at] = (unsigned char)value;
    return kci_open_decode(
        &(struct kci_frame){ .cmd = KCI_CMD_OPEN, .payload = payload, .bytes = bytes }, &back);
}

START_TEST(an_open_needs_a_name_that_is_there_and_has_no_zero_byte)
{
    ck_assert_int_eq(open_after(0, 4, 36), 0);
    ck_assert_int_eq(open_after(0, 4, 40), 0); // payloads may grow
    ck_assert_int_eq(open_after(24, 0, 36), -EPROTO);
    ck_assert_int_eq(open_after(24, 5, 36), -EPROTO);
    ck_assert_int_eq(open_after(25, 1, 64), -EPROTO);
    ck_assert_int_eq(open_after(33, 0, 36), -EPROTO);
    ck_assert_int_eq(open_after(0, 4, 31), -EPROTO);
    ck_assert_int_eq(open_after(20, 1, 36), -ENOTSUP);
    ck_assert_int_eq(open_after(21, 1, 36), -ENOTSUP);
}
END_TEST

/* ---- chance ---- */

/* What a stream of n bytes decodes to: one hash over all frames and the verdict. The decoder
 * sees the bytes in a block of exactly their size, so that reading past them is found. */
struct digest {
    uint64_t hash;
    size_t used;
    int verdict;
};

static void mix(struct digest *d, uint64_t v)
{
    d->hash = (d->hash ^ v) * 0x9E3779B97F4A7C15u;
    d->hash ^= d->hash >> 29;
}

static void digest_frame(struct digest *d, const struct kci_frame *f)
{
    struct kci_hello h;
    struct kci_open o;
    struct kci_opened a;

    mix(d, (uint64_t)f->cmd << 16 | f->flags);
    mix(d, (uint64_t)f->chan_id << 32 | f->req_id);
    mix(d, (uint64_t)f->seq << 32 | f->aux);
    mix(d, f->limits.byte_limit ^ f->limits.item_limit ^ f->limits.rx_next);
    for (uint32_t i = 0; i < f->bytes; i++)
        mix(d, ((const unsigned char *)f->payload)[i]);
    mix(d, (uint64_t)kci_hello_decode(f, &h));
    mix(d, (uint64_t)kci_open_decode(f, &o));
    mix(d, (uint64_t)kci_opened_decode(f, &a));
}

/* Feed `upto` bytes; go on from where d stopped. */
static void feed(struct digest *d, const unsigned char *in, size_t upto)
{
    struct kci_frame f;

    while (!d->verdict) {
        size_t left = upto - d->used;
        unsigned char *exact = malloc(left ? left : 1);
        memcpy(exact, in + d->used, left);
        ssize_t n = kci_frame_decode(exact, left, 4096, &f);
        if (n > 0)
            digest_frame(d, &f);
        free(exact);
        if (n <= 0) {
            d->verdict = n < 0 ? (int)n : 0;
            break;
        }
        d->used += (size_t)n;
    }
}

/* A few frames, some of them damaged. */
static size_t make_stream(uint64_t *seed, unsigned char *out)
{
    unsigned char payload[64];
    size_t n = 0;

    for (uint64_t k = roll(seed, 6) + 1; k; k--) {
        struct kci_frame f = { .cmd = (uint16_t)roll(seed, 60),
                               .flags = (uint16_t)roll(seed, 64),
                               .chan_id = (uint32_t)roll(seed, 1u << 31),
                               .seq = (uint32_t)roll(seed, 100),
                               .payload = payload,
                               .bytes = (uint32_t)roll(seed, 64) };
        for (unsigned i = 0; i < sizeof payload; i++)
            payload[i] = (unsigned char)roll(seed, 256);
        kci_frame_encode(&f, out + n);
        n += kci_frame_size(&f);
    }
    for (uint64_t k = roll(seed, 4); k; k--)
        out[roll(seed, n)] ^= (unsigned char)(1u << roll(seed, 8));
    return n;
}

START_TEST(a_damaged_stream_decodes_the_same_however_it_is_cut)
{
    uint64_t seed = test_seed();
    unsigned char in[1024];

    for (int round = 0; round < 300; round++) {
        size_t n = make_stream(&seed, in);
        struct digest whole = { 0 };
        feed(&whole, in, n);
        for (size_t cut = 0; cut <= n; cut++) {
            struct digest parts = { 0 };
            feed(&parts, in, cut);
            feed(&parts, in, n);
            must(!memcmp(&parts.hash, &whole.hash, sizeof parts.hash));
            must_eq(parts.verdict, whole.verdict);
            must_eq(parts.used, whole.used);
        }
    }
}
END_TEST

START_TEST(random_bytes_never_crash_a_decoder)
{
    uint64_t seed = test_seed();
    unsigned char in[256];

    for (int round = 0; round < 20000; round++) {
        size_t n = roll(&seed, sizeof in);
        struct digest d = { 0 };
        for (size_t i = 0; i < n; i++)
            in[i] = (unsigned char)roll(&seed, 256);
        if (n >= 8 && roll(&seed, 2)) { // a plausible length and flags, or nothing gets far
            in[0] = (unsigned char)(20 + roll(&seed, 100));
            in[1] = in[2] = in[3] = in[7] = 0;
        }
        feed(&d, in, n);
    }
}
END_TEST

SUITE("ipc/wire", CASE(the_preface_is_eight_bytes_that_text_does_not_contain),
      CASE(hello_is_88_bytes_after_its_header),
      CASE(open_names_a_channel_and_sizes_its_windows),
      CASE(the_answer_grants_rights_and_a_window), CASE(the_other_frames_look_as_documented),
      CASE(connection_frames_look_as_documented), CASE(status_codes_are_our_own_and_come_back),
      CASE(lengths_outside_their_range_are_errors_before_the_bytes_come),
      CASE(unknown_low_flags_are_ignored_and_high_ones_are_errors),
      CASE(a_hello_with_another_major_or_demands_is_refused),
      CASE(an_open_needs_a_name_that_is_there_and_has_no_zero_byte),
      CASE(a_damaged_stream_decodes_the_same_however_it_is_cut),
      CASE(random_bytes_never_crash_a_decoder))
