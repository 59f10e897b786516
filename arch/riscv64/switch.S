/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * arch/riscv64/switch.S — the whole trick of the library (rv64gc, lp64d ABI).
 *
 *      from's stack                         to's stack
 *      | …            |                     | …            |
 *      | fs11 … fs0   |                     | fs11 … fs0   |
 *      | s11 … s0     | stored here         | s11 … s0     | loaded here
 *      | ra (return)  | the caller's call   | ra (return)  | ← post returns to it
 *      *save_sp ──────┘                     load_sp ───────┘
 */
#include "arch/riscv64/frame.h"

        .text
        .globl  kci_ctx_switch
        .hidden kci_ctx_switch
        .type   kci_ctx_switch, @function
        .p2align 4
kci_ctx_switch:                         # a0 save_sp, a1 load_sp, a2 post, a3 arg
        .cfi_startproc
        addi    sp, sp, -KCI_FRAME_BYTES
        .cfi_def_cfa_offset KCI_FRAME_BYTES
        sd      ra, KCI_FRAME_PC(sp)
        .cfi_rel_offset ra, KCI_FRAME_PC
        sd      s0, KCI_FRAME_S0(sp)
        .cfi_rel_offset s0, KCI_FRAME_S0
        sd      s1, KCI_FRAME_ENTRY(sp)
        .cfi_rel_offset s1, KCI_FRAME_ENTRY
        sd      s2, KCI_FRAME_ARG(sp)
        .cfi_rel_offset s2, KCI_FRAME_ARG
        sd      s3, KCI_FRAME_S3(sp)
        .cfi_rel_offset s3, KCI_FRAME_S3
        sd      s4, KCI_FRAME_S4(sp)
        .cfi_rel_offset s4, KCI_FRAME_S4
        sd      s5, KCI_FRAME_S5(sp)
        .cfi_rel_offset s5, KCI_FRAME_S5
        sd      s6, KCI_FRAME_S6(sp)
        .cfi_rel_offset s6, KCI_FRAME_S6
        sd      s7, KCI_FRAME_S7(sp)
        .cfi_rel_offset s7, KCI_FRAME_S7
        sd      s8, KCI_FRAME_S8(sp)
        .cfi_rel_offset s8, KCI_FRAME_S8
        sd      s9, KCI_FRAME_S9(sp)
        .cfi_rel_offset s9, KCI_FRAME_S9
        sd      s10, KCI_FRAME_S10(sp)
        .cfi_rel_offset s10, KCI_FRAME_S10
        sd      s11, KCI_FRAME_S11(sp)
        .cfi_rel_offset s11, KCI_FRAME_S11
        fsd     fs0, KCI_FRAME_FS0(sp)
        .cfi_rel_offset fs0, KCI_FRAME_FS0
        fsd     fs1, KCI_FRAME_FS1(sp)
        .cfi_rel_offset fs1, KCI_FRAME_FS1
        fsd     fs2, KCI_FRAME_FS2(sp)
        .cfi_rel_offset fs2, KCI_FRAME_FS2
        fsd     fs3, KCI_FRAME_FS3(sp)
        .cfi_rel_offset fs3, KCI_FRAME_FS3
        fsd     fs4, KCI_FRAME_FS4(sp)
        .cfi_rel_offset fs4, KCI_FRAME_FS4
        fsd     fs5, KCI_FRAME_FS5(sp)
        .cfi_rel_offset fs5, KCI_FRAME_FS5
        fsd     fs6, KCI_FRAME_FS6(sp)
        .cfi_rel_offset fs6, KCI_FRAME_FS6
        fsd     fs7, KCI_FRAME_FS7(sp)
        .cfi_rel_offset fs7, KCI_FRAME_FS7
        fsd     fs8, KCI_FRAME_FS8(sp)
        .cfi_rel_offset fs8, KCI_FRAME_FS8
        fsd     fs9, KCI_FRAME_FS9(sp)
        .cfi_rel_offset fs9, KCI_FRAME_FS9
        fsd     fs10, KCI_FRAME_FS10(sp)
        .cfi_rel_offset fs10, KCI_FRAME_FS10
        fsd     fs11, KCI_FRAME_FS11(sp)
        .cfi_rel_offset fs11, KCI_FRAME_FS11
        sd      sp, 0(a0)               # from is now complete
        mv      sp, a1                  # same frame, other stack: the CFI above still holds
        ld      ra, KCI_FRAME_PC(sp)
        .cfi_restore ra
        ld      s0, KCI_FRAME_S0(sp)
        .cfi_restore s0
        ld      s1, KCI_FRAME_ENTRY(sp)
        .cfi_restore s1
        ld      s2, KCI_FRAME_ARG(sp)
        .cfi_restore s2
        ld      s3, KCI_FRAME_S3(sp)
        .cfi_restore s3
        ld      s4, KCI_FRAME_S4(sp)
        .cfi_restore s4
        ld      s5, KCI_FRAME_S5(sp)
        .cfi_restore s5
        ld      s6, KCI_FRAME_S6(sp)
        .cfi_restore s6
        ld      s7, KCI_FRAME_S7(sp)
        .cfi_restore s7
        ld      s8, KCI_FRAME_S8(sp)
        .cfi_restore s8
        ld      s9, KCI_FRAME_S9(sp)
        .cfi_restore s9
        ld      s10, KCI_FRAME_S10(sp)
        .cfi_restore s10
        ld      s11, KCI_FRAME_S11(sp)
        .cfi_restore s11
        fld     fs0, KCI_FRAME_FS0(sp)
        .cfi_restore fs0
        fld     fs1, KCI_FRAME_FS1(sp)
        .cfi_restore fs1
        fld     fs2, KCI_FRAME_FS2(sp)
        .cfi_restore fs2
        fld     fs3, KCI_FRAME_FS3(sp)
        .cfi_restore fs3
        fld     fs4, KCI_FRAME_FS4(sp)
        .cfi_restore fs4
        fld     fs5, KCI_FRAME_FS5(sp)
        .cfi_restore fs5
        fld     fs6, KCI_FRAME_FS6(sp)
        .cfi_restore fs6
        fld     fs7, KCI_FRAME_FS7(sp)
        .cfi_restore fs7
        fld     fs8, KCI_FRAME_FS8(sp)
        .cfi_restore fs8
        fld     fs9, KCI_FRAME_FS9(sp)
        .cfi_restore fs9
        fld     fs10, KCI_FRAME_FS10(sp)
        .cfi_restore fs10
        fld     fs11, KCI_FRAME_FS11(sp)
        .cfi_restore fs11
        addi    sp, sp, KCI_FRAME_BYTES
        .cfi_def_cfa_offset 0
        mv      a0, a3
        jr      a2                      # post(arg), which returns to to's caller
        .cfi_endproc
        .size   kci_ctx_switch, .-kci_ctx_switch

        .globl  kci_ctx_start
        .hidden kci_ctx_start
        .type   kci_ctx_start, @function
        .p2align 4
kci_ctx_start:                          # s1 entry, s2 arg, s0 0
        .cfi_startproc
        .cfi_undefined ra               # nobody called us: backtraces end here
        .option push
        .option norvc                   # four bytes, also where two would do
        nop                             # unwinders look up the byte before a return address
                                        # KCI_FRAME_START: contexts begin here, by a return
        .option pop
        mv      a0, s2
        jalr    s1                      # never returns
        ebreak
        .cfi_endproc
        .size   kci_ctx_start, .-kci_ctx_start

        .section .note.GNU-stack,"",@progbits
