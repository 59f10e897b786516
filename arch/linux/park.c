/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * arch/linux/park.c — a sleeping thread on a futex.
 *
 *            wait, no token                wake
 *   EMPTY ───────────────────→ SLEEPING ─────────→ TOKEN        EMPTY ──wake──→ TOKEN
 *     ↑            timed out      │                  │
 *     └───────────────────────────┘←──── wait ───────┘          TOKEN ──wake──→ TOKEN
 *
 * Only the owner leaves TOKEN or enters SLEEPING, so a wake between its look and its sleep
 * changes the word and the futex refuses to sleep. A wake without a sleeper makes no system
 * call.
 *
 * Edges   E-PARK  what the waker wrote before kci_parker_wake → the owner whose wait took the
 *         token. Every transition to TOKEN is an exchange, so several wakers of one token are
 *         all seen.
 * Lifetime  A waker may still be on its way into FUTEX_WAKE when the owner has gone on and
 *         freed the parker. The kernel only looks the address up: at worst an unrelated futex
 *         wakes for nothing, which every futex user must tolerate.
 */
#define _GNU_SOURCE

#include "arch/os.h"

#include <errno.h>
#include <linux/futex.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

enum { EMPTY = 0, TOKEN = 1, SLEEPING = 2 };

void kci_parker_init(struct kci_parker *p)
{
    ka_store(&p->word, EMPTY, relaxed); // relaxed: not yet shared
}

void kci_parker_fini(struct kci_parker *p)
{
    (void)p;
}

/* Sleep while the word is SLEEPING; false when the time has come. */
static bool sleep_until(struct kci_parker *p, int64_t until_ns)
{
    struct timespec ts, *when = NULL;

    if (until_ns != INT64_MAX) {
        int64_t ns = until_ns > 0 ? until_ns : 0; // the kernel takes no times before boot
        ts.tv_sec = (time_t)(ns / 1000000000);
        ts.tv_nsec = (long)(ns % 1000000000);
        when = &ts;
    }
    // The absolute form: an interrupted sleep goes on to the same moment. It is monotonic.
    long rc = syscall(SYS_futex, &p->word, FUTEX_WAIT_BITSET | FUTEX_PRIVATE_FLAG, SLEEPING,
                      when, NULL, FUTEX_BITSET_MATCH_ANY);
    return rc == 0 || errno != ETIMEDOUT;
}

bool kci_parker_wait(struct kci_parker *p, int64_t until_ns)
{
    uint32_t seen = EMPTY;
    bool in_time = true;

    // relaxed: going to sleep publishes nothing; a token is taken by the exchange below
    if (ka_cas(&p->word, &seen, SLEEPING, relaxed, relaxed)) {
        do
            in_time = sleep_until(p, until_ns);
        while (in_time && ka_load(&p->word, relaxed) == SLEEPING); // relaxed: as above
    }
    return ka_xchg(&p->word, EMPTY, acquire) == TOKEN; // E-PARK in
}

void kci_parker_wake(struct kci_parker *p)
{
    if (ka_xchg(&p->word, TOKEN, release) == SLEEPING) // E-PARK out
        (void)syscall(SYS_futex, &p->word, FUTEX_WAKE | FUTEX_PRIVATE_FLAG, 1);
}
