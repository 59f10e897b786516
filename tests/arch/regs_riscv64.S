/* SPDX-License-Identifier: BSD-3-Clause */
/* tests/arch/regs_riscv64.S — bits 0–11: s0–s11; bits 12–23: fs0–fs11. */

        .macro save reg, at
        sd      \reg, \at(sp)
        .cfi_rel_offset \reg, \at
        .endm

        .macro load reg, at
        ld      \reg, \at(sp)
        .cfi_restore \reg
        .endm

        .macro save_f reg, at
        fsd     \reg, \at(sp)
        .cfi_rel_offset \reg, \at
        .endm

        .macro load_f reg, at
        fld     \reg, \at(sp)
        .cfi_restore \reg
        .endm

        .macro set_f reg, bit           # reg = seed + bit, as bits
        addi    t0, a0, \bit
        fmv.d.x \reg, t0
        .endm

        .macro check reg, bit           # a0 |= (reg != seed + bit) << bit
        addi    t0, t1, \bit
        xor     t0, t0, \reg
        snez    t0, t0
        slli    t0, t0, \bit
        or      a0, a0, t0
        .endm

        .macro check_f reg, bit
        fmv.x.d t2, \reg
        check   t2, \bit
        .endm

        /* every register in turn: s0 … s11 and fs0 … fs11 */
        .macro each_s do, first, step
        .set    n, \first
        .irp    reg, s0, s1, s2, s3, s4, s5, s6, s7, s8, s9, s10, s11
        \do     \reg, n
        .set    n, n + \step
        .endr
        .endm

        .macro each_fs do, first, step
        .set    n, \first
        .irp    reg, fs0, fs1, fs2, fs3, fs4, fs5, fs6, fs7, fs8, fs9, fs10, fs11
        \do     \reg, n
        .set    n, n + \step
        .endr
        .endm

        .macro set reg, bit
        addi    \reg, a0, \bit
        .endm

        .text
        .globl  kt_regs_switch
        .type   kt_regs_switch, @function
kt_regs_switch:                         # a0 seed, a1 save_sp, a2 load_sp, a3 post, a4 arg
        .cfi_startproc
        addi    sp, sp, -208
        .cfi_def_cfa_offset 208
        save    ra, 0
        each_s  save, 8, 8
        each_fs save_f, 104, 8
        sd      a0, 200(sp)             # the seed
        each_s  set, 0, 1
        each_fs set_f, 12, 1
        mv      a0, a1
        mv      a1, a2
        mv      a2, a3
        mv      a3, a4
        call    kci_ctx_switch
        ld      t1, 200(sp)
        li      a0, 0
        each_s  check, 0, 1
        each_fs check_f, 12, 1
        load    ra, 0
        each_s  load, 8, 8
        each_fs load_f, 104, 8
        addi    sp, sp, 208
        .cfi_def_cfa_offset 0
        ret
        .cfi_endproc
        .size   kt_regs_switch, .-kt_regs_switch

        .section .note.GNU-stack,"",@progbits
