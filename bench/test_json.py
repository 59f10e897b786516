#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-3-Clause
"""test_json.py PROGRAM — kcoro-bench runs every row and says what it should.

The numbers of so small a run mean nothing and are not looked at, only that they are there.
"""
import json
import os
import subprocess
import sys
import tempfile

TINY = ["--quick", "--divide", "1000"]
KEYS = ["bench", "impl", "unit", "better", "median", "min", "max", "runs"]
SUFFIXES = {"mem.parked": ["", ".create"], "timers.": [".cpu_ms", ".late_p99"],
            "wake.cross": [".p50", ".p99"]}


def bench(*arguments, status=0):
    done = subprocess.run([sys.argv[1], *arguments], text=True, capture_output=True,
                          check=False)
    if done.returncode != status:
        sys.exit(f"{arguments}: exit status {done.returncode}, not {status}\n{done.stderr}")
    return done


def check(condition, what):
    if not condition:
        sys.exit(what)


def names_of(row):
    for prefix, suffixes in SUFFIXES.items():
        if row.startswith(prefix):
            return [row + suffix for suffix in suffixes]
    return [row]


def check_result(line):
    result = json.loads(line)
    check(list(result)[:len(KEYS)] == KEYS, f"keys in {line}")
    check(set(result) <= set(KEYS) | {"contended"}, f"unknown keys in {line}")
    check(result["better"] == ("higher" if result["unit"] == "k/s" else "lower"), line)
    check(result["min"] <= result["median"] <= result["max"], f"order in {line}")
    check(result["runs"] == 3, f"runs in {line}")
    return result


def check_all_rows():
    listed = bench("--quick", "--list").stdout.split()
    with tempfile.TemporaryDirectory() as folder:
        path = os.path.join(folder, "out.json")
        table = bench(*TINY, "--json", path).stdout
        with open(path, encoding="utf-8") as file:
            lines = file.read().splitlines()
    machine = json.loads(lines[0])["machine"]
    check(set(machine) == {"cpu", "cores", "kernel", "compiler", "date"}, lines[0])
    ours = [r["bench"] for r in map(check_result, lines[1:]) if r["impl"] == "kcoro"]
    check(ours == [name for row in listed for name in names_of(row)],
          f"rows and results differ:\n{listed}\n{ours}")
    for name in ours:
        check(name in table, f"{name} is not in the table")


def check_the_rest():
    only = bench(*TINY, "--json", "-", "spawn.one", "yield.2").stdout.splitlines()
    check("machine" in json.loads(only[0]), "the first line is about the machine")
    check({json.loads(line)["bench"] for line in only[1:]}
          == {"spawn.one.w1", "spawn.one.w2", "yield.2.w1"}, f"a prefix chooses rows: {only}")
    check("wrong answer" in bench("self.wrong", status=1).stderr, "a wrong answer is named")
    for bad in (["no.such.row"], ["--nonsense"], ["--divide", "0"], ["--json"]):
        check("--help" in bench(*bad, status=2).stderr, f"{bad} is explained")
    check(bench("--help").stdout.startswith("usage:"), "--help")


if __name__ == "__main__":
    check_all_rows()
    check_the_rest()
