/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * chan/produce.c — kc_scope_produce: a coroutine and the channel that it fills, as one.
 *
 * The channel is the scope's, which drops it after its children. The producer has a reference
 * too: the scope may have disowned it by then.
 */
#include <kcoro/chan.h>
#include <kcoro/co.h>
#include <kcoro/scope.h>

struct producer {
    int (*fn)(kc_chan_t *ch, void *arg);
    kc_chan_t *ch;
    void *arg;
};

static int produce(void *copy)
{
    const struct producer *p = copy;
    int rc = p->fn(p->ch, p->arg);

    (void)kc_chan_close_why(p->ch, rc < 0 ? rc : 0); // fn may have closed it
    kc_chan_unref(p->ch);
    return rc;
}

static void drop(void *ch)
{
    kc_chan_unref(ch);
}

/* The channel goes with the scope, also when there is no producer. */
static int start(kc_scope_t *s, const struct producer *p)
{
    int rc = kc_scope_own(s, p->ch, drop);

    if (rc) {
        kc_chan_unref(p->ch);
        return rc;
    }
    kc_chan_ref(p->ch);
    rc = kc_scope_spawn(s, NULL, produce, p, sizeof *p, NULL);
    if (rc)
        kc_chan_unref(p->ch);
    return rc;
}

kc_chan_t *kc_scope_produce(kc_scope_t *s, size_t elem_size, long cap,
                            int (*fn)(kc_chan_t *, void *), void *arg)
{
    struct producer p = { fn, NULL, arg };
    int rc = fn ? kc_chan_make(&p.ch, elem_size, cap) : -EINVAL;

    if (!rc)
        rc = start(s, &p);
    if (!rc)
        return p.ch;
    kc_scope_cancel(s, rc);
    return NULL;
}
