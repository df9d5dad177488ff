"""CPU time: times of children, timers and limits. The cases are in cputime.c; all of one mode share a sandbox."""

import kernel_tier
import sandstone_test

SCRIPT = "for case in $(/t/cputime); do /t/cputime $case >/tmp/out || { echo $case; cat /tmp/out; exit 1; }; done; echo all"


class CpuTime(kernel_tier.CompiledTestCase):
    def check(self, mode):
        program = self.program("cputime")
        options = ["--syscall-mode", mode, "-v", f"{program.parent}:/t:ro"]
        self.assert_ended(self.script(SCRIPT, options=options, timeout=120), 0, out="all\n")

    def test_rewrite(self):
        self.check("rewrite")

    def test_trap(self):
        self.check("trap")

    def test_unotify(self):
        self.check("unotify")

    def test_ulimit(self):
        self.assert_ended(self.script("(ulimit -S -t 1; while :; do :; done); echo $?"), 0, out="152\n")


if __name__ == "__main__":
    sandstone_test.main()
