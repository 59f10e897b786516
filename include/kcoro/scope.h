/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * kcoro/scope.h — scopes own coroutines; tokens tell them to stop.
 *
 * A scope waits for every coroutine started in it. Its token is the ambient token of its
 * coroutines and, between open and close, of the coroutine that opened it: once triggered,
 * every call of theirs that could wait says -ECANCELED. Tokens form a tree; cancelling one
 * cancels all below it.
 */
#ifndef KCORO_SCOPE_H
#define KCORO_SCOPE_H

#include <kcoro/base.h>
#include <kcoro/runtime.h>

KCI_BEGIN

struct kc_attr;
struct kc_chan;
struct kc_co;

typedef struct kc_cancel kc_cancel_t;

/* A callback registered with a token, in the caller's memory from kc_cancel_on on. */
typedef struct {
    uint64_t kci_reserved[32];
} kc_cancel_reg_t;

/* A scope, in the caller's memory between open and close. */
typedef struct {
    void *kci_body;
    uintptr_t kci_reserved[7];
} kc_scope_t;

/* KC_FAILFAST: the first error cancels the others. KC_SUPERVISE: errors are only remembered.
 * KC_RACE: the first success cancels the rest. */
enum { KC_FAILFAST = 0, KC_SUPERVISE = 1, KC_RACE = 2 };

/* KC_SCOPE_FORGET: do not keep results for kc_scope_next, 16 bytes for each ended child until
 * taken; for scopes that live long and start many. */
#define KC_SCOPE_FORGET 0x1u

/* Zero means the default everywhere. */
typedef struct {
    int policy;             /* KC_FAILFAST, KC_SUPERVISE, KC_RACE */
    kc_deadline_t deadline; /* {0}: none; else cancelled then, with reason -ETIME */
    unsigned limit;         /* most children alive at once; 0: no limit */
    const char *name;       /* borrowed until close */
    unsigned flags;         /* KC_SCOPE_* */
    uintptr_t reserved[3];
} kc_scope_opts_t;

/*
 * kc_scope_open — open a scope and make it current. `opts` may be NULL (borrowed during the
 * call).
 *
 * Returns  0; -ENOMEM; -EINVAL; -EPERM outside a coroutine or inside an undelivered hook
 * Runs on  coroutine
 */
KC_EXPORT KC_MUST_CHECK int kc_scope_open(kc_scope_t *s, const kc_scope_opts_t *opts);

/* kc_scope_spawn — start fn with a copy of args (n > 0) or with args itself (n == 0) in
 * scope s.
 * Returns  as kc_spawn and kc_spawn_copy. Any coroutine of the runtime, while s is open */
KC_EXPORT int kc_scope_spawn(kc_scope_t *s, struct kc_co **out, kc_fn fn, const void *args,
                             size_t n, const struct kc_attr *attr);

/*
 * kc_scope_wait — wait until no child is alive. Children may still be started afterwards.
 *
 * Returns  0; -EAGAIN -ETIME -ECANCELED; -EINVAL not open; -EPERM; -EDEADLK the caller is a
 *          child of s, or below one: s waits for it
 * Runs on  coroutine, plain thread, while s is open
 * Cancel   yes
 */
KC_EXPORT KC_MUST_CHECK int kc_scope_wait(kc_scope_t *s, kc_deadline_t dl);

/*
 * kc_scope_next — the result of one more child that has ended: each once, in the order in which
 * they ended. `id` (kc_co_id) and `ret` may be NULL.
 *
 * Returns  0; -ECHILD none is alive and all results were taken; -ENOTSUP with KC_SCOPE_FORGET;
 *          else as kc_scope_wait
 * Runs on, Cancel  as kc_scope_wait
 */
KC_EXPORT KC_MUST_CHECK int kc_scope_next(kc_scope_t *s, uint64_t *id, int *ret,
                                          kc_deadline_t dl);

/* kc_scope_cancel — trigger the scope's token. Returns 0; -EALREADY; any thread while s is
 * open. */
KC_EXPORT int kc_scope_cancel(kc_scope_t *s, int why);

/*
 * kc_scope_close — join the children, drop what the scope owns, make the outer scope current.
 *
 * Returns  0; the first error of a child (fail-fast, supervise; race: only if none succeeded);
 *          -ETIME the scope's deadline cancelled it; else the reason it was cancelled with
 *          (-ECANCELED for reason 0, or when an outer scope was cancelled)
 * Runs on  the coroutine that opened it; a stranger aborts with a message
 * Cancel   no: it always joins; a cancelled scope's children end soon
 */
KC_EXPORT int kc_scope_close(kc_scope_t *s);

/* kc_scope_current — Returns the innermost scope of the running coroutine; NULL outside. */
KC_EXPORT kc_scope_t *kc_scope_current(void);
/* kc_scope_token — Returns the scope's token (borrowed until close). */
KC_EXPORT kc_cancel_t *kc_scope_token(kc_scope_t *s);
/* kc_scope_own — drop(obj) when s closes, after its children; the last owned is dropped first.
 * Returns  0; -ENOMEM; -EINVAL */
KC_EXPORT int kc_scope_own(kc_scope_t *s, void *obj, void (*drop)(void *));
/* kc_scope_disown — forget obj without dropping it. Returns 0; -ENOENT. */
KC_EXPORT int kc_scope_disown(kc_scope_t *s, void *obj);

/*
 * kc_scope_produce — start fn(channel, arg) in s with a channel that s owns; it is closed when
 * fn ends, with fn's code as reason if that is negative.
 *
 * Returns  the channel (borrowed until s closes); NULL after cancelling s with the reason
 * Runs on  as kc_scope_spawn
 */
KC_EXPORT struct kc_chan *kc_scope_produce(kc_scope_t *s, size_t elem_size, long cap,
                                           int (*fn)(struct kc_chan *, void *), void *arg);

/* kc_cancel_create — a token; a child of `parent` unless NULL; born cancelled if the parent is.
 * Returns  0; -ENOMEM */
KC_EXPORT KC_MUST_CHECK int kc_cancel_create(kc_cancel_t **out, kc_cancel_t *parent);
/* References; any thread; Returns nothing. */
KC_EXPORT void kc_cancel_ref(kc_cancel_t *tk);
KC_EXPORT void kc_cancel_unref(kc_cancel_t *tk);
/* kc_cancel_trigger — cancel tk and all below it. Returns 0; -EALREADY (first reason stays). */
KC_EXPORT int kc_cancel_trigger(kc_cancel_t *tk, int why);
/* kc_cancel_check — Returns 0 or -ECANCELED. One atomic load. */
KC_EXPORT int kc_cancel_check(const kc_cancel_t *tk);
/* kc_cancel_why — Returns 0 while untriggered, else the reason (-ECANCELED for reason 0). */
KC_EXPORT int kc_cancel_why(const kc_cancel_t *tk);

/*
 * kc_cancel_deadline — trigger tk at `dl`, with reason -ETIME. Of several deadlines the
 * earliest counts, also of one set further up, which reaches tk as any trigger there does.
 * KC_FOREVER changes nothing; a moment that has passed triggers at once.
 *
 * Returns  0; -EALREADY triggered before; -EINVAL; -EPERM on a plain thread, which has no
 *          runtime to keep the time
 * Runs on  coroutine, callback of a timer or token inside a runtime
 * Threads  any number at once
 * Memory   the deadline goes with the last reference; it ends with the runtime that kept it
 */
KC_EXPORT int kc_cancel_deadline(kc_cancel_t *tk, kc_deadline_t dl);

/*
 * kc_cancel_on — call fn(arg) once when tk is triggered; now, in the caller, if it has been.
 *
 * fn runs in whoever triggers, after the flag is up, and may do all but wait: such calls say
 * -EPERM. `reg` (any contents) stays in place until kc_cancel_off said so or fn has returned.
 *
 * Returns  0; -EINVAL
 * Runs on  coroutine, plain thread, callback
 * Cost     no allocation; one small lock
 */
KC_EXPORT int kc_cancel_on(kc_cancel_t *tk, kc_cancel_reg_t *reg, void (*fn)(void *),
                           void *arg);

/*
 * kc_cancel_off — take a registration back. Waits for fn if it runs in another thread; inside
 * fn it returns at once, and `reg` may go. Two callbacks that take each other back wait for
 * ever.
 *
 * Returns  1 fn was not called and will not be; 0 it was called (or reg is all zeros); -EINVAL
 * Runs on  coroutine, plain thread, callback; once for each kc_cancel_on
 */
KC_EXPORT int kc_cancel_off(kc_cancel_reg_t *reg);

/*
 * kc_cancel_enter — from now on calls of this coroutine also observe tk, as they do its scope's
 * token; what waits is woken when either is triggered. Nests; coroutines started meanwhile
 * inherit their scope's token only. Without memory the scope is cancelled with -ENOMEM.
 * kc_cancel_leave — undo the latest enter of tk; without one nothing happens. What a coroutine
 * has not left when it ends is left then.
 *
 * Returns  nothing
 * Runs on  coroutine; on a plain thread nothing happens
 */
KC_EXPORT void kc_cancel_enter(kc_cancel_t *tk);
KC_EXPORT void kc_cancel_leave(kc_cancel_t *tk);

/* kc_canceled — Returns 0 or -ECANCELED for the ambient tokens (0 inside a shield). */
KC_EXPORT int kc_canceled(void);
/* kc_shield — Returns nothing; true: calls of this coroutine ignore cancellation until a
 * matching false. Nests. */
KC_EXPORT void kc_shield(bool on);

KCI_END
#endif
