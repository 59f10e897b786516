/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * ipc/ipc.h — what the composition root plugs in, and who is still there.
 */
#ifndef IPC_IPC_H
#define IPC_IPC_H

#include "core/list.h"

struct kc_rt;

/* Give rt its register of listeners. 0; -ENOMEM. */
int kci_ipc_plug(struct kc_rt *rt);
/* After all coroutines ended: free what the program left open. */
void kci_ipc_unplug(struct kc_rt *rt);

/* The register of rt's listeners. Whoever unregisters one (true) frees it. */
void kci_ipc_register(struct kc_rt *rt, struct kci_list *listener);
bool kci_ipc_unregister(struct kc_rt *rt, struct kci_list *listener);

/* Connections and handles that a program holds after its runtime ended cannot be freed, as
 * they may still be used: every call says -EPIPE. They stay on a list of the process, so that
 * a leak checker sees who they are. */
void kci_ipc_track(struct kci_list *node);
void kci_ipc_untrack(struct kci_list *node);

#endif
