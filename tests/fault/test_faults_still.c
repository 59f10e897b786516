/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * tests/fault/test_faults_still.c — what is said to need nothing needs nothing: with every
 * allocation, mapping, thread and system call failing, two coroutines meet in all of it.
 */
#include "core/fault.h"
#include "core/mem.h"
#include "tests/fault/kit.h"

static struct {
    kc_mutex_t mutex;
    kc_cond_t cond;
    kc_rwlock_t rw;
    kc_sem_t sem;
    kc_wg_t wg;
    kc_event_t event;
    kc_barrier_t barrier;
    kc_once_t once;
    kc_future_t *future;
    kc_chan_t *chan, *buffer;
    kc_cancel_t *token;
    kc_cancel_reg_t reg;
    kc_timer_t timer;
    int value, told;
} all;

static int one(void *unused)
{
    (void)unused;
    kc_yield();
    return 0;
}

static void tell(void *unused)
{
    (void)unused;
    all.told++;
}

/* Both run this; each lock is wanted twice. */
static int locks(void)
{
    KF_OK(kc_mutex_lock(&all.mutex, KC_FOREVER));
    kc_yield();
    all.value++;
    KF_OK(kc_cond_broadcast(&all.cond));
    while (all.value < 2)
        KF_OK(kc_cond_wait(&all.cond, &all.mutex, KC_FOREVER));
    KF_OK(kc_cond_signal(&all.cond));
    KF_OK(kc_mutex_unlock(&all.mutex));
    KF_OK(kc_rwlock_rdlock(&all.rw, KC_FOREVER));
    kc_yield();
    KF_OK(kc_rwlock_unlock(&all.rw));
    KF_OK(kc_rwlock_wrlock(&all.rw, KC_FOREVER));
    kc_yield();
    KF_OK(kc_rwlock_unlock(&all.rw));
    KF_OK(kc_sem_acquire(&all.sem, 1, KC_FOREVER));
    kc_yield();
    return kc_sem_release(&all.sem, 1);
}

static int meetings(void)
{
    KF_OK(kc_barrier_wait(&all.barrier, KC_FOREVER));
    KF_OK(kc_once(&all.once, one, NULL));
    KF_OK(kc_wg_add(&all.wg, -1));
    return kc_wg_wait(&all.wg, KC_FOREVER);
}

/* The second one waits for what the first one does. */
static int waits(void)
{
    int v = 0;

    KF_OK(kc_event_wait(&all.event, KC_FOREVER));
    KF_OK(kc_future_await(all.future, &v, KC_FOREVER));
    KF_OK(kc_recv(all.chan, &v));
    KF_OK(kc_chan_send(all.buffer, &v, KC_FOREVER));
    kc_case_t cases[] = { KC_RECV(all.chan, &v), KC_AWAIT(all.future, &v), KC_DONE(all.token) };
    return kc_selectv(cases, 3, KC_FOREVER, KC_SEL_FAIR).rc;
}

static int does(void)
{
    int v = 7;

    kc_yield(); // the other one waits now
    KF_OK(kc_event_set(&all.event));
    KF_OK(kc_future_set(all.future, 0, &v));
    KF_OK(kc_send(all.chan, &v));
    KF_OK(kc_recv(all.buffer, &v));
    KF_OK(kc_timer_start(&all.timer, kc_in(KC_US(10)), 0, tell, NULL));
    KF_OK(kc_sleep(KC_US(20)));
    KF_OK(kc_timer_stop(&all.timer));
    KF_OK(kc_cancel_on(all.token, &all.reg, tell, NULL));
    KF_OK(kc_cancel_deadline(all.token, kc_in(KC_US(10))));
    KF_OK(kc_cancel_trigger(all.token, 0));
    KF_OK(kc_chan_close(all.chan));
    return all.told == 2 ? 0 : KF_WRONG;
}

static int first(void *unused)
{
    (void)unused;
    KF_OK(locks());
    KF_OK(meetings());
    return does();
}

static int second(void *unused)
{
    (void)unused;
    KF_OK(locks());
    KF_OK(meetings());
    return waits();
}

static int make_all(void)
{
    KF_OK(kc_rwlock_init(&all.rw));
    KF_OK(kc_sem_init(&all.sem, 1));
    KF_OK(kc_event_init(&all.event));
    KF_OK(kc_barrier_init(&all.barrier, 2));
    KF_OK(kc_wg_add(&all.wg, 2));
    KF_OK(kc_future_create(&all.future, sizeof(int)));
    KF_OK(kc_chan_make(&all.chan, sizeof(int), 0));
    KF_OK(kc_chan_make(&all.buffer, sizeof(int), 2));
    return kc_cancel_create(&all.token, NULL);
}

static void free_all(void)
{
    kc_future_unref(all.future);
    kc_chan_unref(all.chan);
    kc_chan_unref(all.buffer);
    kc_cancel_unref(all.token);
}

static int meet(void *made)
{
    struct kci_fault_plan plan;
    kc_co_t *a, *b;
    int ra, rb;

    KF_OK(make_all());
    KF_OK(kc_spawn(&a, first, NULL, NULL));
    KF_OK(kc_spawn(&b, second, NULL, NULL));
    if (kci_fault_parse("malloc,map,guard,thread,fd,sys.*:EBADF", &plan))
        return KF_WRONG;
    kci_fault_install(&plan, 1);
    KF_OK(kc_join(a, &ra, KC_FOREVER));
    KF_OK(kc_join(b, &rb, KC_FOREVER));
    *(uint64_t *)made = kci_fault_made();
    kci_fault_install(NULL, 0);
    kc_co_unref(a);
    kc_co_unref(b);
    free_all();
    return ra ? ra : rb;
}

START_TEST(g5_what_needs_nothing_works_when_there_is_nothing)
{
    kc_opts_t opts = { .flags = KC_RT_VIRTUAL_TIME | KC_RT_DEADLOCK_CHECK };
    uint64_t made = 99;

    ck_assert_int_eq(kc_run(meet, &made, &opts), 0);
    ck_assert_uint_eq(made, 0);
    ck_assert_uint_eq(kci_mem_blocks_in_use(), 0);
}
END_TEST

SUITE("fault/still", CASE(g5_what_needs_nothing_works_when_there_is_nothing))
