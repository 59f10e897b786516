/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * park.pml — arch/linux/park.c: one owner, two wakers, one word and a futex. The owner waits
 * twice, the second time with a deadline that may strike at any moment.
 *
 * Holds   nobody sleeps beside a token; a token is consumed once.
 * BUG 1   the futex sleeps without comparing the word
 * BUG 2   a waker that finds no sleeper does not leave a token
 * BUG 3   the owner leaves SLEEPING behind when its time is up
 */
mtype = { EMPTY, TOKEN, SLEEPING };
mtype word = EMPTY;
bool asleep = false; /* in the kernel */
byte bug, tokens, wakes;

#include "bug.pml"

inline futex_wait(timed)
{
    atomic {
        if
        :: word == SLEEPING || bug == 1 -> asleep = true
        :: else
        fi
    }
    if
    :: !asleep
    :: timed && asleep -> late = true; asleep = false
    fi
}

inline park(timed)
{
    late = false;
    if
    :: atomic { word == EMPTY -> word = SLEEPING }
       do
       :: futex_wait(timed);
          if
          :: late || word != SLEEPING -> break
          :: else
          fi
       od
    :: word == TOKEN
    fi;
    atomic {
        took = (word == TOKEN);
        if
        :: bug == 3 && late && !took
        :: else -> word = EMPTY
        fi
    }
}

active proctype owner()
{
    bool late, took;

    begun;
    park(false);
    assert(took);
    tokens++;
    park(true);
    if
    :: took -> tokens++
    :: else -> assert(late)
    fi;
    assert(word != SLEEPING)
}

active [2] proctype waker()
{
    mtype old;

    begun;
    atomic {
        old = word;
        if
        :: bug == 2 && old != SLEEPING
        :: else -> word = TOKEN
        fi;
        wakes++
    }
    if
    :: old == SLEEPING -> asleep = false
    :: else
    fi;
    assert(tokens <= wakes)
}
