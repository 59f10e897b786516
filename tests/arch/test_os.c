/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * tests/arch/test_os.c — pages, time, randomness and processors, for each answer to arch/os.h.
 *
 * Whether touching memory crashes is tried in a child process.
 */
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include "arch/os.h"
#include "tests/support/suite.h"

/* ---- pages ---- */

static char *map_pages(size_t n)
{
    char *p = kci_os_map(n * kci_os_page_bytes());

    ck_assert_ptr_nonnull(p);
    return p;
}

/* Is every byte in [p, p + n) equal to `value`? */
static bool all_are(const char *p, size_t n, char value)
{
    for (size_t i = 0; i < n; i++)
        if (p[i] != value)
            return false;
    return true;
}

/* The signal that ends a child which writes to *p; 0 if none does. */
static int signal_of_touching(volatile char *p)
{
    int status = 0;
    pid_t child = fork();

    ck_assert_int_ge(child, 0);
    if (child == 0) {
        signal(SIGSEGV, SIG_DFL); // a sanitizer's handler would turn it into an exit
        signal(SIGBUS, SIG_DFL);
        *p = 1;
        _exit(0);
    }
    ck_assert_int_eq(waitpid(child, &status, 0), child);
    return WIFSIGNALED(status) ? WTERMSIG(status) : 0;
}

static void expect_crash(char *p)
{
    int sig = signal_of_touching(p);

    ck_assert_msg(sig == SIGSEGV || sig == SIGBUS, "ended by signal %d", sig);
}

START_TEST(a_page_is_a_power_of_two)
{
    size_t page = kci_os_page_bytes();

    ck_assert_uint_ge(page, 4096);
    ck_assert_uint_eq(page & (page - 1), 0);
}
END_TEST

START_TEST(mapped_memory_is_zero_and_writable)
{
    size_t bytes = 64 * kci_os_page_bytes();
    char *p = map_pages(64);

    ck_assert_uint_eq((uintptr_t)p % kci_os_page_bytes(), 0);
    ck_assert(all_are(p, bytes, 0));
    memset(p, 'x', bytes);
    ck_assert(all_are(p, bytes, 'x'));
    kci_os_unmap(p, bytes);
}
END_TEST

START_TEST(mapping_more_than_there_is_gives_null)
{
    ck_assert_ptr_null(kci_os_map((size_t)1 << 62));
}
END_TEST

START_TEST(mapping_much_uses_no_memory_before_it_is_touched)
{
    size_t bytes = (size_t)1 << 36; // 64 GiB, more than most machines have
    char *p = kci_os_map(bytes);

    if (!p)
        return; // a system that promises only what it has
    p[0] = p[bytes / 2] = p[bytes - 1] = 1;
    kci_os_unmap(p, bytes);
}
END_TEST

START_TEST(unmapped_memory_crashes)
{
    char *p = map_pages(1);

    kci_os_unmap(p, kci_os_page_bytes());
    expect_crash(p);
}
END_TEST

START_TEST(discarded_memory_is_zero_and_its_neighbours_are_not)
{
    size_t page = kci_os_page_bytes();
    char *p = map_pages(4);

    memset(p, 'x', 4 * page);
    kci_os_discard(p + page, 2 * page);
    ck_assert(all_are(p, page, 'x'));
    ck_assert(all_are(p + page, 2 * page, 0));
    ck_assert(all_are(p + 3 * page, page, 'x'));
    p[page] = 'y';
    ck_assert_int_eq(p[page], 'y');
    kci_os_unmap(p, 4 * page);
}
END_TEST

START_TEST(locked_memory_can_be_discarded_and_guarded)
{
    size_t page = kci_os_page_bytes();
    char *p = map_pages(3);

    if (mlock(p, 3 * page) != 0)
        return; // the limit on locked memory is below three pages
    memset(p, 'x', 3 * page);
    ck_assert_int_ne(kci_os_guard(p, page, true), KCI_GUARD_NONE);
    kci_os_discard(p + page, 2 * page);
    ck_assert(all_are(p + page, 2 * page, 0));
    expect_crash(p + page - 1);
    kci_os_unmap(p, 3 * page);
}
END_TEST

START_TEST(a_guard_crashes_and_its_neighbours_do_not)
{
    size_t page = kci_os_page_bytes();
    char *p = map_pages(3);

    ck_assert_int_ne(kci_os_guard(p + page, page, true), KCI_GUARD_NONE);
    expect_crash(p + page);
    expect_crash(p + 2 * page - 1);
    ck_assert_int_eq(signal_of_touching(p + page - 1), 0);
    ck_assert_int_eq(signal_of_touching(p + 2 * page), 0);
    kci_os_unmap(p, 3 * page);
}
END_TEST

START_TEST(a_guard_outlives_the_discarding_of_what_it_guards)
{
    size_t page = kci_os_page_bytes();
    char *p = map_pages(2);

    ck_assert_int_ne(kci_os_guard(p, page, true), KCI_GUARD_NONE);
    kci_os_discard(p + page, page);
    expect_crash(p);
    kci_os_unmap(p, 2 * page);
}
END_TEST

static const struct {
    const char *name;
    enum kci_guard how;
} ways[] = { { "mark", KCI_GUARD_MARK },
             { "protect", KCI_GUARD_PROTECT },
             { "none", KCI_GUARD_NONE } };

/* In a child of its own each time: the environment is read once per process. */
START_TEST(the_environment_can_choose_how_to_guard)
{
    char *p = map_pages(1);

    ck_assert_int_eq(setenv("KCORO_GUARD", ways[_i].name, 1), 0);
    enum kci_guard how = kci_os_guard(p, kci_os_page_bytes(), true);
    // Not every kernel can mark; nothing else may happen instead.
    ck_assert_msg(how == ways[_i].how || (ways[_i].how == KCI_GUARD_MARK && !how), "%s gave %d",
                  ways[_i].name, (int)how);
    if (how)
        expect_crash(p);
    else
        ck_assert_int_eq(signal_of_touching(p), 0);
}
END_TEST

/* ---- time, randomness, processors ---- */

START_TEST(time_never_goes_back_and_moves_on)
{
    int64_t before = kci_os_now(), now = before;

    ck_assert_int_gt(before, 1);
    for (int i = 0; i < 100000 || now == before; i++) {
        int64_t next = kci_os_now();
        if (next < now)
            ck_abort_msg("%lld came after %lld", (long long)next, (long long)now);
        now = next;
    }
}
END_TEST

START_TEST(entropy_differs_in_every_bit)
{
    uint64_t ones = 0, zeroes = 0, last = 0;

    for (int i = 0; i < 64; i++) {
        uint64_t x = kci_os_entropy();
        ck_assert_uint_ne(x, last);
        last = x;
        ones |= x;
        zeroes |= ~x;
    }
    ck_assert_uint_eq(ones, UINT64_MAX); // wrong once in 2^57 runs
    ck_assert_uint_eq(zeroes, UINT64_MAX);
}
END_TEST

START_TEST(entropy_works_without_descriptors)
{
    struct rlimit before, none;

    ck_assert_int_eq(getrlimit(RLIMIT_NOFILE, &before), 0);
    none = before;
    none.rlim_cur = 0;
    ck_assert_int_eq(setrlimit(RLIMIT_NOFILE, &none), 0);
    ck_assert_uint_ne(kci_os_entropy(), kci_os_entropy());
    ck_assert_int_eq(setrlimit(RLIMIT_NOFILE, &before), 0);
}
END_TEST

START_TEST(there_is_at_least_one_processor)
{
    ck_assert_uint_ge(kci_os_cpus(), 1);
    ck_assert_uint_le(kci_os_cpus(), 8192);
    kci_os_yield_thread();
}
END_TEST

SUITE("arch/os",
      CASE(a_page_is_a_power_of_two),
      CASE(mapped_memory_is_zero_and_writable),
      CASE(mapping_more_than_there_is_gives_null),
      CASE(mapping_much_uses_no_memory_before_it_is_touched),
      CASE(unmapped_memory_crashes),
      CASE(discarded_memory_is_zero_and_its_neighbours_are_not),
      CASE(locked_memory_can_be_discarded_and_guarded),
      CASE(a_guard_crashes_and_its_neighbours_do_not),
      CASE(a_guard_outlives_the_discarding_of_what_it_guards),
      CASE_LOOP(the_environment_can_choose_how_to_guard, 3),
      CASE(time_never_goes_back_and_moves_on),
      CASE(entropy_differs_in_every_bit),
      CASE(entropy_works_without_descriptors),
      CASE(there_is_at_least_one_processor))
