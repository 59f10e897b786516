#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-3-Clause
"""run.py PROGRAM race|none — does kcoro-check find the race in PROGRAM, or none where none is?"""
import os
import re
import subprocess
import sys


def explore(program, **more):
    env = dict(os.environ, KCORO_SCHED="explore", KCORO_SCHEDULES="200", **more)
    done = subprocess.run([program], env=env, text=True, capture_output=True)
    return done.returncode, done.stdout, done.stderr


def main(program, wanted):
    status, out, err = explore(program)
    print(err + out)
    if wanted == "none":
        return 0 if status == 0 and " 0 failures" in out else 1
    said = re.search(r"data race: a (read|write) at bank\.c:\d+, and a (read|write) at "
                     r"bank\.c:\d+ by another coroutine", err)
    replay = re.search(r"replay (kc1:\S+)", out)
    if status != 1 or not said or not replay:
        return 1
    status, _, err = explore(program, KCORO_REPLAY=replay[1])
    return 0 if status == 1 and said[0] in err and "went another way" not in err else 1


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
