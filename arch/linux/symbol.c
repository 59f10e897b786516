/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * arch/linux/symbol.c — the caller's stack, and what lies at an address.
 *
 * Files that are always loaded at one place count addresses from 0, all others from where they
 * were loaded: their own header, which is mapped, says which kind they are.
 */
#define _GNU_SOURCE

#include <dlfcn.h>
#include <elf.h>
#include <execinfo.h>
#include <string.h>

#include "arch/os.h"

int kci_os_backtrace(void **pcs, int most)
{
    void *all[64];
    int n = backtrace(all, most < 63 ? most + 1 : 64) - 1; // without this function itself

    if (n <= 0)
        return 0;
    memcpy(pcs, all + 1, (size_t)n * sizeof *pcs);
    return n;
}

static bool is_fixed(const void *base)
{
    uint16_t type;

    memcpy(&type, (const char *)base + offsetof(Elf64_Ehdr, e_type), sizeof type);
    return type == ET_EXEC;
}

bool kci_os_symbol(const void *address, struct kci_symbol *out)
{
    Dl_info info;

    if (!dladdr(address, &info) || !info.dli_fname)
        return false;
    out->module = info.dli_fname;
    out->offset = (uintptr_t)address;
    if (!is_fixed(info.dli_fbase))
        out->offset -= (uintptr_t)info.dli_fbase;
    out->name = info.dli_sname;
    out->into = info.dli_saddr ? (uintptr_t)address - (uintptr_t)info.dli_saddr : 0;
    return true;
}
