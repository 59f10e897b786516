/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * shutdown.pml — the end of a runtime (sched/start.c, worker.c, idle.c): another thread makes the
 * last coroutine runnable; whichever worker runs it stops the runtime, whose owner then joins the
 * workers, waits until other threads have let go (E-FOREIGN), and frees it.
 *
 * Holds   nobody touches the runtime once it is freed; everybody ends.
 * BUG 1   the owner does not wait for other threads
 * BUG 2   a thread counts itself after it made the coroutine runnable
 * BUG 3   a worker goes to sleep without a last look
 * BUG 4   stopping wakes those asleep before it says so
 */
#define WORKERS 2

byte bug, foreign, ended;
bool work, stop, freed;
bool idle[WORKERS], woken[WORKERS];

#include "bug.pml"

#define touch assert(!freed)

inline wake(w)
{
    atomic {
        touch;
        if
        :: idle[w] -> idle[w] = false; woken[w] = true
        :: else
        fi
    }
}

inline wake_one()
{
    atomic {
        touch;
        if
        :: idle[0] -> idle[0] = false; woken[0] = true
        :: idle[1] -> idle[1] = false; woken[1] = true
        :: !idle[0] && !idle[1]
        fi
    }
}

inline stop_all()
{
    if
    :: bug != 4 -> touch; stop = true
    :: else
    fi;
    wake(0);
    wake(1);
    if
    :: bug == 4 -> touch; stop = true
    :: else
    fi
}

active [WORKERS] proctype worker()
{
    byte me = _pid - 1;
    bool mine;

    begun;
    do
    :: stop -> break
    :: else ->
       atomic { touch; mine = work; work = false }
       if
       :: mine -> stop_all()
       :: else ->
          idle[me] = true;
          if
          :: bug != 3 && (work || stop) -> /* the last look */
             atomic {
                 if
                 :: idle[me] -> idle[me] = false
                 :: else -> woken[me] = false
                 fi
             }
          :: bug == 3 || (!work && !stop) ->
             atomic { woken[me] -> woken[me] = false }
          fi
       fi
    od;
    atomic { touch; ended++ }
}

active proctype other_thread()
{
    begun;
    if
    :: bug != 2 -> atomic { touch; foreign++ }
    :: else
    fi;
    atomic { touch; work = true }
    if
    :: bug == 2 -> atomic { touch; foreign++ }
    :: else
    fi;
    wake_one();
    atomic { touch; foreign-- }
}

active proctype owner()
{
    begun;
    ended == WORKERS;
    if
    :: bug != 1 -> foreign == 0
    :: else
    fi;
    freed = true
}
