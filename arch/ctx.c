/* SPDX-License-Identifier: BSD-3-Clause */
/* arch/ctx.c — the first frame of a context; the layout comes from the CPU's frame.h. */
#include "arch/ctx.h"

#include <stdint.h>
#include <string.h>

#if defined(__x86_64__)
#include "arch/x86_64/frame.h"
#elif defined(__aarch64__)
#include "arch/aarch64/frame.h"
#elif defined(__riscv) && __riscv_xlen == 64
#include "arch/riscv64/frame.h"
#else
#error "no switcher for this CPU: write arch/<cpu>/switch.S and frame.h, and list them here"
#endif

static void put(unsigned char *frame, unsigned offset, uintptr_t value)
{
    memcpy(frame + offset, &value, sizeof value);
}

void *kci_ctx_make(void *top, void (*entry)(void *), void *arg)
{
    unsigned char *frame = (unsigned char *)top - KCI_FRAME_BYTES;

    memset(frame, 0, KCI_FRAME_BYTES);
    put(frame, KCI_FRAME_PC, (uintptr_t)kci_ctx_start + KCI_FRAME_START);
    put(frame, KCI_FRAME_ENTRY, (uintptr_t)entry);
    put(frame, KCI_FRAME_ARG, (uintptr_t)arg);
    return frame;
}
