#!/usr/bin/env python3
"""Images as Linux's own ext4 sees them, in the library kernel: examples/ext4ls lists and copies out of them."""

import os
import pathlib
import random
import subprocess
import sys
import unittest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))

import sandstone_test

BUILD = pathlib.Path(sandstone_test.BINARY).resolve().parent
EXT4LS = BUILD / "examples/ext4ls"


@unittest.skipUnless(EXT4LS.exists() and (BUILD / "library-kernel").exists(), "needs ./dev build kernel")
class InTheKernel(sandstone_test.TestCase):
    def ext4ls(self, *args):
        ended = subprocess.run([EXT4LS, *args], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                               timeout=60 * sandstone_test.PATIENCE, check=False)
        self.assertEqual(ended.returncode, 0, ended.stderr)
        return ended.stdout

    def test_it_mounts_lists_and_reads_them(self):
        folder, image = self.dir / "root", self.dir / "disk.img"
        (folder / "many").mkdir(parents=True)
        for number in range(2000):
            (folder / "many" / f"file-{number:04}").write_bytes(b"")
        (folder / "holes").write_bytes(random.Random(1).randbytes(3_000_001) + bytes(5 << 20) + b"end")
        (folder / "link").symlink_to("holes")
        (folder / "holes").chmod(0o4751)
        self.assert_ended(self.sandstone("image", "build", folder, image), 0)
        lines = dict(reversed(line.rsplit(" ", 1)) for line in self.ext4ls(image, "/").decode().splitlines())
        me = f"{os.getuid():5}:{os.getgid():<5}"
        self.assertEqual(lines["holes"], f"104751 {me} {(folder / 'holes').stat().st_size:12}")
        self.assertEqual(lines["link"], f"120777 {me} {5:12}")
        self.assertIn("lost+found", lines)
        names = {line.rsplit(" ", 1)[1] for line in self.ext4ls(image, "/many").decode().splitlines()}
        self.assertEqual(names, {".", "..", *(f"file-{number:04}" for number in range(2000))})
        self.assertEqual(self.ext4ls(image, "/holes", "-"), (folder / "holes").read_bytes())


if __name__ == "__main__":
    sandstone_test.main()
