/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * chan/zref.h — what descriptors share behind their last member.
 */
#ifndef CHAN_ZREF_H
#define CHAN_ZREF_H

#include <kcoro/zref.h>

struct kci_region;

/* Counts d, which is filled in, and all slices of it to come; the last one lets go of r (may be
 * NULL). 0; -ENOMEM. */
int kci_zdesc_count(kc_zdesc_t *d, struct kci_region *r);
/* One descriptor less refers to r. Any context. */
void kci_region_leave(struct kci_region *r);

#endif
