/* SPDX-License-Identifier: BSD-3-Clause */
#include <kcoro/kcoro.h>
#include <stdio.h>

/* 3 producer, consumer, select, timeout */
KC_CO(produce, kc_chan_t *out;) {
    for (int i = 0; i < 10 && kc_sleep(KC_MS(30)) == 0; i++)
        if (kc_send(my->out, &i) < 0) break;
    return kc_chan_close(my->out);
}
KC_MAIN {
    kc_chan_t *data = kc_chan(int, 4), *tick = kc_tick(KC_MS(100));
    int v; uint64_t n;
    kc_go(produce, data);
    for (;;) {
        kc_sel_t s = kc_select(kc_in(KC_S(1)), KC_RECV(data, &v), KC_RECV(tick, &n));
        if (s.rc == -ETIME) { puts("idle for 1 s"); continue; }
        if (s.rc < 0) return s.rc == -EPIPE ? 0 : s.rc;
        if (s.i == 0) printf("got %d\n", v); else puts("tick");
    }
}
