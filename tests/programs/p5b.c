/* SPDX-License-Identifier: BSD-3-Clause */
#include <kcoro/kcoro.h>
#include <stdio.h>

/* 5b client: same calls, same select */
KC_MAIN {
    kc_ipc_conn_t *c; kc_chan_t *in, *out; int rc, x = 7, y;
    kc_ipc_chan_spec_t spec = { .elem_size = sizeof(int) };
    kc_deadline_t dl = kc_in(KC_S(2));
    if ((rc = kc_ipc_connect(&c, "unix:square.sock", NULL, dl)) < 0) return rc;
    if ((rc = kc_ipc_chan_open(c, "in", &spec, &in, dl)) < 0) return rc;
    if ((rc = kc_ipc_chan_open(c, "out", &spec, &out, dl)) < 0) return rc;
    if ((rc = kc_send(in, &x, dl)) < 0) return rc;
    kc_sel_t s = kc_select(dl, KC_RECV(out, &y), KC_DONE(kc_scope_token(kc_scope_current())));
    if (s.rc == 0) printf("%d^2 = %d\n", x, y);
    return s.rc ? s.rc : kc_ipc_close(c, dl);
}
