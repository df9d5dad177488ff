#!/usr/bin/env python3
"""Limits mean on the tier kernel what they mean on the others, and a root of one's own works there."""

import json
import shutil

import sandstone_test


class Limits(sandstone_test.TestCase):
    def run_kernel(self, script, *options, **how):
        return self.sandbox("bash", "-c", script, options=["--tier", "kernel", *options], **how)

    def outcome(self):
        return json.loads((self.dir / "out").read_text())

    def test_processes_are_counted_without_those_of_the_kernel(self):
        script = "for i in $(seq 1 30); do sleep 5 & done; echo $(jobs -p | wc -l); kill $(jobs -p)"
        self.assert_ended(self.run_kernel(script, "--pids-limit", "34"), 0, out="30\n")
        ended = self.run_kernel(script, "--pids-limit", "20", "--timeout", "20s")
        self.assertIn("Resource temporarily unavailable", ended.err)

    def test_the_least_that_can_be_had_is_enough(self):
        """One process, and two of which one runs another program: with no room for anything in between."""
        for mode in ("rewrite", "trap", "unotify"):
            with self.subTest(mode=mode):
                options = ["--syscall-mode", mode, "--pids-limit"]
                self.assert_ended(self.run_kernel("exec /bin/echo one", *options, "1"), 0, out="one\n")
                self.assert_ended(self.run_kernel("for i in 1 2 3 4 5; do /bin/echo $i; done; (exec /bin/echo 6)", *options, "2"), 0,
                                  out="1\n2\n3\n4\n5\n6\n")

    def test_who_has_ended_leaves_room_for_the_next(self):
        for mode in ("rewrite", "trap", "unotify"):
            ended = self.sandbox("sh", "-c", "i=0; while [ $i -lt 200 ]; do /bin/true || exit 3; i=$((i + 1)); done",
                                 options=["--tier", "kernel", "--syscall-mode", mode, "--pids-limit", "2"])
            self.assert_ended(ended, 0)

    def test_a_fork_bomb_ends(self):
        ended = self.run_kernel(":(){ :|:& }; :; sleep 60", "--pids-limit", "50", "--timeout", "30s", "--json", self.dir / "out")
        self.assertEqual(ended.status, 137)
        self.assertEqual((self.outcome()["cause"], self.outcome()["limits_hit"]), ("pids", ["pids"]))

    def test_memory_of_the_kernel_is_a_part(self):
        """What lies in its files is limited, and what was let go of can be had again."""
        script = "grep MemTotal /proc/meminfo; dd if=/dev/zero of=/tmp/x bs=1M count=400 2>&1; rm /tmp/x; dd if=/dev/zero of=/tmp/x bs=1M count=20 2>/dev/null && echo again"
        ended = self.run_kernel(script, "-m", "200m", "--best-effort")
        self.assertEqual(ended.status, 0, ended)
        self.assertLess(int(ended.out.split()[1]), 100 << 10)
        self.assertIn("No space left on device", ended.out)
        self.assertTrue(ended.out.endswith("again\n"), ended)

    def test_little_memory_is_enough_to_run(self):
        self.assert_ended(self.run_kernel("echo ran", "-m", "64m", "--best-effort"), 0, out="ran\n")

    def test_time(self):
        ended = self.run_kernel("trap '' TERM; while :; do :; done", "--timeout", "1s", "--json", self.dir / "out")
        self.assertEqual(ended.status, 124, ended)
        self.assertEqual(self.outcome()["cause"], "timeout")

    def test_a_sleep_takes_its_time(self):
        script = "import time; t = time.monotonic(); time.sleep(0.3); print(0.29 < time.monotonic() - t < 5)"
        ended = self.sandbox("python3", "-c", script, options=["--tier", "kernel", "--timeout", "20s"])
        self.assert_ended(ended, 0, out="True\n")

    def test_output(self):
        ended = self.run_kernel("yes", "--output-limit", "1m", "--json", self.dir / "out")
        self.assertEqual((ended.status, self.outcome()["cause"]), (137, "output"), ended.err)

    def test_a_root_of_its_own(self):
        tree = self.dir / "tree"
        (tree / "bin").mkdir(parents=True)
        shutil.copy("/usr/bin/busybox", tree / "bin/busybox")
        for applet in ("sh", "cat", "ls", "echo"):
            (tree / "bin" / applet).symlink_to("busybox")
        (tree / "mark").write_text("the tree's\n")
        self.dir.chmod(0o755)
        script = "cat /mark; echo new >/bin/new; cat /bin/new; ls /usr 2>/dev/null"
        ended = self.sandbox("/bin/sh", "-c", script, options=["--tier", "kernel", "--rootfs", tree])
        self.assert_ended(ended, 1, out="the tree's\nnew\n")
        self.assertFalse((tree / "bin/new").exists())

    def test_a_file_as_a_volume(self):
        file = self.dir / "file"
        file.write_text("text\n")
        file.chmod(0o644)
        ended = self.run_kernel("cat /a/file; echo x >/a/file", "-v", f"{file}:/a/file:ro")
        self.assert_ended(ended, 1, out="text\n", err="Read-only file system")
        self.assert_refused(self.run_kernel("true", "-v", f"{file}:/a/file"), "-v", "folder")


if __name__ == "__main__":
    sandstone_test.main()
