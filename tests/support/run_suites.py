#!/usr/bin/env python3
"""Runs whole-program tests without CMake: in the test machine, and as an ordinary user from a copy.

usage: run_suites.py [AREA...]      the areas are folders of tests/; without any, all that have tests, but `soak`
Prints a line for each file, the whole output of those that fail, and at last 'N passed, N failed'.
"""

import os
import pathlib
import re
import subprocess
import sys
import time

TESTS = pathlib.Path(__file__).resolve().parents[1]
PATIENCE = float(os.environ.get("SANDSTONE_PATIENCE", "1"))
SOAK = os.environ.get("SANDSTONE_SOAK") == "1"
FILE_TIMEOUT = 7200 if SOAK else 600  # seconds; a file that needs more is stuck, or should be two files


def files(areas):
    for area in areas or sorted(p.name for p in TESTS.iterdir() if p.is_dir() and p.name not in ("support", "soak")):
        if not (TESTS / area).is_dir():
            sys.exit(f"run_suites.py: no folder {TESTS / area}")
        yield from sorted((TESTS / area).glob("*_test.py"))


def run(path):
    """The output and the counts (passed, failed, skipped) of one file's unittest run."""
    environment = {
        **os.environ, "PYTHONPATH": str(TESTS / "support"), "PYTHONDONTWRITEBYTECODE": "1", "PYTHONUNBUFFERED": "1",
    }
    try:
        ended = subprocess.run(
            [sys.executable, str(path)], env=environment, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT, timeout=FILE_TIMEOUT * PATIENCE, check=False,
        )
        output, status = ended.stdout.decode("utf-8", "replace"), ended.returncode
    except subprocess.TimeoutExpired as stuck:
        output, status = (stuck.stdout or b"").decode("utf-8", "replace") + "\nstuck: killed\n", 1
    ran = re.findall(r"^Ran (\d+) tests? in", output, re.M)
    total = int(ran[-1]) if ran else 0
    counts = {key: int(n) for key, n in re.findall(r"\b(failures|errors|skipped|unexpected successes)=(\d+)", output)}
    skipped = counts.pop("skipped", 0)
    failed = min(sum(counts.values()), total)
    if status and not failed or not total:  # it broke before, or besides, its tests; and no test is no success
        failed, total = failed + 1, max(total, 1)
    return output, (max(total - failed - skipped, 0), failed, skipped)


def excerpt(output, lines=400, columns=1000):
    """Enough of a failure to see it, and no more: a comparison of two whole trees can be a million lines."""
    kept = [line if len(line) <= columns else line[:columns] + " ..." for line in output.splitlines()]
    if len(kept) > lines:
        kept[lines // 2 : -lines // 2] = [f"... {len(kept) - lines} lines left out ..."]
    return "\n".join(kept)


def main():
    sums = [0, 0, 0]
    for path in files(sys.argv[1:]):
        start = time.monotonic()
        output, counts = run(path)
        sums = [a + b for a, b in zip(sums, counts)]
        name = path.relative_to(TESTS)
        print(f"{'FAILED' if counts[1] else 'ok    '} {name}: {sum(counts)} tests, {time.monotonic() - start:.1f} s",
              flush=True)
        if counts[1]:
            print(excerpt(output), flush=True)
    skipped = f", {sums[2]} skipped" if sums[2] else ""
    print(f"{sums[0]} passed, {sums[1]} failed{skipped}", flush=True)
    return 0 if sums[0] and not sums[1] else 1


if __name__ == "__main__":
    sys.exit(main())
