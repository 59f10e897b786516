/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * lab/explore/program.c — KCORO_SCHED=explore ./program: each schedule is a child.
 *
 * The first kc_run of a program forks here, once for each schedule. The child goes on as the
 * program, to its end; whatever it did to itself goes with it, so no program needs to be made
 * ready for this. The parent reads what the run left in shared memory, and the exit status.
 *
 * Output  of children goes to /dev/null, but for a replay: a thousand runs would say the same
 *         thing a thousand times. Standard input that is a file is read from where it stood.
 * Hangs   virtual time cannot pass while a descriptor is waited for, so a child may hang: after
 *         HANG_S of the real clock it is killed, and no other one is begun.
 */
#include <fcntl.h>
#include <setjmp.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#include "core/mem.h"
#include "lab/explore/explore.h"
#include "lab/explore/lab.h"

enum { HANG_S = 20 };

/* ---- in the child ---- */

static void silence(void)
{
    int fd = open("/dev/null", O_WRONLY);

    if (fd < 0)
        return;
    dup2(fd, STDOUT_FILENO);
    dup2(fd, STDERR_FILENO);
    close(fd);
}

static pid_t child;
static uint64_t blocks_before; /* the program's first kc_run */

/* After main: what is left now is nobody's. Unless it ends from inside a coroutine, whose
 * runtime is still there; or this is a child of the program's own. */
static void at_end(void)
{
    if (!kci_worker_self() && getpid() == child)
        kci_lab_check_leaks(kci_lab_run(), blocks_before);
}

static void become_child(struct kci_exploration *x, off_t input)
{
    if (!x->replays)
        silence();
    if (input >= 0)
        (void)lseek(STDIN_FILENO, input, SEEK_SET);
    if (!x->replays) // somebody may sit before it, with a debugger
        alarm(HANG_S);
    kci_lab_enter(x->run, x->sites);
    child = getpid();
    atexit(at_end);
}

/* ---- in the parent ---- */

struct program {
    struct kci_exploration x; /* first: execute finds the rest behind it */
    kc_explore_result_t result;
    off_t input;
    jmp_buf child;
};

static void judge(struct kci_run *r, int status)
{
    if (WIFSIGNALED(status) && WTERMSIG(status) == SIGALRM)
        kci_run_fail(r, KCI_FAIL_HANG, "no end within %d seconds: does it wait for a "
                                          "descriptor?", HANG_S);
    else if (WIFSIGNALED(status))
        kci_run_fail(r, KCI_FAIL_CRASH, "killed by signal %d", WTERMSIG(status));
    else if (WEXITSTATUS(status))
        kci_run_fail(r, KCI_FAIL_RESULT, "exit status %d", WEXITSTATUS(status));
}

static void execute(struct kci_exploration *x)
{
    struct program *p = (struct program *)x;
    int status;

    fflush(NULL); // or the child would write it again
    pid_t pid = fork();
    if (pid == 0) {
        become_child(x, p->input);
        longjmp(p->child, 1);
    }
    if (pid < 0)
        kci_run_fail(x->run, KCI_FAIL_LIMIT, "fork failed");
    while (pid > 0 && waitpid(pid, &status, 0) < 0) {}
    if (pid > 0)
        judge(x->run, status);
}

static KCI_NORETURN void explore_and_end(struct program *p)
{
    int rc = kci_explore(&p->x);

    fflush(NULL);
    kci_explore_summary(&p->x, stdout);
    kci_explore_fini(&p->x);
    exit(rc ? 1 : 0);
}

/* A child leaves the loops of its parent by a jump to here, where the program goes on. */
int kci_lab_explore_program(void)
{
    static struct program p;

    if (setjmp(p.child))
        return 0;
    p.x.result = &p.result;
    p.x.execute = execute;
    blocks_before = kci_mem_blocks_in_use();
    p.input = lseek(STDIN_FILENO, 0, SEEK_CUR); // -1: a pipe, or a terminal
    int rc = kci_explore_init(&p.x, NULL, true);
    if (!rc)
        explore_and_end(&p);
    kci_explore_fini(&p.x);
    return rc;
}
