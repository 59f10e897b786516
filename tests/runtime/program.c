/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * tests/runtime/program.c — a program as users write it, whose main is called by a test.
 *
 * Ends with the number in its first argument; with two, after having used the library for real.
 */
#include <kcoro/kcoro.h>
#include <stdlib.h>

#include "tests/runtime/program.h"

#define main kt_program

KC_CO(square, kc_chan_t *out; int n;)
{
    int squared = my->n * my->n;
    return kc_send(my->out, &squared);
}

static int sum_of_squares(int n)
{
    kc_chan_t *squares = kc_chan(int, 0);
    int sum = 0, one;

    for (int i = 1; i <= n; i++)
        kc_go(square, squares, i);
    for (int i = 1; i <= n && kc_recv(squares, &one) == 0; i++)
        sum += one;
    return sum;
}

KC_MAIN
{
    if (argc < 2)
        return 0;
    if (argc == 3)
        return sum_of_squares(10) == 385 ? atoi(argv[1]) : -EPROTO;
    return atoi(argv[1]);
}
