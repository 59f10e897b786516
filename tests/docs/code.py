#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-3-Clause
"""code.py COMPILER LIBRARY SANITIZE -- [PREFIX]… — is the C code in docs/ true?

A block fenced as ```c is a program if it has KC_MAIN or main: it is compiled with all warnings
as errors, run, and what it prints is compared with the ```text block that follows it, if the
next fence is one (its words: line breaks are the document's). Other blocks say what they are:

    ```c body     statements, compiled inside a function that has a few names to use
    ```c file     declarations and functions, compiled on their own

A bare ```c block that is no program is a fault, so that no example escapes.
"""
import re
import subprocess
import sys
import tempfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent.parent
sys.path.insert(0, str(ROOT / "tools"))
from source import files  # noqa: E402

FENCE = re.compile(r"^```(.*?)\n(.*?)^```$", re.M | re.S)
FLAGS = ["-std=c11", "-D_POSIX_C_SOURCE=200809L", "-Wall", "-Wextra", "-Wpedantic", "-Werror"]
PRELUDE = """#include <kcoro/kcoro.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
"""
BODY = """int body(kc_chan_t *ch, kc_chan_t *in, kc_chan_t *out, kc_co_t *co, int fd);
int body(kc_chan_t *ch, kc_chan_t *in, kc_chan_t *out, kc_co_t *co, int fd)
{
    int v = 0, rc = 0;
    (void)ch, (void)in, (void)out, (void)co, (void)fd, (void)v, (void)rc;
"""


class Block:
    """One fenced block of C, and what it should print (None: not said)."""

    def __init__(self, where, kind, text, prints):
        self.where, self.kind, self.text, self.prints = where, kind, text, prints

    def source(self):
        if self.kind == "body":
            return f"{PRELUDE}{BODY}{{\n{self.text}}}\nreturn rc;\n}}\n"
        if self.kind == "file":
            return PRELUDE + self.text
        return self.text


def kind_of(info, text):
    """program, body, file, None (not C), or a fault in words."""
    words = info.split()
    if words[:1] != ["c"]:
        return None
    if re.search(r"\bKC_MAIN\b|\bmain\(", text):
        return "program"
    if words[1:] in (["body"], ["file"]):
        return words[1]
    return "neither a program nor marked as `c body` or `c file`"


def blocks(path):
    text, found = path.read_text(), []
    fences = list(FENCE.finditer(text))
    for fence, following in zip(fences, fences[1:] + [None]):
        kind = kind_of(fence[1], fence[2])
        prints = following[2] if following and following[1].strip() == "text" else None
        if kind:
            line = text.count("\n", 0, fence.start()) + 1
            found.append(Block(f"{path.name}:{line}", kind, fence[2], prints))
    return found


class Toolchain:
    """How to compile and run a block."""

    def __init__(self, compiler, library, sanitize, prefix):
        self.command = [compiler, *FLAGS, f"-I{ROOT}/include"]
        self.command += [f"-fsanitize={sanitize}"] if sanitize != "none" else []
        self.library, self.prefix = library, prefix

    def compile(self, block, folder):
        source, program = folder / "block.c", folder / "block"
        source.write_text(block.source())
        link = [self.library, "-pthread"] if block.kind == "program" else ["-c"]
        done = subprocess.run([*self.command, str(source), *link, "-o", str(program)], text=True,
                              capture_output=True)
        return done.stderr if done.returncode else ""

    def run(self, block, folder):
        done = subprocess.run([*self.prefix, str(folder / "block")], text=True,
                              capture_output=True, timeout=60)
        if done.returncode:
            return f"exit status {done.returncode}\n{done.stdout}{done.stderr}"
        if block.prints is not None and done.stdout.split() != block.prints.split():
            return f"it prints\n{done.stdout}and not\n{block.prints}"
        return ""

    def fault(self, block):
        if block.kind not in ("program", "body", "file"):
            return f"{block.where}: {block.kind}\n"
        with tempfile.TemporaryDirectory() as name:
            what = self.compile(block, Path(name))
            if not what and block.kind == "program":
                what = self.run(block, Path(name))
        return f"{block.where}: {what}" if what else ""


PLANTED = {
    "does not compile": "```c\n#include <kcoro/kcoro.h>\nKC_MAIN { return x; }\n```\n",
    "fails": "```c\n#include <kcoro/kcoro.h>\nKC_MAIN { return -EIO; }\n```\n",
    "prints something else": "```c\n#include <stdio.h>\nint main(void) { puts(\"a\"); }\n```\n\n"
                             "```text\nb\n```\n",
    "is not marked": "```c\nint a;\n```\n",
    "has a bad body": "```c body\nkc_send(1, 2, 3, 4);\n```\n",
}


def planted_faults_are_found(tools):
    missed = []
    for name, text in PLANTED.items():
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / "planted.md"
            path.write_text(text)
            if not any(tools.fault(block) for block in blocks(path)):
                missed.append(name)
    return missed


def main(compiler, library, sanitize, _dashes, *prefix):
    tools = Toolchain(compiler, library, sanitize, list(prefix))
    missed = planted_faults_are_found(tools)
    if missed:
        print("not noticed, a block that", ", ".join(missed))
        return 1
    found = [block for path in files(ROOT / "docs", "*.md") for block in blocks(path)]
    with ThreadPoolExecutor() as pool:
        faults = [text for text in pool.map(tools.fault, found) if text]
    print(*faults, f"docs: {len(found)} blocks of code, {len(faults)} faults", sep="\n")
    return 1 if faults or not found else 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
