#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-3-Clause
"""layers.py — do includes go down only?

    tools/layers.py              check this tree
    tools/layers.py --self-test  check that planted violations are found

A folder may include the folders before it in LAYERS and include/; io and chan never include
each other; examples see public headers only. Quoted includes are tree paths and must exist;
examples and tests, whose folders are programs, may name a file beside them. The library outside
arch/ includes only ISO C and POSIX headers. <noun>_impl.h stays inside its folder. Headers form
no cycle.
"""
import re
import sys

from source import AROUND, LAYERS, ROOT, Complaints, files, self_test, without_comments

STRANGERS = {("io", "chan"), ("chan", "io")}

ISO_C = """assert complex ctype errno fenv float inttypes iso646 limits locale math setjmp
signal stdalign stdarg stdatomic stdbool stddef stdint stdio stdlib stdnoreturn string tgmath
threads time uchar wchar wctype"""
POSIX = """aio arpa/inet cpio dirent dlfcn fcntl fmtmsg fnmatch ftw glob grp iconv langinfo
libgen monetary mqueue ndbm net/if netdb netinet/in netinet/tcp nl_types poll pthread pwd
regex sched search semaphore spawn strings stropts sys/ipc sys/mman sys/msg sys/resource
sys/select sys/sem sys/shm sys/socket sys/stat sys/statvfs sys/time sys/times sys/types
sys/uio sys/un sys/utsname sys/wait syslog tar termios trace ulimit unistd utime utmpx
wordexp"""
PORTABLE = {name + ".h" for name in (ISO_C + " " + POSIX).split()}

INCLUDE = re.compile(r'^[ \t]*#[ \t]*include[ \t]*([<"])([^>"\n]+)[>"]', re.M)


def includes(path):
    """Yields (line number, '<' or '"', name)."""
    text = without_comments(path.read_text())
    for match in INCLUDE.finditer(text):
        yield text.count("\n", 0, match.start()) + 1, match.group(1), match.group(2)


def folder_fault(here, there):
    """Why a file of folder `here` may not include one of folder `there`; None if it may."""
    if here == there or there == "include":
        return None
    if here in ("tests", "bench", "tools"):
        return None
    if here == "examples":
        return "examples see public headers only"
    if here == "include":
        return "public headers include public headers only"
    if there not in LAYERS:
        return f"{there}/ is not part of the library"
    if (here, there) in STRANGERS:
        return f"{here}/ and {there}/ never include each other"
    if LAYERS.index(there) > LAYERS.index(here):
        return f"{here}/ is below {there}/ and may not include it"
    return None


def resolve(root, path, name):
    """What a quoted include names: a tree path, or in a program's folder a file beside it."""
    beside = path.parent / name
    if path.relative_to(root).parts[0] in ("examples", "tests") and beside.is_file():
        return beside
    return root / name


def check_quoted(root, path, line, name, bad):
    target = resolve(root, path, name)
    here, there = (p.relative_to(root).parts[0] for p in (path, target))
    if ".." in name.split("/"):
        return bad.add(path, line, f'"{name}": no .. in an include; use the tree path')
    if not target.is_file():
        return bad.add(path, line, f'"{name}": no such file; quoted includes are tree paths')
    fault = folder_fault(here, there)
    if fault:
        return bad.add(path, line, f'"{name}": {fault}')
    if name.endswith("_impl.h") and target.parent != path.parent:
        return bad.add(path, line, f'"{name}": an _impl.h stays inside its folder')
    return None


def check_angled(root, path, line, name, bad):
    here = path.relative_to(root).parts[0]
    if name.startswith("kcoro/"):
        if not (root / "include" / name).is_file():
            bad.add(path, line, f"<{name}>: no such public header")
    elif (here in LAYERS[1:] or here == "include") and here != "lab" and name not in PORTABLE:
        bad.add(path, line, f"<{name}>: neither ISO C nor POSIX; such headers live in arch/")


def find_cycle(graph):
    """A list of headers that include each other in a ring, or None."""
    done, trail = set(), []

    def visit(node):
        if node in trail:
            return trail[trail.index(node):] + [node]
        if node in done:
            return None
        trail.append(node)
        for following in graph.get(node, ()):
            ring = visit(following)
            if ring:
                return ring
        trail.pop()
        done.add(node)
        return None

    for start in sorted(graph):
        ring = visit(start)
        if ring:
            return ring
    return None


def check(root):
    bad, graph = Complaints(root), {}
    for path in files(root, "*.c", "*.h", "*.S"):
        top = path.relative_to(root).parts[0]
        if top not in LAYERS + AROUND + ["include"]:
            continue
        for line, kind, name in includes(path):
            if kind == '"':
                check_quoted(root, path, line, name, bad)
            else:
                check_angled(root, path, line, name, bad)
            public = name.startswith("kcoro/")
            target = root / "include" / name if public else resolve(root, path, name)
            if path.suffix == ".h" and target.is_file():
                graph.setdefault(path, set()).add(target)
    ring = find_cycle(graph)
    if ring:
        names = " → ".join(str(p.relative_to(root)) for p in ring)
        bad.add(ring[0], 1, f"headers include each other: {names}")
    return bad


PLANTED = {
    "core/up.c": ('#include "sched/wait.h"\n', "core/ is below sched/"),
    "chan/side.c": ('#include "io/fd.h"\n', "never include each other"),
    "io/side.c": ('#include "chan/chan.h"\n', "never include each other"),
    "sched/os.c": ("#include <sys/epoll.h>\n", "neither ISO C nor POSIX"),
    "select/impl.c": ('#include "chan/chan_impl.h"\n', "stays inside its folder"),
    "select/dots.c": ('#include "../chan/chan.h"\n', "no .. in an include"),
    "select/gone.c": ('#include "chan/gone.h"\n', "no such file"),
    "sched/ring.h": ('#include "sched/ring2.h"\n', "include each other: "),
    "sched/ring2.h": ('#include "sched/ring.h"\n', None),
    "examples/deep.c": ('#include "core/co.h"\n', "public headers only"),
    "include/kcoro/deep.h": ('#include "core/co.h"\n', "public headers include public"),
    "ipc/public.c": ("#include <kcoro/gone.h>\n", "no such public header"),
}
INNOCENT = {
    "core/co.h": "",
    "sched/wait.h": '#include "core/co.h"\n#include "arch/os.h"\n',
    "arch/os.h": "#include <stdint.h>\n",
    "arch/linux/os.c": '#include "arch/os.h"\n#include <sys/epoll.h>\n',
    "chan/chan.h": '#include <kcoro/base.h>\n',
    "chan/chan_impl.h": '#include "chan/chan.h"\n',
    "chan/chan.c": '#include "chan/chan_impl.h"\n/*\n#include "io/fd.h"\n*/\n'
                   '#include <pthread.h>\n',
    "io/fd.h": '#include "sched/wait.h"\n',
    "select/select.c": '#include "chan/chan.h"\n#include "io/fd.h"\n',
    "include/kcoro/base.h": "#include <stdint.h>\n",
    "examples/hello/hello.c": '#include <kcoro/base.h>\n#include "hello.h"\n',
    "examples/hello/hello.h": "",
    "build/x/core/up.c": '#include "sched/wait.h"\n',
}


if __name__ == "__main__":
    if sys.argv[1:] == ["--self-test"]:
        sys.exit(self_test("layers", check, INNOCENT, PLANTED))
    sys.exit(check(ROOT).report("layers"))
