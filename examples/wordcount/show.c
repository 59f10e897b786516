/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * show.c — how it looks.
 *
 * Bars are drawn with eighths of a block where the locale has them, else with #. The progress
 * bar is one line on standard error that is rewritten in place; whatever else is said there
 * wipes it out first, and the next redraw brings it back.
 */
#include "show.h"

#include <errno.h>
#include <inttypes.h>
#include <langinfo.h>
#include <locale.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "count.h"

enum { WORD_COLUMNS = 24, BAR_COLUMNS = 32, LINE = 512 };

static bool has_blocks;
static bool has_terminal;
static bool is_drawn;

static void bar(char *out, double part, int columns, bool padded);
static const char *grouped(char buf[32], uint64_t n);
static const char *plain_name(char *out, size_t room, const char *path);
static void report_top(const struct word *const *top, size_t n);
static void report_word(const struct word *w, int columns, int digits, double part);
static void report_sums(const struct answer *a);
static void report_workers(const struct answer *a);
static void report_share(const char *name, const struct share *s, uint64_t bytes);
static int flushed(void);

void show_setup(void)
{
    const char *term = getenv("TERM");

    setlocale(LC_CTYPE, "");
    has_blocks = strcmp(nl_langinfo(CODESET), "UTF-8") == 0;
    has_terminal = isatty(STDERR_FILENO) && term && strcmp(term, "dumb") != 0;
}

void show_note(const char *format, ...)
{
    char line[LINE];
    va_list args;

    show_progress_end();
    va_start(args, format);
    vsnprintf(line, sizeof line, format, args);
    va_end(args);
    fprintf(stderr, "wordcount: %s\n", line);
}

void show_bad(const char *path, int error)
{
    char name[LINE];
    char reason[128];

    if (strerror_r(-error, reason, sizeof reason) != 0)
        snprintf(reason, sizeof reason, "error %d", -error);
    show_progress_end();
    fprintf(stderr, "wordcount: %s: %s\n", plain_name(name, sizeof name, path), reason);
}

void show_progress(const struct progress *p)
{
    uint64_t total = p->total > p->unread ? p->total - p->unread : 0;
    double part = total ? (double)p->done / (double)total : 0;
    double seconds = (double)p->elapsed_ns / 1e9;
    char drawn[4 * BAR_COLUMNS];

    if (!has_terminal)
        return;
    if (p->done > total) { // a pipe, or a file that has grown
        total = p->done;
        part = 1;
    }
    bar(drawn, part, BAR_COLUMNS, true);
    fprintf(stderr, "\r%3.0f %% %s %.1f of %.1f MB, %.0f MB/s, %d worker%s\033[K", part * 100,
            drawn, (double)p->done / 1e6, (double)total / 1e6,
            seconds > 0 ? (double)p->done / 1e6 / seconds : 0, p->workers,
            p->workers == 1 ? "" : "s");
    is_drawn = true;
}

void show_progress_end(void)
{
    if (is_drawn)
        fputs("\r\033[K", stderr);
    is_drawn = false;
}

static const struct word **top_words(const struct table *t, size_t wanted, size_t *n)
{
    size_t k = wanted < t->nwords ? wanted : t->nwords;
    const struct word **top = calloc(k + 1, sizeof *top);

    *n = top ? table_top(t, top, k) : 0;
    return top;
}

int show_report(const struct answer *a, size_t wanted)
{
    size_t n;
    const struct word **top = top_words(&a->tally.total.words, wanted, &n);

    if (!top)
        return -ENOMEM;
    report_top(top, n);
    report_sums(a);
    report_workers(a);
    free(top);
    return flushed();
}

int show_json(const struct answer *a, size_t wanted)
{
    const struct sum *s = &a->tally.total;
    size_t n;
    const struct word **top = top_words(&s->words, wanted, &n);

    if (!top)
        return -ENOMEM;
    printf("{\"words\":%" PRIu64 ",\"distinct\":%zu,\"bytes\":%" PRIu64 ",\"files\":%" PRIu64
           ",\"top\":[",
           s->nwords, s->words.nwords, s->bytes, s->files);
    for (size_t i = 0; i < n; i++) { // letters only: nothing to escape
        fputs(i ? ",[\"" : "[\"", stdout);
        fwrite(top[i]->text, 1, top[i]->len, stdout);
        printf("\",%" PRIu64 "]", top[i]->count);
    }
    puts("]}");
    free(top);
    return flushed();
}

/* `part` of so many columns, in eighths: at most 3 bytes each. */
static void bar(char *out, double part, int columns, bool padded)
{
    static const char *const eighths[] = { "", "▏", "▎", "▍", "▌", "▋", "▊", "▉" };
    int filled = (int)(part * columns * 8 + 0.5);
    size_t width = has_blocks ? 3 : 1;
    int column = 0;

    for (; column < filled / 8; column++)
        out = strcpy(out, has_blocks ? "█" : "#") + width;
    if (has_blocks && filled % 8) {
        out = strcpy(out, eighths[filled % 8]) + width;
        column++;
    }
    for (; padded && column < columns; column++)
        out = strcpy(out, has_blocks ? "░" : ".") + width;
    *out = '\0';
}

/* 1234567 as 1,234,567 */
static const char *grouped(char buf[32], uint64_t n)
{
    char *at = buf + 31;
    int digits = 0;

    *at = '\0';
    do {
        if (digits && digits % 3 == 0)
            *--at = ',';
        *--at = (char)('0' + n % 10);
        digits++;
    } while (n /= 10);
    return at;
}

/* The name on one line: control bytes in octal. As much as there is room for. */
static const char *plain_name(char *out, size_t room, const char *path)
{
    size_t n = 0;

    for (; *path && n + 5 < room; path++) {
        unsigned char c = (unsigned char)*path;
        if (c >= 0x20 && c != 0x7f)
            out[n++] = (char)c;
        else
            n += (size_t)snprintf(out + n, room - n, "\\%03o", c);
    }
    out[n] = '\0';
    return out;
}

static void report_top(const struct word *const *top, size_t n)
{
    char buf[32];
    int columns = 0;

    for (size_t i = 0; i < n; i++)
        if ((int)top[i]->len > columns && columns < WORD_COLUMNS)
            columns = top[i]->len < WORD_COLUMNS ? (int)top[i]->len : WORD_COLUMNS;
    int digits = n ? (int)strlen(grouped(buf, top[0]->count)) : 0;
    for (size_t i = 0; i < n; i++)
        report_word(top[i], columns, digits, (double)top[i]->count / (double)top[0]->count);
    if (n)
        putchar('\n');
}

static void report_word(const struct word *w, int columns, int digits, double part)
{
    bool whole = w->len <= WORD_COLUMNS;
    int shown = whole ? (int)w->len : WORD_COLUMNS - 3;
    char drawn[4 * BAR_COLUMNS];
    char buf[32];

    bar(drawn, part, BAR_COLUMNS, false);
    printf("  %.*s%s%*s  %*s  %s\n", shown, w->text, whole ? "" : "...",
           columns - shown - (whole ? 0 : 3), "", digits, grouped(buf, w->count), drawn);
}

static void report_sums(const struct answer *a)
{
    const struct sum *s = &a->tally.total;
    double seconds = a->elapsed_ns > 0 ? (double)a->elapsed_ns / 1e9 : 1e-9;
    char buf[32];

    printf("  words     %16s  %10.2f million/s\n", grouped(buf, s->nwords),
           (double)s->nwords / 1e6 / seconds);
    printf("  distinct  %16s\n", grouped(buf, s->words.nwords));
    printf("  bytes     %16s  %10.2f MB/s\n", grouped(buf, s->bytes),
           (double)s->bytes / 1e6 / seconds);
    printf("  files     %16s", grouped(buf, s->files));
    if (a->unreadable)
        printf("  (not read: %s)", grouped(buf, a->unreadable));
    printf("\n  seconds   %16.3f\n\n", seconds);
}

static void report_workers(const struct answer *a)
{
    char all[32], chunks[32], name[32];
    uint64_t coroutines = a->coroutines;
    uint64_t bytes = 0;

    for (int i = 0; i <= a->workers; i++) {
        coroutines += a->shares[i].coroutines;
        bytes += a->shares[i].bytes;
    }
    printf("  %d worker process%s, %s coroutines, %s chunks of %u KiB over remote channels\n",
           a->workers, a->workers == 1 ? "" : "es", grouped(all, coroutines),
           grouped(chunks, a->chunks), CHUNK_BYTES / 1024);
    for (int i = 0; i < a->workers; i++) {
        snprintf(name, sizeof name, "worker %d", i + 1);
        report_share(name, &a->shares[i], bytes);
    }
    if (a->shares[a->workers].chunks)
        report_share("coordinator", &a->shares[a->workers], bytes);
    if (a->lost)
        printf("  workers lost on the way: %s\n", grouped(all, a->lost));
}

static void report_share(const char *name, const struct share *s, uint64_t bytes)
{
    double part = bytes ? (double)s->bytes / (double)bytes : 0;
    char drawn[4 * BAR_COLUMNS];
    char buf[32];

    bar(drawn, part, BAR_COLUMNS, false);
    printf("  %-12s %5.1f %%  %10s chunks  %s\n", name, part * 100, grouped(buf, s->chunks),
           drawn);
}

static int flushed(void)
{
    errno = 0;
    if (fflush(stdout) == 0 && !ferror(stdout))
        return 0;
    return errno ? -errno : -EIO;
}
