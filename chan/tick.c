/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * chan/tick.c — kc_tick: a timer whose callback sends into a conflated channel, which never
 * waits.
 */
#include <kcoro/time.h>

#include "chan/chan.h"
#include "core/mem.h"
#include "sched/sched.h"

struct ticker {
    struct kci_timer timer;
    struct kc_rt *rt;
    kc_chan_t *ch;
    int64_t next, period;
    uint64_t n;
};

static int64_t tick(struct kci_timer *t)
{
    struct ticker *tk = KCI_OF(t, struct ticker, timer);
    int64_t now = kci_rt_now(tk->rt);

    // Ticks that were missed are counted, not delivered one by one.
    int64_t due = now < tk->next ? 1 : (now - tk->next) / tk->period + 1;
    tk->n += (uint64_t)due;
    tk->next += due * tk->period;
    int rc = kc_chan_send(tk->ch, &tk->n, KC_TRY);
    return rc == -EPIPE ? 0 : tk->next;
}

static void drop(void *arg)
{
    struct ticker *tk = arg;

    kci_timer_disarm(tk->rt->timers, &tk->timer);
    kc_chan_unref(tk->ch);
    kci_free(tk);
}

static int start(struct ticker *tk, kc_scope_t *scope, int64_t period_ns)
{
    int rc = kc_chan_make(&tk->ch, sizeof(uint64_t), KC_CONFLATED);

    if (rc)
        return rc;
    if ((rc = kc_scope_own(scope, tk, drop))) {
        kc_chan_unref(tk->ch);
        return rc;
    }
    tk->rt = kc_rt_current();
    tk->period = period_ns;
    tk->next = kc_in(tk->period).ns;
    tk->timer.fn = tick;
    kci_timer_arm(tk->rt->timers, &tk->timer, tk->next);
    return 0;
}

kc_chan_t *kc_tick(int64_t period_ns)
{
    kc_scope_t *scope = kc_scope_current();
    struct ticker *tk = scope ? kci_zalloc(sizeof *tk) : NULL;

    if (!scope)
        return NULL;
    int rc = period_ns <= 0 ? -EINVAL : tk ? start(tk, scope, period_ns) : -ENOMEM;
    if (!rc)
        return tk->ch;
    kci_free(tk);
    kc_scope_cancel(scope, rc);
    return NULL;
}
