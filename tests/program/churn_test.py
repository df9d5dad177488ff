"""Many sandboxes, one after the other and all at once, leave nothing behind: no process, mount, control group or file.

The numbers of the promise, 1,000 and 100, are run by `./dev test --soak`; otherwise a twentieth of them.
"""

import os
import subprocess

import sandstone_test

IN_A_ROW = 1000 if sandstone_test.SOAK else 50
AT_ONCE = 100 if sandstone_test.SOAK else 25

# What each one does: files in private folders, a child that leaves its session, output on both streams.
SCRIPT = "echo x > /tmp/x; (setsid sleep 1000 >/dev/null 2>&1 &); echo out; echo err >&2; exit 7"


class Churn(sandstone_test.TestCase):
    def setUp(self):
        super().setUp()
        limit = ["-m", "64m", "--pids-limit", "20"]  # with a control group for each, where there can be one
        self.limits = limit if self.sandbox("true", options=limit).status == 0 else []

    def argv(self, tier):
        limits = self.limits if tier == "full" else []
        return [str(sandstone_test.BINARY), "run", "--tier", tier, *limits, "--timeout", "300s", "--", "sh", "-c", SCRIPT]

    def environment(self):
        return {**os.environ, "TMPDIR": str(self.tmp)}

    def test_in_a_row(self):
        for tier in ("full", "none"):
            with self.subTest(tier=tier):
                for _ in range(IN_A_ROW if tier == "full" else IN_A_ROW // 10):
                    ended = sandstone_test.command(self.argv(tier), env=self.environment(), timeout=300)
                    self.assert_ended(ended, 7, out="out\n", err="err\n")
                self.assert_nothing_left()

    def test_at_once(self):
        running = [
            subprocess.Popen(self.argv("full"), env=self.environment(), stdin=subprocess.DEVNULL,
                             stdout=subprocess.PIPE, stderr=subprocess.PIPE)
            for _ in range(AT_ONCE)
        ]
        for child in running:
            out, err = child.communicate(timeout=300 * sandstone_test.PATIENCE)
            self.assertEqual((child.returncode, out, err), (7, b"out\n", b"err\n"))
        self.assert_nothing_left()

    def test_killed_at_once(self):
        """The same, when the supervisors are killed before their sandboxes have come far, or anywhere on the way."""
        running = [
            subprocess.Popen(self.argv("full"), env=self.environment(), stdin=subprocess.DEVNULL,
                             stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
            for _ in range(AT_ONCE)
        ]
        for child in running:
            child.kill()
            child.wait()
        # Nobody is left to remove the empty control groups of the killed: the next run does.
        sandstone_test.until(lambda: not [p for p in sandstone_test.descendants() if p not in self.processes_before],
                             "the end of every process", 60)
        self.assert_ended(self.sandbox("true", options=self.limits), 0)
        self.assert_nothing_left()


if __name__ == "__main__":
    sandstone_test.main()
