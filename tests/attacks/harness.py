"""What the attack tests share: who attacks, with which canaries, through which jail, and what the verdict means.

Every attack is tried twice: as a control, where the one thing that stops it is missing (Sandstone without that wall, or
the weak jail with that mistake), and as shipped. A control that does not work fails the test: the attack would
prove nothing. Everything runs as root and as an ordinary user where the tests are run by root, as the caller otherwise.
"""

import ctypes
import functools
import os
import pathlib
import secrets
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import unittest

import scope

PROJECT = pathlib.Path(__file__).resolve().parents[2]

SANDSTONE = pathlib.Path(os.environ.get("SANDSTONE", PROJECT / "build/release/sandstone")).resolve()
PROGRAMS = pathlib.Path(os.environ.get("SANDSTONE_ATTACKS", SANDSTONE.parent / "attacks")).resolve()
NOBODY = 65534
# An interpreter that an ordinary user may execute too.
PYTHON = shutil.which("python3", path="/usr/bin:/bin") or sys.executable

# An emulated machine is some ten times slower; it must make a test wait longer, never fail.
PATIENCE = float(os.environ.get("SANDSTONE_PATIENCE", "1"))

WON = 42
REFUSED = 0
KILLED_BY_FILTER = 128 + signal.SIGSYS

WALLS = [
    "environment", "descriptors", "session", "user", "mount", "pid", "net", "ipc", "uts", "cgroup", "time", "root",
    "proc-mask", "landlock", "capabilities", "no-new-privs", "seccomp", "rlimits", "control-group",
]
WALLS_OF_TIER = {
    "none": [],
    "ns": WALLS[: WALLS.index("landlock")],
    "landlock": WALLS[: WALLS.index("capabilities")],
    "full": WALLS,
}

JAILED = ("ns", "landlock", "full")
# Where the workload has a kernel of its own, what it wins of that is its own affair (tests/kernel/escape_test.py); what is the
# host's stays out of reach as behind the others.
OWN_KERNEL = ("kernel",) if all((SANDSTONE.parent / part).exists() for part in ("sandstone-kernel", "library-kernel")) else ()
ISOLATED = (*JAILED, *OWN_KERNEL)


def landlock_abi():
    """The Landlock ABI of this kernel, 0 without Landlock."""
    return max(0, ctypes.CDLL(None, use_errno=True).syscall(444, None, 0, 1))


class Result:
    def __init__(self, argv, status, stdout, stderr):
        self.argv, self.status, self.stdout, self.stderr = argv, status, stdout, stderr

    def __str__(self):
        command = " ".join(repr(a) if not str(a).isprintable() or " " in str(a) else str(a) for a in self.argv)
        return f"status {self.status} of: {command}\nstdout: {self.stdout!r}\nstderr: {self.stderr!r}"


class Caller:
    """Somebody who starts sandboxes: root, or an ordinary user."""

    def __init__(self, name, uid):
        self.name, self.uid = name, uid
        # The id that the workload has on the host: the caller's own, or nobody's for root.
        self.outside = NOBODY if uid == 0 else uid

    def command(self, argv):
        argv = [os.fspath(a) for a in argv]
        if self.uid == os.geteuid():
            return argv
        return ["setpriv", f"--reuid={self.uid}", f"--regid={self.uid}", "--clear-groups", "--", *argv]

    def private(self, argv, *flags):
        """argv in new namespaces of its own, where it can harm no one: flags as of unshare(1)."""
        user = [] if self.uid == 0 else ["--user", "--map-root-user"]
        return ["unshare", *user, *flags, "--", *[os.fspath(a) for a in argv]]

    def start(self, argv, **options):
        return subprocess.Popen(self.command(argv), start_new_session=True, **options)

    def run(self, argv, timeout=120, **options):
        options.setdefault("stdin", subprocess.DEVNULL)
        options.setdefault("stdout", subprocess.PIPE)
        options.setdefault("stderr", subprocess.PIPE)
        process = self.start(argv, **options)
        try:
            out, err = process.communicate(timeout=timeout * PATIENCE)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
            out, err = process.communicate()
            raise AssertionError(f"no end after {timeout} s: {argv}\n{out!r}\n{err!r}")
        status = process.returncode if process.returncode >= 0 else 128 - process.returncode
        return Result(argv, status, out, err)


def callers():
    return [Caller("root", 0), Caller("nobody", NOBODY)] if os.geteuid() == 0 else [Caller("caller", os.geteuid())]


class Scratch:
    """A caller's folder with a copy of the programs (an ordinary user may not be able to read the build's)."""

    def __init__(self, caller):
        self.caller = caller
        self.path = pathlib.Path(tempfile.mkdtemp(prefix="attack-", dir="/tmp"))
        self.path.chmod(0o755)
        self.bin = self.folder("bin")
        for program in ("attack", "weak_jail", "evil_preload.so"):
            shutil.copy(PROGRAMS / program, self.bin / program)
            self.give(self.bin / program)
        self.attack = "/b/attack"  # where every jail has it
        self.secret = "CANARY-" + secrets.token_hex(8)
        self.give(self.path)

    def give(self, path):
        """Outside, the workload's own id owns it: permissions must not be what stops an attack."""
        if os.geteuid() == 0:
            os.chown(path, self.caller.outside, self.caller.outside, follow_symlinks=False)

    def folder(self, name):
        path = self.path / name
        path.mkdir(parents=True, exist_ok=True)
        path.chmod(0o755)
        self.give(path)
        return path

    def file(self, name, text="", mode=0o644):
        path = self.path / name
        self.folder(path.parent.relative_to(self.path))
        path.write_text(text)
        path.chmod(mode)
        self.give(path)
        return path

    def canary(self, name="canary"):
        return self.file(name, self.secret + "\n")

    def remove(self):
        # An overlay's work folder has no permissions for its owner.
        for base, folders, _ in os.walk(self.path):
            for folder in folders:
                path = pathlib.Path(base, folder)
                if not path.is_symlink():
                    path.chmod(0o755)
        shutil.rmtree(self.path)


def each_caller(test):
    """Runs the test as root and as an ordinary user, each with a fresh scratch folder."""

    @functools.wraps(test)
    def run(self):
        for caller in callers():
            with self.subTest(caller=caller.name):
                self.caller, self.s = caller, Scratch(caller)
                try:
                    test(self)
                finally:
                    self.s.remove()

    return run


class AttackTest(unittest.TestCase):
    """self.caller attacks with what is in self.s."""

    maxDiff = None

    # --- the commands

    def weak(self, *arguments, switches=()):
        """The weak jail with its mistakes."""
        return [self.s.bin / "weak_jail", "--ro-bind", self.s.bin, "/b", *switches, "--", self.s.attack, *arguments]

    def sandstone(self, *arguments, options=(), tier=None, walls=None, command=None):
        argv = [SANDSTONE, "run", "--ro-bind", self.s.bin, "/b"]
        if tier:
            argv += ["--tier", tier]
        if walls is not None:
            argv += ["--walls", ",".join(walls)]
        return argv + [*options, "--", *(command or [self.s.attack, *arguments])]

    # --- the verdicts

    def assertWon(self, result, message="the control"):
        self.assertEqual(result.status, WON, f"{message}: the attack must work here\n{result}")

    def assertStopped(self, result, statuses=(REFUSED,), message="as shipped"):
        self.assertIn(result.status, statuses, f"{message}: the attack must fail here\n{result}")

    def assertRefusedStart(self, result):
        """Sandstone itself refuses the command: one clear line, status 125, nothing of it printable as control."""
        self.assertEqual(result.status, 125, str(result))
        self.assertEqual(result.stderr.count(b"\n"), 1, str(result))

    def control(self, *arguments, switches=(), **options):
        result = self.caller.run(self.weak(*arguments, switches=switches), **options)
        self.assertWon(result, f"weak jail {' '.join(map(str, switches))}")
        return result

    def stopped(self, *arguments, statuses=(REFUSED,), options=(), tier=None, walls=None, **more):
        result = self.caller.run(self.sandstone(*arguments, options=options, tier=tier, walls=walls), **more)
        self.assertStopped(result, statuses, f"tier {tier or 'full'}")
        return result

    def ablate(self, *arguments, missing, statuses=(REFUSED,), options=(), wrap=None):
        """Sandstone proves its own walls: without all of `missing` the attack works; with any one of them put
        back, and as shipped, it fails."""
        wrap = wrap or (lambda argv: argv)

        def attempt(without, tier=None):
            walls = [w for w in WALLS if w not in without] if without is not None else None
            return self.caller.run(wrap(self.sandstone(*arguments, options=options, tier=tier, walls=walls)))

        self.assertWon(attempt(missing), f"without {', '.join(missing)}")
        for wall in missing:
            if len(missing) > 1:
                self.assertStopped(attempt([w for w in missing if w != wall]), statuses, f"with {wall} alone")
        self.assertStopped(attempt(None), statuses)


def wait_until(condition, seconds=30):
    """Polls, because what is waited for is another process' doing; the limit only ends a hopeless wait."""
    end = time.monotonic() + seconds * PATIENCE
    while time.monotonic() < end:
        if condition():
            return True
        time.sleep(0.02)
    return False


def processes_of(marker):
    """Pids of all processes of the machine that execute, or were started as, something in the marker's folder."""
    marker = os.fsencode(os.fspath(marker))
    found = []
    for entry in os.listdir("/proc"):
        if not entry.isdigit() or int(entry) == os.getpid():
            continue
        try:
            with open(f"/proc/{entry}/cmdline", "rb") as file:
                line = file.read()
            with open(f"/proc/{entry}/status", "rb") as file:
                zombie = b"State:\tZ" in file.read()
        except OSError:
            continue
        if marker in line and not zombie:
            found.append(int(entry))
    return found


def main():
    """The one way to run a file of attacks: in folders of its own, where that can be."""
    scope.enter()
    unittest.main()
