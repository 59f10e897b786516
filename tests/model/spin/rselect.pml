/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * rselect.pml — remote select: one process selects, once or twice, among two channels whose homes are
 * elsewhere; another one waits for the first of them, as does a local receiver there; one item
 * comes to each. REGISTER, NOTIFY, CLAIM, answered by GRANT or DENY, CANCEL; a selector that runs out of time
 * leaves at once, and gives back (RETURN) what was granted too late.
 *
 * Holds   no item is lost or received twice; when all is quiet nobody waits beside an item.
 * BUG 1   a home does not pass a notification on when its subscriber cancels
 * BUG 2   what was granted too late is dropped
 * BUG 3   a selector that was denied forgets the other notification
 * BUG 4   a home does not look at its subscribers when an item is given back
 * BUG 5   a home gives an item and keeps it
 */
#define NP 2
#ifndef LONG
#define ROUNDS 1 /* with two: 6 million states, a gigabyte */
#else
#define ROUNDS 2
#endif
#define IX(p, h) ((p) * 2 + (h))
mtype = { REGISTER, NOTIFY, CLAIM, GRANT, DENY, CANCEL, RETURN, NONE, ARMED, NOTIFIED };

byte bug;
chan to_home[4] = [5] of { mtype, byte };
chan to_sel[4] = [3] of { mtype, byte };
byte avail[2], produced, consumed;
mtype sub[4] = NONE; /* at home h, of selector p */
byte sub_gen[4];
bool waits[NP];      /* in a select without a deadline, with no claim open */

#include "bug.pml"

inline pump()
{
    want = avail[h];
    if
    :: sub[IX(0, h)] == NOTIFIED && want > 0 -> want--
    :: else
    fi;
    if
    :: sub[IX(1, h)] == NOTIFIED && want > 0 -> want--
    :: else
    fi;
    p = 0;
    do
    :: p < NP && want > 0 ->
       if
       :: sub[IX(p, h)] == ARMED ->
          sub[IX(p, h)] = NOTIFIED;
          to_sel[IX(p, h)]!NOTIFY(sub_gen[IX(p, h)]);
          want--
       :: else
       fi;
       p++
    :: else -> break
    od;
    p = 0;
    want = 0
}

inline answer(from)
{
    if
    :: m == REGISTER ->
       sub[IX(from, h)] = ARMED;
       sub_gen[IX(from, h)] = g;
       pump()
    :: m == CLAIM && avail[h] > 0 ->
       avail[h] = avail[h] - (bug == 5 -> 0 : 1);
       sub[IX(from, h)] = NONE;
       to_sel[IX(from, h)]!GRANT(g);
       pump()
    :: m == CLAIM && avail[h] == 0 ->
       sub[IX(from, h)] = ARMED;
       to_sel[IX(from, h)]!DENY(g);
       pump()
    :: m == CANCEL ->
       if
       :: sub_gen[IX(from, h)] == g -> sub[IX(from, h)] = NONE
       :: else
       fi;
       if
       :: bug != 1 -> pump()
       :: else
       fi
    :: m == RETURN ->
       avail[h]++;
       if
       :: bug != 4 -> pump()
       :: else
       fi
    fi
}

active [2] proctype home()
{
    byte h = _pid - 1, p, want, g;
    mtype m;
    bool had_item;

    begun;
end: do
    :: atomic { to_home[IX(0, h)]?m(g) -> answer(0) }
    :: atomic { to_home[IX(1, h)]?m(g) -> answer(1) }
    :: atomic { !had_item -> had_item = true; avail[h]++; produced++; pump() }
    od
}

active proctype local_receiver()
{
    byte h = 0, p, want;

    begun;
    if
    :: atomic { avail[0] > 0 -> avail[0]--; consumed++; pump() }
    :: true
    fi
}

inline give_back(c)
{
    if
    :: bug != 2 -> to_home[IX(me, c)]!RETURN(g)
    :: else
    fi
}

/* From home c2. One claim at a time; what belongs to an earlier select is given back. */
inline heard()
{
    if
    :: m == GRANT && claiming && c == c2 && g == gen ->
       consumed++;
       over = true;
       waits[me] = false;
       claiming = false;
       if
       :: me == 0 -> to_home[IX(me, 1 - c2)]!CANCEL(gen)
       :: else
       fi
    :: m == GRANT && !(claiming && c == c2 && g == gen) -> give_back(c2)
    :: m == DENY && claiming && c == c2 && g == gen ->
       claiming = false;
       if
       :: pending[1 - c2] && bug != 3 ->
          pending[1 - c2] = false;
          claiming = true;
          c = 1 - c2;
          to_home[IX(me, c)]!CLAIM(gen)
       :: else
       fi
    :: m == DENY && !(claiming && c == c2 && g == gen)
    :: m == NOTIFY && g == gen && !claiming ->
       claiming = true;
       c = c2;
       to_home[IX(me, c)]!CLAIM(gen)
    :: m == NOTIFY && g == gen && claiming -> pending[c2] = true
    :: m == NOTIFY && g != gen
    fi
}

active [NP] proctype selector()
{
    byte me = _pid - 4, gen, g, c, c2, rounds = (_pid == 4 -> ROUNDS : 1);
    mtype m;
    bool claiming, over, hasty, pending[2];

    begun;
    do
    :: gen < rounds ->
       atomic {
           gen++;
           over = false;
           claiming = false;
           pending[0] = false;
           pending[1] = false;
           to_home[IX(me, 0)]!REGISTER(gen);
           if
           :: me == 0 -> to_home[IX(me, 1)]!REGISTER(gen)
           :: else
           fi;
           if
           :: hasty = true
           :: hasty = false; waits[me] = true
           fi
       }
end_waiting:
       do
       :: atomic { to_sel[IX(me, 0)]?m(g) -> c2 = 0; heard() }
       :: atomic { to_sel[IX(me, 1)]?m(g) -> c2 = 1; heard() }
       :: atomic { hasty && !over ->
              over = true;
              if
              :: !claiming || c != 0 -> to_home[IX(me, 0)]!CANCEL(gen)
              :: else
              fi;
              if
              :: me == 0 && (!claiming || c != 1) -> to_home[IX(me, 1)]!CANCEL(gen)
              :: else
              fi
          }
       :: over -> break
       od
    :: else -> break
    od;
    gen++;
end_late:
    do
    :: atomic { to_sel[IX(me, 0)]?m(g) -> c2 = 0; if :: m == GRANT -> give_back(0) :: else fi }
    :: atomic { to_sel[IX(me, 1)]?m(g) -> c2 = 1; if :: m == GRANT -> give_back(1) :: else fi }
    od
}

active proctype quiet()
{
    begun;
    timeout;
    assert(consumed + avail[0] + avail[1] == produced);
    assert(!waits[0] || avail[0] + avail[1] == 0);
    assert(!waits[1] || avail[0] == 0)
}
