#!/usr/bin/env python3
"""Where a program's parts lie: what one process gave away of its own addresses is worth nothing against another's."""

import re

import kernel_tier
import sandstone_test

# The places of one process after the other, and their names; $WITH is how each is started.
PLACES = "for i in 1 2 3 4; do $WITH cat /proc/self/maps; echo; done"
PARTS = {"the program": r"/\S*/cat", "libc": r"/\S*/libc[.-]\S*", "the loader": r"/\S*/ld-linux\S*", "the stack": r"\[stack\]", "the heap": r"\[heap\]"}


class Layout(kernel_tier.TestCase):
    def places(self, script, options=()):
        """{part: its place in each process}"""
        ended = self.script(script, options=options)
        self.assertEqual((ended.status, ended.err), (0, ""), str(ended))
        found = {part: [] for part in PARTS}
        for process in ended.out.strip().split("\n\n"):
            for part, name in PARTS.items():
                found[part].append(re.search(rf"^([0-9a-f]+)-.* {name}$", process, re.M)[1])
        return found

    def assert_guessed(self, places, wanted):
        for part, found in places.items():
            if wanted:
                self.assertEqual(len(set(found)), 1, f"{part}: {found}")
            else:  # two may meet by chance, once in ten thousand times
                self.assertGreaterEqual(len(set(found)), len(found) - 1, f"{part}: {found}")

    def test_nothing_can_be_guessed(self):
        # The control: a process that asked for it lies where the last one did.
        self.assert_guessed(self.places(f"WITH='setarch -R'; {PLACES}"), True)
        for mode in ("rewrite", "trap", "unotify"):
            with self.subTest(mode):
                self.assert_guessed(self.places(f"WITH=; {PLACES}", ["--syscall-mode", mode]), False)

    def test_root_can_turn_it_off(self):
        places = self.places(f"echo 0 > /proc/sys/kernel/randomize_va_space; WITH=; {PLACES}")
        self.assert_guessed(places, True)

    def test_the_heap_stays_where_root_says(self):
        """1: everything but the heap, which then begins where the program ends."""
        ended = self.script("echo 1 > /proc/sys/kernel/randomize_va_space; cat /proc/self/maps")
        self.assertRegex(ended.out, r"(?m)^[0-9a-f]+-([0-9a-f]+) .*/cat\n\1-[0-9a-f]+ .*\[heap\]$")

    def test_nothing_is_near_below_a_stack(self):
        """Else what overflows writes into the loader's data, without a fault."""
        for mode in ("rewrite", "trap", "unotify"):
            maps = self.script("cat /proc/self/maps", options=["--syscall-mode", mode]).out
            areas = [(int(start, 16), int(end, 16), rest) for start, end, rest in re.findall(r"(?m)^([0-9a-f]+)-([0-9a-f]+) (.*)$", maps)]
            stack = next(start for start, _, rest in areas if rest.endswith("[stack]"))
            self.assertLessEqual(max(end for _, end, _ in areas if end <= stack), stack - (1 << 20), maps)


if __name__ == "__main__":
    sandstone_test.main()
