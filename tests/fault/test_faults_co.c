/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * tests/fault/test_faults_co.c — coroutines, scopes, tokens, timers, contexts, bare coroutines:
 * each allocation, mapping and thread fails.
 */
#include "tests/fault/kit.h"

static int seven(void *unused)
{
    (void)unused;
    return 7;
}

static int join_one(kc_co_t *co)
{
    int ret = 0, rc = kc_join(co, &ret, KC_FOREVER);

    kc_co_unref(co);
    return rc ? rc : ret == 7 ? 0 : ret < 0 ? ret : KF_WRONG;
}

/* ---- coroutines ---- */

static int spawn(void)
{
    const kc_attr_t attrs[] = { { 0 },
                                { .stack_size = 200 << 10 },
                                { .stack_size = 3 << 20 }, // a mapping of its own
                                { .flags = KC_CO_DETACHED },
                                { .dispatcher = KC_DISPATCH_SINGLE },
                                { .dispatcher = KC_DISPATCH_UNCONFINED } };
    kc_co_t *co;

    for (size_t i = 0; i < KF_COUNT(attrs); i++) {
        KF_OK(kc_spawn(&co, seven, NULL, &attrs[i]));
        KF_OK(join_one(co));
    }
    return 0;
}

static unsigned char my_stack[64 << 10];

static int spawn_on_my_stack(void)
{
    kc_attr_t attr = { .stack = my_stack, .stack_size = sizeof my_stack };
    kc_co_t *co;

    KF_OK(kc_spawn(&co, seven, NULL, &attr));
    return join_one(co);
}

/* More at once than the first slab has room for. */
static int spawn_many(void)
{
    enum { MANY = 60 };
    kc_scope_t s;
    int rc = 0;

    KF_OK(kc_scope_open(&s, NULL));
    for (int i = 0; i < MANY && rc == 0; i++)
        rc = kc_spawn(NULL, seven, NULL, NULL);
    int closed = kc_scope_close(&s);
    return rc ? rc : closed;
}

static int add(void *arg)
{
    const int *both = arg;
    return both[0] + both[1];
}

static int spawn_copy(void)
{
    kc_co_t *co;

    KF_OK(kc_spawn_copy(&co, add, (int[]){ 3, 4 }, 2 * sizeof(int), NULL));
    return join_one(co);
}

KC_CO(add_up, int a; int b; int *out;)
{
    *my->out = my->a + my->b;
    return 0;
}

/* A failure cancels the scope, and is its result. */
static int go(void)
{
    kc_scope_t s;
    int sum = 0;

    KF_OK(kc_scope_open(&s, NULL));
    int rc = kc_go(add_up, 3, 4, &sum);
    int closed = kc_scope_close(&s);
    return rc ? (closed == rc ? rc : KF_WRONG) : closed ? closed : sum == 7 ? 0 : KF_WRONG;
}

static int called;

static void call(void *unused)
{
    (void)unused;
    called++;
}

static int defers(void *unused)
{
    (void)unused;
    KF_OK(kc_defer(call, NULL));
    return kc_defer(call, NULL);
}

static int defer(void)
{
    kc_co_t *co;
    int rc, ret = 0;

    called = 0;
    KF_OK(kc_spawn(&co, defers, NULL, NULL));
    rc = kc_join(co, &ret, KC_FOREVER);
    kc_co_unref(co);
    return rc ? rc : ret ? ret : called == 2 ? 0 : KF_WRONG;
}

static int park(void)
{
    kc_attr_t attr = { .flags = KC_CO_PARKED };
    kc_co_t *co;

    KF_OK(kc_spawn(&co, seven, NULL, &attr));
    (void)kc_unpark(co);
    return join_one(co);
}

static const struct kf_part coroutines[] = {
    { "kc_spawn kc_join", spawn, KF_REAL, { 0 } },
    { "kc_spawn", spawn_on_my_stack, 0, { 0 } },
    { "kc_spawn", spawn_many, 0, { 0 } },
    { "kc_spawn_copy", spawn_copy, 0, { 0 } },
    { "kci_go", go, 0, { 0 } },
    { "kc_defer", defer, 0, { 0 } },
    { "kc_unpark kc_park", park, 0, { 0 } },
};

START_TEST(g5_whatever_fails_in_starting_coroutines_leaves_nothing)
{
    kf_try(coroutines, KF_COUNT(coroutines));
}
END_TEST

/* ---- scopes and tokens ---- */

static int scope_open(void)
{
    kc_scope_t outer, inner;

    KF_OK(kc_scope_open(&outer, &(kc_scope_opts_t){ .deadline = kc_in(KC_S(5)) }));
    int rc = kc_scope_open(&inner, &(kc_scope_opts_t){ .policy = KC_RACE });
    if (!rc)
        rc = kc_scope_close(&inner);
    int closed = kc_scope_close(&outer);
    return rc ? rc : closed;
}

static int scope_spawn(void)
{
    kc_scope_t s;
    kc_co_t *co;

    KF_OK(kc_scope_open(&s, NULL));
    int rc = kc_scope_spawn(&s, &co, add, (int[]){ 3, 4 }, 2 * sizeof(int), NULL);
    if (!rc)
        rc = join_one(co);
    int closed = kc_scope_close(&s);
    return rc ? rc : closed;
}

static int take_results(kc_scope_t *s, int n)
{
    int rc, ret, sum = 0;

    while ((rc = kc_scope_next(s, NULL, &ret, KC_FOREVER)) == 0)
        sum += ret;
    return rc != -ECHILD ? rc : sum == 7 * n ? 0 : KF_WRONG;
}

/* Its results need memory, which is asked for when a child is started. */
static int scope_next(void)
{
    enum { CHILDREN = 40 };
    kc_scope_t s;
    int rc = 0, started = 0;

    KF_OK(kc_scope_open(&s, NULL));
    while (rc == 0 && started < CHILDREN)
        if ((rc = kc_scope_spawn(&s, NULL, seven, NULL, 0, NULL)) == 0)
            started++;
    int taken = take_results(&s, started);
    int closed = kc_scope_close(&s);
    return rc ? (taken ? KF_WRONG : rc) : taken ? taken : closed;
}

static int dropped;

static void drop(void *unused)
{
    (void)unused;
    dropped++;
}

static int scope_own(void)
{
    kc_scope_t s;
    int object, owned = 0, rc = 0;

    dropped = 0;
    KF_OK(kc_scope_open(&s, NULL));
    while (rc == 0 && owned < 3)
        if ((rc = kc_scope_own(&s, &object, drop)) == 0)
            owned++;
    int closed = kc_scope_close(&s);
    return dropped != owned ? KF_WRONG : rc ? rc : closed;
}

static int produce_three(kc_chan_t *ch, void *unused)
{
    (void)unused;
    for (int i = 0; i < 3; i++)
        KF_OK(kc_send(ch, &i));
    return 0;
}

static int produce(void)
{
    kc_scope_t s;
    int v, sum = 0;

    KF_OK(kc_scope_open(&s, NULL));
    kc_chan_t *ch = kc_scope_produce(&s, sizeof(int), 1, produce_three, NULL);
    while (ch && kc_recv(ch, &v) == 0)
        sum += v;
    int closed = kc_scope_close(&s);
    return ch && !closed && sum != 3 ? KF_WRONG : !ch && !closed ? KF_WRONG : closed;
}

static int token(void)
{
    kc_cancel_t *parent, *child;

    KF_OK(kc_cancel_create(&parent, NULL));
    int rc = kc_cancel_create(&child, parent);
    if (!rc) {
        rc = kc_cancel_deadline(child, kc_in(KC_S(9)));
        kc_cancel_trigger(parent, 0);
        rc = rc ? rc : kc_cancel_check(child) == -ECANCELED ? 0 : KF_WRONG;
        kc_cancel_unref(child);
    }
    kc_cancel_unref(parent);
    return rc;
}

/* What cannot be observed cancels the scope, which says why. */
static int token_enter(void)
{
    kc_cancel_t *tk;
    kc_scope_t s;

    KF_OK(kc_cancel_create(&tk, NULL));
    int rc = kc_scope_open(&s, NULL);
    if (!rc) {
        kc_cancel_enter(tk);
        rc = kc_checkpoint();
        kc_cancel_leave(tk);
        int closed = kc_scope_close(&s);
        rc = !rc == !closed ? closed : KF_WRONG;
    }
    kc_cancel_unref(tk);
    return rc;
}

static const struct kf_part scopes[] = {
    { "kc_scope_open", scope_open, 0, { 0 } },
    { "kc_scope_spawn", scope_spawn, 0, { 0 } },
    { "kc_scope_next kc_scope_wait kc_scope_close", scope_next, 0, { 0 } },
    { "kc_scope_own", scope_own, 0, { 0 } },
    { "kc_scope_produce", produce, 0, { 0 } },
    { "kc_cancel_create kc_cancel_deadline", token, 0, { 0 } },
    { "kc_cancel_enter", token_enter, 0, { 0 } },
};

START_TEST(g5_whatever_fails_in_scopes_and_tokens_leaves_nothing)
{
    kf_try(scopes, KF_COUNT(scopes));
}
END_TEST

/* ---- contexts, pools, bare coroutines ---- */

static int finds_three(void *key)
{
    return kc_local_get(key) == key ? 7 : KF_WRONG;
}

static int locals(void)
{
    static int key[3];
    kc_co_t *co;
    int rc = 0;

    for (int i = 0; i < 3 && rc == 0; i++)
        rc = kc_local_set(&key[i], &key[i]);
    if (rc == 0)
        rc = kc_spawn(&co, finds_three, &key[2], NULL);
    if (rc == 0)
        rc = join_one(co);
    for (int i = 0; i < 3; i++)
        if (kc_local_get(&key[i]) && kc_local_set(&key[i], NULL))
            return KF_WRONG; // forgetting needs no memory: the table is ours alone
    return rc;
}

static int dispatch(void)
{
    const int where[] = { KC_DISPATCH_DEFAULT, KC_DISPATCH_SINGLE, KC_DISPATCH_IO };
    int ret;

    for (size_t i = 0; i < KF_COUNT(where); i++) {
        ret = 0;
        KF_OK(kc_with_dispatcher(where[i], seven, NULL, &ret));
        if (ret != 7)
            return KF_WRONG;
    }
    return 0;
}

static int block(void)
{
    int ret = 0;

    KF_OK(kc_block(seven, NULL, &ret, KC_FOREVER));
    return ret == 7 ? 0 : KF_WRONG;
}

static void yields(kc_raw_t *self, void *arg)
{
    kc_raw_yield(self, arg);
}

static int raw(void)
{
    const kc_attr_t large = { .stack_size = 3 << 20 };
    void *out = NULL;
    kc_raw_t *co;

    for (int i = 0; i < 2; i++) {
        KF_OK(kc_raw_create(&co, yields, &out, i ? &large : NULL));
        int rc = kc_raw_resume(co, NULL, &out);
        (void)kc_raw_destroy(co);
        if (rc || out != &out)
            return KF_WRONG;
    }
    return 0;
}

static int timer(void)
{
    kc_timer_t t = { { 0 } };

    called = 0;
    KF_OK(kc_timer_start(&t, kc_in(KC_US(10)), KC_US(10), call, NULL));
    int rc = kc_sleep(KC_US(100));
    (void)kc_timer_stop(&t);
    return rc ? rc : called ? 0 : KF_WRONG;
}

/* A timer itself needs no memory; the coroutine beside it does. */
static int timers(void)
{
    KF_OK(timer());
    return spawn_copy();
}

static const struct kf_part contexts[] = {
    { "kc_local_set", locals, 0, { 0 } },
    { "kc_with_dispatcher", dispatch, KF_REAL | KF_STARTS, { 0 } },
    { "kc_block", block, KF_REAL | KF_STARTS, { 0 } },
    { "kc_raw_create", raw, 0, { 0 } },
    { "kc_raw_create", raw, KF_THREAD, { 0 } },
    { "kc_timer_start kc_sleep_until", timers, 0, { 0 } },
};

START_TEST(g5_whatever_fails_in_contexts_pools_and_bare_coroutines_leaves_nothing)
{
    kf_try(contexts, KF_COUNT(contexts));
}
END_TEST

SUITE("fault/co", CASE(g5_whatever_fails_in_starting_coroutines_leaves_nothing),
      CASE(g5_whatever_fails_in_scopes_and_tokens_leaves_nothing),
      CASE(g5_whatever_fails_in_contexts_pools_and_bare_coroutines_leaves_nothing))
