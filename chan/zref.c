/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * chan/zref.c — descriptors, and channels whose elements they are.
 *
 * To the flavours a descriptor is an element like any other; that it is moved, not copied, is
 * the business of the caller's side alone: after the channel took it the sender's struct is
 * cleared. A channel without a hook gets one that releases, so nothing else in chan/ knows that
 * its elements own something.
 *
 * Edges     E-REF   the last release sees all that earlier holders did
 * Rejected  a count inside kc_zdesc_t: slices are separate structs on separate stacks, so the
 *           count must lie where all of them can reach it.
 */
#include "chan/zref.h"

#include <string.h>

#include "chan/chan.h"
#include "core/mem.h"

struct shared {
    _Atomic(unsigned) refs;
    struct kci_region *region; /* fixed; NULL: none */
    kc_zdesc_t whole;          /* fixed: as it was wrapped */
};

int kci_zdesc_count(kc_zdesc_t *d, struct kci_region *r)
{
    struct shared *s = kci_alloc(sizeof *s);

    if (!s)
        return -ENOMEM;
    ka_store(&s->refs, 1, relaxed); // relaxed: not shared yet
    s->region = r;
    s->whole = *d;
    d->kci_ctl = s;
    return 0;
}

int kc_zdesc_wrap(kc_zdesc_t *d, void *addr, size_t len, void (*release)(kc_zdesc_t *),
                  void *owner)
{
    if (!d || (!addr && len))
        return -EINVAL;
    kc_zdesc_t fresh = { .addr = addr, .len = len, .release = release, .owner = owner };
    int rc = release ? kci_zdesc_count(&fresh, NULL) : 0;
    if (!rc)
        *d = fresh;
    return rc;
}

int kc_zdesc_slice(const kc_zdesc_t *from, size_t off, size_t n, kc_zdesc_t *out)
{
    if (!from || !out || from == out || off > from->len || n > from->len - off)
        return -EINVAL;
    if (from->release && !from->kci_ctl)
        return -EINVAL; // there is nothing to count with
    *out = *from;
    out->addr = from->addr ? (char *)from->addr + off : NULL;
    out->len = n;
    out->offset += off;
    if (from->kci_ctl)
        ka_add(&((struct shared *)from->kci_ctl)->refs, 1, relaxed); // relaxed: one is held
    return 0;
}

/* The last slice, which was `last`, is gone. */
static void give_back(struct shared *s, const kc_zdesc_t *last)
{
    kc_zdesc_t whole = s->whole;

    whole.flags = last->flags;
    whole.tag = last->tag;
    whole.release = NULL; // releasing it once more must not come back here
    if (s->whole.release)
        s->whole.release(&whole);
    if (s->region)
        kci_region_leave(s->region);
    kci_free(s);
}

void kc_zdesc_release(kc_zdesc_t *d)
{
    kc_zdesc_t last;

    if (!d)
        return;
    last = *d;
    memset(d, 0, sizeof *d);
    struct shared *s = last.kci_ctl;
    if (s && ka_sub(&s->refs, 1, acq_rel) == 1) // E-REF
        give_back(s, &last);
    else if (!s && last.release)
        last.release(&last);
}

/* ---- channels ---- */

static void release_elem(void *elem, unsigned reason, void *unused)
{
    (void)reason;
    (void)unused;
    kc_zdesc_release(elem);
}

kc_chan_opts_t kci_zref_options(const kc_chan_opts_t *o)
{
    kc_chan_opts_t z = *o;

    z.elem_size = sizeof(kc_zdesc_t);
    if (!z.on_undelivered)
        z.on_undelivered = release_elem;
    return z;
}

static int check(const kc_chan_t *ch)
{
    if (!ch)
        return -EINVAL;
    return kci_chan_is_zref(ch) ? 0 : -ENOTSUP;
}

int kc_chan_send_desc(kc_chan_t *ch, kc_zdesc_t *d, kc_deadline_t dl)
{
    int rc = d ? check(ch) : -EINVAL;
    return rc ? rc : kci_source_wait(&kci_send_desc_source, ch, d, dl);
}

int kc_chan_recv_desc(kc_chan_t *ch, kc_zdesc_t *d, kc_deadline_t dl)
{
    kc_zdesc_t unwanted;
    int rc = check(ch);

    if (!rc)
        rc = kci_source_wait(&kci_recv_source, ch, d ? d : &unwanted, dl);
    if (!rc && !d)
        kc_zdesc_release(&unwanted);
    return rc;
}
