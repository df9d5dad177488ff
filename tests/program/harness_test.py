"""The look for leftovers must find them, or every test that relies on it proves nothing."""

import os
import pathlib
import signal
import subprocess
import sys
import tempfile
import threading
import unittest

import sandstone_test


class Leftovers(sandstone_test.TestCase):
    def found(self):
        with self.assertRaises(AssertionError) as caught:
            self.assert_nothing_left(seconds=0.2)
        return str(caught.exception)

    def test_nothing_is_left_by_a_program_that_ended(self):
        sandstone_test.command(["true"])
        self.assert_nothing_left()

    def test_a_process_that_left_its_session_and_its_parent_is_found(self):
        sandstone_test.command(
            ["sh", "-c", "setsid sh -c 'exec sleep 1000' >/dev/null 2>&1 & echo $! >pid; exit"], cwd=self.dir
        )
        self.assertIn("sleep 1000", self.found())
        for pid in sandstone_test.descendants():
            os.kill(pid, signal.SIGKILL)

    def test_a_temporary_file_is_found(self):
        with tempfile.NamedTemporaryFile(prefix="sandstone-leftover-") as file:
            self.assertIn(file.name, self.found())

    def test_a_file_in_the_runs_own_temporary_folder_is_found(self):
        (self.tmp / "socket").touch()
        self.assertIn("socket", self.found())
        (self.tmp / "socket").unlink()

    def test_another_suites_files_are_not_seen_where_suites_may_have_folders_of_their_own(self):
        if not sandstone_test.IS_ROOT:
            self.skipTest("an ordinary user's suites share /tmp")
        support = pathlib.Path(sandstone_test.__file__).parent
        script = f"import os, scope; scope.enter(); open('/tmp/sandstone-other', 'w'); print(os.listdir('/tmp'), os.access('{support}', os.X_OK))"
        ended = sandstone_test.command(["env", "-u", "SANDSTONE_TEST_SCOPE", f"PYTHONPATH={support}", sys.executable, "-c", script])
        self.assertIn("sandstone-other", ended.out, ended)
        self.assertIn("True", ended.out, "what the suite needs stays in sight")
        self.assertFalse(os.path.exists("/tmp/sandstone-other"))
        self.assert_nothing_left()

    def test_a_file_of_another_suite_that_goes_away_is_no_leftover(self):
        file = tempfile.NamedTemporaryFile(prefix="sandstone-other-")
        threading.Timer(0.3, file.close).start()
        self.assert_nothing_left()

    def test_a_mount_is_found(self):
        script = (
            "mount --make-rprivate / && exec python3 -c '"
            "import sandstone_test as s, subprocess, sys; b = s.traces();"
            "subprocess.run([\"mount\", \"-t\", \"tmpfs\", \"left\", sys.argv[1]], check=True);"
            "print(s.traces() - b)' \"$1\""
        )
        support = str(pathlib.Path(sandstone_test.__file__).parent)
        out = subprocess.run(
            ["unshare", "--user", "--map-root-user", "--mount", "sh", "-c", script, "sh", str(self.tmp)], check=True, capture_output=True, text=True,
            env={**os.environ, "PYTHONPATH": support}, stdin=subprocess.DEVNULL,
        ).stdout
        self.assertIn(str(self.tmp), out)


class Commands(unittest.TestCase):
    def test_a_command_that_does_not_end_is_killed_and_told_of(self):
        with self.assertRaises(sandstone_test.StillRunning) as caught:
            sandstone_test.command([sys.executable, "-uc", "import time; print('so far'); time.sleep(1000)"], timeout=1)
        self.assertIn("so far", str(caught.exception))

    def test_output_that_is_not_text_is_kept(self):
        ended = sandstone_test.command(["printf", "\\377"])
        self.assertEqual(ended.out.encode("utf-8", "surrogateescape"), b"\xff")


if __name__ == "__main__":
    sandstone_test.main()
