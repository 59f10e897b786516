/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * tests/runtime/test_fault.c — the nth allocation fails, for every n, in a program that uses
 * everything: it ends with a code or without noticing, and nothing is left over.
 */
#include <kcoro/kcoro.h>
#include <unistd.h>

#include "core/mem.h"
#include "tests/sched/kit.h"

static int pipe_fd[2];

/* ---- a program of many parts; each returns the first code it meets ---- */

static int produce(void *ch)
{
    int rc = 0;

    for (int i = 0; i < 100 && rc == 0; i++)
        rc = kc_send((kc_chan_t *)ch, &i);
    return rc ? rc : kc_chan_close(ch);
}

static int consume(void *ch)
{
    int rc, v;

    while ((rc = kc_recv((kc_chan_t *)ch, &v)) == 0) {}
    return rc == -EPIPE ? 0 : rc;
}

static int channels(void *arg)
{
    const long caps[] = { 0, 3, KC_UNLIMITED };
    kc_scope_t s = { 0 };
    int rc = kc_scope_open(&s, &(kc_scope_opts_t){ .deadline = kc_in(KC_S(600)) });

    (void)arg;
    for (int i = 0; i < 3 && rc == 0; i++) {
        kc_chan_t *ch = kc_chan(int, caps[i]);
        if (!ch || (rc = kc_spawn(NULL, produce, ch, NULL)) == 0)
            rc = ch ? kc_spawn(NULL, consume, ch, NULL) : -ENOMEM;
        if (rc)
            kc_scope_cancel(&s, rc);
    }
    int closed = s.kci_body ? kc_scope_close(&s) : 0;
    return closed ? closed : rc;
}

/* More clauses than fit on the stack, and a ticker. */
static int selects(void *arg)
{
    enum { CLAUSES = 12 };
    kc_case_t cases[CLAUSES];
    uint64_t ticks;

    (void)arg;
    kc_chan_t *tick = kc_tick(KC_US(50));
    kc_chan_t *never = tick ? kc_chan(char, 0) : NULL;
    if (!never)
        return -ENOMEM;
    cases[0] = KC_RECV(tick, &ticks);
    for (int i = 1; i < CLAUSES; i++)
        cases[i] = KC_RECV(never, NULL);
    for (int i = 0; i < 3; i++) {
        kc_sel_t sel = kc_selectv(cases, CLAUSES, KC_FOREVER, KC_SEL_FAIR);
        if (sel.rc)
            return sel.rc;
    }
    return 0;
}

static int selects_in_scope(void *arg)
{
    kc_scope_t s = { 0 };
    int rc = kc_scope_open(&s, NULL);

    if (rc)
        return rc;
    rc = selects(arg);
    kc_scope_cancel(&s, 0); // ends the ticker
    int closed = kc_scope_close(&s);
    return closed == -ECANCELED ? rc : closed;
}

static int blocks(void *arg)
{
    int rc = 0;

    (void)arg;
    for (int i = 0; i < 3 && rc == 0; i++)
        rc = kc_block(kt_return, NULL, NULL, KC_FOREVER);
    return rc;
}

static void nothing(void *arg)
{
    (void)arg;
}

static int odds_and_ends(void *arg)
{
    kc_cancel_t *tk;
    int rc = kc_defer(nothing, NULL);

    (void)arg;
    if (rc || (rc = kc_scope_own(kc_scope_current(), &tk, nothing)))
        return rc;
    if ((rc = kc_cancel_create(&tk, kc_scope_token(kc_scope_current()))))
        return rc;
    kc_cancel_unref(tk);
    return kc_sleep(KC_US(20));
}

static int descriptors(void *arg)
{
    char c = 'x';
    ssize_t n = kc_write(pipe_fd[1], &c, 1, KC_FOREVER);

    (void)arg;
    if (n == 1)
        n = kc_fd_wait(pipe_fd[0], KC_RD, KC_FOREVER);
    if (n > 0)
        n = kc_read(pipe_fd[0], &c, 1, KC_FOREVER);
    if (n == 1)
        n = kc_fd_wait(pipe_fd[0], KC_RD, kc_in(KC_US(50)));
    return n == -ETIME ? 0 : n < 0 ? (int)n : -EIO;
}

static int do_everything(void *how_many)
{
    const kc_fn parts[] = { channels, selects_in_scope, blocks, odds_and_ends, descriptors };
    const kc_attr_t big = { .stack_size = 2 << 20 }, small = { .stack_size = 200 << 10 };
    kc_co_t *co;
    int rc = 0;

    for (int i = 0; i < (int)(intptr_t)how_many && rc == 0; i++)
        rc = kc_spawn(NULL, parts[i], NULL, i == 2 ? &big : i == 3 ? &small : NULL);
    if (rc || (rc = kc_spawn(&co, kt_return, NULL, NULL)))
        return rc;
    rc = kc_join(co, NULL, KC_FOREVER);
    kc_co_unref(co);
    return rc;
}

/* ---- the loop ---- */

/* Had the failure that was asked for not come yet? Forgets it. */
static bool was_still_to_come(uint64_t most)
{
    bool failed = false;

    for (uint64_t i = 0; i < most && !failed; i++) {
        void *p = kci_alloc(1);
        failed = !p;
        kci_free(p);
    }
    kci_mem_fail_nth(0);
    return failed;
}

/* Returns the number of allocations that failed, one by one. */
static int fail_each(const kc_opts_t *opts, int parts)
{
    int noticed = 0;

    for (uint64_t n = 1;; n++) {
        ck_assert_int_eq(pipe(pipe_fd), 0);
        kci_mem_fail_nth(n);
        int rc = kc_run(do_everything, KT_RESULT(parts), opts);
        close(pipe_fd[0]);
        close(pipe_fd[1]);
        bool beyond = was_still_to_come(n);
        ck_assert_msg(kci_mem_blocks_in_use() == 0, "allocation %d: rc %d, %d blocks left", (int)n,
                      rc, (int)kci_mem_blocks_in_use());
        ck_assert_msg(rc == 0 || (rc == -ENOMEM && !beyond), "allocation %d: rc %d", (int)n, rc);
        noticed += rc != 0;
        if (beyond)
            return noticed;
    }
}

START_TEST(whichever_allocation_fails_the_program_ends_and_nothing_is_left)
{
    for (int round = 0; round < 5; round++) {
        kc_opts_t opts = { .workers = kt_workers(_i) };
        ck_assert_int_gt(fail_each(&opts, 5), 20);
    }
}
END_TEST

START_TEST(also_on_a_virtual_clock_and_with_the_deadlock_check)
{
    kc_opts_t opts = { .flags = KC_RT_VIRTUAL_TIME | KC_RT_DEADLOCK_CHECK };

    // Without the last part: a virtual clock stands still while somebody waits for a descriptor.
    ck_assert_int_gt(fail_each(&opts, 4), 20);
}
END_TEST

SUITE("runtime/fault",
      CASE_WORKERS(whichever_allocation_fails_the_program_ends_and_nothing_is_left),
      CASE(also_on_a_virtual_clock_and_with_the_deadlock_check))
