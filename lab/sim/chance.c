/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * lab/sim/chance.c — all chance of a simulated network.
 *
 * The world's generator (splitmix64) proposes; the explorer, if it runs the program, has the
 * last word. It is asked about few outcomes at a time (yes or no; which quarter), so that who
 * enumerates choices is not drowned in shades of delay; the generator fills in the rest.
 * Nothing is asked where the link leaves nothing to chance.
 *
 * Rejected  logf for the tail of KC_SIM_TAIL: the library does without libm. The number of
 *           leading zeros of a random word, with the bits behind them, is a logarithm that is
 *           straight between powers of two: within 9 %.
 */
#include "lab/sim/sim.h"

enum { QUARTERS = 4, MILLION = 1000000, TAIL_MOST = 16 };

static uint64_t next(struct kc_sim *sim)
{
    const uint64_t step = 0x9E3779B97F4A7C15u;
    uint64_t z =
        ka_add(&sim->random, step, relaxed) + step; // relaxed: only its own value counts

    z = (z ^ z >> 30) * 0xBF58476D1CE4E5B9u;
    z = (z ^ z >> 27) * 0x94D049BB133111EBu;
    return z ^ z >> 31;
}

static unsigned decide(struct kc_sim *sim, unsigned n, unsigned deflt)
{
    return kci_decide(&sim->rt->env, KCI_CHOICE_LINK, n, deflt);
}

uint64_t kci_sim_random(struct kc_sim *sim, uint64_t n)
{
    uint64_t r = next(sim), quarter = n / QUARTERS;

    if (n <= 1)
        return 0;
    r %= n;
    if (n <= QUARTERS)
        return decide(sim, (unsigned)n, (unsigned)r);
    unsigned q = r / quarter < QUARTERS ? (unsigned)(r / quarter) : QUARTERS - 1;
    return r - q * quarter +
           decide(sim, QUARTERS, q) * quarter; // the last quarter has the rest
}

static bool chance(struct kc_sim *sim, uint32_t ppm)
{
    if (!ppm)
        return false;
    bool yes = next(sim) % MILLION < ppm;
    return decide(sim, 2, yes);
}

/* −ln(x) for x drawn evenly from (0, 1], in 2^−16. */
static uint64_t exponential(struct kc_sim *sim)
{
    const uint64_t ln2 = 45426; // of 65536
    uint64_t r = next(sim), zeros = 0;

    while (zeros < 40 && !(r >> 63)) {
        r <<= 1;
        zeros++;
    }
    uint64_t behind = r >> 47 & 0xFFFF; // r is 1.behind times a power of two
    return ((zeros << 16) + (65536 - behind)) * ln2 >> 16;
}

static int64_t jitter(struct kc_sim *sim, const kc_sim_link_t *how)
{
    if (!how->jitter_ns)
        return 0;
    if (!(how->flags & KC_SIM_TAIL))
        return (int64_t)kci_sim_random(sim, (uint64_t)how->jitter_ns + 1);
    uint64_t e = exponential(sim), most = (uint64_t)TAIL_MOST << 16;
    return (int64_t)((e < most ? e : most) * ((uint64_t)how->jitter_ns >> 8) >> 8);
}

int64_t kci_sim_delay(struct kc_sim *sim, const kc_sim_link_t *how)
{
    return how->latency_ns + jitter(sim, how);
}

size_t kci_sim_portion(struct kc_sim *sim, const kc_sim_link_t *how, size_t bytes)
{
    size_t most = how->most_bytes && how->most_bytes < bytes ? how->most_bytes : bytes;

    if (!how->most_bytes || how->flags & KC_SIM_EXACT || most < 2)
        return most;
    return 1 + (size_t)kci_sim_random(sim, most);
}

struct kci_sim_fate kci_sim_fate(struct kc_sim *sim, const kc_sim_link_t *how, size_t bytes,
                                 bool frames)
{
    struct kci_sim_fate f = { .most = frames ? bytes : kci_sim_portion(sim, how, bytes) };

    f.delay_ns = kci_sim_delay(sim, how);
    f.reset = chance(sim, how->reset_ppm);
    f.drop = chance(sim, how->drop_ppm);
    if (!frames)
        return f;
    f.dup = chance(sim, how->dup_ppm);
    if (f.dup)
        f.dup_delay_ns = kci_sim_delay(sim, how);
    f.reorder = chance(sim, how->reorder_ppm);
    return f;
}
