#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-3-Clause
"""headers.py — does each header compile when it is the only one?

Public headers as C11 and as C++17, internal ones as C11, with gcc and with clang. The folders
of other processors are left to the tests that cross-compile them. A planted header that leans
on another one must fail, else this test would prove nothing. use.cpp is compiled as well: the
macros that C++ programs may write.
"""
import platform
import subprocess
import sys
import tempfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent.parent
sys.path.insert(0, str(ROOT / "tools"))
from source import LAYERS, files  # noqa: E402

WARNINGS = ["-Wall", "-Wextra", "-Wpedantic", "-Werror"]
C11 = ["-x", "c", "-std=c11", "-D_POSIX_C_SOURCE=200809L"]
OTHER_CPUS = {"x86_64", "aarch64", "riscv64"} - {platform.machine()}
CXX17 = ["-x", "c++", "-std=c++17"]
COMPILERS = [("gcc", C11), ("clang", C11), ("g++", CXX17), ("clang++", CXX17)]


def compile_alone(compiler, language, include, root):
    """The compiler's complaints about a file that is this include alone; empty: none."""
    where = [f"-I{root}", f"-I{root}/include"]
    command = [compiler, *language, *WARNINGS, "-fsyntax-only", *where, "-"]
    text = f"#include {include}\nextern int not_an_empty_file;\n"
    done = subprocess.run(command, input=text, text=True, capture_output=True)
    return f"{include} with {compiler} {language[1]}:\n{done.stderr}" if done.returncode else ""


def jobs():
    for compiler in ("g++", "clang++"):
        yield compiler, CXX17, '"tests/tidy/use.cpp"', ROOT
    for path in files(ROOT / "include", "*.h"):
        include = f"<{path.relative_to(ROOT / 'include')}>"
        for compiler, language in COMPILERS:
            yield compiler, language, include, ROOT
    for layer in LAYERS:
        for path in files(ROOT / layer, "*.h"):
            for compiler in ("gcc", "clang") if path.parent.name not in OTHER_CPUS else ():
                yield compiler, C11, f'"{path.relative_to(ROOT)}"', ROOT


def planted_fault_is_found():
    with tempfile.TemporaryDirectory() as folder:
        (Path(folder) / "lean.h").write_text("size_t leans_on_stddef(void);\n")
        return bool(compile_alone("gcc", C11, '"lean.h"', folder))


def main():
    if not planted_fault_is_found():
        print("a header that needs another one was not noticed")
        return 1
    with ThreadPoolExecutor() as pool:
        results = list(pool.map(lambda job: compile_alone(*job), jobs()))
    faults = [text for text in results if text]
    print(*faults, f"headers: {len(results)} compiled alone, {len(faults)} faults", sep="\n")
    return 1 if faults or not results else 0


if __name__ == "__main__":
    sys.exit(main())
