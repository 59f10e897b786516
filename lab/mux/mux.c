/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * lab/mux — many channels on one connection, one of which never stops: who waits how long?
 *
 * A sender coroutine shares a line of 1 MB/s between one heavy channel (32 KB elements, as many
 * as it is let) and nine light ones (100 bytes every 10 ms). Policies:
 *
 *     fifo       one queue, whole elements, in the order in which they were accepted
 *     round      channels in turn, a whole element each
 *     drr        deficit round robin: fragments of at most `quantum` bytes, each channel its
 *                share of bytes in a round
 *
 * Each channel has a window: how many elements it may have accepted and not sent. Measured for
 * light elements: from accepted to sent. The clock is virtual, so the numbers are exact.
 */
#include <kcoro/kcoro.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

enum { LIGHT = 9, CHANNELS = LIGHT + 1, RATE = 1000000, SECONDS = 10, QUEUE = 256 };

struct element {
    int channel;
    int64_t bytes, left; /* left to send */
    int64_t accepted_ns;
};

/* Accepted elements of one channel, or of all (fifo). */
struct queue {
    struct element e[QUEUE];
    unsigned head, tail;
    int64_t deficit;
};

struct policy {
    const char *name;
    bool one_queue;
    int64_t quantum; /* 0: whole elements */
    unsigned window;
};

struct mux {
    const struct policy *p;
    struct queue queue[CHANNELS];
    unsigned pending[CHANNELS], next;
    kc_co_t *tx;                /* NULL: it has not begun */
    kc_co_t *waiting[CHANNELS]; /* for its window */
    int64_t held, most_held;    /* bytes accepted and not sent */
    int64_t sent[CHANNELS], count, sum_ns, worst_ns;
    int64_t ends_ns;
};

/* ---- what the policies differ in ---- */

static struct queue *queue_of(struct mux *m, int channel)
{
    return &m->queue[m->p->one_queue ? 0 : channel];
}

static bool is_empty(const struct queue *q)
{
    return q->head == q->tail;
}

/* The next queue in turn that has something; NULL: none. */
static struct queue *next_queue(struct mux *m)
{
    for (unsigned i = 0; i < CHANNELS; i++) {
        struct queue *q = &m->queue[(m->next + i) % CHANNELS];
        if (is_empty(q))
            continue;
        m->next = (m->next + i) % CHANNELS;
        return q;
    }
    return NULL;
}

/* How much of q's first element goes now; the turn passes on when its share is used up. */
static int64_t portion(struct mux *m, struct queue *q)
{
    int64_t left = q->e[q->head % QUEUE].left;

    if (!m->p->quantum) {
        m->next++;
        return left;
    }
    if (q->deficit <= 0)
        q->deficit += m->p->quantum;
    int64_t n = left < q->deficit ? left : q->deficit;
    q->deficit -= n;
    if (q->deficit <= 0 || (n == left && q->head + 1 == q->tail))
        m->next++;
    return n;
}

/* ---- accepting and sending ---- */

static int accept_element(struct mux *m, int channel, int64_t bytes)
{
    while (m->pending[channel] == m->p->window) {
        m->waiting[channel] = kc_self();
        int rc = kc_park(kc_at(m->ends_ns));
        if (rc)
            return rc;
    }
    struct queue *q = queue_of(m, channel);
    q->e[q->tail++ % QUEUE] = (struct element){ channel, bytes, bytes, kc_now() };
    m->pending[channel]++;
    m->held += bytes;
    m->most_held = m->held > m->most_held ? m->held : m->most_held;
    return m->tx ? kc_unpark(m->tx) : 0;
}

static void finish(struct mux *m, struct queue *q)
{
    struct element *e = &q->e[q->head++ % QUEUE];
    int64_t took = kc_now() - e->accepted_ns;

    m->pending[e->channel]--;
    m->sent[e->channel] += e->bytes;
    if (e->channel) {
        m->count++;
        m->sum_ns += took;
        m->worst_ns = took > m->worst_ns ? took : m->worst_ns;
    }
    if (m->waiting[e->channel])
        kc_unpark(m->waiting[e->channel]);
}

KC_CO(tx, struct mux *m;) {
    struct mux *m = my->m;
    int rc = 0;

    m->tx = kc_self();
    while (rc == 0 && kc_now() < m->ends_ns) {
        struct queue *q = next_queue(m);
        if (!q) {
            rc = kc_park(kc_at(m->ends_ns));
            continue;
        }
        int64_t n = portion(m, q);
        rc = kc_sleep(n * KC_S(1) / RATE); // on the line
        m->held -= n;
        if (!(q->e[q->head % QUEUE].left -= n))
            finish(m, q);
    }
    return 0;
}

KC_CO(heavy, struct mux *m;) {
    while (accept_element(my->m, 0, 32768) == 0)
        continue;
    return 0;
}

KC_CO(light, struct mux *m; int channel;) {
    int64_t next = kc_now() + KC_MS(my->channel);

    while (next < my->m->ends_ns && kc_sleep_until(kc_at(next)) == 0) {
        if (accept_element(my->m, my->channel, 100) != 0)
            break;
        next += KC_MS(10);
    }
    return 0;
}

/* ---- the experiment ---- */

static int run_policy(const struct policy *p)
{
    static struct mux m;
    kc_scope_t s;

    memset(&m, 0, sizeof m);
    m.p = p;
    m.ends_ns = kc_now() + KC_S(SECONDS);
    int rc = kc_scope_open(&s, NULL);
    if (rc == 0)
        rc = kc_go_in(&s, tx, &m);
    if (rc == 0)
        rc = kc_go_in(&s, heavy, &m);
    for (int i = 1; i < CHANNELS && rc == 0; i++)
        rc = kc_go_in(&s, light, &m, i);
    int closed = kc_scope_close(&s);
    int64_t light_bytes = 0;
    for (int i = 1; i < CHANNELS; i++)
        light_bytes += m.sent[i];
    printf("%-12s %6u %10.3f %10.3f %9" PRId64 " %9" PRId64 " %9" PRId64 "\n", p->name,
           p->window, (double)m.sum_ns / (double)m.count / 1e6, (double)m.worst_ns / 1e6,
           m.sent[0] / SECONDS, light_bytes / SECONDS, m.most_held);
    return rc ? rc : closed;
}

static int experiment(void *arg)
{
    static const struct policy policies[] = {
        { "fifo", true, 0, 1 },
        { "fifo", true, 0, 4 },
        { "fifo", true, 0, 16 },
        { "round", false, 0, 16 },
        { "drr 16384", false, 16384, 16 },
        { "drr 4096", false, 4096, 16 },
        { "drr 1024", false, 1024, 16 },
    };
    int rc = 0;

    (void)arg;
    printf("%-12s %6s %10s %10s %9s %9s %9s\n", "# policy", "window", "mean ms", "worst ms",
           "heavy B/s", "light B/s", "most held");
    for (size_t i = 0; rc == 0 && i < sizeof policies / sizeof *policies; i++)
        rc = run_policy(&policies[i]);
    return rc;
}

int main(void)
{
    int rc = kc_run(experiment, NULL, &(kc_opts_t){ .flags = KC_RT_VIRTUAL_TIME, .seed = 1 });

    if (rc < 0)
        fprintf(stderr, "mux: %s\n", kc_strerror(rc));
    return rc < 0;
}
