"""The session of docs/debugging.md, in a running sandbox."""

import os
import pathlib
import re
import shutil
import signal
import subprocess
import time
import unittest

import sandstone_test

ROOT = pathlib.Path(__file__).resolve().parents[2]


def session(text):
    """(command, lines that it prints) of the one block of gdb's in the document."""
    block = re.search(r"^```gdb\n(.*?)^```", text, re.M | re.S).group(1)
    for part in block.split("(gdb) ")[1:]:
        command, *lines = part.splitlines()
        yield command, lines


def pattern(line):
    return ".*".join(re.escape(part) for part in line.split("…"))


@unittest.skipUnless(shutil.which("gdb"), "needs gdb")
@unittest.skipUnless(os.geteuid() == 0, "tracing into another user namespace needs root here")
class Debugging(unittest.TestCase):
    def test_the_session_in_the_document(self):
        document = ROOT / "docs" / "debugging.md"
        attach = ROOT / "scripts" / "gdb" / "attach"
        build = pathlib.Path(sandstone_test.BINARY).parent
        if not document.exists() or not (build / "library-kernel.debug").exists():
            self.skipTest("needs the checkout and the kernel's symbols")
        command = [sandstone_test.BINARY, "run", "--tier", "kernel", "--", "sh", "-c", "echo ready; sleep 60 | cat"]
        run = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, text=True)
        try:
            self.assertEqual(run.stdout.readline(), "ready\n")
            time.sleep(1)  # both ends of the pipe are there
            commands = list(session(document.read_text()))
            arguments = []
            for line, _ in commands:
                arguments += ["-ex", f"echo >>> {line}\\n", "-ex", line]
            told = subprocess.run([attach, str(run.pid), "-batch", *arguments], stdin=subprocess.DEVNULL, capture_output=True, text=True,
                                  timeout=300, env={**os.environ, "SANDSTONE_BUILD": str(build)}, check=False)
            parts = dict(part.split("\n", 1) for part in told.stdout.split(">>> ")[1:])
            for line, expected in commands:
                for wanted in expected:
                    if wanted != "…":
                        self.assertRegex(parts[line], f"(?m)^{pattern(wanted)}$", told.stdout + told.stderr)
        finally:
            run.send_signal(signal.SIGTERM)
            run.wait(timeout=30)
            run.stdout.close()


if __name__ == "__main__":
    unittest.main(verbosity=2)
