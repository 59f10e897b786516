/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * core/panic.c — last words. Uses write(2) only, so it works on a broken heap or a small stack.
 */
#include "core/assert.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static void say(const char *text)
{
    // A short or failed write of last words has nobody left to tell.
    ssize_t unused = write(STDERR_FILENO, text, strlen(text));
    (void)unused;
}

static void say_number(unsigned n)
{
    char digits[12], *p = digits + sizeof digits - 1;

    *p = '\0';
    do {
        *--p = (char)('0' + n % 10);
        n /= 10;
    } while (n);
    say(p);
}

void kci_panic(const char *kind, const char *what, const char *file, int line)
{
    say("kcoro: ");
    say(kind);
    say(": ");
    say(what);
    say(" (");
    say(file);
    say(":");
    say_number((unsigned)line);
    say(")\n");
    abort();
}
