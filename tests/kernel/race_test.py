#!/usr/bin/env python3
"""Signals at any moment: what takes long to go wrong."""

import unittest

import kernel_tier
import sandstone_test


class Signals(kernel_tier.CompiledTestCase):
    def race(self, mode):
        program = self.program("race")
        options = ["--syscall-mode", mode, "-v", f"{program.parent}:/t:ro"]
        self.assert_ended(self.sandbox("/t/race", "30" if sandstone_test.SOAK else "1", options=options, timeout=120), 0, out="ok\n")

    def test_at_any_moment(self):
        self.race("rewrite")

    def test_at_any_moment_unotify(self):
        self.race("unotify")

    @unittest.skipUnless(sandstone_test.SOAK, "long")
    def test_at_any_moment_trap(self):
        self.race("trap")


if __name__ == "__main__":
    sandstone_test.main()
