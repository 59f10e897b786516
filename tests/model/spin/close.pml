/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * close.pml — a channel between two processes is closed, from either side or both at once, and
 * its number used again (docs/wire.md: CLOSE, CLOSE_ACK).
 *
 * Holds   an item reaches the channel that it was sent to, or nobody; both sides end.
 * BUG 1   a number is used again without waiting for CLOSE_ACK
 * BUG 2   who is closing already does not acknowledge
 * BUG 3   what arrives after CLOSE was sent is delivered still
 */
mtype = { OPEN, ITEM, CLOSE, ACK };
byte bug;
chan to_home = [4] of { mtype, byte };   /* the byte: which use of the number it was meant for, */
chan to_opener = [4] of { mtype, byte }; /* unknown to the receiver: it is compared only */

#include "bug.pml"

/* Opens the number twice, one after the other. */
active proctype opener()
{
    byte use, g;
    bool open, acked, was_closed;

    begun;
    do
    :: use < 2 ->
       use++;
       open = true;
       acked = false;
       was_closed = false;
       to_home!OPEN(use);
       do
       :: to_opener?ITEM(g) ->
          if
          :: open || bug == 3 -> assert(g == use && open)
          :: else /* dropped: we have closed */
          fi
       :: to_opener?CLOSE(g) ->
          if
          :: !open && bug == 2
          :: else -> to_home!ACK(use)
          fi;
          was_closed = true;
          if
          :: open -> open = false; to_home!CLOSE(use)
          :: else
          fi
       :: to_opener?ACK(g) -> acked = true
       :: open -> open = false; to_home!CLOSE(use)
       :: !open && ((acked && was_closed) || bug == 1) -> break
       od
    :: else -> break
    od
}

active proctype home()
{
    byte use, items, g;
    bool open, acked, was_closed = true;

    begun;
end: do
    :: to_home?OPEN(g) ->
       use = g;
       open = true;
       acked = false;
       was_closed = false;
       items = 0
    :: to_home?CLOSE(g) ->
       if
       :: !open && bug == 2
       :: else -> to_opener!ACK(use)
       fi;
       was_closed = true;
       if
       :: open -> open = false; to_opener!CLOSE(use)
       :: else
       fi
    :: to_home?ACK(g) -> acked = true
    :: open && items < 2 -> items++; to_opener!ITEM(use)
    :: open -> open = false; to_opener!CLOSE(use)
    od
}
