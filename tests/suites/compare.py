#!/usr/bin/env python3
"""Runs suites of others bare and in the tier `kernel`, and compares them test by test.

usage: compare.py PYTHON SELFTESTS [--suite NAME] [--mode MODE] [--list] [TEST...]
PYTHON holds CPython's package `test`, SELFTESTS the kernel's built selftests (scripts/suites.sh makes both); run as root.
TEST...: only these modules of CPython's, selftests or stressors. --list prints the differences in the form of
expected-differences.txt.

A kernel of one's own should change nothing that these tests can see. Where it does, expected-differences.txt has a line
with the reason. A difference without a line fails; so does, if all is run (SANDSTONE_SOAK=1), a line without a difference.
A test that is stuck or ends its sandbox is a difference like any other.
"""

import argparse
import fnmatch
import os
import sys

import bare_and_inside
import suites

EXPECTED = os.path.join(os.path.dirname(os.path.abspath(__file__)), "expected-differences.txt")
SOAK = os.environ.get("SANDSTONE_SOAK") == "1"


class Expected:
    """A line of the file, `SUITE | TEST | BARE -> INSIDE | WHEN | REASON`: TEST may be a pattern as the shell has it; WHEN is
    words, the modes that it is expected in (none: all) and "sometimes", if it may also be absent."""

    def __init__(self, line):
        fields = [field.strip() for field in line.split("|", 4)]
        if len(fields) != 5 or not fields[4]:
            sys.exit(f"expected-differences.txt: five fields, and the last is the reason: {line}")
        self.suite, self.test, self.difference, words = *fields[:3], fields[3].split()
        self.modes = [word for word in words if word in bare_and_inside.MODES] or bare_and_inside.MODES
        self.sometimes = "sometimes" in words

    def covers(self, mode, found):
        suite, test, difference = found
        return (mode in self.modes and suite == self.suite and fnmatch.fnmatchcase(test, self.test) and
                fnmatch.fnmatchcase(difference, self.difference))


def expected():
    with open(EXPECTED, encoding="utf-8") as lines:
        return [Expected(line.rstrip("\n")) for line in lines if line.strip() and not line.startswith("#")]


def differences(suite, bare, inside):
    for test in sorted(bare.keys() | inside.keys()):
        pair = bare.get(test, "absent"), inside.get(test, "absent")
        if pair[0] != pair[1]:
            yield suite.name, test, f"{pair[0]} -> {pair[1]}"


def compare(suite, bare, mode, arguments, lines):
    """(tests that are as expected, complaints)"""
    inside = suite.inside(mode)
    found = set(differences(suite, bare, inside))
    if arguments.list:
        print(f"# {mode}", *(" | ".join(line) for line in sorted(found)), sep="\n")
        return len(inside), []
    lines = [line for line in lines if line.suite == suite.name and mode in line.modes]
    complaints = [("not expected", each) for each in sorted(found) if not any(line.covers(mode, each) for line in lines)]
    if SOAK and not arguments.tests:
        complaints += [("expected, but did not occur", (line.suite, line.test, line.difference)) for line in lines
                       if not line.sometimes and not any(line.covers(mode, each) for each in found)]
    passed = sum(verdict == "ok" for verdict in inside.values())
    if not passed:  # else a suite that breaks everywhere would differ nowhere
        complaints.append(("no test passed", (suite.name,)))
    print(f"{suite.name}, {mode}: {len(inside)} tests, {passed} pass, {len(found)} differ from a bare run", flush=True)
    return len(inside.keys() - {line[1] for line in found}), complaints


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("python")
    parser.add_argument("selftests")
    parser.add_argument("--suite", action="append", choices=[suite.name for suite in suites.ALL])
    parser.add_argument("--mode", action="append", choices=bare_and_inside.MODES)
    parser.add_argument("--list", action="store_true")
    parser.add_argument("tests", nargs="*")
    arguments = parser.parse_intermixed_args()
    if os.geteuid():
        sys.exit("compare.py: run it as root")
    lines = expected()
    passed = failed = 0
    for kind in suites.ALL:
        if arguments.suite and kind.name not in arguments.suite:
            continue
        suite = kind(arguments, arguments.tests or (kind.WHOLE if SOAK else kind.SLICE))
        bare = suite.bare()
        for mode in arguments.mode or (bare_and_inside.MODES if SOAK else ["rewrite"]):
            good, complaints = compare(suite, bare, mode, arguments, lines)
            for what, line in complaints:
                print(f"{mode}: {what}: {' | '.join(line)}")
            passed, failed = passed + good, failed + len(complaints)
    if not arguments.list:
        print(f"{passed} passed, {failed} failed")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
