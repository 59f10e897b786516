/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * ipc/wire.c — encode and decode, byte by byte.
 *
 * Invariants  no function reads past the length it was given, or keeps state
 *             a decoder accepts longer payloads than it knows (they may grow) and ignores
 *             reserved bytes; an encoder writes them as 0
 * Rejected    casting structs onto the buffer: the compiler makes the same loads out of the
 *             shifts, and these work on every byte order.
 */
#include "ipc/wire.h"

#include <kcoro/base.h>
#include <string.h>

// A byte above 127 first, then line ends: text protocols and newline mangling fail in the first
// read (as in PNG).
const unsigned char kci_wire_preface[KCI_WIRE_PREFACE] = { 0x89, 'K',  'C',  'O',
                                                           0x0D, 0x0A, 0x1A, 0x0A };

/* ---- integers ---- */

static void put16(unsigned char *out, uint16_t v)
{
    out[0] = (unsigned char)v;
    out[1] = (unsigned char)(v >> 8);
}

static void put32(unsigned char *out, uint32_t v)
{
    put16(out, (uint16_t)v);
    put16(out + 2, (uint16_t)(v >> 16));
}

void kci_put64(unsigned char *out, uint64_t v)
{
    put32(out, (uint32_t)v);
    put32(out + 4, (uint32_t)(v >> 32));
}

static uint16_t get16(const unsigned char *in)
{
    return (uint16_t)(in[0] | in[1] << 8);
}

static uint32_t get32(const unsigned char *in)
{
    return get16(in) | (uint32_t)get16(in + 2) << 16;
}

uint64_t kci_get64(const unsigned char *in)
{
    return get32(in) | (uint64_t)get32(in + 4) << 32;
}

/* ---- frames ---- */

static size_t padded(size_t n)
{
    return (n + 7) & ~(size_t)7;
}

static size_t head_size(const struct kci_frame *f)
{
    return KCI_WIRE_HEADER + (f->flags & KCI_FLAG_CREDIT ? KCI_WIRE_EXT : 0);
}

size_t kci_frame_size(const struct kci_frame *f)
{
    return padded(head_size(f) + f->bytes);
}

static void put_limits(unsigned char *out, const struct kci_limits *l)
{
    put32(out, l->rx_next);
    put32(out + 4, l->item_limit);
    kci_put64(out + 8, l->byte_limit);
}

static void get_limits(const unsigned char *in, struct kci_limits *l)
{
    l->rx_next = get32(in);
    l->item_limit = get32(in + 4);
    l->byte_limit = kci_get64(in + 8);
}

void kci_frame_encode(const struct kci_frame *f, unsigned char *out)
{
    size_t head = head_size(f), size = head + f->bytes;

    put32(out, (uint32_t)(size - 4));
    put16(out + 4, f->cmd);
    put16(out + 6, f->flags);
    put32(out + 8, f->chan_id);
    put32(out + 12, f->req_id);
    put32(out + 16, f->seq);
    put32(out + 20, f->aux);
    if (f->flags & KCI_FLAG_CREDIT)
        put_limits(out + KCI_WIRE_HEADER, &f->limits);
    if (f->bytes)
        memcpy(out + head, f->payload, f->bytes);
    memset(out + size, 0, padded(size) - size);
}

/* The fixed part; in holds KCI_WIRE_HEADER bytes. */
static void decode_header(const unsigned char *in, struct kci_frame *out)
{
    *out = (struct kci_frame){
        .cmd = get16(in + 4),
        .flags = get16(in + 6),
        .chan_id = get32(in + 8),
        .req_id = get32(in + 12),
        .seq = get32(in + 16),
        .aux = get32(in + 20),
    };
}

ssize_t kci_frame_decode(const unsigned char *in, size_t n, uint32_t max_frame,
                         struct kci_frame *out)
{
    if (n < 4)
        return 0;
    uint32_t len = get32(in);
    if (len < KCI_WIRE_HEADER - 4 || len > max_frame)
        return -EPROTO; // before waiting for the rest of it
    size_t size = padded((size_t)len + 4);
    if (n < size)
        return 0;
    decode_header(in, out);
    size_t head = head_size(out);
    if (out->flags & KCI_FLAGS_FATAL & ~KCI_FLAGS_KNOWN || (size_t)len + 4 < head)
        return -EPROTO;
    if (out->flags & KCI_FLAG_CREDIT)
        get_limits(in + KCI_WIRE_HEADER, &out->limits);
    out->payload = in + head;
    out->bytes = (uint32_t)(len + 4 - head);
    return (ssize_t)size;
}

size_t kci_frame_size_at(const unsigned char *in)
{
    // As a length the preface would have its top byte set, which no frame has.
    return in[0] == kci_wire_preface[0] && in[3] ? KCI_WIRE_PREFACE
                                                 : padded((size_t)get32(in) + 4);
}

/* ---- HELLO ---- */

void kci_hello_encode(const struct kci_hello *h, unsigned char out[KCI_WIRE_HELLO])
{
    put16(out, h->major);
    put16(out + 2, h->lowest);
    put32(out + 4, KCI_WIRE_HELLO);
    kci_put64(out + 8, h->offers);
    kci_put64(out + 16, h->requires);
    put32(out + 24, h->max_frame);
    put32(out + 28, h->max_item);
    put32(out + 32, h->max_channels);
    put32(out + 36, h->max_requests);
    put32(out + 40, h->window_items);
    put32(out + 44, h->window_bytes);
    kci_put64(out + 48, h->budget);
    memcpy(out + 56, h->session, sizeof h->session);
    put32(out + 72, h->epoch);
    put32(out + 76, h->heartbeat_ms);
    kci_put64(out + 80, h->request_budget);
}

static void read_hello(const unsigned char *in, struct kci_hello *out)
{
    *out = (struct kci_hello){
        .major = get16(in),
        .lowest = get16(in + 2),
        .offers = kci_get64(in + 8),
        .requires = kci_get64(in + 16),
        .max_frame = get32(in + 24),
        .max_item = get32(in + 28),
        .max_channels = get32(in + 32),
        .max_requests = get32(in + 36),
        .window_items = get32(in + 40),
        .window_bytes = get32(in + 44),
        .budget = kci_get64(in + 48),
        .epoch = get32(in + 72),
        .heartbeat_ms = get32(in + 76),
        .request_budget = kci_get64(in + 80),
    };
    memcpy(out->session, in + 56, sizeof out->session);
}

/* Type, length, value … We know no types, so critical ones are too much to ask. */
static int check_tlvs(const unsigned char *in, size_t n)
{
    while (n >= 4) {
        size_t size = 4 + (size_t)get16(in + 2);
        if (get16(in) & 0x8000)
            return -ENOTSUP;
        if (size > n)
            return -EPROTO;
        in += size;
        n -= size;
    }
    return n ? -EPROTO : 0;
}

int kci_hello_decode(const struct kci_frame *f, struct kci_hello *out)
{
    const unsigned char *in = f->payload;

    if (f->bytes < 8)
        return -EPROTO;
    // The version first: another major may have another layout.
    if (get16(in + 2) > KCI_WIRE_MAJOR || get16(in) < KCI_WIRE_MAJOR)
        return -ENOTSUP;
    uint32_t fixed = get32(in + 4);
    if (fixed < KCI_WIRE_HELLO || fixed > f->bytes)
        return -EPROTO;
    read_hello(in, out);
    if (out->max_frame < KCI_FRAME_LEAST)
        return -EPROTO;
    return out->requires ? -ENOTSUP : check_tlvs(in + fixed, f->bytes - fixed);
}

/* ---- OPEN and its answer ---- */

size_t kci_open_encode(const struct kci_open *o, unsigned char *out)
{
    memset(out, 0, KCI_WIRE_OPEN);
    put32(out, o->elem_bytes);
    put32(out + 4, o->rights);
    put32(out + 8, o->window_items);
    put32(out + 12, o->window_bytes);
    put32(out + 16, o->wish_items);
    put16(out + 24, (uint16_t)o->name_bytes);
    memcpy(out + KCI_WIRE_OPEN, o->name, o->name_bytes);
    return KCI_WIRE_OPEN + o->name_bytes;
}

int kci_open_decode(const struct kci_frame *f, struct kci_open *out)
{
    const unsigned char *in = f->payload;

    if (f->bytes < KCI_WIRE_OPEN)
        return -EPROTO;
    *out = (struct kci_open){
        .elem_bytes = get32(in),
        .rights = get32(in + 4),
        .window_items = get32(in + 8),
        .window_bytes = get32(in + 12),
        .wish_items = get32(in + 16),
        .name_bytes = get16(in + 24),
        .name = (const char *)in + KCI_WIRE_OPEN,
    };
    if (!out->name_bytes || out->name_bytes > KCI_WIRE_NAME)
        return -EPROTO;
    if (out->name_bytes > f->bytes - KCI_WIRE_OPEN || memchr(out->name, 0, out->name_bytes))
        return -EPROTO;
    return in[20] || in[21] ? -ENOTSUP : 0; // kind and mode: only the plain channel is known
}

void kci_opened_encode(const struct kci_opened *o, unsigned char out[KCI_WIRE_OPENED])
{
    memset(out, 0, KCI_WIRE_OPENED);
    put32(out, o->rights);
    put32(out + 4, o->elem_bytes);
    put32(out + 8, o->window_items);
    put32(out + 12, o->window_bytes);
    kci_put64(out + 16, (uint64_t)o->cap);
}

int kci_opened_decode(const struct kci_frame *f, struct kci_opened *out)
{
    const unsigned char *in = f->payload;

    if (f->bytes < KCI_WIRE_OPENED)
        return -EPROTO;
    *out = (struct kci_opened){
        .rights = get32(in),
        .elem_bytes = get32(in + 4),
        .window_items = get32(in + 8),
        .window_bytes = get32(in + 12),
        .cap = (int64_t)kci_get64(in + 16),
    };
    return 0;
}

/* ---- CREDIT ---- */

void kci_entry_encode(uint32_t chan_id, const struct kci_limits *l, unsigned char *out)
{
    put32(out, chan_id);
    put32(out + 4, 0);
    put_limits(out + 8, l);
}

void kci_entry_decode(const unsigned char *in, uint32_t *chan_id, struct kci_limits *l)
{
    *chan_id = get32(in);
    get_limits(in + 8, l);
}

/* ---- status ---- */

static const struct {
    uint32_t status;
    int rc;
} codes[] = {
    { KCI_ST_OK, 0 },
    { KCI_ST_EAGAIN, -EAGAIN },
    { KCI_ST_ETIME, -ETIME },
    { KCI_ST_ECANCELED, -ECANCELED },
    { KCI_ST_EPIPE, -EPIPE },
    { KCI_ST_ECONNRESET, -ECONNRESET },
    { KCI_ST_EINVAL, -EINVAL },
    { KCI_ST_ENOTSUP, -ENOTSUP },
    { KCI_ST_EMSGSIZE, -EMSGSIZE },
    { KCI_ST_ENOBUFS, -ENOBUFS },
    { KCI_ST_EACCES, -EACCES },
    { KCI_ST_ENOENT, -ENOENT },
    { KCI_ST_EEXIST, -EEXIST },
    { KCI_ST_EPROTO, -EPROTO },
    { KCI_ST_REFUSED, -ECONNREFUSED },
    { KCI_ST_EOWNERDEAD, -EOWNERDEAD },
    { KCI_ST_STALLED, -ETIMEDOUT },
    { KCI_ST_EALREADY, -EALREADY },
    { KCI_ST_EINTERNAL, -EIO },
};

uint32_t kci_status_of(int rc)
{
    for (size_t i = 0; i < sizeof codes / sizeof *codes; i++)
        if (codes[i].rc == rc)
            return codes[i].status;
    return rc > 0 ? KCI_ST_EINTERNAL : (uint32_t)KCI_ST_PRIVATE + (0u - (uint32_t)rc);
}

int kci_status_errno(uint32_t status)
{
    uint32_t code = status - KCI_ST_PRIVATE;

    if (status > KCI_ST_PRIVATE && code <= INT32_MAX)
        return -(int)code;
    for (size_t i = 0; i < sizeof codes / sizeof *codes; i++)
        if (codes[i].status == status)
            return codes[i].rc;
    return -EIO;
}
