#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-3-Clause
"""run.py WAY STAGE CMAKE … — be a user of the library.

    run.py install       STAGE CMAKE BUILD_DIR       install BUILD_DIR into an empty STAGE
    run.py pkg-config    STAGE CMAKE COMPILER KIND   compile the programs by hand, and run them
    run.py find-package  STAGE CMAKE COMPILER KIND   the same through kcoroConfig.cmake
    run.py fetch-content STAGE CMAKE COMPILER KIND   the same with the source tree as a part

KIND is shared or static. STAGE is what was installed, after a move: nothing may remember where
it was installed first.
"""
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent.parent
PROGRAMS = ROOT / "tests" / "programs"
NAMES = ["actor", "p1", "p2", "p3", "p4", "p5a", "p5b", "p6"]
FLAGS = ["-std=c11", "-D_POSIX_C_SOURCE=200809L", "-Wall", "-Wextra", "-Wpedantic", "-Werror"]


def sh(*command, **options):
    command = [str(part) for part in command]
    done = subprocess.run(command, text=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                          **options)
    if done.returncode:
        sys.exit(f"{' '.join(command)}: exit status {done.returncode}\n{done.stdout}")
    return done.stdout


def install(stage, cmake, build_dir):
    first = stage.parent / "first"
    for folder in (first, stage):
        shutil.rmtree(folder, ignore_errors=True)
    sh(cmake, "--install", build_dir, "--prefix", first)
    first.rename(stage)


def library_dir(stage):
    """lib, lib64 or lib/<triplet>, as the system has it."""
    return next(stage.rglob("kcoro.pc")).parent.parent


def build_by_hand(stage, cmake, compiler, kind, out):
    env = dict(os.environ, PKG_CONFIG_PATH=str(library_dir(stage) / "pkgconfig"))
    ask, whole = (["--static"], ["-static"]) if kind == "static" else ([], [])
    flags = sh("pkg-config", *ask, "--cflags", "--libs", "kcoro", env=env).split()
    for name in NAMES:
        sh(compiler, *FLAGS, PROGRAMS / f"{name}.c", "-o", out / name, *whole, *flags)


def build_by_cmake(stage, cmake, compiler, kind, out, source=None):
    target = "kcoro::kcoro" if kind == "shared" else "kcoro::kcoro_static"
    where = f"-DKCORO_SOURCE={source}" if source else f"-DCMAKE_PREFIX_PATH={stage}"
    sh(cmake, "-S", ROOT / "tests/consumer/project", "-B", out, "-G", "Ninja", where,
       f"-DCMAKE_C_COMPILER={compiler}", f"-DPROGRAMS={PROGRAMS}", f"-DKCORO_TARGET={target}",
       f"-DPROGRAM_FLAGS={';'.join(FLAGS)}")
    sh(cmake, "--build", out)


def build_as_part(stage, cmake, compiler, kind, out):
    build_by_cmake(stage, cmake, compiler, kind, out, source=ROOT)


BUILDS = {"pkg-config": build_by_hand, "find-package": build_by_cmake,
          "fetch-content": build_as_part}


def main(way, stage, *rest):
    stage = Path(stage)
    if way == "install":
        return install(stage, *rest)
    with tempfile.TemporaryDirectory() as folder:
        out = Path(folder)
        BUILDS[way](stage, *rest, out)
        env = dict(os.environ)
        if way != "fetch-content":
            env["LD_LIBRARY_PATH"] = str(library_dir(stage))
        print(sh(sys.executable, PROGRAMS / "run.py", out, env=env), end="")
    return 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
