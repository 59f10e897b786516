/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * core/err.c — a sentence for each result code.
 *
 * Not strerror: that speaks of files and processes, may be translated, and is not thread-safe
 * everywhere. Codes that the operating system passes through us get its usual meaning in our
 * words.
 */
#include <kcoro/base.h>

static const struct {
    int code;
    const char *text;
} sentences[] = {
    { EAGAIN, "not ready, and the caller did not want to wait" },
    { ETIME, "deadline passed" },
    { ECANCELED, "cancelled" },
    { EPIPE, "closed" },
    { ECONNRESET, "connection lost, outcome unknown" },
    { EINVAL, "invalid argument" },
    { ENOMEM, "out of memory" },
    { ENOBUFS, "a limit on buffered data is reached" },
    { EMSGSIZE, "element or frame too big, or of another size" },
    { EPERM, "not allowed here" },
    { EACCES, "permission denied" },
    { ENOTSUP, "not supported" },
    { ENOENT, "no such name" },
    { EEXIST, "name already in use" },
    { EALREADY, "already done" },
    { EDEADLK, "deadlock" },
    { EOVERFLOW, "size too large" },
    { EPROTO, "peer does not follow the protocol" },
    { ECHILD, "no child left" },
    { EBADF, "bad file descriptor" },
    { EMFILE, "too many open files in this process" },
    { ENFILE, "too many open files in the system" },
    { ECONNREFUSED, "connection refused" },
    { EADDRINUSE, "address in use" },
    { ENAMETOOLONG, "name too long" },
    { EIO, "input/output error" },
    { EISDIR, "is a directory" },
    { ENOTDIR, "not a directory" },
    { ENOSPC, "no space left" },
};

const char *kc_strerror(int rc)
{
    if (rc >= 0)
        return "ok";
    for (size_t i = 0; i < sizeof sentences / sizeof *sentences; i++)
        if (-sentences[i].code == rc) // -rc would overflow for INT_MIN
            return sentences[i].text;
    return "system error";
}
