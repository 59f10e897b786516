#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-3-Clause
"""mutate.py — would the tests notice if the library were wrong?

    tools/mutate.py --sample 150 --seed 1        150 mutants of core, sched, chan, select
    tools/mutate.py --files 'sched/idle.c'       every mutant of one file
    tools/mutate.py --list --files 'chan/*.c'    only say which there are
    tools/mutate.py --self-test                  a toy whose mutants are known

A mutant is the library with one small mistake: a statement left out (calls that wake, unlock or
free are drawn first), a condition negated, one more or less, < for <=, another error, another
result, a fence gone. Tests that fail, crash or hang kill it. What survives is a test that is
missing, or a mistake that makes no difference: tools/mutate-survivors.txt says which, with a
reason, and is not counted.

Nothing in the checkout is touched: it is copied to a folder of its own and built there once, as
a shared library that hides nothing (KCORO_OPEN). Each mutant is one file compiled anew and the
library linked anew, put below the same test programs. Those of the mutated folder run first.
"""
import argparse
import json
import os
import random
import re
import resource
import shlex
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter, namedtuple
from concurrent.futures import ThreadPoolExecutor
from fnmatch import fnmatch
from pathlib import Path

from source import ROOT, code_only

FOLDERS = ["core", "sched", "chan", "select"]
SURVIVORS = ROOT / "tools" / "mutate-survivors.txt"
# Whose tests look at whose code; the others follow.
NEAR = {"core": ["core"], "sched": ["sched", "sync", "runtime"], "chan": ["chan", "actor"],
        "select": ["select", "go"]}
TESTS = ["core", "sched", "sync", "chan", "select", "actor", "go", "runtime", "fault"]
SLOWEST = 3.0  # seconds; a slower program is left out
SPACE = 16 << 30  # bytes of addresses for a test program: a mutant may ask for more and more

Mutant = namedtuple("Mutant", "path line kind old new")

# ---- making mutants ----

CALL = re.compile(r"^\s+(?:\(void\))?(\w+)\([^;]*\);\s*$")
SET = re.compile(r"^\s+[\w*(][\w.>\-\[\]()*]* (?:=|\+=|-=|\|=|&=) [^;]*;\s*$|"
                 r"^\s+[\w.>\-]+(?:\+\+|--);\s*$")
URGENT = re.compile(r"wake|unlock|release|unref|free|fence|finish|signal|leave|abandon|ready")
# What tells a person, a tool or a counter something changes nothing for a program.
SILENT = re.compile(r"KCI_ASSERT|KCI_MISUSE|KCI_LOG|kci_note_|kci_panic|stat_|kci_cpu_pause")
SWAPS = [
    ("relation", re.compile(r" (<=|>=|<|>|==|!=) "),
     {"<": "<=", "<=": "<", ">": ">=", ">=": ">", "==": "!=", "!=": "=="}),
    ("logic", re.compile(r" (&&|\|\|) "), {"&&": "||", "||": "&&"}),
    ("off by one", re.compile(r"(?<=[\w)\]]) ([+-] 1)\b(?![.\w])"),
     {"+ 1": "+ 0", "- 1": "- 0"}),
    ("error", re.compile(r"-(E[A-Z]+)\b"), None),
    ("truth", re.compile(r"\b(true|false)\b"), {"true": "false", "false": "true"}),
    ("loop", re.compile(r"^\s+(break|continue);"), {"break": "continue", "continue": "break"}),
]
CONDITION = re.compile(r"\b(?:if|while) \((.*)\)( \{|;)?\s*$")
RETURN = re.compile(r"^(\s+return )([^;]+);\s*$")


def balanced(text):
    depth = 0
    for char in text:
        depth += (char == "(") - (char == ")")
        if depth < 0:
            return False
    return depth == 0


def of_line(code):
    """Yields (kind, new text) for one line of code, comments blanked."""
    if SILENT.search(code) or code.lstrip().startswith(("#", "case ", "default:", "static ")):
        return
    call = CALL.match(code)
    indent = code[:len(code) - len(code.lstrip())]
    if call and call.group(1) not in ("return", "if", "while", "for", "switch", "sizeof"):
        yield "delete urgent" if URGENT.search(call.group(1)) else "delete", indent + ";"
    elif SET.match(code) and balanced(code):
        yield "delete", indent + ";"
    condition = CONDITION.search(code)
    if condition and balanced(condition.group(1)):
        at = condition.span(1)
        yield "negate", code[:at[0]] + f"!({condition.group(1)})" + code[at[1]:]
    value = RETURN.match(code)
    if value:
        yield "return", f"{value.group(1)}{'1' if value.group(2) == '0' else '0'};"
    for kind, pattern, swap in SWAPS:
        for match in pattern.finditer(code):
            word = match.group(1)
            new = swap[word] if swap else "EPROTO" if word != "EPROTO" else "EIO"
            yield kind, code[:match.start(1)] + new + code[match.end(1):]


def mutants_of(path, text):
    """Every mutant of a C file. Outside of functions nothing is changed."""
    inside, found = False, []
    lines = zip(code_only(text).split("\n"), text.split("\n"))
    for number, (code, line) in enumerate(lines, 1):
        if code.startswith("}"):
            inside = False
        if inside and code.strip():
            # Strings are blanked in `code`, so a line with one is left alone but for deleting.
            whole = '"' not in code and "'" not in code
            found += [Mutant(path, number, kind, line.strip(), new.strip())
                      for kind, new in of_line(code.rstrip())
                      if whole or kind.startswith("delete")]
        if code.startswith("{"):
            inside = True
    return found


def mutated(text, mutant):
    lines = text.split("\n")
    old = lines[mutant.line - 1]
    lines[mutant.line - 1] = old[:len(old) - len(old.lstrip())] + mutant.new
    return "\n".join(lines)


def draw(mutants, count, seed):
    """A sample that another run repeats: up to a third urgent ones, the rest from all."""
    chance = random.Random(seed)
    urgent = [m for m in mutants if m.kind == "delete urgent"]
    first = chance.sample(urgent, min(len(urgent), count // 3))
    rest = [m for m in mutants if m not in set(first)]
    return first + chance.sample(rest, min(len(rest), count - len(first)))


# ---- trying them ----

def limits():
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    resource.setrlimit(resource.RLIMIT_AS, (SPACE, SPACE))


def kill_session(leader):
    """All it started: Check gives each case a process group of its own, but no session."""
    for entry in Path("/proc").glob("[0-9]*"):
        try:
            fields = (entry / "stat").read_text().rpartition(")")[2].split()
            if int(fields[3]) == leader:
                os.kill(int(entry.name), signal.SIGKILL)
        except (OSError, IndexError):
            pass  # gone, or not ours


def run(command, env, seconds):
    """Returns "pass", "fail" or "hang", and how long it took."""
    began = time.monotonic()
    with tempfile.TemporaryFile() as nowhere:
        child = subprocess.Popen(command, env=env, stdin=subprocess.DEVNULL, stdout=nowhere,
                                 stderr=nowhere, start_new_session=True, preexec_fn=limits)
        try:
            end = "pass" if child.wait(seconds) == 0 else "fail"
        except subprocess.TimeoutExpired:
            end = "hang"
        kill_session(child.pid)
        child.wait()
    return end, time.monotonic() - began


class Build:
    """A library, built: how to compile each file of it, and the tests with their times."""

    def __init__(self, source, commands, link, library):
        self.source, self.link, self.library = source, link, library
        self.commands = commands  # {path: (compiler and flags, object)}
        self.programs = []  # (folder, path, seconds)
        self.plain = {}

    def object(self, path, text, folder):
        """Compile `text` as `path`. Returns the object, or None."""
        flags, _ = self.commands[path]
        where = folder / path
        where.parent.mkdir(parents=True, exist_ok=True)
        where.write_text(text)
        out = where.with_suffix(".o")
        done = subprocess.run([*flags, "-c", path, "-o", str(out)], cwd=folder,
                              capture_output=True, check=False)
        return out if done.returncode == 0 else None

    def try_one(self, mutant, folder):
        """Returns (verdict, by whom): invalid, same, killed, hang, survived."""
        text = (self.source / mutant.path).read_text()
        if mutant.path not in self.plain:
            self.plain[mutant.path] = self.object(mutant.path, text, folder).read_bytes()
        made = self.object(mutant.path, mutated(text, mutant), folder)
        if not made:
            return "invalid", "the compiler"
        if made.read_bytes() == self.plain[mutant.path]:
            return "same", "the compiler"
        objects = [str(made if path == mutant.path else out)
                   for path, (_, out) in sorted(self.commands.items())]
        subprocess.run([*self.link, *objects, "-o", str(folder / self.library)], check=True,
                       capture_output=True)
        return self.judge(mutant, folder)

    def judge(self, mutant, folder):
        env = dict(os.environ, LD_LIBRARY_PATH=str(folder), CK_DEFAULT_TIMEOUT="10")
        env.pop("KCORO_FAULT", None)
        for _, program, seconds in self.in_order(mutant.path.split("/")[0]):
            end, _ = run([str(program)], env, 5 + 6 * seconds)
            if end != "pass":
                return {"fail": "killed", "hang": "hang"}[end], program.name
        return "survived", ""

    def in_order(self, layer):
        near = NEAR.get(layer, [])
        return sorted(self.programs, key=lambda p: (p[0] not in near, p[2]))

    def measure(self):
        """Run each program once as it is; leave out what is slow or fails here."""
        known, self.programs = self.programs, []
        env = dict(os.environ, LD_LIBRARY_PATH=str(self.source), CK_DEFAULT_TIMEOUT="30")
        for folder, program, _ in known:
            end, seconds = run([str(program)], env, 60)
            if end != "pass":
                print(f"left out: {program.name} ({end})")
            elif seconds <= SLOWEST:
                self.programs.append((folder, program, seconds))


def copied(place):
    """The checkout's files, tracked or new, without what is ignored."""
    listed = subprocess.run(["git", "ls-files", "-coz", "--exclude-standard"], cwd=ROOT,
                            check=True, capture_output=True).stdout
    for name in listed.decode().split("\0"):
        if name and (ROOT / name).is_file():
            (place / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(ROOT / name, place / name)


def programs_of(build):
    """(folder, path) of the test programs, which need not be there yet."""
    shown = subprocess.run(["ctest", "--test-dir", str(build), "--show-only=json-v1"],
                           check=True, capture_output=True, text=True).stdout
    names = {test["name"].split(".")[0] for test in json.loads(shown)["tests"]}
    rules = (build / "build.ninja").read_text()
    return [(folder, build / "tests" / folder / name) for folder in TESTS
            for name in sorted(names) if f"build tests/{folder}/{name}:" in rules]


def kcoro(place):
    """Copy, configure and build the library and its tests below `place`."""
    tree, build = place / "tree", place / "build"
    copied(tree)
    subprocess.run(["cmake", "-S", tree, "-B", build, "-G", "Ninja", "-DKCORO_OPEN=ON",
                    "-DKCORO_WERROR=OFF", "-DCMAKE_BUILD_TYPE=Release",
                    "-DCMAKE_EXPORT_COMPILE_COMMANDS=ON"], check=True, capture_output=True)
    programs = programs_of(build)
    subprocess.run(["cmake", "--build", build, "--target", "kcoro_static",
                    *(path.name for _, path in programs)], check=True, capture_output=True)
    commands = {}
    for entry in json.loads((build / "compile_commands.json").read_text()):
        path, words = os.path.relpath(entry["file"], tree), shlex.split(entry["command"])
        output = words[words.index("-o") + 1]
        if "kcoro_o" in output and "kcoro_os_posix" not in output:
            commands[path] = (words[:words.index("-o")] + ["-g0"], str(build / output))
    link = ["cc", "-shared", "-pthread", "-Wl,-soname,libkcoro-open.so"]
    made = Build(tree, commands, link, "libkcoro-open.so")
    shutil.copy2(build / "libkcoro-open.so", tree)
    made.programs = [(folder, path, 0) for folder, path in programs]
    made.measure()
    return made


# ---- survivors that are known ----

def read_triaged(path):
    """{(file, old, new): reason}: blocks of a file's name, -old, +new and =reason."""
    known, name, old, new = {}, None, None, None
    for line in path.read_text().splitlines() if path.is_file() else []:
        if line.startswith("- "):
            old = line[2:].strip()
        elif line.startswith("+ "):
            new = line[2:].strip()
        elif line.startswith("= "):
            known[name, old, new] = line[2:].strip()
        elif line.strip() and not line.startswith("#"):
            name = line.strip()
    return known


def stale(known, sources):
    """Entries that name a line which is no longer there."""
    return [key for key in known
            if key[0] not in sources or key[1] not in
            [line.strip() for line in sources[key[0]].split("\n")]]


# ---- telling ----

def show(mutant, verdict, by):
    by = by and " by " + by
    print(f"{verdict:9} {mutant.path}:{mutant.line} {mutant.kind}{by}", flush=True)
    if verdict == "survived":
        print(f"  - {mutant.old}\n  + {mutant.new}", flush=True)


def tell_score(results, known):
    """A line per folder; returns the number of survivors nobody has looked at."""
    folders = {}
    for mutant, verdict in results:
        key = (mutant.path, mutant.old, mutant.new)
        verdict = "triaged" if verdict == "survived" and key in known else verdict
        folders.setdefault(mutant.path.split("/")[0], Counter())[verdict] += 1
    total = sum(folders.values(), Counter())
    heads = ("killed", "of", "score", "triaged", "open", "same code")
    print("\n" + " " * 8 + "".join(f"{head:>10}" for head in heads))
    for name, count in [*sorted(folders.items()), ("all", total)]:
        dead = count["killed"] + count["hang"]
        of = dead + count["survived"]
        score = f"{100 * dead / of if of else 100:.1f}%"
        row = (dead, of, score, count["triaged"], count["survived"], count["same"])
        print(f"{name:8}" + "".join(f"{cell:>10}" for cell in row))
    return total["survived"]


def try_all(build, mutants, jobs, place):
    """Returns [(mutant, verdict)], in the order of `mutants`."""
    folders = [place / f"job{i}" for i in range(jobs)]
    free = list(folders)

    def one(mutant):
        folder = free.pop()
        try:
            verdict, by = build.try_one(mutant, folder)
        finally:
            free.append(folder)
        show(mutant, verdict, by)
        return mutant, verdict

    with ThreadPoolExecutor(jobs) as pool:
        return [pair for pair in pool.map(one, mutants) if pair[1] != "invalid"]


# ---- self-test ----

TOY = """/* toy */
int limit(int n)
{
    if (n > 10)
        return 10;
    return n;
}

int counted;

void count(void)
{
    counted++;
}

int unseen(int n)
{
    return n < 3;
}
"""
TOY_TEST = """
int limit(int), counted, unused;
void count(void);
int main(void)
{
    count();
    while (counted != 1) {}
    return limit(10) != 10 || limit(11) != 10 || limit(9) != 9;
}
"""


def toy(place):
    tree = place / "tree"
    (tree / "core").mkdir(parents=True)
    (tree / "core" / "toy.c").write_text(TOY)
    (tree / "core" / "test.c").write_text(TOY_TEST.replace("counted, unused",
                                                           "unused; extern int counted"))
    flags = ["cc", "-O1", "-fPIC", "-g0"]
    build = Build(tree, {"core/toy.c": (flags, "")}, ["cc", "-shared"], "libtoy.so")
    plain = build.object("core/toy.c", TOY, place)
    subprocess.run(["cc", "-shared", plain, "-o", tree / "libtoy.so"], check=True)
    subprocess.run(["cc", tree / "core" / "test.c", "-o", tree / "toy_test", "-L", tree,
                    "-ltoy"], check=True)
    build.programs = [("core", tree / "toy_test", 0)]
    build.measure()
    return build


EXPECTED = {  # n >= 10 gives the same result, and the compiler sees that
    ("relation", "if (n >= 10)"): "same",
    ("negate", "if (!(n > 10))"): "killed",
    ("return", "return 0;"): "killed",
    ("delete", ";"): "hang",
    ("relation", "return n <= 3;"): "survived",
}


def self_test():
    found, bad = mutants_of("core/toy.c", TOY), []
    with tempfile.TemporaryDirectory() as folder:
        place = Path(folder)
        results = try_all(toy(place), found, 2, place)
        verdicts = {(m.kind, m.new): verdict for m, verdict in results if m.line < 17
                    or m.kind == "relation"}
        bad += [f"{key}: {verdicts.get(key)}, not {verdict}"
                for key, verdict in EXPECTED.items() if verdicts.get(key) != verdict]
        known = place / "known.txt"
        known.write_text("# why\ncore/toy.c\n- return n < 3;\n+ return n <= 3;\n"
                         "= untested on purpose\n")
        triaged = read_triaged(known)
        left = [m for m, verdict in results if verdict == "survived"]
        if tell_score(results, triaged) != len(left) - 1 or stale(triaged, {"core/toy.c": TOY}):
            bad.append("a triaged survivor was counted, or thought to be stale")
        if stale(triaged, {"core/toy.c": "int n;"}) != list(triaged):
            bad.append("an entry for a line that is gone was not noticed")
    if draw(found, 3, 1) != draw(found, 3, 1) or len(draw(found, 3, 1)) != 3:
        bad.append("a sample does not repeat")
    print("\n".join(bad) or f"mutate self-test: {len(found)} mutants, as expected")
    return 1 if bad else 0


def stale_entries():
    known = read_triaged(SURVIVORS)
    names = {name for name, _, _ in known}
    sources = {name: (ROOT / name).read_text() for name in names if (ROOT / name).is_file()}
    gone = stale(known, sources)
    for name, old, _ in gone:
        print(f"{SURVIVORS.name}: {name} has no line '{old}' any more")
    return known, gone


# Without memory nothing works: if this survives, the tests run with another library.
FATAL = "core/mem.c"


def is_fatal(build, path, folder):
    mutants = mutants_of(path, (build.source / path).read_text())
    return any(build.try_one(m, folder)[0] == "killed" for m in mutants if m.kind == "return")


def main():
    ask = argparse.ArgumentParser(description=__doc__.split("\n", 1)[0])
    ask.add_argument("--sample", type=int, help="how many mutants; all without")
    ask.add_argument("--seed", type=int, default=1, help="which of them")
    ask.add_argument("--files", nargs="+", default=[f"{name}/*.c" for name in FOLDERS])
    ask.add_argument("--jobs", type=int, default=2)
    ask.add_argument("--list", action="store_true", help="name the mutants, try none")
    ask.add_argument("--self-test", action="store_true", help="try a toy; look for entries of "
                     "mutate-survivors.txt that fit no line")
    args = ask.parse_args()
    known, gone = stale_entries()
    if args.self_test:
        return self_test() or bool(gone)
    paths = sorted(str(p.relative_to(ROOT)) for name in FOLDERS + ["io", "ipc", "runtime"]
                   for p in (ROOT / name).glob("*.c"))
    mutants = [m for path in paths if any(fnmatch(path, pattern) for pattern in args.files)
               for m in mutants_of(path, (ROOT / path).read_text())]
    if args.sample:
        mutants = draw(mutants, args.sample, args.seed)
    if args.list:
        for mutant in mutants:
            show(mutant, "survived", "")
        print(f"{len(mutants)} mutants")
        return 0
    with tempfile.TemporaryDirectory(prefix="kcoro-mutate-") as folder:
        place = Path(folder).resolve()
        build = kcoro(place)
        if not build.programs or not is_fatal(build, FATAL, place / "job0"):
            sys.exit("mutate: the tests do not notice a library that is plainly broken")
        print(f"{len(build.programs)} test programs, "
              f"{sum(p[2] for p in build.programs):.1f} s; {len(mutants)} mutants", flush=True)
        return 1 if tell_score(try_all(build, mutants, args.jobs, place), known) else 0


if __name__ == "__main__":
    sys.exit(main())
