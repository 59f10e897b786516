# SPDX-License-Identifier: BSD-3-Clause
"""What the lint tools share: which files there are, and C text without comments and strings."""
import os
import re
import tempfile
from fnmatch import fnmatch
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent

# The folders of the library, lowest first: a folder may include those before it.
LAYERS = ["arch", "core", "sched", "io", "chan", "select", "ipc", "lab", "runtime"]
AROUND = ["tests", "bench", "examples", "tools"]


def files(root, *patterns):
    """Files below root, sorted, outside build, caches and hidden folders."""
    found = []
    for folder, below, names in os.walk(root):
        at_top = Path(folder) == root
        below[:] = [name for name in below if not name.startswith(".") and
                    name != "__pycache__" and not (at_top and name == "build")]
        found += [Path(folder) / name for name in names
                  if any(fnmatch(name, pattern) for pattern in patterns)]
    return sorted(found)


_TOKEN = re.compile(r'//[^\n]*|/\*.*?\*/|"(?:\\.|[^"\\\n])*"|\'(?:\\.|[^\'\\\n])+\'', re.S)


def _blank(text):
    return re.sub(r"[^\n]", " ", text)


def code_only(text):
    """C text with comments blanked and string contents removed; lines keep their numbers."""
    def repl(match):
        token = match.group()
        return _blank(token) if token[0] == "/" else token[0] + _blank(token[1:-1]) + token[-1]
    return _TOKEN.sub(repl, text)


def without_comments(text):
    """C text with comments blanked and strings kept, for include lines."""
    return _TOKEN.sub(lambda m: _blank(m.group()) if m.group()[0] == "/" else m.group(), text)


class Complaints:
    """Collects `file:line: what` and prints them in order."""

    def __init__(self, root):
        self.root = root
        self.lines = []

    def add(self, path, line, what):
        self.lines.append((str(Path(path).relative_to(self.root)), line, what))

    def report(self, tool):
        """Print what was found. Returns an exit status."""
        for path, line, what in sorted(self.lines):
            print(f"{path}:{line}: {what}")
        print(f"{tool}: {len(self.lines) or 'no'} complaints")
        return 1 if self.lines else 0


def write(root, tree):
    """Make the files of {name: text} below root."""
    for name, text in tree.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        if not path.is_dir():  # a folder may be named to say which complaint it should draw
            path.write_text(text)


def self_test(tool, check, innocent, planted):
    """A checker that cannot fail is a defect: try it on a clean tree, then with planted faults.

    innocent: {name: text}; planted: {name: (text, part of the expected complaint or None)}.
    Returns an exit status.
    """
    failures = []
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder).resolve()
        write(root, innocent)
        failures += [f"complained about innocent code: {line}" for line in check(root).lines]
        write(root, {name: text for name, (text, _) in planted.items()})
        found = check(root).lines
        for name, (_, expected) in planted.items():
            hits = [what for path, _, what in found if path == name]
            if expected and not any(expected in what for what in hits):
                failures.append(f"missed the fault in {name}: {expected!r} not in {hits}")
    print("\n".join(failures) or f"{tool} self-test: {len(planted)} planted, all found")
    return 1 if failures else 0
