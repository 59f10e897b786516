/* SPDX-License-Identifier: BSD-3-Clause */
/* tests/arch/regs_aarch64.S — bits 0–10: x19–x29; bits 11–18: d8–d15. */

        .macro save a, b, at
        stp     \a, \b, [sp, #\at]
        .cfi_rel_offset \a, \at
        .cfi_rel_offset \b, \at + 8
        .endm

        .macro load a, b, at
        ldp     \a, \b, [sp, #\at]
        .cfi_restore \a
        .cfi_restore \b
        .endm

        .macro set_d reg, bit           // reg = seed + bit, as bits
        add     x9, x0, #\bit
        fmov    \reg, x9
        .endm

        .macro check reg, bit           // x0 |= (reg != seed + bit) << bit
        add     x9, x10, #\bit
        cmp     x9, \reg
        cset    x9, ne
        orr     x0, x0, x9, lsl #\bit
        .endm

        .macro check_d reg, bit
        fmov    x11, \reg
        check   x11, \bit
        .endm

        .text
        .globl  kt_regs_switch
        .type   kt_regs_switch, %function
kt_regs_switch:                         // x0 seed, x1 save_sp, x2 load_sp, x3 post, x4 arg
        .cfi_startproc
        hint    #34                     // bti c
        sub     sp, sp, #176
        .cfi_def_cfa_offset 176
        save    x19, x20, 0
        save    x21, x22, 16
        save    x23, x24, 32
        save    x25, x26, 48
        save    x27, x28, 64
        save    x29, x30, 80
        save    d8, d9, 96
        save    d10, d11, 112
        save    d12, d13, 128
        save    d14, d15, 144
        str     x0, [sp, #160]          // the seed
        mov     x19, x0
        add     x20, x0, #1
        add     x21, x0, #2
        add     x22, x0, #3
        add     x23, x0, #4
        add     x24, x0, #5
        add     x25, x0, #6
        add     x26, x0, #7
        add     x27, x0, #8
        add     x28, x0, #9
        add     x29, x0, #10
        set_d   d8, 11
        set_d   d9, 12
        set_d   d10, 13
        set_d   d11, 14
        set_d   d12, 15
        set_d   d13, 16
        set_d   d14, 17
        set_d   d15, 18
        mov     x0, x1
        mov     x1, x2
        mov     x2, x3
        mov     x3, x4
        bl      kci_ctx_switch
        ldr     x10, [sp, #160]
        mov     x0, #0
        check   x19, 0
        check   x20, 1
        check   x21, 2
        check   x22, 3
        check   x23, 4
        check   x24, 5
        check   x25, 6
        check   x26, 7
        check   x27, 8
        check   x28, 9
        check   x29, 10
        check_d d8, 11
        check_d d9, 12
        check_d d10, 13
        check_d d11, 14
        check_d d12, 15
        check_d d13, 16
        check_d d14, 17
        check_d d15, 18
        load    x19, x20, 0
        load    x21, x22, 16
        load    x23, x24, 32
        load    x25, x26, 48
        load    x27, x28, 64
        load    x29, x30, 80
        load    d8, d9, 96
        load    d10, d11, 112
        load    d12, d13, 128
        load    d14, d15, 144
        add     sp, sp, #176
        .cfi_def_cfa_offset 0
        ret
        .cfi_endproc
        .size   kt_regs_switch, .-kt_regs_switch

        .section .note.GNU-stack,"",%progbits
