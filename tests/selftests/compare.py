#!/usr/bin/env python3
"""Compares the kernel's own selftests bare and inside `sandstone run --tier ns -u 0`, test by test, in a sandbox that
root starts and in one that an ordinary user starts.

usage: compare.py DIR [--list]     DIR holds the built programs (scripts/selftests.sh makes it); run as root

A namespace jail should change nothing that these tests can see. Where it does, expected-differences.txt names the
test and docs/selftests.md the reason. A difference that is not listed fails, and so does one that is listed and does
not occur. --list prints the differences in the list's form.
"""

import os
import pathlib
import re
import shutil
import subprocess
import sys
import tempfile

HERE = pathlib.Path(__file__).resolve().parent
BINARY = os.environ.get("SANDSTONE", HERE.parents[1] / "build/release/sandstone")
EXPECTED = HERE / "expected-differences.txt"
TIMEOUT = 600 * float(os.environ.get("SANDSTONE_PATIENCE", "1"))
EACH = (HERE / "each.sh").read_text()

# The bare run has mount and pid namespaces of its own, so that it harms nothing. In both runs /tmp is a mount: a test
# changes its propagation.
PRIVATE = """
mount --make-rprivate / && mount --bind "$1" /mnt && mount -t tmpfs -o mode=1777 tmpfs /tmp && cd / && exec sh -c "$2" each /mnt
"""


def bare(folder):
    return output(["unshare", "--mount", "--pid", "--fork", "--kill-child", "--mount-proc", "sh", "-c", PRIVATE, "bare",
                   folder, EACH])


def sandboxed(folder, binary, *caller):
    return output([*caller, binary, "run", "--tier", "ns", "-u", "0", "--tmpfs", "/tmp", "-v", f"{folder}:/mnt:ro", "--",
                   "sh", "-c", EACH, "each", "/mnt"])


def output(command):
    ended = subprocess.run(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, timeout=TIMEOUT, check=False,
                           env={"PATH": "/usr/sbin:/usr/bin:/sbin:/bin"})
    text = ended.stdout.decode("utf-8", "replace")
    if ended.returncode or "== " not in text:
        sys.exit(f"compare.py: {command[0]} ended with {ended.returncode}\n{text[-2000:]}")
    return text


def results(text):
    """{(program, test): "ok" | "not ok" | "skip"}, and each program's own end as the test "end"."""
    found, program = {}, None
    for line in text.splitlines():
        if match := re.fullmatch(r"== (\d+)", line):
            # A status that only says whether a test failed would say twice what the tests' own lines say.
            found[program, "end"] = "by itself" if match[1] in ("0", "1", "4") else f"with status {match[1]}"
        elif match := re.fullmatch(r"== (\S+)", line):
            program = match[1]
        elif match := re.fullmatch(r"((?:not )?ok) (\d+) (?:- )?(.*)", line):
            verdict, name = match[1], match[3]
            if skip := re.search(r"#\s*SKIP.*", name, re.I):
                verdict, name = "skip", name[: skip.start()]
            # Process ids, descriptors and the like differ from run to run: the number tells tests of one name apart.
            found[program, f"{match[2]} {normal(name)}"] = verdict
    return found


def normal(name):
    return re.sub(r"\[\d+\]|\b0x[0-9a-f]+\b|\d{2,}", "*", name).strip()


def differences(outside, inside):
    for key in sorted(outside.keys() | inside.keys()):
        pair = outside.get(key, "absent"), inside.get(key, "absent")
        if pair[0] != pair[1]:
            yield " | ".join((*key, f"{pair[0]} -> {pair[1]}"))


def listed():
    with open(EXPECTED, encoding="utf-8") as lines:
        return {line.strip() for line in lines if line.strip() and not line.startswith("#")}


def main():
    if len(sys.argv) < 2 or os.geteuid():
        sys.exit(__doc__)
    outside = results(bare(os.path.abspath(sys.argv[1])))
    with tempfile.TemporaryDirectory(prefix="selftests-") as copy:  # which the ordinary user can read
        folder, binary = shutil.copytree(sys.argv[1], f"{copy}/programs"), shutil.copy(BINARY, copy)
        os.chmod(copy, 0o755)
        inside = {
            "root": results(sandboxed(folder, binary)),
            "user": results(sandboxed(folder, binary, "setpriv", "--reuid=65534", "--regid=65534", "--clear-groups")),
        }
    programs = {program for program, _ in outside}
    passed = failed = 0
    for caller, tests in inside.items():
        found = set(differences(outside, tests))
        if "--list" in sys.argv:
            print(f"# started by {caller}", *sorted(found), sep="\n")
            continue
        wrong = [("not expected", line) for line in sorted(found - listed())]
        wrong += [("expected, but did not occur", line) for line in sorted(listed() - found)]
        for what, line in wrong:
            print(f"started by {caller}: {what}: {line}")
        print(f"started by {caller}: {len(tests) - len(programs)} tests of {len(programs)} programs, {len(found)} differ")
        bad = {line.split(" | ")[0] for _, line in wrong}
        passed, failed = passed + len(programs - bad), failed + len(bad)
    if "--list" not in sys.argv:
        print(f"{passed} passed, {failed} failed")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
