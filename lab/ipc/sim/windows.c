/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * lab/ipc/sim — credit windows against the round trip: how much of a line does a window fill?
 *
 * The real protocol over a simulated line of 1 MB/s, for each latency and window: items of 100
 * bytes from one end to the other for ten round trips, at least 2000 of them. Columns for
 * gnuplot; blank lines part the latencies:
 *
 *     plot for [i=0:3] 'out' index i using 2:3 with linespoints
 */
#include <kcoro/kcoro.h>
#include <kcoro/sim.h>
#include <inttypes.h>
#include <stdio.h>

enum { ELEM = 100, FRAMED = 128 /* with its header, padded */, RATE = 1000000 };

static const int latencies[] = { 1, 5, 20, 100 }; // ms, one way
static const uint32_t windows[] = { 1, 4, 16, 64, 256, 1024 };

struct element {
    char bytes[ELEM];
};

KC_CO(produce, kc_chan_t *ch; int64_t n;) {
    static const struct element e;

    for (int64_t i = 0; i < my->n; i++)
        if (kc_send(my->ch, &e) < 0)
            return -EPIPE;
    return 0;
}

static int64_t least(int64_t a, int64_t b)
{
    return a < b ? a : b;
}

/* How long n items take, from the first to the last, on a connection of their own. */
static int run_items(kc_ipc_listener_t *l, uint32_t window, int64_t n, int64_t *took)
{
    kc_ipc_chan_spec_t spec = { .elem_size = ELEM, .window = window };
    kc_ipc_opts_t opts = { .window = window };
    kc_ipc_conn_t *c;
    kc_chan_t *home, *ch;
    char name[24];
    int rc = kc_chan_make(&home, ELEM, 1);

    snprintf(name, sizeof name, "w%u@%" PRId64, window, kc_now());
    if (rc == 0 && (rc = kc_ipc_export(l, name, home, KC_PEER_SEND)) == 0)
        rc = kc_ipc_connect(&c, "sim:client>server", &opts, KC_FOREVER);
    if (rc == 0)
        rc = kc_ipc_chan_open(c, name, &spec, &ch, KC_FOREVER);
    if (rc < 0)
        return rc;
    int64_t began = 0;
    kc_go(produce, ch, n);
    for (int64_t i = 0; i < n && rc == 0; i++) {
        rc = kc_chan_recv(home, NULL, KC_FOREVER);
        began = i ? began : kc_now();
    }
    *took = kc_now() - began;
    kc_chan_unref(ch);
    kc_chan_unref(home);
    int closed = kc_ipc_close(c, KC_FOREVER);
    return rc ? rc : closed;
}

/* What a window can carry: all of it in each round trip, or what the line takes. */
static int64_t expected(uint32_t window, int latency_ms)
{
    return least(RATE / FRAMED, window * (int64_t)1000 / (2 * latency_ms));
}

static int sweep(kc_sim_t *w, kc_ipc_listener_t *l, int latency_ms)
{
    kc_sim_link_t link = { .latency_ns = KC_MS(latency_ms),
                           .bytes_per_s = RATE,
                           .buffer_bytes = 1 << 20 };
    int rc = kc_sim_link(w, NULL, NULL, &link);

    for (size_t i = 0; rc == 0 && i < sizeof windows / sizeof *windows; i++) {
        int64_t could = expected(windows[i], latency_ms), took = 0;
        int64_t n = least(2000, 10 * windows[i]) + 10 * windows[i];
        rc = run_items(l, windows[i], n, &took);
        if (rc == 0)
            printf("%5d %7u %9" PRId64 " %9" PRId64 "\n", latency_ms, windows[i],
                   (n - 1) * KC_S(1) / took, could);
    }
    printf("\n\n");
    return rc;
}

static int experiment(void *arg)
{
    kc_ipc_listener_t *l;
    kc_sim_t *w;
    int rc = kc_sim_create(&w, 1, NULL);

    (void)arg;
    if (rc == 0)
        rc = kc_ipc_listen(&l, "sim:server", &(kc_ipc_opts_t){ .window = 1024 });
    printf("#  ms  window   items/s  expected\n");
    for (size_t i = 0; rc == 0 && i < sizeof latencies / sizeof *latencies; i++)
        rc = sweep(w, l, latencies[i]);
    return rc < 0 ? rc : kc_ipc_listener_close(l);
}

int main(void)
{
    int rc = kc_run(experiment, NULL, &(kc_opts_t){ .flags = KC_RT_VIRTUAL_TIME, .seed = 1 });

    if (rc < 0)
        fprintf(stderr, "windows: %s\n", kc_strerror(rc));
    return rc < 0;
}
