#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-3-Clause
"""shell.py — shellcheck over our few shell scripts."""
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent.parent
sys.path.insert(0, str(ROOT / "tools"))
from source import files  # noqa: E402

SCRIPTS = [ROOT / "dev", ROOT / ".ci" / "run", *files(ROOT, "*.sh")]

if __name__ == "__main__":
    sys.exit(subprocess.run(["shellcheck", *map(str, SCRIPTS)], check=False).returncode)
