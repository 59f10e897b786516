/* SPDX-License-Identifier: BSD-3-Clause */
/* arch/aarch64/frame.h — the saved frame, as byte offsets from the stack pointer. */
#ifndef ARCH_AARCH64_FRAME_H
#define ARCH_AARCH64_FRAME_H

#define KCI_FRAME_ENTRY 0 /* x19 */
#define KCI_FRAME_ARG 8   /* x20 */
#define KCI_FRAME_X21 16  /* … x28 at 72, in pairs */
#define KCI_FRAME_X23 32
#define KCI_FRAME_X25 48
#define KCI_FRAME_X27 64
#define KCI_FRAME_X29 80  /* the frame pointer: zero ends every walk up the stack */
#define KCI_FRAME_PC 88   /* x30, where `ret` goes */
#define KCI_FRAME_D8 96   /* … d15 at 152: the low halves of v8–v15 are callee-saved */
#define KCI_FRAME_D10 112
#define KCI_FRAME_D12 128
#define KCI_FRAME_D14 144
/* A multiple of 16: the stack pointer must be 16-byte aligned at every access. */
#define KCI_FRAME_BYTES 160
/* A new context begins this far into kci_ctx_start, past a nop. */
#define KCI_FRAME_START 4

#endif
