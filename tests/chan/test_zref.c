/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * tests/chan/test_zref.c — descriptors: moved, never copied, and what is behind them given back
 * exactly once.
 */
#include <kcoro/zref.h>

#include "core/mem.h"
#include "tests/chan/kit.h"

/* Something to describe, which counts how often it was given back. */
struct thing {
    _Atomic(int) released;
    char bytes[64];
};

static void release_thing(kc_zdesc_t *d)
{
    struct thing *t = d->owner;

    must(d->addr == t->bytes && d->len == sizeof t->bytes); // the whole, whatever was cut
    must_eq(d->offset, 0);
    ka_add(&t->released, 1, acq_rel);
    kc_zdesc_release(d); // harmless
}

static kc_zdesc_t wrap(struct thing *t)
{
    kc_zdesc_t d;

    must_eq(kc_zdesc_wrap(&d, t->bytes, sizeof t->bytes, release_thing, t), 0);
    return d;
}

static int released(struct thing *t)
{
    return ka_load(&t->released, acquire);
}

static bool same(const kc_zdesc_t *a, const kc_zdesc_t *b)
{
    return memcmp(a, b, sizeof *a) == 0;
}

static bool is_clear(const kc_zdesc_t *d)
{
    static const kc_zdesc_t clear;
    return same(d, &clear);
}

static kc_chan_t *zref_chan(enum kind kind, void (*hook)(void *, unsigned, void *), void *arg)
{
    kc_chan_opts_t o = options_of(kind, 0);
    kc_chan_t *ch;

    o.flags = KC_CHAN_ZREF;
    o.on_undelivered = hook;
    o.arg = arg;
    must_eq(kc_chan_make_ex(&ch, &o), 0);
    return ch;
}

/* ---- Z1 ---- */

KC_CO(send_things, kc_chan_t *ch; struct thing *things; int n;)
{
    for (int i = 0; i < my->n; i++) {
        kc_zdesc_t d = wrap(&my->things[i]);
        d.tag = (uint64_t)i;
        d.flags = 7;
        must_eq(kc_chan_send_desc(my->ch, &d, KC_FOREVER), 0);
        must(is_clear(&d));
    }
    return kc_chan_close(my->ch);
}

enum { THINGS = 100 };

static void identity(struct trial *t)
{
    struct thing things[THINGS] = { { 0 } };
    kc_chan_t *ch = zref_chan(t->kind, NULL, NULL);
    kc_zdesc_t d = { 0 };
    kc_scope_t s;
    int got = 0;

    ck_assert_uint_eq(kc_chan_caps(ch), KC_CHAN_ZREF);
    open_scope(&s);
    must_eq(kc_go_in(&s, send_things, ch, things, THINGS), 0);
    for (; kc_chan_recv_desc(ch, &d, KC_FOREVER) == 0; got++) {
        must(d.addr == things[d.tag].bytes && d.owner == &things[d.tag]);
        must_eq(d.len, sizeof things[0].bytes);
        must_eq(d.flags, 7);
        must_eq(released(&things[d.tag]), 0);
        kc_zdesc_release(&d);
        must(is_clear(&d));
    }
    close_scope(&s, 0);
    ck_assert_int_eq(got, THINGS - (int)stats_of(ch).dropped);
    for (int i = 0; i < THINGS; i++)
        ck_assert_int_eq(released(&things[i]), 1); // dropped ones too
    check_conserved(ch);
    kc_chan_unref(ch);
}

START_TEST(z1_the_pointer_arrives_and_the_sender_s_is_cleared)
{
    try_kind(_i, identity);
}
END_TEST

/* ---- Z2 ---- */

KC_CO(send_one, kc_chan_t *ch; kc_zdesc_t *d; int *rc;)
{
    *my->rc = kc_chan_send_desc(my->ch, my->d, KC_FOREVER);
    return 0;
}

static void fails_while_waiting(kc_chan_t *ch, kc_zdesc_t *d, bool cancel)
{
    kc_zdesc_t before = *d;
    kc_scope_t s;
    int rc = 0;

    open_scope(&s);
    must_eq(kc_go_in(&s, send_one, ch, d, &rc), 0);
    until(senders_on(ch) == 1);
    if (cancel)
        kc_scope_cancel(&s, 0);
    else
        kc_chan_close(ch);
    close_scope(&s, cancel ? -ECANCELED : 0);
    ck_assert_int_eq(rc, cancel ? -ECANCELED : -EPIPE);
    ck_assert(same(d, &before));
}

static void failures(void)
{
    struct thing t = { 0 };
    kc_chan_t *ch = zref_chan(RENDEZVOUS, NULL, NULL), *ints = kc_chan(int, 1), *small;
    kc_chan_opts_t o = { .cap = KC_UNLIMITED, .flags = KC_CHAN_ZREF, .max_bytes = 1 };
    kc_zdesc_t d = wrap(&t), before = d, clear = { 0 };

    ck_assert_int_eq(kc_chan_send_desc(ch, &d, KC_TRY), -EAGAIN);
    ck_assert_int_eq(kc_chan_send_desc(ch, &d, kc_in(-1)), -ETIME);
    ck_assert_int_eq(kc_chan_send_desc(ch, &d, kc_in(KC_US(100))), -ETIME);
    ck_assert_int_eq(kc_chan_send_desc(NULL, &d, KC_TRY), -EINVAL);
    ck_assert_int_eq(kc_chan_send_desc(ch, NULL, KC_TRY), -EINVAL);
    ck_assert_int_eq(kc_chan_send_desc(ints, &d, KC_TRY), -ENOTSUP);
    ck_assert_int_eq(kc_chan_recv_desc(NULL, &clear, KC_TRY), -EINVAL);
    ck_assert_int_eq(kc_chan_recv_desc(ch, &clear, KC_TRY), -EAGAIN);
    ck_assert(is_clear(&clear));
    ck_assert(same(&d, &before));
    fails_while_waiting(ch, &d, true);
    fails_while_waiting(ch, &d, false);
    ck_assert_int_eq(kc_chan_send_desc(ch, &d, KC_FOREVER), -EPIPE);
    ck_assert_int_eq(kc_chan_recv_desc(ch, &clear, KC_FOREVER), -EPIPE);
    ck_assert_int_eq(kc_chan_make_ex(&small, &o), 0);
    ck_assert_int_eq(kc_chan_send_desc(small, &d, KC_FOREVER), -ENOBUFS);
    kci_mem_fail_nth(1);
    ck_assert_int_eq(kc_chan_send_desc(small, &d, KC_FOREVER), -ENOMEM);
    kci_mem_fail_nth(0);
    ck_assert(same(&d, &before));
    ck_assert_int_eq(released(&t), 0);
    kc_zdesc_release(&d);
    ck_assert_int_eq(released(&t), 1);
    kc_chan_unref(small);
    kc_chan_unref(ch);
}

START_TEST(z2_a_send_that_fails_leaves_the_descriptor_alone)
{
    try_workers(1 << _i, failures);
}
END_TEST

/* ---- Z3 ---- */

static void modes(void)
{
    struct thing t = { 0 };
    kc_chan_t *z = zref_chan(TWO, NULL, NULL), *ints = kc_chan(int, 2), *none;
    kc_zdesc_t d = wrap(&t);
    kc_chan_opts_t o = { .cap = 1, .elem_size = 8, .flags = KC_CHAN_ZREF };
    int v = 0;

    ck_assert_int_eq(kc_chan_make_ex(&none, &o), -EINVAL);
    ck_assert_int_eq(kc_chan_send(z, &v, KC_TRY), -ENOTSUP);
    ck_assert_int_eq(kc_chan_recv(z, &v, KC_TRY), -ENOTSUP);
    ck_assert_int_eq(kc_chan_send_many(z, &v, 1, KC_TRY), -ENOTSUP);
    ck_assert_int_eq(kc_chan_recv_many(z, &v, 1, KC_TRY), -ENOTSUP);
    ck_assert_int_eq(kc_chan_send_desc(ints, &d, KC_TRY), -ENOTSUP);
    ck_assert_int_eq(kc_chan_recv_desc(ints, &d, KC_TRY), -ENOTSUP);
    check_sel(kc_select(KC_TRY, KC_SEND(z, &v), KC_RECV(ints, &v)), -1, -ENOTSUP);
    check_sel(kc_select(KC_TRY, KC_RECV(ints, &v), KC_RECV(z, &v)), -1, -ENOTSUP);
    check_sel(kc_select(KC_TRY, KC_SEND_DESC(ints, &d)), -1, -ENOTSUP);
    check_sel(kc_select(KC_TRY, KC_RECV_DESC(ints, &d)), -1, -ENOTSUP);
    check_sel(kc_select(KC_TRY, KC_SEND_DESC(z, NULL)), -1, -EINVAL);
    check_sel(kc_select(KC_TRY, KC_RECV_DESC(z, NULL)), -1, -EINVAL);
    ck_assert_uint_eq(kc_chan_len(z) + kc_chan_len(ints), 0);
    kc_zdesc_release(&d);
    ck_assert_int_eq(released(&t), 1);
    kc_chan_unref(z);
}

START_TEST(z3_copying_and_moving_do_not_mix)
{
    try_workers(1 << _i, modes);
}
END_TEST

/* ---- Z4 ---- */

static void tagged_release(kc_zdesc_t *d)
{
    kc_zdesc_t *out = d->owner;
    *out = *d;
}

static void slices(void)
{
    char bytes[100];
    kc_zdesc_t last = { 0 }, d, a, b, c;

    ck_assert_int_eq(kc_zdesc_wrap(&d, bytes, sizeof bytes, tagged_release, &last), 0);
    d.tag = 1;
    ck_assert_int_eq(kc_zdesc_slice(&d, 10, 50, &a), 0);
    ck_assert_int_eq(kc_zdesc_slice(&a, 5, 45, &b), 0);
    ck_assert_int_eq(kc_zdesc_slice(&d, 100, 0, &c), 0); // empty, at the end
    ck_assert(b.addr == bytes + 15 && b.len == 45 && b.offset == 15 && b.tag == 1);
    ck_assert_int_eq(kc_zdesc_slice(&a, 5, 46, &c), -EINVAL);
    ck_assert_int_eq(kc_zdesc_slice(&a, 51, 0, &c), -EINVAL);
    ck_assert_int_eq(kc_zdesc_slice(&a, 1, SIZE_MAX, &c), -EINVAL);
    ck_assert_int_eq(kc_zdesc_slice(&a, 0, 1, &a), -EINVAL);
    ck_assert_int_eq(kc_zdesc_slice(NULL, 0, 0, &c), -EINVAL);
    kc_zdesc_release(&d);
    kc_zdesc_release(&d); // cleared: nothing
    kc_zdesc_release(&a);
    kc_zdesc_release(&c);
    kc_zdesc_release(NULL);
    ck_assert(is_clear(&last)); // b keeps it
    b.tag = 42;
    kc_zdesc_release(&b);
    ck_assert(last.addr == bytes && last.len == 100 && last.offset == 0 && last.tag == 42);
}

static void uncounted(void)
{
    char bytes[8];
    kc_zdesc_t d, a, by_hand = { .addr = bytes, .len = 8, .release = tagged_release };
    kc_zdesc_t last = { 0 };

    by_hand.owner = &last;
    ck_assert_int_eq(kc_zdesc_wrap(&d, bytes, 8, NULL, NULL), 0); // the application frees
    ck_assert_int_eq(kc_zdesc_slice(&d, 2, 3, &a), 0);
    kc_zdesc_release(&d);
    kc_zdesc_release(&a);
    ck_assert(is_clear(&a));
    ck_assert_int_eq(kc_zdesc_slice(&by_hand, 0, 1, &a), -EINVAL);
    kc_zdesc_release(&by_hand);
    ck_assert(last.addr == bytes);
    ck_assert_int_eq(kc_zdesc_wrap(NULL, bytes, 8, NULL, NULL), -EINVAL);
    ck_assert_int_eq(kc_zdesc_wrap(&d, NULL, 8, NULL, NULL), -EINVAL);
    kci_mem_fail_nth(1);
    ck_assert_int_eq(kc_zdesc_wrap(&d, bytes, 8, tagged_release, &last), -ENOMEM);
    kci_mem_fail_nth(0);
}

START_TEST(z4_slices_keep_what_they_were_cut_from)
{
    try_thread(slices);
    try_workers(1 << _i, slices);
    try_thread(uncounted);
}
END_TEST

KC_CO(release_slices, kc_chan_t *ch; char *seen;)
{
    kc_zdesc_t d;
    int rc;

    while ((rc = kc_chan_recv_desc(my->ch, &d, KC_FOREVER)) == 0) {
        my->seen[d.offset] += *(char *)d.addr;
        kc_zdesc_release(&d);
    }
    return rc == -EPIPE ? 0 : rc;
}

static void slices_travel(struct trial *t)
{
    struct thing thing = { 0 };
    char seen[sizeof thing.bytes] = { 0 };
    kc_chan_t *ch = zref_chan(t->kind, NULL, NULL);
    kc_zdesc_t d = wrap(&thing), one;
    kc_scope_t s;

    memset(thing.bytes, 1, sizeof thing.bytes);
    open_scope(&s);
    for (int i = 0; i < 4; i++)
        must_eq(kc_go_in(&s, release_slices, ch, seen), 0);
    for (size_t i = 0; i < sizeof thing.bytes; i++) {
        must_eq(kc_zdesc_slice(&d, i, 1, &one), 0);
        must_eq(kc_chan_send_desc(ch, &one, KC_FOREVER), 0);
    }
    ck_assert_int_eq(released(&thing), 0);
    kc_zdesc_release(&d);
    ck_assert_int_eq(kc_chan_close(ch), 0);
    close_scope(&s, 0);
    ck_assert_int_eq(released(&thing), 1);
    for (size_t i = 0; t->kind <= UNLIMITED && i < sizeof seen; i++)
        ck_assert_int_eq(seen[i], 1);
    kc_chan_unref(ch);
}

START_TEST(z4_slices_released_everywhere_release_once)
{
    try_kind(_i, slices_travel);
}
END_TEST

/* ---- Z5 ---- */

enum { STORED = 5 };

static void ends(struct trial *t, bool cancel)
{
    struct thing things[STORED] = { { 0 } };
    kc_chan_t *ch = zref_chan(t->kind, NULL, NULL);
    int taken = 0;

    for (int i = 0; i < STORED; i++) {
        kc_zdesc_t d = wrap(&things[i]);
        if (kc_chan_send_desc(ch, &d, KC_TRY) == 0)
            taken++;
        else
            kc_zdesc_release(&d);
    }
    if (taken > 1)
        ck_assert_int_eq(kc_chan_recv_desc(ch, NULL, KC_TRY), 0); // discards, and releases
    ck_assert_int_eq(kc_chan_close(ch), 0);
    if (cancel)
        ck_assert_int_eq(kc_chan_cancel(ch, 0), 0);
    check_conserved(ch);
    kc_chan_unref(ch);
    for (int i = 0; i < STORED; i++)
        ck_assert_int_eq(released(&things[i]), 1);
}

static void every_end(struct trial *t)
{
    ends(t, false);
    ends(t, true);
}

START_TEST(z5_whatever_a_channel_drops_is_released_once)
{
    try_kind(_i, every_end);
}
END_TEST

struct kept {
    kc_zdesc_t d[8];
    unsigned reason[8];
    int n;
};

static void keep(void *elem, unsigned reason, void *arg)
{
    struct kept *k = arg;

    k->reason[k->n] = reason;
    k->d[k->n++] = *(kc_zdesc_t *)elem;
}

static void hooked(enum kind kind, unsigned reason, int first)
{
    struct thing things[3] = { { 0 } };
    struct kept kept = { .n = 0 };
    kc_chan_t *ch = zref_chan(kind, keep, &kept);

    for (int i = 0; i < 3; i++) {
        kc_zdesc_t d = wrap(&things[i]);
        d.tag = (uint64_t)i;
        ck_assert_int_eq(kc_chan_send_desc(ch, &d, KC_TRY), 0);
        ck_assert(is_clear(&d));
    }
    kc_chan_unref(ch);
    ck_assert_int_eq(kept.n, 3);
    ck_assert_uint_eq(kept.reason[0], reason);
    ck_assert_uint_eq(kept.d[0].tag, (uint64_t)first);
    ck_assert_uint_eq(kept.reason[2], KC_UNDELIV_DESTROYED);
    for (int i = 0; i < 3; i++) {
        ck_assert_int_eq(released(&things[i]), 0); // the hook's now
        ck_assert(kept.d[i].addr == things[kept.d[i].tag].bytes);
    }
    for (int i = 0; i < 3; i++)
        kc_zdesc_release(&kept.d[i]);
    for (int i = 0; i < 3; i++)
        ck_assert_int_eq(released(&things[i]), 1);
}

static void hooks(void)
{
    hooked(DROP_OLDEST, KC_UNDELIV_OLDEST, 0);
    hooked(DROP_LATEST, KC_UNDELIV_LATEST, 2);
    hooked(CONFLATED, KC_UNDELIV_CONFLATED, 0);
    hooked(SEVEN, KC_UNDELIV_DESTROYED, 0);
}

START_TEST(z5_a_hook_gets_descriptors_and_owns_them)
{
    try_workers(1 << _i, hooks);
}
END_TEST

enum { ROUNDS = 300 };

KC_CO(give_up_sometimes, kc_chan_t *ch; struct thing *things; int first; _Atomic(int) *kept;)
{
    for (int i = 0; i < ROUNDS; i++) {
        kc_zdesc_t d = wrap(&my->things[my->first + i]);
        int rc = kc_chan_send_desc(my->ch, &d, i % 3 ? KC_TRY : kc_in(KC_US(20)));
        must(rc == 0 ? is_clear(&d) : d.owner == &my->things[my->first + i]);
        if (rc) {
            ka_add(my->kept, 1, relaxed); // relaxed: read after the scope
            kc_zdesc_release(&d);
        }
        if (i % 8 == 0)
            kc_yield();
    }
    kc_chan_producers(my->ch, -1);
    return 0;
}

static void racing(struct trial *t)
{
    static struct thing things[2 * ROUNDS];
    _Atomic(int) kept = 0;
    kc_chan_t *ch = zref_chan(t->kind, NULL, NULL);
    kc_zdesc_t d;
    kc_scope_t s;
    int got = 0, rc;

    memset(things, 0, sizeof things);
    open_scope(&s);
    must_eq(kc_chan_producers(ch, 2), 2);
    for (int i = 0; i < 2; i++)
        must_eq(kc_go_in(&s, give_up_sometimes, ch, things, i * ROUNDS, &kept), 0);
    while ((rc = kc_chan_recv_desc(ch, &d, kc_in(KC_US(10)))) != -EPIPE) {
        if (rc)
            continue;
        kc_zdesc_release(&d);
        got++;
    }
    close_scope(&s, 0);
    ck_assert_int_eq(got + ka_load(&kept, relaxed) + (int)stats_of(ch).undelivered, 2 * ROUNDS);
    check_conserved(ch);
    kc_chan_unref(ch);
    for (int i = 0; i < 2 * ROUNDS; i++)
        must_eq(released(&things[i]), 1);
}

START_TEST(z5_deadlines_that_meet_deliveries_release_once)
{
    try_kind(_i, racing);
}
END_TEST

/* ---- in a select ---- */

KC_CO(recv_one, kc_chan_t *ch; kc_zdesc_t *d;)
{
    return kc_chan_recv_desc(my->ch, my->d, KC_FOREVER);
}

static void selected(void)
{
    struct thing a = { 0 }, b = { 0 };
    kc_chan_t *full = zref_chan(ONE, NULL, NULL), *meet = zref_chan(RENDEZVOUS, NULL, NULL);
    kc_zdesc_t d = wrap(&a), e = wrap(&b), before = e, got = { 0 };
    kc_scope_t s;

    check_sel(kc_select(KC_TRY, KC_SEND_DESC(meet, &e), KC_SEND_DESC(full, &d)), 1, 0);
    ck_assert(is_clear(&d) && same(&e, &before)); // the loser keeps its own
    check_sel(kc_select(KC_TRY, KC_SEND_DESC(full, &e), KC_SEND_DESC(meet, &e)), -1, -EAGAIN);
    open_scope(&s);
    kc_go_in(&s, recv_one, meet, &got);
    check_sel(kc_select(KC_FOREVER, KC_SEND_DESC(full, &e), KC_SEND_DESC(meet, &e)), 1, 0);
    close_scope(&s, 0);
    ck_assert(is_clear(&e) && got.owner == &b);
    kc_zdesc_release(&got);
    check_sel(kc_select(KC_TRY, KC_RECV_DESC(meet, &e), KC_RECV_DESC(full, &d)), 1, 0);
    ck_assert(is_clear(&e) && d.owner == &a);
    int rc = 1;
    open_scope(&s);
    kc_go_in(&s, send_one, meet, &d, &rc);
    check_sel(kc_select(KC_FOREVER, KC_RECV_DESC(full, &got), KC_RECV_DESC(meet, &e)), 1, 0);
    close_scope(&s, 0);
    ck_assert(rc == 0 && is_clear(&d) && e.owner == &a);
    kc_zdesc_release(&e);
    kc_chan_close(meet);
    check_sel(kc_select(KC_FOREVER, KC_SEND_DESC(meet, &d)), 0, -EPIPE);
    check_sel(kc_select(KC_FOREVER, KC_RECV_DESC(meet, &d)), 0, -EPIPE);
    ck_assert(released(&a) == 1 && released(&b) == 1);
    kc_chan_unref(full);
    kc_chan_unref(meet);
}

START_TEST(u5_z1_a_select_moves_the_winning_descriptor_alone)
{
    try_workers(1 << _i, selected);
}
END_TEST

SUITE("chan/zref", CASE_LOOP(z1_the_pointer_arrives_and_the_sender_s_is_cleared, EVERY),
      CASE_LOOP(z2_a_send_that_fails_leaves_the_descriptor_alone, WORKERS),
      CASE_LOOP(z3_copying_and_moving_do_not_mix, WORKERS),
      CASE_LOOP(z4_slices_keep_what_they_were_cut_from, WORKERS),
      CASE_LOOP(z4_slices_released_everywhere_release_once, EVERY),
      CASE_LOOP(z5_whatever_a_channel_drops_is_released_once, EVERY),
      CASE_LOOP(z5_a_hook_gets_descriptors_and_owns_them, WORKERS),
      CASE_LOOP(z5_deadlines_that_meet_deliveries_release_once, EVERY),
      CASE_LOOP(u5_z1_a_select_moves_the_winning_descriptor_alone, WORKERS))
