#!/usr/bin/env python3
"""Runs modules of CPython's own tests, the same way bare and in a sandbox, and prints a line for each test:
"ok ID", "failed ID", "skipped ID", "stuck ID" or "died ID". A test that is stuck or ends the process fails alone: the
rest of its module is run in a new process.

usage: python_cases.py MODULE...        such as test_os; PYTHONPATH holds the package `test`
With CASES_LOG in the environment, the tracebacks go to that file.
"""

import contextlib
import os
import signal
import subprocess
import sys
import tempfile
import time
import unittest

PATIENCE = float(os.environ.get("SANDSTONE_PATIENCE", "1"))
ONE_TEST = 90 * PATIENCE  # seconds until it counts as stuck


class Result(unittest.TextTestResult):
    """Writes what becomes of each test at once: the process may end in the next one."""

    def __init__(self, *arguments):
        super().__init__(*arguments)
        self.verdict = None

    def _note(self, verdict, test):
        with open(os.environ["CASES_RESULTS"], "a", encoding="utf-8") as results:
            results.write(f"{verdict} {test.id()}\n")

    def startTest(self, test):
        super().startTest(test)
        self.verdict = "ok"
        self._note("start", test)

    def stopTest(self, test):
        super().stopTest(test)
        self._note(self.verdict, test)

    def addError(self, test, err):
        super().addError(test, err)
        self._fail(test)

    def addFailure(self, test, err):
        super().addFailure(test, err)
        self._fail(test)

    def addSubTest(self, test, subtest, err):
        super().addSubTest(test, subtest, err)
        if err is not None:
            self.verdict = "failed"

    def addSkip(self, test, reason):
        super().addSkip(test, reason)
        if not isinstance(test, unittest.TestCase):  # a whole class or module
            self._note("skipped", test)
        elif self.verdict != "failed":
            self.verdict = "skipped"

    def _fail(self, test):
        if isinstance(test, unittest.TestCase):
            self.verdict = "failed"
        else:  # setUpClass or setUpModule
            self._note("failed", test)


def cases(suite):
    for test in suite:
        if isinstance(test, unittest.TestSuite):
            yield from cases(test)
        else:
            yield test


def pruned(suite, wanted):
    """The suite as it was grouped, with those tests that `wanted` names true."""
    kept = [pruned(t, wanted) if isinstance(t, unittest.TestSuite) else t for t in suite]
    return type(suite)(t for t in kept if isinstance(t, unittest.TestSuite) or wanted(t.id()))


def run_module(name):
    """In a process of its own: the tests of the module that have no line in the results yet."""
    from test import support  # pylint: disable=import-outside-toplevel
    from test.support import os_helper  # pylint: disable=import-outside-toplevel

    support.use_resources = ["cpu", "subprocess"]
    with open(os.environ["CASES_RESULTS"], encoding="utf-8") as results:
        done = {line.split(" ", 1)[1].rstrip("\n") for line in results if not line.startswith("start ")}
    try:
        suite = unittest.defaultTestLoader.loadTestsFromName(f"test.{name}")
    except unittest.SkipTest:  # it wants a terminal, the internet or the like
        suite = unittest.TestSuite()
    suite = pruned(suite, lambda test: test not in done)
    with open(os.environ.get("CASES_LOG", os.devnull), "a", encoding="utf-8") as log:
        with os_helper.temp_cwd(f"cases-{os.getpid()}"):
            unittest.TextTestRunner(log, verbosity=2, resultclass=Result).run(suite)
    with open(os.environ["CASES_RESULTS"], "a", encoding="utf-8") as results:
        results.write(f"end {name}\n")


class Module:
    """Runs a module's tests, in as many processes as it takes, and prints how each fared."""

    def __init__(self, name, folder):
        self.name, self.path, self.position = name, os.path.join(folder, "results"), 0
        self.current = None  # the test that has begun
        self.ended = False
        open(self.path, "w", encoding="utf-8").close()

    def take_in(self):
        """Prints what has come; whether anything has."""
        with open(self.path, encoding="utf-8") as results:
            results.seek(self.position)
            lines = results.readlines()
            self.position = results.tell()
        for line in lines:
            verdict, test = line.rstrip("\n").split(" ", 1)
            if verdict == "end":
                self.ended = True
            elif verdict == "start":
                self.current = test
            elif verdict != "done":
                self.say(verdict, test)
        return bool(lines)

    def say(self, verdict, test):
        line = f"{verdict} {test}"
        print(line, flush=True)
        self.current = None
        if verdict in ("stuck", "died"):  # for the next process to leave it out
            with open(self.path, "a", encoding="utf-8") as results:
                results.write(f"done {test}\n")

    def run_once(self, log):
        """One process: whether it was stuck."""
        child = subprocess.Popen([sys.executable, __file__, "--module", self.name], start_new_session=True,
                                 env={**os.environ, "CASES_RESULTS": self.path}, stdin=subprocess.DEVNULL, stdout=log, stderr=log)
        last = time.monotonic()
        while True:
            gone = child.poll() is not None
            if self.take_in():
                last = time.monotonic()
            if gone:
                return False
            if time.monotonic() - last > ONE_TEST:
                with contextlib.suppress(ProcessLookupError):
                    os.killpg(child.pid, signal.SIGKILL)
                child.wait()
                self.take_in()
                return True
            time.sleep(0.05)

    def run(self, log):
        barren = 0
        while barren < 2:  # twice no test that was run: it cannot be loaded
            before = self.position
            stuck = self.run_once(log)
            if self.ended and not stuck:
                return self.say("end", self.name)
            if self.current is not None:
                self.say("stuck" if stuck else "died", self.current)
            elif stuck:  # in its imports, or at its end
                return self.say("stuck", self.name)
            barren = barren + 1 if self.position == before else 0
        return self.say("died", self.name)


def module(name):
    with tempfile.TemporaryDirectory() as folder, open(os.environ.get("CASES_LOG", os.devnull), "ab") as log:
        Module(name, folder).run(log)


def main():
    if sys.argv[1:2] == ["--module"]:
        run_module(sys.argv[2])
        return
    for name in sys.argv[1:]:
        module(name)


if __name__ == "__main__":
    main()
