"""A run's status, its streams and signals, its terminal, and its end: nothing of it may be left."""

import os
import pty
import select
import signal
import subprocess

import sandstone_test

TIERS = ["none", "ns", "landlock", "full"]


class Status(sandstone_test.TestCase):
    def test_python_prints_42(self):
        self.assert_ended(self.sandbox("python3", "-c", "print(6*7)"), 0, out="42\n")

    def test_it_is_the_commands_own_on_every_tier(self):
        for tier in TIERS:
            with self.subTest(tier=tier):
                options = ["--tier", tier]
                self.assertEqual(self.sandbox("sh", "-c", "exit 7", options=options).status, 7)
                self.assertEqual(self.sandbox("sh", "-c", "kill -9 $$", options=options).status, 137)
                self.assertEqual(self.sandbox("sh", "-c", "kill -TERM $$", options=options).status, 143)

    def test_not_found_and_not_executable(self):
        self.assert_ended(self.sandbox("/nope"), 127, out="", err="/nope")
        self.assert_ended(self.sandbox("no-such-command"), 127, out="")
        self.assert_ended(self.sandbox("/etc/hostname"), 126, out="")
        self.assert_ended(self.sandbox("/usr"), 126, out="")

    def test_a_path_with_folders_that_cannot_be_searched_goes_on(self):
        ended = self.sandbox("true", options=["-e", "PATH=/proc/1/fd:/etc/hostname:/usr/bin:/bin"])
        self.assertEqual(ended.status, 0, ended)


class Streams(sandstone_test.TestCase):
    def test_more_than_a_pipe_holds_both_ways(self):
        text = "0123456789abcdef" * 65536
        self.assert_ended(self.sandbox("cat", stdin=text), 0, out=text)

    def test_a_reader_that_leaves_ends_the_writer(self):
        child = self.start("run", "--", "yes", stdout=subprocess.PIPE)
        self.assertEqual(child.stdout.read(2), b"y\n")
        child.stdout.close()
        child.wait(60 * sandstone_test.PATIENCE)
        self.assertEqual(child.returncode, 141)

    def test_nothing_but_three_streams_is_open(self):
        ended = self.sandbox("sh", "-c", "ls /proc/self/fd | wc -l")
        self.assert_ended(ended, 0, out="4\n")  # and the folder that ls itself reads

    def test_a_waiting_supervisor_does_not_spin(self):
        child = self.start("run", "--", "sleep", "60", stdout=subprocess.PIPE)
        sandstone_test.until(lambda: any("sleep 60" in c for c in sandstone_test.descendants().values()), "the sleep")

        def ticks():
            with open(f"/proc/{child.pid}/stat", encoding="ascii", errors="replace") as stat:
                fields = stat.read().rpartition(")")[2].split()
            return int(fields[11]) + int(fields[12])

        before = ticks()
        try:
            child.wait(1)
        except subprocess.TimeoutExpired:
            pass
        self.assertLess(ticks() - before, os.sysconf("SC_CLK_TCK") // 4)


class Signals(sandstone_test.TestCase):
    def test_they_reach_the_command(self):
        script = "trap 'echo got it; exit 5' TERM; echo ready; while :; do sleep 0.1; done"
        child = self.start("run", "--", "sh", "-c", script, stdout=subprocess.PIPE)
        self.assertEqual(child.stdout.readline(), b"ready\n")
        child.send_signal(signal.SIGTERM)
        self.assertEqual(child.stdout.readline(), b"got it\n")
        self.assertEqual(child.wait(60 * sandstone_test.PATIENCE), 5)

    def test_a_killed_supervisor_leaves_nothing(self):
        for tier in TIERS[1:]:
            with self.subTest(tier=tier):
                script = "setsid sleep 1234 & (setsid sh -c 'trap \"\" TERM HUP INT; sleep 1234' &) ; echo ready; sleep 1234"
                child = self.start("run", "--tier", tier, "--", "sh", "-c", script, stdout=subprocess.PIPE)
                self.assertEqual(child.stdout.readline(), b"ready\n")
                child.kill()
                child.wait()
                self.assert_nothing_left()

    def test_what_the_command_left_running_ends_with_it(self):
        for tier in TIERS:
            with self.subTest(tier=tier):
                ended = self.sandbox("sh", "-c", "(setsid sleep 1234 >/dev/null 2>&1 &) ; exit 3", options=["--tier", tier])
                self.assertEqual(ended.status, 3, ended)
                self.assert_nothing_left()


class Terminal(sandstone_test.TestCase):
    def run_in_terminal(self, *cmd, typed=b"", until=None):
        """`sandstone run -it -- CMD` on a terminal of the test's; what it printed, and its status."""
        controller, terminal = pty.openpty()
        self.addCleanup(os.close, controller)
        child = self.start("run", "-it", "--", *cmd, stdin=terminal, stdout=terminal, stderr=terminal)
        os.close(terminal)
        seen, pending = b"", typed
        while True:
            if pending and (until is None or until in seen):
                os.write(controller, pending)
                pending = b""
            ready, _, _ = select.select([controller], [], [], 60 * sandstone_test.PATIENCE)
            self.assertTrue(ready, f"nothing more after {seen!r}")
            try:
                got = os.read(controller, 4096)
            except OSError:  # EIO: all of the other side is closed
                got = b""
            if not got:
                break
            seen += got
        return seen, child.wait()

    def test_it_is_the_sandboxes_own(self):
        seen, status = self.run_in_terminal("sh", "-c", "tty; exit 4")
        self.assertIn(b"/dev/pts/0", seen)
        self.assertEqual(status, 4)

    def test_control_c_reaches_the_foreground(self):
        script = "trap 'echo interrupted; exit 6' INT; echo ready; while :; do sleep 0.1; done"
        seen, status = self.run_in_terminal("sh", "-c", script, typed=b"\x03", until=b"ready")
        self.assertIn(b"interrupted", seen)
        self.assertEqual(status, 6)

    def test_it_needs_one(self):
        self.assert_refused(self.sandbox("true", options=["-it"]), "-t")


if __name__ == "__main__":
    sandstone_test.main()
