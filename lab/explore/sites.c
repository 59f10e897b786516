/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * lab/explore/sites.c — from addresses to "kc_send at bank.c:12".
 *
 * addr2line (binutils) knows inlined functions and both kinds of debug information; writing
 * that again would be a library of its own. Where it is not installed, or a program has no
 * debug information, the nearest symbol has to do.
 *
 * A site is a stack. The program's own line is the first frame whose source is not the
 * library's; the operation is the library's function that it called.
 */
#include <stdlib.h>
#include <string.h>

#include "arch/os.h"
#include "lab/explore/story.h"

enum { COMMAND = 16 << 10, LINE = 512 };

/* The sources this file was compiled from: "…/lab/explore/sites.c" without the end. */
static size_t root_length(void)
{
    const char *end = strstr(__FILE__, "lab/explore/sites.c");
    return end ? (size_t)(end - __FILE__) : 0;
}

static bool is_ours(const char *file)
{
    static const char *const parts[] = { "arch/", "core/",   "sched/", "io/",      "chan/",
                                         "select/", "ipc/", "lab/explore/", "lab/check/",
                                         "runtime/", "include/" };
    size_t n = root_length();

    if (strncmp(file, __FILE__, n) != 0)
        return false;
    for (size_t i = 0; i < sizeof parts / sizeof parts[0]; i++)
        if (!strncmp(file + n, parts[i], strlen(parts[i])))
            return true;
    return false;
}

static const char *base_name(const char *path)
{
    const char *slash = strrchr(path, '/');
    return slash ? slash + 1 : path;
}

/* ---- one stack, told by addr2line from the innermost function outwards ---- */

struct teller {
    struct kci_place *place;
    bool found;
};

static void set_op(struct kci_place *p, const char *function)
{
    if (!strncmp(function, "kci_", 4))
        snprintf(p->op, sizeof p->op, "kc_%.36s", function + 4);
    else if (!strncmp(function, "kc_", 3))
        snprintf(p->op, sizeof p->op, "%.39s", function);
    else if (!strncmp(function, "__tsan_", 7)) // lab/check: an access of the program's own
        snprintf(p->op, sizeof p->op, "%s",
                 strstr(function, "atomic") ? "atomic" : strstr(function, "read") ? "reads"
                                                                                  : "writes");
}

static void hear(struct teller *t, const char *function, char *at)
{
    if (t->found)
        return;
    at[strcspn(at, " \n")] = '\0'; // " (discriminator 3)"
    if (at[0] == '?' || is_ours(at) || !strncmp(function, "kc_", 3)) {
        set_op(t->place, function);
        return;
    }
    snprintf(t->place->where, sizeof t->place->where, "%.90s", base_name(at));
    t->found = true;
}

/* Reads "0xADDRESS", then pairs of lines until the next address. */
static void listen(FILE *in, struct teller *tellers, const uint32_t *whose, size_t n)
{
    char function[LINE], at[LINE];
    size_t i = 0;

    while (fgets(function, sizeof function, in)) {
        if (!strncmp(function, "0x", 2)) {
            i++;
            continue;
        }
        function[strcspn(function, "\n")] = '\0';
        if (!fgets(at, sizeof at, in) || i == 0 || i > n)
            break;
        hear(&tellers[whose[i - 1]], function, at);
    }
}

/* ---- all stacks, module by module ---- */

/* As many addresses of one module as a command line takes. Returns where it stopped. */
struct batch {
    char command[COMMAND];
    size_t length, n;
    uint32_t whose[COMMAND / 16];
};

static void ask(struct batch *b, struct teller *tellers)
{
    FILE *in = b->n ? popen(b->command, "r") : NULL;

    if (in) {
        listen(in, tellers, b->whose, b->n);
        pclose(in);
    }
    b->n = 0;
}

static void add_address(struct batch *b, const char *module, uintptr_t offset, uint32_t who)
{
    if (!b->n)
        b->length = (size_t)snprintf(b->command, sizeof b->command,
                                     "addr2line -a -f -i -e '%s' 2>/dev/null", module);
    b->length += (size_t)snprintf(b->command + b->length, sizeof b->command - b->length,
                                  " 0x%lx", (unsigned long)offset);
    b->whose[b->n++] = who;
}

static bool is_full(const struct batch *b)
{
    return b->n == sizeof b->whose / sizeof b->whose[0] || b->length + 32 > COMMAND;
}

/* Frames go in order, so that the first that is not ours is the innermost. */
static void tell_all(const struct kci_site *const *sites, size_t n, struct teller *tellers,
                     struct batch *b)
{
    const char *module = NULL;

    for (size_t i = 0; i < n; i++)
        for (int f = 0; f < sites[i]->n; f++) {
            struct kci_symbol sym;
            // A return address: the call is before it.
            if (!kci_os_symbol((char *)sites[i]->pc[f] - 1, &sym) || strchr(sym.module, '\''))
                continue;
            if (b->n && (is_full(b) || strcmp(module, sym.module) != 0))
                ask(b, tellers);
            module = sym.module;
            add_address(b, module, sym.offset, (uint32_t)i);
        }
    ask(b, tellers);
}

/* Without debug information: the outermost named function is better than nothing. */
static void fall_back(const struct kci_site *site, struct kci_place *p)
{
    struct kci_symbol sym;

    for (int f = 0; f < site->n && !p->where[0]; f++) {
        if (!kci_os_symbol((char *)site->pc[f] - 1, &sym) || !sym.name)
            continue;
        if (strncmp(sym.name, "kc", 2) != 0)
            snprintf(p->where, sizeof p->where, "%.60s+0x%lx", sym.name,
                     (unsigned long)sym.into);
        else
            set_op(p, sym.name);
    }
}

void kci_sites_resolve(const struct kci_site *const *sites, size_t n, struct kci_place *out)
{
    struct teller *tellers = calloc(n ? n : 1, sizeof *tellers);
    struct batch *b = calloc(1, sizeof *b);

    memset(out, 0, n * sizeof *out);
    for (size_t i = 0; tellers && i < n; i++)
        tellers[i].place = &out[i];
    if (tellers && b)
        tell_all(sites, n, tellers, b);
    for (size_t i = 0; i < n; i++)
        if (!out[i].where[0])
            fall_back(sites[i], &out[i]);
    free(tellers);
    free(b);
}

void kci_sites_name(kc_fn fn, char *out, size_t bytes)
{
    char command[LINE], line[LINE];
    struct kci_symbol sym;
    void *pc;

    *out = '\0';
    memcpy(&pc, &fn, sizeof pc); // ISO C has no cast from functions to objects, POSIX does
    if (!kci_os_symbol(pc, &sym) || strchr(sym.module, '\'') || strlen(sym.module) > LINE / 2)
        return;
    snprintf(command, sizeof command, "addr2line -f -e '%.256s' 0x%lx 2>/dev/null", sym.module,
             (unsigned long)sym.offset);
    FILE *in = popen(command, "r");
    if (in && fgets(line, sizeof line, in) && line[0] != '?') {
        line[strcspn(line, "\n")] = '\0';
        char *tail = strstr(line, "__tramp"); // what KC_CO makes
        if (tail)
            *tail = '\0';
        snprintf(out, bytes, "%.*s", (int)bytes - 1, line);
    }
    if (in)
        pclose(in);
}
