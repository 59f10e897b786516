/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * io/helper.c — a thread that waits for descriptors on behalf of plain threads.
 *
 * In a runtime an idle worker sleeps in the poll set. A plain thread that selects over channels
 * and descriptors at once sleeps on its parker, so somebody else has to look at the
 * descriptors: one helper for the whole process, there while somebody needs it.
 *
 * Locks     mutex: all of `helper`. Held while the thread is started or joined; it never takes
 *           it.
 * Rejected  keeping it for the next time: a process that is done with kcoro has no thread of it
 *           left, and nothing allocated.
 */
#include "io/helper.h"

#include <pthread.h>

#include "core/thread.h"
#include "io/reactor.h"

static struct {
    pthread_mutex_t mutex;
    unsigned users;
    struct kci_reactor *r;
    pthread_t thread;
    _Atomic(int) stop;
} helper = { .mutex = PTHREAD_MUTEX_INITIALIZER };

static void *look_after(void *reactor)
{
    while (!ka_load(&helper.stop, acquire)) // E-STOP in
        kci_reactor_wait(reactor, INT64_MAX);
    return NULL;
}

static int start(void)
{
    int rc = kci_reactor_create(&helper.r);

    if (rc)
        return rc;
    ka_store(&helper.stop, 0, relaxed); // relaxed: creating the thread publishes it
    rc = kci_thread_start(&helper.thread, look_after, helper.r);
    if (rc)
        kci_reactor_destroy(helper.r);
    return rc == -EAGAIN ? -ENOMEM : rc; // -EAGAIN would read as "not ready"
}

static void stop(void)
{
    ka_store(&helper.stop, 1, release); // E-STOP out
    kci_reactor_kick(helper.r);
    pthread_join(helper.thread, NULL);
    kci_reactor_destroy(helper.r);
}

int kci_helper_get(struct kci_reactor **out)
{
    pthread_mutex_lock(&helper.mutex);
    int rc = helper.users ? 0 : start();
    if (!rc) {
        helper.users++;
        *out = helper.r;
    }
    pthread_mutex_unlock(&helper.mutex);
    return rc;
}

void kci_helper_put(struct kci_reactor *r)
{
    if (!r)
        return;
    pthread_mutex_lock(&helper.mutex);
    if (--helper.users == 0)
        stop();
    pthread_mutex_unlock(&helper.mutex);
}
