/* SPDX-License-Identifier: BSD-3-Clause */
/* tests/arch/regs_x86_64.S — bits 0–5: rbx rbp r12 r13 r14 r15. Vectors are not saved. */

        .macro save reg
        pushq   %\reg
        .cfi_adjust_cfa_offset 8
        .cfi_rel_offset \reg, 0
        .endm

        .macro load reg
        popq    %\reg
        .cfi_adjust_cfa_offset -8
        .cfi_restore \reg
        .endm

        .macro check reg, bit           # rax |= (reg != seed + bit) << bit
        leaq    \bit(%rdi), %rcx
        xorl    %edx, %edx
        cmpq    %rcx, %\reg
        setne   %dl
        shlq    $\bit, %rdx
        orq     %rdx, %rax
        .endm

        .text
        .globl  kt_regs_switch
        .type   kt_regs_switch, @function
kt_regs_switch:                         # rdi seed, rsi save_sp, rdx load_sp, rcx post, r8 arg
        .cfi_startproc
        endbr64
        save    rbp
        save    rbx
        save    r12
        save    r13
        save    r14
        save    r15
        pushq   %rdi                    # the seed; also aligns the stack for the call
        .cfi_adjust_cfa_offset 8
        movq    %rdi, %rbx
        leaq    1(%rdi), %rbp
        leaq    2(%rdi), %r12
        leaq    3(%rdi), %r13
        leaq    4(%rdi), %r14
        leaq    5(%rdi), %r15
        movq    %rsi, %rdi
        movq    %rdx, %rsi
        movq    %rcx, %rdx
        movq    %r8, %rcx
        callq   kci_ctx_switch
        popq    %rdi
        .cfi_adjust_cfa_offset -8
        xorl    %eax, %eax
        check   rbx, 0
        check   rbp, 1
        check   r12, 2
        check   r13, 3
        check   r14, 4
        check   r15, 5
        load    r15
        load    r14
        load    r13
        load    r12
        load    rbx
        load    rbp
        ret
        .cfi_endproc
        .size   kt_regs_switch, .-kt_regs_switch

        .section .note.GNU-stack,"",@progbits
