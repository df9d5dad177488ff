"""The caller's terminal: characters pushed into its input are typed into the caller's shell when the sandbox ends."""

import os
import pty
import select

from harness import WALLS, WON, AttackTest, each_caller, main

# Linux 6.2 and later can refuse TIOCSTI by itself; then no jail is needed and no control can work.
KERNEL_REFUSES = os.path.exists("/proc/sys/dev/tty/legacy_tiocsti") and (
    open("/proc/sys/dev/tty/legacy_tiocsti").read().strip() == "0")


class Terminal(AttackTest):
    def on_terminal(self, argv):
        """Runs argv in the foreground of a terminal of its own; returns its status, its output, and what the next
        program that reads the terminal would be given."""
        argv = self.caller.command(argv)
        pid, master = pty.fork()
        if pid == 0:
            try:
                # The shell's part: start the sandbox, wait, then read what is waiting as input: TIOCSTI is done when
                # the call returns, so it is there by now.
                child = os.fork()
                if child == 0:
                    os.execvp(argv[0], [os.fspath(a) for a in argv])
                _, status = os.waitpid(child, 0)
                ready, _, _ = select.select([0], [], [], 0)
                typed = os.read(0, 4096) if ready else b""
                os.write(1, b"\nSTATUS %d TYPED %r\n" % (os.waitstatus_to_exitcode(status), typed))
            finally:
                os._exit(0)
        output = b""
        while True:
            try:
                chunk = os.read(master, 65536)
            except OSError:
                break
            if not chunk:
                break
            output += chunk
        os.close(master)
        os.waitpid(pid, 0)
        tail = output.rsplit(b"STATUS ", 1)[1].split(b" TYPED ")
        return int(tail[0]), output, tail[1].strip()

    def assertInjected(self, argv):
        status, output, typed = self.on_terminal(argv)
        if KERNEL_REFUSES:
            self.assertEqual(typed, b"b''", output)
            return
        self.assertEqual((status, typed), (WON, b"b'INJECTED\\n'"), output)

    def assertClean(self, argv, statuses=(0,)):
        status, output, typed = self.on_terminal(argv)
        self.assertEqual(typed, b"b''", output)
        self.assertIn(status, statuses, output)

    @each_caller
    def test_tiocsti_on_the_streams(self):
        """CVE-2017-5226 (bubblewrap)."""
        for stream in ("0", "1", "2"):
            self.assertInjected(self.weak("tiocsti", stream, switches=["--keep-session"]))
            for tier in ("ns", "landlock", "full"):
                self.assertClean(self.sandstone("tiocsti", stream, tier=tier))

    @each_caller
    def test_tiocsti_past_a_64_bit_comparison(self):
        """CVE-2019-7303 (snapd): the request's high 32 bits are ignored by the kernel, but not by a filter."""
        naive = ["--keep-session", "--filter", "naive"]
        self.assertClean(self.weak("tiocsti", "0", switches=naive))
        self.assertInjected(self.weak("tiocsti", "0", "high", switches=naive))
        self.assertClean(self.sandstone("tiocsti", "0", "high"))

    @each_caller
    def test_controlling_terminal(self):
        """/dev/tty leads to the caller's terminal for whoever stayed in its session."""
        self.assertInjected(self.weak("tiocsti", "/dev/tty", switches=["--keep-session"]))
        for tier in ("ns", "landlock", "full"):
            self.assertClean(self.sandstone("tiocsti", "/dev/tty", tier=tier))
            self.assertClean(self.sandstone("open-terminal", tier=tier))
        without = [w for w in WALLS if w not in ("session", "seccomp", "landlock")]
        status, output, _ = self.on_terminal(self.sandstone("open-terminal", walls=without))
        self.assertEqual(status, WON, output)

    @each_caller
    def test_own_terminal_is_filtered_too(self):
        """With -t the workload has a pty of its own: what it pushes there stays there, and is refused in `full`."""
        for extra in ([], ["high"]):
            self.assertClean(self.sandstone("tiocsti", "0", *extra, options=["-t", "-i"]))
            self.assertClean(self.sandstone("tioclinux", "0", *extra, options=["-t", "-i"]))
            without = [w for w in WALLS if w != "seccomp"]
            argv = self.sandstone("tioclinux", "0", *extra, options=["-t", "-i"], walls=without)
            self.assertEqual(self.on_terminal(argv)[0], WON)

    @each_caller
    def test_terminals_without_end(self):
        """The machine has a few thousand for all; one sandbox may not have them all. The control is a terminal
        filesystem like that of a jail that sets no limit."""
        folder = self.s.folder("pts")
        script = 'mount -t devpts -o newinstance,ptmxmode=0666 none "$1" && mount --bind "$1/ptmx" /dev/ptmx && exec "$2" terminal-flood'
        argv = self.caller.private(["sh", "-c", script, "sh", folder, self.s.bin / "attack"], "--mount")
        self.assertWon(self.caller.run(argv))
        for tier in ("ns", "landlock", "full"):
            self.stopped("terminal-flood", tier=tier)

    @each_caller
    def test_modes_and_foreground(self):
        status, output, _ = self.on_terminal(self.weak("change-terminal", switches=["--keep-session"]))
        self.assertEqual(status, WON, output)
        for tier in ("ns", "landlock", "full"):
            self.assertClean(self.sandstone("change-terminal", tier=tier))


if __name__ == "__main__":
    main()
