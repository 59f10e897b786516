/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * kcoro/select.h — wait for the first of several things; exactly one happens.
 *
 *     kc_sel_t s = kc_select(kc_in(KC_S(1)), KC_RECV(in, &v), KC_SEND(out, &w));
 *     if (s.i == 0) …v…
 *
 * A select is an atomic snapshot: with KC_TRY it says -EAGAIN only if no clause was ready at
 * one moment. A clause on a closed channel fires with rc -EPIPE. A NULL object disables its
 * clause.
 */
#ifndef KCORO_SELECT_H
#define KCORO_SELECT_H

#include <kcoro/base.h>
#include <kcoro/chan.h>
#include <kcoro/co.h>
#include <kcoro/io.h>
#include <kcoro/sync.h>

KCI_BEGIN

/* The winner. i >= 0: that clause, with its rc. i == -1: rc -EAGAIN -ETIME -ECANCELED
 * -EINVAL … */
typedef struct {
    int i;
    int rc;
} kc_sel_t;

/* What a clause waits for: set by the KC_… macros below, never by hand. */
enum {
    KCI_CASE_NEVER = 0,
    KCI_CASE_SEND,
    KCI_CASE_RECV,
    KCI_CASE_DONE,
    KCI_CASE_JOIN,
    KCI_CASE_AFTER,
    KCI_CASE_AWAIT,
    KCI_CASE_SEND_DESC,
    KCI_CASE_RECV_DESC,
    KCI_CASE_FD,
    KCI_CASE_COUNT
};

/* One clause; build it with a macro below. */
typedef struct {
    int kci_op;
    void *kci_obj;
    void *kci_arg;
    int64_t kci_ns;
} kc_case_t;

/* In which order ready clauses are preferred. BIASED: as listed (the default). FAIR: a random
 * order each time. ROTATE: start behind the last winner of this coroutine's rotating selects
 * (on a plain thread it is BIASED). */
#define KC_SEL_BIASED 0u
#define KC_SEL_FAIR 1u
#define KC_SEL_ROTATE 2u

/* More clauses than this are -EINVAL. */
#define KC_SEL_MAX 512

/*
 * kc_selectv — wait for one of the n clauses, at most until dl.
 *
 * Returns  {i, rc}: clause i fired; rc 0; -EPIPE on a closed channel or a dropped future; for
 *          KC_AWAIT the rc that the future was set to; for KC_FD the ready mask or -EBADF
 *          {-1, rc}: rc -EAGAIN (KC_TRY), -ETIME, -ECANCELED, -EINVAL (n = 0, too many, bad
 *          flags), -ENOMEM (over 8 clauses need memory), -EPERM (would wait inside a hook)
 * Runs on  coroutine, plain thread
 * Cancel   yes, all or nothing
 * Memory   as the winning operation
 * Cost     locks the distinct objects once, a second time if it has to wait
 * See      kc_chan_send, kc_chan_recv
 */
KC_EXPORT KC_MUST_CHECK kc_sel_t kc_selectv(kc_case_t *cases, size_t n, kc_deadline_t dl,
                                            unsigned flags);

static inline kc_case_t kci_case(int op, void *obj, void *arg, int64_t ns)
{
    kc_case_t c;
    c.kci_op = obj || op == KCI_CASE_AFTER ? op : KCI_CASE_NEVER;
    c.kci_obj = obj;
    c.kci_arg = arg;
    c.kci_ns = ns;
    return c;
}
static inline kc_case_t kci_case_send(kc_chan_t *ch, const void *elem)
{
    return kci_case(KCI_CASE_SEND, ch, (void *)(uintptr_t)elem, 0);
}
static inline kc_case_t kci_case_recv(kc_chan_t *ch, void *elem)
{
    return kci_case(KCI_CASE_RECV, ch, elem, 0);
}
static inline kc_case_t kci_case_join(kc_co_t *co, int *ret)
{
    return kci_case(KCI_CASE_JOIN, co, ret, 0);
}
static inline kc_case_t kci_case_done(kc_cancel_t *tk)
{
    return kci_case(KCI_CASE_DONE, tk, NULL, 0);
}

static inline kc_case_t kci_case_await(kc_future_t *fut, void *value)
{
    return kci_case(KCI_CASE_AWAIT, fut, value, 0);
}
/* The descriptor travels as a pointer, one more than it is: none, -1, is NULL. */
static inline kc_case_t kci_case_fd(int fd, unsigned ev)
{
    void *obj = fd < 0 ? NULL : (void *)((uintptr_t)(unsigned)fd + 1);
    return kci_case(KCI_CASE_FD, obj, (void *)(uintptr_t)ev, 0);
}

#define KC_SEND(ch, elem) kci_case_send((ch), (elem)) /* kc_chan_send */
#define KC_RECV(ch, elem) kci_case_recv((ch), (elem)) /* kc_chan_recv */
#define KC_JOIN(co, ret) kci_case_join((co), (ret))   /* the coroutine has ended; rc 0 */
#define KC_DONE(token) kci_case_done(token)           /* the token was triggered; rc 0 */
#define KC_AWAIT(fut, value) kci_case_await((fut), (value)) /* was set; rc is the future's */
/* fd is ready for any of ev (KC_RD | KC_WR); rc the ready mask, or -EBADF not open, or closed
 * meanwhile. A negative fd disables the clause. On a plain thread, while fd is not ready, a
 * helper thread is started for the call. */
#define KC_FD(fd, ev) kci_case_fd((fd), (ev))
#define KC_AFTER(dl) kci_case(KCI_CASE_AFTER, NULL, NULL, (dl).ns) /* the moment came; rc 0 */
#define KC_NEVER kci_case(KCI_CASE_NEVER, NULL, NULL, 0)            /* disabled */
#define KC_IF(cond, c) ((cond) ? (c) : KC_NEVER)

#ifndef __cplusplus
/* kc_select prefers ready clauses in listed order, kc_select_fair chooses among them at random:
 * where none may starve. At least one clause; KC_NEVER will do. */
#define kc_select(dl, ...) KCI_SELECT(dl, KC_SEL_BIASED, __VA_ARGS__)
#define kc_select_fair(dl, ...) KCI_SELECT(dl, KC_SEL_FAIR, __VA_ARGS__)
#define KCI_SELECT(dl, flags, ...)                                                             \
    kc_selectv((kc_case_t[]){ __VA_ARGS__ },                                                   \
               sizeof((kc_case_t[]){ __VA_ARGS__ }) / sizeof(kc_case_t), (dl), (flags))
#endif

KCI_END
#endif
