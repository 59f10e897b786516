/* SPDX-License-Identifier: BSD-3-Clause */
/* tests/explore/bugs_sync.c — planted bugs around locks, conditions, counters and ends. */
#include "tests/explore/bugs.h"

void bugs_must(int rc)
{
    kc_always(rc >= 0);
}

int bugs_together(const kc_fn *fns, int n, void *arg)
{
    kc_scope_t s;
    int rc = kc_scope_open(&s, NULL);

    if (rc)
        return rc;
    for (int i = 0; i < n; i++)
        bugs_must(kc_scope_spawn(&s, NULL, fns[i], arg, 0, NULL));
    return kc_scope_close(&s);
}

struct shared {
    kc_mutex_t a, b, c;
    kc_cond_t cond;
    kc_sem_t sem;
    kc_wg_t wg;
    int n, m, inside, turn;
    bool ready;
};

static void lock(kc_mutex_t *m)
{
    bugs_must(kc_mutex_lock(m, KC_FOREVER));
}

static void unlock(kc_mutex_t *m)
{
    bugs_must(kc_mutex_unlock(m));
}

static void wait_on(struct shared *s)
{
    bugs_must(kc_cond_wait(&s->cond, &s->a, KC_FOREVER));
}

/* ---- two locks in two orders ---- */

static int take_ab(void *arg)
{
    struct shared *s = arg;
    lock(&s->a);
    lock(&s->b);
    unlock(&s->b);
    unlock(&s->a);
    return 0;
}

static int take_ba(void *arg)
{
    struct shared *s = arg;
    lock(&s->b);
    lock(&s->a);
    unlock(&s->a);
    unlock(&s->b);
    return 0;
}

static int lock_order(void *arg)
{
    struct shared s = { .n = 0 };
    (void)arg;
    return bugs_together((kc_fn[]){ take_ab, take_ba }, 2, &s);
}

/* ---- three philosophers, each takes the left fork first ---- */

static int dine(kc_mutex_t *left, kc_mutex_t *right)
{
    lock(left);
    lock(right);
    unlock(right);
    unlock(left);
    return 0;
}

static int first_philosopher(void *arg)
{
    struct shared *s = arg;
    return dine(&s->a, &s->b);
}

static int second_philosopher(void *arg)
{
    struct shared *s = arg;
    return dine(&s->b, &s->c);
}

static int third_philosopher(void *arg)
{
    struct shared *s = arg;
    return dine(&s->c, &s->a);
}

static int philosophers(void *arg)
{
    struct shared s = { .n = 0 };
    kc_fn all[] = { first_philosopher, second_philosopher, third_philosopher };
    (void)arg;
    return bugs_together(all, 3, &s);
}

/* ---- a counter without a lock ---- */

static int count_up(void *arg)
{
    struct shared *s = arg;
    int seen = s->n;
    kc_point();
    s->n = seen + 1;
    return 0;
}

static int lost_update(void *arg)
{
    struct shared s = { .n = 0 };
    (void)arg;
    int rc = bugs_together((kc_fn[]){ count_up, count_up }, 2, &s);
    return rc ? rc : s.n == 2 ? 0 : -EBADMSG;
}

/* ---- looked under the lock, acted under another one ---- */

static int withdraw(void *arg)
{
    struct shared *s = arg;

    lock(&s->a);
    bool enough = s->n >= 60;
    unlock(&s->a);
    if (!enough)
        return 0;
    lock(&s->a);
    s->n -= 60;
    kc_always(s->n >= 0);
    unlock(&s->a);
    return 0;
}

static int check_then_act(void *arg)
{
    struct shared s = { .n = 100 };
    (void)arg;
    return bugs_together((kc_fn[]){ withdraw, withdraw }, 2, &s);
}

/* ---- sleeps without looking once more ---- */

static int await_ready(void *arg)
{
    struct shared *s = arg;

    lock(&s->a);
    bool ready = s->ready;
    unlock(&s->a);
    if (ready)
        return 0;
    lock(&s->a);
    wait_on(s);
    unlock(&s->a);
    return 0;
}

static int make_ready(void *arg)
{
    struct shared *s = arg;

    lock(&s->a);
    s->ready = true;
    bugs_must(kc_cond_broadcast(&s->cond));
    unlock(&s->a);
    return 0;
}

static int missed_wakeup(void *arg)
{
    struct shared s = { .n = 0 };
    (void)arg;
    return bugs_together((kc_fn[]){ await_ready, make_ready }, 2, &s);
}

/* ---- "if" where "while" belongs ---- */

static int take_one(void *arg)
{
    struct shared *s = arg;

    lock(&s->a);
    if (s->n == 0)
        wait_on(s);
    s->n--;
    kc_always(s->n >= 0);
    unlock(&s->a);
    return 0;
}

static int put_two(void *arg)
{
    struct shared *s = arg;

    for (int i = 0; i < 2; i++) {
        lock(&s->a);
        s->n++;
        bugs_must(kc_cond_broadcast(&s->cond));
        unlock(&s->a);
    }
    return 0;
}

static int if_for_while(void *arg)
{
    struct shared s = { .n = 0 };
    (void)arg;
    return bugs_together((kc_fn[]){ take_one, take_one, put_two }, 3, &s);
}

/* ---- one is woken, and it is the wrong one ---- */

static int await_turn(struct shared *s, int turn)
{
    lock(&s->a);
    while (s->turn != turn)
        wait_on(s);
    s->turn++;
    bugs_must(kc_cond_signal(&s->cond)); // two wait for different turns
    unlock(&s->a);
    return 0;
}

static int go_first(void *arg)
{
    return await_turn(arg, 0);
}

static int go_second(void *arg)
{
    return await_turn(arg, 1);
}

static int go_third(void *arg)
{
    return await_turn(arg, 2);
}

static int signal_for_broadcast(void *arg)
{
    struct shared s = { .n = 0 };
    (void)arg;
    return bugs_together((kc_fn[]){ go_third, go_second, go_first }, 3, &s);
}

/* ---- made twice ---- */

static int make_once(void *arg)
{
    struct shared *s = arg;

    if (!s->ready) {
        lock(&s->a);
        s->n++; // should have looked again
        s->ready = true;
        unlock(&s->a);
    }
    return 0;
}

static int checked_once(void *arg)
{
    struct shared s = { .n = 0 };
    (void)arg;
    int rc = bugs_together((kc_fn[]){ make_once, make_once }, 2, &s);
    kc_always(s.n == 1);
    return rc;
}

/* ---- counted in too late ---- */

static int late_worker(void *arg)
{
    struct shared *s = arg;

    bugs_must(kc_wg_add(&s->wg, 1));
    bugs_must(kc_checkpoint());
    s->n++;
    bugs_must(kc_wg_add(&s->wg, -1));
    return 0;
}

static int wait_for_workers(void *arg)
{
    struct shared *s = arg;

    bugs_must(kc_wg_wait(&s->wg, KC_FOREVER));
    kc_always(s->n == 2);
    return 0;
}

static int counted_in_late(void *arg)
{
    struct shared s = { .n = 0 };
    (void)arg;
    return bugs_together((kc_fn[]){ late_worker, late_worker, wait_for_workers }, 3, &s);
}

/* ---- a permit given back twice ---- */

static int enter_room(void *arg)
{
    struct shared *s = arg;

    bugs_must(kc_sem_acquire(&s->sem, 1, KC_FOREVER));
    s->inside++;
    kc_always(s->inside == 1);
    bugs_must(kc_checkpoint());
    s->inside--;
    bugs_must(kc_sem_release(&s->sem, 1));
    if (s->m++ == 0)
        bugs_must(kc_sem_release(&s->sem, 1));
    return 0;
}

static int released_twice(void *arg)
{
    struct shared s = { .n = 0 };
    (void)arg;
    bugs_must(kc_sem_init(&s.sem, 1));
    return bugs_together((kc_fn[]){ enter_room, enter_room, enter_room }, 3, &s);
}

/* ---- a barrier that does not know its round ---- */

static int two_rounds(void *arg)
{
    struct shared *s = arg;

    for (int round = 0; round < 2; round++) {
        lock(&s->a);
        if (++s->n == 2) {
            s->n = 0;
            s->ready = true;
            bugs_must(kc_cond_broadcast(&s->cond));
        }
        while (!s->ready)
            wait_on(s);
        s->ready = false; // for the next round: the other one may not have seen it
        unlock(&s->a);
    }
    return 0;
}

static int barrier_without_rounds(void *arg)
{
    struct shared s = { .n = 0 };
    (void)arg;
    return bugs_together((kc_fn[]){ two_rounds, two_rounds }, 2, &s);
}

/* ---- polls for what a lost update has taken away ---- */

static int poll_for_two(void *arg)
{
    struct shared *s = arg;
    int rc = 0;

    while (s->n < 2 && rc == 0)
        rc = kc_sleep(KC_MS(1));
    return 0;
}

static int polls_for_ever(void *arg)
{
    struct shared s = { .n = 0 };
    (void)arg;
    return bugs_together((kc_fn[]){ poll_for_two, count_up, count_up }, 3, &s);
}

/* ---- a lock kept by somebody who was cancelled ---- */

static int cancelled_inside(void *arg)
{
    struct shared *s = arg;

    if (kc_mutex_lock(&s->a, KC_FOREVER) < 0)
        return 0;
    if (kc_checkpoint() < 0)
        return 0; // and the lock?
    unlock(&s->a);
    return 0;
}

static int kept_lock(void *arg)
{
    struct shared s = { .n = 0 };
    kc_scope_t scope;

    (void)arg;
    bugs_must(kc_scope_open(&scope, NULL));
    bugs_must(kc_scope_spawn(&scope, NULL, cancelled_inside, &s, 0, NULL));
    kc_point();
    bugs_must(kc_scope_cancel(&scope, -ECANCELED));
    (void)kc_scope_close(&scope);
    lock(&s.a);
    unlock(&s.a);
    return 0;
}

#define BUG(fn, within, why) { #fn, fn, within, why }

const struct bug bugs_sync[] = {
    BUG(lock_order, 20, "deadlock"),
    BUG(philosophers, 100, "deadlock"),
    BUG(lost_update, 20, "returned"),
    BUG(check_then_act, 20, "kc_always"),
    BUG(missed_wakeup, 20, "deadlock"),
    BUG(if_for_while, 50, "kc_always"),
    BUG(signal_for_broadcast, 50, "deadlock"),
    BUG(checked_once, 20, "kc_always"),
    BUG(counted_in_late, 20, "kc_always"),
    BUG(released_twice, 50, "kc_always"),
    BUG(barrier_without_rounds, 50, "deadlock"),
    BUG(polls_for_ever, 20, "no end"),
    BUG(kept_lock, 50, "deadlock"),
};
const unsigned bugs_sync_count = sizeof bugs_sync / sizeof bugs_sync[0];
