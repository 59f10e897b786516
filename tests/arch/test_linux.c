/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * tests/arch/test_linux.c — what only arch/linux does: quotas, affinity, older kernels.
 *
 * Quotas are read from a /proc and /sys of our own. An older kernel is this one with a filter
 * that makes newer system calls fail the way they did before they existed.
 */
#define _GNU_SOURCE

#include <errno.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <sched.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "arch/linux/cgroup.h"
#include "arch/os.h"
#include "tests/support/suite.h"

/* ---- a machine made of files ---- */

static char root[] = "/tmp/kcoro-test-XXXXXX";

static void make_root(void)
{
    ck_assert_ptr_nonnull(mkdtemp(root));
}

static void remove_root(void)
{
    char command[64];

    snprintf(command, sizeof command, "rm -r %s", root);
    ck_assert_int_eq(system(command), 0);
}

static void add_file(const char *path, const char *text)
{
    char full[512];
    int n = snprintf(full, sizeof full, "%s%s", root, path);

    ck_assert_int_lt(n, (int)sizeof full);
    for (char *slash = full + sizeof root; (slash = strchr(slash, '/')) != NULL; slash++) {
        *slash = '\0';
        ck_assert(mkdir(full, 0700) == 0 || errno == EEXIST);
        *slash = '/';
    }
    FILE *f = fopen(full, "w");
    ck_assert_ptr_nonnull(f);
    ck_assert_int_ge(fputs(text, f), 0);
    ck_assert_int_eq(fclose(f), 0);
}

START_TEST(without_control_groups_there_is_no_quota)
{
    make_root();
    ck_assert_uint_eq(kci_cgroup_cpus(root), 0);
    add_file("/proc/self/cgroup", "0::/here\n");
    ck_assert_uint_eq(kci_cgroup_cpus(root), 0);
    remove_root();
}
END_TEST

static const struct {
    const char *text;
    unsigned cpus;
} limits[] = {
    { "200000 100000\n", 2 },
    { "150000 100000\n", 2 }, // paid for, so used
    { "1 100000\n", 1 },
    { "max 100000\n", 0 },
    { "400000", 0 },
    { "200000 0\n", 0 },
    { "-100000 100000\n", 0 },
    { "", 0 },
    { "\n", 0 },
    { "many\n", 0 },
    { "99999999999999999999999999 1\n", 0 },
    { "9223372036854775807 9223372036854775807\n", 1 },
};

START_TEST(a_version_2_quota_is_rounded_up)
{
    make_root();
    add_file("/proc/self/cgroup", "0::/a/b\n");
    add_file("/sys/fs/cgroup/a/b/cpu.max", limits[_i].text);
    ck_assert_uint_eq(kci_cgroup_cpus(root), limits[_i].cpus);
    remove_root();
}
END_TEST

START_TEST(the_tightest_ancestor_decides)
{
    make_root();
    add_file("/proc/self/cgroup", "0::/a/b/c\n");
    add_file("/sys/fs/cgroup/a/b/c/cpu.max", "800000 100000\n");
    add_file("/sys/fs/cgroup/a/b/cpu.max", "max 100000\n");
    add_file("/sys/fs/cgroup/a/cpu.max", "300000 100000\n");
    add_file("/sys/fs/cgroup/cpu.max", "500000 100000\n");
    ck_assert_uint_eq(kci_cgroup_cpus(root), 3);
    remove_root();
}
END_TEST

START_TEST(inside_a_container_the_limit_is_at_the_root)
{
    make_root();
    add_file("/proc/self/cgroup", "0::/docker/0123456789abcdef\n");
    add_file("/sys/fs/cgroup/cpu.max", "200000 100000\n");
    ck_assert_uint_eq(kci_cgroup_cpus(root), 2);
    remove_root();
}
END_TEST

START_TEST(a_version_1_quota_is_found_by_its_controller)
{
    make_root();
    add_file("/proc/self/cgroup", "5:cpuset:/tight\n4:cpuacct,cpu:/a\n1:name=systemd:/b\n");
    add_file("/sys/fs/cgroup/cpu/tight/cpu.cfs_quota_us", "100000\n");
    add_file("/sys/fs/cgroup/cpu/tight/cpu.cfs_period_us", "100000\n");
    add_file("/sys/fs/cgroup/cpu/a/cpu.cfs_quota_us", "250000\n");
    add_file("/sys/fs/cgroup/cpu/a/cpu.cfs_period_us", "100000\n");
    add_file("/sys/fs/cgroup/cpu/cpu.cfs_quota_us", "-1\n");
    add_file("/sys/fs/cgroup/cpu/cpu.cfs_period_us", "100000\n");
    ck_assert_uint_eq(kci_cgroup_cpus(root), 3);
    remove_root();
}
END_TEST

START_TEST(a_version_1_mount_may_be_named_after_two_controllers)
{
    make_root();
    add_file("/proc/self/cgroup", "4:cpu,cpuacct:/\n");
    add_file("/sys/fs/cgroup/cpu,cpuacct/cpu.cfs_quota_us", "400000\n");
    add_file("/sys/fs/cgroup/cpu,cpuacct/cpu.cfs_period_us", "100000\n");
    ck_assert_uint_eq(kci_cgroup_cpus(root), 4);
    remove_root();
}
END_TEST

static const char *const strange_lines[] = { ":", "::", "0", "0:", "0:cpu", "\n\n\n",
                                             "0::", "::x", "4:cpu:", "4:cpu:x", "0::/a:b" };

START_TEST(strange_lines_mean_no_quota)
{
    make_root();
    add_file("/proc/self/cgroup", strange_lines[_i]);
    ck_assert_uint_eq(kci_cgroup_cpus(root), 0);
    remove_root();
}
END_TEST

START_TEST(a_path_too_long_means_no_quota)
{
    static char text[3 * 4096];

    make_root();
    memset(text, 'x', sizeof text - 1);
    memcpy(text, "0::/", 4);
    add_file("/proc/self/cgroup", text);
    add_file("/sys/fs/cgroup/cpu.max", "100000 100000\n");
    ck_assert_uint_eq(kci_cgroup_cpus(root), 0);
    remove_root();
}
END_TEST

START_TEST(a_process_bound_to_one_processor_uses_one)
{
    cpu_set_t all, one;
    int cpu = 0;

    ck_assert_int_eq(sched_getaffinity(0, sizeof all, &all), 0);
    while (!CPU_ISSET(cpu, &all))
        cpu++;
    CPU_ZERO(&one);
    CPU_SET(cpu, &one);
    ck_assert_uint_le(kci_os_cpus(), (unsigned)CPU_COUNT(&all));
    ck_assert_int_eq(sched_setaffinity(0, sizeof one, &one), 0);
    ck_assert_uint_eq(kci_os_cpus(), 1);
}
END_TEST

/* ---- an older kernel ---- */

enum { ADVICE_GUARD_INSTALL = 102, EPOLL_PWAIT2 = 441 };

enum { ANY = -1 };

/* From now on system call `nr` with this third argument fails with `error`. */
static void refuse(long nr, int third, int error)
{
    const unsigned char other = third == ANY ? 0 : 1; // how far to jump past the refusal
    struct sock_filter code[] = {
        BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, (unsigned)nr, 0, 3),
        BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, args[2])),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, (unsigned)third, 0, other),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | (unsigned)error),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
    };
    struct sock_fprog program = { sizeof code / sizeof code[0], code };

    ck_assert_int_eq(prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0), 0);
    ck_assert_int_eq(prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program), 0);
}

static const int refusals[] = { ENOSYS, EPERM };

START_TEST(without_nanosecond_waits_no_wait_ends_early)
{
    struct kci_poll_event got;
    struct kci_pollset *ps;

    refuse(EPOLL_PWAIT2, ANY, refusals[_i]);
    ck_assert_int_eq(syscall(EPOLL_PWAIT2, -1, NULL, 0, NULL, NULL, 0), -1);
    ck_assert_int_eq(kci_pollset_create(&ps), 0);
    for (int i = 0; i < 20; i++) {
        int64_t until = kci_os_now() + i * 250000;
        ck_assert_int_eq(kci_pollset_wait(ps, &got, 1, until), 0);
        ck_assert_int_ge(kci_os_now(), until);
    }
    kci_pollset_kick(ps);
    ck_assert_int_eq(kci_pollset_wait(ps, &got, 1, INT64_MAX), 0);
    kci_pollset_destroy(ps);
}
END_TEST

START_TEST(without_guard_marks_a_guard_is_a_protected_page)
{
    size_t page = kci_os_page_bytes();
    char *p = kci_os_map(2 * page);

    ck_assert_ptr_nonnull(p);
    refuse(SYS_madvise, ADVICE_GUARD_INSTALL, EINVAL);
    ck_assert_int_eq(kci_os_guard(p, page, true), KCI_GUARD_PROTECT);
    p[page] = 1;
    kci_os_unmap(p, 2 * page);
}
END_TEST

/* In a child, because a sanitizer protects pages when the process ends. */
START_TEST(out_of_mappings_too_there_is_no_guard_and_no_crash)
{
    size_t page = kci_os_page_bytes();
    char *p = kci_os_map(2 * page);
    int status = -1;

    ck_assert_ptr_nonnull(p);
    pid_t child = fork();
    ck_assert_int_ge(child, 0);
    if (child == 0) {
        refuse(SYS_madvise, ADVICE_GUARD_INSTALL, EINVAL);
        refuse(SYS_mprotect, 0, ENOMEM); // PROT_NONE
        enum kci_guard how = kci_os_guard(p, page, true);
        p[0] = 1;
        _exit(how == KCI_GUARD_NONE ? 0 : 1);
    }
    ck_assert_int_eq(waitpid(child, &status, 0), child);
    ck_assert_int_eq(status, 0);
    kci_os_unmap(p, 2 * page);
}
END_TEST

SUITE("arch/linux",
      CASE(without_control_groups_there_is_no_quota),
      CASE_LOOP(a_version_2_quota_is_rounded_up, sizeof limits / sizeof limits[0]),
      CASE(the_tightest_ancestor_decides),
      CASE(inside_a_container_the_limit_is_at_the_root),
      CASE(a_version_1_quota_is_found_by_its_controller),
      CASE(a_version_1_mount_may_be_named_after_two_controllers),
      CASE_LOOP(strange_lines_mean_no_quota, sizeof strange_lines / sizeof strange_lines[0]),
      CASE(a_path_too_long_means_no_quota),
      CASE(a_process_bound_to_one_processor_uses_one),
      CASE_LOOP(without_nanosecond_waits_no_wait_ends_early, 2),
      CASE(without_guard_marks_a_guard_is_a_protected_page),
      CASE(out_of_mappings_too_there_is_no_guard_and_no_crash))
