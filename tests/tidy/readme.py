#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-3-Clause
"""readme.py — are the programs and outputs that documents show those of programs that are run?"""
import re
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent.parent
PROGRAMS = ROOT / "tests" / "programs"


# A document, and the program that it shows.
SHOWN = [("README.md", "p3"), ("docs/actors.md", "actor")]


def words(text):
    return text.split()


def fault_of(name, stem):
    """What is wrong with a document; None: nothing."""
    document = (ROOT / name).read_text()
    program = re.search(r"```c\n(.*?)```", document, re.S)
    output = re.search(r"```text\n(.*?)```", document, re.S)
    if not program or not output:
        return "needs a ```c block and a ```text block"
    source = re.sub(r"^/\*.*?\*/\n", "", (PROGRAMS / f"{stem}.c").read_text(), flags=re.M)
    if words(program.group(1)) != words(source):
        return f"its program differs from tests/programs/{stem}.c"
    if words(output.group(1)) != words((PROGRAMS / "expected" / f"{stem}.txt").read_text()):
        return f"its output differs from tests/programs/expected/{stem}.txt"
    return None


def main():
    faults = [(name, fault_of(name, stem)) for name, stem in SHOWN]
    for name, fault in faults:
        print(f"{name}: {fault or 'program and output are those of a test'}")
    return 1 if any(fault for _, fault in faults) else 0


if __name__ == "__main__":
    sys.exit(main())
