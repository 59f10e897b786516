#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-3-Clause
"""result.py README WITHIN -- COMMAND… — does a prototype show what its README says?

Compares what COMMAND prints with the first ```text block of README, word by word; numbers may
differ by WITHIN per cent. result.py --self-test checks that differences are noticed.
"""
import re
import subprocess
import sys
from pathlib import Path

BLOCK = re.compile(r"^```text\n(.*?)^```$", re.M | re.S)


def number(word):
    try:
        return float(word)
    except ValueError:
        return None


def alike(said, shown, within):
    a, b = number(said), number(shown)
    if a is None or b is None or not within:
        return said == shown
    return abs(a - b) <= max(abs(a) * within / 100, 1)


def difference(said, shown, within):
    """In words; empty: none that counts."""
    said, shown = said.split(), shown.split()
    for a, b in zip(said, shown):
        if not alike(a, b, within):
            return f"{a!r} is said, {b!r} is shown"
    return "" if len(said) == len(shown) else f"{len(said)} words are said, {len(shown)} shown"


def self_test():
    faults = [not difference("a 1", "a 2", 0), not difference("a 100", "a 120", 10),
              not difference("a b", "a", 10), not difference("a", "b", 50),
              bool(difference("x 100 2", "x 109 2", 10)), bool(difference("x 1", "x 1", 0))]
    print("faults in what is noticed:", faults)
    return any(faults)


def main(readme, within, _dashes, *command):
    block = BLOCK.search(Path(readme).read_text())
    done = subprocess.run(command, text=True, capture_output=True, timeout=600)
    what = difference(block[1], done.stdout, float(within)) if block else "README shows nothing"
    if done.returncode:
        what = f"exit status {done.returncode}"
    print(done.stdout + done.stderr, what, sep="\n")
    return 1 if what else 0


if __name__ == "__main__":
    sys.exit(self_test() if sys.argv[1:] == ["--self-test"] else main(*sys.argv[1:]))
