"""Inside a container whose filter refuses clone3, as those do that cannot see what a pointer leads to."""

import platform
import re
import sys

import sandstone_test

# Answers clone3 (435) with ENOSYS (38), as for a kernel that does not have it, and becomes its arguments.
WITHOUT_CLONE3 = """
import ctypes, os, struct, sys
step = lambda code, jt, jf, k: struct.pack("<HBBI", code, jt, jf, k)
program = ctypes.create_string_buffer(step(0x20, 0, 0, 0) + step(0x15, 0, 1, 435) + step(6, 0, 0, 0x50026) + step(6, 0, 0, 0x7fff0000))
class Filter(ctypes.Structure):
    _fields_ = [("len", ctypes.c_ushort), ("filter", ctypes.c_void_p)]
libc = ctypes.CDLL(None, use_errno=True)
assert libc.prctl(38, 1, 0, 0, 0) == 0
assert libc.prctl(22, 2, ctypes.byref(Filter(4, ctypes.addressof(program))), 0, 0) == 0
assert libc.syscall(435, 0, 0) == -1 and ctypes.get_errno() == 38
os.execv(sys.argv[1], sys.argv[1:])
"""


class WithoutClone3(sandstone_test.TestCase):
    def contained(self, *args):
        return sandstone_test.command(
            [sys.executable, "-c", WITHOUT_CLONE3, sandstone_test.BINARY, "run", *args], env={"TMPDIR": str(self.tmp), "PATH": "/usr/bin:/bin"})

    def setUp(self):
        super().setUp()
        release = tuple(int(n) for n in re.findall(r"\d+", platform.release())[:2])
        self.can_have_a_time_namespace = release >= (6, 2)

    def test_every_tier(self):
        for tier in ("none", "ns", "landlock", "full"):
            with self.subTest(tier=tier):
                if tier != "none" and not self.can_have_a_time_namespace:
                    self.assert_refused(self.contained("--tier", tier, "--", "true"), "clone3", "time namespace")
                    continue
                self.assert_ended(self.contained("--tier", tier, "--", "sh", "-c", "echo in; exit 7"), 7, out="in\n")
                self.assert_nothing_left()

    def test_limits(self):
        if not self.can_have_a_time_namespace:
            self.skipTest("needs Linux 6.2")
        self.assert_ended(self.contained("--timeout", "1s", "--", "sleep", "60"), 124)
        options = ["-m", "64m", "--pids-limit", "20"]
        if self.sandbox("true", options=options).status != 0:
            self.skipTest("no control group here")
        script = "x = bytearray(1 << 30); x[::4096] = b'x' * len(x[::4096])"
        self.assert_ended(self.contained(*options, "--", "python3", "-c", script), 137, err="memory")

    def test_signals(self):
        """What the caller blocks or ignores, the workload does not."""
        if not self.can_have_a_time_namespace:
            self.skipTest("needs Linux 6.2")
        ended = self.contained("--", "sh", "-c", "grep -E 'Sig(Blk|Ign)' /proc/self/status | cut -f 2 | sort -u")
        self.assert_ended(ended, 0, out="0" * 16 + "\n")


if __name__ == "__main__":
    sandstone_test.main()
