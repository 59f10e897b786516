/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * tests/ipc/raw.h — a peer that speaks frames, right or wrong, through a bare link. Called
 * from a coroutine.
 */
#ifndef TESTS_IPC_RAW_H
#define TESTS_IPC_RAW_H

#include "ipc/port.h"
#include "ipc/wire.h"
#include "tests/ipc/kit.h"

struct raw {
    struct kci_port port;
    unsigned char in[1 << 16];
    size_t used, filled;
    bool prefaced; /* the peer has said its preface */
};

/* Connect to the rig's listener. */
void raw_connect(struct raw *p, struct rig *r);
void raw_bytes(struct raw *p, const void *bytes, size_t n);
/* The same to a peer that may have gone: false if it had. */
bool raw_try_bytes(struct raw *p, const void *bytes, size_t n);
void raw_send(struct raw *p, const struct kci_frame *f);
/* The preface and an ordinary HELLO. */
void raw_greet(struct raw *p);
/* The next frame, valid until the next call: true; false at the end of the stream. The
 * preface is skipped. */
bool raw_recv(struct raw *p, struct kci_frame *f);
/* Skip frames until one of `cmd` comes. */
void raw_expect(struct raw *p, uint16_t cmd, struct kci_frame *f);
/* Greet, and open channel `name` of elements of 4 bytes as chan_id. */
void raw_open(struct raw *p, const char *name, uint32_t chan_id);
/* The connection must end with GOAWAY(status) and nothing after it. */
void raw_expect_end(struct raw *p, uint32_t status);
void raw_close(struct raw *p);

#endif
