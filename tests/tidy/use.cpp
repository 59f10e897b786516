/* SPDX-License-Identifier: BSD-3-Clause */
/* tests/tidy/use.cpp — what of the headers a C++ program can write; compiled, never run. */
#include <kcoro/kcoro.h>

KC_CHAN_TYPE(ints, int)

int use(kc_chan_t *z, int fd)
{
    kc_chan_t *ch;
    kc_zdesc_t d = kc_zdesc_t();
    kc_deadline_t dl = kc_in(KC_MS(5));
    int v = 1, many[4] = { 1, 2, 3, 4 }, rc = ints_make(&ch, 8);

    rc |= kc_send(ch, &v) | kc_recv(ch, &v, KC_TRY);
    rc |= ints_send(ch, 2, KC_FOREVER) | ints_recv(ch, &v, dl);
    rc |= (int)kc_chan_send_many(ch, many, 4, dl);
    kc_case_t cases[] = { KC_SEND(ch, &v),       KC_RECV(ch, &v), KC_SEND_DESC(z, &d),
                          KC_RECV_DESC(z, &d),   KC_AFTER(dl),    KC_FD(fd, KC_RD | KC_WR),
                          ints_recv_case(ch, &v), KC_IF(v > 0, KC_NEVER) };
    return rc | kc_selectv(cases, sizeof cases / sizeof cases[0], dl, KC_SEL_FAIR).rc;
}
