#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-3-Clause
"""program.py PROGRAM — KCORO_SCHED=explore on programs that fail, each in one way: what is
said, the last line, the exit status, and the replay."""
import os
import re
import subprocess
import sys
import tempfile

LAST = re.compile(r"^kcoro-explore: (\d+) schedules? \((\w+)\), (\d+) failures?, .*\n\Z", re.M)
WAYS = {  # way: what is said, None if nothing is wrong
    "fine": None,
    "exit": None,
    "status": "exit status 1",
    "deadlock": "deadlock: 3 coroutines wait, and none can go on",
    "stuck": "deadlock: 1 coroutine",
    "crash": "killed by signal 6",
    "leak": "leak: 1 of the library's objects",
}


def run(program, way, **env):
    env = dict(os.environ, ASAN_OPTIONS="detect_leaks=0", **env)
    return subprocess.run([program, way], env=env, text=True, capture_output=True)


def check(program, way, said):
    done = run(program, way, KCORO_SCHED="explore", KCORO_SCHEDULES="30")
    last = LAST.search(done.stdout)
    if not last or last[1] != "30" or last[2] != "portfolio":
        return f"last line: {done.stdout!r}"
    if done.returncode != (1 if said else 0) or (int(last[3]) > 0) != bool(said):
        return f"status {done.returncode}, {last[3]} failures"
    if not said:
        return f"said {done.stderr!r}" if done.stderr else None
    replay = re.search(r"replay (kc1:\S+)", done.stdout)
    if said not in done.stderr or not replay:
        return f"said {done.stderr!r}, {done.stdout!r}"
    again = run(program, way, KCORO_REPLAY=replay[1])
    if again.returncode != 1 or said not in again.stderr or "another way" in again.stderr:
        return f"replay {replay[1]}: {again.returncode}, {again.stderr!r}"
    return None


def check_story(program):
    with tempfile.NamedTemporaryFile(suffix=".dot") as dot:
        done = run(program, "deadlock", KCORO_SCHED="explore", KCORO_DOT=dot.name)
        graph = dot.read().decode()
    if done.stderr.count("STUCK, waits for mutex") != 2:
        return f"the story: {done.stderr}"
    return None if graph.count("->") == 3 and "mutex 2" in graph else f"the graph: {graph}"


def main(program):
    bad = {way: check(program, way, said) for way, said in WAYS.items()}
    bad["story"] = check_story(program)
    refused = run(program, "fine", KCORO_SCHED="explore", KCORO_SCHEDULES="0")
    if "KCORO_SCHEDULES='0'" not in refused.stderr or refused.returncode != 1:
        bad["no schedules"] = f"{refused.returncode}, {refused.stderr!r}"
    for way, why in bad.items():
        if why:
            print(f"{way}: {why}")
    return 1 if any(bad.values()) else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
