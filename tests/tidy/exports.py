#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-3-Clause
"""exports.py LIBRARY — are its exports what the public headers promise?"""
import re
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent.parent
sys.path.insert(0, str(ROOT / "tools"))
from source import code_only, files  # noqa: E402

DECLARED = re.compile(r"^KC_EXPORT\b[^;]*?\b(kci?_\w+)[(;]", re.M)


def main(library):
    declared = set()
    for path in files(ROOT / "include", "*.h"):
        declared |= set(DECLARED.findall(code_only(path.read_text())))
    listing = subprocess.run(["nm", "-D", "--defined-only", library], check=True, text=True,
                             capture_output=True).stdout
    exported = {line.split()[-1].split("@")[0] for line in listing.splitlines()}
    for name in sorted(declared - exported):
        print(f"{name}: declared with KC_EXPORT, not in the library")
    for name in sorted(exported - declared):
        print(f"{name}: exported, but no public header declares it with KC_EXPORT")
    print(f"exports: {len(exported)} exported, {len(declared)} declared")
    return 0 if declared and declared == exported else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
