/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * arch/os.h — contract: pages, clock, entropy, processors, sleeping threads, polling.
 *
 * Answered by arch/linux and by arch/posix (anything that is not Linux). No function sets errno
 * for its caller to read: results are >= 0 or negative errno. None allocates unless it says so.
 */
#ifndef ARCH_OS_H
#define ARCH_OS_H

#include <errno.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "arch/atomic.h"
#include "arch/cpu.h"

/* Negative errno of the system call just made. Code that runs in coroutines reads errno here
 * only, never by itself: see arch/error.c. */
int kci_os_error(void);

/* ---- pages ---- */

size_t kci_os_page_bytes(void);
/* Readable, writable, zeroed, not yet backed by memory; NULL when the system refuses. */
void *kci_os_map(size_t bytes);
/* The same, and children forked later share it. */
void *kci_os_map_shared(size_t bytes);
void kci_os_unmap(void *p, size_t bytes);
/* Give the contents back to the system; the range, which holds no guard, stays mapped and reads
 * as zero. */
void kci_os_discard(void *p, size_t bytes);

/* How a guard was made. */
enum kci_guard { KCI_GUARD_NONE, KCI_GUARD_MARK, KCI_GUARD_PROTECT };
/* Make touching [p, p+bytes) crash. Tries the way that costs no mapping first; protecting
 * pages, which costs two, only if the caller can spare them. */
enum kci_guard kci_os_guard(void *p, size_t bytes, bool may_protect);

/* ---- time, randomness, processors ---- */

int64_t kci_os_now(void);       /* monotonic nanoseconds, > 1 */
uint64_t kci_os_entropy(void);  /* good enough to seed a generator */
unsigned kci_os_cpus(void);     /* processors this process may use (affinity, quota), >= 1 */
void kci_os_yield_thread(void);

/* ---- where the program is, for people ---- */

/* Return addresses of the calling function's callers, innermost first; 0 where that cannot be
 * told. May allocate the first time. */
int kci_os_backtrace(void **pcs, int most);
struct kci_symbol {
    const char *module; /* path of the program file that holds the address */
    uintptr_t offset;   /* as that file counts */
    const char *name;   /* nearest exported symbol below it; may be NULL */
    uintptr_t into;     /* behind its beginning */
};
bool kci_os_symbol(const void *address, struct kci_symbol *out);

/* ---- one sleeping thread: a token, set by anybody, consumed by its owner ---- */

struct kci_parker {
    _Atomic(uint32_t) word;
    void *os[16]; /* room for a mutex and a condition where there is no futex */
};
void kci_parker_init(struct kci_parker *p);
void kci_parker_fini(struct kci_parker *p);
/* Sleep until a token is there (true, consumed) or the clock reaches until_ns (false; never if
 * INT64_MAX). Everything before the kci_parker_wake that set the token is visible: E-PARK. */
bool kci_parker_wait(struct kci_parker *p, int64_t until_ns);
void kci_parker_wake(struct kci_parker *p);

/* ---- polling descriptors ---- */

enum { KCI_POLL_RD = 1, KCI_POLL_WR = 2, KCI_POLL_HUP = 4, KCI_POLL_ERR = 8 };
struct kci_poll_event {
    uint64_t key;
    unsigned ev;
};
struct kci_pollset;
/* Allocates. 0 and *out, or -EMFILE -ENFILE -ENOMEM. */
int kci_pollset_create(struct kci_pollset **out);
void kci_pollset_destroy(struct kci_pollset *ps);
/* Report `key` once when fd becomes ready for any of `ev`, then forget it until armed again.
 * 0; -EBADF; -EPERM: this kind of descriptor is always ready; -ENOMEM -ENOSPC; -EINVAL: key is
 * UINT64_MAX. At the end of a pipe some systems report HUP alone, without RD or WR. */
int kci_pollset_arm(struct kci_pollset *ps, int fd, unsigned ev, uint64_t key);
/* Forget fd, before it is closed. */
void kci_pollset_forget(struct kci_pollset *ps, int fd);
/* Wait until something is ready, until_ns passes, or kci_pollset_kick. One caller at a time.
 * until_ns 0: do not wait. Returns the number of events, 0 for none. */
int kci_pollset_wait(struct kci_pollset *ps, struct kci_poll_event *out, int max,
                     int64_t until_ns);
/* A descriptor of the set's that is readable when wait would not sleep: something is ready, or
 * a kick was not waited for; and from wake_ns on (INT64_MAX: not by itself), until the next
 * wait. Each call moves wake_ns. -ENOTSUP where the set is no descriptor; -EMFILE -ENFILE. */
int kci_pollset_fd(struct kci_pollset *ps, int64_t wake_ns);
/* Make the current or the next wait return. Any thread. */
void kci_pollset_kick(struct kci_pollset *ps);

#endif
