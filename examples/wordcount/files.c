/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * files.c — walks directories in sorted order.
 *
 * The whole list is made before the counting starts: it gives the progress bar its end, and an
 * order that does not depend on anything but the names. Paths need about a hundred bytes a
 * file. A path that is too long for the system is reported like any other that cannot be read.
 */
#include "files.h"

#include <dirent.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

struct names {
    char **list;
    size_t count;
    size_t room;
};

static int walk(struct files *f, const char *dir, const struct leave_out *out);
static int read_names(const char *dir, const struct leave_out *out, struct names *names);
static int read_all(DIR *d, const struct leave_out *out, struct names *names);
static int visit(struct files *f, char *path, const char *const *ends);
static int take(struct files *f, char *path, uint64_t size);
static int note_bad(struct files *f, char *path, int error);
static char *join(const char *dir, const char *name);
static void *with_room(void *list, size_t count, size_t *room, size_t size);
static void names_fini(struct names *names);
static int by_name(const void *a, const void *b);

int files_add(struct files *f, const char *path, const struct leave_out *out)
{
    struct stat st;
    bool found = stat(path, &st) == 0;
    int error = found ? 0 : -errno;

    if (found && S_ISDIR(st.st_mode))
        return walk(f, path, out ? out : &(struct leave_out){ 0 });
    char *copy = strdup(path);
    if (!copy)
        return -ENOMEM;
    return found ? take(f, copy, S_ISREG(st.st_mode) ? (uint64_t)st.st_size : 0)
                 : note_bad(f, copy, error);
}

void files_fini(struct files *f)
{
    for (size_t i = 0; i < f->count; i++)
        free(f->list[i].path);
    for (size_t i = 0; i < f->bad_count; i++)
        free(f->bad[i].path);
    free(f->list);
    free(f->bad);
    *f = (struct files){ 0 };
}

static int walk(struct files *f, const char *dir, const struct leave_out *out)
{
    struct names names = { 0 };
    int rc = read_names(dir, out, &names);

    if (rc < 0 && rc != -ENOMEM) {
        char *copy = strdup(dir);
        rc = copy ? note_bad(f, copy, rc) : -ENOMEM;
    }
    for (size_t i = 0; i < names.count && rc == 0; i++) {
        char *path = join(dir, names.list[i]);
        rc = path ? visit(f, path, out->ends) : -ENOMEM;
    }
    names_fini(&names);
    return rc;
}

/* What could be read is in `names`, sorted, also when the rest could not. */
static int read_names(const char *dir, const struct leave_out *out, struct names *names)
{
    DIR *d = opendir(dir);
    if (!d)
        return -errno;
    int rc = read_all(d, out, names);
    closedir(d);
    if (names->count)
        qsort(names->list, names->count, sizeof *names->list, by_name);
    return rc;
}

static bool ends_with(const char *name, const char *end)
{
    size_t n = strlen(name);
    size_t m = strlen(end);
    return n > m && strcmp(name + n - m, end) == 0;
}

static bool is_left_out(const char *name, const struct leave_out *out)
{
    if (strcmp(name, ".") == 0 || strcmp(name, "..") == 0)
        return true;
    for (const char *const *s = out->names; s && *s; s++)
        if (strcmp(name, *s) == 0)
            return true;
    for (const char *const *s = out->ends; s && *s; s++)
        if (ends_with(name, *s))
            return true;
    return false;
}

static int read_all(DIR *d, const struct leave_out *out, struct names *names)
{
    for (;;) {
        errno = 0; // the only way to tell an error from the end
        const struct dirent *entry = readdir(d);
        if (!entry)
            return -errno;
        if (is_left_out(entry->d_name, out))
            continue;
        char **list = with_room(names->list, names->count, &names->room, sizeof *list);
        if (!list)
            return -ENOMEM;
        names->list = list;
        list[names->count] = strdup(entry->d_name);
        if (!list[names->count])
            return -ENOMEM;
        names->count++;
    }
}

/* Takes `path`. */
static int visit(struct files *f, char *path, const char *const *ends)
{
    const struct leave_out below = { .ends = ends };
    struct stat st;
    int error = lstat(path, &st) == 0 ? 0 : -errno;
    bool link = !error && S_ISLNK(st.st_mode);

    if (link)
        error = stat(path, &st) == 0 ? 0 : -errno;
    bool dangling = link && (error == -ENOENT || error == -ELOOP || error == -ENOTDIR);
    if (error && !dangling)
        return note_bad(f, path, error);
    if (!error && S_ISREG(st.st_mode))
        return take(f, path, (uint64_t)st.st_size);

    int rc = !error && !link && S_ISDIR(st.st_mode) ? walk(f, path, &below) : 0;
    free(path);
    return rc;
}

/* Takes `path`. */
static int take(struct files *f, char *path, uint64_t size)
{
    struct file *list = with_room(f->list, f->count, &f->room, sizeof *list);
    if (!list) {
        free(path);
        return -ENOMEM;
    }
    f->list = list;
    list[f->count++] = (struct file){ path, size };
    f->bytes += size;
    return 0;
}

/* Takes `path`. */
static int note_bad(struct files *f, char *path, int error)
{
    struct bad_name *bad = with_room(f->bad, f->bad_count, &f->bad_room, sizeof *bad);
    if (!bad) {
        free(path);
        return -ENOMEM;
    }
    f->bad = bad;
    bad[f->bad_count++] = (struct bad_name){ path, error };
    return 0;
}

static char *join(const char *dir, const char *name)
{
    size_t n = strlen(dir);
    size_t m = strlen(name);
    char *path = malloc(n + m + 2);

    if (!path)
        return NULL;
    memcpy(path, dir, n);
    if (n && dir[n - 1] != '/')
        path[n++] = '/';
    memcpy(path + n, name, m + 1);
    return path;
}

/* The list, with room for one more; NULL without memory, then the old one is still good. */
static void *with_room(void *list, size_t count, size_t *room, size_t size)
{
    if (count < *room)
        return list;
    size_t wanted = *room ? 2 * *room : 64;
    void *grown = wanted <= SIZE_MAX / size ? realloc(list, wanted * size) : NULL;
    if (grown)
        *room = wanted;
    return grown;
}

static void names_fini(struct names *names)
{
    for (size_t i = 0; i < names->count; i++)
        free(names->list[i]);
    free(names->list);
}

static int by_name(const void *a, const void *b)
{
    return strcmp(*(char *const *)a, *(char *const *)b);
}
