/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * arch/ctx.h — contract: leave one stack, continue on another.
 *
 * A suspended context is its stack pointer; everything else is in the frame it points to, laid
 * out in arch/<cpu>/frame.h. Saved: all callee-saved registers, floating point included. Not
 * saved: the floating-point environment (rounding mode …), which belongs to the worker thread.
 *
 * Cost: about 16 instructions on x86-64. The switch leaves by jumping to `post`, whose return
 * pops the address that the caller's call pushed, so the return predictor stays balanced as
 * long as all switches come from one call site.
 */
#ifndef ARCH_CTX_H
#define ARCH_CTX_H

/*
 * kci_ctx_make — a context that will call entry(arg) on the stack ending at `top`.
 *
 * `top` is 16-byte aligned, with at least KCI_FRAME_BYTES below it. entry never returns.
 * Returns the stack pointer to switch to. Nothing else is stored anywhere.
 */
void *kci_ctx_make(void *top, void (*entry)(void *), void *arg);

/*
 * kci_ctx_switch — save here into *save_sp, continue at `load_sp`, and there call post(arg)
 * first.
 *
 * post (never NULL) runs on the new stack: from now on the old context may be continued by
 * anybody, also before post returns. Returns when somebody switches back to *save_sp.
 */
void kci_ctx_switch(void **save_sp, void *load_sp, void (*post)(void *), void *arg);

/* Where a new context begins; calls entry(arg). Unwinding stops here. Never called from C. */
void kci_ctx_start(void);

#endif
