/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * chan/many.c — sending and receiving many elements, a run of them under one lock.
 *
 * Each element goes through kci_send_source and kci_recv_source, so hand-over, drop policies,
 * flavours and counters are those of a single call. A batch is those sources in a loop: `try`
 * moves up to RUN elements while it holds the lock and remembers whom it has to wake; `settle`
 * wakes them. A batch that cannot move anything waits with its next element, as a single call
 * does, and goes on once that is gone.
 *
 * Where nobody waits on the other side and the flavour can, elements are moved in bulk.
 *
 * A run ends early where the next element needs what only an unlocked section can give: a hook
 * to be called, an element put back to be freed, memory for an unlimited channel.
 *
 * Why RUN     the lock is held for RUN copies at most, whatever n is, and whom to wake fits on
 *             the stack.
 * Rejected    handing several elements to one waiter: the waiter would carry a count through
 *             every single operation, for the sake of a batch that meets a batch.
 */
#include <string.h>

#include "chan/chan.h"

enum { RUN = 32 };

struct batch {
    const struct kci_source *one; /* what moves a single element */
    unsigned char *elem;          /* the next; NULL: no bytes, or to be discarded */
    size_t left, done;
    bool parked;                  /* the element at `elem` waits in the channel's queue */
    unsigned nwoken;
    struct kci_claim woken[RUN];
};

static void step(struct batch *b, const kc_chan_t *ch, size_t n)
{
    if (b->elem)
        b->elem += n * ch->elem_size;
    b->left -= n;
    b->done += n;
}

static int many_prepare(struct kci_clause *c)
{
    struct batch *b = c->arg;

    b->parked = false;
    b->nwoken = 0;
    return b->one->prepare(c);
}

static void many_cleanup(struct kci_clause *c)
{
    ((struct batch *)c->arg)->one->cleanup(c);
}

/* Must the lock be given up before one more? */
static bool run_ends(const struct batch *b, const struct kci_clause *c)
{
    const kc_chan_t *ch = c->obj;

    if (!b->left || (c->extra && ch->on_undelivered))
        return true;
    if (b->one == &kci_recv_source)
        return c->scratch; // an element put back, to be freed
    return !c->scratch && ch->fl->grow_bytes && ch->fl->grow_bytes(ch);
}

/* One element. The source finds it in c->arg, where the batch is otherwise. */
static int try_one(struct kci_clause *c, struct batch *b)
{
    c->arg = b->elem;
    c->woken.tk = NULL;
    int rc = b->one->try(c);
    if (c->woken.tk)
        b->woken[b->nwoken++] = c->woken;
    c->woken.tk = NULL;
    c->arg = b;
    return rc;
}

/* Nobody waits on the other side: elements are only stored, up to `most` of them. */
static size_t store_run(kc_chan_t *ch, struct batch *b, size_t most)
{
    if (!ch->fl->offer_run || kci_chan_is_closed(ch) || !kci_list_empty(&ch->receivers))
        return 0;
    size_t n = ch->fl->offer_run(ch, b->elem, most);
    ch->sends += n;
    return n;
}

/* Nobody waits for the places, and nothing was put back in front: elements are only taken. */
static size_t fetch_run(kc_chan_t *ch, struct batch *b, size_t most)
{
    if (!ch->fl->take_run || ch->cancelled || ch->nreturned || !kci_list_empty(&ch->senders))
        return 0;
    size_t n = ch->fl->take_run(ch, b->elem, most);
    ch->recvs += n;
    return n;
}

static size_t move_run(struct kci_clause *c, struct batch *b, size_t most)
{
    kc_chan_t *ch = c->obj;
    size_t n = most < b->left ? most : b->left;

    n = b->one == &kci_send_source ? store_run(ch, b, n) : fetch_run(ch, b, n);
    if (n) {
        c->extra = 0;
        kci_chan_changed(ch);
    }
    return n;
}

static int many_try(struct kci_clause *c)
{
    struct batch *b = c->arg;
    size_t moved = 0, n;
    int rc = 0;

    do {
        n = move_run(c, b, RUN - moved);
        if (!n && (rc = try_one(c, b)) == 0)
            n = 1;
        step(b, c->obj, n);
        moved += n;
    } while (n && moved < RUN && !run_ends(b, c));
    return moved ? 0 : rc;
}

static int many_arm(struct kci_clause *c)
{
    struct batch *b = c->arg;

    b->parked = true;
    c->wt.elem = b->elem;
    return b->one->arm(c);
}

static int many_disarm(struct kci_clause *c)
{
    return ((struct batch *)c->arg)->one->disarm(c);
}

/* The hook of a dropping send: the element that it may get is the last one of the run. */
static void call_hook(struct kci_clause *c, struct batch *b, int rc)
{
    const kc_chan_t *ch = c->obj;

    c->arg = b->elem ? b->elem - ch->elem_size : NULL;
    (void)b->one->settle(c, rc);
    c->arg = b;
}

static int many_settle(struct kci_clause *c, int rc)
{
    struct batch *b = c->arg;

    for (unsigned i = 0; i < b->nwoken; i++)
        kci_claim_finish(b->woken[i], 0);
    if (rc == 0 && b->parked)
        step(b, c->obj, 1);
    if (b->one->settle)
        call_hook(c, b, rc);
    return rc;
}

static struct kci_lock *many_lock(void *obj)
{
    return &((kc_chan_t *)obj)->lock;
}

#define MANY(reason)                                                                           \
    {                                                                                          \
        .why = (reason), .prepare = many_prepare, .cleanup = many_cleanup, .lock = many_lock,  \
        .try = many_try, .arm = many_arm, .disarm = many_disarm, .settle = many_settle,        \
        .release = kci_chan_release,                                            \
    }

static const struct kci_source send_many_source = MANY(KCI_WHY_CHAN_SEND);
static const struct kci_source recv_many_source = MANY(KCI_WHY_CHAN_RECV);

static int check(const kc_chan_t *ch, size_t n)
{
    if (!ch || !n)
        return -EINVAL;
    if (kci_chan_is_zref(ch))
        return -ENOTSUP;
    return n > PTRDIFF_MAX / (ch->elem_size ? ch->elem_size : 1) ? -EOVERFLOW : 0;
}

/* A send goes on until dl, a receive waits for the first element only. */
static ssize_t run(kc_chan_t *ch, struct batch *b, const struct kci_source *src,
                   kc_deadline_t dl)
{
    int rc;

    kc_chan_ref(ch); // between the runs nobody else need have one
    do {
        rc = kci_source_wait(src, ch, b, dl);
        if (b->one == &kci_recv_source)
            dl = KC_TRY;
    } while (!rc && b->left);
    kc_chan_unref(ch);
    return b->done ? (ssize_t)b->done : rc;
}

ssize_t kc_chan_send_many(kc_chan_t *ch, const void *elems, size_t n, kc_deadline_t dl)
{
    struct batch b = { .one = &kci_send_source, .elem = (void *)(uintptr_t)elems, .left = n };
    int rc = check(ch, n);

    if (!rc && !elems && ch->elem_size)
        rc = -EINVAL;
    return rc ? rc : run(ch, &b, &send_many_source, dl);
}

ssize_t kc_chan_recv_many(kc_chan_t *ch, void *elems, size_t n, kc_deadline_t dl)
{
    struct batch b = { .one = &kci_recv_source, .elem = elems, .left = n };
    int rc = check(ch, n);

    return rc ? rc : run(ch, &b, &recv_many_source, dl);
}
