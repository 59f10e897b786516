/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * arch/linux/mem.c — pages from mmap, guards from the cheapest call that works.
 *
 * Guards  A guard made by mprotect splits its mapping in three, and a process may have 65530
 *         mappings by default: at about 32 thousand stacks the kernel refuses. Since Linux 6.13
 *         a guard can be a mark in the page table, which costs no mapping at all; it survives
 *         fork and kci_os_discard. Older kernels, and locked memory, answer EINVAL: then
 *         mprotect, as long as mappings last. The caller learns which it got.
 * Forced  KCORO_GUARD=mark|protect|none in the environment takes exactly that way, or none.
 *
 * Rejected: MAP_GROWSDOWN (no upper bound, one mapping each).
 */
#define _GNU_SOURCE

#include "arch/fiber_notes.h"
#include "arch/os.h"

#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "arch/fault.h"

// Newer than the C library's headers may be; the kernel says EINVAL if it does not know them.
enum { ADVICE_DONTNEED_LOCKED = 24, ADVICE_GUARD_INSTALL = 102 };

enum { MAY_MARK = 1, MAY_PROTECT = 2, MAY_KNOWN = 4 };

size_t kci_os_page_bytes(void)
{
    return (size_t)sysconf(_SC_PAGESIZE);
}

void *kci_os_map(size_t bytes)
{
    const int flags = MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE | MAP_STACK;
    void *p = MAP_FAILED;

    if (!kci_fails(KCI_FAULT_MAP))
        p = mmap(NULL, bytes, PROT_READ | PROT_WRITE, flags, -1, 0);
    if (p == MAP_FAILED)
        return NULL;
    // One touched page must cost one page, not 2 MiB. Without huge pages this fails: nothing to
    // do.
    (void)madvise(p, bytes, MADV_NOHUGEPAGE);
    return p;
}

void *kci_os_map_shared(size_t bytes)
{
    const int flags = MAP_SHARED | MAP_ANONYMOUS | MAP_NORESERVE;
    void *p = mmap(NULL, bytes, PROT_READ | PROT_WRITE, flags, -1, 0);
    return p == MAP_FAILED ? NULL : p;
}

void kci_os_unmap(void *p, size_t bytes)
{
    (void)munmap(p, bytes);
}

void kci_os_discard(void *p, size_t bytes)
{
    if (madvise(p, bytes, MADV_DONTNEED) == 0)
        return;
    // Locked in memory (mlockall): the pages cannot be given back before Linux 5.18.
    if (madvise(p, bytes, ADVICE_DONTNEED_LOCKED) != 0)
        memset(p, 0, bytes);
}

static int ways_wanted(void)
{
    const char *want = getenv("KCORO_GUARD");

    if (want && strcmp(want, "mark") == 0)
        return MAY_KNOWN | MAY_MARK;
    if (want && strcmp(want, "protect") == 0)
        return MAY_KNOWN | MAY_PROTECT;
    if (want && strcmp(want, "none") == 0)
        return MAY_KNOWN;
#ifdef KCI_ASAN // LeakSanitizer reads whatever is mapped readable, marked or not
    return MAY_KNOWN | MAY_PROTECT;
#else
    return MAY_KNOWN | MAY_MARK | MAY_PROTECT;
#endif
}

static int ways_allowed(void)
{
    static _Atomic(int) cached;
    int ways = ka_load(&cached, relaxed); // relaxed: all threads compute the same value

    if (!ways) {
        ways = ways_wanted();
        ka_store(&cached, ways, relaxed); // relaxed: as above
    }
    return ways;
}

enum kci_guard kci_os_guard(void *p, size_t bytes, bool may_protect)
{
    int ways = ways_allowed();

    if (kci_fails(KCI_FAULT_GUARD))
        return KCI_GUARD_NONE;
    if ((ways & MAY_MARK) && madvise(p, bytes, ADVICE_GUARD_INSTALL) == 0)
        return KCI_GUARD_MARK;
    if ((ways & MAY_PROTECT) && may_protect && mprotect(p, bytes, PROT_NONE) == 0)
        return KCI_GUARD_PROTECT;
    return KCI_GUARD_NONE;
}
