/* SPDX-License-Identifier: BSD-3-Clause */
/* tests/sched/test_locals.c — values by key, inherited at the moment of spawning. */
#include "core/mem.h"
#include "tests/sched/kit.h"

static char key_a, key_b, keys[50];

static int get_number(void *key)
{
    return (int)(intptr_t)kc_local_get(key);
}

static int change_own(void *arg)
{
    (void)arg;
    ck_assert_int_eq(get_number(&key_a), 1);
    ck_assert_int_eq(kc_local_set(&key_a, KT_RESULT(9)), 0);
    ck_assert_int_eq(kc_local_set(&key_b, NULL), 0);
    kc_yield();
    ck_assert_int_eq(get_number(&key_b), 0);
    return get_number(&key_a);
}

static int inherit(void *arg)
{
    (void)arg;
    ck_assert_ptr_null(kc_local_get(&key_a));
    ck_assert_int_eq(kc_local_set(&key_b, NULL), 0); // nothing to forget
    ck_assert_int_eq(kc_local_set(&key_a, KT_RESULT(1)), 0);
    ck_assert_int_eq(kc_local_set(&key_b, KT_RESULT(2)), 0);
    kc_co_t *before = kt_spawn(get_number, &key_a), *changing = kt_spawn(change_own, NULL);
    ck_assert_int_eq(kc_local_set(&key_a, KT_RESULT(3)), 0);
    kc_co_t *after = kt_spawn(get_number, &key_a), *other = kt_spawn(get_number, &key_b);
    ck_assert_int_eq(kt_join(before), 1); // of the moment it was spawned
    ck_assert_int_eq(kt_join(changing), 9);
    ck_assert_int_eq(kt_join(after), 3);
    ck_assert_int_eq(kt_join(other), 2);
    ck_assert_int_eq(get_number(&key_a), 3); // what a child sets is its own
    ck_assert_int_eq(get_number(&key_b), 2);
    return 0;
}

START_TEST(a_child_finds_the_values_of_the_moment_it_was_spawned)
{
    ck_assert_int_eq(kt_run(kt_workers(_i), inherit, NULL), 0);
}
END_TEST

static int many_keys(void *arg)
{
    (void)arg;
    for (int round = 1; round < 4; round++) {
        for (int i = 0; i < 50; i++)
            ck_assert_int_eq(kc_local_set(&keys[i], KT_RESULT(i * round + 1)), 0);
        for (int i = 0; i < 50; i++)
            ck_assert_int_eq(get_number(&keys[i]), i * round + 1);
        size_t before = kci_mem_blocks_in_use();
        for (int i = 0; i < 1000; i++) // in place
            ck_assert_int_eq(kc_local_set(&keys[i % 50], KT_RESULT(i)), 0);
        ck_assert_uint_eq(kci_mem_blocks_in_use(), before);
        for (int i = round; i < 50; i++)
            ck_assert_int_eq(kc_local_set(&keys[i], NULL), 0);
        for (int i = 0; i < 50; i++)
            ck_assert(i < round ? get_number(&keys[i]) != 0 : !kc_local_get(&keys[i]));
    }
    return 0;
}

START_TEST(many_keys_are_set_changed_and_forgotten)
{
    ck_assert_int_eq(kt_run(1, many_keys, NULL), 0);
}
END_TEST

static int without_memory(void *arg)
{
    (void)arg;
    ck_assert_int_eq(kc_local_set(&key_a, KT_RESULT(1)), 0);
    kci_mem_fail_nth(1);
    ck_assert_int_eq(kc_local_set(&key_b, KT_RESULT(1)), -ENOMEM);
    ck_assert_ptr_null(kc_local_get(&key_b));
    ck_assert_int_eq(get_number(&key_a), 1);
    ck_assert_int_eq(kc_local_set(NULL, KT_RESULT(1)), -EINVAL);
    return 0;
}

START_TEST(a_value_that_cannot_be_set_is_refused_and_the_others_stay)
{
    ck_assert_int_eq(kc_local_set(&key_a, &key_b), -EPERM);
    ck_assert_ptr_null(kc_local_get(&key_a));
    ck_assert_int_eq(kt_run(1, without_memory, NULL), 0);
}
END_TEST

static int set_and_fail(void *arg)
{
    (void)arg;
    ck_assert_int_eq(kc_local_set(&key_a, KT_RESULT(5)), 0);
    return -EIO;
}

static void look(void *seen)
{
    *(void **)seen = kc_local_get(&key_a);
}

/* Its failure cancels the scope, and the callback runs as what is left of it. */
static int fail_with_callback(void *arg)
{
    kc_cancel_reg_t reg;
    void *seen = NULL;
    kc_scope_t s;

    (void)arg;
    ck_assert_int_eq(kc_scope_open(&s, NULL), 0);
    ck_assert_int_eq(kc_cancel_on(kc_scope_token(&s), &reg, look, &seen), 0);
    kt_go(set_and_fail, NULL);
    ck_assert_int_eq(kc_scope_close(&s), -EIO);
    ck_assert_ptr_eq(seen, KT_RESULT(5));
    return 0;
}

START_TEST(a_callback_of_the_last_moment_still_finds_the_values)
{
    ck_assert_int_eq(kt_run(kt_workers(_i), fail_with_callback, NULL), 0);
}
END_TEST

SUITE("sched/locals", CASE_WORKERS(a_child_finds_the_values_of_the_moment_it_was_spawned),
      CASE_WORKERS(a_callback_of_the_last_moment_still_finds_the_values),
      CASE(many_keys_are_set_changed_and_forgotten),
      CASE(a_value_that_cannot_be_set_is_refused_and_the_others_stay))
