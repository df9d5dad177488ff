"""Real programs on a folder that our FUSE server serves to the host's own kernel: the client that a guest has, too."""

import os
import pathlib
import random
import re
import shutil
import subprocess
import tempfile
import unittest

import sandstone_test

MOUNT = sandstone_test.PROGRAMS / "fuse_mount"
DOC = pathlib.Path("/usr/share/doc")


def can_mount():
    return sandstone_test.IS_ROOT and os.path.exists("/dev/fuse") and MOUNT.exists()


@unittest.skipUnless(can_mount(), "takes root and /dev/fuse")
class KernelClient(sandstone_test.TestCase):
    def setUp(self):
        super().setUp()
        self.work = pathlib.Path(tempfile.mkdtemp(prefix="sandstone-fuse-"))
        self.addCleanup(shutil.rmtree, self.work)
        self.folder, self.point = self.work / "folder", self.work / "point"
        self.folder.mkdir()
        self.point.mkdir()

    def mounted(self, script, *options, folder=None):
        """`script` run by bash in the mounted folder; what it printed."""
        argv = [MOUNT, *options, folder or self.folder, self.point, "bash", "-euc", f"cd {self.point}; {script}"]
        ended = sandstone_test.command(argv, timeout=300 * sandstone_test.PATIENCE)
        self.assertEqual(ended.status, 0, ended)
        return ended

    def test_a_tree_copied_in_is_the_same(self):
        for options in (["--held", "64"], ["--cache", "always"], ["--cache", "never"]):
            with self.subTest(options=options):
                ended = self.mounted(
                    f"cp -a {DOC}/lib* . && cd {DOC} && for f in lib*; do diff -r --no-dereference $f {self.point}/$f; done",
                    "--rw", "--stats", *options,
                )
                self.assertEqual(ended.out, "")
                held = int(re.search(r"held (\d+)", ended.err)[1])
                if "--held" in options:
                    # A few thousand nodes on 64 descriptors, and the root's.
                    self.assertLessEqual(held, 65, ended.err)
                # What the host sees is what was written, with owners, modes and times.
                listing = r"find -P lib* \( -type d -printf '%p %m %U %G\n' -o -printf '%p %m %U %G %s %T@ %l\n' \) | sort"
                there, here = (
                    subprocess.run(["bash", "-c", listing], cwd=folder, capture_output=True, check=True).stdout
                    for folder in (DOC, self.folder)
                )
                self.assertEqual(there, here)
                self.mounted("rm -rf -- * && test -z \"$(ls -A)\"", "--rw", *options)

    @unittest.skipUnless(shutil.which("git"), "takes git")
    def test_git_works(self):
        out = self.mounted(
            "export HOME=$PWD; git init -q .; git config user.email a@b; git config user.name c;"
            "for i in $(seq 200); do mkdir -p d$((i % 7)); echo $i > d$((i % 7))/$i; done;"
            "git add -A; git commit -qm one; git mv d1 d9; git commit -qm two; git gc -q; git fsck --strict;"
            "git status --short; git log --oneline | wc -l",
            "--rw", "--held", "16",
        ).out
        self.assertEqual(out.strip(), "2")

    def test_random_operations_match_a_model(self):
        """fsx's idea: the same random operations on a file there and on a list of bytes here."""
        for options in (["--cache", "auto"], ["--cache", "never"]):
            with self.subTest(options=options):
                program = pathlib.Path(__file__).with_name("file_model.py")
                seed = random.randrange(1 << 30)
                self.mounted(f"/usr/bin/python3 {program} file {seed} 4000", "--rw", *options)

    def test_what_is_open_outlives_its_name(self):
        out = self.mounted(
            "exec 3<>f; echo kept >&3; rm f; for i in $(seq 50); do : > x$i; done; cat /proc/self/fd/3; stat -L -c %h /proc/self/fd/3",
            "--rw", "--held", "4",
        ).out
        self.assertEqual(out.split(), ["kept", "0"])

    def test_the_systems_folders_are_readable_and_read_only(self):
        out = self.mounted(
            "bin/true; cmp bin/bash /usr/bin/bash; cat share/doc/bash/copyright | wc -c;"
            "for f in touch mkdir mkfifo; do $f new 2>/dev/null && echo $f worked; done;"
            "rm -f bin/bash 2>/dev/null && echo rm worked; chmod 777 bin/bash 2>/dev/null && echo chmod worked; true",
            "--cache", "always", folder="/usr",
        ).out
        self.assertNotIn("worked", out)

    def test_a_squashed_folder_belongs_to_one_user(self):
        out = self.mounted(
            "setpriv --reuid=1000 --regid=1000 --clear-groups bash -c 'echo x > mine; stat -c \"%u %g\" mine'",
            "--rw", "--squash", "1000",
        ).out
        self.assertEqual(out.split(), ["1000", "1000"])
        self.assertEqual((self.folder / "mine").stat().st_uid, 0)

    def test_mounts_inside_are_other_file_systems_or_not_there(self):
        (self.folder / "inner").mkdir()
        script = f"mount -t tmpfs none {self.folder}/inner; echo x > {self.folder}/inner/f; "
        wrapped = ["unshare", "-m", "bash", "-euc", script + '"$@"', "-"]
        for options, expected in (([], "x\n"), (["--no-cross"], "")):
            ended = sandstone_test.command(
                [*wrapped, MOUNT, *options, self.folder, self.point, "bash", "-c", f"cat {self.point}/inner/f"]
            )
            self.assertEqual(ended.out, expected, ended)


if __name__ == "__main__":
    sandstone_test.main()
