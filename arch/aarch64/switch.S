/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * arch/aarch64/switch.S — the whole trick of the library (AAPCS64).
 *
 *      from's stack                         to's stack
 *      | …            |                     | …            |
 *      | d15 … d8     |                     | d15 … d8     |
 *      | x30 (return) | the caller's bl     | x30 (return) | ← post returns to it
 *      | x29 … x19    | stored here         | x29 … x19    | loaded here
 *      *save_sp ──────┘                     load_sp ───────┘
 *
 * x18 is the platform's. x30 is stored unsigned: our frame is the only place that holds it.
 */
#include "arch/aarch64/frame.h"

        .text
        .globl  kci_ctx_switch
        .hidden kci_ctx_switch
        .type   kci_ctx_switch, %function
        .p2align 4
kci_ctx_switch:                         // x0 save_sp, x1 load_sp, x2 post, x3 arg
        .cfi_startproc
        hint    #34                     // bti c
        sub     sp, sp, #KCI_FRAME_BYTES
        .cfi_def_cfa_offset KCI_FRAME_BYTES
        stp     x19, x20, [sp, #KCI_FRAME_ENTRY]
        .cfi_rel_offset x19, KCI_FRAME_ENTRY
        .cfi_rel_offset x20, KCI_FRAME_ENTRY + 8
        stp     x21, x22, [sp, #KCI_FRAME_X21]
        .cfi_rel_offset x21, KCI_FRAME_X21
        .cfi_rel_offset x22, KCI_FRAME_X21 + 8
        stp     x23, x24, [sp, #KCI_FRAME_X23]
        .cfi_rel_offset x23, KCI_FRAME_X23
        .cfi_rel_offset x24, KCI_FRAME_X23 + 8
        stp     x25, x26, [sp, #KCI_FRAME_X25]
        .cfi_rel_offset x25, KCI_FRAME_X25
        .cfi_rel_offset x26, KCI_FRAME_X25 + 8
        stp     x27, x28, [sp, #KCI_FRAME_X27]
        .cfi_rel_offset x27, KCI_FRAME_X27
        .cfi_rel_offset x28, KCI_FRAME_X27 + 8
        stp     x29, x30, [sp, #KCI_FRAME_X29]
        .cfi_rel_offset x29, KCI_FRAME_X29
        .cfi_rel_offset x30, KCI_FRAME_X29 + 8
        stp     d8, d9, [sp, #KCI_FRAME_D8]
        .cfi_rel_offset d8, KCI_FRAME_D8
        .cfi_rel_offset d9, KCI_FRAME_D8 + 8
        stp     d10, d11, [sp, #KCI_FRAME_D10]
        .cfi_rel_offset d10, KCI_FRAME_D10
        .cfi_rel_offset d11, KCI_FRAME_D10 + 8
        stp     d12, d13, [sp, #KCI_FRAME_D12]
        .cfi_rel_offset d12, KCI_FRAME_D12
        .cfi_rel_offset d13, KCI_FRAME_D12 + 8
        stp     d14, d15, [sp, #KCI_FRAME_D14]
        .cfi_rel_offset d14, KCI_FRAME_D14
        .cfi_rel_offset d15, KCI_FRAME_D14 + 8
        mov     x9, sp
        str     x9, [x0]                // from is now complete
        mov     sp, x1                  // same frame, other stack: the CFI above still holds
        ldp     x19, x20, [sp, #KCI_FRAME_ENTRY]
        .cfi_restore x19
        .cfi_restore x20
        ldp     x21, x22, [sp, #KCI_FRAME_X21]
        .cfi_restore x21
        .cfi_restore x22
        ldp     x23, x24, [sp, #KCI_FRAME_X23]
        .cfi_restore x23
        .cfi_restore x24
        ldp     x25, x26, [sp, #KCI_FRAME_X25]
        .cfi_restore x25
        .cfi_restore x26
        ldp     x27, x28, [sp, #KCI_FRAME_X27]
        .cfi_restore x27
        .cfi_restore x28
        ldp     x29, x30, [sp, #KCI_FRAME_X29]
        .cfi_restore x29
        .cfi_restore x30
        ldp     d8, d9, [sp, #KCI_FRAME_D8]
        .cfi_restore d8
        .cfi_restore d9
        ldp     d10, d11, [sp, #KCI_FRAME_D10]
        .cfi_restore d10
        .cfi_restore d11
        ldp     d12, d13, [sp, #KCI_FRAME_D12]
        .cfi_restore d12
        .cfi_restore d13
        ldp     d14, d15, [sp, #KCI_FRAME_D14]
        .cfi_restore d14
        .cfi_restore d15
        add     sp, sp, #KCI_FRAME_BYTES
        .cfi_def_cfa_offset 0
        mov     x0, x3
        mov     x16, x2                 // a jump through x16 may land on a function's bti c
        br      x16                     // post(arg), which returns to to's caller
        .cfi_endproc
        .size   kci_ctx_switch, .-kci_ctx_switch

        .globl  kci_ctx_start
        .hidden kci_ctx_start
        .type   kci_ctx_start, %function
        .p2align 4
kci_ctx_start:                          // x19 entry, x20 arg, x29 0
        .cfi_startproc
        .cfi_undefined x30              // nobody called us: backtraces end here
        nop                             // unwinders look up the byte before a return address
                                        // KCI_FRAME_START: contexts begin here, by a return
        mov     x0, x20
        blr     x19                     // never returns
        brk     #1
        .cfi_endproc
        .size   kci_ctx_start, .-kci_ctx_start

        .section .note.GNU-stack,"",%progbits
        .section .note.gnu.property,"a" // ready for branch target identification
        .p2align 3
        .long   4, 16, 5                // name size, description size, NT_GNU_PROPERTY_TYPE_0
        .asciz  "GNU"
        .long   0xc0000000, 4, 1, 0     // GNU_PROPERTY_AARCH64_FEATURE_1_AND: BTI
