/* SPDX-License-Identifier: BSD-3-Clause */
/* arch/riscv64/frame.h — the saved frame, as byte offsets from the stack pointer. */
#ifndef ARCH_RISCV64_FRAME_H
#define ARCH_RISCV64_FRAME_H

#ifndef __riscv_float_abi_double
#error "kcoro's riscv64 switcher is for the lp64d ABI: doubles in fs0–fs11"
#endif

#define KCI_FRAME_PC 0     /* ra, where `ret` goes */
#define KCI_FRAME_S0 8     /* the frame pointer: zero ends every walk up the stack */
#define KCI_FRAME_ENTRY 16 /* s1 */
#define KCI_FRAME_ARG 24   /* s2 */
#define KCI_FRAME_S3 32
#define KCI_FRAME_S4 40
#define KCI_FRAME_S5 48
#define KCI_FRAME_S6 56
#define KCI_FRAME_S7 64
#define KCI_FRAME_S8 72
#define KCI_FRAME_S9 80
#define KCI_FRAME_S10 88
#define KCI_FRAME_S11 96
#define KCI_FRAME_FS0 104
#define KCI_FRAME_FS1 112
#define KCI_FRAME_FS2 120
#define KCI_FRAME_FS3 128
#define KCI_FRAME_FS4 136
#define KCI_FRAME_FS5 144
#define KCI_FRAME_FS6 152
#define KCI_FRAME_FS7 160
#define KCI_FRAME_FS8 168
#define KCI_FRAME_FS9 176
#define KCI_FRAME_FS10 184
#define KCI_FRAME_FS11 192
/* 200 rounded up to a multiple of 16, as the stack pointer must always be. */
#define KCI_FRAME_BYTES 208
/* A new context begins this far into kci_ctx_start, past a nop. */
#define KCI_FRAME_START 4

#endif
