#!/usr/bin/env python3
"""What suites of others have found in the tier `kernel`, small: the cases of fidelity.c in each mode, and more."""

import kernel_tier
import sandstone_test


class Cases(kernel_tier.CompiledTestCase):
    def run_all(self, mode):
        program = self.program("fidelity")
        names = sandstone_test.command([program]).out.split()
        self.assertGreater(len(names), 5)
        script = f"for name in {' '.join(names)}; do echo $name $(/t/fidelity $name 2>&1); done"
        options = ["--syscall-mode", mode, "--timeout", "100s", "-v", f"{program.parent}:/t:ro"]
        self.assert_ended(self.script(script, options=options, timeout=120), 0, out="".join(f"{name} ok\n" for name in names))

    def test_rewritten(self):
        self.run_all("rewrite")

    def test_trapped(self):
        self.run_all("trap")

    def test_notified(self):
        self.run_all("unotify")


class Root(kernel_tier.TestCase):
    def test_it_is_one_file_system(self):
        """`du -x` and `find -xdev` go by the device's number; and a folder's number in a listing is that of its stat."""
        script = """
            touch /tmp/file; mkdir /tmp/folder
            stat -c %d / /usr /usr/bin/env /tmp /tmp/file /tmp/folder | sort -u | wc -l
            find /usr/bin -xdev -name env
            cd /tmp && [ "$(ls -i | sed 's|^ *||' | sort)" = "$(stat -c '%i %n' * | sort)" ] && echo same
        """
        self.assert_ended(self.script(script), 0, out="1\n/usr/bin/env\nsame\n")


if __name__ == "__main__":
    sandstone_test.main()
