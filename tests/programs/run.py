#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-3-Clause
"""run.py BIN_DIR [PROGRAM…] [-- LAUNCHER…] — do the documented programs say what they should?

BIN_DIR holds actor and p1 … p6. Program 3 runs under virtual time, the output of 4 is sorted
because its workers race, 5 is two processes. LAUNCHER, such as Valgrind, goes before each
program; what it has to say itself on standard error does not count.
"""
import difflib
import os
import signal
import socket
import subprocess
import sys
import tempfile
import time
from pathlib import Path

HERE = Path(__file__).resolve().parent
LIMIT_S = 60
PROGRAMS = ["actor", "p1", "p2", "p3", "p4", "p5", "p6"]


class Wrong(Exception):
    """A program did not do what it documents."""


def run(launch, program, **options):
    done = subprocess.run(launch + [str(program)], capture_output=True, text=True,
                          timeout=LIMIT_S, **options)
    if done.returncode or (done.stderr and not launch):
        raise Wrong(f"{program}: exit status {done.returncode}\n{done.stdout}{done.stderr}")
    return done.stdout


def compare(name, said):
    expected = (HERE / "expected" / f"{name}.txt").read_text()
    if said != expected:
        raise Wrong("".join(difflib.unified_diff(
            expected.splitlines(True), said.splitlines(True), "expected", "said")))


def wait_until_served(path, server):
    """Until somebody accepts at `path`: connecting is the one sign that cannot be too early."""
    give_up = time.monotonic() + LIMIT_S
    while time.monotonic() < give_up:
        if server.poll() is not None:
            raise Wrong(f"the server ended: {server.communicate()}")
        with socket.socket(socket.AF_UNIX) as probe:
            try:
                probe.connect(str(path))
                return
            except (FileNotFoundError, ConnectionRefusedError):
                os.sched_yield()
    raise Wrong(f"nobody listens at {path} after {LIMIT_S} s")


def serve_and_ask(launch, bin_dir, folder):
    """Programs 5a and 5b; 5a ends by SIGTERM and leaves its socket file behind."""
    server = subprocess.Popen(launch + [str(bin_dir / "p5a")], cwd=folder, text=True,
                              stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    try:
        wait_until_served(folder / "square.sock", server)
        compare("p5b", run(launch, bin_dir / "p5b", cwd=folder))
    finally:
        server.send_signal(signal.SIGTERM)
        out, err = server.communicate(timeout=LIMIT_S)
    if server.returncode not in (0, -signal.SIGTERM) or out or (err and not launch):
        raise Wrong(f"p5a: exit status {server.returncode}\n{out}{err}")


def run_program(launch, bin_dir, name):
    with tempfile.TemporaryDirectory() as folder:
        if name == "p5":
            serve_and_ask(launch, bin_dir, Path(folder))
            serve_and_ask(launch, bin_dir, Path(folder))  # again, over the stale socket file
            return
        env = dict(os.environ)
        if name == "p3":
            env["KCORO_CLOCK"] = "virtual"
        said = run(launch, bin_dir / name, cwd=folder, env=env)
        compare(name, "".join(sorted(said.splitlines(True))) if name == "p4" else said)


def main(arguments):
    launch = []
    if "--" in arguments:
        at = arguments.index("--")
        arguments, launch = arguments[:at], arguments[at + 1:]
    bin_dir, failed = Path(arguments[0]).resolve(), 0
    for name in arguments[1:] or PROGRAMS:
        try:
            run_program(launch, bin_dir, name)
            print(f"{name}: as documented")
        except (Wrong, subprocess.TimeoutExpired) as fault:
            failed += 1
            print(f"{name}: WRONG\n{fault}")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
