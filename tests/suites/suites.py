"""The suites: how each is run and what its output says. A suite's results are {test: verdict}; a verdict is "ok", "failed",
"skipped", "stuck" or "died"."""

import re

import bare_and_inside
from bare_and_inside import HERE

LISTS = HERE / "lists"


def names(file):
    """(all names of a list, those of the slice that `./dev test` runs, marked with a star)"""
    lines = [line.split("#")[0].strip() for line in (LISTS / file).read_text(encoding="utf-8").splitlines()]
    return [line.rstrip(" *") for line in lines if line], [line.rstrip(" *") for line in lines if line.endswith("*")]


class CPython:
    """Tests of CPython's own, by python_cases.py, which prints a line for each."""

    name = "cpython"
    WHOLE, SLICE = names("cpython.txt")
    SECONDS = 3000

    def __init__(self, arguments, modules):
        self.modules = modules
        self.command = ["/usr/bin/env", "PYTHONPATH=/mnt/python", "/usr/bin/python3", "/mnt/suites/python_cases.py", *modules]
        self.folders = {"/mnt/python": arguments.python, "/mnt/suites": HERE}

    def bare(self):
        return self._results(*bare_and_inside.bare(self.command, self.folders, self.SECONDS))

    def inside(self, mode):
        return self._results(*bare_and_inside.inside(mode, self.command, self.folders, self.SECONDS))

    def _results(self, text, status):
        """Each module's own end is a result too: a run that breaks off has not the ends of a whole one."""
        found = {module: "died" if status != 124 else "stuck" for module in self.modules}
        for line in text.splitlines():
            match = re.fullmatch(r"(ok|failed|skipped|stuck|died|end) (\S.*)", line)
            if match:
                found[match[2]] = "ok" if match[1] == "end" else match[1]
        return found


class Selftests:
    """The kernel's selftests, by each.sh: TAP, between a line with the program's name and one with its status."""

    name = "selftests"
    WHOLE, SLICE = names("selftests.txt")
    SECONDS = 3000

    def __init__(self, arguments, programs):
        self.programs = programs
        self.command = ["sh", "/mnt/suites/each.sh", "/mnt/selftests", *programs]
        self.folders = {"/mnt/selftests": arguments.selftests, "/mnt/suites": HERE}

    def bare(self):
        return self._results(*bare_and_inside.bare(self.command, self.folders, self.SECONDS))

    def inside(self, mode):
        return self._results(*bare_and_inside.inside(mode, self.command, self.folders, self.SECONDS))

    def _results(self, text, status):
        found = {program: "died" if status != 124 else "stuck" for program in self.programs}
        program = None
        for line in text.splitlines():
            if match := re.fullmatch(r"== (\d+)", line):
                found[program] = self.ENDS.get(match[1], "failed")
            elif match := re.fullmatch(r"== (\S+)", line):
                program = match[1]
            elif match := re.match(r"((?:not )?ok) (\d+)\b", line):
                # By its number: some put the outcome into a test's name.
                skipped = re.search(r"#\s*SKIP", line, re.I)
                found[f"{program} {match[2]}"] = "skipped" if skipped else "ok" if match[1] == "ok" else "failed"
        return found

    ENDS = {"0": "ok", "4": "skipped", "137": "stuck"}


class Stress:
    """Stressors of stress-ng, each in a sandbox of its own. Bare they are no measure: as root many are a danger to the
    host. So each is expected to succeed, and expected-differences.txt has those that do not."""

    name = "stress"
    WHOLE, SLICE = names("stress.txt")
    SECONDS = 40

    def __init__(self, _, stressors):
        self.stressors = stressors

    def bare(self):
        return {stressor: "ok" for stressor in self.stressors}

    def inside(self, mode):
        return {stressor: self._verdict(mode, stressor) for stressor in self.stressors}

    def _verdict(self, mode, stressor):
        text, status = bare_and_inside.inside(
            mode, ["sh", "/mnt/suites/stress.sh", stressor], {"/mnt/suites": HERE}, self.SECONDS)
        if "== whole" in text:
            return {0: "ok", 3: "skipped", 4: "skipped"}.get(status, "failed")
        return "stuck" if status == 124 else "left something" if "== left" in text else "died"


ALL = [CPython, Selftests, Stress]
