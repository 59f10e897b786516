#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-3-Clause
"""traces.py [--update] PROGRAM… — does each print the lines of traces.txt?

The hashes are the same whatever compiled the program. They change when a point is added to the
library or moved, which is a change to look at; then write them anew with --update.
"""
import os
import subprocess
import sys
from pathlib import Path

GOLDEN = Path(__file__).with_name("traces.txt")
RUNS = 3


def output(program):
    # Programs that never give back what they took are among the planted bugs.
    env = dict(os.environ, ASAN_OPTIONS="detect_leaks=0")
    return subprocess.run([program], check=True, text=True, capture_output=True, env=env).stdout


def main(arguments):
    if arguments[0] == "--update":
        GOLDEN.write_text(output(arguments[1]))
        return 0
    wanted, bad = GOLDEN.read_text().splitlines(), 0
    for program in arguments:
        for _ in range(RUNS):
            got = output(program).splitlines()
            for want, line in zip(wanted, got):
                if want != line and bad < 10:
                    print(f"{program}: printed {line}\n    {GOLDEN.name} has {want}")
                bad += want != line
            bad += len(wanted) != len(got)
    print(f"traces: {len(wanted)} hashes, {len(arguments)} programs, {RUNS} runs: "
          f"{bad or 'no'} differences")
    if bad:
        print(f"if points were moved on purpose: {Path(__file__).name} --update {arguments[0]}")
    return 1 if bad else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
