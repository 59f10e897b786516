/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * tests/explore/test_linear.c — what coroutines see of a channel is what they would see if its
 * operations happened one at a time, each somewhere between its call and its return.
 *
 * A run records a history: who called what, when it returned, and with what. The checker looks
 * for an order of the operations that keeps those times and that a channel on paper (a queue, a
 * capacity, a flag) allows: Wing and Gong, 1993. With at most a dozen operations trying every
 * order is quick.
 *
 * Rendezvous  a send takes effect together with the receive that takes its element: on paper
 *             the element lies on a counter that has to be empty before anything else happens,
 *             taken by somebody who came before the sender left.
 */
#include <string.h>

#include "tests/explore/bugs.h"
#include "tests/support/suite.h"

enum { OPS = 16, QUEUE = 16 };

enum kind { SEND, RECV, CLOSE, TRY_RECV };

struct op {
    enum kind kind;
    int value, rc;
    int called, returned;
};

struct history {
    kc_chan_t *ch;
    long capacity;
    int clock, n;
    struct op op[OPS];
};

/* ---- a channel on paper ---- */

struct paper {
    int queue[QUEUE], n;
    int handed_until; /* rendezvous: when the send returned whose element lies there */
    bool closed;
};

static bool put(struct paper *p, long capacity, int value)
{
    // A rendezvous has a counter of one place, which recv empties at once.
    if (p->closed || (capacity >= 0 && p->n >= (capacity ? capacity : 1)))
        return false;
    p->queue[p->n++] = value;
    return true;
}

static bool get(struct paper *p, int value)
{
    if (!p->n || p->queue[0] != value)
        return false;
    memmove(p->queue, p->queue + 1, (size_t)--p->n * sizeof p->queue[0]);
    return true;
}

/* Could op happen now, with its result? Makes it happen. */
static bool happens(struct paper *p, long capacity, const struct op *op)
{
    bool handing = capacity == 0 && p->n;

    if (handing && (op->kind == SEND || op->kind == CLOSE || op->rc != 0 ||
                    op->called > p->handed_until))
        return false;
    p->handed_until = op->returned;
    switch (op->kind) {
    case SEND: return op->rc == 0 ? put(p, capacity, op->value) : op->rc == -EPIPE && p->closed;
    case CLOSE: return p->closed ? op->rc == -EALREADY : (p->closed = true, op->rc == 0);
    case TRY_RECV:
        if (op->rc == -EAGAIN)
            return !p->closed && !p->n;
        break;
    case RECV: break;
    }
    return op->rc == 0 ? get(p, op->value) : op->rc == -EPIPE && p->closed && !p->n;
}

/* ---- Wing and Gong ---- */

static bool comes_before_all(const struct history *h, unsigned left, int i)
{
    for (int k = 0; k < h->n; k++)
        if (left >> k & 1 && h->op[k].returned < h->op[i].called)
            return false;
    return true;
}

static bool linear_from(const struct history *h, unsigned left, const struct paper *p)
{
    if (!left)
        return h->capacity != 0 || p->n == 0;
    for (int i = 0; i < h->n; i++) {
        struct paper next = *p;
        if (left >> i & 1 && comes_before_all(h, left, i) &&
            happens(&next, h->capacity, &h->op[i]) && linear_from(h, left & ~(1u << i), &next))
            return true;
    }
    return false;
}

static bool is_linear(const struct history *h)
{
    struct paper empty = { .n = 0 };
    return linear_from(h, (1u << h->n) - 1, &empty);
}

/* ---- recording ---- */

static void record(struct history *h, enum kind kind, int value)
{
    struct op *op = &h->op[h->n++];

    *op = (struct op){ .kind = kind, .value = value, .called = h->clock++ };
    op->rc = kind == SEND   ? kc_send(h->ch, &value)
             : kind == RECV ? kc_recv(h->ch, &op->value)
             : kind == CLOSE ? kc_chan_close(h->ch)
                             : kc_recv(h->ch, &op->value, KC_TRY);
    op->returned = h->clock++;
}

static int send_two(void *h)
{
    record(h, SEND, 1);
    record(h, SEND, 2);
    return 0;
}

static int send_other_two(void *h)
{
    record(h, SEND, 3);
    record(h, SEND, 4);
    return 0;
}

static int close_it(void *h)
{
    record(h, CLOSE, 0);
    return 0;
}

static int receive(void *h)
{
    for (int i = 0; i < 3; i++)
        record(h, RECV, 0);
    return 0;
}

static int try_and_receive(void *h)
{
    record(h, TRY_RECV, 0);
    record(h, RECV, 0);
    return 0;
}

static int converse(void *capacity)
{
    struct history h = { .capacity = (long)(intptr_t)capacity };
    kc_fn all[] = { send_two, send_other_two, receive, try_and_receive, close_it };

    if (h.capacity == 99)
        h.capacity = KC_UNLIMITED;
    h.ch = kc_chan(int, h.capacity);
    if (!h.ch)
        return -ENOMEM;
    int rc = bugs_together(all, 5, &h);
    kc_always(is_linear(&h));
    kc_sometimes(h.op[h.n - 1].rc == 0);
    return rc;
}

START_TEST(p2_what_is_seen_of_a_channel_could_have_happened_one_at_a_time)
{
    static const long capacities[] = { 0, 1, 2, 99 };
    kc_explore_opts_t opts = { .seed = 1, .schedules = 1000, .flags = KC_EXPLORE_QUIET };
    kc_explore_result_t res;

    void *capacity = (void *)(intptr_t)capacities[_i];
    ck_assert_msg(kc_test_explore(converse, capacity, &opts, &res) == 0, "%s, %s", res.why,
                  res.replay);
}
END_TEST

/* ---- a checker that finds nothing is worth nothing ---- */

START_TEST(histories_that_no_channel_has_are_refused)
{
    const struct history wrong[] = {
        // The second element overtakes the first.
        { .capacity = 2, .n = 4, .op = { { SEND, 1, 0, 0, 1 }, { SEND, 2, 0, 2, 3 },
                                         { RECV, 2, 0, 4, 5 }, { RECV, 1, 0, 6, 7 } } },
        // One element is received twice.
        { .capacity = 1, .n = 3, .op = { { SEND, 1, 0, 0, 1 }, { RECV, 1, 0, 2, 3 },
                                         { RECV, 1, 0, 4, 5 } } },
        // Received before it was sent.
        { .capacity = 1, .n = 2, .op = { { RECV, 1, 0, 0, 1 }, { SEND, 1, 0, 2, 3 } } },
        // A rendezvous returns although nobody was there.
        { .capacity = 0, .n = 2, .op = { { SEND, 1, 0, 0, 1 }, { RECV, 1, 0, 2, 3 } } },
        // Two fit into one place.
        { .capacity = 1, .n = 3, .op = { { SEND, 1, 0, 0, 1 }, { SEND, 2, 0, 2, 3 },
                                         { RECV, 1, 0, 4, 5 } } },
        // Sent after the close.
        { .capacity = 1, .n = 2, .op = { { CLOSE, 0, 0, 0, 1 }, { SEND, 1, 0, 2, 3 } } },
        // Empty, it says, while an element lies there.
        { .capacity = 1, .n = 2, .op = { { SEND, 1, 0, 0, 1 },
                                         { TRY_RECV, 0, -EAGAIN, 2, 3 } } },
        // Drained, it says, with an element left.
        { .capacity = 1, .n = 3, .op = { { SEND, 1, 0, 0, 1 }, { CLOSE, 0, 0, 2, 3 },
                                         { RECV, 0, -EPIPE, 4, 5 } } },
    };
    const struct history right = { .capacity = 0, .n = 2,
                                   .op = { { SEND, 1, 0, 0, 3 }, { RECV, 1, 0, 1, 2 } } };

    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++)
        ck_assert_msg(!is_linear(&wrong[i]), "history %d", (int)i);
    ck_assert(is_linear(&right));
}
END_TEST

SUITE("explore/linear",
      CASE_LOOP(p2_what_is_seen_of_a_channel_could_have_happened_one_at_a_time, 4),
      CASE(histories_that_no_channel_has_are_refused))
