/* SPDX-License-Identifier: BSD-3-Clause */
/* arch/x86_64/frame.h — the saved frame, as byte offsets from the stack pointer. */
#ifndef ARCH_X86_64_FRAME_H
#define ARCH_X86_64_FRAME_H

#define KCI_FRAME_R15 0
#define KCI_FRAME_R14 8
#define KCI_FRAME_ARG 16   /* r13 */
#define KCI_FRAME_ENTRY 24 /* r12 */
#define KCI_FRAME_RBX 32
#define KCI_FRAME_RBP 40
#define KCI_FRAME_PC 48    /* where `ret` goes */
/* The frame, and two zero words that end every walk up the stack. 72 = 8 mod 16, because `ret`
 * must leave the stack pointer 16-byte aligned in kci_ctx_start. */
#define KCI_FRAME_BYTES 72
/* A new context begins this far into kci_ctx_start, past a nop. */
#define KCI_FRAME_START 1

#endif
