/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * tests/check/bank.c — two coroutines take money, and a token in a channel says whose turn it
 * is; but the token goes on before the money is gone. No point lies between the two: only
 * kcoro-check sees it.
 */
#include <kcoro/kcoro.h>

static int balance = 100;

KC_CO(withdraw, kc_chan_t *turn; int amount;)
{
    int token;

    if (kc_recv(my->turn, &token) < 0)
        return 0;
    bool enough = balance >= my->amount;
    int rc = kc_send(my->turn, &token);
    if (enough)
        balance -= my->amount; // too late
    return rc;
}

KC_MAIN
{
    kc_chan_t *turn = kc_chan(int, 1);
    int token = 1, rc = turn ? kc_send(turn, &token) : -ENOMEM;
    kc_scope_t s;

    if (rc || (rc = kc_scope_open(&s, NULL)))
        return rc;
    kc_go_in(&s, withdraw, turn, 80);
    kc_go_in(&s, withdraw, turn, 70);
    return kc_scope_close(&s);
}
