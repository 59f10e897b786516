#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-3-Clause
"""spin.py — verifies protocols, and that their planted bugs are found.

    tests/model/spin/spin.py [--long] <model>.pml…

A model's opening comment names its bugs, "BUG <n> <what>". The verifier is compiled once per
model; without a bug it must visit all states and complain of none, with each bug it must
complain. An unexpected complaint is told step by step. --long defines LONG for the models.
"""
import os
import re
import shutil
import subprocess
import sys
import tempfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

HERE = Path(__file__).resolve().parent
LONG = "--long" in sys.argv


def run(command, folder, bug=0):
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False,
                          env={**os.environ, "BUG": str(bug)})
    return done.stdout + done.stderr


def verify(folder, bug):
    """(complaints, states, all output)"""
    out = run(["./pan", "-m100000"], folder, bug)
    errors = re.search(r"errors: (\d+)", out)
    states = re.search(r"([\d.e+]+) states, stored", out)
    complete = "Search not completed" not in out or errors and errors[1] != "0"
    return (int(errors[1]) if errors and complete else -1,
            int(float(states[1])) if states else 0, out)


def check(path):
    """The lines to print, and whether all is well."""
    lines, good = [], True
    head = path.read_text().split("*/")[1]
    bugs = {int(n): what for n, what in re.findall(r"BUG (\d+)\s+(.*)", head)}
    with tempfile.TemporaryDirectory() as folder:
        for source in (path, HERE / "bug.pml"):
            shutil.copy(source, folder)
        out = run(["spin", *["-DLONG"] * LONG, "-a", path.name], folder)
        out += run(["gcc", "-O1", "-w", "-DSAFETY", "-o", "pan", "pan.c"], folder)
        if not (Path(folder) / "pan").exists():
            return [out], False
        for bug in [0, *sorted(bugs)]:
            errors, states, out = verify(folder, bug)
            ok = errors == 0 if bug == 0 else errors > 0
            said = {0: "no complaint", -1: "not completed"}.get(errors, "complaint")
            lines.append(f"{'' if ok else 'FAILED':6} {path.stem:10} {states:8} states, {said}"
                         f"{'; BUG ' + str(bug) + ' ' + bugs[bug] if bug else ''}")
            if not ok:
                good = False
                lines += out.splitlines()[:12]
                if bug == 0 and errors > 0:
                    lines.append(run(["./pan", "-r"], folder)[-6000:])
    return lines, good


def main():
    if not shutil.which("spin"):
        print("spin.py: there is no spin; install the package spin")
        return 1
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        results = list(pool.map(check, [Path(name).resolve() for name in sys.argv[1:]
                                       if not name.startswith("--")]))
    for lines, _ in results:
        print("\n".join(lines))
    return 0 if all(good for _, good in results) else 1


if __name__ == "__main__":
    sys.exit(main())
