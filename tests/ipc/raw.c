/* SPDX-License-Identifier: BSD-3-Clause */
/* tests/ipc/raw.c — see raw.h. */
#include "tests/ipc/raw.h"

#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>

void raw_connect(struct raw *p, struct rig *r)
{
    struct sockaddr_un sa = { .sun_family = AF_UNIX };

    strcpy(sa.sun_path, strchr(r->addr, ':') + 1);
    p->fd = socket(AF_UNIX, SOCK_STREAM, 0);
    p->used = p->filled = 0;
    must(p->fd >= 0);
    must_eq(kc_connect(p->fd, &sa, sizeof sa, KC_FOREVER), 0);
}

void raw_bytes(struct raw *p, const void *bytes, size_t n)
{
    must_eq(kc_writen(p->fd, bytes, n, KC_FOREVER), n);
}

void raw_send(struct raw *p, const struct kci_frame *f)
{
    static unsigned char out[1 << 16];

    must(kci_frame_size(f) <= sizeof out);
    kci_frame_encode(f, out);
    // The other end may have gone already, and is not asked.
    (void)!kc_writen(p->fd, out, kci_frame_size(f), KC_FOREVER);
}

void raw_greet(struct raw *p)
{
    struct kci_hello h = { .major = 1,
                           .lowest = 1,
                           .max_frame = 65536,
                           .max_item = 1 << 20,
                           .max_channels = 64,
                           .max_requests = 64,
                           .window_items = 16,
                           .window_bytes = 1024 };
    unsigned char payload[KCI_WIRE_HELLO];

    raw_bytes(p, kci_wire_preface, KCI_WIRE_PREFACE);
    kci_hello_encode(&h, payload);
    raw_send(p, &(struct kci_frame){
                    .cmd = KCI_CMD_HELLO, .payload = payload, .bytes = sizeof payload });
}

bool raw_recv(struct raw *p, struct kci_frame *f)
{
    for (;;) {
        size_t left = p->filled - p->used;
        if (left >= 8 && !memcmp(p->in + p->used, kci_wire_preface, 8)) {
            p->used += 8;
            continue;
        }
        ssize_t n = kci_frame_decode(p->in + p->used, left, 65536, f);
        must(n >= 0);
        p->used += (size_t)n;
        if (n)
            return true;
        memmove(p->in, p->in + p->used, left);
        p->used = 0;
        p->filled = left;
        n = kc_read(p->fd, p->in + left, sizeof p->in - left, KC_FOREVER);
        if (n <= 0)
            return false;
        p->filled += (size_t)n;
    }
}

void raw_expect(struct raw *p, uint16_t cmd, struct kci_frame *f)
{
    do
        must(raw_recv(p, f));
    while (f->cmd != cmd);
}

void raw_open(struct raw *p, const char *name, uint32_t chan_id)
{
    unsigned char payload[KCI_WIRE_OPEN + KCI_WIRE_NAME];
    struct kci_open o = { .elem_bytes = 4,
                          .window_items = 4,
                          .window_bytes = 4 * 68,
                          .name = name,
                          .name_bytes = (uint32_t)strlen(name) };
    struct kci_frame f = { .cmd = KCI_CMD_OPEN, .chan_id = chan_id };

    raw_greet(p);
    f.req_id = 1u << 16;
    f.payload = payload;
    f.bytes = (uint32_t)kci_open_encode(&o, payload);
    raw_send(p, &f);
    raw_expect(p, KCI_CMD_RES_OK, &f);
    must_eq(f.chan_id, chan_id);
}

void raw_expect_end(struct raw *p, uint32_t status)
{
    struct kci_frame f;

    raw_expect(p, KCI_CMD_GOAWAY, &f);
    must_eq(f.aux, status);
    must(!raw_recv(p, &f));
}

void raw_close(struct raw *p)
{
    must_eq(kc_fd_close(p->fd), 0);
}
