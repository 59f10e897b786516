/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * tests/fault/test_faults_limits.c — descriptors and memory that really run out: what fails says
 * so, what was there goes on, and once there is room again everything works.
 */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "arch/fiber_notes.h"
#include "core/mem.h"
#include "tests/fault/kit.h"

static void set_limit(int what, rlim_t n)
{
    struct rlimit r;

    ck_assert_int_eq(getrlimit(what, &r), 0);
    r.rlim_cur = n < r.rlim_max ? n : r.rlim_max;
    ck_assert_int_eq(setrlimit(what, &r), 0);
}

/* Let the process have `room` more descriptors than it has now; -1: as many as ever. */
static void leave_descriptors(int room)
{
    set_limit(RLIMIT_NOFILE, 256);
    int next = open("/dev/null", O_RDONLY);

    ck_assert_int_ge(next, 0);
    close(next);
    if (room >= 0)
        set_limit(RLIMIT_NOFILE, (rlim_t)(next + room));
}

static int seven(void *unused)
{
    (void)unused;
    return 7;
}

/* A runtime that is driven, with a descriptor to watch: epoll, eventfd and timerfd. */
static int drive(void)
{
    kc_rt_t *rt;

    KF_OK(kc_rt_create(&rt, &(kc_opts_t){ .workers = KC_WORKERS_NONE }));
    int rc = kc_rt_fd(rt);
    if (rc >= 0)
        rc = kc_rt_spawn(rt, seven, NULL);
    return kc_rt_shutdown(rt, KC_FOREVER) ? KF_WRONG : rc;
}

/* -ENOMEM: where even a mapping needs a descriptor for a moment. */
static bool is_lack(int rc)
{
    return rc == -EMFILE || rc == -ENOMEM;
}

START_TEST(g5_without_descriptors_no_runtime_starts_and_with_them_it_does)
{
    int had = kf_descriptors(), worked = 0;

    for (int room = 0; room < 6; room++) {
        leave_descriptors(room);
        int run = kc_run(seven, NULL, &(kc_opts_t){ .workers = 1 }), driven = drive();
        leave_descriptors(-1);
        ck_assert_msg(run == 7 || is_lack(run), "kc_run with %d: %d", room, run);
        ck_assert_msg(driven == 0 || driven == -ENOTSUP || is_lack(driven),
                      "driving with %d: %d", room, driven);
        ck_assert_int_eq(kf_descriptors(), had);
        ck_assert_uint_eq(kci_mem_blocks_in_use(), 0);
        worked += run == 7;
    }
    ck_assert_int_gt(worked, 0);
    ck_assert_int_lt(worked, 6);
}
END_TEST

/* ---- accepting ---- */

/* listener, client */
static int sockets[2];

static void connect_both(void)
{
    struct sockaddr_un sa = { .sun_family = AF_UNIX };
    const struct sockaddr *any = (const struct sockaddr *)(const void *)&sa;
    char dir[] = "/tmp/kcoro-fault-XXXXXX";

    ck_assert_ptr_nonnull(mkdtemp(dir));
    snprintf(sa.sun_path, sizeof sa.sun_path, "%s/s", dir);
    for (int i = 0; i < 2; i++)
        ck_assert_int_ge(sockets[i] = socket(AF_UNIX, SOCK_STREAM, 0), 0);
    ck_assert_int_eq(bind(sockets[0], any, sizeof sa), 0);
    ck_assert_int_eq(listen(sockets[0], 4), 0);
    ck_assert_int_eq(connect(sockets[1], any, sizeof sa), 0);
    unlink(sa.sun_path);
    rmdir(dir);
}

static int accept_without_room(void *unused)
{
    (void)unused;
    leave_descriptors(0);
    int refused = kc_accept(sockets[0], KC_FOREVER);
    leave_descriptors(-1);
    if (refused != -EMFILE)
        return refused < 0 ? refused : KF_WRONG;
    int fd = kc_accept(sockets[0], KC_FOREVER); // it had stayed in the queue
    return fd < 0 ? fd : kc_fd_close(fd);
}

START_TEST(g5_a_peer_that_could_not_be_accepted_is_accepted_later)
{
    int had = kf_descriptors();

    connect_both();
    ck_assert_int_eq(kc_run(accept_without_room, NULL, &(kc_opts_t){ .workers = 1 }), 0);
    close(sockets[0]);
    close(sockets[1]);
    ck_assert_int_eq(kf_descriptors(), had);
}
END_TEST

/* ---- memory ---- */

enum { STACKS = 4000 };

/* Bytes of address space in use; 0: unknown. */
static rlim_t space_in_use(void)
{
    char text[64] = { 0 };
    int fd = open("/proc/self/statm", O_RDONLY);
    ssize_t n = fd < 0 ? 0 : read(fd, text, sizeof text - 1);

    if (fd >= 0)
        close(fd);
    return n > 0 ? (rlim_t)strtoull(text, NULL, 10) * (rlim_t)sysconf(_SC_PAGESIZE) : 0;
}

static int waits(void *unused)
{
    (void)unused;
    return kc_sleep_until(KC_FOREVER);
}

/* Start coroutines until there is no more room; those that run stay whole. */
static int fill_memory(size_t stack_size, int *started)
{
    kc_attr_t attr = { .stack_size = stack_size };
    kc_scope_t s;
    int rc = 0;

    KF_OK(kc_scope_open(&s, &(kc_scope_opts_t){ .policy = KC_SUPERVISE }));
    for (*started = 0; rc == 0 && *started < STACKS; *started += rc == 0)
        rc = kc_spawn(NULL, waits, NULL, &attr);
    kc_yield(); // they begin
    set_limit(RLIMIT_AS, RLIM_INFINITY);
    int more = kc_spawn(NULL, waits, NULL, &attr);
    kc_scope_cancel(&s, 0);
    int closed = kc_scope_close(&s);
    return more || closed != -ECANCELED ? KF_WRONG : rc;
}

static int fill(void *stack_size)
{
    int started = 0, rc;

    set_limit(RLIMIT_AS, space_in_use() + ((rlim_t)64 << 20));
    rc = fill_memory((size_t)(uintptr_t)stack_size, &started);
    return rc == -ENOMEM && started > 0 ? 0 : rc ? rc : KF_WRONG;
}

START_TEST(g5_without_room_for_stacks_spawning_says_so_and_the_rest_goes_on)
{
    static const size_t sizes[] = { 16 << 10, 64 << 10, 1 << 20, 3 << 20 };

    if (KCI_NOTES || !space_in_use())
        return; // sanitizers map as they please
    for (size_t i = 0; i < KF_COUNT(sizes); i++) {
        kc_opts_t opts = { .workers = 1 };
        ck_assert_int_eq(kc_run(fill, (void *)(uintptr_t)sizes[i], &opts), 0);
        ck_assert_uint_eq(kci_mem_blocks_in_use(), 0);
    }
}
END_TEST

SUITE("fault/limits", CASE(g5_without_descriptors_no_runtime_starts_and_with_them_it_does),
      CASE(g5_a_peer_that_could_not_be_accepted_is_accepted_later),
      CASE(g5_without_room_for_stacks_spawning_says_so_and_the_rest_goes_on))
