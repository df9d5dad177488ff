"""What every whole-program test needs: the binary, a run of it, a private folder, and a look for leftovers.

    import sandstone_test

    class Status(sandstone_test.TestCase):
        def test_exit_status_is_the_commands(self):
            self.assertEqual(self.sandbox("sh", "-c", "exit 7").status, 7)

    if __name__ == "__main__":
        sandstone_test.main()

Every test ends with a look for what its sandboxes left behind; whatever is found fails the test.
"""

import ctypes
import dataclasses
import os
import pathlib
import shutil
import signal
import subprocess
import tempfile
import time
import unittest

import scope

CHECKOUT = pathlib.Path(__file__).resolve().parents[2]
BINARY = pathlib.Path(os.environ.get("SANDSTONE", CHECKOUT / "build/release/sandstone")).resolve()
PROGRAMS = BINARY.parent  # where the build puts the tests' own programs
IS_ROOT = os.geteuid() == 0

# What takes minutes, a thousand of something most often, is done whole only for `./dev test --soak`.
SOAK = os.environ.get("SANDSTONE_SOAK") == "1"

# An emulated machine is some ten times slower; it must make a test wait longer, never fail.
PATIENCE = float(os.environ.get("SANDSTONE_PATIENCE", "1"))

PR_SET_CHILD_SUBREAPER = 36
NAMES_OF_OURS = "sandstone"


@dataclasses.dataclass(frozen=True)
class Ended:
    """How a command ended; `out` and `err` are text, with what is not UTF-8 kept as surrogates."""

    command: list
    status: int
    out: str
    err: str

    def __str__(self):
        return f"{self.command} -> {self.status}\n--- stdout\n{self.out}\n--- stderr\n{self.err}"


class StillRunning(AssertionError):
    pass


def command(argv, *, stdin="", timeout=60, **popen):
    """Runs argv to its end. `stdin` is text or bytes; anything else goes to subprocess.Popen as it is."""
    argv = [os.fspath(a) for a in argv]
    data = stdin.encode() if isinstance(stdin, str) else stdin
    with subprocess.Popen(
        argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, **popen
    ) as child:
        try:
            out, err = child.communicate(data, timeout * PATIENCE)
        except subprocess.TimeoutExpired:
            child.kill()
            out, err = child.communicate()
            raise StillRunning(str(Ended(argv, "still running", text(out), text(err)))) from None
        return Ended(argv, child.returncode, text(out), text(err))


def text(data):
    return data.decode("utf-8", "surrogateescape")


def until(condition, what, seconds=20):
    """Waits for condition() to be true and returns its value; AssertionError naming `what` if it never is."""
    end = time.monotonic() + seconds * PATIENCE
    while not (value := condition()):
        if time.monotonic() > end:
            raise AssertionError(f"never came: {what}")
        time.sleep(0.01)
    return value


def descendants():
    """The living processes below this one, as {pid: command line}.

    This process is a subreaper, so what a sandbox orphans comes here, whatever it did with setsid or fork.
    """
    parents = {}
    for entry in os.listdir("/proc"):
        if entry.isdigit():
            try:
                stat = pathlib.Path("/proc", entry, "stat").read_text("utf-8", "replace")
            except OSError:  # ended meanwhile
                continue
            state, parent = stat[stat.rindex(")") + 2 :].split()[:2]
            if state not in "ZX":
                parents[int(entry)] = int(parent)
    found, below = {}, {os.getpid()}
    while below:
        below = {pid for pid, parent in parents.items() if parent in below}
        found.update((pid, cmdline(pid)) for pid in below)
    return found


def cmdline(pid):
    try:
        return pathlib.Path(f"/proc/{pid}/cmdline").read_bytes().replace(b"\0", b" ").decode("utf-8", "replace")
    except OSError:
        return "(ended)"


def traces():
    """Mounts, control groups and temporary files of sandboxes that this process can see, as a set of lines."""
    with open("/proc/self/mountinfo", encoding="utf-8", errors="replace") as mounts:
        found = {"mount " + " ".join(line.split()[2:5]) for line in mounts}
    # Names of groups are random, so that another suite's are told from ours by going away.
    for base, folders, _ in os.walk("/sys/fs/cgroup"):
        found.update(f"cgroup {base}/{name}" for name in folders if NAMES_OF_OURS in f"{base}/{name}")
    for base in {"/tmp", "/var/tmp", "/dev/shm", "/run", f"/run/user/{os.getuid()}", tempfile.gettempdir()}:
        if os.access(base, os.R_OK):
            found.update(f"file {base}/{name}" for name in os.listdir(base) if NAMES_OF_OURS in name)
    return found


class TestCase(unittest.TestCase):
    """A test with a private folder `self.dir`, which is also TMPDIR, and the look for leftovers at its end."""

    maxDiff = None

    def setUp(self):
        super().setUp()
        ctypes.CDLL(None, use_errno=True).prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)
        self.before, self.processes_before = traces(), descendants()
        self.dir = pathlib.Path(tempfile.mkdtemp(prefix="test-"))
        self.tmp = self.dir / "tmpdir"
        self.tmp.mkdir()
        self.addCleanup(shutil.rmtree, self.dir, ignore_errors=True)
        self.addCleanup(self.assert_nothing_left)

    def sandstone(self, *args, env=None, **how):
        """`sandstone ARGS` to its end; `env` adds to the environment. The rest as for command()."""
        return command([BINARY, *args], env={**os.environ, "TMPDIR": str(self.tmp), **(env or {})}, **how)

    def sandbox(self, *cmd, options=(), **how):
        """`sandstone run OPTIONS -- CMD` to its end."""
        return self.sandstone("run", *options, "--", *cmd, **how)

    def start(self, *args, env=None, **popen):
        """`sandstone ARGS` under way, as a Popen that is killed when the test ends."""
        popen.setdefault("stdin", subprocess.DEVNULL)
        environment = {**os.environ, "TMPDIR": str(self.tmp), **(env or {})}
        child = subprocess.Popen([os.fspath(a) for a in (BINARY, *args)], env=environment, **popen)
        self.addCleanup(self._end, child)
        return child

    @staticmethod
    def _end(child):
        if child.poll() is None:
            child.send_signal(signal.SIGKILL)
        child.wait()
        for stream in (child.stdin, child.stdout, child.stderr):
            if stream:
                stream.close()

    def assert_ended(self, ended, status, *, out=None, err=None):
        """The status, the whole of stdout, and a part of stderr; a failure shows all of the run."""
        self.assertEqual(ended.status, status, ended)
        if out is not None:
            self.assertEqual(ended.out, out, ended)
        if err is not None:
            self.assertIn(err, ended.err, ended)

    def assert_refused(self, ended, *words):
        """Sandstone's own failure: status 125, nothing on stdout, one line that holds the words."""
        self.assert_ended(ended, 125, out="")
        self.assertEqual(ended.err.count("\n"), 1, ended)
        for word in words:
            self.assertIn(word, ended.err, ended)

    def assert_nothing_left(self, seconds=20):
        """Everything may take a moment to end. What another suite made in a folder that both share goes when its run
        ends; a leftover does not."""

        def survivors():
            return {p: c for p, c in descendants().items() if p not in self.processes_before}

        try:
            until(lambda: not survivors(), "the end of every process of the sandbox", seconds)
        except AssertionError:
            self.fail(f"processes left behind: {survivors()}")
        self.assertEqual(sorted(os.listdir(self.tmp)), [], "left behind in TMPDIR")
        left = traces() - self.before
        end = time.monotonic() + seconds * PATIENCE
        while left and time.monotonic() < end:
            time.sleep(0.05)
            left &= traces()
        self.assertEqual(sorted(left), [], "left behind")


def main():
    """The one way to run a file of tests: in folders of its own, where that can be."""
    scope.enter()
    unittest.main(verbosity=2)
