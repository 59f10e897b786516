/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * source.c — reads files, packs small ones, cuts large ones.
 *
 * Why packs   a chunk is an element of fixed size: one per file would send 32 KiB for a file of
 *             200 bytes. Packing made a tree of small files several times faster.
 * Why so      the size that the file system tells is only a promise (and 0 for files of /proc),
 *             so a file is small when its end was seen. One that turns out large behind other
 *             files in a pack moves, as far as it has been read, to a chunk of its own.
 * Errors      a file that cannot be opened or read ends its chunk and is named there, so that
 *             reports come in the order of the files; what was read of it is not in the pack.
 */
#include "source.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/types.h>
#include <unistd.h>

static void read_pack(struct source *s, struct piece *p, char *text);
static bool pack_one(struct source *s, struct piece *p, char *text);
static void read_part(struct source *s, struct piece *p, char *text);
static void file_close(struct source *s);
static ssize_t read_full(int fd, char *buf, size_t n);

void source_init(struct source *s, const struct files *files)
{
    s->files = files;
    s->next = 0;
    s->fd = -1;
    s->begun = false;
    s->nahead = 0;
}

int source_read(struct source *s, struct piece *p, char *text)
{
    *p = (struct piece){ 0 };
    if (s->fd < 0 && s->next == s->files->count)
        return 0;
    if (s->fd < 0)
        read_pack(s, p, text);
    if (s->fd >= 0 && !p->files) // no pack, or one that began with a large file
        read_part(s, p, text);
    return 1;
}

void source_fini(struct source *s)
{
    if (s->files && s->fd >= 0)
        file_close(s);
}

static void read_pack(struct source *s, struct piece *p, char *text)
{
    p->first = p->last = true;
    while (s->next < s->files->count && p->len < CHUNK_BYTES)
        if (!pack_one(s, p, text))
            return;
}

/* Returns false when the pack has to end here. */
static bool pack_one(struct source *s, struct piece *p, char *text)
{
    size_t gap = p->len > 0; // a separator
    size_t room = CHUNK_BYTES - p->len - gap;
    char *to = text + p->len + gap;

    s->fd = open(s->files->list[s->next].path, O_RDONLY | O_CLOEXEC | O_NOCTTY);
    ssize_t n = s->fd < 0 ? -errno : read_full(s->fd, to, room);
    if (n == (ssize_t)room) { // it may go on: pieces
        memcpy(s->ahead, to, room);
        s->nahead = room;
        return false;
    }
    if (n < 0) {
        p->error = (int)n;
        p->failed = s->next;
    } else if (n > 0) {
        if (gap)
            text[p->len] = '\n';
        p->len += (uint32_t)(gap + (size_t)n);
        p->bytes += (uint64_t)n;
    }
    p->files += n >= 0;
    file_close(s);
    return n >= 0;
}

static void read_part(struct source *s, struct piece *p, char *text)
{
    size_t had = s->nahead;
    ssize_t n = read_full(s->fd, text + had, CHUNK_BYTES - had);

    memcpy(text, s->ahead, had);
    s->nahead = 0;
    p->first = !s->begun;
    s->begun = true;
    if (n < 0) {
        p->error = (int)n;
        p->failed = s->next;
    } else {
        p->bytes = had + (size_t)n;
        p->len = (uint32_t)p->bytes;
    }
    p->last = p->len < CHUNK_BYTES;
    if (p->last) {
        p->files = n >= 0;
        file_close(s);
    }
}

static void file_close(struct source *s)
{
    if (s->fd >= 0)
        close(s->fd);
    s->fd = -1;
    s->begun = false;
    s->nahead = 0;
    s->next++;
}

/* Read until n bytes are there or the file ends. Returns bytes or the negative errno. */
static ssize_t read_full(int fd, char *buf, size_t n)
{
    size_t have = 0;

    while (have < n) {
        ssize_t got = read(fd, buf + have, n - have);
        if (got < 0 && errno == EINTR)
            continue;
        if (got < 0)
            return -errno;
        if (got == 0)
            break;
        have += (size_t)got;
    }
    return (ssize_t)have;
}
