/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * arch/x86_64/switch.S — the whole trick of the library (System V ABI).
 *
 *      from's stack                         to's stack
 *      | …            |                     | …            |
 *      | return addr  | pushed by call      | return addr  | ← post returns to it
 *      | rbp rbx r12… | pushed here         | rbp rbx r12… | popped here
 *      *save_sp ──────┘                     load_sp ───────┘
 */
#include "arch/x86_64/frame.h"

        .text
        .globl  kci_ctx_switch
        .hidden kci_ctx_switch
        .type   kci_ctx_switch, @function
        .p2align 4
kci_ctx_switch:                         # rdi save_sp, rsi load_sp, rdx post, rcx arg
        .cfi_startproc
        endbr64
        pushq   %rbp
        .cfi_adjust_cfa_offset 8
        .cfi_rel_offset rbp, 0
        pushq   %rbx
        .cfi_adjust_cfa_offset 8
        .cfi_rel_offset rbx, 0
        pushq   %r12
        .cfi_adjust_cfa_offset 8
        .cfi_rel_offset r12, 0
        pushq   %r13
        .cfi_adjust_cfa_offset 8
        .cfi_rel_offset r13, 0
        pushq   %r14
        .cfi_adjust_cfa_offset 8
        .cfi_rel_offset r14, 0
        pushq   %r15
        .cfi_adjust_cfa_offset 8
        .cfi_rel_offset r15, 0
        movq    %rsp, (%rdi)            # from is now complete
        movq    %rsi, %rsp              # same frame, other stack: the CFI above still holds
        popq    %r15
        .cfi_adjust_cfa_offset -8
        .cfi_restore r15
        popq    %r14
        .cfi_adjust_cfa_offset -8
        .cfi_restore r14
        popq    %r13
        .cfi_adjust_cfa_offset -8
        .cfi_restore r13
        popq    %r12
        .cfi_adjust_cfa_offset -8
        .cfi_restore r12
        popq    %rbx
        .cfi_adjust_cfa_offset -8
        .cfi_restore rbx
        popq    %rbp
        .cfi_adjust_cfa_offset -8
        .cfi_restore rbp
        movq    %rcx, %rdi
        jmp     *%rdx                   # post(arg), which returns to to's caller
        .cfi_endproc
        .size   kci_ctx_switch, .-kci_ctx_switch

        .globl  kci_ctx_start
        .hidden kci_ctx_start
        .type   kci_ctx_start, @function
        .p2align 4
kci_ctx_start:                          # r12 entry, r13 arg, rbp 0
        .cfi_startproc
        .cfi_undefined rip              # nobody called us: backtraces end here
        nop                             # unwinders look up the byte before a return address
                                        # KCI_FRAME_START: contexts begin here, by a return
        movq    %r13, %rdi
        callq   *%r12                   # never returns
        ud2
        .cfi_endproc
        .size   kci_ctx_start, .-kci_ctx_start

        .section .note.GNU-stack,"",@progbits
        .section .note.gnu.property,"a" # this object is ready for indirect-branch tracking
        .p2align 3
        .long   4, 16, 5                # name size, description size, NT_GNU_PROPERTY_TYPE_0
        .asciz  "GNU"
        .long   0xc0000002, 4, 1, 0     # GNU_PROPERTY_X86_FEATURE_1_AND: IBT
