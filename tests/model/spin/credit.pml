/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * credit.pml — ipc/credit.h: items of several costs through a window. The receiver announces
 * what was taken when it is half of the window, or when nothing is left to take (C3); the sender
 * sends whole items that fit (C2). The network is two queues.
 *
 * Holds   the receiver never stores more than its window; all items arrive.
 * BUG 1   announced only when half of the window was taken: a big item waits for ever
 * BUG 2   what has arrived counts as taken
 * BUG 3   the sender begins an item that fits in part
 * BUG 4   limits are what was taken since the last time, and the first announcement is lost
 */
#define W 4 /* bytes of the window */
#define M 4 /* the biggest item */
#define ITEMS 5

byte bug;
chan items = [4] of { byte };   /* cost */
chan limits = [4] of { byte };  /* bytes that may be sent in all */
byte stored, taken, told, sent;
bool all_sent;

#include "bug.pml"

active proctype sender()
{
    byte limit = W, n, cost, l;

    begun;
    do
    :: n < ITEMS ->
       if
       :: cost = 1
       :: cost = 3
       :: cost = M
       fi;
       do
       :: sent + cost <= limit || (bug == 3 && sent < limit) -> break
       :: limits?l ->
          limit = (bug == 4 -> limit + l : (l > limit -> l : limit))
       od;
       sent = sent + cost;
       items!cost;
       n++
    :: else -> break
    od;
    all_sent = true
    /* What is announced after the last item, nobody reads. */
    do
    :: limits?l
    :: taken == sent && empty(limits) -> break
    od
}

active proctype receiver()
{
    byte cost, count;
    byte staged[ITEMS];
    byte first, last;
    bool lost;

    begun;
end: do
    :: items?cost ->
       stored = stored + cost;
       assert(stored <= W);
       staged[last] = cost;
       last++;
       if
       :: bug == 2 -> told = told + cost; limits!(W + told)
       :: else
       fi
    :: first < last -> /* the application takes one */
       cost = staged[first];
       first++;
       stored = stored - cost;
       taken = taken + cost;
       if
       :: bug != 2 && (taken - told >= W / 2 || (first == last && bug != 1)) ->
          if
          :: bug == 4 && !lost -> lost = true
          :: bug == 4 -> limits!(taken - told)
          :: else -> limits!(W + taken)
          fi;
          told = taken
       :: else
       fi
    od
}
