/* SPDX-License-Identifier: BSD-3-Clause */
#include <kcoro/kcoro.h>

/* 5a remote channel, server */
KC_MAIN {
    kc_ipc_listener_t *l; int v, rc;
    kc_chan_t *in = kc_chan(int, 64), *out = kc_chan(int, 64);
    if ((rc = kc_ipc_listen(&l, "unix:square.sock", NULL)) < 0) return rc;
    kc_ipc_export(l, "in", in, KC_PEER_SEND);
    kc_ipc_export(l, "out", out, KC_PEER_RECV);
    while ((rc = kc_recv(in, &v)) == 0) { v *= v; if ((rc = kc_send(out, &v)) < 0) break; }
    return rc;
}
