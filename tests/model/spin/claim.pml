/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * claim.pml — sched/wait.h: one ticket behind the two clauses of a select, for which two
 * senders, a cancellation and a deadline compete, in two waits one after the other.
 *
 * Holds   one of them ends each wait; an element is received or kept by its sender; the owner
 *         does not sleep beside a result; a claim for one wait does not hit the next.
 * BUG 1   claiming is a look and a store instead of one step
 * BUG 2   a claim does not look at the generation
 * BUG 3   the owner parks although the result came before
 * BUG 4   the owner leaves its waiters in the queues
 */
#define WAITS 2
#define NOBODY 9
#define CANCEL 2
#define DEADLINE 3

byte bug;
byte gen;                     /* the ticket's word … */
bool claimed = true, done = true, parked;
byte winner = NOBODY, winners;
bool awake;
bool queued[2];               /* a waiter of clause i stands in its queue … */
byte waits_for[2];            /* … for this generation */
bool sent[2];                 /* sender i's element went to the owner */
byte received;
bool locked[2];               /* the queue's lock */
bool waiting;                 /* the waiters are there */
byte armed;                   /* the generation that a deadline was set for */

#include "bug.pml"

inline lock(i)
{
    atomic { !locked[i] -> locked[i] = true }
}

inline claim(g, who, won)
{
    if
    :: bug == 1 ->
       won = !claimed && gen == g;
       if
       :: won -> claimed = true
       :: else
       fi
    :: else ->
       atomic {
           won = !claimed && (gen == g || bug == 2);
           if
           :: won -> claimed = true
           :: else
           fi
       }
    fi;
    if
    :: won -> atomic { assert(gen == g); winners++; winner = who }
    :: else
    fi
}

inline finish()
{
    atomic {
        done = true;
        awake = awake || parked
    }
}

active proctype owner()
{
    byte round;

    begun;
    do
    :: round < WAITS ->
       atomic { winners = 0; winner = NOBODY; awake = false; parked = false }
       lock(0);
       lock(1);
       waiting = true;
       atomic { gen++; claimed = false; done = false; armed = gen }
       atomic { queued[0] = true; waits_for[0] = gen; queued[1] = true; waits_for[1] = gen }
       locked[1] = false;
       locked[0] = false;
       if /* kci_ticket_park */
       :: atomic { (done && bug != 3) -> skip }
       :: atomic { (!done || bug == 3) -> parked = true }
          awake
       fi;
       assert(winners == 1 && done && claimed);
       if
       :: winner < CANCEL -> received++
       :: else
       fi;
       if
       :: bug != 4 ->
          lock(0); queued[0] = false; locked[0] = false;
          lock(1); queued[1] = false; locked[1] = false
       :: else
       fi;
       waiting = false;
       round++
    :: else -> break
    od
    assert(received <= sent[0] + sent[1])
}

active [2] proctype sender()
{
    byte me = _pid - 2, g;
    bool won;

    begun;
    lock(me);
    if
    :: queued[me] ->
       assert(waiting);
       queued[me] = false;
       g = waits_for[me];
       claim(g, me, won);
       sent[me] = won
    :: else
    fi;
    locked[me] = false;
    if
    :: won -> finish()
    :: else
    fi
}

/* Wins whatever wait is open. Comes as often as there are waits, so that each ends. */
/* Wins whatever wait is open, so that each ends. */
active proctype canceller()
{
    byte g;
    bool won;

    begun;
end:
    do
    :: !claimed ->
       g = gen;
       claim(g, CANCEL, won);
       if
       :: won -> finish()
       :: else
       fi
    od
}

/* A timer that was set for one wait and fires whenever. */
active proctype deadline()
{
    byte g;
    bool won;

    begun;
    armed > 0;
    g = armed;
    claim(g, DEADLINE, won);
    if
    :: won -> finish()
    :: else
    fi
}
