/* SPDX-License-Identifier: BSD-3-Clause */
/* arch/linux/cgroup.h — how many processors a container's quota is worth. */
#ifndef ARCH_LINUX_CGROUP_H
#define ARCH_LINUX_CGROUP_H

/*
 * kci_cgroup_cpus — the tightest quota of this process's control groups, rounded up; 0 if none.
 *
 * Reads below `root`, which is "" except in tests that bring their own /proc and /sys.
 */
unsigned kci_cgroup_cpus(const char *root);

#endif
