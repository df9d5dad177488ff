"""Limits: each ends the sandbox, all of it and nothing else, and says which it was; or the run does not start."""

import json

import sandstone_test

# Whether this host lets this caller have a control group is for doctor to say; the tests then ask for the one behaviour or
# the other, never for nothing.
ALLOCATE = "import sys; x = bytearray(1 << 30); x[::4096] = b'x' * len(x[::4096]); print('had it all')"


class Limits(sandstone_test.TestCase):
    def report(self, *cmd, options=()):
        """The run, and its JSON report."""
        path = self.dir / "report"
        path.unlink(missing_ok=True)
        ended = self.sandbox(*cmd, options=[*options, "--json", str(path)], timeout=120)
        return ended, json.loads(path.read_text()) if path.exists() and path.stat().st_size else None

    def has_memory_controller(self):
        return self.sandbox("true", options=["-m", "64m"]).status == 0

    def test_time(self):
        for tier in ("none", "ns", "landlock", "full"):
            with self.subTest(tier=tier):
                script = "trap '' TERM INT HUP; (setsid sleep 60 &) ; sleep 60"
                ended, report = self.report("sh", "-c", script, options=["--tier", tier, "--timeout", "1s"])
                self.assert_ended(ended, 124, err="time")
                self.assertEqual(report["cause"], "timeout")
                self.assertIn("timeout", report["limits_hit"])
                self.assert_nothing_left()

    def test_time_of_a_stopped_command(self):
        ended = self.sandbox("sh", "-c", "kill -STOP $$", options=["--timeout", "1s"])
        self.assertEqual(ended.status, 124, ended)

    def test_output(self):
        ended, report = self.report("yes", options=["--output-limit", "100k"])
        self.assertEqual(ended.status, 137)
        self.assertLessEqual(len(ended.out), 200 << 10)
        self.assertEqual(report["cause"], "output")

    def test_disk(self):
        ended, report = self.report("sh", "-c", "head -c 20m /dev/zero > /tmp/big || head -c 1 /tmp/big", options=["--disk", "4m"])
        self.assertEqual(ended.status, 0, ended)
        self.assertIn("No space left", ended.err)
        self.assertIn("disk", report["limits_hit"])

    def test_disk_is_one_limit_for_all_private_folders(self):
        script = "for d in /tmp /var/tmp /home/sandbox /dev/shm; do head -c 2m /dev/zero > $d/part || exit 9; done"
        self.assertEqual(self.sandbox("sh", "-c", script, options=["--disk", "4m"]).status, 9)

    def test_processes(self):
        script = "import os, sys\nn = 0\ntry:\n  while n < 40:\n    if os.fork() == 0: os.pause() if hasattr(os, 'pause') else __import__('signal').pause()\n    n += 1\nexcept BlockingIOError: pass\nprint(n)"
        ended = self.sandbox("python3", "-c", script, options=["--pids-limit", "20"])
        self.assert_ended(ended, 0, out="19\n")  # and python itself

    def test_fork_bomb(self):
        bomb = "import os\nwhile True:\n  try: os.fork()\n  except OSError: pass"
        ended, report = self.report("python3", "-c", bomb, options=["--pids-limit", "50", "--timeout", "100s"])
        self.assertEqual((ended.status, report["cause"]), (137, "pids"), ended)

    def test_memory(self):
        ended, report = self.report("python3", "-c", ALLOCATE, options=["-m", "64m"])
        self.assertNotIn("had it all", ended.out)
        if self.has_memory_controller():
            self.assert_ended(ended, 137, err="memory")
            self.assertEqual(report["cause"], "memory")
        else:
            self.assert_refused(ended, "control-group", "--best-effort")

    def test_memory_as_far_as_it_goes(self):
        ended, report = self.report("python3", "-c", ALLOCATE, options=["-m", "64m", "--best-effort"])
        self.assertNotIn("had it all", ended.out)
        self.assertNotEqual(ended.status, 0)
        missing = [m["wall"] for m in report["missing"]]
        self.assertEqual("control-group" in missing, not self.has_memory_controller(), report)

    def test_ulimits(self):
        self.assert_ended(self.sandbox("sh", "-c", "ulimit -n; ulimit -c", options=["--ulimit", "nofile=123"]), 0, out="123\n0\n")
        self.assert_refused(self.sandbox("true", options=["--ulimit", "nonsense=1"]), "nonsense")


if __name__ == "__main__":
    sandstone_test.main()
