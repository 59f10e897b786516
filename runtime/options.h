/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * runtime/options.h — options and environment variables become a configuration.
 */
#ifndef RUNTIME_OPTIONS_H
#define RUNTIME_OPTIONS_H

#include "sched/sched.h"

/* Options first, then KCORO_*, then defaults; `opts` may be NULL. 0, or -EINVAL after saying on
 * standard error which variable is wrong. */
int kci_options_resolve(const kc_opts_t *opts, struct kci_config *out);
/* Does the environment ask for this program to be explored? */
bool kci_options_explore(void);

#endif
