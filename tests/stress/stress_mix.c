/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * tests/stress/stress_mix.c — everything that can be done with channels, at random, at once.
 *
 * A round: two channels of one kind; coroutines and plain threads that send and receive,
 * alone or in selects, without waiting, with a deadline or without; half of the coroutines
 * are cancelled at a random moment; at other random moments each channel is closed or
 * cancelled. Afterwards
 *
 *   each element sent with 0 was received once or given to the hook once, every other one never
 *   each receiver saw each sender's elements of each channel in order
 *   sends = recvs + undelivered + len, nobody waits, nothing is allocated
 *
 * KC_STRESS_SECONDS says for how long (0.5, half of it with 2 workers, half with 4);
 * KC_TEST_SEED repeats the choices, though not the threads' timing. For a soak:
 *
 *     ./dev soak 600
 */
#include <pthread.h>
#include <stdlib.h>

#include "arch/os.h"
#include "core/mem.h"
#include "tests/chan/kit.h"

enum {
    SENDERS = 6,
    RECEIVERS = 5,
    ACTORS = SENDERS + RECEIVERS,
    OPS = 300, /* elements a sender tries to send */
    CHANS = 2
};

enum { SENT = 1, GOT = 2, HOOKED = 4 };

struct item {
    uint32_t sender, seq;
};

struct actor {
    struct world *w;
    struct dice dice;
    uint32_t id, seq;
    int64_t last[CHANS][SENDERS]; /* seq received last */
    bool open[CHANS];
    bool cancelled;
    struct item out, in[CHANS];
};

struct world {
    enum kind kind;
    bool hooked; /* there is a hook; else what is dropped is only counted */
    kc_chan_t *ch[CHANS];
    struct actor actors[ACTORS];
    _Atomic(unsigned char) fate[SENDERS][OPS];
    _Atomic(uint32_t) progress, senders_left;
};

static struct world world;

/* ---- what becomes of an element ---- */

static void mark(struct world *w, struct item it, unsigned char what)
{
    must(it.sender < SENDERS && it.seq < OPS);
    unsigned char had = ka_or(&w->fate[it.sender][it.seq], what, seq_cst);
    must(!(had & what)); // not twice
    must(what == SENT || !(had & (GOT | HOOKED)));
}

static void undelivered(void *elem, unsigned reason, void *arg)
{
    must(reason >= KC_UNDELIV_OLDEST && reason <= KC_UNDELIV_DESTROYED);
    mark(arg, *(struct item *)elem, HOOKED);
}

static void received(struct actor *a, int chan)
{
    struct item it = a->in[chan];

    mark(a->w, it, GOT);
    must((int64_t)it.seq > a->last[chan][it.sender]);
    a->last[chan][it.sender] = it.seq;
}

/* ---- one operation ---- */

static kc_deadline_t some_deadline(struct actor *a, bool may_wait)
{
    uint64_t d = roll(&a->dice, may_wait ? 4 : 2);
    return d == 0 ? KC_TRY : d == 1 ? kc_in(KC_NS(roll(&a->dice, 50000))) : KC_FOREVER;
}

/* Learn from a result of an operation on `chan`. */
static void learn(struct actor *a, int chan, int rc, bool sending)
{
    ka_add(&a->w->progress, 1, relaxed); // relaxed: a measure
    switch (rc) {
    case 0:
        if (sending)
            mark(a->w, a->out, SENT);
        else
            received(a, chan);
        break;
    case -EPIPE:
        a->open[chan] = false;
        break;
    case -ECANCELED:
        a->cancelled = true;
        break;
    default:
        must(rc == -EAGAIN || rc == -ETIME);
    }
}

static kc_chan_t *if_open(struct actor *a, int chan)
{
    return a->open[chan] ? a->w->ch[chan] : NULL;
}

/* Send to one of both, or receive from one of both, or one of each. */
static void some_select(struct actor *a, bool send0, bool send1, bool may_wait)
{
    kc_chan_t *c0 = if_open(a, 0), *c1 = if_open(a, 1);
    kc_case_t cases[] = { send0 ? KC_SEND(c0, &a->out) : KC_RECV(c0, &a->in[0]),
                          send1 ? KC_SEND(c1, &a->out) : KC_RECV(c1, &a->in[1]) };
    kc_sel_t s = kc_selectv(cases, 2, some_deadline(a, may_wait), (unsigned)roll(&a->dice, 3));

    must(s.i < CHANS);
    if (s.i >= 0)
        learn(a, s.i, s.rc, s.i ? send1 : send0);
    else
        learn(a, 0, s.rc, false);
}

static void send_somehow(struct actor *a)
{
    int chan = (int)roll(&a->dice, CHANS);

    if (!a->open[chan])
        chan = !chan;
    uint64_t how = roll(&a->dice, 12);
    if (how < 8)
        learn(a, chan, kc_chan_send(a->w->ch[chan], &a->out, some_deadline(a, true)), true);
    else if (how < 11)
        some_select(a, true, true, true);
    else // not for ever: with its own channel closed it would be one more receiver
        some_select(a, chan == 0, chan == 1, false);
}

/* Nobody who receives waits for ever on one channel: the senders could all be on the other. */
static void receive_somehow(struct actor *a)
{
    int chan = (int)roll(&a->dice, CHANS);

    if (!a->open[chan])
        chan = !chan;
    if (roll(&a->dice, 3))
        some_select(a, false, false, true);
    else
        learn(a, chan, kc_chan_recv(a->w->ch[chan], &a->in[chan], some_deadline(a, false)),
              false);
}

/* ---- actors ---- */

static bool goes_on(const struct actor *a)
{
    return !a->cancelled && (a->open[0] || a->open[1]);
}

static void act(struct actor *a)
{
    if (a->id >= SENDERS) {
        while (goes_on(a))
            receive_somehow(a);
        return;
    }
    for (; a->seq < OPS && goes_on(a); a->seq++) {
        a->out = (struct item){ a->id, a->seq };
        send_somehow(a);
    }
    ka_sub(&a->w->senders_left, 1, seq_cst);
}

KC_CO(actor, struct actor *a;)
{
    act(my->a);
    return 0;
}

static void *actor_thread(void *arg)
{
    act(arg);
    return NULL;
}

/* Of each side the last is a plain thread; of the others every other one will be cancelled, but
 * never a side's first. */
static bool is_thread(uint32_t id)
{
    return id == SENDERS - 1 || id == ACTORS - 1;
}

static bool is_doomed(uint32_t id)
{
    return (id < SENDERS ? id : id - SENDERS) % 2 == 1;
}

/* ---- a round ---- */

static void prepare(struct world *w, struct dice *d)
{
    kc_chan_opts_t o = options_of(w->kind, sizeof(struct item));

    memset(w->fate, 0, sizeof w->fate);
    w->hooked = roll(d, 4);
    o.on_undelivered = w->hooked ? undelivered : NULL;
    o.arg = w;
    for (int i = 0; i < CHANS; i++)
        must_eq(kc_chan_make_ex(&w->ch[i], &o), 0);
    ka_store(&w->progress, 0, seq_cst);
    ka_store(&w->senders_left, SENDERS, seq_cst);
    for (uint32_t id = 0; id < ACTORS; id++) {
        struct actor *a = &w->actors[id];
        *a = (struct actor){ .w = w, .id = id, .open = { true, true } };
        a->dice = dice_seeded(roll(d, 1u << 30));
        memset(a->last, -1, sizeof a->last);
    }
}

/* The deeds of fate: each at a moment of its own, in any order. */
struct deed {
    uint32_t when;
    int what; /* -1: cancel the doomed; else close or cancel that channel */
};

static void wait_for(struct world *w, uint32_t when)
{
    until(ka_load(&w->progress, relaxed) >= when || // relaxed: a measure
          !ka_load(&w->senders_left, seq_cst));
}

static void let_it_happen(struct world *w, struct dice *d, kc_scope_t *doomed)
{
    struct deed deeds[CHANS + 1];

    for (int i = 0; i <= CHANS; i++)
        deeds[i] = (struct deed){ (uint32_t)roll(d, SENDERS * OPS * 3 / 2), i - 1 };
    for (int done = 0; done <= CHANS; done++) {
        struct deed *next = &deeds[0];
        for (int i = 1; i <= CHANS; i++)
            if (deeds[i].when < next->when)
                next = &deeds[i];
        wait_for(w, next->when);
        next->when = UINT32_MAX;
        if (next->what < 0)
            kc_scope_cancel(doomed, 0);
        else if (roll(d, 2))
            must_eq(kc_chan_close_why(w->ch[next->what], -EIO), 0);
        else
            must_eq(kc_chan_cancel(w->ch[next->what], -EIO), 0);
    }
}

/* Sends that left no trace must be the ones that were dropped without a hook. */
static void settle_accounts(struct world *w)
{
    uint64_t sent = 0, silent = 0, sends = 0, undelivered_count = 0;

    for (int i = 0; i < CHANS; i++) {
        struct kc_chan_stats st = stats_of(w->ch[i]);
        must_eq(st.sends, st.recvs + st.undelivered + st.len);
        must_eq(st.send_waiters + st.recv_waiters, 0);
        sends += st.sends;
        undelivered_count += st.undelivered + st.len;
        kc_chan_unref(w->ch[i]);
    }
    for (int s = 0; s < SENDERS; s++)
        for (int i = 0; i < OPS; i++) {
            unsigned char fate = ka_load(&w->fate[s][i], seq_cst);
            must((fate & SENT) || !fate);
            sent += fate == SENT || fate == (SENT | GOT) || fate == (SENT | HOOKED);
            silent += fate == SENT;
        }
    must_eq(sent, sends);
    must_eq(silent, w->hooked ? 0 : undelivered_count);
}

static int play(void *arg)
{
    struct dice *d = arg;
    struct world *w = &world;
    pthread_t threads[ACTORS];
    kc_scope_t safe, doomed;

    prepare(w, d);
    open_scope(&safe);
    open_scope(&doomed);
    for (uint32_t id = 0; id < ACTORS; id++)
        if (is_thread(id))
            must_eq(pthread_create(&threads[id], NULL, actor_thread, &w->actors[id]), 0);
        else
            must_eq(kc_go_in(is_doomed(id) ? &doomed : &safe, actor, &w->actors[id]), 0);
    let_it_happen(w, d, &doomed);
    must_eq(kc_scope_close(&doomed), -ECANCELED);
    must_eq(kc_scope_close(&safe), 0);
    for (uint32_t id = 0; id < ACTORS; id++)
        if (is_thread(id))
            must_eq(pthread_join(threads[id], NULL), 0);
    settle_accounts(w);
    return 0;
}

static int64_t budget_ns(void)
{
    const char *text = getenv("KC_STRESS_SECONDS");
    double seconds = text ? strtod(text, NULL) : 0.5;

    return (int64_t)(seconds * 1e9);
}

static void stress(enum kind kind)
{
    struct dice d = dice_seeded(test_seed());
    int64_t half = budget_ns() / 2;

    world.kind = kind;
    for (int workers = 2; workers <= 4; workers += 2) {
        int64_t end = kci_os_now() + half;
        do {
            kc_opts_t opts = { .workers = workers, .seed = 1 + roll(&d, 1u << 30) };
            must_eq(kc_run(play, &d, &opts), 0);
            must_eq(kci_mem_blocks_in_use(), 0);
        } while (kci_os_now() < end);
    }
}

START_TEST(rendezvous_loses_and_doubles_nothing)
{
    stress(RENDEZVOUS);
}
END_TEST

START_TEST(capacity_1_loses_and_doubles_nothing)
{
    stress(ONE);
}
END_TEST

START_TEST(capacity_7_loses_and_doubles_nothing)
{
    stress(SEVEN);
}
END_TEST

START_TEST(unlimited_loses_and_doubles_nothing)
{
    stress(UNLIMITED);
}
END_TEST

START_TEST(conflated_reports_all_it_replaces)
{
    stress(CONFLATED);
}
END_TEST

START_TEST(drop_oldest_reports_all_it_drops)
{
    stress(DROP_OLDEST);
}
END_TEST

START_TEST(drop_latest_reports_all_it_drops)
{
    stress(DROP_LATEST);
}
END_TEST

SUITE("stress/mix",
      CASE(rendezvous_loses_and_doubles_nothing),
      CASE(capacity_1_loses_and_doubles_nothing),
      CASE(capacity_7_loses_and_doubles_nothing),
      CASE(unlimited_loses_and_doubles_nothing),
      CASE(conflated_reports_all_it_replaces),
      CASE(drop_oldest_reports_all_it_drops),
      CASE(drop_latest_reports_all_it_drops))
