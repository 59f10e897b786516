#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-3-Clause
"""tidy.py — the house rules that a machine can check.

    tools/tidy.py              check this tree
    tools/tidy.py --self-test  check that planted violations are found

Each check_… function is one rule, in tools/tidy-allow.txt known by the name behind check_.
"""
import re
import sys

from source import LAYERS, ROOT, Complaints, code_only, files, self_test

FILE_LINES, FUNCTION_LINES, COLUMNS, HEADER_LINES, README_LINES = 600, 60, 96, 200, 15
SOURCES = ("*.c", "*.h", "*.S", "*.py", "*.sh", "*.cmake", "CMakeLists.txt", "dev")
LIBRARY = LAYERS[1:] + ["include"]  # where CPU and OS must not show
ALLOW = "tools/tidy-allow.txt"


def top(root, path):
    return path.relative_to(root).parts[0]


def c_files(root):
    return files(root, "*.c", "*.h")


def read(path):
    return path.read_text(errors="replace")


# ---- sizes ----

def check_file_lines(root, bad):
    for path in files(root, *SOURCES):
        count = len(read(path).splitlines())
        if count > FILE_LINES:
            bad.add(path, FILE_LINES + 1, f"{count} lines; at most {FILE_LINES} in a file")


def check_columns(root, bad):
    for path in files(root, *SOURCES):
        # Names of test cases are sentences; breaking their lists would not make them clearer.
        limit = COLUMNS + 8 * (path.relative_to(root).parts[0] == "tests")
        for number, line in enumerate(read(path).splitlines(), 1):
            if len(line) > limit:
                bad.add(path, number, f"{len(line)} columns; at most {limit}")
            if line != line.rstrip():
                bad.add(path, number, "white space at the end of the line")
            if "\t" in line and path.suffix in (".c", ".h", ".py"):
                bad.add(path, number, "a tab; indent with four spaces")


DIRECTIVE = re.compile(r"^[ \t]*#(?:[^\n\\]|\\.|\\\n)*", re.M)


def functions(text):
    """Yields (first line, last line, head) of every function body in C text."""
    depth, head_start, open_at = 0, 0, None
    code = DIRECTIVE.sub(lambda m: re.sub(r"[^\n]", " ", m.group()), code_only(text))
    for position, char in enumerate(code):
        if char == "{":
            if depth == 0:
                open_at = position
            depth += 1
        elif char == "}":
            depth -= 1
            if depth == 0:
                head = code[head_start:open_at]
                if is_function(head):
                    first = head_start + len(head) - len(head.lstrip())
                    yield (code.count("\n", 0, first) + 1, code.count("\n", 0, position) + 1,
                           " ".join(head.split()))
                head_start = position + 1
        elif char == ";" and depth == 0:
            head_start = position + 1


def is_function(head):
    return (")" in head or "KC_MAIN" in head) and "=" not in head


def check_function_lines(root, bad):
    for path in c_files(root):
        for first, last, head in functions(read(path)):
            if last - first + 1 > FUNCTION_LINES:
                bad.add(path, first, f"{last - first + 1} lines in one function; at most "
                        f"{FUNCTION_LINES}: {head[:60]}")


# ---- words ----

UNFINISHED = re.compile(
    r"\b(TO" r"DO|FIX" r"ME|XX" r"X|HA" r"CK)\b|"
    r"\b(not (yet )?implem" r"ented|unimplem" r"ented|for n" r"ow|stu" r"bs?)\b")
PLACES = re.compile(r"(?<![\w.<])/(home|root|work)/")


def check_words(root, bad):
    for path in files(root, *SOURCES, "*.md", "*.json"):
        for number, line in enumerate(read(path).splitlines(), 1):
            for match in UNFINISHED.finditer(line):
                bad.add(path, number, f"unfinished? {match.group()!r}")
            for match in PLACES.finditer(line):
                bad.add(path, number, f"a path of one machine: {match.group()!r}")


SPDX = "SPDX-License-Identifier: BSD-3-Clause"


def check_spdx(root, bad):
    for path in files(root, *SOURCES, "*.in"):
        first = [line for line in read(path).splitlines()[:2] if not line.startswith("#!")]
        if not first or SPDX not in first[0]:
            bad.add(path, 1, f"the first line must be {SPDX}")


# ---- the machine stays in arch/ ----

MACHINE = re.compile(
    r"\b(__(?:x86_64|i386|amd64|aarch64|arm|riscv|powerpc|s390)\w*|__linux\w*|linux|__unix\w*|"
    r"__APPLE__|__MACH__|_WIN\d+|__\w+BSD__|__sun|__CYGWIN__|_(?:GNU|DEFAULT|BSD)_SOURCE)\b")


def check_machine(root, bad):
    for path in c_files(root):
        if top(root, path) not in LIBRARY:
            continue
        for number, line in enumerate(code_only(read(path)).splitlines(), 1):
            match = MACHINE.search(line) if line.lstrip().startswith("#") else None
            if match:
                bad.add(path, number, f"{match.group()}: CPU and OS answers live in arch/")


# ---- memory order ----

ATOMIC = re.compile(r"\bka_(?:load|store|xchg|add|sub|or|and|cas)\(")
ORDERED = re.compile(r"\b(acquire|release|acq_rel|seq_cst)\b")


def check_edges(root, bad):
    """Each ordered atomic has its edge (E-NAME) beside it, each relaxed one the reason why that
    is enough: on its line, up to three lines above, or on the next one."""
    for path in c_files(root):
        if top(root, path) not in LAYERS or path.name == "atomic.h":
            continue
        lines, code = read(path).splitlines(), code_only(read(path)).splitlines()
        for i, line in enumerate(code):
            if not ATOMIC.search(line):
                continue
            whole = line + code[i + 1] if line.count("(") > line.count(")") else line
            ordered = ORDERED.search(whole)
            wanted = r"\bE-[A-Z]+" if ordered else r"//.*\brelaxed:"
            if not re.search(wanted, "\n".join(lines[max(0, i - 3):i + 2])):
                bad.add(path, i + 1, "no edge (E-NAME) beside this atomic" if ordered
                        else "no `relaxed: why` beside this atomic")


# ---- public headers ----

DECLARATION = re.compile(r"^(KC_EXPORT\b|static inline\b)")
NAME = re.compile(r"\b(kci?_\w+)\(")


def public_headers(root):
    return files(root / "include", "*.h") if (root / "include").is_dir() else []


def check_header_lines(root, bad):
    for path in public_headers(root):
        count = len(read(path).splitlines())
        if count > HEADER_LINES:
            bad.add(path, HEADER_LINES + 1, f"{count} lines; at most {HEADER_LINES} here")


def paragraphs(text):
    """Yields (first line number, lines) between blank lines, except those inside a comment."""
    block, start, inside = [], 1, False
    for number, line in enumerate(text.splitlines(), 1):
        if line.strip() or inside:
            start = start if block else number
            block.append(line)
        elif block:
            yield start, block
            block = []
        if "/*" in line or "*/" in line:
            inside = line.rfind("/*") > line.rfind("*/")
    if block:
        yield start, block


def check_doc(root, bad):
    """Each public function has a comment that says what it Returns; a comment covers what
    follows it up to the next comment or blank line."""
    for path in public_headers(root):
        for start, block in paragraphs(read(path)):
            comment, open_comment = "", False
            for number, line in enumerate(block, start):
                if line.lstrip().startswith("/*"):
                    comment, open_comment = "", True
                if open_comment:
                    comment += line + "\n"
                    open_comment = "*/" not in line
                elif DECLARATION.match(line):
                    name = NAME.search(" ".join(block[number - start:]))
                    if name and name.group(1).startswith("kc_") and "eturns" not in comment:
                        bad.add(path, number, f"{name[1]}: no comment says what it Returns")


DEFINE = re.compile(r"^\s*#define (KC_\w+|kc_\w+)")
MEMBER = re.compile(r"^\s*(KC_[A-Z0-9_]+)(?: = [^,]*)?,?(?:\s*/\*.*)?$")
ONE_LINE = re.compile(r"^(?:typedef )?enum \w*\s*\{(.*)\}")


def constants(line):
    """The public constants and macros that a line of a header defines; not its guard."""
    one_line = ONE_LINE.match(line)
    if one_line:
        return re.findall(r"\bKC_[A-Z0-9_]+\b", one_line[1])
    match = DEFINE.match(line) or MEMBER.match(line)
    return [match[1]] if match and not match[1].endswith("_H") else []


def named_in(comment, name):
    """Does a comment speak of a constant, by name or by its end: FAIR for KC_SEL_FAIR?"""
    ends = {name[i:] for i in range(len(name)) if i == 0 or name[i - 1] == "_"}
    return bool(ends & set(re.findall(r"\w+", comment)))


def check_constants(root, bad):
    """Every public macro and enum constant has a comment: on its line, on the line above, or
    one further up in its group that names it."""
    for path in public_headers(root):
        for start, block in paragraphs(read(path)):
            comment, above, inside, continued = "", "", False, False
            for number, line in enumerate(block, start):
                names = [] if continued or inside else constants(line)
                continued = line.endswith("\\")
                own = "/*" in line or above.rstrip().endswith("*/")
                for name in names:
                    if not (own and len(names) == 1) and not named_in(comment, name):
                        bad.add(path, number, f"{name}: no comment")
                if inside or "/*" in line:
                    comment += line + "\n"
                    inside = line.rfind("/*") > line.rfind("*/") or inside and "*/" not in line
                above = line


# ---- the tree ----

LINK = re.compile(r"\]\(([^)#:\s]+)(?:#[^)]*)?\)")


def check_links(root, bad):
    """A relative link in a document leads somewhere."""
    for path in files(root, "*.md"):
        for number, line in enumerate(read(path).splitlines(), 1):
            for target in LINK.findall(re.sub(r"`[^`]*`", "", line)):
                if not (path.parent / target).exists():
                    bad.add(path, number, f"a link to nothing: {target}")


def check_listed(root, bad):
    """A source that no CMakeLists.txt names is dead."""
    for path in files(root, "*.c", "*.S"):
        if not is_listed(root, path):
            bad.add(path, 1, "no CMakeLists.txt lists this file")


FOREACH = re.compile(
    r"\bforeach\((\w+) ([^()]*)\)((?:(?!\bforeach\().)*?)\bendforeach\(\)", re.S)


def listed_words(lists):
    """Every word of a CMakeLists.txt, with loops over plain words written out."""
    def unroll(loop):
        return "\n".join(loop[3].replace(f"${{{loop[1]}}}", item) for item in loop[2].split())

    text = re.sub(r"#.*", "", read(lists))
    while FOREACH.search(text):
        text = FOREACH.sub(unroll, text)
    return set(re.split(r"[\s()\"]+", text))


def is_listed(root, path):
    folder = path.parent
    while True:
        lists = folder / "CMakeLists.txt"
        name = str(path.relative_to(folder))
        # A processor's folder is chosen by a variable: ${KCORO_CPU}/switch.S.
        names = {name, re.sub(r"^(x86_64|aarch64|riscv64)/", "${KCORO_CPU}/", name)}
        if lists.is_file() and names & listed_words(lists):
            return True
        if folder == root:
            return False
        folder = folder.parent


def check_readme(root, bad):
    """Every folder at the top says in a few lines what it is."""
    tops = {top(root, p) for p in files(root, *SOURCES) if p.parent != root}
    for name in sorted(tops - {"include", "cmake"}):
        readme = root / name / "README.md"
        if not readme.is_file():
            bad.add(root / name, 1, "no README.md")
        elif len(read(readme).splitlines()) > README_LINES:
            bad.add(readme, README_LINES + 1, f"at most {README_LINES} lines")


SLEEP = re.compile(r"\b(u?sleep|(?:clock_)?nanosleep|thrd_sleep)\s*\(")


def check_sleep(root, bad):
    """Tests wait for what they observe, or use virtual time."""
    for path in files(root, "*.c", "*.h", "*.py", "*.sh"):
        if top(root, path) != "tests":
            continue
        text = read(path)
        for number, line in enumerate((code_only(text) if path.suffix in ".c.h" else text)
                                      .splitlines(), 1):
            if SLEEP.search(line) or re.match(r"\s*sleep\s+[\d.]", line):
                bad.add(path, number, "a test that sleeps; wait for what it should see")


CHECKS = {name[6:]: rule for name, rule in list(globals().items()) if name.startswith("check_")}


def allowances(root):
    """{(rule, path): line number} from the allow file."""
    path, allowed = root / ALLOW, {}
    for number, line in enumerate(read(path).splitlines() if path.is_file() else [], 1):
        if line.strip() and not line.startswith("#"):
            rule, name, _reason = line.split(None, 2)
            allowed[rule, name] = number
    return allowed


def check(root):
    allowed, used, all_bad = allowances(root), set(), Complaints(root)
    for rule, run in CHECKS.items():
        bad = Complaints(root)
        run(root, bad)
        for path, line, what in bad.lines:
            if (rule, path) in allowed:
                used.add((rule, path))
            else:
                all_bad.lines.append((path, line, f"{what} [{rule}]"))
    for rule, name in sorted(set(allowed) - used):
        all_bad.add(root / ALLOW, allowed[rule, name], f"nothing needs this: {rule} {name}")
    return all_bad


C = f"/* {SPDX} */\n"
README = "# folder\n"
INNOCENT = {
    "core/CMakeLists.txt": f"# {SPDX}\nforeach(x a y)\nlist(${{x}}.c)\nendforeach()\n"
                           "list(long.c)\n",
    "core/README.md": README,
    "core/a.c": C + "int f(void)\n{\n    return '\"' + '{';\n}\n// a \"{\" here\n",
    "core/long.c": C + "int f(void)\n{\n" + "    f();\n" * 56 + "}\n",
    "arch/README.md": README,
    "arch/cpu.h": C + "#if defined(__x86_64__)\n#endif\n",
    "tests/README.md": README,
    "tests/a.h": C + "int kc_sleep(int ns);\n/* sleep(1) would be wrong */\n",
    "include/kcoro/a.h": C + "/* kc_f — Returns 1. */\nKC_EXPORT int kc_f(void);\n"
                         "KC_EXPORT int kc_g(int a,\n                   int b);\n\n"
                         "/* What can go wrong: A, and KC_B. */\nenum {\n    KC_A = 1,\n"
                         "    KC_B = 2,\n    KC_C /* and worse */\n};\n"
                         "/* D is one. */\n#define KC_X_D 1\n",
    "docs/a.md": "[core](../core/README.md#top), `x[i](j)`, [far](https://example.org)\n",
    "build/x/y.c": "anything goes TO" "DO\n",
    "tools/README.md": README,
    ALLOW: "words core/allowed.h it is about such words\n",
    "core/order.h": C + "static void f(void)\n{\n    ka_store(&x, 1, release); // E-WAKE out\n"
                        "    ka_store(&y, 1, relaxed); // relaxed: own\n}\n",
    "core/allowed.h": C + "/* TO" "DO */\n",
}
PLANTED = {
    "core/big.h": (C + "\n" * 600, "601 lines"),
    "core/wide.h": (C + "/* " + "x" * 96 + " */\n", "columns"),
    "core/space.h": (C + "int a; \n", "white space"),
    "core/tab.h": (C + "\tint a;\n", "a tab"),
    "core/f.h": (C + "static int f(void)\n{\n" + "    f();\n" * 60 + "}\n",
                 "lines in one function"),
    "tests/f.h": (C + "START_TEST(f)\n{\n" + "    f();\n" * 60 + "}\nEND_TEST\n",
                  "lines in one function"),
    "core/word.h": (C + "/* FIX" "ME */\n", "unfinished?"),
    "docs/word.md": ("This is not yet implem" "ented.\n", "unfinished?"),
    "docs/link.md": ("See [this](gone.md).\n", "a link to nothing"),
    "core/place.h": (C + '#define P "/ho' 'me/me/x"\n', "a path of one machine"),
    "core/bare.h": ("int a;\n", "SPDX"),
    "sched/cpu.h": (C + "#ifdef __linux__\n#endif\n", "live in arch/"),
    "sched/order.h": (C + "static void f(void)\n{\n    ka_store(&x, 1, release);\n}\n",
                      "no edge"),
    "sched/loose.h": (C + "static int f(void)\n{\n    return ka_load(&x, relaxed);\n}\n",
                      "no `relaxed: why`"),
    "sched/gnu.h": (C + "#define _GNU_SOURCE\n", "live in arch/"),
    "include/kcoro/long.h": (C + "\n" * 200, "at most 200"),
    "include/kcoro/doc.h": (C + "/* kc_f — a function. */\nKC_EXPORT int kc_f(void);\n",
                            "kc_f: no comment says"),
    "include/kcoro/far.h": (C + "/* kc_f — Returns 1. */\nKC_EXPORT int kc_f(void);\n\n"
                            "KC_EXPORT KC_MUST_CHECK int kc_g(void);\n", "kc_g: no comment"),
    "include/kcoro/macro.h": (C + "\n#define KC_X 1\n", "KC_X: no comment"),
    "include/kcoro/line.h": (C + "\n/* Two. */\nenum { KC_V = 1, KC_W };\n",
                             "KC_W: no comment"),
    "include/kcoro/group.h": (C + "\n/* Two. */\n#define KC_T 1\n#define KC_U 2\n",
                              "KC_U: no comment"),
    "include/kcoro/enum.h": (C + "\nenum {\n    KC_Y = 1,\n    KC_Z\n};\n", "KC_Z: no comment"),
    "core/dead.c": (C, "no CMakeLists.txt lists"),
    "ipc/a.h": (C, None),
    "ipc": ("", "no README.md"),
    "select/README.md": (README * 16, "at most 15"),
    "select/a.h": (C, None),
    "tests/nap.h": (C + "static void f(void) { usleep(1); }\n", "a test that sleeps"),
    "tests/nap.py": (f"# {SPDX}\ntime.slee" "p(1)\n", "a test that sleeps"),
    "tests/nap.sh": (f"# {SPDX}\nslee" "p 1\n", "a test that sleeps"),
    ALLOW: ("columns core/a.c it was wide once\n", "nothing needs this"),
}

if __name__ == "__main__":
    if sys.argv[1:] == ["--self-test"]:
        sys.exit(self_test("tidy", check, INNOCENT, PLANTED))
    sys.exit(check(ROOT).report("tidy"))
