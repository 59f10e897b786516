/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * crew.c — start worker processes, see them end, leave nothing behind.
 *
 * Signals     workers start with the signals that a terminal sends blocked: they end when the
 *             coordinator does, which has tidied up by then
 * Descriptors the lifeline is made before there are threads, so that no process started then
 *             inherits its write end: such a process would keep all workers alive
 * Rejected    prctl(PR_SET_PDEATHSIG): Linux only; a process group that is killed: misses a
 *             coordinator that was killed itself
 */
#include "crew.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define DIR_NAME "/wordcount-"

extern char **environ;

static int open_lifeline(int ends[2]);
static int spawn(const struct crew *c, pid_t *pid, char *const argv[]);
static int spawn_with(pid_t *pid, const char *program, char *const argv[], int lifeline);
static void block_terminal_signals(posix_spawnattr_t *attr);
static void remove_dir(const char *path);

int crew_init(struct crew *c, const char *program)
{
    const char *tmp = getenv("TMPDIR");
    size_t room = sizeof c->dir - sizeof DIR_NAME "XXXXXX";

    *c = (struct crew){ .program = program, .lifeline = { -1, -1 } };
    if (!tmp || tmp[0] != '/' || strlen(tmp) > room) // a socket's path has about 100 bytes
        tmp = "/tmp";
    int rc = open_lifeline(c->lifeline);
    if (rc < 0)
        return rc;
    snprintf(c->dir, sizeof c->dir, "%s" DIR_NAME "XXXXXX", tmp);
    if (mkdtemp(c->dir))
        return 0;
    rc = -errno;
    c->dir[0] = '\0';
    crew_fini(c);
    return rc;
}

pid_t crew_start(struct crew *c, char address[CREW_ADDRESS])
{
    pid_t pid;

    snprintf(address, CREW_ADDRESS, "unix:%s/w%u", c->dir, c->started++);
    char *const argv[] = { (char *)(size_t)c->program, (char[]){ "--worker" }, address, NULL };
    int rc = spawn(c, &pid, argv);
    return rc ? -rc : pid;
}

void crew_cut(struct crew *c)
{
    if (c->lifeline[1] >= 0)
        close(c->lifeline[1]);
    c->lifeline[1] = -1;
}

bool crew_has_ended(pid_t pid)
{
    siginfo_t info = { 0 };

    int rc = waitid(P_PID, (id_t)pid, &info, WEXITED | WNOHANG | WNOWAIT);
    return rc < 0 ? errno == ECHILD : info.si_pid == pid;
}

int crew_reap(pid_t pid, bool gently)
{
    const struct timespec moment = { .tv_nsec = 1000000 };
    int status;

    for (int i = 0; gently && i < 2000 && !crew_has_ended(pid); i++)
        nanosleep(&moment, NULL);
    if (!crew_has_ended(pid))
        kill(pid, SIGKILL);
    pid_t got;
    do
        got = waitpid(pid, &status, 0);
    while (got < 0 && errno == EINTR);
    return got == pid ? status : -1;
}

void crew_fini(struct crew *c)
{
    crew_cut(c);
    if (c->lifeline[0] >= 0)
        close(c->lifeline[0]);
    c->lifeline[0] = -1;
    if (c->dir[0])
        remove_dir(c->dir);
    c->dir[0] = '\0';
}

void crew_sweep(const char *address)
{
    char dir[CREW_ADDRESS];
    const char *path = strchr(address, ':');

    if (!path || strlen(path) > sizeof dir)
        return;
    strcpy(dir, path + 1);
    char *slash = strrchr(dir, '/');
    if (!slash)
        return;
    *slash = '\0';
    const char *name = strrchr(dir, '/');
    if (name && strncmp(name, DIR_NAME, strlen(DIR_NAME)) == 0)
        remove_dir(dir);
}

/* Both ends are above the standard three, over which a worker's are put, and closed on exec. */
static int open_lifeline(int ends[2])
{
    int low[2];
    int rc = 0;

    if (pipe(low) < 0)
        return -errno;
    for (int i = 0; i < 2; i++) {
        ends[i] = fcntl(low[i], F_DUPFD_CLOEXEC, 3);
        if (ends[i] < 0)
            rc = -errno;
        close(low[i]);
    }
    for (int i = 0; i < 2 && rc < 0; i++) {
        if (ends[i] >= 0)
            close(ends[i]);
        ends[i] = -1;
    }
    return rc;
}

/* This very program, even if it has been moved or replaced; else by its name. 0 or an errno. */
static int spawn(const struct crew *c, pid_t *pid, char *const argv[])
{
    int rc = spawn_with(pid, "/proc/self/exe", argv, c->lifeline[0]);
    return rc ? spawn_with(pid, c->program, argv, c->lifeline[0]) : 0;
}

static int spawn_with(pid_t *pid, const char *program, char *const argv[], int lifeline)
{
    posix_spawn_file_actions_t files;
    posix_spawnattr_t attr;

    int rc = posix_spawn_file_actions_init(&files);
    if (rc)
        return rc;
    rc = posix_spawnattr_init(&attr);
    if (rc) {
        posix_spawn_file_actions_destroy(&files);
        return rc;
    }
    block_terminal_signals(&attr);
    rc = posix_spawn_file_actions_adddup2(&files, lifeline, STDIN_FILENO);
    if (rc == 0) // a worker must not hold the reader of our output
        rc = posix_spawn_file_actions_addopen(&files, STDOUT_FILENO, "/dev/null", O_WRONLY, 0);
    if (rc == 0)
        rc = posix_spawnp(pid, program, &files, &attr, argv, environ);
    posix_spawnattr_destroy(&attr);
    posix_spawn_file_actions_destroy(&files);
    return rc;
}

static void block_terminal_signals(posix_spawnattr_t *attr)
{
    sigset_t mask;

    sigemptyset(&mask);
    sigaddset(&mask, SIGHUP);
    sigaddset(&mask, SIGINT);
    sigaddset(&mask, SIGQUIT);
    sigaddset(&mask, SIGTERM);
    posix_spawnattr_setsigmask(attr, &mask);
    posix_spawnattr_setflags(attr, POSIX_SPAWN_SETSIGMASK);
}

/* The directory and what the workers put there: names that begin with w. */
static void remove_dir(const char *path)
{
    DIR *d = opendir(path);

    for (const struct dirent *entry; d && (entry = readdir(d));)
        if (entry->d_name[0] == 'w')
            unlinkat(dirfd(d), entry->d_name, 0);
    if (d)
        closedir(d);
    rmdir(path);
}
