/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * ipc/wire.h — bytes on the wire and back: pure, bounded, allocates nothing.
 *
 * docs/wire.md is the contract, with golden bytes; numbers here never change meaning.
 * Everything is little-endian and fixed width; a frame is padded to 8 bytes, so that headers
 * and payloads in a read buffer are aligned.
 */
#ifndef IPC_WIRE_H
#define IPC_WIRE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

enum {
    KCI_WIRE_MAJOR = 1,
    KCI_WIRE_PREFACE = 8,
    KCI_WIRE_HEADER = 24,
    KCI_WIRE_EXT = 16,
    KCI_WIRE_HELLO = 88,
    KCI_WIRE_OPEN = 32,   /* without the name */
    KCI_WIRE_OPENED = 32, /* payload of RES_OK to an OPEN */
    KCI_WIRE_ENTRY = 24,  /* of a CREDIT frame */
    KCI_WIRE_NAME = 255,
    KCI_FRAME_LEAST = 4096, /* range of max_frame; before HELLO the lower end holds */
    KCI_FRAME_MOST = 1 << 20
};

enum kci_cmd {
    KCI_CMD_HELLO = 1,
    KCI_CMD_GOAWAY = 3,
    KCI_CMD_PING = 4,
    KCI_CMD_PONG = 5,
    KCI_CMD_OPEN = 16,
    KCI_CMD_CLOSE = 17,
    KCI_CMD_CLOSE_ACK = 18,
    KCI_CMD_FIN = 19,
    KCI_CMD_RESET = 20,
    KCI_CMD_ITEM = 21,
    KCI_CMD_CREDIT = 22,
    KCI_CMD_RES_OK = 50,
    KCI_CMD_RES_ERR = 51
};

/* Low byte: ignored if unknown. High byte: unknown is an error. */
enum kci_flag {
    KCI_FLAG_RESP = 0x01,   /* req_id is the receiver's */
    KCI_FLAG_MORE = 0x02,   /* fragments follow */
    KCI_FLAG_FIRST = 0x04,  /* aux is the total length */
    KCI_FLAG_LAST = 0x08,   /* item and FIN in one */
    KCI_FLAG_CREDIT = 0x10, /* 16 bytes of limits follow the header */
    KCI_FLAG_ABORT = 0x20,
    KCI_FLAG_MUST = 0x0400, /* an unknown cmd is fatal */
    KCI_FLAGS_FATAL = 0xFF00,
    KCI_FLAGS_KNOWN = KCI_FLAG_MUST /* of the fatal ones */
};

enum kci_status {
    KCI_ST_OK = 0,
    KCI_ST_EAGAIN = 1,
    KCI_ST_ETIME = 2,
    KCI_ST_ECANCELED = 3,
    KCI_ST_EPIPE = 4,
    KCI_ST_ECONNRESET = 5,
    KCI_ST_EINVAL = 6,
    KCI_ST_ENOTSUP = 7,
    KCI_ST_EMSGSIZE = 8,
    KCI_ST_ENOBUFS = 9,
    KCI_ST_EACCES = 10,
    KCI_ST_ENOENT = 11,
    KCI_ST_EEXIST = 12,
    KCI_ST_EPROTO = 13,
    KCI_ST_REFUSED = 14,
    KCI_ST_EOWNERDEAD = 15,
    KCI_ST_STALLED = 16,
    KCI_ST_EALREADY = 17,
    KCI_ST_EINTERNAL = 18,
    KCI_ST_PRIVATE = 0x8000 /* + a code of the application */
};

/* Absolute, see ipc/credit.h. On the wire: the CREDIT extension. */
struct kci_limits {
    uint32_t rx_next;    /* the next item expected */
    uint32_t item_limit; /* items with a smaller number may be sent */
    uint64_t byte_limit; /* total cost allowed */
};

struct kci_frame {
    uint16_t cmd, flags;
    uint32_t chan_id, req_id, seq, aux;
    struct kci_limits limits; /* with KCI_FLAG_CREDIT */
    const void *payload;      /* decoded: points into the input */
    uint32_t bytes;           /* of payload */
};

extern const unsigned char kci_wire_preface[KCI_WIRE_PREFACE];

/* Bytes of f on the wire, padding included. */
size_t kci_frame_size(const struct kci_frame *f);
/* Write kci_frame_size(f) bytes. */
void kci_frame_encode(const struct kci_frame *f, unsigned char *out);
/* One frame from the first n bytes, len field at most max_frame. Returns its size, 0 when more
 * bytes are needed, -EPROTO. */
ssize_t kci_frame_decode(const unsigned char *in, size_t n, uint32_t max_frame,
                         struct kci_frame *out);
/* Size of the frame, or preface, that begins at `in` in a buffer of our own frames. */
size_t kci_frame_size_at(const unsigned char *in);

struct kci_hello {
    uint16_t major, lowest;
    uint64_t offers, requires;
    uint32_t max_frame, max_item, max_channels, max_requests;
    uint32_t window_items, window_bytes;
    uint64_t budget; /* bytes held for the peer */
    unsigned char session[16];
    uint32_t epoch, heartbeat_ms;
    uint64_t request_budget;
};
void kci_hello_encode(const struct kci_hello *h, unsigned char out[KCI_WIRE_HELLO]);
/* 0; -EPROTO malformed; -ENOTSUP no common version, or something required that is unknown. */
int kci_hello_decode(const struct kci_frame *f, struct kci_hello *out);

struct kci_open {
    uint32_t elem_bytes;
    uint32_t rights;       /* KC_PEER_* asked for; 0: all */
    uint32_t window_items; /* what the opener grants */
    uint32_t window_bytes;
    uint32_t wish_items;   /* window it would like; 0: any */
    const char *name;      /* not terminated */
    uint32_t name_bytes;   /* 1 to KCI_WIRE_NAME */
};
/* Writes KCI_WIRE_OPEN + name_bytes. Returns that. */
size_t kci_open_encode(const struct kci_open *o, unsigned char *out);
int kci_open_decode(const struct kci_frame *f, struct kci_open *out);

/* The home's answer. */
struct kci_opened {
    uint32_t rights; /* KC_PEER_* granted */
    uint32_t elem_bytes;
    uint32_t window_items, window_bytes; /* what the home grants */
    int64_t cap;                         /* of the exported channel */
};
void kci_opened_encode(const struct kci_opened *o, unsigned char out[KCI_WIRE_OPENED]);
int kci_opened_decode(const struct kci_frame *f, struct kci_opened *out);

/* The array of a CREDIT frame. */
void kci_entry_encode(uint32_t chan_id, const struct kci_limits *l, unsigned char *out);
void kci_entry_decode(const unsigned char *in, uint32_t *chan_id, struct kci_limits *l);

uint64_t kci_get64(const unsigned char *in);
void kci_put64(unsigned char *out, uint64_t v);

/* Status codes are our own: errno values differ between systems. Codes without a number of
 * their own travel as private ones; unknown numbers become -EIO. */
uint32_t kci_status_of(int rc);
int kci_status_errno(uint32_t status);

#endif
