/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * main.c — wordcount: count words of many files with several processes.
 *
 * A demonstration of kcoro: coroutines in two kinds of processes, joined by remote channels.
 * The answer does not depend on how many workers there are, how the files were cut, or who was
 * killed.
 *
 * Exit status  0 all was counted
 *              1 something could not be read, or there was not enough memory
 *              2 bad options
 */
#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "coord.h"
#include "crew.h"
#include "files.h"
#include "show.h"
#include "worker.h"

enum { BAD_USAGE = 2, DEFAULT_TOP = 20, DEFAULT_MOST = 64 };

struct options {
    long workers;
    long top;
    bool json;
    bool help;
    const char *serve; /* be a worker at this address */
    char **names;      /* what to count */
    int nnames;
};

static const char usage[] = "usage: wordcount [--workers N] [--top K] [--json] [FILE|DIR...]\n";

static const char help[] =
    "\n"
    "Count the words of files with several processes: a word is a run of ASCII letters,\n"
    "upper and lower case are the same.\n"
    "\n"
    "  --workers N  worker processes, 1 to 200 (default: one per processor, at least 2)\n"
    "  --top K      how many of the most frequent words to print (default 20)\n"
    "  --json       print one JSON object and nothing else\n"
    "  --help       print this\n"
    "\n"
    "Directories are walked in sorted order. In them, links to files are followed; links to\n"
    "directories, pipes, devices and sockets are skipped. Without FILE or DIR the current\n"
    "directory is read (without .git and build) and the system's licence and documentation\n"
    "texts (without what is compressed). Files that cannot be read are named on standard\n"
    "error and make the exit status 1.\n";

static int parse(struct options *o, int argc, char **argv);
static int parse_option(struct options *o, int argc, char **argv, int *i);
static int parse_number(const char *name, const char *value, long min, long max, long *out);
static const char *option_value(const char *name, int argc, char **argv, int *i);
static long default_workers(void);
static int find_files(const struct options *o, struct files *files);
static int find_default(struct files *files);
static int count(const struct options *o, const struct files *files, const char *program);
static int print(const struct options *o, struct answer *a);

int main(int argc, char **argv)
{
    struct options o = { .workers = default_workers(), .top = DEFAULT_TOP };
    const char *program = argv[0];
    struct files files = { 0 };

    show_setup();
    if (parse(&o, argc, argv) < 0)
        return BAD_USAGE;
    if (o.help) {
        printf("%s%s", usage, help);
        return fflush(stdout) == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
    }
    if (o.serve)
        return worker_run(o.serve);
    int rc = find_files(&o, &files);
    if (rc == 0)
        rc = count(&o, &files, program);
    else
        show_bad("looking for files", rc);
    bool all = rc == 0 && files.bad_count == 0;
    files_fini(&files);
    return all ? EXIT_SUCCESS : EXIT_FAILURE;
}

/* Names and options in any order; the names move to the front of argv.
 * Returns 0; -EINVAL, and the user has been told. */
static int parse(struct options *o, int argc, char **argv)
{
    bool names_only = false;
    int rc = 0;

    o->names = argv;
    for (int i = 1; i < argc && rc == 0; i++) {
        if (names_only || argv[i][0] != '-' || !argv[i][1])
            o->names[o->nnames++] = argv[i];
        else if (strcmp(argv[i], "--") == 0)
            names_only = true;
        else
            rc = parse_option(o, argc, argv, &i);
    }
    return rc;
}

static int parse_option(struct options *o, int argc, char **argv, int *i)
{
    const char *option = argv[*i];
    const char *value;

    if (strcmp(option, "--help") == 0 || strcmp(option, "-h") == 0)
        o->help = true;
    else if (strcmp(option, "--json") == 0)
        o->json = true;
    else if ((value = option_value("--workers", argc, argv, i)))
        return parse_number("--workers", value, 1, CREW_MAX, &o->workers);
    else if ((value = option_value("--top", argc, argv, i)))
        return parse_number("--top", value, 0, 1000000000, &o->top);
    else if ((value = option_value("--worker", argc, argv, i)))
        o->serve = value;
    else {
        fprintf(stderr, "wordcount: unknown option '%s'\n%s", option, usage);
        return -EINVAL;
    }
    return 0;
}

static int parse_number(const char *name, const char *value, long min, long max, long *out)
{
    char *end;

    errno = 0;
    long n = strtol(value, &end, 10);
    if (errno || end == value || *end || n < min || n > max) {
        fprintf(stderr, "wordcount: %s needs a number from %ld to %ld, not '%s'\n%s", name, min,
                max, value, usage);
        return -EINVAL;
    }
    *out = n;
    return 0;
}

/* The value of `--name value` or `--name=value`, "" if it is missing; NULL: another option. */
static const char *option_value(const char *name, int argc, char **argv, int *i)
{
    size_t n = strlen(name);

    if (strncmp(argv[*i], name, n) != 0)
        return NULL;
    if (argv[*i][n] == '=')
        return argv[*i] + n + 1;
    if (argv[*i][n])
        return NULL;
    return *i + 1 < argc ? argv[++*i] : "";
}

static long default_workers(void)
{
    long n = sysconf(_SC_NPROCESSORS_ONLN);
    return n < 2 ? 2 : n > DEFAULT_MOST ? DEFAULT_MOST : n;
}

static int find_files(const struct options *o, struct files *files)
{
    int rc = 0;

    if (!o->nnames)
        rc = find_default(files);
    for (int i = 0; i < o->nnames && rc == 0; i++)
        rc = files_add(files, strcmp(o->names[i], "-") ? o->names[i] : "/dev/stdin", NULL);
    for (size_t i = 0; i < files->bad_count; i++)
        show_bad(files->bad[i].path, files->bad[i].error);
    return rc;
}

/* Of the system's texts only what is text: counting words of compressed files says little. */
static int find_default(struct files *files)
{
    static const char *const ours[] = { ".git", "build", NULL };
    static const char *const packed[] = { ".gz", ".bz2", ".xz", ".zip", ".jar", ".png", NULL };
    static const char *const theirs[] = { "/usr/share/common-licenses", "/usr/share/doc" };
    char said[128] = "nothing named: reading this directory";

    int rc = files_add(files, ".", &(struct leave_out){ .names = ours });
    for (size_t i = 0; i < 2 && rc == 0; i++) {
        if (access(theirs[i], R_OK | X_OK) != 0)
            continue;
        strcat(said, i ? " and " : ", ");
        strcat(said, theirs[i]);
        rc = files_add(files, theirs[i], &(struct leave_out){ .ends = packed });
    }
    show_note("%s", said);
    return rc;
}

static int count(const struct options *o, const struct files *files, const char *program)
{
    struct answer a;

    int rc = coord_run(files, (int)o->workers, program, &a);
    if (rc < 0) {
        show_bad("counting", rc);
        return rc;
    }
    uint64_t unreadable = a.unreadable;
    a.unreadable += files->bad_count;
    rc = print(o, &a);
    coord_free(&a);
    return rc ? rc : unreadable ? -EIO : 0;
}

static int print(const struct options *o, struct answer *a)
{
    int rc = o->json ? show_json(a, (size_t)o->top) : show_report(a, (size_t)o->top);

    if (rc < 0)
        show_bad("standard output", rc);
    return rc;
}
