/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * tests/chan/test_drop.c — what full channels drop, how it is counted, and what the hook may
 * do.
 */
#include "core/mem.h"
#include "tests/chan/kit.h"

static kc_chan_t *told_channel(enum kind kind, struct told *told)
{
    kc_chan_opts_t o = options_of(kind, sizeof(int));
    kc_chan_t *ch;

    *told = (struct told){ 0 };
    o.on_undelivered = tell;
    o.arg = told;
    ck_assert_int_eq(kc_chan_make_ex(&ch, &o), 0);
    return ch;
}

/* ---- which element goes ---- */

static void drops_oldest(void)
{
    struct told told;
    kc_chan_t *ch = told_channel(DROP_OLDEST, &told);

    for (int i = 1; i <= 4; i++)
        ck_assert_int_eq(kc_chan_send(ch, &i, i % 2 ? KC_TRY : KC_FOREVER), 0);
    check_told(&told, KC_UNDELIV_OLDEST, 2, (int[]){ 1, 2 });
    ck_assert_int_eq(get(ch), 3);
    ck_assert_int_eq(get(ch), 4);
    ck_assert_int_eq(get(ch), -EAGAIN);
    struct kc_chan_stats st = stats_of(ch);
    ck_assert_uint_eq(st.sends, 4);
    ck_assert_uint_eq(st.recvs, 2);
    ck_assert_uint_eq(st.dropped, 2);
    check_conserved(ch);
    kc_chan_unref(ch);
}

START_TEST(o1_drop_oldest_keeps_the_newest_and_hooks_the_others)
{
    try_workers(workers_of(_i), drops_oldest);
}
END_TEST

static void drops_latest(void)
{
    struct told told;
    kc_chan_t *ch = told_channel(DROP_LATEST, &told);

    for (int i = 1; i <= 4; i++)
        ck_assert_int_eq(kc_chan_send(ch, &i, i % 2 ? KC_TRY : KC_FOREVER), 0);
    check_told(&told, KC_UNDELIV_LATEST, 2, (int[]){ 3, 4 });
    ck_assert_int_eq(get(ch), 1);
    ck_assert_int_eq(get(ch), 2);
    ck_assert_int_eq(get(ch), -EAGAIN);
    ck_assert_uint_eq(stats_of(ch).dropped, 2);
    check_conserved(ch);
    kc_chan_unref(ch);
}

START_TEST(o2_drop_latest_keeps_the_oldest_and_hooks_the_others)
{
    try_workers(workers_of(_i), drops_latest);
}
END_TEST

static void without_hook(struct trial *t)
{
    if (t->kind < CONFLATED)
        return;
    for (int i = 0; i < 10; i++)
        ck_assert_int_eq(put(t->ch, i), 0);
    ck_assert_uint_eq(stats_of(t->ch).dropped, 10 - (uint64_t)t->most);
    ck_assert_int_eq(get(t->ch), t->kind == DROP_LATEST ? 0 : 10 - (int)t->most);
    ck_assert_int_eq(kc_chan_cancel(t->ch, 0), 0);
    check_conserved(t->ch);
}

START_TEST(u9_without_a_hook_drops_are_counted_all_the_same)
{
    try_kind(_i, without_hook);
}
END_TEST

static void waiting_receiver(struct trial *t)
{
    struct call c = { .ch = t->ch };
    kc_scope_t s;

    for (int i = 0; i < 50; i++) {
        open_scope(&s);
        park_recv(&s, &c, 1);
        ck_assert_int_eq(put(t->ch, i), 0);
        close_scope(&s, 0);
        ck_assert_int_eq(c.rc, 0);
        ck_assert_int_eq(c.value, i);
    }
    ck_assert_uint_eq(stats_of(t->ch).dropped, 0);
    check_conserved(t->ch);
}

START_TEST(o5_with_a_receiver_waiting_nothing_is_dropped)
{
    try_kind(_i, waiting_receiver);
}
END_TEST

/* ---- many at once ---- */

enum { SENDERS = 16, EACH = 500 };

struct flood {
    kc_chan_t *ch;
    _Atomic(long) hooked, received;
    _Atomic(unsigned char) seen[SENDERS * EACH];
};

static void seen_once(struct flood *f, int v)
{
    must(v >= 0 && v < SENDERS * EACH);
    must_eq(ka_xchg(&f->seen[v], 1, seq_cst), 0);
}

static void flood_hook(void *elem, unsigned reason, void *arg)
{
    struct flood *f = arg;

    must(reason != 0);
    seen_once(f, *(int *)elem);
    ka_add(&f->hooked, 1, seq_cst);
}

KC_CO(flood_send, struct flood *f; int id;)
{
    for (int i = 0; i < EACH; i++)
        must_eq(kc_put(my->f->ch, int, my->id *EACH + i), 0);
    kc_chan_producers(my->f->ch, -1);
    return 0;
}

KC_CO(flood_recv, struct flood *f;)
{
    for (int v; kc_recv(my->f->ch, &v) == 0;) {
        seen_once(my->f, v);
        ka_add(&my->f->received, 1, seq_cst);
    }
    return 0;
}

static void flood(struct trial *t)
{
    static struct flood f;
    kc_chan_opts_t o = options_of(t->kind, sizeof(int));
    kc_scope_t s;

    memset(&f, 0, sizeof f);
    o.on_undelivered = flood_hook;
    o.arg = &f;
    ck_assert_int_eq(kc_chan_make_ex(&f.ch, &o), 0);
    kc_chan_producers(f.ch, SENDERS);
    open_scope(&s);
    for (int i = 0; i < 3; i++)
        kc_go(flood_recv, &f);
    for (int i = 0; i < SENDERS; i++)
        kc_go(flood_send, &f, i);
    close_scope(&s, 0);
    struct kc_chan_stats st = stats_of(f.ch);
    ck_assert_uint_eq(st.sends, SENDERS * EACH);
    ck_assert_int_eq(f.hooked + f.received, SENDERS * EACH);
    ck_assert_uint_eq(st.dropped, (uint64_t)f.hooked);
    ck_assert_uint_eq(st.undelivered, (uint64_t)f.hooked);
    if (t->kind <= UNLIMITED)
        ck_assert_int_eq(f.hooked, 0);
    check_conserved(f.ch);
    kc_chan_unref(f.ch);
}

START_TEST(o3_u1_the_counters_equal_the_hook_calls_and_each_element_is_seen_once)
{
    try_kind(_i, flood);
}
END_TEST

KC_CO(count_up, kc_chan_t *ch; int n;)
{
    for (int i = 1; i <= my->n; i++)
        must_eq(kc_send(my->ch, &i), 0);
    return kc_chan_close(my->ch);
}

static void keeps_newest(void)
{
    enum { N = 100000 };
    struct kc_chan_stats st;
    kc_chan_t *ch;
    int last = 0, v;
    kc_scope_t s;

    ck_assert_int_eq(kc_chan_make(&ch, sizeof(int), KC_CONFLATED), 0);
    open_scope(&s);
    kc_go(count_up, ch, N);
    while (kc_recv(ch, &v) == 0) {
        must(v > last);
        last = v;
        if (v % 7 == 0)
            kc_yield();
    }
    close_scope(&s, 0);
    ck_assert_int_eq(last, N); // the last one is always seen, also after the close
    st = stats_of(ch);
    ck_assert_uint_eq(st.dropped + st.recvs, N);
    check_conserved(ch);
    kc_chan_unref(ch);
}

START_TEST(o6_o7_a_conflated_channel_rises_strictly_and_ends_with_the_newest)
{
    try_workers(workers_of(_i), keeps_newest);
}
END_TEST

static void conflated_hook(void)
{
    struct told told;
    kc_chan_t *ch = told_channel(CONFLATED, &told);

    for (int i = 0; i < 4; i++)
        ck_assert_int_eq(put(ch, i), 0);
    check_told(&told, KC_UNDELIV_CONFLATED, 3, (int[]){ 0, 1, 2 });
    told.count = 0;
    ck_assert_int_eq(kc_chan_cancel(ch, 0), 0);
    check_told(&told, KC_UNDELIV_CANCELED, 1, (int[]){ 3 });
    check_conserved(ch);
    kc_chan_unref(ch);
}

START_TEST(o8_a_conflated_channel_hooks_what_is_replaced_and_what_a_cancel_discards)
{
    try_workers(workers_of(_i), conflated_hook);
}
END_TEST

/* ---- what a hook may do ---- */

struct busy {
    kc_chan_t *own, *other;
    int depth, calls, deepest;
    int parked[8], sent;
    kc_sel_t sel;
};

/* What a hook may do with its own channel; it would lock up if it were called locked. */
static void call_back(void *elem, unsigned reason, void *arg)
{
    struct busy *b = arg;
    int v = *(int *)elem;

    must(reason == KC_UNDELIV_OLDEST || reason == KC_UNDELIV_LATEST ||
         reason == KC_UNDELIV_CONFLATED);
    b->calls++;
    if (++b->depth > b->deepest)
        b->deepest = b->depth;
    if (v < 3) { // its own channel drops again, so the hook is called inside the hook
        v = 100 + v;
        must_eq(kc_chan_send(b->own, &v, KC_FOREVER), 0);
    }
    must_eq(kc_chan_send(b->other, &v, KC_TRY), 0);
    must(kc_chan_len(b->own) > 0);
    check_conserved(b->own);
    b->depth--;
}

static void calls_back(struct trial *t)
{
    kc_chan_opts_t o = options_of(t->kind, sizeof(int));
    struct busy b = { 0 };

    if (t->kind < CONFLATED)
        return;
    o.on_undelivered = call_back;
    o.arg = &b;
    ck_assert_int_eq(kc_chan_make_ex(&b.own, &o), 0);
    ck_assert_int_eq(kc_chan_make(&b.other, sizeof(int), KC_UNLIMITED), 0);
    for (int i = 0; i < 6; i++)
        ck_assert_int_eq(put(b.own, i), 0);
    ck_assert_int_ge(b.deepest, 2);
    ck_assert_uint_eq(stats_of(b.own).undelivered, (uint64_t)b.calls);
    ck_assert_uint_eq(stats_of(b.other).sends, (uint64_t)b.calls);
    check_conserved(b.own);
    ck_assert_int_eq(kc_chan_recv(b.own, NULL, KC_TRY), 0);
    while (kc_chan_recv(b.own, NULL, KC_TRY) == 0)
        continue;
    kc_chan_unref(b.own);
    kc_chan_unref(b.other);
}

START_TEST(u7_a_hook_may_send_to_other_channels_and_to_its_own)
{
    try_kind(_i, calls_back);
}
END_TEST

static void try_to_park(void *elem, unsigned reason, void *arg)
{
    struct busy *b = arg;
    kc_chan_t *none = b->other; // a rendezvous without a partner
    kc_deadline_t later = kc_in(KC_S(100));
    int v = *(int *)elem;

    must(reason == KC_UNDELIV_OLDEST);
    b->calls++;
    b->parked[0] = kc_chan_send(none, &v, KC_FOREVER);
    b->parked[1] = kc_chan_recv(none, &v, KC_FOREVER);
    b->parked[2] = kc_chan_recv(none, &v, later);
    b->parked[3] = kc_sleep_until(later);
    b->sel = kc_select(KC_FOREVER, KC_RECV(none, &v), KC_SEND(none, &v));
    b->sent = kc_chan_send(none, &v, KC_TRY);
    must_eq(kc_sleep_until(kc_in(-1)), 0);
    kc_yield(); // nothing, here
    for (int i = 0; i < 1000; i++) // nor does an exhausted budget yield
        must_eq(kc_chan_recv(none, &v, KC_TRY), -EAGAIN);
}

static void parking_in_a_hook(void)
{
    struct busy b = { 0 };
    kc_chan_opts_t o = options_of(DROP_OLDEST, sizeof(int));

    o.on_undelivered = try_to_park;
    o.arg = &b;
    ck_assert_int_eq(kc_chan_make_ex(&b.own, &o), 0);
    ck_assert_int_eq(kc_chan_make(&b.other, sizeof(int), 0), 0);
    for (int i = 0; i < 3; i++)
        ck_assert_int_eq(put(b.own, i), 0);
    ck_assert_int_eq(b.calls, 1);
    for (int i = 0; i < 4; i++)
        ck_assert_int_eq(b.parked[i], -EPERM);
    ck_assert_int_eq(b.sel.i, -1);
    ck_assert_int_eq(b.sel.rc, -EPERM);
    ck_assert_int_eq(b.sent, -EAGAIN); // what does not wait is not forbidden
    check_deserted(b.other);
    ck_assert_int_eq(kc_chan_recv(b.other, NULL, kc_in(KC_US(50))), -ETIME); // out here it may
    while (get(b.own) >= 0)
        continue;
    kc_chan_unref(b.own);
    kc_chan_unref(b.other);
}

START_TEST(s18_u7_waiting_inside_a_hook_says_eperm)
{
    try_workers(workers_of(_i), parking_in_a_hook);
}
END_TEST

START_TEST(s18_u7_waiting_inside_a_hook_says_eperm_on_a_plain_thread_too)
{
    parking_in_a_hook();
    ck_assert_uint_eq(kci_mem_blocks_in_use(), 0);
}
END_TEST

/* ---- policies and capacities ---- */

START_TEST(o4_only_a_channel_with_places_can_drop)
{
    static const long caps[] = { 0, KC_UNLIMITED };
    kc_chan_t *ch = NULL;

    for (int policy = KC_DROP_OLDEST; policy <= KC_DROP_LATEST; policy++)
        for (size_t i = 0; i < sizeof caps / sizeof caps[0]; i++) {
            kc_chan_opts_t o = { .cap = caps[i], .elem_size = 4, .overflow = policy };
            ck_assert_int_eq(kc_chan_make_ex(&ch, &o), -EINVAL);
        }
    kc_chan_opts_t latest = { .cap = KC_CONFLATED, .overflow = KC_DROP_LATEST };
    ck_assert_int_eq(kc_chan_make_ex(&ch, &latest), -EINVAL); // it keeps the newest
    kc_chan_opts_t oldest = { .cap = KC_CONFLATED, .overflow = KC_DROP_OLDEST };
    ck_assert_int_eq(kc_chan_make_ex(&ch, &oldest), 0);
    kc_chan_unref(ch);
    ck_assert_uint_eq(kci_mem_blocks_in_use(), 0);
}
END_TEST

SUITE("chan/drop",
      CASE_LOOP(o1_drop_oldest_keeps_the_newest_and_hooks_the_others, WORKERS),
      CASE_LOOP(o2_drop_latest_keeps_the_oldest_and_hooks_the_others, WORKERS),
      CASE_LOOP(u9_without_a_hook_drops_are_counted_all_the_same, EVERY),
      CASE_LOOP(o5_with_a_receiver_waiting_nothing_is_dropped, EVERY),
      CASE_LOOP(o3_u1_the_counters_equal_the_hook_calls_and_each_element_is_seen_once, EVERY),
      CASE_LOOP(o6_o7_a_conflated_channel_rises_strictly_and_ends_with_the_newest, WORKERS),
      CASE_LOOP(o8_a_conflated_channel_hooks_what_is_replaced_and_what_a_cancel_discards,
                WORKERS),
      CASE_LOOP(u7_a_hook_may_send_to_other_channels_and_to_its_own, EVERY),
      CASE_LOOP(s18_u7_waiting_inside_a_hook_says_eperm, WORKERS),
      CASE(s18_u7_waiting_inside_a_hook_says_eperm_on_a_plain_thread_too),
      CASE(o4_only_a_channel_with_places_can_drop))
