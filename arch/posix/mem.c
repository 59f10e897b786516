/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * arch/posix/mem.c — pages from mmap, guards from mprotect.
 *
 * POSIX 2008 has no anonymous memory, but nearly every system has MAP_ANON. Without it a
 * private mapping of /dev/zero is the same thing; its descriptor is not needed once the mapping
 * exists. POSIX has no advice that empties pages either, so discarding maps new ones over the
 * old.
 *
 * KCORO_GUARD=none in the environment makes no guards; =mark does the same, having no such way.
 */
#include "arch/os.h"

#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "arch/fault.h"

#ifdef MAP_ANON
enum { ANONYMOUS = MAP_ANON };
#else
enum { ANONYMOUS = 0 };
#endif

size_t kci_os_page_bytes(void)
{
    return (size_t)sysconf(_SC_PAGESIZE);
}

/* At `where` if flags has MAP_FIXED; NULL when the system refuses. */
static void *map_zeroes(void *where, size_t bytes, int flags)
{
    int fd = ANONYMOUS ? -1 : open("/dev/zero", O_RDWR | O_CLOEXEC);

    if (!ANONYMOUS && fd < 0)
        return NULL;
    flags |= MAP_PRIVATE | ANONYMOUS;
    void *p = mmap(where, bytes, PROT_READ | PROT_WRITE, flags, fd, 0);
    if (fd >= 0)
        (void)close(fd);
    return p == MAP_FAILED ? NULL : p;
}

void *kci_os_map(size_t bytes)
{
    return kci_fails(KCI_FAULT_MAP) ? NULL : map_zeroes(NULL, bytes, 0);
}

/* A file without a name: the one thing that POSIX lets processes share without a clash. */
void *kci_os_map_shared(size_t bytes)
{
    char name[] = "/tmp/kcoro-XXXXXX";
    int fd = mkstemp(name);

    if (fd < 0)
        return NULL;
    void *p = MAP_FAILED;
    (void)unlink(name);
    if (ftruncate(fd, (off_t)bytes) == 0)
        p = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    (void)close(fd);
    return p == MAP_FAILED ? NULL : p;
}

void kci_os_unmap(void *p, size_t bytes)
{
    (void)munmap(p, bytes);
}

void kci_os_discard(void *p, size_t bytes)
{
    if (!map_zeroes(p, bytes, MAP_FIXED))
        memset(p, 0, bytes); // out of descriptors or mappings: at least it reads as zero
}

enum kci_guard kci_os_guard(void *p, size_t bytes, bool may_protect)
{
    static _Atomic(int) allowed;         // 0 unknown, 1 yes, -1 no
    int ok = ka_load(&allowed, relaxed); // relaxed: all threads compute the same value

    if (!ok) {
        const char *want = getenv("KCORO_GUARD");
        ok = want && (strcmp(want, "none") == 0 || strcmp(want, "mark") == 0) ? -1 : 1;
        ka_store(&allowed, ok, relaxed); // relaxed: as above
    }
    if (ok < 0 || !may_protect || kci_fails(KCI_FAULT_GUARD))
        return KCI_GUARD_NONE;
    ok = mprotect(p, bytes, PROT_NONE) == 0;
    return ok ? KCI_GUARD_PROTECT : KCI_GUARD_NONE;
}
