#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-3-Clause
"""readme.py — are README's program and output those of a program that is run?"""
import re
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent.parent
PROGRAMS = ROOT / "tests" / "programs"


def words(text):
    return text.split()


def main():
    readme = (ROOT / "README.md").read_text()
    program = re.search(r"```c\n(.*?)```", readme, re.S)
    output = re.search(r"```text\n(.*?)```", readme, re.S)
    if not program or not output:
        print("README.md needs a ```c block and a ```text block")
        return 1
    source = re.sub(r"^/\*.*?\*/\n", "", (PROGRAMS / "p3.c").read_text(), flags=re.M)
    if words(program.group(1)) != words(source):
        print("README.md: its program differs from tests/programs/p3.c")
        return 1
    if words(output.group(1)) != words((PROGRAMS / "expected" / "p3.txt").read_text()):
        print("README.md: its output differs from tests/programs/expected/p3.txt")
        return 1
    print("README.md: program and output are those of tests/programs/p3.c")
    return 0


if __name__ == "__main__":
    sys.exit(main())
