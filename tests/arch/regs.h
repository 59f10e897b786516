/* SPDX-License-Identifier: BSD-3-Clause */
/* tests/arch/regs.h — what C cannot say: known values in every callee-saved register. */
#ifndef TESTS_ARCH_REGS_H
#define TESTS_ARCH_REGS_H

/*
 * kt_regs_switch — kci_ctx_switch with seed, seed + 1, … in the callee-saved registers.
 *
 * Returns a bit for each register that came back changed, in the order of regs_<cpu>.S. It
 * makes the call itself: a C function in between could save a register that the switch forgot.
 */
unsigned long kt_regs_switch(unsigned long seed, void **save_sp, void *load_sp,
                             void (*post)(void *), void *arg);

#endif
