/* SPDX-License-Identifier: BSD-3-Clause */
/* ipc/ipc.c — see ipc.h. */
#include "ipc/ipc.h"

#include <errno.h>

#include "core/lock.h"
#include "core/mem.h"
#include "ipc/listener.h"
#include "sched/sched.h"

struct ipc {
    struct kci_lock lock;
    struct kci_list listeners; /* lock */
};

static struct {
    struct kci_lock lock;
    struct kci_list first;
} tracked = { .first = { &tracked.first, &tracked.first } };

void kci_ipc_track(struct kci_list *node)
{
    kci_lock(&tracked.lock);
    kci_list_push(&tracked.first, node);
    kci_unlock(&tracked.lock);
}

void kci_ipc_untrack(struct kci_list *node)
{
    kci_lock(&tracked.lock);
    kci_list_remove(node);
    kci_unlock(&tracked.lock);
}

int kci_ipc_plug(struct kc_rt *rt)
{
    struct ipc *ipc = kci_zalloc(sizeof *ipc);

    if (!ipc)
        return -ENOMEM;
    kci_list_init(&ipc->listeners);
    rt->ext[KCI_EXT_IPC] = ipc;
    return 0;
}

void kci_ipc_unplug(struct kc_rt *rt)
{
    struct ipc *ipc = rt->ext[KCI_EXT_IPC];

    while (!kci_list_empty(&ipc->listeners))
        kci_listener_free(kci_list_pop(&ipc->listeners));
    kci_free(ipc);
    rt->ext[KCI_EXT_IPC] = NULL;
}

void kci_ipc_register(struct kc_rt *rt, struct kci_list *listener)
{
    struct ipc *ipc = rt->ext[KCI_EXT_IPC];

    kci_lock(&ipc->lock);
    kci_list_push(&ipc->listeners, listener);
    kci_unlock(&ipc->lock);
}

bool kci_ipc_unregister(struct kc_rt *rt, struct kci_list *listener)
{
    struct ipc *ipc = rt->ext[KCI_EXT_IPC];

    kci_lock(&ipc->lock);
    bool was = !kci_list_empty(listener);
    kci_list_remove(listener);
    kci_unlock(&ipc->lock);
    return was;
}
