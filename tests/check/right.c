/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * tests/check/right.c — memory handed over in every way that orders: a channel, a mutex, a
 * future, a join, an atomic, freed memory used again. Nothing to complain of.
 */
#include <kcoro/kcoro.h>
#include <stdatomic.h>
#include <stdlib.h>

static kc_mutex_t lock;
static int guarded, published, joined, set;
static atomic_int flag;

KC_CO(owner, kc_chan_t *ch;)
{
    int *p;

    while (kc_recv(my->ch, &p) == 0) {
        *p += 1;
        free(p);
    }
    return 0;
}

KC_CO(giver, kc_chan_t *ch;)
{
    for (int i = 0; i < 3; i++) {
        int *p = malloc(sizeof *p);
        if (!p)
            return -ENOMEM;
        *p = i;
        int rc = kc_send(my->ch, &p);
        if (rc)
            return rc;
    }
    return kc_chan_close(my->ch);
}

KC_CO(counter)
{
    if (kc_mutex_lock(&lock, KC_FOREVER) < 0)
        return 0;
    guarded++;
    return kc_mutex_unlock(&lock);
}

KC_CO(publisher, kc_future_t *f;)
{
    published = 1;
    atomic_store_explicit(&flag, 1, memory_order_release);
    set = 2;
    return kc_future_set(my->f, 0, &set);
}

static int join_me(void *arg)
{
    *(int *)arg = 7;
    return 0;
}

static int use(kc_future_t *f, kc_co_t *co)
{
    int got = 0, rc = kc_future_await(f, &got, KC_FOREVER);

    if (rc || (rc = kc_join(co, NULL, KC_FOREVER)))
        return rc;
    if (atomic_load_explicit(&flag, memory_order_acquire) && published != 1)
        return -EBADMSG;
    return got == 2 && set == 2 && joined == 7 ? 0 : -EBADMSG;
}

KC_MAIN
{
    kc_chan_t *ch = kc_chan(int *, 1);
    kc_future_t *f;
    kc_co_t *co;
    kc_scope_t s;
    int rc = kc_future_create(&f, sizeof(int));

    if (!ch || rc || (rc = kc_scope_open(&s, NULL)))
        return rc;
    kc_go_in(&s, owner, ch);
    kc_go_in(&s, giver, ch);
    kc_go_in(&s, counter);
    kc_go_in(&s, counter);
    kc_go_in(&s, publisher, f);
    if ((rc = kc_spawn(&co, join_me, &joined, NULL)))
        return rc;
    rc = use(f, co);
    kc_co_unref(co);
    kc_future_unref(f);
    int closed = kc_scope_close(&s);
    return rc ? rc : closed ? closed : guarded == 2 ? 0 : -EBADMSG;
}
