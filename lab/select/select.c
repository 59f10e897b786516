/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * lab/select — a select over channels of other processes, by hint and claim, on links that
 * lose, double and reorder.
 *
 *     chooser → homes   REGISTER   tell me when there is something for select `gen`
 *     home → chooser    NOTIFY     there may be; a hint, promising nothing
 *     chooser → home    CLAIM      do it now: atomic at the home, one open claim per select
 *     home → chooser    GRANT item, or DENY: somebody was faster, you are registered again
 *     chooser → homes   CANCEL     select `gen` is over
 *     chooser → home    RETURN     a grant that came after the deadline; answered by RETURNED
 *
 * Why it works there: REGISTER is repeated while the chooser waits, so a lost hint costs time
 * only; CLAIM and RETURN are repeated until answered, and the home keeps its last verdict for
 * each chooser, so that repeating is not doing twice; generations and claim numbers only grow,
 * so what is old is known as such.
 *
 * Home's duty  (pump, after every change) as many are notified as there are items, or all.
 */
#include <kcoro/kcoro.h>
#include <stdio.h>
#include <string.h>
#include <sys/uio.h>

#include "ipc/port.h"

enum { HOMES = 2, CHOOSERS = 4, EACH = 300, ITEMS = HOMES * EACH, QUEUE = 1024 };
#define AGAIN_NS KC_MS(30)    // before something is repeated
#define DEADLINE_NS KC_MS(40) // of a select
#define PAUSE_NS KC_MS(12)    // between a home's items
#define LOCAL_NS KC_MS(16)    // between looks of who needs no link

enum kind { REGISTER, NOTIFY, CLAIM, GRANT, DENY, CANCEL, RETURN, RETURNED };

struct msg {
    uint32_t kind, gen, claim, item, from; /* from: which home, filled in by the receiver */
};

/* What a home knows of a chooser. */
struct guest {
    struct kci_port port;
    enum { NONE, ARMED, NOTIFIED } state;
    uint32_t gen, done_gen; /* the newest select heard of; one that is over */
    uint32_t claim;         /* answered last, */
    struct msg verdict;     /* like this, */
    bool returned;          /* and given back */
};

struct home {
    uint32_t queue[QUEUE], head, tail, turn; /* head moves back for what is returned */
    struct guest guest[CHOOSERS];
};

struct chooser {
    struct kci_port port[HOMES];
    kc_chan_t *inbox;
    uint32_t gen, claim;
    int open; /* where a claim is open; -1: nowhere */
    bool hint[HOMES], leaving;
};

static struct {
    struct home home[HOMES];
    struct chooser chooser[CHOOSERS];
    unsigned char seen[ITEMS];
    int received, twice, selects, claims, denied, repeats, returns;
    int64_t waited_ns;
    kc_scope_t scope;
} all;

/* ---- links ---- */

static void post(struct kci_port *p, struct msg m)
{
    struct iovec iov = { &m, sizeof m };
    (void)!p->ops->send_frame(p->link, &iov, 1); // a full link loses it: as good as any loss
}

static bool receive(struct kci_port *p, struct msg *m)
{
    void *frame;
    size_t len;
    int rc;

    while ((rc = p->ops->recv_frame(p->link, &frame, &len)) == -EAGAIN)
        if (kci_port_wait(p, KC_RD, KC_FOREVER) < 0)
            return false;
    if (rc)
        return false;
    memcpy(m, frame, sizeof *m);
    p->ops->free_frame(p->link, frame);
    return true;
}

/* ---- a home ---- */

static void pump(struct home *h)
{
    uint32_t available = h->tail - h->head, notified = 0;

    for (int i = 0; i < CHOOSERS; i++)
        notified += h->guest[i].state == NOTIFIED;
    for (unsigned i = 0; i < CHOOSERS && notified < available; i++) {
        struct guest *g = &h->guest[(h->turn + i) % CHOOSERS];
        if (g->state != ARMED)
            continue;
        g->state = NOTIFIED;
        notified++;
        h->turn = (h->turn + i + 1) % CHOOSERS;
        post(&g->port, (struct msg){ .kind = NOTIFY, .gen = g->gen });
    }
}

static void on_register(struct home *h, struct guest *g, const struct msg *m)
{
    uint32_t gen = m->gen;

    if (gen <= g->done_gen || gen < g->gen)
        return;
    if (gen > g->gen)
        g->state = NONE;
    g->gen = gen;
    if (g->state == NOTIFIED && h->tail != h->head) // the hint may have been lost
        post(&g->port, (struct msg){ .kind = NOTIFY, .gen = gen });
    else
        g->state = ARMED;
}

static void on_cancel(struct home *h, struct guest *g, const struct msg *m)
{
    (void)h;
    g->done_gen = m->gen > g->done_gen ? m->gen : g->done_gen;
    if (g->gen <= g->done_gen)
        g->state = NONE;
}

static void on_claim(struct home *h, struct guest *g, const struct msg *m)
{
    if (m->claim > g->claim) {
        bool some = h->tail != h->head;
        g->claim = m->claim;
        g->returned = false;
        g->verdict = (struct msg){ .kind = some ? GRANT : DENY, .claim = m->claim };
        if (some) {
            g->verdict.item = h->queue[h->head++ % QUEUE];
            on_cancel(h, g, m);
        } else if (g->gen == m->gen && m->gen > g->done_gen) {
            g->state = ARMED;
        }
    }
    if (m->claim == g->claim)
        post(&g->port, g->verdict);
}

static void on_return(struct home *h, struct guest *g, const struct msg *m)
{
    if (m->claim == g->claim && g->verdict.kind == GRANT && !g->returned) {
        g->returned = true;
        h->queue[--h->head % QUEUE] = g->verdict.item; // first in line again
    }
    post(&g->port, (struct msg){ .kind = RETURNED, .claim = m->claim });
}

KC_CO(host, struct home *h; struct guest * g;) {
    static void (*const on[])(struct home *, struct guest *, const struct msg *) = {
        [REGISTER] = on_register, [CANCEL] = on_cancel, [CLAIM] = on_claim, [RETURN] = on_return
    };
    struct msg m;

    while (receive(&my->g->port, &m)) {
        on[m.kind](my->h, my->g, &m);
        pump(my->h);
    }
    return 0;
}

KC_CO(produce, struct home *h; uint32_t first;) {
    for (uint32_t i = 0; i < EACH && kc_sleep(PAUSE_NS) == 0; i++) {
        my->h->queue[my->h->tail++ % QUEUE] = my->first + i;
        pump(my->h);
    }
    return 0;
}

static void count(uint32_t item)
{
    all.twice += all.seen[item]++ > 0;
    if (++all.received == ITEMS)
        kc_scope_cancel(&all.scope, 0);
}

/* Somebody in the home's own process, who needs no claim. */
KC_CO(neighbour, struct home *h;) {
    while (kc_sleep(LOCAL_NS) == 0)
        if (my->h->tail != my->h->head)
            count(my->h->queue[my->h->head++ % QUEUE]);
    return 0;
}

/* ---- a chooser ---- */

KC_CO(listen_to, struct chooser *c; uint32_t home;) {
    struct msg m;

    while (receive(&my->c->port[my->home], &m)) {
        m.from = my->home;
        if (kc_send(my->c->inbox, &m) < 0)
            break;
    }
    return 0;
}

static void tell(struct chooser *c, uint32_t h, enum kind k)
{
    post(&c->port[h], (struct msg){ .kind = k, .gen = c->gen, .claim = c->claim });
}

static void tell_homes(struct chooser *c, enum kind k)
{
    for (uint32_t h = 0; h < HOMES; h++)
        tell(c, h, k);
}

static int repeat(struct chooser *c)
{
    all.repeats++;
    if (c->open < 0)
        tell_homes(c, REGISTER);
    else
        tell(c, (uint32_t)c->open, CLAIM);
    return -EAGAIN;
}

/* Until the home says so. */
static int give_back(struct chooser *c, uint32_t home)
{
    struct msg m = { 0 };
    int rc;

    all.returns++;
    do {
        tell(c, home, RETURN);
        rc = kc_chan_recv(c->inbox, &m, kc_in(AGAIN_NS));
        all.repeats += rc == -ETIME;
    } while (rc != -ECANCELED && (rc || m.kind != RETURNED || m.claim != c->claim));
    return rc == -ECANCELED ? rc : -ETIME;
}

/* 0 and *item; -EAGAIN: go on; -ETIME: the deadline was first. */
static int on_msg(struct chooser *c, const struct msg *m, uint32_t *item)
{
    bool mine = c->open == (int)m->from && m->claim == c->claim;

    if (m->kind == NOTIFY && m->gen != c->gen) {
        post(&c->port[m->from], (struct msg){ .kind = CANCEL, .gen = m->gen });
    } else if (m->kind == NOTIFY) {
        c->hint[m->from] = true;
    } else if (m->kind == GRANT && mine) {
        *item = m->item;
        return c->leaving ? give_back(c, m->from) : 0;
    } else if (m->kind == DENY && mine) {
        all.denied++;
        c->open = -1;
    }
    for (int h = 0; h < HOMES && c->open < 0; h++)
        if (c->hint[h]) {
            c->hint[c->open = h] = false;
            c->claim++;
            all.claims++;
            tell(c, (uint32_t)h, CLAIM);
        }
    return -EAGAIN;
}

/* One select over all homes: 0 and *item, -ETIME, -ECANCELED. */
static int choose(struct chooser *c, uint32_t *item)
{
    int64_t until = kc_now() + DEADLINE_NS;
    struct msg m;
    int rc;

    c->gen++;
    c->open = -1;
    c->leaving = false;
    memset(c->hint, 0, sizeof c->hint);
    tell_homes(c, REGISTER);
    do {
        rc = kc_chan_recv(c->inbox, &m, kc_in(AGAIN_NS));
        c->leaving = kc_now() >= until;
        if (rc == 0)
            rc = on_msg(c, &m, item);
        else if (rc == -ETIME && !(c->leaving && c->open < 0))
            rc = repeat(c);
        if (rc == -EAGAIN && c->leaving && c->open < 0)
            rc = -ETIME;
    } while (rc == -EAGAIN);
    tell_homes(c, CANCEL);
    return rc;
}

KC_CO(consume, struct chooser *c;) {
    uint32_t item = 0;
    int rc;
    do {
        int64_t began = kc_now();
        rc = choose(my->c, &item);
        all.waited_ns += kc_now() - began;
        if (rc == 0)
            count(item);
        all.selects++;
    } while (rc != -ECANCELED && kc_sleep(KC_MS(1)) == 0);
    return 0;
}

/* ---- the experiment ---- */

static int connect_all(int h)
{
    struct kci_port listening;
    const char *rest, *addr = h ? "simframes:home1" : "simframes:home0";
    void *env;
    int rc = kci_port_find(addr, NULL, &listening, &env, &rest);

    if (rc || (rc = listening.ops->listen(rest, env, &listening.link)))
        return rc;
    kci_port_settle(&listening);
    for (int i = 0; i < CHOOSERS && rc == 0; i++) {
        struct kci_port *near = &all.chooser[i].port[h], *far = &all.home[h].guest[i].port;
        near->ops = far->ops = listening.ops;
        if ((rc = near->ops->connect(rest, env, &near->link)))
            break;
        kci_port_settle(near);
        while (far->ops->accept(listening.link, &far->link) == -EAGAIN)
            (void)kci_port_wait(&listening, KC_RD, KC_FOREVER);
        kci_port_settle(far);
    }
    kci_port_close(&listening);
    return rc;
}

static int start_all(kc_scope_t *s)
{
    int rc = 0;

    for (struct chooser *c = all.chooser; c < all.chooser + CHOOSERS; c++)
        c->inbox = kc_chan(struct msg, 64);
    for (int h = 0; h < HOMES && rc == 0; h++) {
        rc = connect_all(h);
        for (int i = 0; i < CHOOSERS && rc == 0; i++) {
            rc = kc_go_in(s, host, &all.home[h], &all.home[h].guest[i]);
            rc = rc ? rc : kc_go_in(s, listen_to, &all.chooser[i], (uint32_t)h);
        }
        rc = rc ? rc : kc_go_in(s, neighbour, &all.home[h]);
        rc = rc ? rc : kc_go_in(s, produce, &all.home[h], (uint32_t)h * EACH);
    }
    for (int i = 0; i < CHOOSERS && rc == 0; i++)
        rc = kc_go_in(s, consume, &all.chooser[i]);
    return rc;
}

static int experiment(void *arg)
{
    uint32_t loss = *(uint32_t *)arg;
    kc_sim_link_t link = { .latency_ns = KC_MS(5),
                           .jitter_ns = KC_MS(2),
                           .drop_ppm = loss,
                           .dup_ppm = loss,
                           .reorder_ppm = loss };
    kc_sim_t *w;
    int rc = kc_sim_create(&w, 1, &link);

    memset(&all, 0, sizeof all);
    if (rc == 0)
        rc = kc_scope_open(&all.scope, NULL);
    if (rc)
        return rc;
    rc = start_all(&all.scope);
    kc_scope_close(&all.scope);
    for (int i = 0; i < HOMES * CHOOSERS; i++) {
        kci_port_close(&all.home[i % HOMES].guest[i / HOMES].port);
        kci_port_close(&all.chooser[i / HOMES].port[i % HOMES]);
    }
    printf("%6u %8d %5d %6d %6d %7d %8d %8d %9.1f\n", loss / 10000, all.received, all.twice,
           all.claims, all.denied, all.repeats, all.returns, all.selects,
           (double)all.waited_ns / 1e6 / all.selects);
    return rc;
}

int main(void)
{
    static uint32_t losses[] = { 0, 10000, 50000, 200000 };
    int rc = 0;

    printf("# loss received twice claims denied repeats returned  selects   mean ms\n");
    for (size_t i = 0; rc == 0 && i < sizeof losses / sizeof *losses; i++)
        rc = kc_run(experiment, &losses[i],
                    &(kc_opts_t){ .flags = KC_RT_VIRTUAL_TIME, .seed = 1 });
    return rc < 0;
}
