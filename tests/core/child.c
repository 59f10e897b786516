/* SPDX-License-Identifier: BSD-3-Clause */
/* tests/core/child.c — fork, with standard error in a pipe. */
#include "tests/core/child.h"

#include <check.h>
#include <errno.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

static void be_the_child(int (*fn)(void *), void *arg, int err)
{
    // An end by a signal is what the caller asked for: it leaves no core file behind.
    const struct rlimit none = { 0, 0 };

    setrlimit(RLIMIT_CORE, &none);
    dup2(err, STDERR_FILENO);
    _exit(fn(arg));
}

static void read_all(int fd, char *text, size_t most)
{
    char rest[256];
    size_t used = 0;
    ssize_t n = 1;

    while (n > 0 || (n < 0 && errno == EINTR)) {
        bool full = used == most - 1;
        n = read(fd, full ? rest : text + used, full ? sizeof rest : most - 1 - used);
        if (n > 0 && !full)
            used += (size_t)n;
    }
    text[used] = '\0';
}

struct kt_end kt_child(int (*fn)(void *), void *arg)
{
    struct kt_end end;
    int err[2];

    ck_assert_int_eq(pipe(err), 0);
    pid_t pid = fork();
    ck_assert_int_ge(pid, 0);
    if (pid == 0)
        be_the_child(fn, arg, err[1]);
    close(err[1]);
    read_all(err[0], end.said, sizeof end.said);
    close(err[0]);
    ck_assert_int_eq(waitpid(pid, &end.status, 0), pid);
    return end;
}

bool kt_exited(const struct kt_end *end, int status)
{
    return WIFEXITED(end->status) && WEXITSTATUS(end->status) == status;
}

bool kt_ended_by(const struct kt_end *end, int signal)
{
    return WIFSIGNALED(end->status) && WTERMSIG(end->status) == signal;
}
