#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-3-Clause
"""covered.py — is every public function in a loop of faults, or said to have nothing that fails?

    covered.py              check this tree
    covered.py --self-test  check that a function of neither kind is found

A function is in a loop when a part of tests/fault/*.c has it in its names; what cannot fail is
listed in no-loop.txt, with a reason.
"""
import re
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent.parent
DECLARED = re.compile(r"^KC_EXPORT\b[^;]*?\b(kci?_\w+)\(", re.M)
PART = re.compile(r'\{ "((?:kci?_\w+ ?)+)",')


def compare(headers, parts, listed):
    """Complaints, given the texts of headers and tests, and the lines of no-loop.txt."""
    declared = {name for text in headers for name in DECLARED.findall(text)}
    looped = {name for text in parts for names in PART.findall(text) for name in names.split()}
    reasons = {line.split()[0]: line.split()[1:] for line in listed
               if line.strip() and not line.startswith("#")}
    bad = [f"{name}: in no loop, and not in no-loop.txt"
           for name in declared - looped - reasons.keys()]
    bad += [f"{name}: no such public function" for name in (looped | reasons.keys()) - declared]
    bad += [f"{name}: in a loop, so not in no-loop.txt" for name in looped & reasons.keys()]
    bad += [f"{name}: no reason" for name, words in reasons.items() if not words]
    return sorted(bad)


def self_test():
    header = "KC_EXPORT int kc_a(void);\nKC_EXPORT KC_MUST_CHECK int kc_b(int x,\n    int y);\n"
    found = [compare([header], ['{ "kc_a kc_c", f'], ["# why", "kc_a never fails", "kc_d"]),
             compare([header], ['{ "kc_a", f'], ["kc_b never fails"])]
    good = found == [["kc_a: in a loop, so not in no-loop.txt", "kc_b: in no loop, and not in "
                      "no-loop.txt", "kc_c: no such public function", "kc_d: no reason",
                      "kc_d: no such public function"], []]
    print("covered self-test: " + ("all found" if good else str(found)))
    return 0 if good else 1


def main():
    here = ROOT / "tests" / "fault"
    bad = compare([p.read_text() for p in (ROOT / "include").rglob("*.h")],
                  [p.read_text() for p in here.glob("*.c")],
                  (here / "no-loop.txt").read_text().splitlines())
    print(*bad, f"covered: {len(bad) or 'no'} complaints", sep="\n")
    return 1 if bad else 0


if __name__ == "__main__":
    sys.exit(self_test() if sys.argv[1:] == ["--self-test"] else main())
