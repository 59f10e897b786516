/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * tests/sim/place.c — the place of tests/ipc's rig, in a simulated network: see tests/ipc/kit.h.
 *
 * Each variant is another network: a stream that takes its time; one that moves little at a
 * time, resends and pauses; frames. With sanitizers, the second only. Programs that speak raw
 * bytes are linked with PLACE_STREAMS, since a transport of frames takes whole frames only.
 */
#include <stdio.h>

#include <kcoro/sim.h>

#include "arch/fiber_notes.h"
#include "tests/ipc/kit.h"

static const kc_sim_link_t plain = { .latency_ns = KC_US(200), .jitter_ns = KC_US(100) };
static const kc_sim_link_t rough = { .latency_ns = KC_US(100),
                                     .jitter_ns = KC_US(300),
                                     .most_bytes = 3000,
                                     .buffer_bytes = 8192,
                                     .read_pause_ns = KC_US(1),
                                     .drop_ppm = 3000,
                                     .resend_ns = KC_US(900),
                                     .flags = KC_SIM_TAIL };

#ifdef PLACE_STREAMS
static const bool frames_too = false;
#else
static const bool frames_too = true;
#endif

/* With sanitizers time is short, and what they look for is in every network. */
bool place_skips(int variant)
{
    return KCI_NOTES && WORKERS > 1 && variant != 1;
}

void place_prepare(struct rig *r, kc_opts_t *opts)
{
    opts->flags |= KC_RT_VIRTUAL_TIME;
    opts->seed = test_seed();
    snprintf(r->addr, sizeof r->addr, "sim:server");
}

void place_enter(struct rig *r, int variant)
{
    kc_sim_t *w;

    must_eq(kc_sim_create(&w, test_seed(), variant == 1 ? &rough : &plain), 0);
    if (variant == 2 && frames_too)
        snprintf(r->addr, sizeof r->addr, "simframes:server");
}

void place_leave(struct rig *r)
{
    (void)r;
}

/* Virtual time passes only while all wait. */
void let_run(void)
{
    must_eq(kc_sleep(KC_US(20)), 0);
}
