#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-3-Clause
"""end_to_end.py — wordcount against tr, sort and uniq, also while its workers are killed.

    end_to_end.py PROGRAM [--long] [NAME...]

Without names all cases run. --long kills more often and counts more than 100 MB. Random choices
come from one seed, which is printed; WORDCOUNT_SEED=n repeats it. Moments are not points in
time but amounts that the program has read, so they come early on a fast machine and late on a
slow one. Where something has to happen half-way, the last input is a pipe whose other end the
test holds open until it has happened.
"""
import contextlib
import json
import os
import pty
import random
import select
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import unittest

SKIPPED = 77
MEGA = 1000 * 1000

program = ""
is_long = False
seed = int(os.environ.get("WORDCOUNT_SEED", "0")) or random.SystemRandom().randrange(1, 1 << 32)


def reference(paths):
    """What the classic pipeline counts: {word: count}. A newline ends every file."""
    pipeline = "tr -cs 'A-Za-z' '\\n' | tr A-Z a-z | { sort || kill $$; } | uniq -c"
    env = dict(os.environ, LC_ALL="C")
    with tempfile.TemporaryFile() as result:
        with subprocess.Popen(["sh", "-c", pipeline], stdin=subprocess.PIPE, stdout=result,
                              env=env) as pipe:
            for path in paths:
                with open(path, "rb") as f:
                    shutil.copyfileobj(f, pipe.stdin, MEGA)
                pipe.stdin.write(b"\n")
            pipe.stdin.close()
        if pipe.returncode != 0:
            raise OSError(f"the classic pipeline failed with status {pipe.returncode}")
        result.seek(0)
        pairs = (line.split() for line in result)
        return {pair[1].decode(): int(pair[0]) for pair in pairs if len(pair) == 2}


def expected_answer(paths, top=10**9):
    counts = reference(paths)
    ranking = sorted(counts.items(), key=lambda item: (-item[1], item[0]))
    return {
        "words": sum(counts.values()),
        "distinct": len(counts),
        "bytes": sum(os.path.getsize(path) for path in paths),
        "files": len(paths),
        "top": [[word, count] for word, count in ranking[:top]],
    }


def children(pid, gone=(b"Z", b"X")):
    """Processes that pid has started and that have not ended."""
    found = []
    for name in os.listdir("/proc"):
        try:
            with open(f"/proc/{name}/stat", "rb") as f:
                fields = f.read().rpartition(b")")[2].split()
        except (OSError, ValueError):
            continue
        if name.isdigit() and int(fields[1]) == pid and fields[0] not in gone:
            found.append(int(name))
    return found


def is_running(pid):
    try:
        with open(f"/proc/{pid}/stat", "rb") as f:
            return f.read().rpartition(b")")[2].split()[0] not in (b"Z", b"X")
    except OSError:
        return False


def bytes_read(pid):
    try:
        with open(f"/proc/{pid}/io", encoding="ascii") as f:
            return int(f.readline().split()[1])
    except (OSError, ValueError, IndexError):
        return 0


def write_nothing(pipe):
    """The pipe ends for whoever reads it. Returns False if nobody does yet."""
    try:
        os.close(os.open(pipe, os.O_WRONLY | os.O_NONBLOCK))
        return True
    except OSError:
        return False


def kill(pid):
    with contextlib.suppress(ProcessLookupError): # it has died and was reaped meanwhile
        os.kill(pid, signal.SIGKILL)


class Run:
    """The program at work, and what can be seen of it from outside."""

    def __init__(self, home, *args, **more):
        self.tmp = os.path.join(home, "tmp")
        os.makedirs(self.tmp, exist_ok=True)
        env = dict(os.environ, TMPDIR=self.tmp)
        more.setdefault("stderr", subprocess.PIPE)
        more.setdefault("stdout", subprocess.PIPE)
        self.process = subprocess.Popen([program, *args], env=env, **more)
        self.handle = os.pidfd_open(self.process.pid)
        self.poll = select.poll()
        self.poll.register(self.handle, select.POLLIN)

    def ended(self):
        return self.process.returncode is not None or bool(self.poll.poll(1))

    def wait_until(self, condition):
        """Returns False if the program ended before the condition held, or it never does."""
        limit = time.monotonic() + 120
        while not condition():
            if self.ended() or time.monotonic() > limit:
                return condition()
        return True

    def wait_read(self, amount):
        return self.wait_until(lambda: bytes_read(self.process.pid) >= amount)

    def wait_workers(self, count):
        return self.wait_until(lambda: len(children(self.process.pid)) >= count)

    def finish(self, input=None):
        out, err = self.process.communicate(input=input, timeout=600)
        os.close(self.handle)
        return self.process.returncode, out, (err or b"").decode(errors="replace")

    def leftovers(self):
        return [name for name in os.listdir(self.tmp) if name.startswith("wordcount-")]


class WordCount(unittest.TestCase):
    maxDiff = 2000

    def setUp(self):
        self.random = random.Random(f"{seed} {self.id()}")
        self.home = tempfile.mkdtemp(prefix="kcoro-test-")
        self.addCleanup(shutil.rmtree, self.home, ignore_errors=True)

    # ---- what the cases are made of ----

    def path(self, *names):
        return os.path.join(self.home, "data", *names)

    def write(self, name, data):
        path = self.path(name)
        os.makedirs(os.path.dirname(path), exist_ok=True)
        with open(path, "wb") as f:
            f.write(data)
        return path

    def text(self, size):
        """Words of a small vocabulary, some much more frequent than others."""
        vocabulary = ["".join(self.random.choices("abcdefgXYZ", k=self.random.randint(1, 12)))
                      for _ in range(3000)]
        weights = [1 / (rank + 1) for rank in range(len(vocabulary))]
        gaps = [" ", "\n", ", ", ". ", "\t", "--", "\x00", "é", "1"]
        words = self.random.choices(vocabulary, weights, k=size // 6)
        gap = self.random.choices(gaps, [60, 10, 5, 5, 1, 1, 1, 1, 1], k=size // 6)
        return "".join(w + g for w, g in zip(words, gap)).encode()

    def tree(self, size):
        """A few large files and many small ones. Returns their paths in no special order."""
        large = self.text(size)
        paths = [self.write(f"large{i}", large[i:] + large[:i]) for i in (0, 7)]
        for i in range(300):
            start = self.random.randrange(len(large))
            length = self.random.choice([0, 1, 10, 1000, 5000, 32767, 32768, 32769, 70000])
            paths.append(self.write(f"small/{i % 7}/{i}", large[start:start + length]))
        return paths

    def assert_answer(self, run, expected, status=0, input=None):
        rc, out, err = run.finish(input)
        self.assertEqual(rc, status, err)
        self.assertEqual(out.count(b"\n"), 1)
        self.assertTrue(out.endswith(b"\n"))
        answer = json.loads(out)
        self.assertEqual(list(answer), ["words", "distinct", "bytes", "files", "top"])
        for key in ("words", "distinct", "bytes", "files"):
            self.assertEqual(answer[key], expected[key], f"{key}; {err}")
        self.assertTrue(answer["top"] == expected["top"], "top differs")
        self.assertEqual(run.leftovers(), [])
        return err

    @contextlib.contextmanager
    def held(self, *args):
        """A run that cannot end before the block does: its last input is an idle pipe."""
        pipe = os.path.join(self.home, "held")
        if not os.path.exists(pipe):
            os.mkfifo(pipe)
        run = Run(self.home, "--json", "--top", "1000000000", *args, pipe)
        try:
            yield run
        finally:
            run.wait_until(lambda: write_nothing(pipe))

    def held_answer(self, paths):
        expected = expected_answer(paths)
        expected["files"] += 1
        return expected

    def count(self, paths, *args, status=0, expected=None, workers=2):
        expected = expected or expected_answer(paths)
        run = Run(self.home, "--json", "--top", "1000000000", "--workers", str(workers), *args)
        return self.assert_answer(run, expected, status)

    # ---- the answer ----

    def test_any_number_of_workers_gives_the_answer_of_the_classic_pipeline(self):
        paths = self.tree(4 * MEGA)
        expected = expected_answer(paths)
        for workers in (1, 2, 8):
            self.count(paths, self.path(), expected=expected, workers=workers)

    def test_real_text_is_counted_like_the_classic_pipeline(self):
        here = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
        places = [os.path.join(here, "docs"), os.path.join(here, "include"),
                  os.path.join(here, "tests"), "/usr/share/common-licenses"]
        places = [place for place in places if os.path.isdir(place)]
        paths = [os.path.join(root, name) for place in places
                 for root, _, names in os.walk(place) for name in names]
        paths = [path for path in paths if os.path.isfile(path)]
        self.count(paths, *places, workers=3)

    def test_equal_counts_are_listed_alphabetically(self):
        path = self.write("ties", b"pear fig Apple FIG pear apple kiwi date")
        run = Run(self.home, "--json", "--top=4", path)
        expected = expected_answer([path], top=4)
        self.assertEqual(expected["top"], [["apple", 2], ["fig", 2], ["pear", 2], ["date", 1]])
        self.assert_answer(run, expected)

    def test_one_run_of_letters_may_be_longer_than_everything(self):
        path = self.write("run", b"a" * (10 * MEGA))
        cut = self.write("cut", b"B" * (5 * MEGA) + b"-" + b"b" * (5 * MEGA - 1))
        self.count([path, cut], path, cut, workers=3)

    def test_files_without_letters_count_as_files(self):
        paths = [self.write("empty", b""), self.write("digits", b"0123456789\n" * 9999),
                 self.write("newlines", b"\n" * 100000)]
        self.count(paths, *paths)

    def test_binary_files_are_bytes(self):
        data = self.random.randbytes(3 * MEGA)
        paths = [self.write("binary", data), self.write("all", bytes(range(256)) * 300)]
        self.count(paths, *paths)

    def test_strange_names_are_names(self):
        names = ["with space", "new\nline", "quote'and\"", "-dash", "tab\t", "\\back", "é",
                 "*?[a]"]
        paths = [self.write("names/" + name, name.encode() + b" word") for name in names]
        self.count(paths, self.path("names"))
        self.addCleanup(os.chdir, os.getcwd())
        os.chdir(self.path("names"))
        self.count(paths, "--", *names)

    def test_standard_input_and_pipes_can_be_named(self):
        text = self.text(MEGA)
        path = self.write("copy", text)
        run = Run(self.home, "--json", "--top", "1000000000", "-", stdin=subprocess.PIPE)
        self.assert_answer(run, expected_answer([path]), input=text)

    def test_pipes_and_links_in_directories_do_no_harm(self):
        paths = [self.write("d/file", b"once upon a time")]
        os.mkfifo(self.path("d/pipe"))
        os.symlink(self.path("d"), self.path("d/circle"))
        os.symlink("nowhere", self.path("d/dangling"))
        os.symlink("file", self.path("d/link"))
        self.count(paths, self.path("d"), expected=expected_answer(paths * 2))

    # ---- what cannot be read ----

    def test_a_missing_file_is_named_and_the_rest_is_counted(self):
        paths = [self.write("one", b"one"), self.write("two", b"two two")]
        missing = self.path("mis\nsing")
        err = self.count(paths, paths[0], missing, paths[1], status=1)
        self.assertIn("mis\\012sing: No such file", err)

    def test_a_file_that_fails_while_it_is_read_is_named_and_the_rest_is_counted(self):
        paths = [self.write("d/one", b"one"), self.write("d/two", self.text(MEGA))]
        os.symlink("/proc/self/mem", self.path("d/one-fails"))
        err = self.count(paths, self.path("d"), status=1)
        self.assertIn("one-fails: Input/output error", err)

    def test_a_file_without_permission_is_named_and_the_rest_is_counted(self):
        paths = [self.write("d/one", b"one"), self.write("d/three", b"three")]
        os.chmod(self.write("d/secret", b"nothing"), 0)
        os.makedirs(self.path("d/closed"))
        os.chmod(self.path("d/closed"), 0)
        more = {}
        if os.geteuid() == 0:
            more = {"user": 65534, "group": 65534, "extra_groups": []}
            os.chmod(self.home, 0o755)
            os.makedirs(os.path.join(self.home, "tmp"))
            os.chmod(os.path.join(self.home, "tmp"), 0o777)
            try:
                subprocess.run([program, "--help"], stdout=subprocess.DEVNULL, check=True,
                               **more)
            except (OSError, subprocess.CalledProcessError):
                self.skipTest("another user cannot run the program where it is")
        run = Run(self.home, "--json", "--top", "1000", self.path("d"), **more)
        err = self.assert_answer(run, expected_answer(paths), status=1)
        self.assertIn("d/secret: Permission denied", err)
        self.assertIn("d/closed: Permission denied", err)

    # ---- workers and coordinators that die ----

    def test_a_worker_killed_half_way_loses_nothing(self):
        paths = self.tree(4 * MEGA)
        expected = self.held_answer(paths)
        for _ in range(10 if is_long else 4):
            with self.held("--workers", "3", self.path()) as run:
                self.assertTrue(run.wait_workers(3))
                run.wait_read(self.random.randrange(9 * MEGA))
                kill(self.random.choice(children(run.process.pid)))
            self.assert_answer(run, expected)

    def test_workers_killed_again_and_again_lose_nothing(self):
        paths = self.tree(6 * MEGA)
        expected = self.held_answer(paths)
        for _ in range(10 if is_long else 3):
            with self.held("--workers", "4", self.path()) as run:
                for moment in sorted(self.random.randrange(15 * MEGA) for _ in range(12)):
                    run.wait_read(moment)
                    for victim in children(run.process.pid)[:self.random.randint(1, 4)]:
                        kill(victim)
            self.assert_answer(run, expected)

    def test_without_any_worker_the_coordinator_counts_itself(self):
        paths = self.tree(2 * MEGA)
        killed = set()
        with self.held("--workers", "2", self.path()) as run:
            while len(killed) < 8:
                self.assertTrue(run.wait_until(lambda: set(children(run.process.pid)) - killed))
                for victim in set(children(run.process.pid)) - killed:
                    kill(victim)
                    killed.add(victim)
            self.assertTrue(run.wait_until(lambda: not children(run.process.pid, gone=())))
        err = self.assert_answer(run, self.held_answer(paths))
        self.assertIn("starting 2 again", err)
        self.assertIn("counting the rest without them", err)

    def test_signals_end_the_program_and_leave_nothing_behind(self):
        self.tree(2 * MEGA)
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            with self.held("--workers", "3", self.path()) as run:
                self.assertTrue(run.wait_workers(3))
                run.wait_read(self.random.randrange(4 * MEGA))
                workers = children(run.process.pid)
                run.process.send_signal(number)
                self.assertEqual(run.finish()[:2], (-number, b""))
            self.assertEqual(run.leftovers(), [])
            self.assertFalse(any(is_running(pid) for pid in workers))

    def test_no_worker_outlives_a_killed_coordinator(self):
        self.tree(2 * MEGA)
        with self.held("--workers", "3", self.path()) as run:
            self.assertTrue(run.wait_workers(3))
            run.wait_read(self.random.randrange(4 * MEGA))
            handles = [os.pidfd_open(pid) for pid in children(run.process.pid)]
            run.process.kill()
            run.finish()
        for handle in handles: # readable: the process has ended
            self.assertTrue(select.select([handle], [], [], 60)[0])
            os.close(handle)
        self.assertEqual(run.leftovers(), [])

    # ---- the rest ----

    def test_the_progress_bar_is_only_for_terminals(self):
        path = self.write("pipe-fed", b"")
        os.remove(path)
        os.mkfifo(path)
        terminal, end = pty.openpty()
        os.environ["TERM"] = "xterm"
        run = Run(self.home, "--json", path, stderr=end)
        os.close(end)
        seen = b""
        with open(path, "wb") as feed: # it waits for us, so the bar has to come
            while b" MB/s" not in seen:
                seen += os.read(terminal, 1000)
            feed.write(b"done")
        self.assertEqual(json.loads(run.finish()[1])["words"], 1)
        self.assertIn(b"\r", seen)
        run = Run(self.home, "--json", self.write("x", b"x"))
        self.assertEqual(run.finish(), (0, b'{"words":1,"distinct":1,"bytes":1,"files":1,'
                                           b'"top":[["x",1]]}\n', ""))

    def test_the_report_names_words_sums_and_shares(self):
        path = self.write("text", b"the cat and the dog " * 20000)
        rc, out, err = Run(self.home, "--workers", "2", "--top", "2", path).finish()
        self.assertEqual((rc, err), (0, ""))
        report = out.decode()
        for part in ("the", "40,000", "and", "20,000", "100,000", "400,000",
                     "2 worker processes", "worker 1", "worker 2", "MB/s"):
            self.assertIn(part, report)
        self.assertNotIn("dog", report)

    def test_bad_options_are_refused_with_status_2(self):
        for args in (["--nope"], ["-x"], ["--workers"], ["--workers", "0"], ["--workers=two"],
                     ["--workers", "201"], ["--top", "-1"], ["--top="], ["--top", "5x"]):
            rc, out, err = Run(self.home, *args).finish()
            self.assertEqual((rc, out), (2, b""), args)
            self.assertIn("usage: wordcount", err)

    def test_help_is_help(self):
        rc, out, err = Run(self.home, "--help").finish()
        self.assertEqual((rc, err), (0, ""))
        for option in (b"--workers", b"--top", b"--json"):
            self.assertIn(option, out)

    def test_an_answer_that_cannot_be_written_is_an_error(self):
        path = self.write("x", b"x")
        with open("/dev/full", "wb") as full:
            done = subprocess.run([program, "--json", path], stdout=full, check=False,
                                  stderr=subprocess.PIPE)
        self.assertEqual(done.returncode, 1)
        self.assertIn(b"No space left", done.stderr)

    def test_a_hundred_megabytes(self):
        if not is_long:
            self.skipTest("only with --long")
        part = self.text(10 * MEGA)
        paths = [self.write(f"part{i}", part[i:] + part[:i]) for i in range(12)]
        expected = expected_answer(paths)
        for workers in (1, 2, 8):
            self.count(paths, self.path(), expected=expected, workers=workers)
        expected["files"] += 1
        with self.held("--workers", "4", self.path()) as run:
            for moment in sorted(self.random.randrange(200 * MEGA) for _ in range(6)):
                run.wait_read(moment)
                for victim in children(run.process.pid)[:1]:
                    kill(victim)
        self.assert_answer(run, expected)


def main():
    global program, is_long
    if len(sys.argv) < 2:
        sys.exit(__doc__)
    program = os.path.abspath(sys.argv[1])
    is_long = "--long" in sys.argv
    names = [f"WordCount.test_{name}" for name in sys.argv[2:] if not name.startswith("-")]
    if not os.path.isdir("/proc/self/task") or not hasattr(os, "pidfd_open"):
        print("needs /proc and pidfd_open to watch the program")
        sys.exit(SKIPPED)
    print(f"seed {seed} (repeat with WORDCOUNT_SEED={seed})", flush=True)
    unittest.main(argv=[sys.argv[0], *names], verbosity=2)


if __name__ == "__main__":
    main()
