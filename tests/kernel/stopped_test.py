"""A guest that is stopped from outside while it runs the library kernel does not take the others along."""

import os
import pathlib
import signal
import time

import sandstone_test

BUSY = "import os\nwhile True: os.stat('/etc/hostname')"
COUNTS = """
import sys, time
for i in range(10**6):
    print(i, flush=True)
    time.sleep(0.05)
"""


def processor_time(pid):
    return sum(map(int, pathlib.Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[11:13]))


class Stopped(sandstone_test.TestCase):
    def count(self):
        lines = (self.dir / "out").read_text().splitlines()
        return len(lines)

    def moves(self, seconds):
        """Whether the counting guest gets on."""
        before, until = self.count(), time.monotonic() + seconds
        while time.monotonic() < until:
            if self.count() > before + 1:
                return True
            time.sleep(0.02)
        return False

    def test_others_go_on(self):
        for mode in ("rewrite", "trap"):
            with self.subTest(mode=mode):
                self.try_mode(mode)

    def try_mode(self, mode):
        with open(self.dir / "out", "wb") as out, open(self.dir / "err", "wb") as err:
            run = self.start("run", "--tier", "kernel", "--syscall-mode", mode, "--timeout", "120s", "--", "sh", "-c",
                             f'python3 -c "{BUSY}" & exec python3 -c "{COUNTS}"', stdout=out, stderr=err)
        sandstone_test.until(lambda: self.count() > 3, "the guests run")
        busy = max((pid for pid in sandstone_test.descendants() if pathlib.Path(f"/proc/{pid}/comm").read_text() == "sandstone-linux\n"),
                   key=processor_time)
        # Most often it is inside.
        for _ in range(100):
            os.kill(busy, signal.SIGSTOP)
            if not self.moves(0.4):
                break
            os.kill(busy, signal.SIGCONT)
            time.sleep(0.03)
        else:
            self.fail("it was never stopped inside")
        sandstone_test.until(lambda: "was stopped while it ran the library kernel" in (self.dir / "err").read_text(), "it is noticed")
        self.assertTrue(self.moves(10))
        run.kill()
        run.wait()


if __name__ == "__main__":
    sandstone_test.main()
