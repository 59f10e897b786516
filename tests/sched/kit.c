/* SPDX-License-Identifier: BSD-3-Clause */
/* tests/sched/kit.c — see kit.h. */
#include "tests/sched/kit.h"

#include "arch/os.h"
#include "core/mem.h"
#include "sched/sched.h"

int kt_run_with(const kc_opts_t *opts, kc_fn fn, void *arg)
{
    int rc = kc_run(fn, arg, opts);

    ck_assert_uint_eq(kci_mem_blocks_in_use(), 0);
    return rc;
}

int kt_run(int workers, kc_fn fn, void *arg)
{
    return kt_run_with(&(kc_opts_t){ .workers = workers }, fn, arg);
}

int kt_run_virtual(kc_fn fn, void *arg)
{
    return kt_run_with(&(kc_opts_t){ .flags = KC_RT_VIRTUAL_TIME }, fn, arg);
}

bool kt_is_parked(kc_co_t *co, enum kci_why why)
{
    const unsigned states = KCI_TK_PARKED | KCI_TK_CLAIMED | KCI_TK_DONE;
    unsigned word = (unsigned)ka_load(&co->tk.word, acquire);

    return (word & states) == KCI_TK_PARKED && ka_load(&co->why, relaxed) == (int)why;
}

void kt_until_parked(kc_co_t *co, enum kci_why why)
{
    while (!kt_is_parked(co, why))
        kt_pass();
}

void kt_until(_Atomic(int) *n, int least)
{
    while (ka_load(n, acquire) < least)
        kt_pass();
}

void kt_pass(void)
{
    if (kc_self())
        kc_yield();
    else
        kci_os_yield_thread();
}

kc_co_t *kt_spawn(kc_fn fn, void *arg)
{
    kc_co_t *co;

    ck_assert_int_eq(kc_spawn(&co, fn, arg, NULL), 0);
    return co;
}

void kt_go(kc_fn fn, void *arg)
{
    ck_assert_int_eq(kc_spawn(NULL, fn, arg, NULL), 0);
}

int kt_join(kc_co_t *co)
{
    int ret = 0;

    ck_assert_int_eq(kc_join(co, &ret, KC_FOREVER), 0);
    kc_co_unref(co);
    return ret;
}

int kt_return(void *result)
{
    return (int)(intptr_t)result;
}

int kt_wait_for_ever(void *unused)
{
    (void)unused;
    return kc_sleep_until(KC_FOREVER);
}

int kt_count(void *counter)
{
    ka_add((_Atomic(int) *)counter, 1, acq_rel);
    return 0;
}
