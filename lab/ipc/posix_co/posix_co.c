/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * lab/ipc/posix_co — requests over one plain POSIX socket: a pair of coroutines per end, and a
 * map of awaiters by req_id.
 *
 *     callers → slots → out → tx ══ socket ══ rx → server → out → tx ══ socket ══ rx → slots
 *
 * A slot is taken for each request and is free again only when its answer came, whether or not
 * its caller is still there: that alone makes a late answer harmless. req_id = generation << 16
 * | slot; a generation that does not fit would be an answer nobody asked for.
 */
#include <kcoro/kcoro.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

enum { SLOTS = 64, CALLERS = 200, EACH = 100, CANCELLED = 50, BATCH = 64 };
enum { SQUARE = 1, HOLD = 2, RELEASE = 3 };

struct frame {
    uint32_t req_id, cmd;
    int64_t value;
};

struct slot {
    uint32_t generation;
    bool abandoned;    /* its caller has left */
    kc_chan_t *answer; /* struct frame, one place */
};

struct client {
    int fd;
    kc_chan_t *out, *free; /* struct frame; slot numbers */
    kc_mutex_t lock;       /* guards the slots' flags and the counters */
    struct slot slot[SLOTS];
    int late, strangers, most_at_once, at_once;
};

struct server {
    int fd;
    kc_chan_t *out;
    struct frame held[SLOTS];
    int nheld;
};

/* ---- a pair of coroutines per end ---- */

KC_CO(tx, int fd; kc_chan_t * out;) {
    struct frame batch[BATCH];
    ssize_t n;

    while ((n = kc_chan_recv_many(my->out, batch, BATCH, KC_FOREVER)) > 0)
        if ((n = kc_writen(my->fd, batch, (size_t)n * sizeof *batch, KC_FOREVER)) < 0)
            break;
    shutdown(my->fd, SHUT_WR);
    return 0;
}

/* What was read ahead: [head, tail) bytes. */
struct reader {
    int fd;
    size_t head, tail;
    char bytes[BATCH * sizeof(struct frame)];
};

/* The next frame; false at the end of the stream. */
static bool read_frame(struct reader *r, struct frame *f)
{
    while (r->tail - r->head < sizeof *f) {
        memmove(r->bytes, r->bytes + r->head, r->tail - r->head);
        r->tail -= r->head;
        r->head = 0;
        ssize_t n = kc_read(r->fd, r->bytes + r->tail, sizeof r->bytes - r->tail, KC_FOREVER);
        if (n <= 0)
            return false;
        r->tail += (size_t)n;
    }
    memcpy(f, r->bytes + r->head, sizeof *f);
    r->head += sizeof *f;
    return true;
}

/* ---- the client ---- */

static void give_back(struct client *c, uint32_t i)
{
    c->at_once--;
    (void)!kc_chan_send(c->free, &i, KC_TRY);
}

static void on_answer(struct client *c, const struct frame *f)
{
    uint32_t i = f->req_id & 0xFFFF;
    struct slot *s = &c->slot[i % SLOTS];

    (void)!kc_mutex_lock(&c->lock, KC_FOREVER);
    if (i >= SLOTS || s->generation != f->req_id >> 16) {
        c->strangers++;
    } else if (s->abandoned) {
        c->late++;
        give_back(c, i);
    } else {
        (void)!kc_chan_send(s->answer, f, KC_TRY); // it has one place, and one answer comes
    }
    (void)!kc_mutex_unlock(&c->lock);
}

KC_CO(client_rx, struct client *c;) {
    struct reader r = { .fd = my->c->fd };
    struct frame f;

    while (read_frame(&r, &f))
        on_answer(my->c, &f);
    return 0;
}

static int begin(struct client *c, uint32_t *slot, struct frame *f, kc_deadline_t dl)
{
    int rc = kc_chan_recv(c->free, slot, dl);

    if (rc)
        return rc;
    (void)!kc_mutex_lock(&c->lock, KC_FOREVER);
    struct slot *s = &c->slot[*slot];
    s->abandoned = false;
    s->generation = (s->generation + 1) & 0xFFFF;
    f->req_id = s->generation << 16 | *slot;
    c->most_at_once = ++c->at_once > c->most_at_once ? c->at_once : c->most_at_once;
    (void)!kc_mutex_unlock(&c->lock);
    return kc_chan_send(c->out, f, KC_FOREVER);
}

/* The caller leaves at its deadline; if the answer came at that moment, it is taken. */
static int leave(struct client *c, uint32_t slot, struct frame *answer, int rc)
{
    struct slot *s = &c->slot[slot];

    (void)!kc_mutex_lock(&c->lock, KC_FOREVER);
    if (kc_chan_recv(s->answer, answer, KC_TRY) == 0) {
        rc = 0;
        give_back(c, slot);
    } else {
        s->abandoned = true;
    }
    (void)!kc_mutex_unlock(&c->lock);
    return rc;
}

static int call(struct client *c, uint32_t cmd, int64_t value, int64_t *out, kc_deadline_t dl)
{
    struct frame f = { .cmd = cmd, .value = value };
    uint32_t slot;
    int rc = begin(c, &slot, &f, dl);

    if (rc)
        return rc;
    rc = kc_chan_recv(c->slot[slot].answer, &f, dl);
    if (rc) {
        rc = leave(c, slot, &f, rc);
    } else {
        (void)!kc_mutex_lock(&c->lock, KC_FOREVER);
        give_back(c, slot);
        (void)!kc_mutex_unlock(&c->lock);
    }
    *out = f.value;
    return rc;
}

/* ---- the server ---- */

static int serve(struct server *s, struct frame *f)
{
    if (f->cmd == HOLD) {
        s->held[s->nheld++] = *f;
        return 0;
    }
    for (; f->cmd == RELEASE && s->nheld; s->nheld--)
        (void)!kc_send(s->out, &s->held[s->nheld - 1]);
    f->value *= f->value;
    return kc_send(s->out, f);
}

KC_CO(server_rx, struct server *s;) {
    struct reader r = { .fd = my->s->fd };
    struct frame f;

    while (read_frame(&r, &f) && serve(my->s, &f) == 0)
        continue;
    return kc_chan_close(my->s->out);
}

/* ---- the experiment ---- */

KC_CO(caller, struct client *c; int me; int *wrong;) {
    for (int i = 0; i < EACH; i++) {
        int64_t in = my->me * EACH + i, out = 0;
        if (call(my->c, SQUARE, in, &out, KC_FOREVER) || out != in * in)
            ++*my->wrong;
    }
    return 0;
}

KC_CO(leaver, struct client *c; int *left;) {
    int64_t out;
    if (call(my->c, HOLD, 0, &out, kc_in(KC_MS(20))) == -ETIME)
        ++*my->left;
    return 0;
}

static int concurrency(struct client *c, bool timed)
{
    int wrong = 0;
    kc_scope_t s;
    int64_t began = kc_now();
    int rc = kc_scope_open(&s, NULL);

    for (int i = 0; rc == 0 && i < CALLERS; i++)
        rc = kc_go_in(&s, caller, c, i, &wrong);
    kc_scope_close(&s);
    printf("%d calls by %d callers, %d wrong answers, at most %d at once\n", CALLERS * EACH,
           CALLERS, wrong, c->most_at_once);
    if (timed)
        printf("%" PRId64 " ns a call\n", (kc_now() - began) / (CALLERS * EACH));
    return rc;
}

static int cancellation(struct client *c)
{
    int left = 0;
    int64_t out = 0;
    kc_scope_t s;
    int rc = kc_scope_open(&s, NULL);

    for (int i = 0; rc == 0 && i < CANCELLED; i++)
        rc = kc_go_in(&s, leaver, c, &left);
    kc_scope_close(&s);
    int held = c->at_once;
    if (call(c, RELEASE, 3, &out, KC_FOREVER) || out != 9)
        left = -1;
    printf(
        "%d callers left, %d slots kept; released: %d late answers, %d strangers, %d slots\n",
        left, held, c->late, c->strangers, c->at_once);
    return rc;
}

static int make_client(struct client *c, int fd)
{
    int rc = 0;

    c->fd = fd;
    c->out = kc_chan(struct frame, SLOTS);
    c->free = kc_chan(uint32_t, SLOTS);
    for (uint32_t i = 0; i < SLOTS && rc == 0; i++) {
        c->slot[i].answer = kc_chan(struct frame, 1);
        rc = kc_chan_send(c->free, &i, KC_TRY);
    }
    return rc;
}

static int experiment(void *arg)
{
    static struct client c;
    static struct server s;
    int sv[2], rc;

    if (socketpair(AF_UNIX, SOCK_STREAM, 0, sv) < 0)
        return -EIO;
    s = (struct server){ .fd = sv[1], .out = kc_chan(struct frame, SLOTS) };
    if ((rc = make_client(&c, sv[0])) < 0)
        return rc;
    kc_go(tx, c.fd, c.out);
    kc_go(client_rx, &c);
    kc_go(tx, s.fd, s.out);
    kc_go(server_rx, &s);
    rc = concurrency(&c, *(bool *)arg);
    if (rc == 0)
        rc = cancellation(&c);
    return kc_chan_close(c.out) < 0 ? -EIO : rc; // the rest ends by itself, end by end
}

int main(int argc, char **argv)
{
    bool timed = argc > 1 && !strcmp(argv[1], "time");
    int rc = kc_run(experiment, &timed, &(kc_opts_t){ .workers = 1 });

    if (rc < 0)
        fprintf(stderr, "posix_co: %s\n", kc_strerror(rc));
    return rc < 0;
}
