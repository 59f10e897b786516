/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * kcoro/zref.h — descriptors: pass memory on through a channel instead of copying it.
 *
 * A descriptor says where some bytes are and who gives them back. It is a plain struct that is
 * moved: whoever holds it has one reference to what is behind it, and either passes it on (a
 * send that says 0 takes it and clears the sender's struct) or calls kc_zdesc_release. Copying
 * the struct by hand copies no reference. Slices share one count; what they were cut from is
 * given back once, after the last of them.
 *
 * Channels of descriptors are made with the flag KC_CHAN_ZREF and elem_size 0. What such a
 * channel drops, discards or still holds at its end goes to its hook, as kc_zdesc_t * that the
 * hook then has to release, or is released right away if there is no hook.
 */
#ifndef KCORO_ZREF_H
#define KCORO_ZREF_H

#include <kcoro/base.h>
#include <kcoro/chan.h>
#include <kcoro/select.h>

KCI_BEGIN

typedef struct kc_zdesc {
    void *addr;         /* the bytes */
    size_t len;         /* how many */
    uint64_t region_id; /* the region they lie in; 0: none */
    uint64_t offset;    /* of addr in what was wrapped, or in the region */
    uint32_t flags;     /* the application's; travels along */
    uint64_t tag;       /* the application's; travels along */
    void (*release)(struct kc_zdesc *); /* gives the bytes back; NULL: the application does */
    void *owner;        /* for release */
    void *kci_ctl;      /* what slices share */
} kc_zdesc_t;

/*
 * kc_zdesc_wrap — describe `len` bytes at `addr`; the caller gets the first reference.
 *
 * `release` is called once, after the last slice was released, by whoever did that, and must
 * not wait. It gets a descriptor of all that was wrapped, with the flags and tag of the last
 * slice. With NULL nothing is counted, and the application knows when the bytes are free.
 *
 * Returns  0; -EINVAL; -ENOMEM
 * Runs on  coroutine, plain thread
 * Cost     one allocation if there is a release
 */
KC_EXPORT KC_MUST_CHECK int kc_zdesc_wrap(kc_zdesc_t *d, void *addr, size_t len,
                                          void (*release)(kc_zdesc_t *), void *owner);
/* kc_zdesc_slice — `n` bytes from `off` on, as a reference of its own; `from` stays as it is.
 * Returns  0; -EINVAL outside of `from`, or `from` has a release but was not wrapped */
KC_EXPORT KC_MUST_CHECK int kc_zdesc_slice(const kc_zdesc_t *from, size_t off, size_t n,
                                           kc_zdesc_t *out);
/* kc_zdesc_release — give one reference back and clear *d. A cleared one, or NULL, is fine.
 * Returns nothing. Any thread, also inside an undelivered hook. */
KC_EXPORT void kc_zdesc_release(kc_zdesc_t *d);

/*
 * kc_chan_send_desc — move a descriptor into the channel.
 *
 * Returns  0 and *d cleared: the channel has it; else *d untouched: the codes of kc_chan_send;
 *          -ENOTSUP without KC_CHAN_ZREF, as kc_chan_send and kc_chan_recv say with it
 * Runs on, Threads, Cancel, Memory, Cost   as kc_chan_send
 */
KC_EXPORT KC_MUST_CHECK int kc_chan_send_desc(kc_chan_t *ch, kc_zdesc_t *d, kc_deadline_t dl);
/* kc_chan_recv_desc — take a descriptor into *d, which then is the caller's to release (NULL:
 * release it at once). What *d held before is overwritten, not released.
 * Returns  as kc_chan_recv; -ENOTSUP without KC_CHAN_ZREF */
KC_EXPORT KC_MUST_CHECK int kc_chan_recv_desc(kc_chan_t *ch, kc_zdesc_t *d, kc_deadline_t dl);

static inline kc_case_t kci_case_send_desc(kc_chan_t *ch, kc_zdesc_t *d)
{
    return kci_case(KCI_CASE_SEND_DESC, ch, d, 0);
}
static inline kc_case_t kci_case_recv_desc(kc_chan_t *ch, kc_zdesc_t *d)
{
    return kci_case(KCI_CASE_RECV_DESC, ch, d, 0);
}
#define KC_SEND_DESC(ch, d) kci_case_send_desc((ch), (d)) /* kc_chan_send_desc, in a select */
#define KC_RECV_DESC(ch, d) kci_case_recv_desc((ch), (d)) /* kc_chan_recv_desc; d not NULL */

/*
 * Regions: memory that somebody else must know of before descriptors into it are of use: a
 * device, another process. A backend tells them. Every member may be NULL.
 */
typedef struct {
    const char *name; /* for messages */
    /* Make the bytes known; *handle is passed to the others. 0, or a code that
     * kc_region_register returns. */
    int (*attach)(void *addr, size_t len, void *env, void **handle);
    /* No descriptor refers to them any more: forget them. Must not wait. */
    void (*detach)(void *handle, void *env);
    /* Write what a peer needs to reach them into out, of *size bytes, and set *size. 0, or a
     * code that kc_region_export returns. */
    int (*share)(void *handle, void *env, void *out, size_t *size);
} kc_region_backend_t;

/*
 * kc_region_register — make a region of `len` bytes at `addr`, which stay the caller's and must
 * stay where they are until it is unregistered. `backend` may be NULL: a region that is only
 * counted. It and `env` are borrowed until then.
 *
 * Returns  0 and *id, never 0; -EINVAL; -ENOMEM; a code of attach
 * Runs on  coroutine, plain thread
 */
KC_EXPORT KC_MUST_CHECK int kc_region_register(uint64_t *id, void *addr, size_t len,
                                               const kc_region_backend_t *backend, void *env);
/*
 * kc_region_unregister — wait until no descriptor refers to the region, then forget it.
 *
 * From the moment it begins to wait, or says -EAGAIN or -ETIME, no new ones can be made; call
 * it again to finish.
 *
 * Returns  0: the bytes are free; -EAGAIN (KC_TRY) or -ETIME: descriptors are still about;
 *          -ECANCELED; -ENOENT no such region; -EPERM would have to wait inside a hook
 * Runs on  coroutine, plain thread
 * Cancel   yes
 */
KC_EXPORT KC_MUST_CHECK int kc_region_unregister(uint64_t id, kc_deadline_t dl);
/* kc_region_export — what a peer needs to reach the region, in at most *size bytes at `out`.
 * Returns  0 and *size; -ENOENT; -ENOTSUP the backend cannot; a code of share; -EINVAL */
KC_EXPORT KC_MUST_CHECK int kc_region_export(uint64_t id, void *out, size_t *size);
/* kc_region_desc — a descriptor of `n` bytes at `offset` in the region, released as any other.
 * Returns  0; -ENOENT no such region, or it is being unregistered; -EINVAL outside; -ENOMEM */
KC_EXPORT KC_MUST_CHECK int kc_region_desc(uint64_t id, size_t offset, size_t n,
                                           kc_zdesc_t *out);

KCI_END
#endif
