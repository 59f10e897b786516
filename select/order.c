/* SPDX-License-Identifier: BSD-3-Clause */
/* select/order.c — polling order (Fisher–Yates) and locking order. Channels made one after the
 * other mostly lie in this order already, so that is looked at first; then heap sort: no
 * recursion, no allocation, n log n also for 512 clauses on one object. */
#include "select/order.h"

#include <stdbool.h>

void kci_order_from(uint16_t *order, size_t n, size_t first)
{
    for (size_t i = 0; i < n; i++)
        order[i] = (uint16_t)((first + i) % n);
}

void kci_order_shuffle(uint16_t *order, size_t n, unsigned (*draw)(unsigned k))
{
    kci_order_from(order, n, 0);
    for (size_t i = n; i > 1; i--) {
        size_t j = draw((unsigned)i);
        uint16_t t = order[i - 1];
        order[i - 1] = order[j];
        order[j] = t;
    }
}

static void sift_down(struct kci_lock **a, size_t root, size_t n)
{
    for (size_t child; (child = 2 * root + 1) < n; root = child) {
        if (child + 1 < n && (uintptr_t)a[child + 1] > (uintptr_t)a[child])
            child++;
        if ((uintptr_t)a[root] >= (uintptr_t)a[child])
            return;
        struct kci_lock *t = a[root];
        a[root] = a[child];
        a[child] = t;
    }
}

static void sort(struct kci_lock **a, size_t n)
{
    for (size_t i = n / 2; i-- > 0;)
        sift_down(a, i, n);
    for (size_t end = n; end > 1; end--) {
        struct kci_lock *t = a[0];
        a[0] = a[end - 1];
        a[end - 1] = t;
        sift_down(a, 0, end - 1);
    }
}

static bool is_ascending(struct kci_lock *const *a, size_t n)
{
    for (size_t i = 1; i < n; i++)
        if ((uintptr_t)a[i - 1] >= (uintptr_t)a[i])
            return false;
    return !n || a[0];
}

size_t kci_order_locks(struct kci_lock **locks, size_t n)
{
    size_t kept = 0;

    if (is_ascending(locks, n))
        return n;
    sort(locks, n);
    for (size_t i = 0; i < n; i++)
        if (locks[i] && (!kept || locks[kept - 1] != locks[i]))
            locks[kept++] = locks[i];
    return kept;
}
