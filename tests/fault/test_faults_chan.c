/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * tests/fault/test_faults_chan.c — channels of all kinds, select, descriptors, futures, actors:
 * each allocation fails.
 */
#include <string.h>

#include "tests/fault/kit.h"

/* ---- channels ---- */

static int told;

static void undelivered(void *elem, unsigned reason, void *arg)
{
    (void)elem;
    (void)reason;
    (void)arg;
    told++;
}

static const kc_chan_opts_t kinds[] = {
    { .cap = 0, .elem_size = sizeof(int) },
    { .cap = 3, .elem_size = sizeof(int) },
    { .cap = KC_CONFLATED, .elem_size = sizeof(int), .on_undelivered = undelivered },
    { .cap = KC_UNLIMITED, .elem_size = sizeof(int) },
    { .cap = 2, .elem_size = 500, .overflow = KC_DROP_OLDEST, .on_undelivered = undelivered },
    { .cap = 2, .elem_size = 500, .overflow = KC_DROP_LATEST, .on_undelivered = undelivered },
};

/* Make one of each kind, and send more than the first block of an unlimited one holds. */
static int each_kind(int (*use)(kc_chan_t *ch))
{
    kc_chan_t *ch;

    for (size_t i = 0; i < KF_COUNT(kinds); i++) {
        KF_OK(kc_chan_make_ex(&ch, &kinds[i]));
        int rc = use(ch);
        kc_chan_unref(ch);
        if (rc)
            return rc;
    }
    return 0;
}

/* 0 or -EAGAIN: sent as far as there is room. What was refused is not there. */
static int send_150(kc_chan_t *ch)
{
    char elem[500] = { 0 };
    size_t had;
    int rc = 0;

    for (int i = 0; i < 150 && rc == 0; i++) {
        had = kc_chan_len(ch);
        rc = kc_chan_send(ch, elem, KC_TRY);
        if (rc && kc_chan_len(ch) != had)
            return KF_WRONG;
    }
    return rc == -EAGAIN ? 0 : rc;
}

static int recv_all(kc_chan_t *ch)
{
    char elem[500];
    int rc;

    while ((rc = kc_chan_recv(ch, elem, KC_TRY)) == 0) {}
    return rc == -EAGAIN && kc_chan_len(ch) == 0 ? 0 : rc;
}

static int send_then_recv(kc_chan_t *ch)
{
    int rc = send_150(ch), got = recv_all(ch);
    return rc ? rc : got;
}

static int send_and_recv(void)
{
    return each_kind(send_then_recv);
}

/* What is stored goes to the hook. */
static int send_then_cancel(kc_chan_t *ch)
{
    int rc = send_150(ch);
    (void)kc_chan_cancel(ch, -EIO);
    return kc_chan_len(ch) ? KF_WRONG : rc;
}

static int cancel(void)
{
    return each_kind(send_then_cancel);
}

static int send_many_then_recv_many(kc_chan_t *ch)
{
    static char elems[150 * 500];
    ssize_t n = kc_chan_send_many(ch, elems, 150, KC_TRY);
    ssize_t got = kc_chan_recv_many(ch, elems, 150, KC_TRY);
    int rest = recv_all(ch);

    if (n > 0 && got < 0)
        return KF_WRONG;
    return n == -EAGAIN || n > 0 ? rest : (int)n;
}

static int many(void)
{
    return each_kind(send_many_then_recv_many);
}

static int sends_three(void *ch)
{
    char elem[500] = { 0 };

    for (int i = 0; i < 3; i++)
        KF_OK(kc_chan_send(ch, elem, KC_FOREVER));
    return 0;
}

/* A sender and a receiver that wait for each other. */
static int meet_over(kc_chan_t *ch)
{
    char elem[500];
    kc_scope_t s;
    int got = 0;

    KF_OK(kc_scope_open(&s, NULL));
    int rc = kc_spawn(NULL, sends_three, ch, NULL);
    while (rc == 0 && got == 0)
        got = kc_chan_recv(ch, elem, kc_in(KC_MS(5)));
    kc_chan_close(ch);
    int closed = kc_scope_close(&s);
    rc = rc ? rc : closed;
    return rc ? rc : got == -ETIME || got == -ECANCELED ? 0 : got;
}

static int meet(void)
{
    return each_kind(meet_over);
}

static int make(void)
{
    kc_chan_t *ch;

    KF_OK(kc_chan_make(&ch, 100, 1000));
    kc_chan_unref(ch);
    return 0;
}

/* Without memory there is no channel, and the scope is cancelled with the reason. */
static int owned(void)
{
    kc_scope_t s;

    KF_OK(kc_scope_open(&s, NULL));
    kc_chan_t *ch = kc_chan(int, 3);
    int closed = kc_scope_close(&s);
    return !ch == !closed ? KF_WRONG : closed;
}

static int tick(void)
{
    uint64_t ticks;
    kc_scope_t s;
    int rc = 0;

    KF_OK(kc_scope_open(&s, NULL));
    kc_chan_t *ch = kc_tick(KC_US(50));
    for (int i = 0; ch && i < 3 && rc == 0; i++)
        rc = kc_recv(ch, &ticks);
    kc_scope_cancel(&s, 0);
    int closed = kc_scope_close(&s);
    return ch ? rc : closed == -ECANCELED ? KF_WRONG : closed;
}

static const struct kf_part channels[] = {
    { "kc_chan_make", make, 0, { 0 } },
    { "kc_chan_make", make, KF_THREAD, { 0 } },
    { "kc_chan_owned", owned, 0, { 0 } },
    { "kc_chan_make_ex kc_chan_send kc_chan_recv", send_and_recv, 0, { 0 } },
    { "kc_chan_make_ex kc_chan_send kc_chan_recv", send_and_recv, KF_THREAD, { 0 } },
    { "kc_chan_cancel kc_chan_close_why", cancel, 0, { 0 } },
    { "kc_chan_send_many kc_chan_recv_many", many, 0, { 0 } },
    { "kc_chan_send_many kc_chan_recv_many", many, KF_THREAD, { 0 } },
    { "kc_chan_send kc_chan_recv", meet, 0, { 0 } },
    { "kc_tick", tick, 0, { 0 } },
};

START_TEST(g5_whatever_fails_in_channels_leaves_nothing)
{
    kf_try(channels, KF_COUNT(channels));
}
END_TEST

/* ---- select ---- */

enum { CLAUSES = 20 };

static int select_over(kc_chan_t *const *chans)
{
    kc_case_t cases[CLAUSES];
    int v = 5;

    for (int i = 0; i < CLAUSES - 1; i++)
        cases[i] = KC_RECV(chans[i % 2], &v);
    cases[CLAUSES - 1] = KC_AFTER(kc_in(KC_US(30)));
    for (unsigned how = KC_SEL_BIASED; how <= KC_SEL_ROTATE; how++) {
        kc_sel_t sel = kc_selectv(cases, CLAUSES, KC_FOREVER, how);
        if (sel.rc)
            return sel.i == -1 ? sel.rc : KF_WRONG;
        if (sel.i != CLAUSES - 1)
            return KF_WRONG;
    }
    return 0;
}

/* Clauses of channels that keep a copy aside, which needs memory too. */
static int select_send(kc_chan_t *ch)
{
    char elem[500] = { 0 };
    kc_case_t one = KC_SEND(ch, elem);

    for (int i = 0; i < 4; i++) {
        kc_sel_t sel = kc_selectv(&one, 1, KC_TRY, 0);
        if (sel.rc)
            return sel.rc == -EAGAIN ? 0 : sel.rc;
    }
    return 0;
}

static int select_many(void)
{
    kc_chan_t *chans[2];

    KF_OK(kc_chan_make(&chans[0], sizeof(int), 0));
    int rc = kc_chan_make(&chans[1], sizeof(int), 2);
    if (!rc) {
        rc = select_over(chans);
        kc_chan_unref(chans[1]);
    }
    kc_chan_unref(chans[0]);
    return rc;
}

static int select_sends(void)
{
    return each_kind(select_send);
}

static const struct kf_part selects[] = {
    { "kc_selectv", select_many, 0, { 0 } },
    { "kc_selectv", select_many, KF_THREAD, { 0 } },
    { "kc_selectv", select_sends, 0, { 0 } },
};

START_TEST(g5_whatever_fails_in_a_select_leaves_nothing)
{
    kf_try(selects, KF_COUNT(selects));
}
END_TEST

/* ---- descriptors, futures ---- */

static int released;

static void release(kc_zdesc_t *d)
{
    (void)d;
    released++;
}

static int pass_on(kc_zdesc_t *d)
{
    kc_chan_opts_t zref = { .cap = 2, .flags = KC_CHAN_ZREF };
    kc_zdesc_t got = { 0 };
    kc_chan_t *ch;

    KF_OK(kc_chan_make_ex(&ch, &zref));
    int rc = kc_chan_send_desc(ch, d, KC_TRY);
    if (!rc)
        rc = kc_chan_recv_desc(ch, &got, KC_TRY);
    kc_zdesc_release(&got);
    kc_chan_unref(ch);
    return rc;
}

static int wrapped(void)
{
    static char bytes[64];
    kc_zdesc_t all, part;

    released = 0;
    KF_OK(kc_zdesc_wrap(&all, bytes, sizeof bytes, release, NULL));
    int rc = kc_zdesc_slice(&all, 8, 16, &part);
    if (!rc) {
        rc = pass_on(&part);
        kc_zdesc_release(&part);
    }
    kc_zdesc_release(&all);
    return released == 1 ? rc : KF_WRONG;
}

static int region(void)
{
    static char bytes[64];
    kc_zdesc_t d;
    uint64_t id;

    KF_OK(kc_region_register(&id, bytes, sizeof bytes, NULL, NULL));
    int rc = kc_region_desc(id, 8, 16, &d);
    if (!rc) {
        rc = pass_on(&d);
        kc_zdesc_release(&d);
    }
    return kc_region_unregister(id, KC_TRY) ? KF_WRONG : rc;
}

static int future(void)
{
    int v = 7, out = 0;
    kc_future_t *f;

    KF_OK(kc_future_create(&f, sizeof v));
    int rc = kc_future_set(f, 0, &v);
    if (!rc)
        rc = kc_future_await(f, &out, KC_FOREVER);
    kc_future_unref(f);
    return rc ? rc : out == 7 ? 0 : KF_WRONG;
}

static const struct kf_part values[] = {
    { "kc_zdesc_wrap kc_zdesc_slice kc_chan_send_desc kc_chan_recv_desc", wrapped, 0, { 0 } },
    { "kc_zdesc_wrap", wrapped, KF_THREAD, { 0 } },
    { "kc_region_register kc_region_desc kc_region_unregister", region, 0, { 0 } },
    { "kc_region_register", region, KF_THREAD, { 0 } },
    { "kc_future_create kc_future_set kc_future_await", future, 0, { 0 } },
    { "kc_future_create", future, KF_THREAD, { 0 } },
};

START_TEST(g5_whatever_fails_in_descriptors_and_futures_leaves_nothing)
{
    kf_try(values, KF_COUNT(values));
}
END_TEST

/* ---- actors ---- */

static int answer(kc_msg_t *m, const void *data, void *self)
{
    int v = *(const int *)data + 1;

    (void)self;
    return kc_actor_reply(m, 0, &v, sizeof v);
}

static int question(kc_actor_t *a)
{
    int v = 6, out = 0;

    for (int i = 0; i < 100; i++)
        KF_OK(kc_actor_tell(a, &v, KC_TRY));
    KF_OK(kc_actor_ask(a, &v, &out, sizeof out, KC_FOREVER));
    return out == 7 ? 0 : KF_WRONG;
}

static int actor_with(long mailbox, int (*use)(kc_actor_t *))
{
    kc_actor_opts_t opts = { .msg_size = sizeof(int), .mailbox = mailbox, .on_msg = answer };
    kc_actor_t *a;

    KF_OK(kc_actor_start(&a, &opts));
    int rc = use(a), why = 0;
    (void)kc_actor_stop(a, KC_FOREVER);
    int joined = kc_actor_join(a, &why, KC_FOREVER);
    kc_actor_unref(a);
    return joined ? KF_WRONG : why ? why : rc;
}

static int actor(void)
{
    KF_OK(actor_with(KC_UNLIMITED, question));
    return actor_with(200, question);
}

/* A monitor without room, and one with: both notices come. */
static int watch(kc_actor_t *a)
{
    kc_actor_exit_t e;
    kc_chan_t *exits;

    KF_OK(kc_chan_make(&exits, sizeof e, 0));
    int rc = kc_actor_monitor(a, exits);
    if (!rc) {
        (void)kc_actor_cancel(a, 0);
        rc = kc_recv(exits, &e, KC_FOREVER);
        rc = rc ? rc : e.actor == a ? 0 : KF_WRONG;
    }
    kc_chan_close(exits);
    kc_chan_unref(exits);
    return rc;
}

static int monitored(void)
{
    kc_actor_opts_t opts = { .msg_size = sizeof(int), .on_msg = answer };
    kc_actor_t *a;

    KF_OK(kc_actor_start(&a, &opts));
    int rc = watch(a);
    (void)kc_actor_stop(a, KC_FOREVER);
    kc_actor_unref(a);
    return rc;
}

static const struct kf_part actors[] = {
    { "kc_actor_start kc_actor_tell kc_actor_ask kc_actor_stop", actor, 0, { 0 } },
    { "kc_actor_monitor kc_actor_cancel", monitored, 0, { 0 } },
};

START_TEST(g5_whatever_fails_in_actors_leaves_nothing)
{
    kf_try(actors, KF_COUNT(actors));
}
END_TEST

SUITE("fault/chan", CASE(g5_whatever_fails_in_channels_leaves_nothing),
      CASE(g5_whatever_fails_in_a_select_leaves_nothing),
      CASE(g5_whatever_fails_in_descriptors_and_futures_leaves_nothing),
      CASE(g5_whatever_fails_in_actors_leaves_nothing))
