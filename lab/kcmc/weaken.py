#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-3-Clause
"""weaken.py — is each memory order of the modelled code needed?

    lab/kcmc/weaken.py [--all] [--rows] <program of models>…

Every ordered atomic operation of the programs' library sources is weakened by one step, alone,
and the programs are run: one of their models must fail. What survives has a row with a reason
in docs/design/weakened-orders.md, and so has an operation that no model comes to; a row that
nothing needs is a complaint too.

A reason that begins with [name] says that others of this name do the same work: weakening all
of them at once must fail.

Nothing is compiled anew: orders are arguments of the functions that kcmc answers, so that
a weaker one is passed there instead. Rows of the table are believed, which takes seconds; with
--all they are tried as well. --rows prints what the table lacks as rows.
"""
import os
import re
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
TABLE = ROOT / "docs/design/weakened-orders.md"
RELAXED, _, ACQUIRE, RELEASE, ACQ_REL, SEQ_CST = range(6)
ORDERS = ["relaxed", "consume", "acquire", "release", "acq_rel", "seq_cst"]
OPERATION = {"load": "ka_load", "store": "ka_store", "exchange": "ka_xchg", "cas": "ka_cas",
             "fetch_add": "ka_add", "fetch_sub": "ka_sub", "fetch_or": "ka_or",
             "fence": "kci_fence_seq_cst"}
CALL = re.compile(r"\b(ka_(?:load|store|xchg|cas|add|sub|or)|kci_fence_seq_cst)\(")
ROW = re.compile(r"\| (\S+) \| `(.*)`(?: \((\d+)\))? \| ([^|]+) \| ([^|]+) \|$")
NEVER = "never run"


def weaker(what, order):
    """The orders one step below."""
    if what == "load":
        return {SEQ_CST: [ACQUIRE], ACQUIRE: [RELAXED]}.get(order, [])
    if what == "store":
        return {SEQ_CST: [RELEASE], RELEASE: [RELAXED]}.get(order, [])
    if what == "fence":
        return {SEQ_CST: [ACQ_REL]}.get(order, [])
    return {SEQ_CST: [ACQ_REL], ACQ_REL: [ACQUIRE, RELEASE], ACQUIRE: [RELAXED],
            RELEASE: [RELAXED]}.get(order, [])


# ---- the sources ----

def calls(path):
    """Yields (line, operation, text) of each atomic operation and fence of a file."""
    text = re.sub(r"//[^\n]*|/\*.*?\*/", lambda m: re.sub(r"[^\n]", " ", m[0]),
                  path.read_text(), flags=re.S)
    for match in CALL.finditer(text):
        depth, end = 1, match.end()
        while depth:
            depth += {"(": 1, ")": -1}.get(text[end], 0)
            end += 1
        yield (text.count("\n", 0, match.start()) + 1, match[1],
               " ".join(text[match.start():end].split()))


def orders_of(text):
    """The orders that an operation names: of cas, also that of failure."""
    if text.startswith("kci_fence"):
        return [SEQ_CST]
    words = [word.strip() for word in text[:-1].split(",")]
    named = words[-2:] if text.startswith("ka_cas") else words[-1:]
    return [ORDERS.index(word) for word in named]


def mutants_of(text):
    """Yields (what a row says, order, is that of failure) for an operation."""
    what = {v: k for k, v in OPERATION.items()}[text[:text.index("(")]]
    for place, order in enumerate(orders_of(text)):
        for low in weaker("load" if place else what, order):
            yield ("failure: " * place + ORDERS[low], low, place)


# ---- the programs ----

def frames(program, addresses):
    """For each address the (function, path, line) it is in, innermost first."""
    out = subprocess.run(["addr2line", "-a", "-f", "-i", "-e", program] +
                         [f"{int(a, 16) - 1:x}" for a in addresses],
                         capture_output=True, text=True, check=True).stdout.splitlines()
    found, i = [], 0
    while i < len(out):
        if out[i].startswith("0x"):
            found.append([])
            i += 1
            continue
        path, _, line = out[i + 1].split(" ")[0].rpartition(":")
        found[-1].append((out[i], path, int(line) if line.isdigit() else 0))
        i += 2
    return dict(zip(addresses, found))


def sites(program):
    """{(file, operation's text, its line): addresses}, for the library's files."""
    out = subprocess.run([program, "--sites"], capture_output=True, text=True,
                         check=True).stdout
    lines = [line.split()[1:] for line in out.splitlines()]
    where = frames(program, [line[0] for line in lines])
    at_line = {}
    for address, what, *_ in lines:
        inner = [f for f in where[address] if not f[1].endswith("/arch/atomic.h")]
        path = Path(os.path.normpath(inner[0][1]))
        if path.is_relative_to(ROOT) and path.relative_to(ROOT).parts[0] != "tests":
            at_line.setdefault((path, inner[0][2], what), {}).setdefault(
                inner[-1][0], []).append(address)
    found = {}
    for (path, line, what), outer in at_line.items():
        near = [c for c in calls(path)
                if c[1] == OPERATION.get(what) and line - 2 <= c[0] <= line]
        last = max((c[0] for c in near), default=0)
        texts = [c for c in near if c[0] == last]
        for addresses in outer.values():
            # Several of a kind in one line: in the order of the code.
            for i, address in enumerate(sorted(addresses, key=lambda a: int(a, 16))):
                if texts:
                    call = texts[min(i * len(texts) // len(addresses), len(texts) - 1)]
                    key = (str(path.relative_to(ROOT)), call[2], call[0])
                    found.setdefault(key, []).append(address)
    return found


def hunt(programs, found, mutants):
    """The first program that catches mutants (place, order, is that of failure), tried
    together, and how; None: they survive."""
    for program in programs:
        words = [f"{address} {order} {is_fail}" for place, order, is_fail in mutants
                 for address in found[program].get(place, [])]
        if not words:
            continue
        out = subprocess.run([program, "--weaken"], input=" ".join(words) + "\n",
                             capture_output=True, text=True, check=False).stdout
        if not out.startswith("survived"):
            return f"{Path(program).name} {out.strip() or 'crashed'}"
    return None


# ---- the table ----

def table():
    """{(file, text, number among equal ones, weaker): reason}: the rows."""
    rows = {}
    for line in TABLE.read_text().splitlines():
        match = ROW.match(line)
        if match:
            rows[match[1], match[2], int(match[3] or 1), match[4].strip()] = match[5].strip()
    return rows


def row(key):
    path, text, number, low = key
    nth = f" ({number})" if number > 1 else ""
    return f"| {path} | `{text}`{nth} | {low} | why |"


def operations(programs, found):
    """Yields (key, mutant, is it ever run) for all that the library's files say."""
    for name in sorted({place[0] for per in found.values() for place in per}):
        seen = {}
        for line, _, text in calls(ROOT / name):
            seen[text] = seen.get(text, 0) + 1
            place = (name, text, line)
            reached = any(place in found[program] for program in programs)
            for low, order, is_fail in mutants_of(text):
                yield ((name, text, seen[text], low if reached else NEVER),
                       (place, order, is_fail), reached)


def experiments(keys, rows, try_rows):
    """{what it is about: mutants} to be caught, {key: mutants} that the table says survive."""
    catch, survive = {}, {}
    for key, (mutant, reached) in keys.items():
        if key not in rows:
            catch[key] = [mutant]
            continue
        name = re.match(r"\[(.+?)\]", rows[key])
        if name:
            catch.setdefault(name[1], []).append(mutant)
        if try_rows and reached:
            survive[key] = [mutant]
    return catch, survive


def main():
    programs = [a for a in sys.argv[1:] if not a.startswith("--")]
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        found = dict(zip(programs, pool.map(sites, programs)))
        rows, keys = table(), {}
        for key, mutant, reached in operations(programs, found):
            keys[key] = (mutant, reached)
        catch, survive = experiments(keys, rows, "--all" in sys.argv)
        jobs = list(catch.items()) + list(survive.items())
        verdicts = list(pool.map(lambda job: hunt(programs, found, job[1]), jobs))
    bad = [(key, "a row for what is not there") for key in rows if key not in keys]
    for (about, _), verdict in zip(jobs[:len(catch)], verdicts):
        if not verdict and about in keys and keys[about][1]:
            bad.append((about, "survives"))
        elif not verdict:
            bad.append((about, "no model comes here" if about in keys else "survive together"))
    for (key, _), verdict in zip(jobs[len(catch):], verdicts[len(catch):]):
        if verdict:
            bad.append((key, f"a row that nothing needs: {verdict}"))
    for key, what in bad:
        if isinstance(key, str):
            print(f"[{key}]: {what}")
        else:
            print(row(key) if "--rows" in sys.argv else f"{key[0]}: {key[1]} ({key[2]}) → "
                  f"{key[3]}: {what}")
    caught = sum(verdict is not None for verdict in verdicts[:len(catch)])
    print(f"weaken: {caught} of {len(catch)} caught, {len(survive)} of {len(rows)} rows tried, "
          f"{len(bad)} complaints")
    return 1 if bad else 0


if __name__ == "__main__":
    sys.exit(main())
