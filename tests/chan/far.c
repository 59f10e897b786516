/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * tests/chan/far.c — operations that are begun here and decided elsewhere.
 *
 * An operation is waiting (it can be withdrawn), then picked (it cannot), then decided. When
 * it is picked its waiter leaves the channel's queue, so that closing does not touch it: its
 * verdict is open. A verdict whose claim fails has met a deadline or a cancellation; the
 * owner will ask to withdraw, be told -EBUSY, and open its ticket again: until then the far
 * end tries again.
 */
#include "tests/chan/far.h"

enum state { FREE, WAITING, PICKED };

struct op {
    struct kci_waiter *wt;
    enum state state;
    bool is_send;
    int elem; /* a sender's, once picked */
    int age;
};

struct far {
    kc_chan_t base;
    kc_chan_t *orders, *done;
    struct op ops[FAR_OPS];
    int next_age, late;
    long accepted, handed_out;
};

static struct far *far_of(const kc_chan_t *ch)
{
    return (struct far *)(uintptr_t)ch;
}

/* ---- the flavour ---- */

static int far_size(const kc_chan_opts_t *o, size_t *bytes)
{
    (void)o;
    *bytes = sizeof(struct far);
    return 0;
}

static int far_offer(kc_chan_t *ch, const void *elem, void **grow)
{
    (void)ch, (void)elem, (void)grow;
    return -EAGAIN;
}

static int far_take(kc_chan_t *ch, void *elem)
{
    (void)ch, (void)elem;
    return -EAGAIN;
}

static size_t far_none(const kc_chan_t *ch)
{
    (void)ch;
    return 0;
}

static void *far_front(kc_chan_t *ch)
{
    (void)ch;
    return NULL;
}

static int far_start(kc_chan_t *ch, struct kci_waiter *wt)
{
    struct far *f = far_of(ch);

    for (int i = 0; i < FAR_OPS; i++)
        if (f->ops[i].state == FREE) {
            f->ops[i] = (struct op){ wt, WAITING, wt->is_send, 0, f->next_age++ };
            return 0;
        }
    return -ENOBUFS;
}

static int far_withdraw(kc_chan_t *ch, struct kci_waiter *wt)
{
    struct far *f = far_of(ch);

    for (int i = 0; i < FAR_OPS; i++) {
        struct op *op = &f->ops[i];
        if (op->state == FREE || op->wt != wt)
            continue;
        if (op->state == PICKED) {
            f->late++;
            return -EBUSY;
        }
        op->state = FREE;
    }
    return 0;
}

/* Closing has claimed those who wait, except who is about to withdraw. */
static void far_closed(kc_chan_t *ch)
{
    struct far *f = far_of(ch);

    for (int i = 0; i < FAR_OPS; i++)
        if (f->ops[i].state == WAITING)
            f->ops[i].state = FREE;
}

static const struct kci_flavor far_flavor = {
    .name = "far",
    .size = far_size,
    .offer = far_offer,
    .take = far_take,
    .room = far_none,
    .len = far_none,
    .front = far_front,
    .start = far_start,
    .withdraw = far_withdraw,
    .closed = far_closed,
};

/* ---- the far end ---- */

static struct op *oldest(struct far *f, enum state state, int is_send)
{
    struct op *found = NULL;

    for (int i = 0; i < FAR_OPS; i++) {
        struct op *op = &f->ops[i];
        if (op->state == state && (is_send < 0 || op->is_send == is_send) &&
            (!found || op->age < found->age))
            found = op;
    }
    return found;
}

bool far_pick(kc_chan_t *ch, bool send)
{
    kci_lock(&ch->lock);
    struct op *op = oldest(far_of(ch), WAITING, send);
    if (op) {
        op->state = PICKED;
        kci_list_remove(&op->wt->node);
        if (send)
            memcpy(&op->elem, op->wt->elem, sizeof op->elem);
    }
    kci_unlock(&ch->lock);
    return op != NULL;
}

/* The claim is won: move the element, count it. Locked. */
static void carry_out(struct far *f, struct op *op, int rc, int value)
{
    op->state = FREE;
    if (rc)
        return;
    if (op->is_send) {
        f->base.sends++;
        f->base.recvs++; // by somebody over there
        f->accepted += op->elem;
        return;
    }
    f->base.sends++;
    f->base.recvs++;
    f->handed_out += value;
    memcpy(op->wt->elem, &value, sizeof value);
}

void far_decide(kc_chan_t *ch, int rc, int value)
{
    struct kci_claim claim = { 0 };

    for (bool decided = false; !decided;) {
        kci_lock(&ch->lock);
        struct op *op = oldest(far_of(ch), PICKED, -1);
        decided = !op || kci_ticket_claim(op->wt->tk, op->wt->gen, &claim);
        if (op && decided) {
            ch->parked--;
            claim.index = op->wt->index;
            carry_out(far_of(ch), op, rc, value);
        }
        kci_unlock(&ch->lock);
        if (!decided)
            let_run();
    }
    kci_claim_finish(claim, rc);
}

/* Owns the channel's second reference, and the two that carry its orders. */
KC_CO(far_end, kc_chan_t *ch;)
{
    struct far *f = far_of(my->ch);
    struct far_order o;

    while (kc_recv(f->orders, &o) == 0) {
        if (o.what == FAR_DECIDE)
            far_decide(my->ch, o.rc, o.value);
        else
            while (!far_pick(my->ch, o.what == FAR_PICK_SEND))
                let_run();
        must_eq(kc_chan_send(f->done, NULL, KC_FOREVER), 0);
    }
    kc_chan_unref(f->orders);
    kc_chan_unref(f->done);
    kc_chan_unref(my->ch);
    return 0;
}

/* ---- for tests ---- */

kc_chan_t *far_open(kc_scope_t *s)
{
    kc_chan_t *ch;

    ck_assert_int_eq(
        kci_chan_create(&ch, &(kc_chan_opts_t){ .elem_size = sizeof(int) }, &far_flavor), 0);
    ck_assert_int_eq(kc_chan_make(&far_of(ch)->orders, sizeof(struct far_order), 1), 0);
    ck_assert_int_eq(kc_chan_make(&far_of(ch)->done, 0, 1), 0);
    kc_go_in(s, far_end, kc_chan_ref(ch));
    return ch;
}

void far_tell(kc_chan_t *ch, struct far_order order)
{
    must_eq(kc_chan_send(far_of(ch)->orders, &order, KC_FOREVER), 0);
    must_eq(kc_chan_recv(far_of(ch)->done, NULL, KC_FOREVER), 0);
}

void far_close(kc_chan_t *ch)
{
    ck_assert_int_eq(kc_chan_close(far_of(ch)->orders), 0);
    kc_chan_unref(ch);
}

static int count(kc_chan_t *ch, enum state state)
{
    int n = 0;

    kci_lock(&ch->lock);
    for (int i = 0; i < FAR_OPS; i++)
        n += far_of(ch)->ops[i].state == state;
    kci_unlock(&ch->lock);
    return n;
}

int far_waiting(kc_chan_t *ch)
{
    return count(ch, WAITING);
}

int far_picked(kc_chan_t *ch)
{
    return count(ch, PICKED);
}

static long read_locked(kc_chan_t *ch, const long *field)
{
    kci_lock(&ch->lock);
    long v = *field;
    kci_unlock(&ch->lock);
    return v;
}

int far_late(kc_chan_t *ch)
{
    kci_lock(&ch->lock);
    int n = far_of(ch)->late;
    kci_unlock(&ch->lock);
    return n;
}

long far_accepted(kc_chan_t *ch)
{
    return read_locked(ch, &far_of(ch)->accepted);
}

long far_handed_out(kc_chan_t *ch)
{
    return read_locked(ch, &far_of(ch)->handed_out);
}
