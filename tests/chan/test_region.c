/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * tests/chan/test_region.c — registered memory, and waiting until nobody refers to it.
 */
#include <kcoro/zref.h>
#include <pthread.h>

#include "core/mem.h"
#include "tests/chan/kit.h"

static char memory[4096];

static uint64_t registered(const kc_region_backend_t *backend, void *env)
{
    uint64_t id = 0;

    must_eq(kc_region_register(&id, memory, sizeof memory, backend, env), 0);
    must(id != 0);
    return id;
}

/* ---- Z6 ---- */

static void counted(void)
{
    uint64_t id = registered(NULL, NULL), other = registered(NULL, NULL);
    kc_zdesc_t d, slice, none = { 0 };
    size_t size = 0;

    ck_assert_uint_ne(id, other);
    ck_assert_int_eq(kc_region_desc(id, 100, 50, &d), 0);
    ck_assert(d.addr == memory + 100 && d.len == 50 && d.offset == 100 && d.region_id == id);
    ck_assert_int_eq(kc_zdesc_slice(&d, 10, 5, &slice), 0);
    ck_assert(slice.offset == 110 && slice.region_id == id);
    ck_assert_int_eq(kc_region_unregister(other, KC_TRY), 0); // its own count
    ck_assert_int_eq(kc_region_unregister(id, KC_TRY), -EAGAIN);
    ck_assert_int_eq(kc_region_unregister(id, kc_in(-1)), -ETIME);
    ck_assert_int_eq(kc_region_unregister(id, kc_in(KC_US(100))), -ETIME);
    ck_assert_int_eq(kc_region_desc(id, 0, 1, &none), -ENOENT); // it is on its way out
    ck_assert(none.addr == NULL);
    ck_assert_int_eq(kc_region_export(id, &none, &size), -ENOENT);
    kc_zdesc_release(&d);
    ck_assert_int_eq(kc_region_unregister(id, KC_TRY), -EAGAIN); // the slice
    kc_zdesc_release(&slice);
    ck_assert_int_eq(kc_region_unregister(id, KC_TRY), 0);
    ck_assert_int_eq(kc_region_unregister(id, KC_TRY), -ENOENT);
    ck_assert_int_eq(kc_region_desc(id, 0, 1, &none), -ENOENT);
}

START_TEST(z6_unregistering_says_when_descriptors_are_still_about)
{
    try_workers(1 << _i, counted);
    try_thread(counted);
}
END_TEST

/* Has somebody begun to unregister it? */
static bool is_closing(uint64_t id)
{
    kc_zdesc_t probe = { 0 };
    int rc = kc_region_desc(id, 0, 0, &probe);

    kc_zdesc_release(&probe);
    return rc == -ENOENT;
}

KC_CO(unregister, uint64_t id; int *rc;)
{
    *my->rc = kc_region_unregister(my->id, KC_FOREVER);
    return 0;
}

KC_CO(release_all, kc_chan_t *ch;)
{
    kc_zdesc_t d;

    while (kc_chan_recv_desc(my->ch, &d, KC_FOREVER) == 0)
        kc_zdesc_release(&d);
    return 0;
}

static void waits(void)
{
    kc_chan_t *ch;
    uint64_t id = registered(NULL, NULL);
    int rc[3] = { 1, 1, 1 };
    kc_zdesc_t d[20], first;
    kc_scope_t s;

    ck_assert_int_eq(kc_chan_make_ex(&ch, &(kc_chan_opts_t){ .cap = 20, .flags = KC_CHAN_ZREF }), 0);
    ck_assert_int_eq(kc_region_desc(id, 0, 1, &first), 0);
    for (size_t i = 0; i < 20; i++)
        ck_assert_int_eq(kc_region_desc(id, i, 1, &d[i]), 0);
    open_scope(&s);
    for (int i = 0; i < 3; i++)
        must_eq(kc_go_in(&s, unregister, id, &rc[i]), 0);
    until(is_closing(id)); // one of them has begun
    must_eq(kc_go_in(&s, release_all, ch), 0);
    for (int i = 0; i < 20; i++)
        must_eq(kc_chan_send_desc(ch, &d[i], KC_FOREVER), 0);
    ck_assert_int_eq(kc_chan_close(ch), 0);
    kc_zdesc_release(&first);
    close_scope(&s, 0);
    int won = 0, late = 0;
    for (int i = 0; i < 3; i++) {
        won += rc[i] == 0;
        late += rc[i] == -ENOENT;
    }
    ck_assert(won == 1 && late == 2);
    kc_chan_unref(ch);
}

START_TEST(z6_unregistering_waits_for_the_last_descriptor_and_one_wins)
{
    for (int i = 0; i < 20; i++)
        try_workers(1 << _i, waits);
}
END_TEST

static void interrupted(void)
{
    uint64_t id = registered(NULL, NULL);
    int64_t t0 = kc_now();
    kc_zdesc_t d;
    kc_scope_t s;
    int rc = 1;

    ck_assert_int_eq(kc_region_desc(id, 0, 1, &d), 0);
    ck_assert_int_eq(kc_region_unregister(id, kc_in(KC_MS(3))), -ETIME);
    ck_assert_int_eq(kc_now(), t0 + KC_MS(3));
    open_scope(&s);
    must_eq(kc_go_in(&s, unregister, id, &rc), 0);
    ck_assert_int_eq(kc_sleep(KC_MS(1)), 0); // virtual: by then it waits
    kc_scope_cancel(&s, 0);
    close_scope(&s, -ECANCELED);
    ck_assert_int_eq(rc, -ECANCELED);
    open_scope(&s);
    must_eq(kc_go_in(&s, unregister, id, &rc), 0);
    ck_assert_int_eq(kc_sleep(KC_MS(1)), 0);
    kc_zdesc_release(&d); // it has won, and did not run yet
    ck_assert_int_eq(kc_region_unregister(id, KC_TRY), -ENOENT);
    close_scope(&s, 0);
    ck_assert_int_eq(rc, 0);
}

START_TEST(z6_t16_a_wait_that_ends_early_leaves_the_region_there)
{
    try_virtual(interrupted);
}
END_TEST

static void *thread_unregisters(void *id)
{
    return (void *)(intptr_t)kc_region_unregister(*(uint64_t *)id, KC_FOREVER);
}

static void thread_waits(void)
{
    uint64_t id = registered(NULL, NULL);
    kc_zdesc_t d;
    pthread_t thread;
    void *rc;

    ck_assert_int_eq(kc_region_desc(id, 0, 1, &d), 0);
    must_eq(pthread_create(&thread, NULL, thread_unregisters, &id), 0);
    until(is_closing(id));
    kc_zdesc_release(&d);
    pthread_join(thread, &rc);
    ck_assert_int_eq((intptr_t)rc, 0);
}

START_TEST(z6_b15_a_thread_waits_for_a_coroutine_s_descriptor)
{
    try_workers(1 << _i, thread_waits);
}
END_TEST

/* ---- backends ---- */

struct device {
    int attached, detached, fail;
};

static int attach(void *addr, size_t len, void *env, void **handle)
{
    struct device *dev = env;

    must(addr == memory && len == sizeof memory);
    dev->attached++;
    *handle = &dev->detached;
    return dev->fail;
}

static void detach(void *handle, void *env)
{
    must(handle == &((struct device *)env)->detached);
    ++*(int *)handle;
}

static int share(void *handle, void *env, void *out, size_t *size)
{
    must(handle == &((struct device *)env)->detached);
    if (*size < 3)
        return -ENOBUFS;
    memcpy(out, "key", 3);
    *size = 3;
    return 0;
}

static void backends(void)
{
    static const kc_region_backend_t backend = { "test", attach, detach, share };
    struct device dev = { 0 };
    uint64_t id, plain = registered(NULL, NULL);
    char key[8];
    size_t size = sizeof key;
    kc_zdesc_t d;

    dev.fail = -EIO;
    ck_assert_int_eq(kc_region_register(&id, memory, sizeof memory, &backend, &dev), -EIO);
    ck_assert_int_eq(dev.detached, 0);
    dev.fail = 0;
    id = registered(&backend, &dev);
    ck_assert_int_eq(kc_region_export(id, key, &size), 0);
    ck_assert(size == 3 && memcmp(key, "key", 3) == 0);
    size = 2;
    ck_assert_int_eq(kc_region_export(id, key, &size), -ENOBUFS);
    ck_assert_int_eq(kc_region_export(plain, key, &size), -ENOTSUP);
    ck_assert_int_eq(kc_region_export(id, NULL, &size), -EINVAL);
    ck_assert_int_eq(kc_region_desc(id, 0, sizeof memory, &d), 0);
    ck_assert_int_eq(kc_region_unregister(id, KC_TRY), -EAGAIN);
    ck_assert_int_eq(dev.detached, 0); // not while somebody may use it
    kc_zdesc_release(&d);
    ck_assert_int_eq(kc_region_unregister(id, KC_TRY), 0);
    ck_assert_int_eq(dev.detached, 1);
    ck_assert_int_eq(kc_region_export(id, key, &size), -ENOENT);
    ck_assert_int_eq(kc_region_unregister(plain, KC_TRY), 0);
}

START_TEST(z6_a_backend_is_told_when_memory_comes_and_goes)
{
    try_thread(backends);
}
END_TEST

static void bad_arguments(void)
{
    uint64_t id = registered(NULL, NULL);
    kc_zdesc_t d;

    ck_assert_int_eq(kc_region_register(NULL, memory, 1, NULL, NULL), -EINVAL);
    ck_assert_int_eq(kc_region_register(&id, NULL, 1, NULL, NULL), -EINVAL);
    ck_assert_int_eq(kc_region_register(&id, memory, 0, NULL, NULL), -EINVAL);
    ck_assert_int_eq(kc_region_desc(id, 0, 1, NULL), -EINVAL);
    ck_assert_int_eq(kc_region_desc(id, sizeof memory, 1, &d), -EINVAL);
    ck_assert_int_eq(kc_region_desc(id, 1, SIZE_MAX, &d), -EINVAL);
    ck_assert_int_eq(kc_region_desc(id + 64, 0, 1, &d), -ENOENT);
    kci_mem_fail_nth(1);
    ck_assert_int_eq(kc_region_desc(id, 0, 1, &d), -ENOMEM);
    kci_mem_fail_nth(1);
    ck_assert_int_eq(kc_region_register(&(uint64_t){ 0 }, memory, 1, NULL, NULL), -ENOMEM);
    kci_mem_fail_nth(0);
    ck_assert_int_eq(kc_region_unregister(id, KC_TRY), 0); // -ENOMEM counted nothing
}

START_TEST(z6_g5_what_fails_counts_nothing)
{
    try_thread(bad_arguments);
}
END_TEST

SUITE("chan/region", CASE_LOOP(z6_unregistering_says_when_descriptors_are_still_about, WORKERS),
      CASE_LOOP(z6_unregistering_waits_for_the_last_descriptor_and_one_wins, WORKERS),
      CASE(z6_t16_a_wait_that_ends_early_leaves_the_region_there),
      CASE_LOOP(z6_b15_a_thread_waits_for_a_coroutine_s_descriptor, WORKERS),
      CASE(z6_a_backend_is_told_when_memory_comes_and_goes), CASE(z6_g5_what_fails_counts_nothing))
