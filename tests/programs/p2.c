/* SPDX-License-Identifier: BSD-3-Clause */
#include <kcoro/kcoro.h>
#include <stdio.h>

/* 2 prime sieve */
KC_CO(generate, kc_chan_t *out;) {
    for (int i = 2; kc_send(my->out, &i) == 0; i++) {}
    return 0;
}
KC_CO(filter, kc_chan_t *in; kc_chan_t *out; int prime;) {
    for (int v; kc_recv(my->in, &v) == 0; )
        if (v % my->prime && kc_send(my->out, &v) < 0) break;
    return 0;
}
KC_MAIN {
    kc_chan_t *c = kc_chan(int, 0);
    kc_go(generate, c);
    for (int i = 0, p; i < 100 && kc_recv(c, &p) == 0; i++) {
        printf("%d\n", p);
        kc_chan_t *next = kc_chan(int, 0);
        kc_go(filter, c, next, p);
        c = next;
    }
    return kc_stop(0);                                  /* cancel the rest; scope frees the channels */
}
