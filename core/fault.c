/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * core/fault.c — keeps the plan and answers arch/fault.h.
 *
 * Invariants  kci_fault_ask is set exactly while there is a plan
 *             a call that may be tried again at once (EINTR, EAGAIN, a connection that went
 *             away in the queue) succeeds the next time: systems do not interrupt for ever, and
 *             loops that try again would never end
 * Locks       plan.lock, innermost: taken under any other, and nothing is taken under it
 */
#include "core/fault.h"

#include <errno.h>
#include <string.h>

#include "core/lock.h"

static struct {
    struct kci_lock lock;
    struct kci_fault_plan is;
    uint64_t seed;
    uint64_t made;
    uint32_t spare; /* sites that were told to try again: their next call is made */
} plan;

static uint64_t mix(uint64_t x) // splitmix64
{
    x += 0x9E3779B97F4A7C15u;
    x = (x ^ x >> 30) * 0xBF58476D1CE4E5B9u;
    x = (x ^ x >> 27) * 0x94D049BB133111EBu;
    return x ^ x >> 31;
}

static bool try_again(int answer)
{
    return answer == -EINTR || answer == -EAGAIN || answer == -ECONNABORTED ||
           answer == -EPROTO;
}

/* The answer of one rule; locked. */
static int apply(struct kci_fault_rule *r, unsigned number, uint32_t site)
{
    if (!(r->sites & site))
        return 0;
    uint64_t n = ++r->seen;
    if (n < r->from || n > r->to)
        return 0;
    if (mix(plan.seed ^ mix(n) ^ number) % KCI_FAULT_ALWAYS >= r->chance)
        return 0;
    return r->answer;
}

static int answer_for(enum kci_fault_site site)
{
    uint32_t bit = (uint32_t)1 << site;
    int answer = 0;

    kci_lock(&plan.lock);
    for (unsigned i = 0; i < plan.is.rules; i++) {
        int one = apply(&plan.is.rule[i], i, bit); // every rule counts, the first one's answer
        answer = answer ? answer : one;
    }
    if (plan.spare & bit && try_again(answer))
        answer = 0;
    plan.spare = try_again(answer) && site != KCI_FAULT_THREAD ? plan.spare | bit
                                                               : plan.spare & ~bit;
    plan.made += answer != 0;
    kci_unlock(&plan.lock);
    return answer;
}

void kci_fault_install(const struct kci_fault_plan *fresh, uint64_t seed)
{
    kci_lock(&plan.lock);
    plan.is = fresh ? *fresh : (struct kci_fault_plan){ 0 };
    plan.seed = seed;
    plan.made = 0;
    plan.spare = 0;
    ka_store(&kci_fault_ask, fresh ? answer_for : NULL, release); // E-FAULT out
    kci_unlock(&plan.lock);
}

uint64_t kci_fault_made(void)
{
    kci_lock(&plan.lock);
    uint64_t n = plan.made;
    kci_unlock(&plan.lock);
    return n;
}
