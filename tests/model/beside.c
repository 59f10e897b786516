/* SPDX-License-Identifier: BSD-3-Clause */
/* tests/model/beside.c — what chan/ and select/ name and no model comes to. */
#include <kcoro/scope.h>

#include "chan/chan.h"
#include "lab/kcmc/kcmc.h"

const struct kci_source kci_fd_source, kci_join_source, kci_future_source;

kc_scope_t *kc_scope_current(void)
{
    return NULL;
}

int kc_scope_own(kc_scope_t *s, void *obj, void (*drop)(void *))
{
    (void)s, (void)obj, (void)drop;
    kcmc_assert(!"no model's scope owns anything");
    return 0;
}

int kc_scope_cancel(kc_scope_t *s, int why)
{
    (void)s, (void)why;
    return 0;
}

kc_chan_opts_t kci_zref_options(const kc_chan_opts_t *o)
{
    kcmc_assert(!"no model passes descriptors");
    return *o;
}
