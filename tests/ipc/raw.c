/* SPDX-License-Identifier: BSD-3-Clause */
/* tests/ipc/raw.c — see raw.h. */
#include "tests/ipc/raw.h"

#include <string.h>

void raw_connect(struct raw *p, struct rig *r)
{
    const char *rest;
    void *env;
    int rc;

    p->used = p->filled = 0;
    p->prefaced = false;
    must_eq(kci_port_find(r->addr, NULL, &p->port, &env, &rest), 0);
    while ((rc = p->port.ops->connect(rest, env, &p->port.link)) == -EAGAIN)
        let_run(); // the backlog is full
    must_eq(rc, 0);
    kci_port_settle(&p->port);
}

bool raw_try_bytes(struct raw *p, const void *bytes, size_t n)
{
    for (size_t done = 0; done < n;) {
        ssize_t rc = kci_port_send(&p->port, (const unsigned char *)bytes + done, n - done);
        if (rc == -EAGAIN)
            rc = kci_port_wait(&p->port, KC_WR, KC_FOREVER) < 0 ? -EPIPE : 0;
        if (rc < 0)
            return false;
        done += (size_t)rc;
    }
    return true;
}

void raw_bytes(struct raw *p, const void *bytes, size_t n)
{
    must(raw_try_bytes(p, bytes, n));
}

void raw_send(struct raw *p, const struct kci_frame *f)
{
    static unsigned char out[1 << 16];

    must(kci_frame_size(f) <= sizeof out);
    kci_frame_encode(f, out);
    (void)raw_try_bytes(p, out, kci_frame_size(f)); // the other end is not asked
}

/* Some bytes: how many, or why there will be no more. */
static ssize_t raw_read(struct raw *p, unsigned char *to, size_t n)
{
    ssize_t rc;

    while ((rc = kci_port_recv(&p->port, to, n)) == -EAGAIN)
        must(kci_port_wait(&p->port, KC_RD, KC_FOREVER) > 0);
    return rc;
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
        if (!p->prefaced && left >= KCI_WIRE_PREFACE) {
            must(!memcmp(p->in + p->used, kci_wire_preface, KCI_WIRE_PREFACE));
            p->used += KCI_WIRE_PREFACE;
            p->prefaced = true;
            continue;
        }
        ssize_t n = p->prefaced ? kci_frame_decode(p->in + p->used, left, 65536, f) : 0;
        must(n >= 0);
        p->used += (size_t)n;
        if (n)
            return true;
        memmove(p->in, p->in + p->used, left);
        p->used = 0;
        p->filled = left;
        n = raw_read(p, p->in + left, sizeof p->in - left);
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
    kci_port_close(&p->port);
}
