"""The trail of system calls: what was called is in it, as it came, and what is not is counted."""

import collections
import json
import pathlib
import re
import subprocess

import kernel_tier
import sandstone_test

WORK = "echo secret >/tmp/found; cat /tmp/found; ls /nowhere 2>/dev/null; (exit 3); exit 0"
MANY = 3_000_000
LOOP = f"""
#include <unistd.h>
int main(void) {{ for (int i = 0; i < {MANY}; i++) getppid(); return 0; }}
"""
HANDLER = r"""
import os, signal
signal.signal(signal.SIGCHLD, lambda *_: None)
for _ in range(3):
    pid = os.fork()
    if pid == 0: os._exit(0)
    os.waitpid(pid, 0)
"""


class Trace(kernel_tier.TestCase):
    def trail(self, *command, options=(), form="json"):
        path = pathlib.Path(self.dir, "trail")
        ended = self.sandbox(*command, options=("--trace", str(path), "--trace-format", form, *options), timeout=120)
        self.assertEqual(ended.status, 0, ended)
        lines = path.read_text(encoding="utf-8").splitlines()
        return [json.loads(line) for line in lines] if form == "json" else lines

    def test_what_was_called(self):
        for mode, transport in (("rewrite", "rewritten"), ("trap", "trapped"), ("unotify", "notified")):
            with self.subTest(mode=mode):
                trail = self.trail("sh", "-c", WORK, options=("--syscall-mode", mode))
                calls = [each for each in trail if "name" in each]
                self.assertEqual(len(calls), len(trail), "something was dropped")
                by_name = collections.defaultdict(list)
                for call in calls:
                    by_name[call["name"]].append(call)
                opened = [call for name in ("open", "openat") for call in by_name[name] if '"/tmp/found"' in call["args"]]
                self.assertGreaterEqual(len(opened), 2)
                self.assertTrue(any('"secret\\n"' in call["args"] and call["result"] == 7 for call in by_name["write"]), by_name["write"])
                self.assertTrue(any("3" in call["args"] for call in by_name["exit_group"]), by_name["exit_group"])
                self.assertTrue(any(call["error"] == "ENOENT" for call in calls))
                self.assertGreaterEqual(len({call["pid"] for call in calls}), 3)
                self.assertIn(transport, json.dumps(calls))

    def test_as_text(self):
        trail = self.trail("sh", "-c", WORK, form="text")
        for pattern in (r'^\[pid \d+\] [\d:.]+ openat\(AT_FDCWD, "/tmp/found", O_WRONLY\|O_CREAT\|O_TRUNC, 0666\) = \d+ <[\d.]+> \[library, ',
                        r"^\[pid \d+\] [\d:.]+ exit_group\(0\) = \? \["):
            self.assertTrue(any(re.match(pattern, line) for line in trail), pattern)

    def test_what_a_call_gave_before_its_handler_ran(self):
        """SIGCHLD's handler has the registers when wait4(2) comes back."""
        for mode in ("rewrite", "trap", "unotify"):
            trail = self.trail("/usr/bin/python3", "-c", HANDLER, options=("--syscall-mode", mode))
            waited = [call["result"] for call in trail if call.get("name") == "wait4" and call["error"] != "ECHILD"]
            self.assertEqual(len(waited), 3)
            self.assertEqual([each for each in waited if each < 1], [], mode)

    def test_a_burst_is_not_lost(self):
        trail = self.trail("/usr/bin/python3", "-c", "import os\nfor _ in range(8000): os.getppid()")
        self.assertEqual(sum(call.get("name") == "getppid" for call in trail), 8000)
        self.assertNotIn("dropped", trail[-1])

    def test_what_is_lost_is_counted(self):
        folder = pathlib.Path(self.dir, "bin")
        folder.mkdir()
        self.dir.chmod(0o755)
        subprocess.run(["gcc", "-O1", "-static", "-x", "c", "-", "-o", folder / "loop"], input=LOOP, text=True, check=True)
        *calls, last = self.trail("/b/loop", options=("-v", f"{folder}:/b:ro", "--syscall-mode", "rewrite"))
        self.assertGreater(last["dropped"], 0)
        self.assertEqual(len(calls) + last["dropped"] - MANY in range(5, 100), True, (len(calls), last))


if __name__ == "__main__":
    sandstone_test.main()
