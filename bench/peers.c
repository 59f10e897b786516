/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * bench/peers.c — build and run the programs under peers/.
 *
 * A peer is called as PROGRAM NAME N OPS WORKERS CPU, does one warm-up and one measured pass as
 * our own trials do, checks its own answer, and prints the figures of the row, one a line. Exit
 * status 3 says that it has nothing by that name. It inherits the CPUs it may use; a second
 * process of its own belongs on CPU.
 */
#include "bench/peers.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>

#include "bench/machine.h"

enum { NOTHING_BY_THAT_NAME = 3 };

static struct peer built[2];

/* BENCH_SOURCE and BENCH_BINARY, from CMake: this folder, and where its programs are built. */
static bool build_go(struct peer *p)
{
    char command[2200];

    if (system("command -v go >/dev/null 2>&1") != 0) {
        fputs("kcoro-bench: --peers needs the Go compiler: apt-get install golang-go\n",
              stderr);
        return false;
    }
    snprintf(p->program, sizeof p->program, "%s/peer-go", BENCH_BINARY);
    snprintf(command, sizeof command, "cd '%s/peers/go' && go build -o '%s' *.go", BENCH_SOURCE,
             p->program);
    if (system(command) != 0) {
        fputs("kcoro-bench: the Go peer did not build\n", stderr);
        return false;
    }
    p->impl = "go";
    return true;
}

bool peers_build(void)
{
    return build_go(&built[0]);
}

const struct peer *peers_built(void)
{
    return built[0].impl ? built : NULL;
}

static int read_figures(FILE *f, struct trial *t)
{
    int i = 0;

    while (i < FIGURES_MOST && t->row->figure[i].unit && fscanf(f, "%lf", &t->value[i]) == 1)
        i++;
    return i;
}

int peer_run(const struct peer *p, struct trial *t, const struct row *row, long ops)
{
    char command[1400];
    int want = row->figure[1].unit ? 2 : 1;
    bool one_cpu = strstr(row->name, ".onecpu") != NULL;

    *t = (struct trial){ .row = row, .n = row->n, .ops = ops };
    machine_pin(row->workers == 1 || row->flags & PINNED);
    snprintf(command, sizeof command, "'%s' %s %ld %ld %d %d", p->program, row->name, row->n,
             ops, row->workers, one_cpu ? machine_last_cpu() : machine_first_cpu());
    FILE *f = popen(command, "r");
    if (!f)
        return failed(t, p->impl, -ENOMEM);
    int got = read_figures(f, t), status = pclose(f);
    if (WIFEXITED(status) && WEXITSTATUS(status) == NOTHING_BY_THAT_NAME)
        return -ENOTSUP;
    if (status != 0 || got != want)
        return failed(t, p->impl, -EBADMSG);
    return 0;
}
