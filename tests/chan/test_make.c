/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * tests/chan/test_make.c — making channels: options, sizes, elements from none to 64 KiB,
 * channels that a scope owns; and each of it when memory runs out.
 */
#include <limits.h>
#include <stdlib.h>

#include "core/mem.h"
#include "tests/chan/kit.h"

/* ---- options ---- */

START_TEST(b16_options_that_make_no_sense_say_einval)
{
    static const kc_chan_opts_t bad[] = {
        { .cap = -3 },
        { .cap = LONG_MIN },
        { .cap = 1, .overflow = 3 },
        { .cap = 1, .overflow = -1 },
        { .cap = 1, .flags = KC_CHAN_REMOTE },
        { .cap = 1, .flags = 0x80000000u },
    };
    kc_chan_t *ch = NULL;

    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++)
        ck_assert_int_eq(kc_chan_make_ex(&ch, &bad[i]), -EINVAL);
    ck_assert_int_eq(kc_chan_make_ex(&ch, NULL), -EINVAL);
    ck_assert_int_eq(kc_chan_make(NULL, 4, 1), -EINVAL);
    ck_assert_ptr_null(ch);
    ck_assert_uint_eq(kci_mem_blocks_in_use(), 0);
}
END_TEST

START_TEST(b16_sizes_that_do_not_fit_say_eoverflow)
{
    static const struct {
        size_t elem_size;
        long cap;
    } big[] = {
        { SIZE_MAX, 0 },
        { SIZE_MAX / 2 + 1, 1 },
        { SIZE_MAX / 4 + 1, 0 },
        { 1, LONG_MAX },
        { LONG_MAX / 4, 4 },
        { 8, LONG_MAX / 8 + 1 },
        { SIZE_MAX, LONG_MAX },
        { SIZE_MAX, KC_UNLIMITED },
        { SIZE_MAX, KC_CONFLATED },
        { LONG_MAX / 64, KC_UNLIMITED },
    };
    kc_chan_t *ch = NULL;

    for (size_t i = 0; i < sizeof big / sizeof big[0]; i++)
        ck_assert_int_eq(kc_chan_make(&ch, big[i].elem_size, big[i].cap), -EOVERFLOW);
    ck_assert_ptr_null(ch);
}
END_TEST

START_TEST(b16_a_channel_says_what_it_was_made_with)
{
    kc_chan_t *ch;
    kc_chan_opts_t o = { .cap = 3, .elem_size = 4, .flags = KC_CHAN_SPSC, .name = "jobs" };

    ck_assert_int_eq(kc_chan_make_ex(&ch, &o), 0);
    ck_assert_int_eq(kc_chan_cap(ch), 3);
    ck_assert_uint_eq(kc_chan_caps(ch), KC_CHAN_SPSC);
    ck_assert_int_eq(kc_chan_why(ch), 0);
    kc_chan_unref(ch);
    ck_assert_int_eq(kc_chan_make(&ch, 4, KC_CONFLATED), 0);
    ck_assert_int_eq(kc_chan_cap(ch), KC_CONFLATED);
    kc_chan_unref(ch);
}
END_TEST

/* ---- elements ---- */

/* Each kind carries `bytes` bytes at an odd address unharmed. */
static void carry(enum kind kind, size_t bytes)
{
    kc_chan_opts_t o = options_of(kind, bytes);
    unsigned char *from = malloc(bytes + 1), *to = malloc(bytes + 2);
    kc_chan_t *ch;

    ck_assert_int_eq(kc_chan_make_ex(&ch, &o), 0);
    for (int round = 0; round < 5; round++) {
        for (size_t i = 0; i < bytes; i++)
            from[i + 1] = (unsigned char)(i * 31 + (size_t)round);
        memset(to, 0xEE, bytes + 2);
        must_eq(kc_chan_send(ch, from + 1, KC_TRY), 0);
        must_eq(kc_chan_recv(ch, to + 1, KC_TRY), 0);
        must(memcmp(from + 1, to + 1, bytes) == 0);
        must(to[0] == 0xEE && to[bytes + 1] == 0xEE); // not one byte more
    }
    kc_chan_unref(ch);
    free(from);
    free(to);
}

static const size_t sizes[] = { 1, 2, 3, 4, 7, 8, 9, 16, 24, 63, 64, 65, 1000, 4096, 65536 };

START_TEST(b5_elements_of_1_byte_to_64_kib_are_carried_whole_from_any_address)
{
    for (size_t i = 0; i < sizeof sizes / sizeof sizes[0]; i++)
        for (enum kind kind = ONE; kind < KINDS; kind++)
            carry(kind, sizes[i]);
    ck_assert_uint_eq(kci_mem_blocks_in_use(), 0);
}
END_TEST

KC_CO(send_bytes, kc_chan_t *ch; const unsigned char *from; int n;)
{
    for (int i = 0; i < my->n; i++)
        must_eq(kc_chan_send(my->ch, my->from, KC_FOREVER), 0);
    return 0;
}

static void hand_to_hand(void)
{
    for (size_t i = 0; i < sizeof sizes / sizeof sizes[0]; i++) {
        unsigned char *from = malloc(sizes[i]), *to = malloc(sizes[i]);
        kc_chan_t *ch;
        kc_scope_t s;

        memset(from, (int)i + 1, sizes[i]);
        ck_assert_int_eq(kc_chan_make(&ch, sizes[i], 0), 0);
        open_scope(&s);
        kc_go(send_bytes, ch, from, 10);
        for (int k = 0; k < 10; k++) {
            memset(to, 0, sizes[i]);
            must_eq(kc_chan_recv(ch, to, KC_FOREVER), 0);
            must(memcmp(from, to, sizes[i]) == 0);
        }
        close_scope(&s, 0);
        kc_chan_unref(ch);
        free(from);
        free(to);
    }
}

START_TEST(b5_a_rendezvous_copies_from_stack_to_stack)
{
    try_workers(workers_of(_i), hand_to_hand);
}
END_TEST

KC_CO(ring_the_bell, kc_chan_t *ch; int n;)
{
    for (int i = 0; i < my->n; i++)
        must_eq(kc_chan_send(my->ch, NULL, KC_FOREVER), 0);
    return kc_chan_close(my->ch);
}

static void count_hook(void *elem, unsigned reason, void *arg)
{
    (void)elem;
    (void)reason;
    ++*(int *)arg;
}

static void events(struct trial *t)
{
    kc_chan_opts_t o = options_of(t->kind, 0);
    int hooked = 0, received = 0;
    kc_chan_t *ch;
    char untouched = 'u';
    kc_scope_t s;

    o.on_undelivered = count_hook;
    o.arg = &hooked;
    ck_assert_int_eq(kc_chan_make_ex(&ch, &o), 0);
    open_scope(&s);
    kc_go(ring_the_bell, ch, 200);
    for (; kc_chan_recv(ch, received % 2 ? NULL : &untouched, KC_FOREVER) == 0; received++)
        must_eq(untouched, 'u');
    close_scope(&s, 0);
    ck_assert_int_eq(received + hooked, 200);
    if (t->kind <= UNLIMITED)
        ck_assert_int_eq(received, 200);
    check_conserved(ch);
    kc_chan_unref(ch);
}

START_TEST(b4_elements_of_no_size_are_events_that_can_be_counted)
{
    try_kind(_i, events);
}
END_TEST

START_TEST(b4_a_ring_of_events_may_be_as_long_as_it_likes)
{
    kc_chan_t *ch;

    ck_assert_int_eq(kc_chan_make(&ch, 0, LONG_MAX), 0);
    for (int i = 0; i < 1000; i++)
        ck_assert_int_eq(kc_chan_send(ch, NULL, KC_TRY), 0);
    ck_assert_uint_eq(kc_chan_len(ch), 1000);
    for (int i = 0; i < 1000; i++)
        ck_assert_int_eq(kc_chan_recv(ch, NULL, KC_TRY), 0);
    kc_chan_unref(ch);
}
END_TEST

struct point {
    int x, y;
    double z;
};

static void structs(void)
{
    kc_chan_t *ch = kc_chan(struct point, 2);
    struct point p;

    ck_assert_int_eq(kc_put(ch, struct point, 1, 2, 3.5), 0);
    ck_assert_int_eq(kc_put(ch, struct point, .z = 9), 0);
    ck_assert_int_eq(kc_recv(ch, &p), 0);
    ck_assert(p.x == 1 && p.y == 2 && p.z == 3.5);
    ck_assert_int_eq(kc_recv(ch, &p, KC_TRY), 0);
    ck_assert(p.x == 0 && p.y == 0 && p.z == 9);
}

START_TEST(b1_kc_put_sends_an_element_built_on_the_spot)
{
    try_workers(workers_of(_i), structs);
}
END_TEST

/* ---- owned ---- */

static void owned(void)
{
    kc_scope_t s;
    uint64_t before = kci_mem_blocks_in_use();

    open_scope(&s);
    kc_chan_t *a = kc_chan(int, 0), *b = kc_chan(int, KC_UNLIMITED);
    ck_assert_ptr_nonnull(a);
    ck_assert_ptr_nonnull(b);
    ck_assert_int_eq(fill(b, 100), 100);
    kc_chan_ref(b); // one of our own: it outlives the scope
    close_scope(&s, 0);
    for (int i = 0; i < 100; i++)
        ck_assert_int_eq(get(b), i);
    kc_chan_unref(b);
    ck_assert_uint_eq(kci_mem_blocks_in_use(), before);
}

START_TEST(r19_an_owned_channel_ends_with_its_scope)
{
    try_workers(workers_of(_i), owned);
}
END_TEST

static void owned_fails(void)
{
    kc_scope_t s;

    open_scope(&s);
    ck_assert_ptr_null(kc_chan(int, -7));
    close_scope(&s, -EINVAL);
    for (uint64_t nth = 1;; nth++) {
        open_scope(&s);
        kci_mem_fail_nth(nth);
        kc_chan_t *ch = kc_chan(int, 3);
        kci_mem_fail_nth(0);
        ck_assert_int_eq(kc_canceled(), ch ? 0 : -ECANCELED);
        close_scope(&s, ch ? 0 : -ENOMEM);
        if (ch) {
            ck_assert_uint_ge(nth, 3); // the channel, and the note that it is owned
            break;
        }
    }
}

START_TEST(g5_an_owned_channel_that_cannot_be_made_cancels_its_scope_with_the_reason)
{
    try_workers(workers_of(_i), owned_fails);
}
END_TEST

START_TEST(r19_outside_a_coroutine_no_scope_can_own_a_channel)
{
    ck_assert_ptr_null(kc_chan(int, 0));
    ck_assert_uint_eq(kci_mem_blocks_in_use(), 0);
}
END_TEST

/* ---- no memory ---- */

START_TEST(g5_making_a_channel_without_memory_says_enomem)
{
    for (enum kind kind = 0; kind < KINDS; kind++) {
        kc_chan_opts_t o = options_of(kind, 8);
        kc_chan_t *ch = NULL;

        kci_mem_fail_nth(1);
        ck_assert_int_eq(kc_chan_make_ex(&ch, &o), -ENOMEM);
        ck_assert_ptr_null(ch);
        ck_assert_int_eq(kc_chan_make_ex(&ch, &o), 0); // it fails once
        kc_chan_unref(ch);
    }
    ck_assert_uint_eq(kci_mem_blocks_in_use(), 0);
}
END_TEST

/* Every operation once, on what it finds; nothing says anything but its code or -ENOMEM. */
static int each_operation(kc_chan_t *ch, struct told *told)
{
    int nomem = 0, rc;

    for (int i = 0; i < 4; i++) {
        uint64_t had = kc_chan_len(ch), sends = stats_of(ch).sends;
        int told_before = told->count;
        rc = put(ch, i);
        must(rc == 0 || rc == -EAGAIN || rc == -ENOMEM);
        if (rc) { // refused: nothing has changed
            must_eq(kc_chan_len(ch), had);
            must_eq(stats_of(ch).sends, sends);
            must_eq(told->count, told_before);
        }
        nomem += rc == -ENOMEM;
    }
    rc = get(ch);
    must(rc >= 0 || rc == -EAGAIN);
    must_eq(kc_chan_producers(ch, 1), 1);
    must_eq(kc_chan_producers(ch, -1), 0); // closes
    must_eq(kc_chan_cancel(ch, -EIO), 0);
    return nomem;
}

static void operations_fail(struct trial *t)
{
    kc_chan_opts_t o = options_of(t->kind, sizeof(int));
    struct told told = { 0 };
    kc_chan_t *ch;
    int failures = 0;

    o.on_undelivered = tell;
    o.arg = &told;
    for (uint64_t nth = 1; nth < 8; nth++) {
        told.count = 0;
        ck_assert_int_eq(kc_chan_make_ex(&ch, &o), 0);
        kci_mem_fail_nth(nth);
        failures += each_operation(ch, &told);
        kci_mem_fail_nth(0);
        check_conserved(ch);
        kc_chan_unref(ch);
    }
    // Those that keep an element somewhere else while they let go of it need memory for that.
    bool needs = t->kind == UNLIMITED || t->kind == CONFLATED || t->kind == DROP_OLDEST;
    ck_assert_int_eq(failures > 0, needs);
}

START_TEST(g5_whichever_allocation_fails_an_operation_is_whole_or_not_at_all)
{
    try_kind(_i, operations_fail);
}
END_TEST

SUITE("chan/make",
      CASE(b16_options_that_make_no_sense_say_einval),
      CASE(b16_sizes_that_do_not_fit_say_eoverflow),
      CASE(b16_a_channel_says_what_it_was_made_with),
      CASE(b5_elements_of_1_byte_to_64_kib_are_carried_whole_from_any_address),
      CASE_LOOP(b5_a_rendezvous_copies_from_stack_to_stack, WORKERS),
      CASE_LOOP(b4_elements_of_no_size_are_events_that_can_be_counted, EVERY),
      CASE(b4_a_ring_of_events_may_be_as_long_as_it_likes),
      CASE_LOOP(b1_kc_put_sends_an_element_built_on_the_spot, WORKERS),
      CASE_LOOP(r19_an_owned_channel_ends_with_its_scope, WORKERS),
      CASE_LOOP(g5_an_owned_channel_that_cannot_be_made_cancels_its_scope_with_the_reason,
                WORKERS),
      CASE(r19_outside_a_coroutine_no_scope_can_own_a_channel),
      CASE(g5_making_a_channel_without_memory_says_enomem),
      CASE_LOOP(g5_whichever_allocation_fails_an_operation_is_whole_or_not_at_all, EVERY))
